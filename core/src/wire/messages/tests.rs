//! The Messages format against fixtures written from the vendor's documents, and against recorded traffic.

use serde_json::{Value, json};

use super::{Messages, decode, whole};
use crate::error::{Kind, Retry};
use crate::message::{CacheHint, Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::{Api, Capability, Dialect, Endpoint, ModelCard, ReasoningDial};
use crate::reply::{Reply, StopReason};
use crate::request::{Effort, ReasoningAsk, RequestDraft, ResponseFormat, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::{Ask, Headers, HttpResponse, Mode, Wire, tests as recorded, verbatim};

fn card() -> ModelCard {
    verbatim::card("claude-x")
}

fn endpoint() -> Endpoint {
    Endpoint { dialect: Dialect::default(), ..verbatim::endpoint(Api::Messages) }
}

fn written(draft: &RequestDraft, card: &ModelCard, max_tokens: u64) -> Value {
    let endpoint = endpoint();
    let ask = Ask { draft, card, endpoint: &endpoint, max_tokens };
    serde_json::from_slice(&Messages.write(&ask, Mode::Unary).unwrap().body).unwrap()
}

fn refusal(draft: &RequestDraft) -> Kind {
    let (card, endpoint) = (card(), endpoint());
    let ask = Ask { draft, card: &card, endpoint: &endpoint, max_tokens: 100 };
    let error = Messages.write(&ask, Mode::Unary).unwrap_err();
    assert!(!error.sent);
    error.kind
}

fn part(content: Content, vendor: Value) -> Part {
    let Value::Object(fields) = vendor else { unreachable!() };
    Part::new(content).with_vendor(VendorFields::of(Api::Messages, fields))
}

fn rich() -> RequestDraft {
    let call = |id: &str| {
        Part::new(Content::ToolCall(ToolCall {
            id: id.into(),
            name: "clock".into(),
            arguments: "{\"zone\":\"utc\"}".into(),
        }))
    };
    let result = |id: &str, text: &str, is_error| {
        let parts = vec![Part::text(text)];
        Part::new(Content::ToolResult(ToolResult { call_id: id.into(), name: None, parts, is_error }))
    };
    let png = Source::Base64 { media_type: "image/png".into(), data: "aGk=".into() };
    let pdf = Source::Url { url: "https://e.org/a.pdf".into(), media_type: Some("application/pdf".into()) };
    let mut draft = RequestDraft {
        messages: vec![
            Message::system("Be brief."),
            Message::new(Role::Developer, vec![Part::text("Speak Welsh.").cached(CacheHint::OneHour)]),
            Message::new(
                Role::User,
                vec![
                    Part::text("What time is it?"),
                    Part::new(Content::Image { source: png }),
                    Part::new(Content::Document { source: pdf, name: Some("a".into()) }).cached(CacheHint::FiveMinutes),
                ],
            ),
            Message::new(
                Role::Assistant,
                vec![
                    part(Content::Reasoning { text: "hm".into() }, json!({"signature": "c2ln"})),
                    part(Content::Reasoning { text: String::new() }, json!({"data": "b3BhcXVl"})),
                    Part::new(Content::Reasoning { text: "another vendor's".into() }),
                    Part::text(""),
                    call("functions.clock:0"),
                    call("b"),
                ],
            ),
            Message::new(Role::Tool, vec![result("functions.clock:0", "10:00", false)]),
            Message::new(Role::Tool, vec![result("b", "broken", true)]),
            Message::user("And now?"),
        ],
        tools: vec![Tool {
            name: "clock".into(),
            description: Some("Tells the time.".into()),
            parameters: Some(json!({"type": "object", "properties": {"zone": {"type": "string"}}})),
            strict: None,
            cache: Some(CacheHint::FiveMinutes),
            vendor: VendorFields::new(),
        }],
        tool_choice: Some(ToolChoice::Auto),
        parallel_tools: Some(false),
        reasoning: Some(ReasoningAsk { budget_tokens: Some(2_000), ..ReasoningAsk::default() }),
        ..RequestDraft::default()
    };
    draft.sampling.temperature = Some(0.5);
    draft.sampling.stop = vec!["END".into()];
    draft
}

#[test]
fn a_rich_request_is_written_as_documented() {
    let want = json!({
        "max_tokens": 4096,
        "system": [
            {"type": "text", "text": "Be brief."},
            {"type": "text", "text": "Speak Welsh.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        ],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What time is it?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "document", "source": {"type": "url", "url": "https://e.org/a.pdf"}, "title": "a",
                    "cache_control": {"type": "ephemeral"}}
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "b3BhcXVl"},
                {"type": "tool_use", "id": "functions_clock_0", "name": "clock", "input": {"zone": "utc"}},
                {"type": "tool_use", "id": "b", "name": "clock", "input": {"zone": "utc"}}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "functions_clock_0", "content": "10:00", "is_error": false},
                {"type": "tool_result", "tool_use_id": "b", "content": "broken", "is_error": true},
                {"type": "text", "text": "And now?"}
            ]}
        ],
        "tools": [{"name": "clock", "description": "Tells the time.", "cache_control": {"type": "ephemeral"},
            "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "stop_sequences": ["END"],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "model": "claude-x"
    });
    assert_eq!(written(&rich(), &card(), 4_096), want);
}

#[test]
fn what_a_model_does_not_take_is_adapted_by_its_card() {
    let mut draft = RequestDraft { messages: vec![Message::system("S"), Message::user("hi")], ..Default::default() };
    draft.sampling.temperature = Some(1.7);
    draft.sampling.top_p = Some(0.5);
    let mut model = card();
    assert_eq!(written(&draft, &model, 50)["temperature"], 1.0);
    model.accepts.temperature_with_top_p = false;
    assert_eq!(written(&draft, &model, 50).get("top_p"), None);
    model.accepts.sampling = false;
    model.accepts.system = false;
    let body = written(&draft, &model, 50);
    assert_eq!((body.get("temperature"), body.get("system")), (None, None));
    assert_eq!(body["messages"][0]["content"], json!([{"type": "text", "text": "S"}, {"type": "text", "text": "hi"}]));
}

#[test]
fn thinking_is_asked_for_in_the_model_s_own_way() {
    #[track_caller]
    fn check(dial: ReasoningDial, ask: ReasoningAsk, max_tokens: u64, want: Value) {
        let draft = RequestDraft { messages: vec![Message::user("x")], reasoning: Some(ask), ..Default::default() };
        let mut model = card();
        model.accepts.reasoning = dial;
        let body = written(&draft, &model, max_tokens);
        assert_eq!(json!([body.get("thinking"), body.get("output_config")]), want);
    }
    let effort = |effort| ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() };
    let budget = |tokens| ReasoningAsk { budget_tokens: Some(tokens), ..ReasoningAsk::default() };
    let adaptive = |word: &str| json!([{"type": "adaptive"}, {"effort": word}]);
    check(ReasoningDial::Either, effort(Effort::High), 9_000, adaptive("high"));
    check(ReasoningDial::Effort, budget(8_000), 9_000, adaptive("medium"));
    check(
        ReasoningDial::Budget,
        effort(Effort::High),
        9_000,
        json!([{"type": "enabled", "budget_tokens": 8999}, null]),
    );
    check(ReasoningDial::Budget, budget(10), 9_000, json!([{"type": "enabled", "budget_tokens": 1024}, null]));
    check(ReasoningDial::Budget, budget(5_000), 500, json!([null, null]));
    check(ReasoningDial::Either, budget(0), 500, json!([{"type": "disabled"}, null]));
    let shown = ReasoningAsk { show: Some(true), ..ReasoningAsk::default() };
    check(ReasoningDial::Either, shown, 500, json!([{"type": "adaptive", "display": "summarized"}, null]));
}

#[test]
fn structured_output_is_asked_for_natively_or_as_a_tool() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}});
    let format = |schema| ResponseFormat::JsonSchema { name: "n".into(), description: None, schema, strict: None };
    let mut draft =
        RequestDraft { messages: vec![Message::user("x")], format: Some(format(schema)), ..Default::default() };
    let held = json!({"type": "object", "additionalProperties": false,
        "properties": {"n": {"type": "integer", "description": "(minimum: 1)"}}});
    assert_eq!(written(&draft, &card(), 9)["output_config"]["format"], json!({"type": "json_schema", "schema": held}));
    let mut old = card();
    old.capabilities.remove(&Capability::JsonSchema);
    let body = written(&draft, &old, 9);
    assert_eq!(body["tools"][0]["name"], super::ANSWER_TOOL);
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": super::ANSWER_TOOL}));
    draft.format = Some(format(json!({"type": "object"})));
    assert_eq!(written(&draft, &card(), 9)["tools"][0]["input_schema"], json!({"type": "object"}));
    draft.format = Some(ResponseFormat::JsonObject);
    assert!(written(&draft, &card(), 9)["system"].as_str().unwrap().contains("JSON"));
}

#[test]
fn at_most_four_cache_marks_are_sent_the_last_ones() {
    let mut draft = rich();
    draft.messages[2].parts[0].cache = Some(CacheHint::FiveMinutes);
    draft.messages[2].parts[1].cache = Some(CacheHint::FiveMinutes);
    let body = written(&draft, &card(), 4_096);
    assert_eq!(body.to_string().matches("cache_control").count(), 4);
    assert_eq!(body["tools"][0].get("cache_control"), None);
}

#[test]
fn what_the_format_cannot_say_is_refused_before_sending() {
    let ask = |parts| RequestDraft { messages: vec![Message::new(Role::User, parts)], ..Default::default() };
    let clip = Source::Url { url: "https://e.org/a.mp3".into(), media_type: None };
    assert_eq!(refusal(&ask(vec![Part::new(Content::Audio { source: clip.clone() })])), Kind::Unsupported);
    assert_eq!(refusal(&ask(vec![Part::new(Content::Video { source: clip })])), Kind::Unsupported);
    let tiff = Source::Base64 { media_type: "image/tiff".into(), data: "aGk=".into() };
    assert_eq!(refusal(&ask(vec![Part::new(Content::Image { source: tiff })])), Kind::Unsupported);
    let mut several = ask(vec![Part::text("x")]);
    several.sampling.candidates = Some(2);
    assert_eq!(refusal(&several), Kind::Unsupported);
    let mut foreign = ask(vec![Part::text("x")]);
    let mut search = Tool {
        name: "web".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        vendor: VendorFields::new(),
    };
    search.vendor.set(Api::Responses, "type", "web_search".into());
    foreign.tools = vec![search];
    assert_eq!(refusal(&foreign), Kind::Unsupported);
}

fn decoded(body: Value) -> Reply {
    let body = body.to_string();
    let response = HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() };
    Messages.decode(response, &Dialect::default()).unwrap()
}

#[test]
fn a_whole_answer_is_read_with_its_usage_as_billed() {
    let reply = decoded(json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_sequence": null,
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "eA=="},
            {"type": "text", "text": "Ten.", "citations": [{"type": "char_location", "cited_text": "10"}]},
            {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}, "service_tier": "priority",
            "server_tool_use": {"web_search_requests": 2}}
    }));
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Ten.", "hm"));
    assert_eq!(reply.tool_calls().map(|call| call.arguments.as_str()).collect::<Vec<_>>(), ["{}"]);
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
    let usage = &reply.usage;
    assert_eq!((usage.input, usage.output, usage.cached_read), (Some(40), Some(7), Some(0)));
    assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (Some(10), Some(20)));
    assert_eq!((usage.reasoning, usage.searches), (Some(3), Some(2)));
    // Sending the answer back sends every opaque part back as it came.
    let draft = RequestDraft {
        messages: vec![Message::new(Role::Assistant, reply.parts), Message::user("x")],
        ..Default::default()
    };
    let back = &written(&draft, &card(), 9)["messages"][0]["content"];
    assert_eq!(back[0], json!({"type": "thinking", "thinking": "hm", "signature": "c2ln"}));
    assert_eq!(back[1], json!({"type": "redacted_thinking", "data": "eA=="}));
    assert_eq!(back[2]["citations"][0]["cited_text"], "10");
    assert_eq!(
        back[3],
        json!({"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}})
    );
}

#[test]
fn every_stop_reason_has_a_word() {
    for (word, want) in [
        ("end_turn", "end"),
        ("stop_sequence", "stop_text"),
        ("max_tokens", "max_tokens"),
        ("model_context_window_exceeded", "context_full"),
        ("tool_use", "tool_use"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("compaction", "compaction"),
    ] {
        let reply = decoded(json!({"type": "message", "content": [], "stop_reason": word}));
        assert_eq!(reply.stop.unwrap().as_str(), want);
    }
}

#[test]
fn compaction_is_billed_beside_the_totals_and_absent_is_not_zero() {
    let usage = super::usage(&json!({"input_tokens": 100, "output_tokens": 10, "iterations": [
        {"type": "compaction", "input_tokens": 1000, "output_tokens": 50},
        {"type": "message", "input_tokens": 100, "output_tokens": 10},
        {"type": "advisor_message", "input_tokens": 7, "output_tokens": 7}]}));
    assert_eq!((usage.input, usage.output, usage.cached_read), (Some(1_100), Some(60), None));
}

#[test]
fn errors_are_typed() {
    #[track_caller]
    fn check(status: u16, kind: &str, message: &str, want: Kind) {
        let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
        let headers = [("retry-after", "7")].into_iter().collect();
        let body = body.to_string();
        let response = HttpResponse { status, headers: &headers, body: body.as_bytes() };
        let error = Messages.decode(response, &Dialect::default()).unwrap_err();
        assert_eq!((error.kind, error.status, error.request_id.as_deref()), (want, Some(status), Some("req_1")));
        if want == Kind::RateLimited {
            assert_eq!(error.retry, Retry::Here(Some(crate::time::Span::from_secs(7))));
        }
    }
    check(400, "invalid_request_error", "messages: bad", Kind::Invalid);
    check(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", Kind::ContextTooLong);
    check(400, "invalid_request_error", "Your credit balance is too low", Kind::Quota);
    check(401, "authentication_error", "invalid x-api-key", Kind::Auth);
    check(403, "permission_error", "no", Kind::Permission);
    check(404, "not_found_error", "model: x", Kind::NotFound);
    check(413, "request_too_large", "big", Kind::TooLarge);
    check(429, "rate_limit_error", "slow down", Kind::RateLimited);
    check(500, "api_error", "oops", Kind::Server);
    check(529, "overloaded_error", "Overloaded", Kind::Overloaded);
}

fn event(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n")
}

fn stream() -> String {
    let block =
        |index: u32, block: Value| event("content_block_start", json!({"index": index, "content_block": block}));
    let delta = |index: u32, delta: Value| event("content_block_delta", json!({"index": index, "delta": delta}));
    let stop = |index: u32| event("content_block_stop", json!({"index": index}));
    [
        event("message_start", json!({"message": {"id": "msg_1", "model": "claude-x", "content": [],
            "usage": {"input_tokens": 9, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0, "output_tokens": 1}}})),
        event("ping", json!({})),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "h\u{e9}"})),
        delta(0, json!({"type": "signature_delta", "signature": "c2ln"})),
        stop(0),
        block(1, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "{\"query\":"})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "\"q\"}"})),
        stop(1),
        block(2, json!({"type": "text", "text": "", "citations": null})),
        delta(2, json!({"type": "text_delta", "text": "Hi \u{1f980}"})),
        delta(2, json!({"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "a"}})),
        stop(2),
        block(3, json!({"type": "tool_use", "id": "t", "name": "clock", "input": {}})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "1}"})),
        stop(3),
        event("message_delta", json!({"delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"output_tokens": 12}})),
        event("message_stop", json!({})),
    ]
    .concat()
}

#[test]
fn a_stream_is_read_alike_however_it_is_cut() {
    let text = stream();
    recorded::check_cuts(&Messages, text.as_bytes(), usize::MAX);
    let reply = recorded::read(Messages.decoder(&Dialect::default()), [text.as_bytes()]).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Hi \u{1f980}", "h\u{e9}"));
    assert_eq!(reply.parts[0].vendor.field(Api::Messages, "signature"), Some(&"c2ln".into()));
    assert_eq!(reply.parts[1].vendor.field(Api::Messages, "input"), Some(&json!({"query": "q"})));
    assert_eq!(reply.parts[2].vendor.field(Api::Messages, "citations").unwrap()[0]["cited_text"], "a");
    assert_eq!(reply.tool_calls().next().unwrap().arguments, "{\"a\":1}");
    assert_eq!((reply.usage.input, reply.usage.output), (Some(14), Some(12)));
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
}

#[test]
fn a_cut_or_failing_stream_is_a_typed_error_with_what_came() {
    let text = stream();
    let end = text.find("event: message_delta").unwrap();
    let error = recorded::read(Messages.decoder(&Dialect::default()), [&text.as_bytes()[..end]]).unwrap_err();
    assert_eq!((error.kind, error.partial.unwrap().text().as_str()), (Kind::Incomplete, "Hi \u{1f980}"));
    let overloaded = event("error", json!({"error": {"type": "overloaded_error", "message": "Overloaded"}}));
    let failing = format!("{}{overloaded}", &text[..end]);
    let error = recorded::read(Messages.decoder(&Dialect::default()), [failing.as_bytes()]).unwrap_err();
    assert_eq!(error.kind, Kind::Overloaded);
    assert_eq!(error.partial.unwrap().usage.input, Some(14));
}

#[test]
fn the_answer_tool_reads_back_as_text() {
    let answer = json!({"type": "tool_use", "id": "t", "name": super::ANSWER_TOOL, "input": {"n": 1}});
    let reply = decoded(json!({"type": "message", "content": [answer], "stop_reason": "tool_use"}));
    assert_eq!((reply.text().as_str(), reply.stop), ("{\"n\":1}", Some(StopReason::End)));
    let block =
        json!({"index": 0, "content_block": {"type": "tool_use", "id": "t", "name": super::ANSWER_TOOL, "input": {}}});
    let text = [
        event("content_block_start", block),
        event(
            "content_block_delta",
            json!({"index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"n\":1}"}}),
        ),
        event("message_delta", json!({"delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}})),
    ]
    .concat();
    let reply = recorded::read(Messages.decoder(&Dialect::default()), [text.as_bytes()]).unwrap();
    assert_eq!((reply.text().as_str(), reply.stop), ("{\"n\":1}", Some(StopReason::End)));
}

/// Differences between a body and its rewriting that say the same.
fn same(path: &str, had: &Value, has: &Value) -> bool {
    let one_text = |blocks: &Value| match blocks.as_array().map(Vec::as_slice) {
        Some([block]) if block.as_object().is_some_and(|block| block.len() == 2) => block.get("text").cloned(),
        _ => None,
    };
    let is_content = path.ends_with(".content") || path.ends_with(".system");
    is_content && (one_text(had).as_ref() == Some(has) || had.as_array().is_some_and(Vec::is_empty))
        || (path == ".stream" && *had == json!(false))
}

#[test]
fn ordinary_answers_are_read_the_short_way_and_the_same() {
    let (mut faults, mut short, mut all) = (Vec::new(), 0, 0);
    let whole_ones = |one: &recorded::Exchange| one.status == 200 && !one.is_stream;
    for exchange in recorded::exchanges("anthropic", "messages").into_iter().filter(whole_ones) {
        all += 1;
        let Some(quick) = whole::reply(&exchange.body) else { continue };
        short += 1;
        let response = HttpResponse { status: 200, headers: Headers::NONE, body: &exchange.body };
        if decode::tree(&response).as_ref() != Ok(&quick) {
            faults.push(exchange.id);
        }
    }
    recorded::no_faults(faults);
    assert!(short * 20 >= all, "{short} of {all}: the short way is for the ordinary");
}

#[test]
fn extraordinary_answers_are_not_read_the_short_way() {
    let ordinary = json!({"type": "message", "id": "m", "model": "x", "role": "assistant", "stop_sequence": null,
        "stop_reason": "end_turn", "content": [{"type": "text", "text": "Hi", "citations": null}],
        "usage": {"input_tokens": 3, "output_tokens": 1, "service_tier": "standard"}});
    let short = |body: &Value| whole::reply(body.to_string().as_bytes());
    let response = |body: &Value| {
        decode::tree(&HttpResponse { status: 200, headers: Headers::NONE, body: body.to_string().as_bytes() })
    };
    assert_eq!(short(&ordinary), response(&ordinary).ok());
    for (name, value) in [
        ("error", json!({"type": "overloaded_error", "message": "busy"})),
        ("type", json!("error")),
        ("content", json!([{"type": "tool_use", "id": "t", "name": "clock", "input": {}}])),
        ("content", json!([{"type": "thinking", "thinking": "hm", "signature": "c2ln"}])),
        ("content", json!([{"type": "text", "text": "Hi", "citations": [{"type": "page"}]}])),
        ("content", json!("Hi")),
        ("content", Value::Null),
        ("id", json!(7)),
    ] {
        let mut body = ordinary.clone();
        body[name] = value;
        assert_eq!(short(&body), None, "{body}");
    }
}

#[test]
fn recorded_traffic_decodes_and_requests_survive() {
    let mut faults = Vec::new();
    for exchange in recorded::exchanges("anthropic", "messages") {
        match recorded::decode(&Messages, &exchange) {
            Ok(reply) if exchange.status == 200 && reply.usage.input.is_some() => {}
            Err(_) if exchange.status >= 400 => {}
            other => faults.push(format!("{}: {other:?}", exchange.id)),
        }
        if exchange.is_stream {
            recorded::check_cuts(&Messages, &exchange.body, 0);
        }
        if !exchange.request.is_empty()
            && let Err(fault) = recorded::request_fault(&Messages, &exchange.request, same)
        {
            faults.push(format!("{}: {fault}", exchange.id));
        }
    }
    recorded::no_faults(faults);
}
