//! Cohere and Ollama in states that recordings rarely hold, and errors in every shape.

use super::*;
use crate::error::{Kind, Retry};
use crate::reply::StopReason;

#[test]
fn cohere_s_plans_thoughts_and_citations_are_kept() {
    let message = json!({"role": "assistant", "tool_plan": "I will look.", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "A fox."}],
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"q\":1}"}}, {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{\"q\":2}"}}],
        "citations": [{"start": 0, "end": 5, "text": "A fox", "sources": [{"type": "document", "id": "d:0", "document": {"id": "d:0"}}], "type": "TEXT_CONTENT"}]});
    let body = json!({"id": "r", "finish_reason": "TOOL_CALL", "message": message, "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 6}, "tokens": {"input_tokens": 70, "output_tokens": 7}}});
    let reply = decoded(Api::CohereChat, &body).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("A fox.", "I will look.hm"));
    assert_eq!(calls(&reply), [("c1", "look", "{\"q\":1}"), ("c2", "look", "{\"q\":2}")]);
    assert_eq!(reply.vendor.field(Api::CohereChat, "citations"), Some(&message["citations"]));
    let at =
        |kind: &str, index: u64, message: Value| json!({"type": kind, "index": index, "delta": {"message": message}});
    let calling = |index: u64, id: &str| {
        at(
            "tool-call-start",
            index,
            json!({"tool_calls": {"id": id, "type": "function", "function": {"name": "look", "arguments": ""}}}),
        )
    };
    let more =
        |index: u64, text: &str| at("tool-call-delta", index, json!({"tool_calls": {"function": {"arguments": text}}}));
    let events = [
        json!({"type": "message-start", "id": "r", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}),
        at("content-start", 0, json!({"content": {"type": "thinking", "thinking": ""}})),
        at("content-delta", 0, json!({"content": {"thinking": "hm"}})),
        json!({"type": "content-end", "index": 0}),
        at("content-start", 1, json!({"content": {"type": "text", "text": ""}})),
        at("content-delta", 1, json!({"content": {"text": "A fox."}})),
        at("citation-start", 0, json!({"citations": message["citations"][0]})),
        json!({"type": "citation-end", "index": 0}),
        json!({"type": "content-end", "index": 1}),
        calling(0, "c1"),
        more(0, "{\"q\":1}"),
        json!({"type": "tool-call-end", "index": 0}),
        calling(1, "c2"),
        more(1, "{\"q\":2}"),
        json!({"type": "tool-call-end", "index": 1}),
        json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": body["usage"]}}),
    ];
    let reply = streamed(Api::CohereChat, &events).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str(), reply.tool_calls().count()), ("A fox.", "hm", 2));
    assert_eq!(reply.vendor.field(Api::CohereChat, "citations"), Some(&message["citations"]));
    assert_eq!((reply.usage.input, reply.usage.billed_input, reply.usage.output), (Some(70), Some(5), Some(6)));
    let document = json!({"type": "document", "document": {"id": "d", "data": {"title": "t"}}});
    survives(
        Api::CohereChat,
        &json!({"model": "command-a", "messages": [{"role": "user", "content": "x"}, message,
        {"role": "tool", "tool_call_id": "c1", "content": [document]}], "documents": [{"id": "d", "data": {"text": "a"}}, "b"],
        "citation_options": {"mode": "FAST"}, "safety_mode": "STRICT", "thinking": {"type": "enabled", "token_budget": 9}, "stream": true}),
    );
}

#[test]
fn ollama_s_thoughts_and_calls_with_ids_are_read() {
    let line = |message: Value, more: Value| {
        let mut line =
            json!({"model": "qwen3", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string() + "\n"
    };
    let call = json!({"id": "call_7", "function": {"index": 0, "name": "look", "arguments": {"q": 1}}});
    let lines = [
        line(json!({"role": "assistant", "content": "", "thinking": "hm"}), json!({})),
        line(json!({"role": "assistant", "content": "A fox.", "tool_calls": [call]}), json!({})),
        line(
            json!({"role": "assistant", "content": ""}),
            json!({"done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4}),
        ),
    ]
    .concat();
    let reply = read(Api::OllamaChat, lines.as_bytes()).unwrap();
    assert_eq!(
        (reply.text().as_str(), reply.reasoning().as_str(), calls(&reply)),
        ("A fox.", "hm", vec![("call_7", "look", "{\"q\":1}")])
    );
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
    survives(
        Api::OllamaChat,
        &json!({"model": "qwen3", "messages": [{"role": "user", "content": "x", "images": ["aGk="]},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call]}, {"role": "tool", "tool_name": "look", "content": "1"}],
        "think": "high", "format": {"type": "object"}, "options": {"num_ctx": 9, "temperature": 0.5, "mirostat": 1}, "keep_alive": "5m", "stream": false}),
    );
}

/// Decodes an answer that must be an error of this kind.
#[track_caller]
fn check(api: Api, status: u16, body: &Value, want: Kind) -> ProviderError {
    let text = body.to_string();
    let response = HttpResponse { status, headers: Headers::NONE, body: text.as_bytes() };
    let error = wire(api).decode(response, &Dialect::default()).unwrap_err();
    assert_eq!(error.kind, want, "{body}: {error}");
    assert!(!error.message.is_empty(), "{body}");
    error
}

/// The same for bodies of servers that speak chat completions.
#[track_caller]
fn check_all(errors: impl IntoIterator<Item = (u16, Value, Kind)>) {
    for (status, body, want) in errors {
        check(Api::ChatCompletions, status, &body, want);
    }
}

#[test]
fn errors_of_xai_and_mistral_are_typed() {
    check_all([
        // xAI: words under `error`, the code beside them.
        (
            400,
            json!({"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xai-***"}),
            Kind::Auth,
        ),
        (
            422,
            json!({"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "missing"}]}),
            Kind::Invalid,
        ),
        // Mistral, in three shapes.
        (
            400,
            json!({"object": "error", "message": "Invalid model: x", "type": "invalid_model", "param": null, "code": "1500"}),
            Kind::NotFound,
        ),
        (401, json!({"message": "Unauthorized", "request_id": "r"}), Kind::Auth),
        (
            422,
            json!({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]}, "type": "invalid_request_error", "code": null}),
            Kind::Invalid,
        ),
    ]);
}

#[test]
fn errors_of_servers_of_ones_own_are_typed() {
    check_all([
        // vLLM, SGLang, llama.cpp.
        (
            400,
            json!({"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", "type": "BadRequestError", "param": null, "code": 400}),
            Kind::ContextTooLong,
        ),
        (
            400,
            json!({"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4}}),
            Kind::ContextTooLong,
        ),
        (
            503,
            json!({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
            Kind::Overloaded,
        ),
    ]);
}

#[test]
fn errors_of_groq_are_typed() {
    check_all([
        // Groq, DeepSeek, OpenRouter, Together, Fireworks, Perplexity.
        (
            413,
            json!({"error": {"message": "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000", "type": "tokens", "code": "rate_limit_exceeded"}}),
            Kind::RateLimited,
        ),
        (
            400,
            json!({"error": {"message": "Failed to call a function. Please adjust your prompt.", "type": "invalid_request_error", "code": "tool_use_failed", "failed_generation": "<tool>"}}),
            Kind::BadToolCall,
        ),
    ]);
}

#[test]
fn errors_of_resellers_are_typed() {
    check_all([
        (
            402,
            json!({"error": {"message": "Insufficient Balance", "type": "unknown_error", "param": null, "code": "invalid_request_error"}}),
            Kind::Quota,
        ),
        (
            402,
            json!({"error": {"message": "This request requires more credits", "code": 402}, "user_id": "u"}),
            Kind::Quota,
        ),
        (
            403,
            json!({"error": {"code": 403, "message": "Input flagged", "metadata": {"reasons": ["violence"], "flagged_input": "x", "provider_name": "OpenAI"}}}),
            Kind::Permission,
        ),
        (404, json!({"error": {"message": "No endpoints found that support tool use.", "code": 404}}), Kind::NotFound),
        (
            429,
            json!({"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": "{\"error\": \"slow\"}", "provider_name": "x"}}}),
            Kind::RateLimited,
        ),
        (
            422,
            json!({"error": {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097", "type": "invalid_request_error", "param": null, "code": null}}),
            Kind::Invalid,
        ),
        (
            401,
            json!({"error": {"code": "UNAUTHORIZED", "message": "The API key you provided is invalid.", "object": "error"}}),
            Kind::Auth,
        ),
    ]);
}

#[test]
fn errors_of_gateways_are_typed() {
    check_all([
        // Azure's gateway and a proxy of FastAPI.
        (401, json!({"statusCode": 401, "message": "Access denied due to invalid subscription key."}), Kind::Auth),
        (
            404,
            json!({"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}),
            Kind::NotFound,
        ),
        (404, json!({"detail": "Not Found"}), Kind::NotFound),
        // Gemini's copy answers with a list.
        (
            400,
            json!([{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}]),
            Kind::Auth,
        ),
    ]);
}

#[test]
fn errors_of_other_formats_are_typed() {
    let waits = json!({"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]}});
    let error = check(Api::GenerateContent, 429, &waits, Kind::RateLimited);
    assert_eq!(error.retry, Retry::Here(Some(crate::time::Span::from_secs(17))));
    check(
        Api::Messages,
        529,
        &json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}),
        Kind::Overloaded,
    );
    check(
        Api::Messages,
        400,
        &json!({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 200001 tokens > 200000 maximum"}}),
        Kind::ContextTooLong,
    );
    check(
        Api::Messages,
        400,
        &json!({"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the Anthropic API."}}),
        Kind::Quota,
    );
    check(
        Api::Messages,
        413,
        &json!({"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}),
        Kind::TooLarge,
    );
    check(
        Api::Converse,
        424,
        &json!({"message": "The model returned an error", "originalStatusCode": 500}),
        Kind::Server,
    );
    check(
        Api::Converse,
        400,
        &json!({"__type": "com.amazon.coral.service#ThrottlingException", "message": "Too many tokens"}),
        Kind::RateLimited,
    );
    check(Api::OllamaChat, 400, &json!({"error": "\"x\" does not support tools"}), Kind::Unsupported);
}
