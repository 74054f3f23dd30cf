//! Turns pairs of values by angles that grow with the position. Source: RoFormer, arXiv 2104.09864, equation 34.

use crate::config::{Pairing, Rope};

/// The angles of a model.
#[derive(Clone, Debug)]
pub struct Turns {
    frequencies: Vec<f32>,
    pairing: Pairing,
    amplitude: f32,
}

impl Turns {
    /// Of `rotary` values a head.
    pub fn new(rope: &Rope, rotary: usize) -> Turns {
        Turns { frequencies: rope.frequencies(rotary), pairing: rope.pairing, amplitude: rope.amplitude }
    }

    /// Cosine and sine of each pair at a position, times the amplitude: `[rotary / 2]`.
    pub fn at(&self, position: usize) -> Vec<(f32, f32)> {
        let turn = |frequency: &f32| {
            let angle = position as f32 * frequency;
            (angle.cos() * self.amplitude, angle.sin() * self.amplitude)
        };
        self.frequencies.iter().map(turn).collect()
    }

    /// Turns the values of one head: `[rotary]`.
    pub fn apply(&self, turns: &[(f32, f32)], head: &mut [f32]) {
        let half = turns.len();
        for (pair, (cos, sin)) in turns.iter().enumerate() {
            let (a, b) = match self.pairing {
                Pairing::Interleaved => (2 * pair, 2 * pair + 1),
                Pairing::HalfSplit => (pair, pair + half),
            };
            let (x, y) = (head[a], head[b]);
            head[a] = x * cos - y * sin;
            head[b] = y * cos + x * sin;
        }
    }
}
