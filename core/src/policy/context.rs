//! The prompt and an answer must fit the context window.

use super::refusal::{RuleName, Sink};
use super::{Facts, Model, Needs};
use crate::limits::{OUTPUT_ROOM_MIN, OUTPUT_TOKENS_DEFAULT};

pub(super) fn check(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    if let Some(texts) = facts.needs.texts {
        if texts.longest > model.brief.context_window {
            out.refuse(RuleName::Context, || {
                format!("a text of about {} tokens, and its window holds {}", texts.longest, model.brief.context_window)
            });
        }
        return;
    }
    let wanted = wanted(facts.needs);
    if wanted > model.brief.context_window {
        out.refuse(RuleName::Context, || {
            format!("about {wanted} tokens with an answer, and its window holds {}", model.brief.context_window)
        });
    }
}

/// Tokens that the window must hold: the prompt, and room for an answer.
pub(super) fn wanted(needs: &Needs) -> u64 {
    let room = needs.max_tokens.unwrap_or(OUTPUT_TOKENS_DEFAULT).min(OUTPUT_ROOM_MIN);
    needs.input_tokens_likely_max().saturating_add(room)
}
