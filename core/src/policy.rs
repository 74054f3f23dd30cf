//! May this model, at this endpoint, see this request? Policy is a wall: `admit` alone makes an `Admission`, and a
//! `Call` can be made from nothing else.
//!
//! A refusal is a value, not an error, and all reasons are named, not the first.

mod admission;
pub use admission::Admission;
