//! Where the promise of live quality stands: an input of decisions, which aim higher after it failed.

use std::fmt;

use serde::Serialize;

/// Where a promise stands, since it was made or last failed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PromiseState {
    /// The share of the better model's quality that was promised.
    pub quality: f64,
    /// How sure an alarm is.
    pub confidence: f64,
    /// How often it failed; each time the aim was raised by a step.
    pub steps: u32,
    /// The evidence against it: 1 is none, and it fails at 1 / (1 - confidence).
    pub evidence: f64,
    /// How many comparisons were made.
    pub comparisons: u64,
    /// How many marks came.
    pub marks: u64,
    /// The least mean loss that the comparisons leave possible, with that confidence, at any time.
    pub loss_min: f64,
    /// The greatest.
    pub loss_max: f64,
}

impl fmt::Display for PromiseState {
    /// One line: what is promised, what was seen, and how often it failed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| share * 100.0;
        let alarm = 1.0 / (1.0 - self.confidence).max(1e-9);
        write!(f, "{:.1} % kept", percent(self.quality))?;
        match self.steps {
            0 => {}
            steps => write!(f, ", failed {steps} time{}", if steps == 1 { "" } else { "s" })?,
        }
        write!(
            f,
            ": {} comparisons, {} marks, loss {:.1} to {:.1} %, evidence {:.1} of {alarm:.0}",
            self.comparisons,
            self.marks,
            percent(self.loss_min),
            percent(self.loss_max),
            self.evidence
        )
    }
}
