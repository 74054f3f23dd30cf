//! What the server answers: a reply in our own words, how fast, and what goes wrong.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::reply::{Reply, StopReason};
use crate::time::Span;
use crate::usage::Usage;
use crate::{Content, Part};

/// One answer of a script. As data, so that a script may stand in a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// What is said. Without a model, the one that was asked answers; without a reason to stop, it is done or waits for
    /// tools.
    pub reply: Reply,
    /// How fast.
    pub pace: Pace,
    /// What goes wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// How fast an answer comes, and in which pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Before the head.
    pub before_ms: Span,
    /// Between two events of a stream.
    pub between_ms: Span,
    /// Characters in one event of a stream.
    pub piece_chars: usize,
    /// Bytes in one write, where events are to be cut anywhere; zero writes each event whole.
    pub write_bytes: usize,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { before_ms: Span::ZERO, between_ms: Span::ZERO, piece_chars: 16, write_bytes: 0 }
    }
}

impl Answer {
    /// A text, counted as a vendor would: 20 tokens of prompt, and one of output for four characters.
    pub fn text(text: impl Into<String>) -> Answer {
        let text = text.into();
        let usage = Usage::of(20, (text.chars().count() as u64).div_ceil(4));
        Answer::of(Reply { parts: vec![Part::text(text)], usage, ..Reply::default() })
    }

    /// A reply.
    pub fn of(reply: Reply) -> Answer {
        Answer { reply, ..Answer::default() }
    }

    /// Only a failure.
    pub fn failing(fault: Fault) -> Answer {
        Answer::text("This answer was meant to fail.").with_fault(fault)
    }

    /// The same, going wrong.
    pub fn with_fault(mut self, fault: Fault) -> Answer {
        self.fault = Some(fault);
        self
    }

    /// The same at another pace.
    pub fn with_pace(mut self, pace: Pace) -> Answer {
        self.pace = pace;
        self
    }

    /// The same with these counts.
    pub fn with_usage(mut self, usage: Usage) -> Answer {
        self.reply.usage = usage;
        self
    }

    /// Why it ends.
    pub(super) fn stop(&self) -> StopReason {
        let calls = self.reply.parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
        let own = if calls { StopReason::ToolUse } else { StopReason::End };
        self.reply.stop.clone().unwrap_or(own)
    }
}
