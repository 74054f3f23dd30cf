//! Does an answer look good enough to be delivered? Pure checks of answers: what can be seen in one, whether two say the
//! same, how sure the model was, what a judge is asked and what it said.
//!
//! A check says `Short` with a reason that names no word of the answer, since reasons are logged and kept. What a check
//! cannot read, it does not hold against an answer; what was to be read and did not come falls short.
//!
//! What it does not do: ask anybody, or decide whether a check is worth its price. The client asks, `plan` decides.

mod agreement;
mod confidence;
mod constraints;
mod judge;
mod schema;
mod wellformed;

pub use agreement::agreement;
pub use confidence::{confidence, probability};
pub use constraints::Constraints;
pub use judge::{judge_request, judge_verdict};
pub use schema::fault;
pub use wellformed::wellformed;

/// What a check says of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is good enough.
    Pass,
    /// It is not, for this reason, in a line without the answer's text.
    Short(String),
}

impl Verdict {
    fn short(reason: impl Into<String>) -> Verdict {
        Verdict::Short(reason.into())
    }
}
