//! How long an answer will be: what is asked for sets the length, a model's habits scale it, and thinking comes on top.

use crate::policy::Needs;
use crate::request::Effort;

use super::Thinking;
use super::ask::Ask;
use super::cues::Group;
use super::kind::TaskKind;

/// What a model that thinks at full length writes first, in tokens, at the hardest work.
const THOUGHT_TOKENS: f64 = 6_000.0;
/// The same at the easiest.
const THOUGHT_TOKENS_LEAST: f64 = 150.0;

/// Tokens of an answer of common length. The figures by kind are those of the six models whose whole replies are public
/// (ZeroEval: 100 to 600 tokens of reasoning in the open), and round for what has no public replies.
pub(super) fn words_and_tokens(ask: &Ask, kind: TaskKind, needs: &Needs) -> u64 {
    let turn_tokens = ask.turn.bytes as f64 / 4.0;
    let wanted = ask.turn.number;
    let plain = match kind {
        TaskKind::Conversation => 80.0,
        TaskKind::Classification => 20.0,
        TaskKind::Extraction => (40.0 + turn_tokens * 0.15).min(1_500.0),
        TaskKind::Translation => (20.0 + turn_tokens).min(8_000.0),
        TaskKind::Summary => (120.0 + turn_tokens * 0.08).min(1_200.0),
        TaskKind::Writing => 600.0,
        TaskKind::Knowledge => 150.0,
        TaskKind::Mathematics => 350.0,
        TaskKind::Code => (450.0 + turn_tokens * 0.3).min(3_000.0),
        TaskKind::Reasoning => 500.0,
        TaskKind::Agentic => 300.0,
    };
    let schema = if ask.has_schema { 20.0 + 12.0 * f64::from(ask.properties) } else { 0.0 };
    let is_brief = ask.turn.lead(Group::Brief) > 0.0 || (ask.turn.cue(Group::Brief) > 0.0 && ask.turn.length() < 60.0);
    let tokens = match (wanted, is_brief) {
        (1..=5_000, _) if kind != TaskKind::Code => f64::from(wanted).max(3.0) * 1.5,
        (_, true) => plain * 0.4,
        _ => plain,
    };
    let tokens = tokens.max(schema).max(4.0);
    needs.max_tokens.map_or(tokens, |most| tokens.min(most as f64)).round() as u64
}

/// Tokens of reasoning before the answer: by the model's habit, or as the request asks.
pub(super) fn thought(habit: Option<f64>, asked: Option<Thinking>, difficulty: f64) -> f64 {
    let share = match (asked, habit) {
        (Some(Thinking::Tokens(tokens)), _) => return tokens as f64 * (0.3 + 0.5 * difficulty),
        (Some(Thinking::Effort(effort)), habit) => habit.unwrap_or(0.8) * effort_share(effort),
        (None, Some(habit)) => habit,
        (None, None) => return 0.0,
    };
    share * (THOUGHT_TOKENS_LEAST + THOUGHT_TOKENS * difficulty * difficulty)
}

/// Against the default effort; gpt-5 at Aider's tasks: low 0.53, high 1.79 of medium.
const fn effort_share(effort: Effort) -> f64 {
    match effort {
        Effort::None => 0.0,
        Effort::Minimal => 0.1,
        Effort::Low => 0.5,
        Effort::Medium => 1.0,
        Effort::High => 1.8,
        Effort::XHigh => 3.0,
        Effort::Max => 4.0,
    }
}
