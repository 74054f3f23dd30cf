//! Which checks a cheap answer may be put to before it is delivered, and what each is expected to see.
//!
//! Settings alone: whether a request is worth a cascade is `plan::cascade`'s to say, and the checks are made by the client.

use crate::id::ModelId;
use crate::time::Span;

/// What the user wants of cascades. Without a check, every request is asked directly.
#[derive(Clone, Debug, PartialEq)]
pub struct CascadeSettings {
    /// The checks that may be planned. Those that cost nothing are made of every answer that a better one could follow.
    pub checks: Vec<PlannedCheck>,
    /// Whether a second opinion is asked at the same time as the answer: sooner, and billed also where it was not needed.
    pub side_by_side: bool,
    /// What happens to checks where the answer is wanted piece by piece.
    pub streams: StreamChecks,
    /// The share of asking directly's cost that a cascade must be expected to save, since it takes longer.
    pub margin: f64,
    /// The longest that the whole path may be known to take.
    pub latency_max: Option<Span>,
}

impl Default for CascadeSettings {
    fn default() -> CascadeSettings {
        CascadeSettings {
            checks: Vec::new(),
            side_by_side: false,
            streams: StreamChecks::HoldBack,
            margin: 0.05,
            latency_max: None,
        }
    }
}

impl CascadeSettings {
    /// These checks, all else by default.
    pub fn of(kinds: impl IntoIterator<Item = CheckKind>) -> CascadeSettings {
        let checks = kinds.into_iter().map(|kind| PlannedCheck { kind, sight: None }).collect();
        CascadeSettings { checks, ..CascadeSettings::default() }
    }
}

/// What happens to checks where the answer is wanted piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamChecks {
    /// Streams are asked directly.
    Off,
    /// The cheap answer is held back until it has passed; then it comes at once.
    #[default]
    HoldBack,
    /// The cheap answer is shown as it comes; where it falls short, `Delta::Replaced` says that another takes its place.
    Replace,
}

/// A check and what it sees.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCheck {
    /// Which.
    pub kind: CheckKind,
    /// How well it tells good answers from bad ones; that of its kind where it is not said.
    pub sight: Option<Sight>,
}

/// A kind of check.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CheckKind {
    /// What can be seen without knowing the subject: an empty, cut or refused answer, JSON that is none or breaks the
    /// schema that was asked for. Free.
    Wellformed,
    /// Another cheap model is asked the same; the answers must say the same.
    Agreement,
    /// The same model is asked again; the answers must say the same.
    Sample,
    /// The geometric mean of the tokens' probabilities must reach this share, from 0 to 1. Free, at models that report
    /// them.
    Confidence(f64),
    /// This model is asked whether the answer is good.
    Judge(ModelId),
    /// A check of the caller's own, by the name under which the client was given it. It costs nothing that is known here.
    Own(String),
}

impl CheckKind {
    /// The name in snake case.
    pub const fn as_str(&self) -> &'static str {
        match self {
            CheckKind::Wellformed => "wellformed",
            CheckKind::Agreement => "agreement",
            CheckKind::Sample => "sample",
            CheckKind::Confidence(_) => "confidence",
            CheckKind::Judge(_) => "judge",
            CheckKind::Own(_) => "own",
        }
    }

    /// Whether it asks no model.
    pub const fn is_free(&self) -> bool {
        matches!(self, CheckKind::Wellformed | CheckKind::Confidence(_) | CheckKind::Own(_))
    }

    /// What it is expected to see where nothing else is said. Of bad answers in three ZeroEval sets (GSM8K, MATH level 5,
    /// CRUXEval; 40 to 50 models) 2, 10 and 3 % have no final answer. The other figures are assumptions, not
    /// measurements. Agreement is computed from both models' chances instead.
    pub(super) const fn sight(&self) -> Sight {
        match self {
            CheckKind::Wellformed => Sight { catches: 0.05, false_alarms: 0.005 },
            CheckKind::Confidence(_) => Sight { catches: 0.4, false_alarms: 0.15 },
            CheckKind::Judge(_) => Sight { catches: 0.6, false_alarms: 0.1 },
            CheckKind::Own(_) => Sight { catches: 0.5, false_alarms: 0.02 },
            CheckKind::Agreement | CheckKind::Sample => Sight { catches: 0.75, false_alarms: 0.1 },
        }
    }
}

/// How well a check tells good answers from bad ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// The share of bad answers that fall short, from 0 to 1.
    pub catches: f64,
    /// The share of good answers that fall short all the same, from 0 to 1.
    pub false_alarms: f64,
}
