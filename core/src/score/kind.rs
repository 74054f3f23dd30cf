//! What kind of work a request is, by what it says and what it is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ability::Skill;
use super::ask::Ask;
use super::cues::Group;
use super::reading::Signals;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TaskKind {
    /// Small talk, thanks, a question about nothing in particular.
    Conversation,
    /// Picking facts out of a given text.
    Extraction,
    /// Choosing one of few labels.
    Classification,
    /// From one language to another.
    Translation,
    /// A text made shorter.
    Summary,
    /// Prose and verse.
    Writing,
    /// What is known.
    Knowledge,
    /// Formulas and numbers.
    Mathematics,
    /// Programs.
    Code,
    /// Proof, analysis, planning.
    Reasoning,
    /// Work with tools over several turns.
    Agentic,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [TaskKind; 11] = [
        TaskKind::Conversation,
        TaskKind::Extraction,
        TaskKind::Classification,
        TaskKind::Translation,
        TaskKind::Summary,
        TaskKind::Writing,
        TaskKind::Knowledge,
        TaskKind::Mathematics,
        TaskKind::Code,
        TaskKind::Reasoning,
        TaskKind::Agentic,
    ];

    /// The name that data files use.
    pub const fn as_str(self) -> &'static str {
        match self {
            TaskKind::Conversation => "conversation",
            TaskKind::Extraction => "extraction",
            TaskKind::Classification => "classification",
            TaskKind::Translation => "translation",
            TaskKind::Summary => "summary",
            TaskKind::Writing => "writing",
            TaskKind::Knowledge => "knowledge",
            TaskKind::Mathematics => "mathematics",
            TaskKind::Code => "code",
            TaskKind::Reasoning => "reasoning",
            TaskKind::Agentic => "agentic",
        }
    }

    /// The skills it needs, with their shares.
    pub const fn skills(self) -> &'static [(Skill, f64)] {
        match self {
            TaskKind::Mathematics => &[(Skill::Mathematics, 0.7), (Skill::Reasoning, 0.3)],
            TaskKind::Code => &[(Skill::Code, 0.8), (Skill::Reasoning, 0.2)],
            TaskKind::Reasoning => &[(Skill::Reasoning, 0.7), (Skill::Mathematics, 0.15), (Skill::Knowledge, 0.15)],
            TaskKind::Agentic => &[(Skill::Code, 0.5), (Skill::Reasoning, 0.5)],
            TaskKind::Knowledge => &[(Skill::Knowledge, 0.8), (Skill::Reasoning, 0.2)],
            _ => &[(Skill::Knowledge, 0.5), (Skill::Reasoning, 0.25), (Skill::Code, 0.25)],
        }
    }

    /// Where a common task of this kind stands on the scale of abilities.
    pub(super) const fn place(self) -> f64 {
        match self {
            TaskKind::Conversation => -2.6,
            TaskKind::Classification => -2.4,
            TaskKind::Extraction => -2.2,
            TaskKind::Translation => -1.9,
            TaskKind::Summary => -1.9,
            TaskKind::Writing => -1.1,
            TaskKind::Knowledge => -1.2,
            TaskKind::Mathematics => -0.3,
            TaskKind::Code => 0.0,
            TaskKind::Reasoning => 0.1,
            TaskKind::Agentic => 0.4,
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The kind with most to say for it; the application's own instructions count where the turn says little.
pub(super) fn of(ask: &Ask) -> TaskKind {
    let turn = &ask.turn;
    let by = |group: Group| {
        let cue = |signals: &Signals| signals.cue(group).min(3.0) + 2.5 * signals.lead(group).min(2.0);
        cue(turn) + 0.3 * ask.setting.as_ref().map_or(0.0, cue)
    };
    let dense = |count: u32, usual: f64| (turn.share(count) / usual).min(4.0);
    let code = dense(turn.code, 0.03) + 3.0 * f64::from(turn.fences.min(2));
    let math = dense(turn.math, 0.02) + dense(turn.digits, 0.06).min(2.0);
    // A number asked for, with numbers given: a problem in words.
    let problem = turn.questions > 0 && turn.digits > 1 && turn.cue(Group::Mathematics) > 0.0;
    let math = math + if problem { 2.5 } else { 0.0 };
    // Something is to be written, but a program, where nothing says that it is prose.
    let program = turn.cue(Group::Code) >= 1.0 && turn.cue(Group::Writing) == 1.0;
    let write = if program { turn.lead(Group::Writing).min(1.0) * 2.5 } else { 0.0 };
    let short = if turn.length() < 6.0 && turn.fences == 0 { 2.0 } else { 0.0 };
    let choice = if turn.options >= 2 { 3.0 } else { 0.0 };
    let asks = f64::from(turn.questions.min(2));
    let puzzle = puzzle(turn);
    // A board or a list is no program and no formula.
    let is_puzzle = puzzle >= 2.0 && turn.lead(Group::Code) < 2.0 && turn.cue(Group::Code) < 4.0;
    let (code, math) = if is_puzzle { (code.min(1.0), math.min(2.0)) } else { (code, math) };
    let tools = if ask.tools > 0 { 1.5 + 3.0 * f64::from(ask.tool_turns.min(2)) } else { 0.0 };
    let scores = [
        (TaskKind::Conversation, by(Group::Conversation) + short),
        (TaskKind::Extraction, by(Group::Extraction) + if ask.has_schema { 2.0 } else { 0.0 }),
        (TaskKind::Classification, by(Group::Classification)),
        (TaskKind::Translation, 1.6 * by(Group::Translation)),
        (TaskKind::Summary, 1.4 * by(Group::Summary)),
        (TaskKind::Writing, by(Group::Writing) - write),
        (TaskKind::Knowledge, 0.5 * by(Group::Knowledge) + choice + asks),
        (TaskKind::Mathematics, 0.8 * by(Group::Mathematics) + math),
        (TaskKind::Code, 0.8 * by(Group::Code) + code + write),
        (TaskKind::Reasoning, by(Group::Reasoning) + by(Group::Hard) * 0.8 + puzzle),
        (TaskKind::Agentic, tools),
    ];
    let mut best = (TaskKind::Conversation, 1.0);
    for (kind, score) in scores {
        if score > best.1 {
            best = (kind, score);
        }
    }
    best.0
}

/// How much a turn reads like a puzzle: words of boards, moves, letters, rules and logic, in number and by their share. One
/// such word alone says nothing.
fn puzzle(turn: &Signals) -> f64 {
    let words = turn.cue(Group::Puzzle);
    if words < 2.0 {
        return 0.0;
    }
    let share = words / turn.length().max(20.0);
    0.5 * words.min(6.0) + (30.0 * share).min(2.5) + 0.5 * turn.lead(Group::Puzzle).min(2.0)
}
