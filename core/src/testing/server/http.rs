//! As much of HTTP/1.1 as the server needs: a request with a content length in, heads and chunks out.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Heard;
use crate::limits::{MEDIA_BYTES_MAX, TEXT_BYTES_MAX};

/// Longest head of a request: ours are below 2 KB.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Longest body of a request: the largest request that may be made, escaped.
const BODY_BYTES_MAX: usize = 2 * (TEXT_BYTES_MAX + MEDIA_BYTES_MAX);

/// The next request of a connection, or `None` at its end. What follows the request stays in `unread`.
pub(super) async fn read(socket: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<Heard>> {
    let end = loop {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if unread.first().is_some_and(|first| !first.is_ascii_uppercase()) {
            // TLS, most likely: answered as common servers answer it.
            write_head(socket, 400, &[], Framing::Length(0)).await?;
            return Ok(None);
        }
        if unread.len() > HEAD_BYTES_MAX || socket.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&unread[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default().to_owned(), first.next().unwrap_or_default().to_owned());
    let header = |line: &str| line.split_once(':').map(|(k, v)| (k.trim().to_ascii_lowercase(), v.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse::<usize>());
    let length = match length {
        None => 0,
        Some(Ok(length)) if length <= BODY_BYTES_MAX => length,
        Some(_) => return Ok(None),
    };
    unread.drain(..end + 4);
    unread.reserve(length.saturating_sub(unread.len()));
    while unread.len() < length {
        if socket.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
    let rest = unread.split_off(length);
    let body = std::mem::replace(unread, rest);
    Ok(Some(Heard::new(method, path, headers, body)))
}

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Beforehand.
    Length(usize),
    /// Chunk by chunk.
    Chunked,
}

/// Writes the head of an answer.
pub(super) async fn write_head(
    socket: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
    framing: Framing,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match framing {
        Framing::Length(length) => head.push_str(&format!("content-length: {length}\r\n\r\n")),
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n\r\n"),
    }
    socket.write_all(head.as_bytes()).await
}

/// Writes a part of the body.
pub(super) async fn write_body(socket: &mut TcpStream, bytes: &[u8], framing: Framing) -> io::Result<()> {
    match framing {
        Framing::Length(_) => socket.write_all(bytes).await,
        Framing::Chunked if bytes.is_empty() => Ok(()),
        Framing::Chunked => {
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend_from_slice(bytes);
            chunk.extend_from_slice(b"\r\n");
            socket.write_all(&chunk).await
        }
    }
}

/// Ends the body.
pub(super) async fn end_body(socket: &mut TcpStream, framing: Framing) -> io::Result<()> {
    match framing {
        Framing::Length(_) => Ok(()),
        Framing::Chunked => socket.write_all(b"0\r\n\r\n").await,
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
