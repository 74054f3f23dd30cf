//! The format as its documents describe it: requests written and read back, replies whole and cut at every byte.

use serde_json::{Value, json};

use super::{ChatCompletions, stream};
use crate::error::{Kind, Retry};
use crate::message::{Content, Message, Part, Role, ToolResult};
use crate::model::{Api, Dialect};
use crate::reply::{Assembler, Delta, Reply, StopReason};
use crate::request::{Request, RequestDraft};
use crate::wire::{Ask, Headers, HttpResponse, Mode, StreamDecoder, Wire, verbatim};

fn written(draft: &RequestDraft, change: impl FnOnce(&mut Dialect), mode: Mode) -> Value {
    let card = verbatim::card("gpt-x");
    let mut endpoint = verbatim::endpoint(Api::ChatCompletions);
    endpoint.dialect = Dialect::default();
    change(&mut endpoint.dialect);
    let ask = Ask { draft, card: &card, endpoint: &endpoint, max_tokens: 500 };
    serde_json::from_slice(&ChatCompletions.write(&ask, mode).unwrap().body).unwrap()
}

fn copied(body: &Value) -> Value {
    let parsed = ChatCompletions.parse(body.to_string().as_bytes()).unwrap();
    let card = verbatim::card(&parsed.wire_model);
    let endpoint = verbatim::endpoint(Api::ChatCompletions);
    let ask = Ask { draft: &parsed.draft, card: &card, endpoint: &endpoint, max_tokens: 1 };
    serde_json::from_slice(&ChatCompletions.write(&ask, parsed.mode).unwrap().body).unwrap()
}

fn decoded(body: &Value) -> Result<Reply, crate::ProviderError> {
    let text = body.to_string();
    let response = HttpResponse { status: 200, headers: Headers::NONE, body: text.as_bytes() };
    ChatCompletions.decode(response, &Dialect::default())
}

#[track_caller]
fn streamed(events: &str, cut: usize) -> Reply {
    let mut decoder = stream::Decoder::new(Dialect::default());
    folded(&mut decoder, events, cut)
}

#[track_caller]
fn folded(decoder: &mut stream::Decoder, events: &str, cut: usize) -> Reply {
    let mut out: Vec<Delta> = Vec::new();
    let (head, tail) = events.as_bytes().split_at(cut);
    decoder.feed(head, &mut out).unwrap();
    decoder.feed(tail, &mut out).unwrap();
    decoder.finish(&mut out).unwrap();
    let mut assembler = Assembler::new();
    out.into_iter().for_each(|delta| assembler.push(delta));
    assembler.finish()
}

#[test]
fn a_rich_request_is_written_as_documented() {
    let draft: RequestDraft = serde_json::from_value(json!({
        "messages": [
            {"role": "system", "parts": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "parts": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"from": "base64", "media_type": "image/png", "data": "AAAA"}},
            ]},
            {"role": "assistant", "parts": [
                {"type": "reasoning", "text": "Look it up."},
                {"type": "tool_call", "id": "c1", "name": "look", "arguments": "{\"q\":1}"},
            ]},
            {"role": "tool", "parts": [{"type": "tool_result", "call_id": "c1", "parts": [{"type": "text", "text": "a cat"}]}]},
        ],
        "tools": [{"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {"q": {"type": "integer"}}}}],
        "tool_choice": {"named": "look"},
        "parallel_tools": false,
        "format": {"type": "json_schema", "name": "a", "schema": {"type": "object", "properties": {"x": {"type": "string"}}}},
        "sampling": {"temperature": 0.5, "seed": 7, "stop": ["END"], "logprobs": 2},
        "reasoning": {"effort": "minimal"},
    }))
    .unwrap();
    let body = written(&draft, |_| (), Mode::Stream);
    let want = json!({
        "model": "gpt-x",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"q\":1}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        ],
        "max_tokens": 500,
        "temperature": 0.5, "seed": 7, "stop": ["END"], "logprobs": true, "top_logprobs": 2,
        "tools": [{"type": "function", "function": {
            "name": "look", "description": "Looks.",
            "parameters": {"type": "object", "properties": {"q": {"type": "integer"}}},
        }}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "a", "strict": true,
            "schema": {"type": "object", "properties": {"x": {"type": ["string", "null"]}}, "required": ["x"], "additionalProperties": false},
        }},
        "reasoning_effort": "low",
        "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(body, want);
    let deepseek = written(
        &draft,
        |dialect| {
            dialect.resend_reasoning = true;
            dialect.omit = vec!["seed".to_owned()];
            dialect.max_tokens_field = Some("max_completion_tokens".to_owned());
        },
        Mode::Unary,
    );
    assert_eq!(deepseek["messages"][2]["reasoning_content"], "Look it up.");
    assert_eq!((deepseek.get("seed"), &deepseek["max_completion_tokens"]), (None, &json!(500)));
}

#[test]
fn a_model_without_instructions_gets_them_in_the_first_question() {
    let draft =
        RequestDraft { messages: vec![Message::system("Be brief."), Message::user("Hi")], ..RequestDraft::default() };
    let mut card = verbatim::card("m");
    card.accepts.system = false;
    let mut endpoint = verbatim::endpoint(Api::ChatCompletions);
    endpoint.dialect = Dialect::default();
    let ask = Ask { draft: &draft, card: &card, endpoint: &endpoint, max_tokens: 5 };
    let body: Value = serde_json::from_slice(&ChatCompletions.write(&ask, Mode::Unary).unwrap().body).unwrap();
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    assert_eq!(body["messages"][0]["content"][0]["text"], "Be brief.");
}

#[test]
fn pictures_in_results_of_tools_follow_in_a_users_message() {
    let picture = Part::new(Content::Image {
        source: crate::message::Source::Url { url: "https://x.example/a.png".into(), media_type: None },
    });
    let answer =
        ToolResult { call_id: "c".into(), name: None, parts: vec![Part::text("done"), picture], is_error: false };
    let message = Message::new(Role::Tool, vec![Part::new(Content::ToolResult(answer))]);
    let draft = RequestDraft { messages: vec![message], ..RequestDraft::default() };
    let body = written(&draft, |_| (), Mode::Unary);
    assert_eq!(body["messages"][0]["content"], "done");
    assert_eq!(body["messages"][1]["content"][0]["type"], "image_url");
}

#[test]
fn a_body_survives_reading_and_writing() {
    let bodies = [
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 9, "user": "u", "metadata": {"a": "b"}}),
        json!({"model": "m", "messages": [{"role": "developer", "content": [{"type": "text", "text": "x"}]}, {"role": "user", "name": "ann", "content": [
            {"type": "image_url", "image_url": {"url": "https://x.example/i.png", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "text", "text": "y", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "new_thing", "new_thing": {"z": 1}}]}], "stream": true, "stream_options": {"include_usage": true}}),
        json!({"model": "m", "messages": [
            {"role": "assistant", "content": "t", "refusal": null, "reasoning_content": "r", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "s"}}},
                {"id": "2", "type": "custom", "custom": {"name": "g", "input": "free"}}]},
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "ok"}]},
            {"role": "function", "name": "old", "content": "1"}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": true}}, {"type": "web_search", "web_search": {"size": 1}}],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}},
            "response_format": {"type": "json_object"}, "stop": "END", "logprobs": true, "top_logprobs": 0, "n": 2, "seed": 1,
            "reasoning": {"effort": "high", "exclude": true}, "service_tier": "flex", "temperature": 1.0, "top_k": 5}),
        json!({"model": "m", "messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]}], "thinking": {"type": "enabled", "budget_tokens": 100}}),
        json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "reasoning_effort": "none", "functions": [{"name": "f"}], "function_call": "auto"}),
    ];
    for body in bodies {
        assert_eq!(copied(&body), body);
    }
}

#[test]
fn what_a_body_asks_is_known_and_not_only_kept() {
    let body = json!({"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "f"}}],
        "reasoning_effort": "high", "stop": "END", "response_format": {"type": "json_object"}});
    let parsed = ChatCompletions.parse(body.to_string().as_bytes()).unwrap();
    assert_eq!(parsed.draft.tools[0].name, "f");
    assert_eq!(parsed.draft.reasoning.as_ref().unwrap().effort, Some(crate::request::Effort::High));
    assert_eq!(parsed.draft.sampling.stop, ["END"]);
    assert!(Request::try_from(parsed.draft).is_ok());
    let error = ChatCompletions.parse(b"{\"messages\": 3}").unwrap_err();
    assert!(error.to_string().contains("messages"), "{error}");
}

#[test]
fn a_whole_reply_is_read() {
    let reply = decoded(&json!({
        "id": "x", "model": "m", "object": "chat.completion", "created": 1,
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "Look:", "reasoning_content": "hm",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
                           {"type": "function", "function": {"name": "g", "arguments": {"b": 2}}}]}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
                  "prompt_tokens_details": {"cached_tokens": 80}, "completion_tokens_details": {"reasoning_tokens": 30}},
    }))
    .unwrap();
    assert_eq!((reply.text(), reply.reasoning()), ("Look:".to_owned(), "hm".to_owned()));
    let calls: Vec<_> =
        reply.tool_calls().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("c1", "f", "{\"a\": 1}"), ("call_1", "g", "{\"b\":2}")]);
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
    let usage = &reply.usage;
    assert_eq!(
        (usage.input, usage.cached_read, usage.output, usage.reasoning),
        (Some(100), Some(80), Some(50), Some(30))
    );
}

const STREAM: &str = "data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
: keep-alive\n\n\
data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"h\u{f6}m\"}}]}\n\n\
data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\r\n\r\n\
data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\n\
data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n\
data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]}}]}\n\n\
data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]}}]}\n\n\
data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n\
data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}}\n\n\
data: [DONE]\n\ndata: [DONE]\n\n";

#[test]
fn a_stream_reads_the_same_however_it_is_cut() {
    let whole = streamed(STREAM, 0);
    assert_eq!((whole.text(), whole.reasoning()), ("Hello".to_owned(), "h\u{f6}m".to_owned()));
    assert_eq!(whole.tool_calls().next().unwrap().arguments, "{\"a\":1}");
    assert_eq!(
        (whole.usage.input, whole.usage.output, whole.stop.clone()),
        (Some(9), Some(4), Some(StopReason::ToolUse))
    );
    for cut in 0..STREAM.len() {
        assert_eq!(streamed(STREAM, cut), whole, "cut at {cut}");
    }
    let mut unhurried = stream::Decoder::new(Dialect::default()).unhurried();
    assert_eq!(folded(&mut unhurried, STREAM, 0), whole);
}

#[test]
fn a_stream_that_ends_early_or_fails_inside_says_so() {
    let end = STREAM.find("data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},").unwrap();
    let mut decoder = stream::Decoder::new(Dialect::default());
    let mut out = Vec::new();
    decoder.feed(&STREAM.as_bytes()[..end], &mut out).unwrap();
    assert_eq!(decoder.finish(&mut out).unwrap_err().kind, Kind::Incomplete);
    let mut decoder = stream::Decoder::new(Dialect::default());
    let failing = "data: {\"error\":{\"message\":\"Overloaded, try later\",\"type\":\"overloaded_error\"}}\n\n";
    let error = decoder.feed(failing.as_bytes(), &mut Vec::new()).unwrap_err();
    assert!(matches!((error.kind, error.retry), (Kind::Overloaded, Retry::Here(_))), "{error:?}");
}

#[test]
fn errors_are_told_apart_by_code_and_status() {
    let of = |status: u16, body: Value| {
        let text = body.to_string();
        let response = HttpResponse {
            status,
            headers: &[("retry-after-ms", "1500")].into_iter().collect(),
            body: text.as_bytes(),
        };
        ChatCompletions.decode(response, &Dialect::default()).unwrap_err()
    };
    let cases = [
        (401, json!({"error": {"message": "bad key", "code": "invalid_api_key"}}), Kind::Auth),
        (429, json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}), Kind::RateLimited),
        (429, json!({"error": {"message": "no credit", "code": "insufficient_quota"}}), Kind::Quota),
        (400, json!({"error": {"message": "too long", "code": "context_length_exceeded"}}), Kind::ContextTooLong),
        (503, json!({"error": {"message": "down"}}), Kind::Overloaded),
        (500, json!({"oops": 1}), Kind::Server),
    ];
    for (status, body, kind) in cases {
        let error = of(status, body);
        assert_eq!((error.kind, error.status), (kind, Some(status)), "{error:?}");
    }
    let limited = of(429, json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}));
    assert_eq!(limited.retry, Retry::Here(Some(crate::time::Span::from_ms(1_500))));
}

#[test]
fn empty_calls_of_the_rare_forms_are_no_calls() {
    let message = json!({
        "role": "assistant", "content": "Hi.", "function_call": {"name": "", "arguments": ""},
        "tool_calls": [{"id": "c1", "type": "function", "custom": {"name": "", "input": ""},
            "function": {"name": "look", "arguments": "{}"}}],
    });
    let whole = decoded(&json!({"choices": [{"message": message.clone(), "finish_reason": "stop"}]})).unwrap();
    let chunk = json!({"choices": [{"index": 0, "delta": message, "finish_reason": "stop"}]});
    for reply in [whole, streamed(&format!("data: {chunk}\n\ndata: [DONE]\n\n"), 0)] {
        let calls: Vec<&Part> = reply.parts.iter().filter(|part| part.as_tool_call().is_some()).collect();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].vendor.field(Api::ChatCompletions, "$custom"), None);
    }
}

#[test]
fn an_error_in_a_stream_keeps_what_was_used() {
    let chunk = json!({"choices": [], "error": {"code": 400, "message": "Token limit reached"},
        "usage": {"prompt_tokens": 43, "completion_tokens": 10}});
    let mut decoder = stream::Decoder::new(Dialect::default());
    let error = decoder.feed(format!("data: {chunk}\n\n").as_bytes(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.usage.as_deref(), Some(&crate::usage::Usage::of(43, 10)));
}
