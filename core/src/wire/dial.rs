//! How much to think, turned into what a model takes: words into tokens and back.

use super::Ask;
use crate::model::{Capability, ReasoningDial};
use crate::request::Effort;

/// How much to think, in the form that the model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Think {
    /// Nothing is said: it was not asked, or the model cannot be told.
    Unsaid,
    /// Not at all.
    Off,
    /// As much as the model likes.
    Free,
    /// In words.
    Effort(Effort),
    /// In tokens.
    Budget(u64),
}

/// The least budget that is worth a name, in tokens: Anthropic takes no less.
pub(super) const BUDGET_MIN: u64 = 1_024;

/// What the request asks of this model.
pub(super) fn think(ask: &Ask<'_>) -> Think {
    let Some(asked) = &ask.draft.reasoning else { return Think::Unsaid };
    if !ask.card.capabilities.contains(&Capability::Reasoning) {
        return Think::Unsaid;
    }
    match (asked.effort, asked.budget_tokens, ask.card.accepts.reasoning) {
        (Some(Effort::None), None, _) | (_, Some(0), _) => Think::Off,
        (None, None, _) => Think::Free,
        (_, Some(budget), ReasoningDial::Either | ReasoningDial::Budget) => Think::Budget(budget),
        (Some(effort), None, ReasoningDial::Budget) => Think::Budget(budget_of(effort)),
        (Some(effort), _, _) => Think::Effort(effort),
        (None, Some(budget), _) => Think::Effort(effort_of(budget)),
    }
}

/// A budget for an effort. The steps are those that vendors name for their own words: 1,024 for little, doubled upwards.
pub(super) fn budget_of(effort: Effort) -> u64 {
    match effort {
        Effort::None => 0,
        Effort::Minimal => BUDGET_MIN,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 16_384,
        Effort::XHigh => 32_768,
        Effort::Max => 65_536,
    }
}

/// The effort whose budget is nearest from above.
pub(super) fn effort_of(budget: u64) -> Effort {
    let steps = [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh];
    steps.into_iter().find(|effort| budget <= budget_of(*effort)).unwrap_or(Effort::Max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_tokens_convert_into_each_other() {
        for effort in [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh, Effort::Max] {
            assert_eq!(effort_of(budget_of(effort)), effort);
        }
        assert_eq!(
            (effort_of(1), effort_of(5_000), effort_of(1 << 40)),
            (Effort::Minimal, Effort::Medium, Effort::Max)
        );
    }
}
