//! The CPU: a plain reference, and a fast version that is tested against it.

mod reference;

pub use reference::Reference;
