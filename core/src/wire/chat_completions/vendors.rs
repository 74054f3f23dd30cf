//! Answers as vendors document them whose traffic was not recorded, or not in this state: each vendor's own way to say
//! the same thing, and each way to go wrong inside a 200.

use serde_json::{Value, json};

use super::ChatCompletions;
use crate::catalog::Catalog;
use crate::error::{Kind, ProviderError, Retry};
use crate::message::Message;
use crate::model::Dialect;
use crate::reply::{Reply, StopReason};
use crate::request::{Effort, ReasoningAsk, RequestDraft};
use crate::usage::Usage;
use crate::wire::{Ask, Headers, HttpResponse, Mode, Wire, tests as recorded, verbatim};

pub(super) fn answered(body: &Value, dialect: &Dialect) -> Reply {
    let text = body.to_string();
    ChatCompletions
        .decode(HttpResponse { status: 200, headers: Headers::NONE, body: text.as_bytes() }, dialect)
        .unwrap()
}

/// The usage of an answer with this usage object.
pub(super) fn used(usage: Value, dialect: &Dialect) -> Usage {
    let choice = json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}});
    answered(&json!({"choices": [choice], "usage": usage}), dialect).usage
}

/// A stream of these chunks, read whole and checked at every cut.
#[track_caller]
pub(super) fn streamed(chunks: &[Value], end: &str) -> Result<Reply, ProviderError> {
    let events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let body = events + end;
    recorded::check_cuts(&ChatCompletions, body.as_bytes(), body.len());
    recorded::read(ChatCompletions.decoder(&Dialect::default()), [body.as_bytes()])
}

pub(super) const DONE: &str = "data: [DONE]\n\n";

pub(super) fn chunk(delta: Value, finish: Option<&str>) -> Value {
    json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

#[test]
fn every_token_is_counted_once_whoever_counts() {
    let stock = Dialect::default();
    let check = |usage: Value, dialect: &Dialect, want: [u64; 4]| {
        let got = used(usage.clone(), dialect);
        let got = [got.input, got.cached_read, got.output, got.reasoning].map(|count| count.unwrap_or(0));
        assert_eq!(got, want, "{usage}");
    };
    // OpenAI, Fireworks, vLLM, SGLang: parts inside their totals.
    let openai = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 80}, "completion_tokens_details": {"reasoning_tokens": 30}});
    check(openai, &stock, [100, 80, 50, 30]);
    let vllm = json!({"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": null});
    check(vllm, &stock, [9, 0, 3, 0]);
    let sglang = json!({"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3, "reasoning_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4}});
    check(sglang, &stock, [9, 4, 3, 2]);
    // DeepSeek names hit and miss; the prompt is their sum.
    let deepseek = json!({"prompt_tokens": 30, "prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 10,
        "completion_tokens": 5, "total_tokens": 35});
    check(deepseek, &stock, [30, 20, 5, 0]);
    // xAI leaves reasoning out of the completion; its text count repeats the cached tokens and must not be added.
    let xai = json!({"prompt_tokens": 199, "completion_tokens": 1, "total_tokens": 500,
        "prompt_tokens_details": {"text_tokens": 199, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 163},
        "completion_tokens_details": {"reasoning_tokens": 300}, "num_sources_used": 0, "cost_in_usd_ticks": 1_500_000});
    let outside = Dialect { reasoning_outside_output: Some(true), ..Dialect::default() };
    check(xai.clone(), &stock, [199, 163, 301, 300]);
    check(xai.clone(), &outside, [199, 163, 301, 300]);
    assert_eq!(used(xai, &stock).stated_cost.unwrap().pico(), 150_000_000);
    let inside = json!({"input_tokens": 160, "output_tokens": 249, "total_tokens": 409,
        "output_tokens_details": {"reasoning_tokens": 186}});
    check(inside, &outside, [160, 0, 249, 186]);
    // A vendor that counts cached tokens beside the prompt, said by its dialect.
    let beside = Dialect { cached_outside_input: Some(true), ..Dialect::default() };
    check(json!({"prompt_tokens": 10, "completion_tokens": 2, "cached_tokens": 90}), &beside, [100, 90, 2, 0]);
    // Zero is zero, and absent is absent.
    let zero = used(json!({"prompt_tokens": 0, "completion_tokens": 0}), &stock);
    assert_eq!((zero.input, zero.output, zero.cached_read), (Some(0), Some(0), None));
}

#[test]
fn sound_and_cache_writes_are_told_apart() {
    let audio = used(
        json!({"prompt_tokens": 1_000, "completion_tokens": 300, "total_tokens": 1_300,
            "prompt_tokens_details": {"cached_tokens": 500, "audio_tokens": 800, "text_tokens": 200,
                "cached_tokens_details": {"audio_tokens": 400, "text_tokens": 100}},
            "completion_tokens_details": {"audio_tokens": 250, "text_tokens": 50}}),
        &Dialect::default(),
    );
    assert_eq!((audio.input, audio.input_audio, audio.cached_audio), (Some(1_000), Some(800), Some(400)));
    assert_eq!((audio.output, audio.output_audio), (Some(300), Some(250)));
    let written = used(
        json!({"prompt_tokens": 5_000, "completion_tokens": 9, "total_tokens": 5_009, "cost": 0.0123, "is_byok": true,
            "cost_details": {"upstream_inference_cost": 0.5},
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 4_900},
            "cache_creation": {"ephemeral_1h_input_tokens": 900, "ephemeral_5m_input_tokens": 4_000}}),
        &Dialect::default(),
    );
    assert_eq!(
        (written.cache_write_5m, written.cache_write_1h, written.cache_write()),
        (Some(4_000), Some(900), Some(4_900))
    );
    assert_eq!(written.stated_cost.unwrap().pico(), 512_300_000_000);
}

#[test]
fn servers_of_ones_own_answer_in_their_own_way() {
    // vLLM: the stop text that was met, reasoning under either name, empty lists in place of nothing.
    let vllm = json!({"id": "chatcmpl-1", "model": "qwen", "choices": [{"index": 0, "finish_reason": "stop",
        "stop_reason": "END", "logprobs": null, "message": {"role": "assistant", "content": "a", "refusal": null,
        "annotations": null, "audio": null, "function_call": null, "tool_calls": [], "reasoning": "hm",
        "reasoning_content": null}}], "prompt_logprobs": null, "kv_transfer_params": null});
    let reply = answered(&vllm, &Dialect::default());
    assert_eq!((reply.stop.clone(), reply.reasoning()), (Some(StopReason::StopText), "hm".to_owned()));
    assert_eq!(reply.parts.len(), 2);
    // SGLang: the same by another name; a number is a token id and no text.
    let sglang = |matched: Value| json!({"choices": [{"finish_reason": "stop", "matched_stop": matched, "message": {"content": "a"}}]});
    assert_eq!(answered(&sglang(json!("END")), &Dialect::default()).stop, Some(StopReason::StopText));
    assert_eq!(answered(&sglang(json!(151_645)), &Dialect::default()).stop, Some(StopReason::End));
    // Fireworks: log-probabilities as lists side by side, usage in the last chunk that has a choice.
    let fireworks = [
        chunk(json!({"role": "assistant", "content": ""}), None),
        json!({"id": "c1", "model": "accounts/fireworks/models/x", "choices": [{"index": 0, "delta": {"content": "Hi"},
            "logprobs": {"tokens": ["Hi"], "token_logprobs": [-0.5], "top_logprobs": [{"Hi": -0.5}]}}]}),
        json!({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}),
    ];
    let reply = streamed(&fireworks, DONE).unwrap();
    assert_eq!((reply.text().as_str(), reply.stop, reply.usage.input), ("Hi", Some(StopReason::MaxTokens), Some(3)));
    assert_eq!((reply.logprobs[0].token.as_str(), reply.logprobs[0].top.len()), ("Hi", 1));
}

#[test]
fn filters_hold_back_cut_and_refuse() {
    // Azure opens with a chunk of filter results that has no choice.
    let opening = json!({"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]});
    let cut = [
        opening,
        chunk(json!({"role": "assistant", "content": "Half"}), None),
        chunk(json!({}), Some("content_filter")),
    ];
    let reply = streamed(&cut, DONE).unwrap();
    assert_eq!((reply.text().as_str(), reply.stop.as_ref()), ("Half", Some(&StopReason::ContentFilter)));
    assert_eq!((reply.id.as_deref(), reply.model.as_deref()), (Some("c1"), Some("m")));
    let refused = [
        chunk(json!({"role": "assistant", "refusal": "I can"}), None),
        chunk(json!({"refusal": "not."}), None),
        chunk(json!({}), Some("stop")),
    ];
    assert_eq!(streamed(&refused, DONE).unwrap().stop, Some(StopReason::Refusal));
    let body = json!({"error": {"message": "The response was filtered", "type": null, "param": "prompt",
        "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
    let text = body.to_string();
    let response = HttpResponse { status: 400, headers: Headers::NONE, body: text.as_bytes() };
    assert_eq!(ChatCompletions.decode(response, &Dialect::default()).unwrap_err().kind, Kind::ContentFiltered);
}

#[test]
fn calls_come_with_and_without_their_numbers() {
    let call = |call: Value| chunk(json!({ "tool_calls": [call] }), None);
    let check = |chunks: &[Value], want: &[(&str, &str, &str)]| {
        let chunks = [chunks, &[chunk(json!({}), Some("tool_calls"))]].concat();
        let reply = streamed(&chunks, DONE).unwrap();
        let got: Vec<_> =
            reply.tool_calls().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect();
        assert_eq!(got, want);
    };
    let begin = |index: u32, id: &str, name: &str, arguments: &str| {
        call(json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}))
    };
    let more = |index: u32, arguments: &str| call(json!({"index": index, "function": {"arguments": arguments}}));
    // Interleaved, as the format says.
    let two = [begin(0, "a", "f", ""), begin(1, "b", "g", ""), more(0, "{\"x\""), more(1, "{}"), more(0, ":1}")];
    check(&two, &[("a", "f", "{\"x\":1}"), ("b", "g", "{}")]);
    // Every call under number 0, told apart by its id (Gemini's copy).
    check(&[begin(0, "a", "f", "{}"), begin(0, "b", "g", "{}")], &[("a", "f", "{}"), ("b", "g", "{}")]);
    // No number, no id, arguments as an object (older Ollama).
    let bare = call(json!({"function": {"name": "f", "arguments": {"x": 1}}}));
    check(&[bare], &[("call_0", "f", "{\"x\":1}")]);
    // The id and the name again with every piece.
    check(&[begin(0, "a", "f", "{\"x\""), begin(0, "a", "f", ":1}")], &[("a", "f", "{\"x\":1}")]);
}

#[test]
fn what_goes_wrong_inside_a_200_is_an_error() {
    let begun = chunk(json!({"role": "assistant", "content": "Half"}), None);
    let kind = |chunks: &[Value], end: &str| streamed(chunks, end).unwrap_err().kind;
    assert_eq!(kind(&[], ""), Kind::Incomplete);
    assert_eq!(kind(std::slice::from_ref(&begun), ""), Kind::Incomplete);
    assert_eq!(kind(std::slice::from_ref(&begun), "data: {\"id\":\"c1\",\"cho"), Kind::Incomplete);
    assert_eq!(kind(std::slice::from_ref(&begun), "data: <html>\n\n"), Kind::Protocol);
    assert_eq!(kind(&[], "<html><body>502</body></html>"), Kind::Protocol);
    let limited = json!({"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}});
    let error = streamed(&[begun.clone(), limited.clone()], "").unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::RateLimited, Retry::Here(None)));
    assert_eq!(error.partial.unwrap().text(), "Half");
    assert_eq!(kind(&[], &limited.to_string()), Kind::RateLimited, "a plain body in place of a stream");
    // OpenRouter: the status travels in the error.
    let upstream = json!({"id": "c1", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        "error": {"code": 502, "message": "Upstream idle timeout exceeded"}});
    assert_eq!(kind(&[begun.clone(), upstream], ""), Kind::Server);
    // No usage, no [DONE], [DONE] twice, comments to keep the line open: still an answer.
    let whole = [begun, chunk(json!({}), Some("stop"))];
    for end in ["", DONE, "data: [DONE]\n\ndata: [DONE]\n\n", ": keep-alive\n\n"] {
        let reply = streamed(&whole, end).unwrap();
        assert_eq!((reply.text().as_str(), reply.usage.is_empty()), ("Half", true), "{end:?}");
    }
    for body in ["{}", "{\"choices\": []}", "{\"choices\": null}", "[]", "null", "", "<p>no</p>"] {
        let response = HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() };
        assert_eq!(ChatCompletions.decode(response, &Dialect::default()).unwrap_err().kind, Kind::Protocol, "{body}");
    }
}

/// What a request for so much thought looks like at an endpoint of the catalogue.
fn thought(endpoint: &str, asked: ReasoningAsk) -> Value {
    let catalog = Catalog::builtin();
    let endpoint = catalog.endpoints().iter().find(|one| one.id.as_str() == endpoint).unwrap();
    let draft = RequestDraft { messages: vec![Message::user("x")], reasoning: Some(asked), ..RequestDraft::default() };
    let card = verbatim::card("m");
    let ask = Ask { draft: &draft, card: &card, endpoint, max_tokens: 9_000 };
    let body: Value = serde_json::from_slice(&ChatCompletions.write(&ask, Mode::Unary).unwrap().body).unwrap();
    json!([body["reasoning_effort"], body["reasoning"], body["thinking"]])
}

#[test]
fn each_vendor_is_told_to_think_in_its_own_way() {
    let effort = |effort| ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() };
    let budget = |tokens| ReasoningAsk { budget_tokens: Some(tokens), ..ReasoningAsk::default() };
    let (none, on) = (Value::Null, json!({"type": "enabled"}));
    assert_eq!(thought("openai", effort(Effort::High)), json!(["high", none, none]));
    assert_eq!(thought("openrouter", effort(Effort::Low)), json!([none, {"effort": "low"}, none]));
    assert_eq!(thought("openrouter", budget(2_000)), json!([none, {"max_tokens": 2_000}, none]));
    assert_eq!(thought("deepseek", effort(Effort::Medium)), json!(["medium", none, on]));
    assert_eq!(thought("deepseek", effort(Effort::None)), json!([none, none, {"type": "disabled"}]));
    assert_eq!(thought("zai", effort(Effort::High)), json!([none, none, on]));
}

#[test]
fn further_answers_are_kept_apart() {
    let piece = |index: u32, content: &str, finish: Option<&str>| {
        json!({"id": "c1", "model": "m", "choices": [
            {"index": index, "delta": {"content": content}, "finish_reason": finish}]})
    };
    let chunks = [
        piece(0, "a", None),
        piece(1, "x", None),
        piece(0, "b", None),
        piece(1, "y", Some("length")),
        piece(0, "", Some("stop")),
    ];
    let reply = streamed(&chunks, DONE).unwrap();
    assert_eq!(reply.text(), "ab");
    assert_eq!(crate::message::joined_text(&reply.alternatives[0].parts), "xy");
    assert_eq!(reply.alternatives[0].stop, Some(StopReason::MaxTokens));
}
