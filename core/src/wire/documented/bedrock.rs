//! Bedrock: Converse's citations, server tools and pictures; InvokeModel's bodies of every vendor.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::reply::StopReason;
use crate::wire::eventstream::written as frame;

const API: Api = Api::Converse;

fn event(name: &str, payload: &Value) -> Vec<u8> {
    frame(&[(":event-type", name), (":message-type", "event")], payload.to_string().as_bytes())
}

#[test]
fn citations_and_results_of_server_tools_are_kept() {
    let content = json!([
        {"reasoningContent": {"redactedContent": "eA=="}},
        {"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
        {"toolResult": {"toolUseId": "s1", "content": [{"text": "found"}], "status": "success", "type": "nova_grounding_result"}},
        {"citationsContent": {"content": [{"text": "A fox."}], "citations": [{"title": "t", "location": {"web": {"url": "https://e.org"}}}]}},
        {"searchResult": {"source": "s", "title": "t", "content": [{"text": "a"}]}}]);
    let body = json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, "trace": {"guardrail": {}},
        "additionalModelResponseFields": {"stop_sequence": "x"}});
    let reply = decoded(API, &body).unwrap();
    assert_eq!((reply.text().as_str(), reply.stop.clone()), ("A fox.", Some(StopReason::End)));
    let delta =
        |index: u64, delta: Value| event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta}));
    let start =
        |index: u64, start: Value| event("contentBlockStart", &json!({"contentBlockIndex": index, "start": start}));
    let stop = |index: u64| event("contentBlockStop", &json!({"contentBlockIndex": index}));
    let bytes = [
        event("messageStart", &json!({"role": "assistant"})),
        start(0, json!({"toolResult": {"toolUseId": "s1", "type": "nova_grounding_result", "status": "success"}})),
        delta(0, json!({"toolResult": [{"text": "fo"}]})),
        delta(0, json!({"toolResult": [{"json": {"a": 1}}]})),
        stop(0),
        delta(1, json!({"text": "A fox."})),
        delta(1, json!({"citation": {"title": "t", "location": {"web": {"url": "https://e.org"}}}})),
        stop(1),
        start(2, json!({"image": {"format": "png"}})),
        delta(2, json!({"image": {"source": {"bytes": "aGk="}}})),
        stop(2),
        event("messageStop", &json!({"stopReason": "end_turn"})),
        event("metadata", &json!({"usage": {"inputTokens": 3, "outputTokens": 4}})),
    ]
    .concat();
    let reply = read(API, &bytes).unwrap();
    assert_eq!((reply.text().as_str(), reply.usage.output), ("A fox.", Some(4)));
    let result = json!({"toolUseId": "s1", "type": "nova_grounding_result", "status": "success", "content": [{"text": "fo"}, {"json": {"a": 1}}]});
    assert_eq!(reply.parts[0].vendor.field(API, "toolResult"), Some(&result));
    assert!(reply.parts[1].vendor.field(API, "citations").is_some());
    let picture = json!({"format": "png", "source": {"bytes": "aGk="}});
    assert_eq!(reply.parts[2].vendor.field(API, "image"), Some(&picture));
}

fn invoked(pieces: &[Value]) -> Vec<u8> {
    let chunk = |piece: &Value| event("chunk", &json!({"bytes": BASE64_STANDARD.encode(piece.to_string())}));
    pieces.iter().flat_map(chunk).collect()
}

#[test]
fn bodies_of_chat_completions_and_cohere_are_read_whole() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let chat = json!({"id": "x", "model": "openai.gpt-oss-20b", "choices": [{"index": 0, "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [call]}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
    let reply = decoded(Api::Invoke, &chat).unwrap();
    assert_eq!((reply.reasoning().as_str(), calls(&reply)), ("hm", vec![("c1", "look", "{}")]));
    assert_eq!((reply.usage.input, reply.stop), (Some(3), Some(StopReason::ToolUse)));
    let chunk = |delta: Value, finish: Value| json!({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let mut last = chunk(json!({}), json!("stop"));
    last["amazon-bedrock-invocationMetrics"] = json!({"inputTokenCount": 3, "outputTokenCount": 4});
    let pieces = [
        chunk(json!({"role": "assistant"}), Value::Null),
        chunk(json!({"content": "Bore"}), Value::Null),
        chunk(json!({"content": " da"}), Value::Null),
        last,
    ];
    let reply = read(Api::Invoke, &invoked(&pieces)).unwrap();
    assert_eq!((reply.text().as_str(), reply.usage.input, reply.usage.output), ("Bore da", Some(3), Some(4)));
    let cut = read(Api::Invoke, &invoked(&pieces[..2])).unwrap_err();
    assert_eq!(cut.kind, crate::error::Kind::Incomplete);
    // Command R speaks Cohere's first chat.
    let whole = json!({"response_id": "r", "generation_id": "g", "text": "Bore da", "finish_reason": "COMPLETE",
        "chat_history": [], "tool_calls": [{"name": "look", "parameters": {"q": 1}}]});
    let reply = decoded(Api::Invoke, &whole).unwrap();
    assert_eq!((reply.text().as_str(), calls(&reply)), ("Bore da", vec![("call_0", "look", "{\"q\":1}")]));
    let pieces = [
        json!({"event_type": "stream-start", "generation_id": "g", "is_finished": false}),
        json!({"event_type": "text-generation", "text": "Bore ", "is_finished": false}),
        json!({"event_type": "text-generation", "text": "da", "is_finished": false}),
        json!({"event_type": "stream-end", "finish_reason": "COMPLETE", "is_finished": true, "response": {"text": "Bore da"},
            "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 4}}),
    ];
    let reply = read(Api::Invoke, &invoked(&pieces)).unwrap();
    assert_eq!((reply.text().as_str(), reply.usage.output, reply.stop), ("Bore da", Some(4), Some(StopReason::End)));
}

#[test]
fn plain_streams_of_every_vendor_are_read() {
    let metrics = json!({"inputTokenCount": 3, "outputTokenCount": 4});
    for (pieces, stop) in [
        (
            vec![
                json!({"generation": "Bore ", "prompt_token_count": 3}),
                json!({"generation": "da", "stop_reason": "stop", "generation_token_count": 4}),
            ],
            StopReason::End,
        ),
        (
            vec![
                json!({"outputs": [{"text": "Bore ", "stop_reason": null}]}),
                json!({"outputs": [{"text": "da", "stop_reason": "length"}], "amazon-bedrock-invocationMetrics": metrics}),
            ],
            StopReason::MaxTokens,
        ),
        (
            vec![
                json!({"completion": "Bore ", "type": "completion", "stop_reason": null}),
                json!({"completion": "da", "type": "completion", "stop_reason": "stop_sequence", "amazon-bedrock-invocationMetrics": metrics}),
            ],
            StopReason::StopText,
        ),
        (
            vec![
                json!({"choices": [{"text": "Bore ", "stop_reason": null}]}),
                json!({"choices": [{"text": "da", "stop_reason": "stop"}], "amazon-bedrock-invocationMetrics": metrics}),
            ],
            StopReason::End,
        ),
    ] {
        let reply = read(Api::Invoke, &invoked(&pieces)).unwrap();
        assert_eq!(
            (reply.text().as_str(), reply.usage.output, reply.stop),
            ("Bore da", Some(4), Some(stop)),
            "{pieces:?}"
        );
    }
}

#[test]
fn requests_of_every_model_survive() {
    for body in [
        json!({"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": "x"}]}], "system": [{"text": "s"}],
            "inferenceConfig": {"maxTokens": 9, "topP": 0.5, "topK": 20, "temperature": 0.1}}),
        json!({"messages": [{"role": "user", "content": [{"text": "x"}]}], "inferenceConfig": {"max_new_tokens": 9}}),
        json!({"messages": [{"role": "user", "content": [{"text": "x"}]}], "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}, "inferenceConfig": {"maxTokens": 9}}),
        json!({"inputText": "x", "textGenerationConfig": {"maxTokenCount": 9, "stopSequences": [], "temperature": 0, "topP": 1}}),
        json!({"prompt": "x", "max_gen_len": 9, "temperature": 0.5, "top_p": 0.9}),
        json!({"prompt": "<s>[INST] x [/INST]", "max_tokens": 9, "stop": ["a"], "temperature": 0.5}),
        json!({"prompt": "\n\nHuman: x\n\nAssistant:", "max_tokens_to_sample": 9, "temperature": 1.0}),
        json!({"prompt": "x", "maxTokens": 9, "topP": 1.0}),
        json!({"message": "x", "chat_history": [{"role": "USER", "message": "y"}], "max_tokens": 9, "p": 0.75}),
        json!({"messages": [{"role": "user", "content": "x"}], "max_tokens": 9, "reasoning_effort": "low"}),
        json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
    ] {
        survives(Api::Invoke, &body);
    }
    assert!(wire(Api::Invoke).parse(b"{\"texts\": [\"a\"], \"input_type\": \"search_query\"}").is_err());
}

#[test]
fn converse_requests_with_every_block_survive() {
    survives(
        API,
        &json!({"messages": [
            {"role": "user", "content": [{"text": "x"}, {"guardContent": {"text": {"text": "a", "qualifiers": ["query"]}}},
                {"document": {"format": "pdf", "name": "a", "source": {"s3Location": {"uri": "s3://b/a.pdf", "bucketOwner": "1"}}, "citations": {"enabled": true}}},
                {"searchResult": {"source": "s", "title": "t", "content": [{"text": "a"}]}},
                {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/a.mp4"}}}}]},
            {"role": "assistant", "content": [{"citationsContent": {"content": [{"text": "a"}], "citations": []}},
                {"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}]}],
            "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]},
            "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
            "promptVariables": {"a": {"text": "b"}}, "requestMetadata": {"a": "b"}, "performanceConfig": {"latency": "optimized"},
            "additionalModelResponseFieldPaths": ["/stop_sequence"]}),
    );
}
