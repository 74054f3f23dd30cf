//! Sends an answer at its pace, up to where it goes wrong.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::http::{Framing, end_body, write_body, write_head};
use super::say::{Frame, Rendered, say};
use super::spoil::spoil;
use super::{Answer, Ending, Fault, Heard, Pace, Served};
use crate::time::Span;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// The next request may come.
    Keep,
    /// It ends.
    Close,
}

/// Answers a request.
pub(super) async fn deliver(socket: &mut TcpStream, heard: &Heard, answer: &Answer) -> Connection {
    sleep(answer.pace.before_ms.to_duration()).await;
    match &answer.fault {
        Some(Fault::HangUp) => Connection::Close,
        Some(Fault::Reset) => reset(socket),
        Some(Fault::NoHead) => hold(socket).await,
        fault => {
            let mut rendered = say(heard, answer);
            if let Some(fault) = fault {
                spoil(&mut rendered, fault, heard);
            }
            // The client may have gone away: then there is nobody to tell.
            send(socket, &rendered, fault.as_ref(), answer.pace).await.unwrap_or(Connection::Close)
        }
    }
}

/// Sends what was served.
pub(super) async fn serve(socket: &mut TcpStream, served: &Served) -> Connection {
    if served.is_lost {
        return Connection::Close;
    }
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    let framing = Framing::Length(served.body.len());
    let sent = async {
        write_head(socket, served.status, &headers, framing).await?;
        write_body(socket, &served.body, framing).await
    };
    sent.await.map_or(Connection::Close, |()| Connection::Keep)
}

async fn send(
    socket: &mut TcpStream,
    rendered: &Rendered,
    fault: Option<&Fault>,
    pace: Pace,
) -> io::Result<Connection> {
    let whole: usize = rendered.frames.iter().map(Frame::length).sum();
    let (most, ending) = match fault {
        Some(Fault::Cut { after_bytes, ending }) => ((*after_bytes).min(whole), Some(*ending)),
        Some(Fault::Stall { after_bytes }) => ((*after_bytes).min(whole), None),
        _ => (whole, Some(Ending::Clean)),
    };
    let length = if ending == Some(Ending::Clean) { most } else { whole };
    let framing = if rendered.is_stream { Framing::Chunked } else { Framing::Length(length) };
    write_head(socket, rendered.status, &rendered.headers, framing).await?;
    if fault == Some(&Fault::ResetAfterHead) {
        return Ok(reset(socket));
    }
    let pace = match fault {
        Some(Fault::Trickle { gap_ms }) => Pace { between_ms: *gap_ms, write_bytes: 1, ..pace },
        _ => pace,
    };
    write_frames(socket, &rendered.frames, most, framing, pace).await?;
    match ending {
        None => Ok(hold(socket).await),
        Some(Ending::Clean) => end_body(socket, framing).await.map(|()| Connection::Keep),
        Some(Ending::Close) => Ok(Connection::Close),
        Some(Ending::Reset) => Ok(reset(socket)),
    }
}

/// Writes frames up to `most` bytes.
async fn write_frames(
    socket: &mut TcpStream,
    frames: &[Frame],
    most: usize,
    framing: Framing,
    pace: Pace,
) -> io::Result<()> {
    let mut left = most;
    let mut is_first = true;
    for frame in frames.iter().flat_map(|frame| std::iter::repeat_n(&frame.bytes, frame.times)) {
        let size = if pace.write_bytes == 0 { frame.len().max(1) } else { pace.write_bytes };
        for piece in frame.chunks(size) {
            let piece = &piece[..piece.len().min(left)];
            if piece.is_empty() {
                return Ok(());
            }
            if !is_first && pace.between_ms != Span::ZERO {
                sleep(pace.between_ms.to_duration()).await;
            }
            write_body(socket, piece, framing).await?;
            (left, is_first) = (left - piece.len(), false);
        }
    }
    Ok(())
}

/// Ends the connection with a reset rather than in order.
fn reset(socket: &mut TcpStream) -> Connection {
    // Where it cannot be set the connection ends in order, which the client must bear as well.
    let _ = socket.set_zero_linger();
    Connection::Close
}

/// Says nothing more until the client goes away.
async fn hold(socket: &mut TcpStream) -> Connection {
    let mut ignored = [0; 1_024];
    while matches!(socket.read(&mut ignored).await, Ok(read) if read > 0) {}
    Connection::Close
}
