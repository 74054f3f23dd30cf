//! What would a way of routing have cost, and what would have come of it? Judged on data in which several models answered
//! the same prompts and were marked.
//!
//! A policy is learnt and its thresholds are set on some rows (`Learnt::from`), then frozen and judged on others
//! (`judge`); or a promise about it is tested (`calibrate`). Every attempt is billed. Beside it stand the choices that need no router: one model for all, a coin between
//! two, and an oracle that no router can beat.
//!
//! What it does not do: read files or print. The `tierway replay` command does.

use serde::Serialize;

mod answer;
mod bill;
mod calibrate;
mod chain;
mod course;
mod crossed;
mod fixed;
mod ground;
mod guard;
mod halves;
mod hindsight;
mod judge;
mod lesson;
mod margin;
mod parts;
mod question;
mod record;
mod rows;
mod settle;
mod state;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerForm};
pub use bill::{Prices, Rate};
pub use calibrate::{Calibration, Kept, Rehearsal, calibrate};
pub use chain::Chain;
pub use halves::{Mean, MeanOutcome, halves, means};
pub use judge::{Judged, Learnt, Options, TARGETS, judge, learn};
pub use margin::{Margin, margins};
pub use parts::{AskedShare, KindOutcome};
pub use question::{KindLine, QuestionCurve, Threshold, apgr, question};
pub use record::{BadRecord, Field, Record};

/// How a policy fared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Which policy.
    pub policy: String,
    /// The share of the frontier's quality that it aimed at; `None` for those that aim at nothing.
    pub target_quality: Option<f64>,
    /// Quality against always asking the frontier.
    pub quality: f64,
    /// What was not spent, as a share of what always asking the frontier costs.
    pub saving: f64,
    /// Which share of the prompts the frontier was asked.
    pub frontier_share: f64,
}
