//! Learning from few marked answers, the same way every time: trees and curves for checks, what is unlike all that
//! was seen, a small model of one's own traffic, and a promise with a proof.
//!
//! All of it is pure: the random numbers come from a seed, so that the same data give the same result bit for bit.

mod feedback;
mod forest;
mod line;
mod linear;
mod logistic;
mod monitor;
mod novelty;
mod promise;
mod random;
mod shadow;

pub use feedback::{BadMark, Experience, Tally};
pub use forest::{Averages, Forest, Growth, Table};
pub use logistic::Logistic;
pub use monitor::{Monitor, Pledge, STEPS_MAX, Source};
pub use novelty::Novelty;
pub use promise::{Promise, Trial, Verdict, p_value, test};
pub use random::Seeded;
pub use shadow::ShadowSettings;
