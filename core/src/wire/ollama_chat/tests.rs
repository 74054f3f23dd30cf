//! Ollama's formats against fixtures written from the vendor's documents, and against recorded traffic.

use serde_json::{Value, json};

use super::{OllamaChat, OllamaGenerate};
use crate::error::Kind;
use crate::message::{Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::{Dialect, Endpoint};
use crate::reply::StopReason;
use crate::request::{ReasoningAsk, RequestDraft, ResponseFormat, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::{Ask, Headers, HttpResponse, Mode, Wire, tests as recorded, verbatim};

fn written(wire: &dyn Wire, draft: &RequestDraft) -> Result<Value, Kind> {
    let endpoint = Endpoint { dialect: Dialect::default(), ..verbatim::endpoint(wire.api()) };
    let card = verbatim::card("qwen");
    let ask = Ask { draft, card: &card, endpoint: &endpoint, max_tokens: 50 };
    let request = wire.write(&ask, Mode::Stream).map_err(|error| error.kind)?;
    Ok(serde_json::from_slice(&request.body).unwrap())
}

fn rich() -> RequestDraft {
    let call = ToolCall { id: "c1".into(), name: "clock".into(), arguments: "{\"z\":1}".into() };
    let png = Source::Base64 { media_type: "image/png".into(), data: "aGk=".into() };
    let answer = ToolResult { call_id: "c1".into(), name: None, parts: vec![Part::text("10:00")], is_error: false };
    let mut draft = RequestDraft {
        messages: vec![
            Message::system("Be brief."),
            Message::new(Role::User, vec![Part::text("Time?"), Part::new(Content::Image { source: png })]),
            Message::new(
                Role::Assistant,
                vec![Part::new(Content::Reasoning { text: "another's".into() }), Part::new(Content::ToolCall(call))],
            ),
            Message::new(Role::Tool, vec![Part::new(Content::ToolResult(answer))]),
        ],
        tools: vec![Tool {
            name: "clock".into(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
            vendor: VendorFields::new(),
        }],
        reasoning: Some(ReasoningAsk { budget_tokens: Some(100), ..ReasoningAsk::default() }),
        format: Some(ResponseFormat::JsonSchema {
            name: "n".into(),
            description: None,
            schema: json!({"type": "object"}),
            strict: None,
        }),
        ..RequestDraft::default()
    };
    draft.sampling.seed = Some(3);
    draft.sampling.stop = vec!["END".into()];
    draft
}

#[test]
fn a_rich_request_is_written_as_documented() {
    let want = json!({
        "model": "qwen",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Time?", "images": ["aGk="]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "c1", "function": {"name": "clock", "arguments": {"z": 1}}}
            ]},
            {"role": "tool", "content": "10:00", "tool_name": "clock", "tool_call_id": "c1"}
        ],
        "tools": [{"type": "function", "function": {"name": "clock",
            "parameters": {"type": "object", "properties": {}}}}],
        "format": {"type": "object"},
        "think": true,
        "options": {"num_predict": 50, "seed": 3, "stop": ["END"]},
        "stream": true
    });
    assert_eq!(written(&OllamaChat, &rich()).unwrap(), want);
}

#[test]
fn a_completion_has_one_prompt() {
    let draft = RequestDraft {
        messages: vec![Message::system("S"), Message::user("a"), Message::user("b")],
        ..Default::default()
    };
    let body = written(&OllamaGenerate, &draft).unwrap();
    assert_eq!((&body["system"], &body["prompt"]), (&"S".into(), &"a\n\nb".into()));
    assert_eq!(written(&OllamaGenerate, &rich()), Err(Kind::Unsupported));
}

#[test]
fn tools_cannot_be_forced_but_can_be_forbidden() {
    let mut draft = rich();
    draft.tool_choice = Some(ToolChoice::Required);
    assert_eq!(written(&OllamaChat, &draft), Err(Kind::Unsupported));
    draft.tool_choice = Some(ToolChoice::None);
    assert_eq!(written(&OllamaChat, &draft).unwrap().get("tools"), None);
}

fn lines() -> String {
    let line = |message: Value| json!({"model": "qwen", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false});
    let end = json!({"model": "qwen", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop",
        "prompt_eval_count": 5, "eval_count": 6, "total_duration": 7});
    [
        line(json!({"role": "assistant", "content": "", "thinking": "h"})),
        line(json!({"role": "assistant", "content": "", "thinking": "m"})),
        line(json!({"role": "assistant", "content": "H\u{e9}"})),
        line(json!({"role": "assistant", "content": "llo"})),
        line(json!({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "clock", "arguments": {"a": 1}}}]})),
        end,
    ]
    .iter()
    .map(|line| format!("{line}\n"))
    .collect()
}

#[test]
fn a_stream_is_read_alike_however_it_is_cut() {
    let text = lines();
    recorded::check_cuts(&OllamaChat, text.as_bytes(), usize::MAX);
    let reply = recorded::read(OllamaChat.decoder(&Dialect::default()), [text.as_bytes()]).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("H\u{e9}llo", "hm"));
    let call = reply.tool_calls().next().unwrap();
    assert_eq!((call.id.as_str(), call.arguments.as_str()), ("ollama_call_20260101000000_0", "{\"a\":1}"));
    assert_eq!((reply.usage.input, reply.usage.output, reply.stop), (Some(5), Some(6), Some(StopReason::ToolUse)));
    // As a whole body it reads the same.
    let response = HttpResponse { status: 200, headers: Headers::NONE, body: text.as_bytes() };
    assert_eq!(OllamaChat.decode(response, &Dialect::default()).unwrap().text(), "H\u{e9}llo");
}

#[test]
fn failures_are_typed_with_what_came() {
    let text = lines();
    let cut = &text[..text.rfind("{\"model\"").unwrap()];
    let error = recorded::read(OllamaChat.decoder(&Dialect::default()), [cut.as_bytes()]).unwrap_err();
    assert_eq!((error.kind, error.partial.unwrap().text().as_str()), (Kind::Incomplete, "H\u{e9}llo"));
    let failing = format!("{cut}{{\"error\":\"an error was encountered while running the model\"}}\n");
    let error = recorded::read(OllamaChat.decoder(&Dialect::default()), [failing.as_bytes()]).unwrap_err();
    assert_eq!(error.kind, Kind::Server);
    let response = HttpResponse { status: 404, headers: Headers::NONE, body: b"{\"error\":\"model 'x' not found\"}" };
    assert_eq!(OllamaChat.decode(response, &Dialect::default()).unwrap_err().kind, Kind::NotFound);
}

#[test]
fn recorded_traffic_decodes_and_requests_survive() {
    let mut faults = Vec::new();
    let wires: [(&str, &dyn Wire); 2] = [("ollama_chat", &OllamaChat), ("ollama_generate", &OllamaGenerate)];
    for (api, wire) in wires {
        for exchange in recorded::exchanges("ollama", api) {
            match recorded::decode(wire, &exchange) {
                Ok(reply) if exchange.status == 200 && reply.usage.output.is_some() => {}
                Err(_) if exchange.status >= 400 => {}
                other => faults.push(format!("{}: {other:?}", exchange.id)),
            }
            if exchange.is_stream {
                recorded::check_cuts(wire, &exchange.body, 0);
            }
            if let Err(fault) = recorded::request_fault(wire, &exchange.request, |_, _, _| false) {
                faults.push(format!("{}: {fault}", exchange.id));
            }
        }
    }
    recorded::no_faults(faults);
}
