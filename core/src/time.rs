//! Points in time and spans of time, as plain integers: pure code is told the time and never asks for it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The start of 1970, UTC.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// The instant this many milliseconds after the epoch.
    pub const fn from_ms(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// The span since `earlier`, or zero where `earlier` lies after `self`.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// The instant `span` later, held at the end of time.
    pub fn after(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }
}

/// A length of time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Span(u64);

impl Span {
    /// No time.
    pub const ZERO: Span = Span(0);

    /// This many milliseconds.
    pub const fn from_ms(ms: u64) -> Span {
        Span(ms)
    }

    /// This many seconds.
    pub const fn from_secs(secs: u64) -> Span {
        Span(secs.saturating_mul(1_000))
    }

    /// The length in milliseconds.
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// The same length for the standard library.
    pub const fn to_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000 { write!(f, "{} ms", self.0) } else { write!(f, "{:.1} s", self.0 as f64 / 1_000.0) }
    }
}

/// Time limits of one call, each on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To a connection, TLS included.
    pub connect: Span,
    /// From the request sent to the first byte of the answer.
    pub first_byte: Span,
    /// Between two pieces of the answer.
    pub idle: Span,
    /// For everything.
    pub total: Span,
}

impl Default for Timeouts {
    /// 10 s, 120 s (reasoning models are silent for long), 60 s, 10 min.
    fn default() -> Timeouts {
        Timeouts {
            connect: Span::from_secs(10),
            first_byte: Span::from_secs(120),
            idle: Span::from_secs(60),
            total: Span::from_secs(600),
        }
    }
}

impl Timeouts {
    /// The same, none of them longer than `left`.
    pub fn within(self, left: Span) -> Timeouts {
        Timeouts {
            connect: self.connect.min(left),
            first_byte: self.first_byte.min(left),
            idle: self.idle.min(left),
            total: self.total.min(left),
        }
    }
}
