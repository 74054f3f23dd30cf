//! What is kept of a request to learn from: its kind of work, its signs and what its words foretell, in few small numbers.

use super::encoder::DIMS;
use super::kind::TaskKind;
use super::reading::TRAITS;

/// How many numbers there are.
pub(crate) const GIST: usize = TRAITS + DIMS;

/// Steps of one deviation.
const STEPS: f32 = 32.0;

/// What is kept of a request to learn from: 36 numbers of a byte each. No text can be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gist {
    kind: TaskKind,
    /// Which encoder the numbers come from; zero where there is none.
    encoder: u32,
    steps: [i8; GIST],
}

impl Gist {
    /// Of a request of which the kind of work alone is known.
    pub fn plain(kind: TaskKind) -> Gist {
        Gist { kind, encoder: 0, steps: [0; GIST] }
    }

    /// Signs and words in units of their spread.
    pub(super) fn of(kind: TaskKind, encoder: u32, signs: &[f32; TRAITS], words: &[f32; DIMS]) -> Gist {
        let mut steps = [0; GIST];
        let all = signs.iter().chain(words).zip(&mut steps);
        // A cast of a number out of bounds takes the nearest bound.
        all.for_each(|(number, into)| *into = (number * STEPS) as i8);
        Gist { kind, encoder, steps }
    }

    /// The kind of work.
    pub fn kind(&self) -> TaskKind {
        self.kind
    }

    /// Which encoder the numbers come from; zero where there is none, and then they say nothing.
    pub(crate) fn encoder(&self) -> u32 {
        self.encoder
    }

    /// The numbers, in units of how much each varies among questions, from -4 to 4.
    pub(crate) fn numbers(&self) -> [f32; GIST] {
        self.steps.map(|step| f32::from(step) / STEPS)
    }
}
