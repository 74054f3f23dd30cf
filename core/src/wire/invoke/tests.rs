//! InvokeModel's bodies, written from the vendor's documents, and recorded traffic.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Invoke;
use crate::error::Kind;
use crate::message::Message;
use crate::model::{Api, Dialect, Endpoint};
use crate::request::RequestDraft;
use crate::wire::eventstream::written as frame;
use crate::wire::{Ask, Headers, HttpResponse, Mode, Wire, tests as recorded, verbatim};

#[test]
fn a_request_is_anthropic_s_with_its_version_and_without_a_model() {
    let draft = RequestDraft { messages: vec![Message::user("hi")], ..Default::default() };
    let endpoint = Endpoint { dialect: Dialect::default(), ..verbatim::endpoint(Api::Invoke) };
    let card = verbatim::card("anthropic.claude-v1:0");
    let request =
        Invoke.write(&Ask { draft: &draft, card: &card, endpoint: &endpoint, max_tokens: 9 }, Mode::Stream).unwrap();
    assert_eq!(request.path, "/model/anthropic.claude-v1%3A0/invoke-with-response-stream");
    let want = json!({"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
        "anthropic_version": "bedrock-2023-05-31"});
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), want);
}

#[test]
fn every_body_of_plain_text_is_read() {
    let headers = [("x-amzn-bedrock-input-token-count", "5"), ("x-amzn-bedrock-output-token-count", "2")];
    let headers = headers.into_iter().collect();
    for (body, stop) in [
        (
            json!({"inputTextTokenCount": 5, "results": [{"tokenCount": 2, "outputText": "Hi", "completionReason": "FINISH"}]}),
            "end",
        ),
        (
            json!({"generation": "Hi", "prompt_token_count": 5, "generation_token_count": 2, "stop_reason": "length"}),
            "max_tokens",
        ),
        (json!({"outputs": [{"text": "Hi", "stop_reason": "stop"}]}), "end"),
        (json!({"id": "a", "generations": [{"text": "Hi", "finish_reason": "COMPLETE"}]}), "end"),
        (json!({"completions": [{"data": {"text": "Hi"}, "finishReason": {"reason": "endoftext"}}]}), "end"),
        (json!({"completion": "Hi", "stop_reason": "stop_sequence", "type": "completion"}), "stop_text"),
        (json!({"choices": [{"text": "Hi", "finish_reason": "length"}]}), "max_tokens"),
        (
            json!({"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "usage": {}}),
            "end",
        ),
        (json!({"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}), "end"),
    ] {
        let text = body.to_string();
        let response = HttpResponse { status: 200, headers: &headers, body: text.as_bytes() };
        let reply = Invoke.decode(response, &Dialect::default()).unwrap();
        assert_eq!((reply.text().as_str(), reply.stop.unwrap().as_str()), ("Hi", stop), "{body}");
        assert_eq!((reply.usage.input, reply.usage.output), (Some(5), Some(2)), "{body}");
    }
    let response = HttpResponse { status: 200, headers: Headers::NONE, body: b"{\"embedding\":[0.5]}" };
    assert_eq!(Invoke.decode(response, &Dialect::default()).unwrap_err().kind, Kind::Unsupported);
}

fn stream(pieces: &[Value]) -> Vec<u8> {
    let chunk = |piece: &Value| {
        let payload = json!({"bytes": BASE64_STANDARD.encode(piece.to_string())}).to_string();
        frame(&[(":event-type", "chunk"), (":message-type", "event")], payload.as_bytes())
    };
    pieces.iter().flat_map(chunk).collect()
}

#[test]
fn streams_are_read_alike_however_they_are_cut() {
    let claude = [
        json!({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 3}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
        json!({"type": "message_stop"}),
    ];
    let nova = [
        json!({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi"}}}),
        json!({"messageStop": {"stopReason": "end_turn"}}),
        json!({"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4}}}),
    ];
    let titan = [
        json!({"outputText": "H", "index": 0}),
        json!({"outputText": "i", "completionReason": "FINISH",
            "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 4}}),
    ];
    for pieces in [&claude[..], &nova[..], &titan[..]] {
        let bytes = stream(pieces);
        recorded::check_cuts(&Invoke, &bytes, usize::MAX);
        let reply = recorded::read(Invoke.decoder(&Dialect::default()), [bytes.as_slice()]).unwrap();
        assert_eq!((reply.text().as_str(), reply.usage.input, reply.usage.output), ("Hi", Some(3), Some(4)));
        let cut = stream(&pieces[..1]);
        let error = recorded::read(Invoke.decoder(&Dialect::default()), [cut.as_slice()]).unwrap_err();
        assert_eq!(error.kind, Kind::Incomplete);
    }
}

#[test]
fn recorded_traffic_decodes_and_requests_survive() {
    let mut faults = Vec::new();
    for exchange in recorded::exchanges("bedrock", "invoke") {
        match recorded::decode(&Invoke, &exchange) {
            Ok(_) if exchange.status == 200 => {}
            Err(_) if exchange.status >= 400 => {}
            // Embeddings are no chat.
            Err(error) if error.kind == Kind::Unsupported => {}
            other => faults.push(format!("{}: {other:?}", exchange.id)),
        }
        if exchange.is_stream {
            recorded::check_cuts(&Invoke, &exchange.body, 0);
        }
        if String::from_utf8_lossy(&exchange.request).contains("anthropic_version")
            && let Err(fault) = recorded::request_fault(&Invoke, &exchange.request, |path, had, has| {
                let lone =
                    |blocks: &Value| blocks.as_array().filter(|all| all.len() == 1).map(|all| all[0]["text"].clone());
                path.ends_with(".content") && lone(had).as_ref() == Some(has)
            })
        {
            faults.push(format!("{}: {fault}", exchange.id));
        }
    }
    recorded::no_faults(faults);
}
