//! Folds the pieces of a stream into the reply that a unary call would have brought.

use std::collections::HashMap;

use super::{Alternative, Delta, Reply, Takeover, TokenLogprob};
use crate::limits::REPLY_PARTS_MAX;
use crate::message::{Content, Part, ToolCall};

/// Collects deltas. Pieces beyond the bound on parts are dropped, since only a hostile stream has them.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    reply: Reply,
    first: Answer,
    more: Vec<Answer>,
}

/// The parts of one answer, found by the wire's own numbers.
#[derive(Clone, Debug, Default)]
struct Answer {
    parts: Vec<Part>,
    places: HashMap<u32, usize>,
    stop: Option<super::StopReason>,
    logprobs: Vec<TokenLogprob>,
}

impl Assembler {
    /// Nothing yet.
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// Takes one piece.
    pub fn push(&mut self, delta: Delta) {
        match delta {
            Delta::Start { id, model } => {
                self.reply.id = id.or(self.reply.id.take());
                self.reply.model = model.or(self.reply.model.take());
            }
            Delta::Usage { usage } => self.reply.usage.merge(usage),
            Delta::Vendor { fields } => self.reply.vendor.extend(fields),
            Delta::Continued { model, .. } => {
                let part = u32::try_from(self.first.parts.len()).unwrap_or(u32::MAX);
                self.reply.continued.push(Takeover { part, model });
            }
            Delta::Replaced { .. } => *self = Assembler::default(),
            Delta::Alternative { index, delta } => {
                let at = index.saturating_sub(1) as usize;
                if at >= 16 {
                    return;
                }
                if self.more.len() <= at {
                    self.more.resize_with(at + 1, Answer::default);
                }
                self.more[at].push(*delta);
            }
            piece => self.first.push(piece),
        }
    }

    /// The reply as far as it has come.
    pub fn reply(&self) -> Reply {
        self.clone().finish()
    }

    /// The usage reported so far.
    pub fn usage(&self) -> &crate::usage::Usage {
        &self.reply.usage
    }

    /// The whole reply.
    pub fn finish(self) -> Reply {
        let Assembler { mut reply, first, more } = self;
        reply.parts = first.parts;
        reply.stop = first.stop;
        reply.logprobs = first.logprobs;
        let whole = |answer: Answer| Alternative { parts: answer.parts, stop: answer.stop, logprobs: answer.logprobs };
        reply.alternatives = more.into_iter().map(whole).collect();
        reply
    }
}

impl Answer {
    fn push(&mut self, delta: Delta) {
        match delta {
            Delta::Text { part, text } => {
                self.append(
                    part,
                    text,
                    |text| Content::Text { text },
                    |content| match content {
                        Content::Text { text } => Some(text),
                        _ => None,
                    },
                );
            }
            Delta::Reasoning { part, text } => {
                self.append(
                    part,
                    text,
                    |text| Content::Reasoning { text },
                    |content| match content {
                        Content::Reasoning { text } => Some(text),
                        _ => None,
                    },
                );
            }
            Delta::Refusal { part, text } => {
                self.append(
                    part,
                    text,
                    |text| Content::Refusal { text },
                    |content| match content {
                        Content::Refusal { text } => Some(text),
                        _ => None,
                    },
                );
            }
            Delta::ToolCall { part, id, name } => {
                let open = || Part::new(Content::ToolCall(ToolCall { id, name, arguments: String::new() }));
                self.at(part, open);
            }
            Delta::Arguments { part, text } => {
                let unnamed = ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
                if let Some(Content::ToolCall(call)) =
                    self.at(part, || Part::new(Content::ToolCall(unnamed))).map(|part| &mut part.content)
                {
                    call.arguments.push_str(&text);
                }
            }
            Delta::Part { part, whole } => {
                if let Some(place) = self.at(part, || Part::new(Content::Vendor)) {
                    *place = whole;
                }
            }
            Delta::PartVendor { part, fields } => {
                if let Some(place) = self.at(part, || Part::new(Content::Reasoning { text: String::new() })) {
                    place.vendor.extend(fields);
                }
            }
            Delta::Logprobs { tokens } => self.logprobs.extend(tokens),
            Delta::Stop { reason } => self.stop = Some(reason),
            Delta::Start { .. } | Delta::Usage { .. } | Delta::Vendor { .. } => {}
            Delta::Continued { .. } | Delta::Replaced { .. } | Delta::Alternative { .. } => {}
        }
    }

    /// The part that the wire numbers `number`, opened if new; `None` beyond the bound.
    fn at(&mut self, number: u32, open: impl FnOnce() -> Part) -> Option<&mut Part> {
        if let Some(&place) = self.places.get(&number) {
            return self.parts.get_mut(place);
        }
        if self.parts.len() >= REPLY_PARTS_MAX {
            return None;
        }
        self.places.insert(number, self.parts.len());
        self.parts.push(open());
        self.parts.last_mut()
    }

    fn append(
        &mut self,
        number: u32,
        text: String,
        open: impl FnOnce(String) -> Content,
        inner: impl FnOnce(&mut Content) -> Option<&mut String>,
    ) {
        if !self.places.contains_key(&number) {
            self.at(number, || Part::new(open(text)));
        } else if let Some(place) = self.at(number, || Part::new(Content::Vendor))
            && let Some(grown) = inner(&mut place.content)
        {
            grown.push_str(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ModelId;
    use crate::reply::StopReason;

    #[test]
    fn pieces_become_parts_in_order_of_first_appearance() {
        let mut stream = Assembler::new();
        stream.push(Delta::Reasoning { part: 5, text: "hm".into() });
        stream.push(Delta::Text { part: 2, text: "a".into() });
        stream.push(Delta::ToolCall { part: 9, id: "c1".into(), name: "f".into() });
        stream.push(Delta::Arguments { part: 9, text: "{\"x\":".into() });
        stream.push(Delta::Text { part: 2, text: "b".into() });
        stream.push(Delta::Arguments { part: 9, text: "1}".into() });
        stream.push(Delta::Stop { reason: StopReason::ToolUse });
        let reply = stream.finish();
        assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("ab", "hm"));
        assert_eq!(reply.tool_calls().next().unwrap().arguments, "{\"x\":1}");
        assert_eq!(reply.parts.len(), 3);
    }

    #[test]
    fn what_is_replaced_is_gone() {
        let mut stream = Assembler::new();
        stream.push(Delta::Text { part: 0, text: "wrong".into() });
        stream.push(Delta::Stop { reason: StopReason::End });
        stream.push(Delta::Replaced { model: ModelId::new("acme/grand").unwrap() });
        stream.push(Delta::Text { part: 0, text: "right".into() });
        let reply = stream.finish();
        assert_eq!((reply.text().as_str(), reply.parts.len(), reply.stop), ("right", 1, None));
    }

    #[test]
    fn a_hostile_stream_cannot_open_parts_without_end() {
        let mut stream = Assembler::new();
        for part in 0..10_000 {
            stream.push(Delta::Text { part, text: "x".into() });
        }
        assert_eq!(stream.finish().parts.len(), REPLY_PARTS_MAX);
    }
}
