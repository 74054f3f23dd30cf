//! A loopback server that answers at once, in a process of its own, so that the client's CPU time is the client's alone.
//!
//! Under `/tail` it answers some calls late, and under `/broken` it breaks streams off half way: a base URL says which.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Chunks in a stream.
pub const CHUNKS: usize = 100;
/// Under `/tail`, one call in so many is late.
pub const LATE_ONE_IN: usize = 50;
/// How late.
pub const LATE: Duration = Duration::from_millis(200);

/// Calls that came under `/tail`.
static CALLS: AtomicUsize = AtomicUsize::new(0);

const UNARY_CHAT: &str = concat!(
    r#"{"id":"chatcmpl-1","object":"chat.completion","created":1763640366,"model":"bench-model","choices":[{"index":0,"#,
    r#""message":{"role":"assistant","content":"The capital of France is Paris, which lies on the Seine in the north of "#,
    r#"the country and has been its seat of government for most of its history.","refusal":null},"logprobs":null,"#,
    r#""finish_reason":"stop"}],"usage":{"prompt_tokens":120,"completion_tokens":31,"total_tokens":151,"#,
    r#""prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#
);

const UNARY_MESSAGES: &str = concat!(
    r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-bench","content":[{"type":"text","text":"The "#,
    r#"capital of France is Paris, which lies on the Seine in the north of the country and has been its seat of "#,
    r#"government for most of its history."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":120,"#,
    r#""cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":31,"service_tier":"standard"}}"#
);

/// The server's process; it is stopped when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens, and answers at once.
    pub base_url: String,
}

/// How a call is answered.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    AtOnce,
    Tail,
    Broken,
}

impl Server {
    /// Starts this program again as a server.
    pub fn start() -> Server {
        let program = std::env::current_exe().expect("a running program has a path");
        let mut child = Command::new(program).arg("serve").stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output is piped"))
            .read_line(&mut line)
            .expect("it prints its port");
        Server { child, base_url: format!("http://127.0.0.1:{}/v1", line.trim()) }
    }
}

impl Server {
    /// Where it answers otherwise: `tail` or `broken`.
    pub fn other(&self, way: &str) -> String {
        self.base_url.replace("/v1", &format!("/{way}/v1"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until killed.
pub async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    println!("{}", listener.local_addr().expect("it is bound").port());
    std::io::stdout().flush().expect("the parent reads");
    listener.set_nonblocking(true).expect("tokio needs it");
    let listener = tokio::net::TcpListener::from_std(listener).expect("tokio takes it");
    let streams = streamed();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        tokio::spawn(answer(socket, streams.clone()));
    }
}

/// Each chunk of a streamed answer, HTTP framing included, in both formats.
#[derive(Clone)]
struct Streams {
    chat: Arc<Vec<Vec<u8>>>,
    messages: Arc<Vec<Vec<u8>>>,
}

fn frame(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

fn streamed() -> Streams {
    Streams { chat: Arc::new(streamed_chat()), messages: Arc::new(streamed_messages()) }
}

fn streamed_messages() -> Vec<Vec<u8>> {
    let event = |name: &str, data: &str| frame(&format!("event: {name}\ndata: {data}\n\n"));
    let usage = r#"{"input_tokens":120,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}"#;
    let start = format!(
        r#"{{"type":"message_start","message":{{"id":"msg_1","type":"message","role":"assistant","model":"claude-bench","content":[],"stop_reason":null,"stop_sequence":null,"usage":{usage}}}}}"#
    );
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let mut all = vec![event("message_start", &start), event("content_block_start", block)];
    all.extend((0..CHUNKS).map(|at| {
        let data =
            format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":" word{at}"}}}}"#);
        event("content_block_delta", &data)
    }));
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":100}}"#;
    all.push(event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#));
    all.push(event("message_delta", end));
    all.push(event("message_stop", r#"{"type":"message_stop"}"#));
    all.push(b"0\r\n\r\n".to_vec());
    all
}

fn streamed_chat() -> Vec<Vec<u8>> {
    let chunk = |delta: &str, finish: &str| {
        frame(&format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1763640366,\"model\":\"bench-model\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
        ))
    };
    let mut all: Vec<Vec<u8>> =
        (0..CHUNKS).map(|at| chunk(&format!("{{\"content\":\" word{at}\"}}"), "null")).collect();
    all.push(chunk("{}", "\"stop\""));
    all.push(frame(
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1763640366,\"model\":\"bench-model\",\
         \"choices\":[],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":100,\"total_tokens\":220}}\n\n",
    ));
    all.push(frame("data: [DONE]\n\n"));
    all.push(b"0\r\n\r\n".to_vec());
    all
}

async fn answer(mut socket: TcpStream, streams: Streams) {
    let _ = socket.set_nodelay(true);
    let mut buffer = Vec::with_capacity(64 << 10);
    loop {
        let Some((way, is_chat, request)) = read_request(&mut socket, &mut buffer).await else { return };
        if way == Way::Tail && CALLS.fetch_add(1, Ordering::Relaxed) % LATE_ONE_IN == LATE_ONE_IN - 1 {
            tokio::time::sleep(LATE).await;
        }
        let is_stream = find(&request, b"\"stream\":true").is_some() || find(&request, b"\"stream\": true").is_some();
        let sent = if is_stream {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut sent = socket.write_all(head.as_bytes()).await;
            let chunks = if is_chat { &streams.chat } else { &streams.messages };
            let count = if way == Way::Broken { chunks.len() / 2 } else { chunks.len() };
            for chunk in chunks.iter().take(count) {
                if sent.is_ok() {
                    sent = socket.write_all(chunk).await;
                }
            }
            if way == Way::Broken {
                return;
            }
            sent
        } else {
            let body = if is_chat { UNARY_CHAT } else { UNARY_MESSAGES };
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await
        };
        if sent.is_err() {
            return;
        }
    }
}

/// How the next request is answered, whether it is of chat completions, and its body; `None` at the connection's end.
async fn read_request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(Way, bool, Vec<u8>)> {
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let path = head.lines().next().unwrap_or_default();
            let is_chat = path.contains("/chat/completions");
            let way = match () {
                () if path.contains("/tail/") => Way::Tail,
                () if path.contains("/broken/") => Way::Broken,
                () => Way::AtOnce,
            };
            let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some((way, is_chat, body));
            }
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
