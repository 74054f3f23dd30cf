//! OpenAI Responses: tools of the vendor's own, custom tools, pictures, compaction, and its copies.

use super::*;
use crate::error::Kind;
use crate::reply::StopReason;

const API: Api = Api::Responses;

fn response(output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-x", "output": output,
        "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 6,
            "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 16}})
}

fn message(id: &str, text: &str) -> Value {
    json!({"id": id, "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

/// Every item that OpenAI documents beside messages and calls.
fn items() -> Vec<Value> {
    vec![
        json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "b3BhcXVl"}),
        json!({"id": "ws_1", "type": "web_search_call", "status": "completed",
            "action": {"type": "search", "query": "foxes", "sources": [{"type": "url", "url": "https://e.org"}]}}),
        json!({"id": "fs_1", "type": "file_search_call", "status": "completed", "queries": ["fox"], "results": null}),
        json!({"id": "ci_1", "type": "code_interpreter_call", "status": "completed", "code": "1+1",
            "container_id": "cntr_1", "outputs": [{"type": "logs", "logs": "2"}]}),
        json!({"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "aGk=",
            "revised_prompt": "a fox", "size": "1024x1024", "output_format": "png"}),
        json!({"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "deepwiki",
            "tools": [{"name": "ask", "input_schema": {"type": "object"}}]}),
        json!({"id": "mcp_1", "type": "mcp_call", "server_label": "deepwiki", "name": "ask", "arguments": "{\"q\":1}",
            "output": "a fox", "error": null, "status": "completed"}),
        json!({"id": "cmp_1", "type": "compaction", "encrypted_content": "Y29tcGFjdA=="}),
        json!({"id": "tsc_1", "type": "tool_search_call", "execution": "server", "status": "completed", "arguments": {"query": "x"}}),
        json!({"id": "tso_1", "type": "tool_search_output", "execution": "server", "tools": []}),
    ]
}

#[test]
fn items_of_the_vendor_s_own_tools_are_kept_and_go_back() {
    let output: Vec<Value> = items().into_iter().chain([message("msg_1", "A fox.")]).collect();
    let reply = decoded(API, &response(json!(output))).unwrap();
    assert_eq!((reply.text().as_str(), reply.stop.clone()), ("A fox.", Some(StopReason::End)));
    assert_eq!((reply.tool_calls().count(), reply.usage.searches), (0, Some(1)));
    let back = sent_back(API, &reply);
    assert_eq!(back["input"].as_array().unwrap()[1..], output[..]);
}

#[test]
fn what_the_caller_must_do_is_told() {
    for (item, want) in [
        (
            json!({"id": "ap_1", "type": "mcp_approval_request", "server_label": "s", "name": "ask", "arguments": "{}"}),
            StopReason::ToolUse,
        ),
        (
            json!({"id": "cu_1", "type": "computer_call", "call_id": "c", "action": {"type": "click", "x": 1, "y": 2},
            "pending_safety_checks": [], "status": "completed"}),
            StopReason::ToolUse,
        ),
        (
            json!({"id": "sh_1", "type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}, "status": "completed"}),
            StopReason::ToolUse,
        ),
        (
            json!({"id": "ap_2", "type": "apply_patch_call", "call_id": "c", "operation": {"type": "create_file"}}),
            StopReason::ToolUse,
        ),
        (json!({"id": "ws_2", "type": "web_search_call", "status": "completed"}), StopReason::End),
    ] {
        let reply = decoded(API, &response(json!([item]))).unwrap();
        assert_eq!(reply.stop, Some(want), "{item}");
    }
}

#[test]
fn a_custom_tool_s_free_text_is_streamed_and_goes_back() {
    let item = json!({"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_1", "name": "sh", "input": "ls -l", "status": "completed"});
    let mut opened = item.clone();
    opened["input"] = "".into();
    let events = [
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-x"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": opened}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "item_id": "ctc_1", "delta": "ls"}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "item_id": "ctc_1", "delta": " -l"}),
        json!({"type": "response.custom_tool_call_input.done", "output_index": 0, "item_id": "ctc_1", "input": "ls -l"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response(json!([item]))}),
    ];
    let reply = streamed(API, &events).unwrap();
    assert_eq!(calls(&reply), [("call_1", "sh", "ls -l")]);
    assert_eq!(reply, decoded(API, &response(json!([item]))).unwrap());
    assert_eq!(sent_back(API, &reply)["input"][1], item);
}

#[test]
fn pictures_and_searches_in_a_stream_are_whole_at_its_end() {
    let output = json!([items()[1], items()[4], message("msg_1", "Here.")]);
    let at = |kind: &str, at: u64, more: Value| {
        let mut event = json!({"type": kind, "output_index": at});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let events = [
        at(
            "response.output_item.added",
            0,
            json!({"item": {"id": "ws_1", "type": "web_search_call", "status": "in_progress"}}),
        ),
        at("response.web_search_call.searching", 0, json!({"item_id": "ws_1"})),
        at("response.output_item.done", 0, json!({"item": output[0]})),
        at(
            "response.output_item.added",
            1,
            json!({"item": {"id": "ig_1", "type": "image_generation_call", "status": "in_progress"}}),
        ),
        at("response.image_generation_call.partial_image", 1, json!({"item_id": "ig_1", "partial_image_b64": "aA=="})),
        at("response.output_item.done", 1, json!({"item": output[1]})),
        at(
            "response.output_item.added",
            2,
            json!({"item": {"id": "msg_1", "type": "message", "role": "assistant", "content": []}}),
        ),
        at("response.content_part.added", 2, json!({"content_index": 0, "part": {"type": "output_text", "text": ""}})),
        at("response.output_text.delta", 2, json!({"content_index": 0, "item_id": "msg_1", "delta": "Here."})),
        at("response.output_text.annotation.added", 2, json!({"annotation": {"type": "url_citation"}})),
        at("response.output_text.done", 2, json!({"content_index": 0, "text": "Here."})),
        at("response.output_item.done", 2, json!({"item": output[2]})),
        json!({"type": "response.completed", "response": response(output.clone())}),
    ];
    assert_eq!(streamed(API, &events).unwrap(), decoded(API, &response(output)).unwrap());
}

#[test]
fn an_item_that_the_end_leaves_out_moves_no_other() {
    // A stream that numbers an item which the last response does not hold.
    let events = [
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "x", "type": "web_search_call"}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"id": "msg_1", "type": "message", "content": []}}),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "item_id": "msg_1", "delta": "Bore da"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": message("msg_1", "Bore da")}),
        json!({"type": "response.completed", "response": response(json!([message("msg_1", "Bore da")]))}),
    ];
    assert_eq!(streamed(API, &events).unwrap().text(), "Bore da");
}

#[test]
fn copies_of_the_format_write_their_text_otherwise() {
    for content in [
        json!("Bore da"),
        json!([{"type": "text", "text": "Bore da"}]),
        json!([{"type": "output_text", "text": "Bore da"}]),
    ] {
        let reply =
            decoded(API, &response(json!([{"type": "message", "role": "assistant", "content": content}]))).unwrap();
        assert_eq!((reply.text().as_str(), reply.stop), ("Bore da", Some(StopReason::End)), "{content}");
    }
    // Open models show their reasoning itself.
    let item =
        json!({"id": "rs", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    let events = [
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "rs", "type": "reasoning", "summary": []}}),
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "h"}),
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "m"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response(json!([item]))}),
        json!({"type": "response.done", "response": response(json!([item]))}),
    ];
    assert_eq!(streamed(API, &events).unwrap().reasoning(), "hm");
    // A field for errors that is empty is no error.
    let mut whole = response(json!([message("m", "a")]));
    whole["error"] = json!({"code": null, "message": ""});
    assert_eq!(decoded(API, &whole).unwrap().text(), "a");
}

#[test]
fn an_answer_that_waits_or_was_stopped_says_so() {
    let mut body = response(json!([]));
    for (status, want) in [("queued", "queued"), ("in_progress", "in_progress"), ("cancelled", "cancelled")] {
        body["status"] = status.into();
        assert_eq!(decoded(API, &body).unwrap().stop.unwrap().as_str(), want);
    }
    body["status"] = "failed".into();
    body["error"] = json!({"code": "server_error", "message": "sorry"});
    assert_eq!(decoded(API, &body).unwrap_err().kind, Kind::Server);
}

#[test]
fn requests_with_every_item_and_tool_survive() {
    let mut input = vec![json!({"role": "user", "content": [{"type": "input_text", "text": "x"}]})];
    input.extend(items());
    input.extend([
        json!({"type": "mcp_approval_response", "approval_request_id": "ap_1", "approve": true}),
        json!({"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}),
        json!({"type": "apply_patch_call_output", "call_id": "c", "status": "completed", "output": "done"}),
        json!({"type": "local_shell_call_output", "id": "c", "output": "{}"}),
        json!({"type": "function_call_output", "call_id": "d", "output": [{"type": "input_image", "image_url": "https://e.org/a.png"}]}),
    ]);
    survives(
        API,
        &json!({"model": "m", "input": input, "tools": [
            {"type": "mcp", "server_label": "s", "server_url": "https://e.org/mcp", "require_approval": "never"},
            {"type": "image_generation", "partial_images": 2}, {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "file_search", "vector_store_ids": ["vs_1"]}, {"type": "shell"}, {"type": "apply_patch"},
            {"type": "computer_use_preview", "display_width": 1, "display_height": 2, "environment": "browser"},
            {"type": "custom", "name": "sh", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}},
            {"type": "namespace", "name": "crm", "description": "d", "tools": [{"type": "function", "name": "f", "defer_loading": true}]},
            {"type": "tool_search"}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            "conversation": "conv_1", "prompt": {"id": "pmpt_1", "variables": {"a": "b"}}, "background": true,
            "context_management": [{"type": "compaction", "compact_threshold": 9}], "max_tool_calls": 3,
            "include": ["web_search_call.action.sources"], "metadata": {"a": "b"}, "safety_identifier": "s",
            "stream_options": {"include_obfuscation": false}, "prompt_cache_retention": "24h"}),
    );
}
