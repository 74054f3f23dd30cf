//! What a model answered, whole or piece by piece, and how the pieces become the whole.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::ModelId;
use crate::message::{Content, Part, joined_text};
use crate::usage::Usage;
use crate::vendor_fields::VendorFields;

mod assemble;
pub use assemble::Assembler;

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Reply {
    /// The vendor's id of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The model that answered, as the vendor names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The answer, in order; the first where several were asked for.
    pub parts: Vec<Part>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopReason>,
    /// What it used.
    #[serde(skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// Log-probabilities of the drawn tokens, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<TokenLogprob>,
    /// Further answers, where several were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// Where other models took over after a stream broke, in order; empty where one model wrote it all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub continued: Vec<Takeover>,
    /// Fields of one format only.
    #[serde(skip_serializing_if = "VendorFields::is_empty")]
    pub vendor: VendorFields,
}

/// From where on another model wrote an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Takeover {
    /// Its first part in `Reply::parts`, counted from 0.
    pub part: u32,
    /// The model that wrote from there on.
    pub model: ModelId,
}

impl Reply {
    /// The text, without reasoning.
    pub fn text(&self) -> String {
        joined_text(&self.parts)
    }

    /// The reasoning that the vendor shows.
    pub fn reasoning(&self) -> String {
        let shown = |part: &Part| match &part.content {
            Content::Reasoning { text } => Some(text.clone()),
            _ => None,
        };
        self.parts.iter().filter_map(shown).collect()
    }

    /// The tool calls, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &crate::message::ToolCall> {
        self.parts.iter().filter_map(Part::as_tool_call)
    }
}

impl Reply {
    /// The pieces that a stream of this reply would have brought: one a part.
    pub fn into_deltas(self) -> Vec<Delta> {
        let Reply { id, model, parts, stop, usage, logprobs, alternatives, continued, vendor } = self;
        let mut deltas = vec![Delta::Start { id, model }];
        let mut takeovers = continued.into_iter().peekable();
        for (at, piece) in (0u32..).zip(whole_parts(parts)) {
            while let Some(Takeover { part, model }) = takeovers.next_if(|takeover| takeover.part <= at) {
                deltas.push(Delta::Continued { part, model });
            }
            deltas.push(piece);
        }
        deltas.extend(takeovers.map(|Takeover { part, model }| Delta::Continued { part, model }));
        if !logprobs.is_empty() {
            deltas.push(Delta::Logprobs { tokens: logprobs });
        }
        for (at, more) in alternatives.into_iter().enumerate() {
            let index = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let mut pieces: Vec<Delta> = whole_parts(more.parts).collect();
            if !more.logprobs.is_empty() {
                pieces.push(Delta::Logprobs { tokens: more.logprobs });
            }
            pieces.extend(more.stop.map(|reason| Delta::Stop { reason }));
            deltas.extend(pieces.into_iter().map(|delta| Delta::Alternative { index, delta: Box::new(delta) }));
        }
        if !vendor.is_empty() {
            deltas.push(Delta::Vendor { fields: vendor });
        }
        if !usage.is_empty() {
            deltas.push(Delta::Usage { usage });
        }
        deltas.extend(stop.map(|reason| Delta::Stop { reason }));
        deltas
    }
}

/// Each part as one piece; plain text as a text piece, so that readers of text see it.
fn whole_parts(parts: Vec<Part>) -> impl Iterator<Item = Delta> {
    parts.into_iter().zip(0u32..).map(|(whole, part)| match whole {
        Part { content: Content::Text { text }, cache: None, vendor } if vendor.is_empty() => {
            Delta::Text { part, text }
        }
        whole => Delta::Part { part, whole },
    })
}

/// One more answer to the same request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Alternative {
    /// The answer, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopReason>,
    /// Log-probabilities of the drawn tokens, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<TokenLogprob>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The model was done.
    End,
    /// A stop text was met.
    StopText,
    /// The most tokens of output were reached.
    MaxTokens,
    /// The context window was full.
    ContextFull,
    /// The model waits for tool results.
    ToolUse,
    /// The vendor's filter cut or held back the answer.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The vendor paused a long turn; send the reply back to go on.
    Pause,
    /// The model wrote a tool call that the vendor could not read.
    BadToolCall,
    /// A reason that no other name fits, in the vendor's word.
    Other(String),
}

impl StopReason {
    /// The name in snake case; the vendor's word for `Other`.
    pub fn as_str(&self) -> &str {
        match self {
            StopReason::End => "end",
            StopReason::StopText => "stop_text",
            StopReason::MaxTokens => "max_tokens",
            StopReason::ContextFull => "context_full",
            StopReason::ToolUse => "tool_use",
            StopReason::ContentFilter => "content_filter",
            StopReason::Refusal => "refusal",
            StopReason::Pause => "pause",
            StopReason::BadToolCall => "bad_tool_call",
            StopReason::Other(word) => word,
        }
    }
}

/// A drawn token and how likely it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// The likeliest tokens at this place, with theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(String, f64)>,
}

/// A piece of an answer. `part` numbers the piece's part within the answer, in the wire's own counting; parts stand in
/// the reply in the order of their first piece.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delta {
    /// The answer begins.
    Start {
        /// The vendor's id of the answer.
        id: Option<String>,
        /// The model that answers, as the vendor names it.
        model: Option<String>,
    },
    /// More text.
    Text {
        /// Which part.
        part: u32,
        /// The text to append.
        text: String,
    },
    /// More reasoning.
    Reasoning {
        /// Which part.
        part: u32,
        /// The text to append; may be empty to open the part.
        text: String,
    },
    /// More of a refusal.
    Refusal {
        /// Which part.
        part: u32,
        /// The text to append.
        text: String,
    },
    /// A tool call begins.
    ToolCall {
        /// Which part.
        part: u32,
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// More of a tool call's arguments, as JSON text.
    Arguments {
        /// Which part.
        part: u32,
        /// The text to append.
        text: String,
    },
    /// A whole part at once: an image, a vendor's own item.
    Part {
        /// Which part.
        part: u32,
        /// The part, which replaces what stood there.
        whole: Part,
    },
    /// Vendor fields of a part: a signature, an encrypted form. They are added to those there.
    PartVendor {
        /// Which part; it is opened as reasoning where nothing stands there yet.
        part: u32,
        /// The fields.
        fields: VendorFields,
    },
    /// Log-probabilities of further tokens.
    Logprobs {
        /// In order.
        tokens: Vec<TokenLogprob>,
    },
    /// What was used so far; the last report counts, class by class.
    Usage {
        /// The report.
        usage: Usage,
    },
    /// The stream broke, and another model writes the rest of the answer from here on.
    Continued {
        /// Its pieces have this number of a part or a higher one.
        part: u32,
        /// The model.
        model: ModelId,
    },
    /// What came so far fell short of a check and is void: another answer takes its place from here on.
    Replaced {
        /// The model that writes it.
        model: ModelId,
    },
    /// The answer ended.
    Stop {
        /// Why.
        reason: StopReason,
    },
    /// Vendor fields of the whole answer.
    Vendor {
        /// The fields.
        fields: VendorFields,
    },
    /// A piece of a further answer, where several were asked for.
    Alternative {
        /// Which answer: 1 is the second.
        index: u32,
        /// The piece.
        delta: Box<Delta>,
    },
}

/// A JSON value of a reply's text, where it is JSON.
///
/// # Errors
/// The JSON error, where it is not.
pub fn json_of(reply: &Reply) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&reply.text())
}
