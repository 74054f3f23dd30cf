//! The Responses format against fixtures written from the vendor's documents, and against recorded traffic.

use serde_json::{Value, json};

use super::Responses;
use crate::error::Kind;
use crate::message::Content;
use crate::model::{Api, Dialect};
use crate::reply::{Reply, StopReason};
use crate::request::RequestDraft;
use crate::wire::{Ask, Headers, HttpResponse, Mode, Wire, tests as recorded, verbatim};

const FILES: [&str; 10] =
    ["openai", "xai", "chatgpt", "deepseek", "copilot", "bedrock", "openrouter", "azure", "mistralrs", "local"];

fn written(draft: &RequestDraft) -> Value {
    let card = verbatim::card("gpt-x");
    let mut endpoint = verbatim::endpoint(Api::Responses);
    endpoint.dialect = Dialect::default();
    let ask = Ask { draft, card: &card, endpoint: &endpoint, max_tokens: 500 };
    serde_json::from_slice(&Responses.write(&ask, Mode::Unary).unwrap().body).unwrap()
}

fn decoded(body: &Value) -> Result<Reply, crate::ProviderError> {
    let text = body.to_string();
    Responses.decode(HttpResponse { status: 200, headers: Headers::NONE, body: text.as_bytes() }, &Dialect::default())
}

/// A response with reasoning, a message and a call, as the documents show it.
fn response() -> Value {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-x", "error": null,
        "incomplete_details": null, "instructions": "Be brief.", "store": false, "service_tier": "default",
        "output": [
            {"id": "rs_1", "type": "reasoning", "encrypted_content": "b3BhcXVl",
                "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}]},
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "Bore da \u{1f980}", "annotations": [],
                    "logprobs": [{"token": "Bore", "logprob": -0.5, "bytes": [66], "top_logprobs": []}]}]},
            {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "clock", "arguments": "{\"z\":1}",
                "status": "completed"}
        ],
        "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 80}, "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 150}
    })
}

fn stream(end: &str, last: &Value) -> String {
    let output = response()["output"].clone();
    let opened =
        |at: usize, item: Value| json!({"type": "response.output_item.added", "output_index": at, "item": item});
    let delta = |kind: &str, at: usize, text: &str| {
        json!({"type": format!("response.{kind}.delta"), "output_index": at,
        "content_index": 0, "delta": text})
    };
    let summary = |at: usize, text: &str| {
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0,
        "summary_index": at, "delta": text})
    };
    let done = |at: usize| json!({"type": "response.output_item.done", "output_index": at, "item": output[at]});
    let events = [
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-x", "status": "in_progress"}}),
        opened(0, json!({"id": "rs_1", "type": "reasoning", "summary": []})),
        summary(0, "One"),
        summary(0, "."),
        summary(1, "Two."),
        done(0),
        opened(1, json!({"id": "msg_1", "type": "message", "role": "assistant", "content": []})),
        delta("output_text", 1, "Bore "),
        delta("output_text", 1, "da \u{1f980}"),
        json!({"type": "response.something_new", "output_index": 1}),
        done(1),
        opened(
            2,
            json!({"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "clock", "arguments": ""}),
        ),
        delta("function_call_arguments", 2, "{\"z\""),
        delta("function_call_arguments", 2, ":1}"),
        done(2),
        json!({"type": end, "response": last}),
    ];
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect()
}

fn read(body: &str) -> Result<Reply, crate::ProviderError> {
    recorded::read(Responses.decoder(&Dialect::default()), [body.as_bytes()])
}

#[test]
fn a_rich_request_is_written_as_documented() {
    let draft: RequestDraft = serde_json::from_value(json!({
        "messages": [
            {"role": "system", "parts": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "parts": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"from": "base64", "media_type": "image/png", "data": "AAAA"}}]},
            {"role": "assistant", "parts": [
                {"type": "reasoning", "text": "another vendor's"},
                {"type": "tool_call", "id": "c1", "name": "look", "arguments": "{}"}]},
            {"role": "tool", "parts": [
                {"type": "tool_result", "call_id": "c1", "parts": [{"type": "text", "text": "a cat"}]}]},
        ],
        "tools": [{"name": "look"}],
        "tool_choice": {"named": "look"},
        "parallel_tools": false,
        "format": {"type": "json_schema", "name": "a", "schema": {"type": "object", "properties": {}}},
        "sampling": {"temperature": 0.5, "logprobs": 2},
        "reasoning": {"effort": "minimal", "show": true},
        "vendor": {"responses": {"text": {"verbosity": "low"}, "previous_response_id": "resp_0"}},
    }))
    .unwrap();
    let want = json!({
        "model": "gpt-x", "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "a cat"}],
        "max_output_tokens": 500, "temperature": 0.5, "top_logprobs": 2,
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": false}],
        "tool_choice": {"type": "function", "name": "look"}, "parallel_tool_calls": false,
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "a", "strict": true, "schema":
            {"type": "object", "properties": {}, "required": [], "additionalProperties": false}}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "store": false, "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "previous_response_id": "resp_0"
    });
    assert_eq!(written(&draft), want);
}

/// xAI takes the field for instructions only where nothing stored is continued: there they stay messages.
#[test]
fn instructions_stay_messages_where_the_vendor_wants_them_so() {
    let catalog = crate::catalog::Catalog::builtin();
    let find = |id: &str| catalog.endpoints().iter().find(|one| one.id.as_str() == id).unwrap();
    let messages = vec![
        crate::Message::system("Be brief."),
        crate::Message::system("Speak Welsh."),
        crate::Message::user("Who is there?"),
    ];
    let draft = RequestDraft { messages, ..RequestDraft::default() };
    let card = verbatim::card("grok-x");
    let written = |endpoint: &str| -> Value {
        let ask = Ask { draft: &draft, card: &card, endpoint: find(endpoint), max_tokens: 500 };
        serde_json::from_slice(&Responses.write(&ask, Mode::Unary).unwrap().body).unwrap()
    };
    let xai = written("xai-responses");
    let want = json!([
        {"role": "system", "content": "Be brief."}, {"role": "system", "content": "Speak Welsh."},
        {"role": "user", "content": "Who is there?"}]);
    assert_eq!((&xai["input"], xai.get("instructions")), (&want, None));
    let stock = written("openai-responses");
    let joined = "Be brief.\n\nSpeak Welsh.";
    assert_eq!((&stock["instructions"], &stock["input"][0]["role"]), (&joined.into(), &"user".into()));
    // A model that takes no instructions at all gets them with the first question, at either vendor.
    let mut plain = verbatim::card("grok-x");
    plain.accepts.system = false;
    let ask = Ask { draft: &draft, card: &plain, endpoint: find("xai-responses"), max_tokens: 500 };
    let body: Value = serde_json::from_slice(&Responses.write(&ask, Mode::Unary).unwrap().body).unwrap();
    assert_eq!((body["input"].as_array().unwrap().len(), &body["input"][0]["role"]), (1, &"user".into()));
}

#[test]
fn a_reply_is_read_and_sent_back_as_it_came() {
    let reply = decoded(&response()).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Bore da \u{1f980}", "One.\n\nTwo."));
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
    let usage = &reply.usage;
    assert_eq!(
        (usage.input, usage.cached_read, usage.output, usage.reasoning),
        (Some(100), Some(80), Some(50), Some(30))
    );
    assert_eq!(reply.logprobs[0].token, "Bore");
    let message = crate::Message::new(crate::Role::Assistant, reply.parts);
    let body = written(&RequestDraft { messages: vec![message], ..RequestDraft::default() });
    let mut want = response()["output"].clone();
    want[1]["content"][0].as_object_mut().unwrap().shift_remove("logprobs");
    assert_eq!(body["input"], want);
}

#[test]
fn a_stream_is_the_unary_reply_however_it_is_cut() {
    let body = stream("response.completed", &response());
    assert_eq!(read(&body).unwrap(), decoded(&response()).unwrap());
    recorded::check_cuts(&Responses, body.as_bytes(), body.len());
    let mut bare = response();
    bare["output"] = json!([]);
    assert_eq!(read(&stream("response.completed", &bare)).unwrap(), decoded(&response()).unwrap());
}

#[test]
fn ends_and_failures_are_told_apart() {
    let mut cut = response();
    cut["status"] = "incomplete".into();
    for (reason, want) in [("max_output_tokens", StopReason::MaxTokens), ("content_filter", StopReason::ContentFilter)]
    {
        cut["incomplete_details"] = json!({"reason": reason});
        assert_eq!(decoded(&cut).unwrap().stop, Some(want.clone()));
        assert_eq!(read(&stream("response.incomplete", &cut)).unwrap().stop, Some(want));
    }
    let mut failed = response();
    failed["status"] = "failed".into();
    failed["error"] = json!({"code": "rate_limit_exceeded", "message": "slow down"});
    let error = decoded(&failed).unwrap_err();
    assert_eq!((error.kind, error.usage.map(|used| used.output)), (Kind::RateLimited, Some(Some(50))));
    assert_eq!(read(&stream("response.failed", &failed)).unwrap_err().kind, Kind::RateLimited);
    let event =
        "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"down\",\"param\":null}\n\n";
    assert_eq!(read(event).unwrap_err().kind, Kind::Server);
    let body = stream("response.completed", &response());
    let error = read(&body[..body.find("event: response.completed").unwrap()]).unwrap_err();
    assert_eq!(error.kind, Kind::Incomplete);
    assert_eq!(error.partial.unwrap().text(), "Bore da \u{1f980}");
    let mut refused = response();
    refused["output"] = json!([{"type": "message", "role": "assistant", "id": "m", "content":
        [{"type": "refusal", "refusal": "No."}]}]);
    let refused = decoded(&refused).unwrap();
    assert_eq!(refused.stop, Some(StopReason::Refusal));
    assert!(matches!(refused.parts[0].content, Content::Refusal { .. }));
}

#[test]
fn a_body_survives_reading_and_writing() {
    let body = json!({"model": "m", "instructions": "Be brief.", "stream": true, "store": true, "input": [
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "x"},
            {"type": "input_image", "image_url": "https://e.org/a.png", "detail": "low"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
            {"type": "input_file", "file_url": "https://e.org/a.pdf"},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            {"type": "new_thing", "z": 1}]},
        {"role": "assistant", "content": "y", "phase": "commentary"},
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "b3BhcXVl"},
        {"type": "message", "id": "m1", "status": "completed", "role": "assistant", "content": [
            {"type": "output_text", "text": "z", "annotations": []}, {"type": "refusal", "refusal": "no"}]},
        {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]},
        {"type": "computer_call_output", "call_id": "d", "output": {"type": "computer_screenshot"}},
        {"type": "item_reference", "id": "msg_2"}],
        "tools": [{"type": "custom", "name": "sh"}, {"type": "web_search", "search_context_size": "low"},
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}],
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "reasoning": {"effort": "xhigh", "summary": "detailed"}, "top_logprobs": 0, "max_output_tokens": 9,
        "prompt_cache_key": "k", "service_tier": "flex", "truncation": "auto"});
    let parsed = Responses.parse(body.to_string().as_bytes()).unwrap();
    let copy: Value = serde_json::from_slice(&recorded::rewrite(&Responses, &parsed).unwrap()).unwrap();
    assert_eq!(copy, body);
    assert!(Responses.parse(b"{\"input\": 3}").unwrap_err().to_string().contains("input"));
}

#[test]
fn recorded_traffic_is_read_and_survives() {
    let mut faults = Vec::new();
    for exchange in FILES.iter().flat_map(|file| recorded::exchanges(file, "responses")) {
        if exchange.request.starts_with(b"{") {
            let fault = recorded::request_fault(&Responses, &exchange.request, is_unsaid).err();
            faults.extend(fault.map(|fault| format!("{}: request: {fault}", exchange.id)));
        }
        let is_stream =
            exchange.status == 200 && (exchange.body.starts_with(b"event:") || exchange.body.starts_with(b"data:"));
        // Counts of tokens are answers of another address.
        let is_count = String::from_utf8_lossy(&exchange.body).contains("\"response.input_tokens\"");
        let read = match is_stream {
            true => recorded::read(Responses.decoder(&Dialect::default()), [exchange.body.as_slice()]),
            false => recorded::decode(&Responses, &exchange),
        };
        match read {
            Ok(reply) if exchange.status == 200 => {
                let last = if is_stream { last_response(&exchange.body) } else { None };
                let unary = last.map(|last| decoded(&last));
                if unary.is_some_and(|unary| unary.as_ref().ok() != Some(&reply)) {
                    faults.push(format!("{}: the stream is not its last response", exchange.id));
                }
            }
            Err(_) if exchange.status != 200 || is_count => {}
            other => faults.push(format!("{}: {:?}", exchange.id, other.err())),
        }
    }
    recorded::no_faults(faults);
}

/// Whether a field says what its absence says.
fn is_unsaid(path: &str, had: &Value, _has: &Value) -> bool {
    path == ".stream" && *had == false
}

/// The response that a stream ends with, where it repeats its items.
fn last_response(body: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(body);
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?).ok());
    let last = events.filter_map(|mut event| Some(event.get_mut("response")?.take())).next_back()?;
    (!last["output"].as_array()?.is_empty()).then_some(last)
}
