//! Cohere's chat against fixtures written from the vendor's documents, and against recorded traffic.

use serde_json::{Value, json};

use super::CohereChat;
use crate::error::Kind;
use crate::message::{Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::{Api, Dialect, Endpoint};
use crate::reply::StopReason;
use crate::request::{Effort, ReasoningAsk, RequestDraft, ResponseFormat, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::{Ask, Headers, HttpResponse, Mode, Wire, tests as recorded, verbatim};

fn written(draft: &RequestDraft) -> Value {
    let endpoint = Endpoint { dialect: Dialect::default(), ..verbatim::endpoint(Api::CohereChat) };
    let card = verbatim::card("command-x");
    let ask = Ask { draft, card: &card, endpoint: &endpoint, max_tokens: 900 };
    serde_json::from_slice(&CohereChat.write(&ask, Mode::Unary).unwrap().body).unwrap()
}

fn rich() -> RequestDraft {
    let call = ToolCall { id: "c1".into(), name: "clock".into(), arguments: "{\"z\":1}".into() };
    let mut plan = Part::new(Content::Reasoning { text: "I look.".into() });
    plan.vendor.set(Api::CohereChat, super::PLAN, true.into());
    let png = Source::Base64 { media_type: "image/png".into(), data: "aGk=".into() };
    let result = |id: &str| {
        let parts = vec![Part::text("10:00")];
        Part::new(Content::ToolResult(ToolResult { call_id: id.into(), name: None, parts, is_error: false }))
    };
    let mut draft = RequestDraft {
        messages: vec![
            Message::system("Be brief."),
            Message::new(Role::User, vec![Part::text("Time?"), Part::new(Content::Image { source: png })]),
            Message::new(Role::Assistant, vec![plan, Part::new(Content::ToolCall(call))]),
            Message::new(Role::Tool, vec![result("c1"), result("c2")]),
        ],
        tools: vec![Tool {
            name: "clock".into(),
            description: None,
            parameters: None,
            strict: Some(true),
            cache: None,
            vendor: VendorFields::new(),
        }],
        tool_choice: Some(ToolChoice::Named("clock".into())),
        reasoning: Some(ReasoningAsk { effort: Some(Effort::Minimal), ..ReasoningAsk::default() }),
        format: Some(ResponseFormat::JsonObject),
        ..RequestDraft::default()
    };
    draft.sampling.top_p = Some(1.0);
    draft.sampling.seed = Some(3);
    draft.sampling.stop = vec!["END".into()];
    draft
}

#[test]
fn a_rich_request_is_written_as_documented() {
    let want = json!({
        "model": "command-x",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Time?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
            ]},
            {"role": "assistant", "tool_plan": "I look.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{\"z\":1}"}}
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "10:00"},
            {"role": "tool", "tool_call_id": "c2", "content": "10:00"}
        ],
        "tools": [{"type": "function", "function": {"name": "clock",
            "parameters": {"type": "object", "properties": {}}}}],
        "strict_tools": true,
        "tool_choice": "REQUIRED",
        "max_tokens": 900,
        "p": 0.99,
        "seed": 3,
        "stop_sequences": ["END"],
        "response_format": {"type": "json_object"},
        "thinking": {"type": "enabled", "token_budget": 899},
        "stream": false
    });
    assert_eq!(written(&rich()), want);
}

#[test]
fn what_the_format_cannot_say_is_refused_before_sending() {
    let endpoint = Endpoint { dialect: Dialect::default(), ..verbatim::endpoint(Api::CohereChat) };
    let card = verbatim::card("command-x");
    let clip = Source::Url { url: "https://e.org/a.mp3".into(), media_type: None };
    let message = Message::new(Role::User, vec![Part::new(Content::Audio { source: clip })]);
    let draft = RequestDraft { messages: vec![message], ..Default::default() };
    let ask = Ask { draft: &draft, card: &card, endpoint: &endpoint, max_tokens: 9 };
    assert_eq!(CohereChat.write(&ask, Mode::Unary).unwrap_err().kind, Kind::Unsupported);
}

#[test]
fn a_whole_answer_is_read_and_billed_units_are_kept_apart() {
    let body = json!({
        "id": "r", "finish_reason": "TOOL_CALL",
        "message": {"role": "assistant", "tool_plan": "I look.",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Ten."}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]},
        "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 0}, "tokens": {"input_tokens": 70, "output_tokens": 9},
            "cached_tokens": 4}
    });
    let body = body.to_string();
    let response = HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() };
    let reply = CohereChat.decode(response, &Dialect::default()).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Ten.", "I look.hm"));
    assert_eq!(reply.tool_calls().count(), 1);
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
    assert_eq!((reply.usage.input, reply.usage.output, reply.usage.cached_read), (Some(70), Some(0), Some(4)));
    assert_eq!(reply.usage.billed_input, Some(5));
    let draft = RequestDraft { messages: vec![Message::new(Role::Assistant, reply.parts)], ..Default::default() };
    let back = written(&draft)["messages"][0].take();
    assert_eq!((&back["tool_plan"], &back["content"][0]["thinking"]), (&"I look.".into(), &"hm".into()));
}

#[test]
fn errors_and_stop_reasons_are_typed() {
    for (status, message, want) in [
        (400, "invalid request: bad field", Kind::Invalid),
        (401, "invalid api token", Kind::Auth),
        (404, "model 'x' not found", Kind::NotFound),
        (429, "You are past the per minute request limit", Kind::RateLimited),
        (500, "internal", Kind::Server),
    ] {
        let body = json!({"id": "e", "message": message}).to_string();
        let response = HttpResponse { status, headers: Headers::NONE, body: body.as_bytes() };
        assert_eq!(CohereChat.decode(response, &Dialect::default()).unwrap_err().kind, want, "{message}");
    }
    for (word, want) in [
        ("COMPLETE", "end"),
        ("STOP_SEQUENCE", "stop_text"),
        ("MAX_TOKENS", "max_tokens"),
        ("ERROR_TOXIC", "content_filter"),
    ] {
        let body = json!({"message": {"content": []}, "finish_reason": word}).to_string();
        let response = HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() };
        assert_eq!(CohereChat.decode(response, &Dialect::default()).unwrap().stop.unwrap().as_str(), want);
    }
}

fn stream() -> String {
    let event = |name: &str, mut data: Value| {
        data["type"] = name.into();
        format!("event: {name}\ndata: {data}\n\n")
    };
    let message = |inner: Value| json!({"index": 0, "delta": {"message": inner}});
    [
        event("message-start", json!({"id": "r", "delta": {"message": {"role": "assistant"}}})),
        event("tool-plan-delta", json!({"delta": {"message": {"tool_plan": "I look."}}})),
        event("content-start", message(json!({"content": {"type": "text", "text": ""}}))),
        event("content-delta", message(json!({"content": {"text": "H\u{e9}"}}))),
        event("content-delta", message(json!({"content": {"text": "llo"}}))),
        event("content-end", json!({"index": 0})),
        event("citation-start", message(json!({"citations": {"start": 0, "end": 2, "text": "H"}}))),
        event("citation-end", json!({"index": 0})),
        event("tool-call-start", message(json!({"tool_calls": {"id": "c", "function": {"name": "clock", "arguments": ""}}}))),
        event("tool-call-delta", message(json!({"tool_calls": {"function": {"arguments": "{\"a\":"}}}))),
        event("tool-call-delta", message(json!({"tool_calls": {"function": {"arguments": "1}"}}}))),
        event("tool-call-end", json!({"index": 0})),
        event("message-end", json!({"delta": {"finish_reason": "TOOL_CALL", "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 6}}}})),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

#[test]
fn a_stream_is_read_alike_however_it_is_cut() {
    let text = stream();
    recorded::check_cuts(&CohereChat, text.as_bytes(), usize::MAX);
    let reply = recorded::read(CohereChat.decoder(&Dialect::default()), [text.as_bytes()]).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("H\u{e9}llo", "I look."));
    assert_eq!(reply.tool_calls().next().unwrap().arguments, "{\"a\":1}");
    assert_eq!((reply.usage.output, reply.stop), (Some(6), Some(StopReason::ToolUse)));
    let cut = &text[..text.find("event: message-end").unwrap()];
    let error = recorded::read(CohereChat.decoder(&Dialect::default()), [cut.as_bytes()]).unwrap_err();
    assert_eq!((error.kind, error.partial.unwrap().text().as_str()), (Kind::Incomplete, "H\u{e9}llo"));
    let end = json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "no room",
        "usage": {"billed_units": {"input_tokens": 5}}}});
    let failing = format!("{cut}data: {end}\n\n");
    let error = recorded::read(CohereChat.decoder(&Dialect::default()), [failing.as_bytes()]).unwrap_err();
    assert_eq!((error.kind, error.message.as_str(), error.usage.unwrap().input), (Kind::Server, "no room", Some(5)));
}

#[test]
fn recorded_traffic_decodes_and_requests_survive() {
    let mut faults = Vec::new();
    for exchange in recorded::exchanges("cohere", "cohere_chat") {
        match recorded::decode(&CohereChat, &exchange) {
            Ok(reply) if exchange.status == 200 && reply.usage.input.is_some() => {}
            Err(_) if exchange.status >= 400 => {}
            other => faults.push(format!("{}: {other:?}", exchange.id)),
        }
        if exchange.is_stream {
            recorded::check_cuts(&CohereChat, &exchange.body, 0);
        }
        if let Err(fault) = recorded::request_fault(&CohereChat, &exchange.request, |_, _, _| false) {
            faults.push(format!("{}: {fault}", exchange.id));
        }
    }
    recorded::no_faults(faults);
}
