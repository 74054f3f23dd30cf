//! Does a promise still hold? A test that may be looked at after every call, for ever.
//!
//! A bet is placed against the promise "the mean loss is at most the limit" before each loss is seen. While the promise
//! holds no way of betting gains, so the capital passes 1 / (1 - confidence) with a chance of at most 1 - confidence,
//! however long one looks (Ville's inequality; Waudby-Smith and Ramdas, arXiv:2010.09686; as a monitor of deployed models:
//! Podkopaev and Ramdas, arXiv:2110.06177). The same bets against each possible mean give an interval that holds at all
//! times at once.
//!
//! A loss is from 0 (as good as the better model) to 1. Comparisons and marks are bet on apart, and the mean of both
//! capitals counts. After an alarm the promise is held a step higher and both begin anew. It holds counts and no text.

use serde::{Deserialize, Serialize};

use crate::plan::PromiseState;

/// Possible means of the interval: squares of equal steps, since small losses matter most.
const MEANS: usize = 48;
/// Losses fade in the sizing of bets, so that a change is seen: after this many, half of the oldest is left.
const HALF_LIFE: f64 = 200.0;
/// A bet risks at most this share of what could be lost at once.
const BET_MAX: f64 = 0.5;
/// After so many steps everything is asked of the best model.
pub const STEPS_MAX: u32 = 4;

/// What is promised of live traffic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pledge {
    /// The share of the better model's quality to keep, above 0 and below 1.
    pub quality: f64,
    /// How sure an alarm is, above 0 and below 1.
    pub confidence: f64,
}

/// Where a loss was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A comparison with the better model.
    Shadow,
    /// A mark.
    Feedback,
}

/// Bets on one source of losses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bets {
    /// How many losses.
    count: u64,
    /// Capital of the bet against the promise, as a logarithm.
    capital: f64,
    /// Faded count, sum and squares: what bets against the promise are sized by.
    recent: [f64; 3],
    /// Sum and squares of all: what the interval's bets are sized by.
    all: [f64; 2],
    /// Capital of the bets that the mean is above, and below, each possible one.
    above: Vec<f64>,
    below: Vec<f64>,
}

impl Default for Bets {
    fn default() -> Bets {
        let flat = vec![0.0; MEANS];
        Bets { count: 0, capital: 0.0, recent: [1.0, 0.0, 0.05], all: [0.0; 2], above: flat.clone(), below: flat }
    }
}

/// The possible mean at a position.
fn mean_at(at: usize) -> f64 {
    let share = (at as f64 + 0.5) / MEANS as f64;
    share * share
}

/// How much to bet that the mean is above `bar`: growth-optimal to second order, bounded so that it cannot ruin.
fn bet(mean: f64, square: f64, bar: f64) -> f64 {
    let spread = (square - 2.0 * bar * mean + bar * bar).max(1e-4);
    ((mean - bar) / spread).clamp(0.0, BET_MAX / bar.max(1e-6))
}

impl Bets {
    fn add(&mut self, loss: f64, limit: f64) {
        let [weight, sum, squares] = self.recent;
        let risk = bet(sum / weight, squares / weight, limit);
        self.capital += (1.0 + risk * (loss - limit)).ln();
        self.bet_on_means(loss);
        let keep = 0.5f64.powf(1.0 / HALF_LIFE);
        self.recent = [weight * keep + 1.0, sum * keep + loss, squares * keep + loss * loss];
        self.all = [self.all[0] + loss, self.all[1] + loss * loss];
        self.count += 1;
    }

    fn bet_on_means(&mut self, loss: f64) {
        // A prior of one loss in the middle of what is likely.
        let weight = self.count as f64 + 1.0;
        let (mean, square) = ((self.all[0] + 0.05) / weight, (self.all[1] + 0.05) / weight);
        for at in 0..MEANS {
            let bar = mean_at(at);
            self.above[at] += (1.0 + bet(mean, square, bar) * (loss - bar)).ln();
            // The same on what is left to 1.
            let other = bet(1.0 - mean, 1.0 - 2.0 * mean + square, 1.0 - bar);
            self.below[at] += (1.0 + other * (bar - loss)).ln();
        }
    }

    /// The least and the greatest mean that the losses leave possible.
    fn interval(&self, confidence: f64) -> (f64, f64) {
        let most = (2.0 / (1.0 - confidence)).ln();
        let low = (0..MEANS).take_while(|at| self.above[*at] >= most).last().map_or(0.0, mean_at);
        let high = (0..MEANS).rev().take_while(|at| self.below[*at] >= most).last().map_or(1.0, mean_at);
        (low, high.max(low))
    }
}

/// Watches a promise. Equal losses in equal order give an equal monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    pledge: Pledge,
    shadows: Bets,
    feedback: Bets,
    steps: u32,
}

impl Monitor {
    /// Under this name it is kept beside the account.
    pub const NOTE: &'static str = "promise";

    /// Watches this promise from now on.
    pub fn new(pledge: Pledge) -> Monitor {
        Monitor { pledge, shadows: Bets::default(), feedback: Bets::default(), steps: 0 }
    }

    /// What is promised.
    pub fn pledge(&self) -> Pledge {
        self.pledge
    }

    /// How often the promise failed and was held a step higher.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// The aim for quality that is in force, where `wanted` was set: each step halves what may be lost.
    pub fn held_at(&self, wanted: f64) -> f64 {
        match self.steps {
            0 => wanted,
            steps if steps >= STEPS_MAX => 1.0,
            steps => 1.0 - (1.0 - wanted) / f64::from(1u32 << steps),
        }
    }

    /// The evidence against the promise, in whole: it fails at 1 / (1 - confidence).
    pub fn evidence(&self) -> f64 {
        0.5 * (self.shadows.capital.exp() + self.feedback.capital.exp())
    }

    /// Takes a loss, from 0 to 1; values beyond are held to that. Whether the promise failed just now.
    pub fn see(&mut self, source: Source, loss: f64) -> bool {
        let loss = if loss.is_nan() { 1.0 } else { loss.clamp(0.0, 1.0) };
        let limit = (1.0 - self.pledge.quality).clamp(1e-6, 1.0 - 1e-6);
        match source {
            Source::Shadow => self.shadows.add(loss, limit),
            Source::Feedback => self.feedback.add(loss, limit),
        }
        if self.evidence() < 1.0 / (1.0 - self.pledge.confidence).max(1e-9) {
            return false;
        }
        (self.shadows, self.feedback) = (Bets::default(), Bets::default());
        self.steps = (self.steps + 1).min(STEPS_MAX);
        true
    }

    /// Where the promise stands.
    pub fn state(&self) -> PromiseState {
        let Pledge { quality, confidence } = self.pledge;
        let (loss_min, loss_max) = self.shadows.interval(confidence);
        PromiseState {
            quality,
            confidence,
            steps: self.steps,
            evidence: self.evidence(),
            comparisons: self.shadows.count,
            marks: self.feedback.count,
            loss_min,
            loss_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Seeded;

    const PLEDGE: Pledge = Pledge { quality: 0.95, confidence: 0.95 };

    /// After how many of `most` losses at this rate the promise fails.
    fn fails_after(random: &mut Seeded, rate: impl Fn(u32) -> f64, most: u32) -> Option<u32> {
        let mut monitor = Monitor::new(PLEDGE);
        (0..most).find(|at| {
            let loss = f64::from(u8::from(random.unit() < rate(*at)));
            monitor.see(Source::Shadow, loss)
        })
    }

    #[test]
    fn a_promise_that_holds_seldom_raises_an_alarm_however_long_one_looks() {
        let mut random = Seeded::new(3);
        let alarms = (0..200).filter(|_| fails_after(&mut random, |_| 0.05, 600).is_some()).count();
        assert!(alarms <= 10, "{alarms} of 200 at the very limit, looked at 600 times each");
    }

    #[test]
    fn a_drift_is_found_soon() {
        let mut random = Seeded::new(5);
        // It holds well for five hundred calls, and then 15 % of the answers are worse.
        let found: Vec<Option<u32>> =
            (0..60).map(|_| fails_after(&mut random, |at| if at < 500 { 0.02 } else { 0.15 }, 1_000)).collect();
        let late = found.iter().filter(|at| at.is_none_or(|at| at > 800)).count();
        let early = found.iter().filter(|at| at.is_some_and(|at| at < 500)).count();
        assert!(late <= 6 && early <= 3, "{late} late, {early} early");
    }

    #[test]
    fn the_interval_holds_at_all_times_and_narrows() {
        let mut random = Seeded::new(7);
        let mut missed = 0;
        let mut width = 0.0;
        for _ in 0..40 {
            let mut monitor = Monitor::new(Pledge { quality: 0.5, confidence: 0.95 });
            let mut holds = true;
            for _ in 0..600 {
                monitor.see(Source::Shadow, f64::from(u8::from(random.unit() < 0.1)));
                let state = monitor.state();
                holds &= state.loss_min <= 0.1 && state.loss_max >= 0.1;
            }
            missed += u32::from(!holds);
            width += (monitor.state().loss_max - monitor.state().loss_min) / 40.0;
        }
        assert!(missed <= 2, "{missed} of 40 missed the truth at some time");
        assert!(width < 0.15, "{width}");
    }

    #[test]
    fn each_failure_halves_what_may_be_lost_and_the_last_leaves_nothing() {
        let mut monitor = Monitor::new(PLEDGE);
        assert_eq!(monitor.held_at(0.9), 0.9);
        let mut aims = Vec::new();
        for _ in 0..1_000 {
            if monitor.see(Source::Feedback, 1.0) {
                aims.push(monitor.held_at(0.9));
            }
        }
        assert!(aims.len() > 4 && (aims[0] - 0.95).abs() < 1e-12 && aims[3] == 1.0, "{aims:?}");
        let text = serde_json::to_string(&monitor).unwrap();
        // JSON may take the last bit of a float with it.
        let read: Monitor = serde_json::from_str(&text).unwrap();
        assert!((read.evidence() - monitor.evidence()).abs() < 1e-9 && read.steps() == monitor.steps());
    }
}
