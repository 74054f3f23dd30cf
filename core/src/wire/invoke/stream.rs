//! A stream of InvokeModel: frames whose payload holds a piece of the model vendor's own stream in base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{metrics, plain};
use crate::error::ProviderError;
use crate::model::{Api, Dialect};
use crate::reply::Delta;
use crate::wire::chat_completions::Chunks;
use crate::wire::eventstream::Frames;
use crate::wire::json::{field, list, text};
use crate::wire::{Headers, StreamDecoder, cohere_v1, converse, errors, json, messages};

/// What the pieces of a stream are.
#[derive(Debug)]
enum Shape {
    Unknown,
    Messages(messages::Events),
    Converse(converse::Events),
    Chat(Chunks),
    Cohere(cohere_v1::Events),
    /// Plain texts, and whether their end was said.
    Plain(bool),
}

/// Reads frames.
#[derive(Debug)]
pub(super) struct Decoder {
    frames: Frames,
    pieces: Pieces,
}

#[derive(Debug)]
struct Pieces {
    shape: Shape,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder { frames: Frames::new(), pieces: Pieces { shape: Shape::Unknown } }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { frames, pieces } = self;
        frames.feed(bytes, |frame| {
            if frame.is_failure() {
                return Err(converse::failure(&frame));
            }
            let payload = json::body(&frame.payload)?;
            let Some(inner) = text(&payload, "bytes") else { return Ok(()) };
            let piece = BASE64_STANDARD.decode(inner);
            let piece = piece.map_err(|_| ProviderError::protocol("a piece of the stream is no base64"))?;
            pieces.take(&json::body(&piece)?, out)
        })
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let has_ended = match &mut self.pieces.shape {
            Shape::Messages(events) => return events.finish(out),
            Shape::Chat(chunks) => return chunks.finish(out),
            Shape::Converse(events) => {
                events.finish(out);
                events.has_ended
            }
            Shape::Cohere(events) => events.has_ended,
            Shape::Plain(has_ended) => *has_ended,
            Shape::Unknown => false,
        };
        if has_ended { Ok(()) } else { Err(errors::incomplete()) }
    }
}

/// Events of Nova's stream, each an object of one name.
const NOVA: [&str; 6] =
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];

impl Pieces {
    fn take(&mut self, piece: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if matches!(self.shape, Shape::Unknown) {
            self.shape = shape_of(piece);
        }
        match &mut self.shape {
            Shape::Messages(events) => events.take(piece, out),
            Shape::Converse(events) => {
                let event =
                    piece.as_object().and_then(|all| all.iter().find(|(name, _)| NOVA.contains(&name.as_str())));
                event.into_iter().for_each(|(name, event)| events.take(name, event, out));
                Ok(())
            }
            Shape::Chat(chunks) => {
                count_apart(piece, out);
                chunks.take(piece, out)
            }
            Shape::Cohere(events) => {
                count_apart(piece, out);
                events.take(piece, out)
            }
            Shape::Plain(_) | Shape::Unknown => self.take_plain(piece, out),
        }
    }

    fn take_plain(&mut self, piece: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Some(plain) = plain(piece) else {
            return errors::of_body(piece, 200, Headers::NONE).map_or(Ok(()), Err);
        };
        let has_ended = match self.shape {
            Shape::Plain(has_ended) => has_ended,
            _ => {
                out.push(Delta::Start { id: plain.id, model: None });
                false
            }
        };
        let is_last = plain.stop.is_some() || field(piece, "amazon-bedrock-invocationMetrics").is_some();
        self.shape = Shape::Plain(has_ended || is_last);
        out.push(Delta::Text { part: 0, text: plain.text });
        if !plain.usage.is_empty() {
            out.push(Delta::Usage { usage: plain.usage });
        }
        out.extend(plain.stop.map(|reason| Delta::Stop { reason }));
        Ok(())
    }
}

/// Whose stream it is, by its first piece that tells.
fn shape_of(piece: &Value) -> Shape {
    let has = |name: &str| piece.get(name).is_some();
    let first = list(piece, "choices").first();
    match () {
        () if text(piece, "event_type").is_some() => Shape::Cohere(cohere_v1::Events::default()),
        () if text(piece, "type").is_some_and(|kind| kind != "completion") => {
            Shape::Messages(messages::Events::new(Api::Invoke))
        }
        () if NOVA.iter().any(|name| has(name)) => Shape::Converse(converse::Events::new(Api::Invoke)),
        () if first.is_some_and(|choice| choice.get("delta").is_some() || choice.get("message").is_some()) => {
            Shape::Chat(Chunks::new(Dialect::default()))
        }
        () => Shape::Unknown,
    }
}

/// What Bedrock counted, where the model's own piece has no usage.
fn count_apart(piece: &Value, out: &mut Vec<Delta>) {
    let usage = metrics(piece);
    if field(piece, "usage").is_none() && !usage.is_empty() {
        out.push(Delta::Usage { usage });
    }
}
