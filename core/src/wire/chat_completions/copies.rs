//! Answers of further copies of the format, written from their documents: where each puts what the format has another
//! place for, and what it does that no other does.

use serde_json::{Value, json};

use super::vendors::{DONE, answered, chunk, streamed, used};
use super::{API, ChatCompletions};
use crate::error::{Kind, Retry};
use crate::model::Dialect;
use crate::reply::{Reply, StopReason};
use crate::wire::{Headers, HttpResponse, Wire, tests as recorded};

fn stock() -> Dialect {
    Dialect::default()
}

fn calls(reply: &Reply) -> Vec<(&str, &str, &str)> {
    reply.tool_calls().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect()
}

#[test]
fn reasoning_is_read_under_every_name_and_once() {
    let check = |delta: Value, message: Value, want: (&str, &str)| {
        let reply = answered(&json!({"choices": [{"message": message, "finish_reason": "stop"}]}), &stock());
        assert_eq!((reply.reasoning().as_str(), reply.text().as_str()), want, "{message}");
        let more = json!({"content": want.1});
        let chunks = [chunk(delta.clone(), None), chunk(more, Some("stop"))];
        let reply = streamed(&chunks, DONE).unwrap();
        assert_eq!((reply.reasoning().as_str(), reply.text().as_str()), want, "{delta}");
    };
    let want = ("hm", "Bore da");
    for name in ["reasoning_content", "reasoning", "reasoning_text"] {
        check(json!({ name: "hm" }), json!({ name: "hm", "content": "Bore da" }), want);
    }
    // vLLM, NVIDIA: two names for the same words.
    let both = json!({"reasoning": "hm", "reasoning_content": "hm", "content": "Bore da"});
    check(json!({"reasoning": "hm", "reasoning_content": "hm"}), both, want);
    // OpenRouter: details alone, or with the words beside them.
    let details = json!([{"type": "reasoning.text", "text": "hm", "signature": null, "index": 0}]);
    check(json!({"reasoning_details": details}), json!({"reasoning_details": details, "content": "Bore da"}), want);
    check(
        json!({"reasoning": "hm", "reasoning_details": details}),
        json!({"reasoning": "hm", "reasoning_details": details, "content": "Bore da"}),
        want,
    );
    // Mistral and Databricks: pieces of a content list.
    let pieces = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]);
    check(json!({ "content": pieces }), json!({"content": [pieces[0], {"type": "text", "text": "Bore da"}]}), want);
    let summary = json!([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": "s"}]}]);
    check(json!({ "content": summary }), json!({"content": [summary[0], {"type": "text", "text": "Bore da"}]}), want);
}

#[test]
fn opaque_parts_of_a_turn_go_back_as_they_came() {
    // Copilot: the words under one name, what only it can read under another.
    let message =
        json!({"role": "assistant", "content": "Bore da", "reasoning_text": "hm", "reasoning_opaque": "b3Bh"});
    let reply = answered(&json!({"choices": [{"message": message, "finish_reason": "stop"}]}), &stock());
    let whole = json!({"model": "m", "messages": [{"role": "user", "content": "x"}, message]}).to_string();
    let parsed = ChatCompletions.parse(whole.as_bytes()).unwrap();
    let written: Value = serde_json::from_slice(&recorded::rewrite(&ChatCompletions, &parsed).unwrap()).unwrap();
    assert_eq!(written["messages"][1], message);
    let opaque = |reply: &Reply| {
        let part = reply.parts.iter().find_map(|part| part.vendor.field(API, "$message")).cloned();
        part.unwrap_or_default()["reasoning_opaque"].clone()
    };
    assert_eq!(opaque(&reply), "b3Bh");
    let chunks = [
        chunk(json!({"reasoning_text": "h"}), None),
        chunk(json!({"reasoning_text": "m", "reasoning_opaque": "b3"}), None),
        chunk(json!({"content": "Bore da", "reasoning_opaque": "Bh"}), Some("stop")),
    ];
    let reply = streamed(&chunks, DONE).unwrap();
    assert_eq!((reply.reasoning().as_str(), opaque(&reply)), ("hm", json!("b3Bh")));
}

#[test]
fn sound_comes_with_its_transcript() {
    let sound = |piece: Value| chunk(json!({ "audio": piece }), None);
    let chunks = [
        sound(json!({"id": "audio_1", "transcript": "Bore"})),
        sound(json!({"transcript": " da"})),
        sound(json!({"data": "QUFB"})),
        sound(json!({"data": "QkJC", "expires_at": 9})),
        chunk(json!({}), Some("stop")),
    ];
    let reply = streamed(&chunks, DONE).unwrap();
    let found = reply.parts[0].vendor.field(API, "$message").unwrap();
    let want = json!({"id": "audio_1", "transcript": "Bore da", "data": "QUFBQkJC", "expires_at": 9});
    assert_eq!(found["audio"], want);
}

#[test]
fn a_call_s_pieces_stay_one_call_and_two_calls_stay_two() {
    let call = |call: Value| chunk(json!({ "tool_calls": [call] }), None);
    let check = |pieces: &[Value], want: &[(&str, &str, &str)]| {
        let mut chunks: Vec<Value> = pieces.iter().cloned().map(call).collect();
        chunks.push(chunk(json!({}), Some("tool_calls")));
        assert_eq!(calls(&streamed(&chunks, DONE).unwrap()), want, "{pieces:?}");
    };
    let piece = |index: u32, id: &str, function: Value| json!({"index": index, "id": id, "function": function});
    // vLLM of before: a new id with every piece, the name with the first.
    let fresh = [
        piece(0, "chatcmpl-tool-1", json!({"name": "f", "arguments": ""})),
        piece(0, "chatcmpl-tool-2", json!({"arguments": "{\"x\""})),
        piece(0, "chatcmpl-tool-3", json!({"arguments": ":1}"})),
        piece(1, "chatcmpl-tool-4", json!({"name": "g", "arguments": "{}"})),
    ];
    check(&fresh, &[("chatcmpl-tool-1", "f", "{\"x\":1}"), ("chatcmpl-tool-4", "g", "{}")]);
    // Gemini's copy of before: number 0 and no id for every call, each whole.
    let same = |arguments: &str| piece(0, "", json!({"name": "f", "arguments": arguments}));
    check(
        &[same("{\"x\":1}"), same("{\"x\":2}"), piece(0, "", json!({"name": "g", "arguments": "{}"}))],
        &[("call_0", "f", "{\"x\":1}"), ("call_1", "f", "{\"x\":2}"), ("call_2", "g", "{}")],
    );
    // The name again with every piece, and no id.
    check(&[same(""), same("{\"x\""), same(":1}")], &[("call_0", "f", "{\"x\":1}")]);
}

#[test]
fn a_whole_message_after_its_pieces_says_nothing_new() {
    // MiniMax ends with the whole message; Perplexity repeats it as far as it came in every chunk.
    let last = json!({"id": "c1", "object": "chat.completion", "model": "m", "usage": {"prompt_tokens": 3,
        "completion_tokens": 2, "total_tokens": 5}, "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Bore da", "reasoning_content": "hm"}}]});
    let pieces = [
        chunk(json!({"reasoning_content": "hm"}), None),
        chunk(json!({"content": "Bore"}), None),
        chunk(json!({"content": " da"}), None),
    ];
    let reply = streamed(&[&pieces[..], std::slice::from_ref(&last)].concat(), DONE).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Bore da", "hm"));
    assert_eq!((reply.stop, reply.usage.output), (Some(StopReason::End), Some(2)));
    // Alone it is the answer.
    let reply = streamed(&[last], DONE).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Bore da", "hm"));
}

#[test]
fn usage_is_found_where_the_vendor_puts_it() {
    // Moonshot counts inside the choice.
    let counted = json!({"id": "c1", "model": "kimi", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop",
        "usage": {"prompt_tokens": 19, "completion_tokens": 13, "total_tokens": 32, "cached_tokens": 10}}]});
    let chunks = [chunk(json!({"content": "a"}), None), counted];
    let reply = streamed(&chunks, DONE).unwrap();
    assert_eq!((reply.usage.input, reply.usage.cached_read, reply.usage.output), (Some(19), Some(10), Some(13)));
    // Cache counts in Anthropic's names, beside the prompt: more cannot have been read than there was.
    let beside = json!({"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17,
        "cache_read_input_tokens": 2_000, "cache_creation_input_tokens": 300});
    let read = used(beside, &stock());
    assert_eq!(
        (read.input, read.cached_read, read.cache_write(), read.output),
        (Some(2_312), Some(2_000), Some(300), Some(5))
    );
    let inside = json!({"prompt_tokens": 2_312, "completion_tokens": 5, "cache_read_input_tokens": 2_000});
    assert_eq!(used(inside, &stock()).input, Some(2_312));
}

#[test]
fn what_a_choice_says_besides_is_kept() {
    // Azure's filter results, OpenRouter's upstream reason.
    let results = json!({"hate": {"filtered": false, "severity": "safe"}});
    let choice = json!({"index": 0, "finish_reason": "stop", "native_finish_reason": "end_turn",
        "content_filter_results": results, "message": {"role": "assistant", "content": "a"}});
    let reply = answered(&json!({"choices": [choice], "prompt_filter_results": [{"prompt_index": 0}]}), &stock());
    let want = json!({"native_finish_reason": "end_turn", "content_filter_results": results});
    assert_eq!(reply.vendor.field(API, "choice"), Some(&want));
    let mut last = chunk(json!({}), Some("stop"));
    last["choices"][0]["native_finish_reason"] = "end_turn".into();
    let mut first = chunk(json!({"content": "a"}), None);
    first["choices"][0]["content_filter_results"] = results;
    let reply = streamed(&[first, last], DONE).unwrap();
    assert_eq!(reply.vendor.field(API, "choice"), Some(&want));
}

#[test]
fn an_error_inside_a_choice_is_one() {
    let failed = json!({"choices": [{"index": 0, "finish_reason": "error", "message": {"role": "assistant",
        "content": "Half"}, "error": {"code": 429, "message": "upstream is busy"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1}});
    let decode = |body: &Value| {
        let text = body.to_string();
        ChatCompletions.decode(HttpResponse { status: 200, headers: Headers::NONE, body: text.as_bytes() }, &stock())
    };
    let error = decode(&failed).unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::RateLimited, Retry::Here(None)));
    assert_eq!(error.partial.unwrap().text(), "Half");
    assert_eq!(error.usage.unwrap().input, Some(3));
    // One that names no reason, whole and streamed.
    let unnamed = json!({"choices": [{"index": 0, "finish_reason": "error", "message": {"content": "Half"}}]});
    let error = decode(&unnamed).unwrap_err();
    assert_eq!((error.kind, error.partial.unwrap().text().as_str()), (Kind::Server, "Half"));
    let error = streamed(&[chunk(json!({"content": "Half"}), Some("error"))], DONE).unwrap_err();
    assert_eq!((error.kind, error.partial.unwrap().text().as_str()), (Kind::Server, "Half"));
    let groq = json!({"id": "c1", "choices": [], "x_groq": {"id": "req_1", "error": "over capacity"}});
    let error = streamed(&[chunk(json!({"content": "Half"}), None), groq], "").unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Server, "over capacity"));
    // An empty error beside an answer is none.
    for none in [json!(""), json!({}), json!({"code": null, "message": ""}), json!(false), Value::Null] {
        let mut whole =
            json!({"id": "c1", "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "a"}}]});
        whole["error"] = none.clone();
        assert_eq!(decode(&whole).unwrap().text(), "a", "{none}");
        let mut piece = chunk(json!({"content": "a"}), Some("stop"));
        piece["error"] = none.clone();
        assert_eq!(streamed(&[piece], DONE).unwrap().text(), "a", "{none}");
    }
}

#[test]
fn completions_of_before_and_words_in_capitals_are_read() {
    let whole = json!({"choices": [{"index": 0, "text": "Bore da", "finish_reason": "STOP", "logprobs": null}]});
    let reply = answered(&whole, &stock());
    assert_eq!((reply.text().as_str(), reply.stop), ("Bore da", Some(StopReason::End)));
    let piece = |text: &str, finish: Value| json!({"id": "c1", "choices": [{"index": 0, "text": text, "finish_reason": finish}]});
    let reply = streamed(&[piece("Bore ", Value::Null), piece("da", json!("MAX_TOKENS"))], DONE).unwrap();
    assert_eq!((reply.text().as_str(), reply.stop), ("Bore da", Some(StopReason::MaxTokens)));
}

#[test]
fn half_a_surrogate_pair_spoils_no_answer() {
    let body = |text: &str| format!(r#"{{"choices":[{{"finish_reason":"stop","message":{{"content":"{text}"}}}}]}}"#);
    let text = body("a\\ud83d");
    let reply =
        ChatCompletions.decode(HttpResponse { status: 200, headers: Headers::NONE, body: text.as_bytes() }, &stock());
    assert_eq!(reply.unwrap().text(), "a\u{fffd}");
}
