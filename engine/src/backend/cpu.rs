//! The CPU: a plain reference, and a fast version that is tested against it.

mod fast;
mod quantised;
mod reference;
mod simd;

pub use fast::Fast;
pub use reference::Reference;

#[cfg(test)]
mod suite;
