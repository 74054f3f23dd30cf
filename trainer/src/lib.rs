//! Trains the score's encoder: what the words of a question foretell, from labelled public sets.
//!
//! Which sets may be used, and what is foretold, is in `lesson`; `ridge` fits it and `train` rounds it to a byte a weight.
//! Everything is added, multiplied, divided and rooted in one order on one thread, with no function whose last digit
//! differs between machines, so the same data give the same bytes everywhere. A test compares them with those that ship.
//!
//! What it does not do: judge. The routing tests judge encoders that were trained without what they are judged on.

mod lesson;
mod ridge;
mod sets;
mod train;

pub use lesson::{Lesson, SOURCES};
pub use sets::{Set, SetError, read_sets};
pub use train::train;
