//! The server over plain sockets: what goes in, what comes out, and how it ends.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::message::ToolCall;
use crate::reply::{Reply, StopReason};
use crate::time::Span;
use crate::usage::Usage;
use crate::{Content, Part};

async fn post(socket: &mut TcpStream, path: &str, body: &Value) {
    let body = body.to_string();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap()
}

/// The rest of a connection, which the fault under test ends.
async fn read_to_end(socket: &mut TcpStream) -> (String, bool) {
    let mut bytes = Vec::new();
    let ended = socket.read_to_end(&mut bytes).await;
    (String::from_utf8_lossy(&bytes).into_owned(), ended.is_ok())
}

/// The head and body of an answer with a content length.
async fn read_whole(socket: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        socket.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        if body.len() >= length.parse().unwrap() {
            return (head.to_owned(), serde_json::from_str(body).unwrap());
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_and_requests_are_recorded() {
    let server = Server::start(Answer::text("Hello.")).await.unwrap();
    let mut socket = connect(&server).await;
    for number in 1..=3_u64 {
        post(&mut socket, "/openai/v1/chat/completions", &json!({"model": "m", "max_tokens": 10 + number})).await;
        let (head, body) = read_whole(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert_eq!(body["choices"][0]["message"]["content"], "Hello.");
        assert_eq!(server.heard().last().unwrap().max_tokens(), Some(10 + number));
    }
    assert_eq!((server.requests(), server.connections()), (3, 1));
    let heard = server.heard();
    assert_eq!(heard[0].header("authorization"), Some("Bearer k"));
    assert!(!format!("{heard:?}").contains("Bearer"));
}

#[tokio::test]
async fn every_format_answers_whole_and_in_events() {
    let call = ToolCall { id: "c1".into(), name: "look".into(), arguments: "{\"q\":\"ä\"}".into() };
    let reply = Reply {
        parts: vec![
            Part::new(Content::Reasoning { text: "Let me see.".into() }),
            Part::text("I look."),
            Part::new(Content::ToolCall(call)),
        ],
        usage: Usage { cached_read: Some(4), reasoning: Some(3), ..Usage::of(10, 9) },
        ..Reply::default()
    };
    let server = Server::start(Answer::of(reply)).await.unwrap();
    for (path, marks) in [
        ("/o/chat/completions", "\"tool_calls\" \"reasoning_tokens\":3 \"prompt_tokens\":10"),
        ("/o/responses", "\"function_call\" \"cached_tokens\":4 \"input_tokens\":10"),
        ("/a/messages", "\"tool_use\" \"cache_read_input_tokens\":4 \"input_tokens\":6"),
        ("/g/models/m:generateContent", "\"functionCall\" \"candidatesTokenCount\":6 \"thoughtsTokenCount\":3"),
        ("/g/models/m:streamGenerateContent?alt=sse", "data: \"thought\":true \"finishReason\":\"STOP\""),
        ("/b/model/m/converse", "\"toolUse\" \"inputTokens\":6 \"cacheReadInputTokens\":4"),
        ("/b/model/m/converse-stream", "messageStart contentBlockDelta metadata \"stopReason\":\"tool_use\""),
        ("/c/v2/chat", "\"tool_calls\" \"billed_units\" \"TOOL_CALL\""),
        ("/l/api/chat", "\"thinking\" \"eval_count\":9 \"done\":true"),
    ] {
        for is_stream in [false, true] {
            let mut socket = connect(&server).await;
            let body = json!({"model": "m", "stream": is_stream, "stream_options": {"include_usage": true}});
            post(&mut socket, path, &body).await;
            socket.shutdown().await.unwrap();
            let (text, _) = read_to_end(&mut socket).await;
            for mark in marks.split(' ') {
                assert!(text.contains(mark), "{path} {is_stream}: no {mark} in {text}");
            }
        }
    }
}

#[track_caller]
fn check(text: &str, ended: bool, want: (&str, bool)) {
    assert!(text.contains(want.0) && (ended == want.1), "wanted {want:?}, got ended {ended}: {text}");
}

#[tokio::test]
async fn faults_do_what_they_say() {
    use Fault::*;
    let status = Status { status: 429, retry_after: Some(RetryAfter::Milliseconds(250)), message: None };
    let cut = |ending| Cut { after_bytes: 5, ending };
    for (fault, want, ended) in [
        (status, "retry-after-ms: 250", true),
        (Status { status: 529, retry_after: Some(RetryAfter::Date(3)), message: None }, " GMT\r\n", true),
        (HangUp, "", true),
        (Reset, "", false),
        (ResetAfterHead, "", false),
        (cut(Ending::Clean), "content-length: 5", true),
        (cut(Ending::Reset), "", false),
        (Html { status: 502 }, "<html>", true),
        (EmptyChoices, "\"choices\":[]", true),
        (WrongContentType, "content-type: text/plain", true),
        (Redirect { status: 307, to: "http://127.0.0.1:9/".into() }, "location: http://127.0.0.1:9/", true),
        (TrailingGarbage, "}}garbage", true),
        (Trickle { gap_ms: Span::ZERO }, "chatcmpl-1", true),
        (GiantLine { bytes: 1 << 20 }, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true),
    ] {
        let server = Server::start(Answer::text("Hello.").with_fault(fault.clone())).await.unwrap();
        let mut socket = connect(&server).await;
        post(&mut socket, "/openai/v1/chat/completions", &json!({"model": "m"})).await;
        if ended {
            socket.shutdown().await.unwrap();
        }
        let (text, ok) = read_to_end(&mut socket).await;
        check(&text, ok, (want, ended));
    }
}

#[tokio::test]
async fn a_stalled_answer_waits_for_the_client() {
    let stall = Fault::Stall { after_bytes: 10 };
    let server = Server::start(Answer::text("Hello.").with_fault(stall)).await.unwrap();
    let mut socket = connect(&server).await;
    post(&mut socket, "/openai/v1/chat/completions", &json!({"model": "m"})).await;
    let waited = tokio::time::timeout(std::time::Duration::from_millis(80), read_to_end(&mut socket)).await;
    assert!(waited.is_err(), "it went on");
}

#[test]
fn an_address_on_loopback_takes_the_place_of_the_vendors() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start(Answer::default()).await.unwrap();
        let url = server.url();
        assert_eq!(server.in_place_of("openai", "https://api.openai.com/v1"), format!("{url}/openai/v1"));
        assert_eq!(server.in_place_of("x", "https://api.x.ai"), format!("{url}/x"));
    });
}

#[test]
fn a_sequence_repeats_its_last_answer_and_scripts_are_data() {
    let heard = Heard::new("POST".into(), "/x/chat/completions".into(), Vec::new(), b"{}".to_vec());
    let sequence = Sequence::new([Answer::text("a"), Answer::text("b")]);
    let texts: Vec<String> = (0..3).map(|_| sequence.answer(&heard).reply.text()).collect();
    assert_eq!(texts, ["a", "b", "b"]);
    let answer: Answer = serde_json::from_value(json!({
        "reply": {"parts": [{"type": "text", "text": "hi"}], "stop": "max_tokens"},
        "pace": {"before_ms": 5}, "fault": {"kind": "cut", "after_bytes": 7, "ending": "reset"},
    }))
    .unwrap();
    assert_eq!(answer.stop(), StopReason::MaxTokens);
    assert_eq!(answer.fault, Some(Fault::Cut { after_bytes: 7, ending: Ending::Reset }));
}
