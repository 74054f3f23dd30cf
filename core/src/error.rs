//! Errors by the stage that failed. Each is classified once, where the fact is known; nobody downstream reads text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::ERROR_TEXT_CHARS_MAX;
use crate::reply::Reply;
use crate::time::Span;
use crate::usage::Usage;

/// What kind of thing went wrong between us and a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The request could not be written in the vendor's format.
    Encode,
    /// The key is missing or wrong.
    Auth,
    /// The key may not do this.
    Permission,
    /// Quota or credit is used up.
    Quota,
    /// The model or address is not there.
    NotFound,
    /// The vendor found the request wrong.
    Invalid,
    /// The prompt does not fit the context window.
    ContextTooLong,
    /// The body is larger than the vendor takes.
    TooLarge,
    /// The vendor's filter refused the request.
    ContentFiltered,
    /// Too many requests or tokens in a while.
    RateLimited,
    /// The vendor has no room at the moment.
    Overloaded,
    /// The vendor failed inside.
    Server,
    /// No connection: refused, no such host, unreachable.
    Connect,
    /// TLS failed.
    Tls,
    /// A time limit of ours passed.
    Timeout,
    /// The connection broke.
    Network,
    /// The answer is not what the format says: bad JSON, HTML, a wrong content type.
    Protocol,
    /// The answer is larger than our bound.
    ReplyTooLarge,
    /// The stream ended before the answer did.
    Incomplete,
    /// The caller gave up.
    Cancelled,
    /// The model wrote a tool call that the vendor could not read.
    BadToolCall,
    /// The format or the endpoint cannot do what was asked.
    Unsupported,
}

impl Kind {
    /// The name in snake case, stable.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Encode => "encode",
            Kind::Auth => "auth",
            Kind::Permission => "permission",
            Kind::Quota => "quota",
            Kind::NotFound => "not_found",
            Kind::Invalid => "invalid",
            Kind::ContextTooLong => "context_too_long",
            Kind::TooLarge => "too_large",
            Kind::ContentFiltered => "content_filtered",
            Kind::RateLimited => "rate_limited",
            Kind::Overloaded => "overloaded",
            Kind::Server => "server",
            Kind::Connect => "connect",
            Kind::Tls => "tls",
            Kind::Timeout => "timeout",
            Kind::Network => "network",
            Kind::Protocol => "protocol",
            Kind::ReplyTooLarge => "reply_too_large",
            Kind::Incomplete => "incomplete",
            Kind::Cancelled => "cancelled",
            Kind::BadToolCall => "bad_tool_call",
            Kind::Unsupported => "unsupported",
        }
    }
}

/// Whether trying again can help, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Retry {
    /// The request itself is at fault: no model will take it.
    Never,
    /// Here, after this long if the vendor said so, else after a backoff.
    Here(Option<Span>),
    /// Not here, but another model or endpoint may do.
    Elsewhere,
}

/// A failed call to a provider.
///
/// A failed call may still have cost money: `usage` holds what the vendor reported, `partial` what was delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderError {
    /// What went wrong.
    pub kind: Kind,
    /// Whether trying again can help.
    pub retry: Retry,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// The vendor's own error code, where it gave one.
    pub code: Option<String>,
    /// The vendor's id of the request, for its support.
    pub request_id: Option<String>,
    /// One line for people, bounded, free of control characters.
    pub message: String,
    /// What the vendor said it used.
    pub usage: Option<Box<Usage>>,
    /// What had been delivered.
    pub partial: Option<Box<Reply>>,
    /// Whether any byte of the request may have reached the vendor: only `false` lets the ledger void the reservation.
    pub sent: bool,
}

impl ProviderError {
    /// An error of this kind whose request may have reached the vendor.
    pub fn new(kind: Kind, retry: Retry, message: impl AsRef<str>) -> ProviderError {
        ProviderError::of_text(kind, retry, message.as_ref())
    }

    /// Apart and cold: what leads to an error stays out of the way of what does not.
    #[cold]
    #[inline(never)]
    fn of_text(kind: Kind, retry: Retry, message: &str) -> ProviderError {
        ProviderError {
            kind,
            retry,
            status: None,
            code: None,
            request_id: None,
            message: one_line(message),
            usage: None,
            partial: None,
            sent: true,
        }
    }

    /// An answer that is not what the format says.
    pub fn protocol(message: impl AsRef<str>) -> ProviderError {
        ProviderError::new(Kind::Protocol, Retry::Here(None), message)
    }

    /// The same with the HTTP status.
    pub fn with_status(mut self, status: u16) -> ProviderError {
        self.status = Some(status);
        self
    }

    /// The same with the vendor's error code.
    pub fn with_code(mut self, code: impl AsRef<str>) -> ProviderError {
        self.code = Some(one_line(code.as_ref()));
        self
    }

    /// The same with the vendor's id of the request.
    pub fn with_request_id(mut self, id: impl AsRef<str>) -> ProviderError {
        self.request_id = Some(one_line(id.as_ref()));
        self
    }

    /// The same, known not to have sent a byte of the request.
    pub fn unsent(mut self) -> ProviderError {
        self.sent = false;
        self
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.as_str().replace('_', " "))?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ProviderError {}

/// `text` on one line, cut to a bound, without control characters.
pub fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(ERROR_TEXT_CHARS_MAX).map(plain).collect();
    if text.chars().nth(ERROR_TEXT_CHARS_MAX).is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}
