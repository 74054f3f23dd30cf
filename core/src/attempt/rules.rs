//! How often, how long and how patiently a request is tried.

use crate::limits::{ATTEMPTS_MAX, RETRY_AFTER_MAX};
use crate::time::{Span, Timeouts};

/// How often, how long and how patiently a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Most attempts at one candidate in a row, the first included. Three, as the large SDKs have it.
    pub attempts_here_max: u32,
    /// Most attempts in all.
    pub attempts_max: u32,
    /// For the whole request, waits included.
    pub deadline: Span,
    /// The first wait before a retry, where the vendor asks for none; each further one doubles.
    pub backoff: Span,
    /// The longest such wait.
    pub backoff_max: Span,
    /// The longest wait for a retry while another candidate is ready.
    pub patience: Span,
    /// The longest wait that a vendor may ask for; a longer one sends the request elsewhere.
    pub retry_after_max: Span,
    /// Whether a stream that broke after its first piece is continued by another candidate.
    pub continue_broken: bool,
    /// After how many in a hundred of an endpoint's calls have said something a second attempt is sent beside a call
    /// that has not; `None` sends none.
    pub hedge_percent: Option<u8>,
    /// Whether the answer is streamed, and so says something with its first piece.
    pub is_stream: bool,
    /// Whether answers are checked where a better candidate is left.
    pub check: bool,
    /// Time limits of each attempt.
    pub timeouts: Timeouts,
}

impl Default for Rules {
    /// 3 attempts at a candidate, 0.5 s to 8 s between them, 5 s of patience, 10 minutes in all; no hedges, no continuations.
    fn default() -> Rules {
        Rules {
            attempts_here_max: 3,
            attempts_max: ATTEMPTS_MAX,
            deadline: Span::from_secs(600),
            backoff: Span::from_ms(500),
            backoff_max: Span::from_secs(8),
            patience: Span::from_secs(5),
            retry_after_max: RETRY_AFTER_MAX,
            continue_broken: false,
            hedge_percent: None,
            is_stream: false,
            check: false,
            timeouts: Timeouts::default(),
        }
    }
}
