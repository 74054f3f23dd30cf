//! Tables of how well questions are read, on labelled public data: which kind of work, how stable under small changes of
//! wording, and how much the question alone tells of which model will fail, before and after marks.
//!
//! `cargo test -p tierway-tests --test routing -- --nocapture` prints them; `docs/benchmarks.md` has the figures. The data
//! folder is named by `TIERWAY_DATA`; without it the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what it is for")]

#[path = "routing/apgr.rs"]
mod apgr;
#[path = "routing/encoders.rs"]
mod encoders;
#[path = "routing/flips.rs"]
mod flips;
#[path = "routing/kinds.rs"]
mod kinds;
#[path = "routing/live.rs"]
mod live;
#[path = "routing/pooled.rs"]
mod pooled;
#[path = "routing/sets.rs"]
mod sets;
