//! The Converse format against fixtures written from the vendor's documents, and against recorded traffic.

use serde_json::{Value, json};

use super::Converse;
use crate::error::{Kind, ProviderError};
use crate::message::{CacheHint, Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::{Api, Capability, Dialect, Endpoint, ModelCard};
use crate::reply::{Reply, StopReason};
use crate::request::{Effort, ReasoningAsk, RequestDraft, ResponseFormat, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::eventstream::written as frame;
use crate::wire::{Ask, Headers, HttpResponse, Mode, Wire, tests as recorded, verbatim};

const API: Api = Api::Converse;

fn card() -> ModelCard {
    ModelCard { family: "claude-x".into(), ..verbatim::card("eu.anthropic.claude-v1:0") }
}

fn endpoint() -> Endpoint {
    Endpoint { dialect: Dialect::default(), ..verbatim::endpoint(API) }
}

fn try_write(draft: &RequestDraft, card: &ModelCard) -> Result<Value, ProviderError> {
    let endpoint = endpoint();
    let ask = Ask { draft, card, endpoint: &endpoint, max_tokens: 4_000 };
    Ok(serde_json::from_slice(&Converse.write(&ask, Mode::Unary)?.body).unwrap())
}

fn written(draft: &RequestDraft) -> Value {
    try_write(draft, &card()).unwrap()
}

fn call(id: &str) -> Part {
    Part::new(Content::ToolCall(ToolCall { id: id.into(), name: "clock".into(), arguments: "{\"z\":1}".into() }))
}

fn result(id: &str, text: &str, is_error: bool) -> Part {
    let parts = vec![Part::text(text)];
    Part::new(Content::ToolResult(ToolResult { call_id: id.into(), name: None, parts, is_error }))
}

fn clock() -> Tool {
    Tool {
        name: "clock".into(),
        description: Some("Tells the time.".into()),
        parameters: Some(json!({"type": "object", "properties": {}})),
        strict: None,
        cache: Some(CacheHint::FiveMinutes),
        vendor: VendorFields::new(),
    }
}

fn rich() -> RequestDraft {
    let mut signed = Part::new(Content::Reasoning { text: "hm".into() });
    signed.vendor.set(API, "signature", "c2ln".into());
    let mut opaque = Part::new(Content::Reasoning { text: String::new() });
    opaque.vendor.set(API, "redactedContent", "eA==".into());
    let pdf = Source::Base64 { media_type: "application/pdf".into(), data: "aGk=".into() };
    let png = Source::Url { url: "s3://b/a.png".into(), media_type: None };
    let mut draft = RequestDraft {
        messages: vec![
            Message::new(Role::System, vec![Part::text("Be brief.").cached(CacheHint::OneHour)]),
            Message::user("One."),
            Message::new(
                Role::User,
                vec![
                    Part::new(Content::Document { source: pdf, name: Some("my_file.pdf".into()) }),
                    Part::new(Content::Image { source: png }),
                ],
            ),
            Message::new(
                Role::Assistant,
                vec![
                    signed,
                    opaque,
                    Part::new(Content::Reasoning { text: "another's".into() }),
                    call("a.1"),
                    call("b"),
                ],
            ),
            Message::new(Role::Tool, vec![result("a.1", "10:00", false)]),
            Message::new(Role::Tool, vec![result("b", "broken", true)]),
        ],
        tools: vec![clock()],
        tool_choice: Some(ToolChoice::Required),
        reasoning: Some(ReasoningAsk { budget_tokens: Some(2_000), ..ReasoningAsk::default() }),
        ..RequestDraft::default()
    };
    draft.sampling.stop = vec!["END".into()];
    draft
}

#[test]
fn a_rich_request_is_written_as_documented() {
    let want = json!({
        "messages": [
            {"role": "user", "content": [
                {"text": "One."},
                {"document": {"format": "pdf", "name": "my file pdf", "source": {"bytes": "aGk="}}},
                {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a.png"}}}}
            ]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "eA=="}},
                {"toolUse": {"toolUseId": "a_1", "name": "clock", "input": {"z": 1}}},
                {"toolUse": {"toolUseId": "b", "name": "clock", "input": {"z": 1}}}
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "a_1", "content": [{"text": "10:00"}]}},
                {"toolResult": {"toolUseId": "b", "content": [{"text": "broken"}], "status": "error"}}
            ]}
        ],
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "inferenceConfig": {"maxTokens": 4000, "stopSequences": ["END"]},
        "toolConfig": {"tools": [
            {"toolSpec": {"name": "clock", "description": "Tells the time.",
                "inputSchema": {"json": {"type": "object", "properties": {}}}}},
            {"cachePoint": {"type": "default"}}
        ], "toolChoice": {"any": {}}},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    });
    assert_eq!(written(&rich()), want);
}

#[test]
fn the_model_s_colons_are_encoded_in_the_path() {
    let (card, endpoint, draft) = (card(), endpoint(), rich());
    let ask = Ask { draft: &draft, card: &card, endpoint: &endpoint, max_tokens: 4_000 };
    let path = Converse.write(&ask, Mode::Stream).unwrap().path;
    assert_eq!(path, "/model/eu.anthropic.claude-v1%3A0/converse-stream");
}

#[test]
fn what_is_missing_or_not_taken_is_adapted() {
    let mut draft = rich();
    draft.tools.clear();
    draft.tool_choice = None;
    assert_eq!(written(&draft)["toolConfig"]["tools"][0]["toolSpec"]["name"], "clock");
    let mut forbidden = RequestDraft { messages: vec![Message::user("x")], tools: vec![clock()], ..Default::default() };
    forbidden.tool_choice = Some(ToolChoice::None);
    assert_eq!(written(&forbidden).get("toolConfig"), None);
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let format = ResponseFormat::JsonSchema { name: "n".into(), description: None, schema, strict: None };
    let asked = RequestDraft { messages: vec![Message::user("x")], format: Some(format), ..Default::default() };
    let native = written(&asked)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].take();
    assert!(native.as_str().unwrap().contains("additionalProperties"));
    let mut old = card();
    old.capabilities.remove(&Capability::JsonSchema);
    assert!(try_write(&asked, &old).unwrap()["toolConfig"]["toolChoice"]["tool"].is_object());
    let effort = ReasoningAsk { effort: Some(Effort::High), ..ReasoningAsk::default() };
    let thinking = RequestDraft { messages: vec![Message::user("x")], reasoning: Some(effort), ..Default::default() };
    assert_eq!(written(&thinking)["additionalModelRequestFields"]["output_config"], json!({"effort": "high"}));
}

#[test]
fn each_family_is_told_to_think_in_its_own_words() {
    let effort = ReasoningAsk { effort: Some(Effort::High), ..ReasoningAsk::default() };
    let mut draft = RequestDraft { messages: vec![Message::user("x")], reasoning: Some(effort), ..Default::default() };
    draft.sampling.top_k = Some(5);
    for (family, want) in [
        ("claude-x", json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "top_k": 5})),
        ("nova-2-lite", json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}})),
        ("gpt-oss-20b", json!({"reasoning_effort": "high"})),
        ("deepseek-r1", Value::Null),
    ] {
        let model = ModelCard { family: family.into(), ..card() };
        assert_eq!(try_write(&draft, &model).unwrap()["additionalModelRequestFields"], want, "{family}");
    }
}

#[test]
fn what_the_format_cannot_say_is_refused_before_sending() {
    let ask = |content| RequestDraft {
        messages: vec![Message::new(Role::User, vec![Part::new(content)])],
        ..Default::default()
    };
    let far = Source::Url { url: "https://e.org/a.png".into(), media_type: None };
    let tiff = Source::Base64 { media_type: "image/tiff".into(), data: "aGk=".into() };
    for content in [Content::Image { source: far }, Content::Image { source: tiff }] {
        let error = try_write(&ask(content), &card()).unwrap_err();
        assert_eq!((error.kind, error.sent), (Kind::Unsupported, false));
    }
}

fn decoded(status: u16, headers: &Headers, body: Value) -> Result<Reply, ProviderError> {
    let body = body.to_string();
    Converse.decode(HttpResponse { status, headers, body: body.as_bytes() }, &Dialect::default())
}

#[test]
fn a_whole_answer_is_read_with_its_usage_as_billed() {
    let content = json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        {"text": "Ten."},
        {"toolUse": {"toolUseId": "t", "name": "clock", "input": {"z": 1}}}
    ]);
    let reply = decoded(200, Headers::NONE, json!({
        "output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use",
        "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 45, "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 30, "cacheDetails": [{"ttl": "1h", "inputTokens": 20}, {"ttl": "5m", "inputTokens": 10}]},
        "serviceTier": {"type": "flex"}, "metrics": {"latencyMs": 9}
    }))
    .unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Ten.", "hm"));
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
    let usage = &reply.usage;
    assert_eq!((usage.input, usage.output, usage.cached_read), (Some(40), Some(5), Some(0)));
    assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (Some(10), Some(20)));
    let draft = RequestDraft { messages: vec![Message::new(Role::Assistant, reply.parts)], ..Default::default() };
    assert_eq!(written(&draft)["messages"][0]["content"], content);
}

#[test]
fn every_stop_reason_and_error_has_its_kind() {
    for (word, want) in [
        ("end_turn", "end"),
        ("stop_sequence", "stop_text"),
        ("max_tokens", "max_tokens"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "bad_tool_call"),
        ("model_context_window_exceeded", "context_full"),
    ] {
        let body = json!({"output": {"message": {"content": []}}, "stopReason": word, "usage": {}});
        assert_eq!(decoded(200, Headers::NONE, body).unwrap().stop.unwrap().as_str(), want);
    }
    for (status, name, message, want) in [
        (400, "ValidationException", "bad", Kind::Invalid),
        (400, "ValidationException", "Input is too long for requested model.", Kind::ContextTooLong),
        (403, "AccessDeniedException", "no", Kind::Permission),
        (404, "ResourceNotFoundException", "no", Kind::NotFound),
        (429, "ThrottlingException", "slow down", Kind::RateLimited),
        (503, "ServiceUnavailableException", "busy", Kind::Overloaded),
    ] {
        let headers = [("x-amzn-errortype", format!("{name}:http://x"))].into_iter().collect();
        assert_eq!(decoded(status, &headers, json!({"message": message})).unwrap_err().kind, want, "{name}");
    }
}

fn event(name: &str, payload: Value) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.to_string().as_bytes())
}

fn stream() -> Vec<Vec<u8>> {
    let delta =
        |index: u32, delta: Value| event("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
    vec![
        event("messageStart", json!({"role": "assistant"})),
        delta(0, json!({"reasoningContent": {"text": "h\u{e9}"}})),
        delta(0, json!({"reasoningContent": {"signature": "c2ln"}})),
        event("contentBlockStop", json!({"contentBlockIndex": 0})),
        delta(1, json!({"text": "Hi"})),
        delta(1, json!({"text": " \u{1f980}"})),
        event(
            "contentBlockStart",
            json!({"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "clock"}}}),
        ),
        delta(2, json!({"toolUse": {"input": "{\"a\":"}})),
        delta(2, json!({"toolUse": {"input": "1}"}})),
        event("messageStop", json!({"stopReason": "tool_use"})),
        event("metadata", json!({"usage": {"inputTokens": 3, "outputTokens": 4, "cacheReadInputTokens": 2}})),
    ]
}

#[test]
fn a_stream_is_read_alike_however_it_is_cut() {
    let bytes = stream().concat();
    recorded::check_cuts(&Converse, &bytes, usize::MAX);
    let reply = recorded::read(Converse.decoder(&Dialect::default()), [bytes.as_slice()]).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Hi \u{1f980}", "h\u{e9}"));
    assert_eq!(reply.parts[0].vendor.field(API, "signature"), Some(&"c2ln".into()));
    assert_eq!(reply.tool_calls().next().unwrap().arguments, "{\"a\":1}");
    assert_eq!((reply.usage.input, reply.stop), (Some(5), Some(StopReason::ToolUse)));
}

#[test]
fn a_cut_or_failing_stream_is_a_typed_error_with_what_came() {
    let whole = stream();
    let cut = whole[..7].concat();
    let error = recorded::read(Converse.decoder(&Dialect::default()), [cut.as_slice()]).unwrap_err();
    assert_eq!((error.kind, error.partial.unwrap().text().as_str()), (Kind::Incomplete, "Hi \u{1f980}"));
    for (name, want) in [
        ("throttlingException", Kind::RateLimited),
        ("validationException", Kind::Invalid),
        ("serviceUnavailableException", Kind::Overloaded),
        ("internalServerException", Kind::Server),
        ("modelStreamErrorException", Kind::Server),
    ] {
        let headers = [(":exception-type", name), (":message-type", "exception")];
        let failing = [cut.clone(), frame(&headers, b"{\"message\":\"no\"}")].concat();
        let error = recorded::read(Converse.decoder(&Dialect::default()), [failing.as_slice()]).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (want, "no"), "{name}");
    }
}

/// Differences that say the same.
fn same(_path: &str, had: &Value, has: &Value) -> bool {
    had.as_array().is_some_and(Vec::is_empty) && has.is_null()
}

#[test]
fn recorded_traffic_decodes_and_requests_survive() {
    let mut faults = Vec::new();
    for exchange in recorded::exchanges("bedrock", "converse") {
        match recorded::decode(&Converse, &exchange) {
            Ok(reply) if exchange.status == 200 && reply.usage.input.is_some() => {}
            Err(_) if exchange.status >= 400 => {}
            other => faults.push(format!("{}: {other:?}", exchange.id)),
        }
        if exchange.is_stream {
            recorded::check_cuts(&Converse, &exchange.body, 0);
        }
        if let Err(fault) = recorded::request_fault(&Converse, &exchange.request, same) {
            faults.push(format!("{}: {fault}", exchange.id));
        }
    }
    recorded::no_faults(faults);
}
