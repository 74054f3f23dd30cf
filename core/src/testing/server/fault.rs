//! What can go wrong between a vendor and us, as data.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// One way to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// An error status with the format's own error body.
    Status {
        /// Such as 429, 500 or 529.
        status: u16,
        /// When to try again, if the vendor says so.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
        /// The error's text; the format's usual one where it is absent.
        #[serde(default)]
        message: Option<String>,
    },
    /// The connection ends after the request was read, without a byte of an answer.
    HangUp,
    /// The connection is reset after the request was read.
    Reset,
    /// The connection is reset after the head of an answer with status 200.
    ResetAfterHead,
    /// No answer ever comes, and the connection stays open.
    NoHead,
    /// The body stops after this many bytes, and the connection stays open.
    Stall {
        /// Bytes of the body that are sent.
        after_bytes: usize,
    },
    /// The body is sent a byte at a time.
    Trickle {
        /// Between two bytes.
        gap_ms: Span,
    },
    /// The body ends after this many bytes.
    Cut {
        /// Bytes of the body that are sent.
        after_bytes: usize,
        /// How the connection ends.
        ending: Ending,
    },
    /// JSON that stops in the middle of a value and goes on with something else.
    BadJson,
    /// A byte in the text that no UTF-8 holds.
    InvalidUtf8,
    /// A line, or a string, of this many bytes.
    GiantLine {
        /// Its length.
        bytes: usize,
    },
    /// A compressed body, never asked for, that grows to this many bytes.
    GzipBomb {
        /// Its length, decompressed.
        bytes: usize,
    },
    /// A web page, as gateways send them.
    Html {
        /// With this status.
        status: u16,
    },
    /// Nothing in the body.
    EmptyBody,
    /// An answer of the right shape without an answer in it.
    EmptyChoices,
    /// The right body under `text/plain`.
    WrongContentType,
    /// The last event of a stream twice.
    DuplicateEnd,
    /// An error in the midst of a stream with status 200; of a whole answer, an error body with status 200.
    ErrorInside {
        /// Events before it.
        after_events: usize,
    },
    /// No count of tokens anywhere.
    MissingUsage,
    /// The stream ends properly, as far as HTTP goes, without the events that end an answer.
    NoEnd,
    /// Another address to go to.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        to: String,
    },
    /// Bytes after the answer's end.
    TrailingGarbage,
    /// The whole answer where a stream was asked for.
    NotStreamed,
}

/// How a cut body's connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// As if the body were whole: its length is that of what was sent.
    Clean,
    /// Closed before the length that was announced.
    Close,
    /// Reset.
    Reset,
}

/// How a vendor says when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// `retry-after` in whole seconds.
    Seconds(u64),
    /// `retry-after` as a date this many seconds from now.
    Date(u64),
    /// `retry-after-ms`.
    Milliseconds(u64),
    /// `retry-after` with text that is neither.
    Nonsense,
}
