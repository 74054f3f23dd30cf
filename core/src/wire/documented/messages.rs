//! Anthropic Messages: server tools, citations, opaque thinking, pauses, and its copies.

use super::*;
use crate::error::Kind;
use crate::reply::StopReason;

const API: Api = Api::Messages;

fn answer(content: Value, stop: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content,
        "stop_reason": stop, "stop_sequence": null, "usage": {"input_tokens": 10, "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 6, "output_tokens": 5, "server_tool_use": {"web_search_requests": 2}}})
}

/// Blocks that only this format knows, as documented.
fn blocks() -> Vec<Value> {
    vec![
        json!({"type": "thinking", "thinking": "hm", "signature": "c2ln"}),
        json!({"type": "redacted_thinking", "data": "b3BhcXVl"}),
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "foxes"}}),
        json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
            {"type": "web_search_result", "url": "https://e.org", "title": "Foxes", "encrypted_content": "ZW5j", "page_age": null}]}),
        json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
            "content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}}),
        json!({"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_2", "content": {"type": "web_fetch_result", "url": "https://e.org",
            "content": {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}}}),
        json!({"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_3",
            "content": {"type": "bash_code_execution_result", "stdout": "2", "stderr": "", "return_code": 0, "content": []}}),
        json!({"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "ask", "server_name": "s", "input": {}}),
        json!({"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": false, "content": [{"type": "text", "text": "a"}]}),
        json!({"type": "container_upload", "file_id": "file_1"}),
        json!({"type": "text", "text": "A fox.", "citations": [{"type": "web_search_result_location",
            "url": "https://e.org", "title": "Foxes", "encrypted_index": "aWR4", "cited_text": "fox"}]}),
        json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": 1}, "caller": {"type": "direct"}}),
    ]
}

#[test]
fn every_block_is_kept_and_goes_back() {
    let reply = decoded(API, &answer(json!(blocks()), "tool_use")).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("A fox.", "hm"));
    assert_eq!(calls(&reply), [("toolu_1", "look", "{\"q\":1}")]);
    assert_eq!((reply.usage.input, reply.usage.cached_read, reply.usage.searches), (Some(20), Some(6), Some(2)));
    assert_eq!(sent_back(API, &reply)["messages"][1]["content"], json!(blocks()));
}

#[test]
fn a_stream_of_every_block_is_the_whole_answer() {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x",
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 6, "output_tokens": 1}}}),
        json!({"type": "ping"}),
    ];
    for (at, block) in blocks().into_iter().enumerate() {
        let (mut start, mut deltas) = (block.clone(), Vec::new());
        match block["type"].as_str().unwrap() {
            "thinking" => {
                start = json!({"type": "thinking", "thinking": "", "signature": ""});
                deltas.push(json!({"type": "thinking_delta", "thinking": "h"}));
                deltas.push(json!({"type": "thinking_delta", "thinking": "m"}));
                deltas.push(json!({"type": "signature_delta", "signature": "c2ln"}));
            }
            "text" => {
                start = json!({"type": "text", "text": "", "citations": []});
                deltas.push(json!({"type": "citations_delta", "citation": block["citations"][0]}));
                deltas.push(json!({"type": "text_delta", "text": "A "}));
                deltas.push(json!({"type": "text_delta", "text": "fox."}));
            }
            "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                start["input"] = json!({});
                let input = block["input"].to_string();
                let (one, other) = input.split_at(1);
                deltas.push(json!({"type": "input_json_delta", "partial_json": ""}));
                deltas.push(json!({"type": "input_json_delta", "partial_json": one}));
                deltas.push(json!({"type": "input_json_delta", "partial_json": other}));
            }
            _ => {}
        }
        events.push(json!({"type": "content_block_start", "index": at, "content_block": start}));
        events.extend(
            deltas.into_iter().map(|delta| json!({"type": "content_block_delta", "index": at, "delta": delta})),
        );
        events.push(json!({"type": "content_block_stop", "index": at}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
        "usage": {"output_tokens": 5, "server_tool_use": {"web_search_requests": 2}}}));
    events.push(json!({"type": "message_stop"}));
    let reply = streamed(API, &events).unwrap();
    let whole = decoded(API, &answer(json!(blocks()), "tool_use")).unwrap();
    assert_eq!((&reply.stop, &reply.usage), (&whole.stop, &whole.usage));
    assert_eq!(sent_back(API, &reply)["messages"][1]["content"], json!(blocks()));
}

#[test]
fn pauses_refusals_and_full_windows_are_told_apart() {
    for (word, want) in [
        ("pause_turn", StopReason::Pause),
        ("refusal", StopReason::Refusal),
        ("model_context_window_exceeded", StopReason::ContextFull),
        ("something_new", StopReason::Other("something_new".to_owned())),
    ] {
        let mut body = answer(json!([]), word);
        body["stop_details"] = json!({"category": "cyber"});
        let reply = decoded(API, &body).unwrap();
        assert_eq!(reply.stop, Some(want));
        assert_eq!(reply.vendor.field(API, "stop_details"), Some(&body["stop_details"]));
    }
}

#[test]
fn a_compaction_comes_in_pieces() {
    let events = [
        json!({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": null}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "What "}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "was."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    let reply = streamed(API, &events).unwrap();
    assert_eq!(
        sent_back(API, &reply)["messages"][1]["content"][0],
        json!({"type": "compaction", "content": "What was."})
    );
}

#[test]
fn copies_of_the_format_are_read() {
    // Kimi, GLM, MiniMax, DeepSeek: the counts at the end alone, no signature, another format's last word.
    let events = [
        json!({"type": "message_start", "message": {"id": "m", "model": "k2", "content": [], "usage": {"input_tokens": 0, "output_tokens": 0}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Bore da"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": 40, "cache_read_input_tokens": 8, "output_tokens": 3}}),
        json!({"type": "message_stop"}),
    ];
    let lines: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    for end in ["", "data: [DONE]\n\n", "data:\n\ndata: [DONE]\n\n"] {
        let reply = read(API, format!("{lines}{end}").as_bytes()).unwrap();
        assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Bore da", "hm"));
        assert_eq!((reply.usage.input, reply.usage.cached_read, reply.usage.output), (Some(48), Some(8), Some(3)));
    }
    assert_eq!(decoded(API, &answer(json!("Bore da"), "end_turn")).unwrap().text(), "Bore da");
    assert_eq!(decoded(API, &answer(Value::Null, "refusal")).unwrap().stop, Some(StopReason::Refusal));
    assert_eq!(
        decoded(API, &json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}))
            .unwrap_err()
            .kind,
        Kind::Overloaded
    );
}

#[test]
fn requests_with_every_block_and_tool_survive() {
    survives(
        API,
        &json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": [
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}, "title": "t",
                    "context": "c", "citations": {"enabled": true}},
                {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_2"}},
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "a"}]},
                {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "assistant", "content": blocks()},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [
                {"type": "text", "text": "no"}, {"type": "image", "source": {"type": "url", "url": "https://e.org/a.png"}},
                {"type": "tool_reference", "tool_name": "f"}]}]}],
            "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5, "allowed_domains": ["e.org"]},
                {"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": true}},
                {"type": "code_execution_20250825", "name": "code_execution"},
                {"type": "memory_20250818", "name": "memory"}, {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
                {"type": "computer_20250124", "name": "computer", "display_width_px": 1, "display_height_px": 2},
                {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
                {"type": "mcp_toolset", "mcp_server_name": "s", "default_config": {"enabled": true}},
                {"name": "f", "description": "d", "input_schema": {"type": "object"}, "defer_loading": true,
                    "allowed_callers": ["code_execution_20250825"], "input_examples": [{"a": 1}]}],
            "mcp_servers": [{"type": "url", "url": "https://e.org/mcp", "name": "s", "authorization_token": "t"}],
            "container": {"id": "container_1", "skills": [{"type": "anthropic", "skill_id": "pptx", "version": "latest"}]},
            "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}, "metadata": {"user_id": "u"},
            "inference_geo": "us", "speed": "fast"}),
    );
}
