//! A small model of one's own traffic: how well each model does at each kind of work here, learnt from marks one by one.
//!
//! It starts from what the score expects and moves as marks come in: a Beta count a kind and model, and one a model over
//! all kinds, which new kinds begin from; then a line a model over the question's signs and what its words foretell. It
//! holds counts and sums and no text, can be written as JSON, read again, and reset.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::ModelId;
use crate::score::{Gist, Rating, TaskKind};

use super::line::Line;

/// How many marks the score's own expectation is worth.
const PRIOR_MARKS: f64 = 20.0;
/// Of a model's marks at other kinds, this share counts.
const OTHER_KINDS: f64 = 0.15;
/// Past marks fade, so that a model that changed is seen: after this many of a kind, half of the oldest is left.
const HALF_LIFE_MARKS: f64 = 500.0;
/// A line makes nothing surer than this.
const CHANCES: (f64, f64) = (0.01, 0.99);

/// Marks of one model: how much better or worse than was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Marks, faded.
    pub marks: f64,
    /// Their sum.
    pub good: f64,
    /// What was expected, summed.
    pub expected: f64,
}

impl Tally {
    fn add(&mut self, expected: f64, mark: f64) {
        let keep = 0.5f64.powf(1.0 / HALF_LIFE_MARKS);
        self.marks = self.marks * keep + 1.0;
        self.good = self.good * keep + mark;
        self.expected = self.expected * keep + expected;
    }
}

/// What was learnt from marks. Equal marks in equal order give an equal model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Experience {
    by_kind: BTreeMap<TaskKind, BTreeMap<ModelId, Tally>>,
    overall: BTreeMap<ModelId, Tally>,
    /// Which encoder the lines are over; zero before the first. What was written before there were lines has none.
    #[serde(default)]
    encoder: u32,
    #[serde(default)]
    lines: BTreeMap<ModelId, Line>,
}

/// A mark that cannot be taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("a mark is from 0 (useless) to 1 (as good as wanted), not {mark}")]
pub struct BadMark {
    /// The mark.
    pub mark: f64,
}

impl Experience {
    /// Takes a mark of a model's answer to a request, of which `expected` was the chance of a good answer.
    ///
    /// Lines that were learnt over another encoder's numbers begin anew; the counts stay.
    ///
    /// # Errors
    /// `BadMark` where it is not within 0 and 1.
    pub fn mark(&mut self, gist: &Gist, model: &ModelId, expected: f64, mark: f64) -> Result<(), BadMark> {
        Experience::check(mark)?;
        let expected = if expected.is_nan() { 0.5 } else { expected.clamp(0.0, 1.0) };
        // The line learns what the counts before this mark leave open.
        let counted = self.counted(gist.kind(), model, expected);
        let of_kind = self.by_kind.entry(gist.kind()).or_default();
        of_kind.entry(model.clone()).or_default().add(expected, mark);
        self.overall.entry(model.clone()).or_default().add(expected, mark);
        if gist.encoder() == 0 {
            return Ok(());
        }
        if self.encoder != gist.encoder() {
            self.lines.clear();
            self.encoder = gist.encoder();
        }
        self.lines.entry(model.clone()).or_default().add(gist, (mark - counted) as f32);
        Ok(())
    }

    /// Whether this is a mark.
    ///
    /// # Errors
    /// `BadMark` where it is not within 0 and 1.
    pub fn check(mark: f64) -> Result<(), BadMark> {
        if (0.0..=1.0).contains(&mark) { Ok(()) } else { Err(BadMark { mark }) }
    }

    /// Solves the lines that moved now, some fifty microseconds each, and not in the next decision.
    pub fn settle(&self) {
        self.lines.values().for_each(|line| {
            line.fit();
        });
    }

    /// Whether nothing was learnt yet.
    pub fn is_empty(&self) -> bool {
        self.overall.is_empty()
    }

    /// The score's rating, moved by what was learnt.
    pub fn adjust(&self, gist: &Gist, model: &ModelId, rating: Rating) -> Rating {
        let counted = self.counted(gist.kind(), model, rating.p_good);
        match self.lines.get(model) {
            Some(line) if gist.encoder() == self.encoder => {
                let (least, most) = (counted.min(CHANCES.0), counted.max(CHANCES.1));
                Rating { p_good: (counted + line.moved(gist)).clamp(least, most), ..rating }
            }
            _ => Rating { p_good: counted, ..rating },
        }
    }

    /// The chance of a good answer, moved by the counts.
    fn counted(&self, kind: TaskKind, model: &ModelId, expected: f64) -> f64 {
        let tally = self.by_kind.get(&kind).and_then(|models| models.get(model)).copied().unwrap_or_default();
        let Some(all) = self.overall.get(model) else { return expected };
        // What was learnt at other kinds, then at this one.
        let others = Tally {
            marks: all.marks - tally.marks,
            good: all.good - tally.good,
            expected: all.expected - tally.expected,
        };
        let weight = OTHER_KINDS;
        let marks = tally.marks + weight * others.marks.max(0.0);
        let good = tally.good + weight * others.good.max(0.0);
        let foreseen = tally.expected + weight * others.expected.max(0.0);
        // Both sides start from the same prior, so that as expected means no change.
        let prior = expected.clamp(0.01, 0.99);
        let seen = odds((good + prior * PRIOR_MARKS) / (marks + PRIOR_MARKS));
        let foreseen = odds((foreseen + prior * PRIOR_MARKS) / (marks + PRIOR_MARKS));
        let moved = odds(prior) + seen - foreseen;
        1.0 / (1.0 + (-moved).exp())
    }

    /// How many marks there are of a model, faded.
    pub fn marks(&self, model: &ModelId) -> f64 {
        self.overall.get(model).map_or(0.0, |tally| tally.marks)
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Experience::default();
    }
}

fn odds(share: f64) -> f64 {
    let share = share.clamp(0.001, 0.999);
    (share / (1.0 - share)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rating(p_good: f64) -> Rating {
        Rating { p_good, output_tokens: 100 }
    }

    fn model(name: &str) -> ModelId {
        name.parse().unwrap()
    }

    #[test]
    fn marks_move_the_model_they_are_of_most_at_their_kind() {
        let mut experience = Experience::default();
        for at in 0..100 {
            let mark = f64::from(u8::from(at % 10 < 4));
            experience.mark(&Gist::plain(TaskKind::Code), &model("acme/mini"), 0.8, mark).unwrap();
        }
        let after = |kind, name| experience.adjust(&Gist::plain(kind), &model(name), rating(0.8)).p_good;
        assert!((0.42..0.6).contains(&after(TaskKind::Code, "acme/mini")), "{}", after(TaskKind::Code, "acme/mini"));
        assert!((0.6..0.78).contains(&after(TaskKind::Writing, "acme/mini")));
        assert_eq!(after(TaskKind::Code, "acme/grand"), 0.8);
    }

    #[test]
    fn what_was_expected_changes_nothing() {
        let mut experience = Experience::default();
        for at in 0..200 {
            experience
                .mark(&Gist::plain(TaskKind::Code), &model("acme/mini"), 0.75, f64::from(u8::from(at % 4 != 0)))
                .unwrap();
        }
        let after = experience.adjust(&Gist::plain(TaskKind::Code), &model("acme/mini"), rating(0.9)).p_good;
        assert!((after - 0.9).abs() < 0.01, "{after}");
    }

    #[test]
    fn it_is_written_read_and_reset_and_refuses_bad_marks() {
        let mut experience = Experience::default();
        experience.mark(&Gist::plain(TaskKind::Code), &model("acme/mini"), 0.5, 1.0).unwrap();
        for mark in [-0.1, 1.1, f64::NAN] {
            assert!(experience.mark(&Gist::plain(TaskKind::Code), &model("acme/mini"), 0.5, mark).is_err());
        }
        let text = serde_json::to_string(&experience).unwrap();
        assert_eq!(serde_json::from_str::<Experience>(&text).unwrap(), experience);
        experience.reset();
        assert_eq!(experience, Experience::default());
    }

    #[test]
    fn what_was_written_before_there_were_lines_is_read_and_learns_on() {
        let old = r#"{"by_kind":{"code":{"acme/mini":{"marks":3.0,"good":1.0,"expected":2.0}}},
            "overall":{"acme/mini":{"marks":3.0,"good":1.0,"expected":2.0}}}"#;
        let mut experience: Experience = serde_json::from_str(old).unwrap();
        assert_eq!(experience.marks(&model("acme/mini")), 3.0);
        let scorer = crate::score::Scorer::builtin();
        let weights = |mark: f32| crate::score::write_weights(&[mark; 16], &[1.0; 16], &vec![0; 16 << 15]);
        let gist = |mark| scorer.with_encoder(&weights(mark)).unwrap().gist("def f(x): return x").0;
        experience.mark(&gist(0.0), &model("acme/mini"), 0.5, 1.0).unwrap();
        assert_eq!(experience.lines.len(), 1);
        // Another encoder's numbers mean other things: lines begin anew, counts go on.
        experience.mark(&gist(1.0), &model("acme/grand"), 0.5, 1.0).unwrap();
        assert_eq!(experience.lines.keys().collect::<Vec<_>>(), [&model("acme/grand")]);
        assert!(experience.marks(&model("acme/mini")) > 3.9);
        // Without an encoder the counts learn, and the lines stay.
        experience.mark(&Gist::plain(TaskKind::Code), &model("acme/mini"), 0.5, 1.0).unwrap();
        assert_eq!(experience.lines.len(), 1);
    }
}
