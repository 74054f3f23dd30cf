//! A server on loopback that can be told to misbehave.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    }
}

/// What is answered.
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The whole file, for answers that may be part of one.
    whole: Option<Vec<u8>>,
}

impl Reply {
    pub(super) fn status(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new(), whole: None }
    }

    pub(super) fn ok(body: Vec<u8>) -> Reply {
        Reply { body, ..Reply::status(200) }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file, or the part of it that was asked for.
    pub(super) fn file(request: &Request, bytes: &[u8]) -> Reply {
        let range = request.header("range");
        let from =
            range.as_deref().and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let Some(from) = from else { return Reply::ok(bytes.to_vec()) };
        if from >= bytes.len() {
            return Reply::status(416);
        }
        let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        let reply = Reply { status: 206, ..Reply::ok(bytes[from..].to_vec()) }.with("content-range", &range);
        Reply { whole: Some(bytes.to_vec()), ..reply }
    }
}

/// A running server; what it was asked, and how it misbehaves.
pub(super) struct Server {
    pub(super) address: String,
    seen: Arc<Mutex<Vec<Request>>>,
    cut: Arc<Mutex<Option<usize>>>,
    /// How many requests it answers before it only closes connections.
    pub(super) answers: Arc<AtomicUsize>,
    pub(super) ignores_ranges: Arc<AtomicBool>,
    pub(super) hides_length: Arc<AtomicBool>,
}

impl Server {
    /// Ends with the process: a test's.
    pub(super) fn start(answer: impl Fn(&Request) -> Reply + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            address: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
            cut: Arc::default(),
            answers: Arc::new(AtomicUsize::new(usize::MAX)),
            ignores_ranges: Arc::default(),
            hides_length: Arc::default(),
        };
        let (seen, cut, answers) = (server.seen.clone(), server.cut.clone(), server.answers.clone());
        let (ignores, hides) = (server.ignores_ranges.clone(), server.hides_length.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                seen.lock().unwrap().push(request.clone());
                if answers.load(Ordering::Relaxed) == 0 {
                    continue;
                }
                answers.fetch_sub(1, Ordering::Relaxed);
                let mut reply = answer(&request);
                if let Some(whole) = reply.whole.take().filter(|_| ignores.load(Ordering::Relaxed)) {
                    reply = Reply::ok(whole);
                }
                let cut = if reply.status < 300 { *cut.lock().unwrap() } else { None };
                write(&stream, &reply, cut, hides.load(Ordering::Relaxed));
            }
        });
        server
    }

    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Closes the connection after so many bytes of each body.
    pub(super) fn cut_after(&self, bytes: Option<usize>) {
        *self.cut.lock().unwrap() = bytes;
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.split('?').next()?.to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(Request { path, headers })
}

/// A reader that has gone is no error.
fn write(mut stream: &TcpStream, reply: &Reply, cut: Option<usize>, hides_length: bool) {
    let mut head = format!("HTTP/1.1 {} Status\r\nconnection: close\r\n", reply.status);
    reply.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    if !hides_length {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    let end = cut.unwrap_or(usize::MAX).min(reply.body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"\r\n"));
    let _ = stream.write_all(&reply.body[..end]);
    let _ = stream.flush();
}
