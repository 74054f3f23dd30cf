//! What tests need, ours and third parties': a vendor server on loopback, a scripted provider, conformance suites.
//!
//! A provider, a transport or a store of your own passes the suite of its kind, or is not done. Nothing here runs in
//! production, and the server listens on the loopback address alone.

pub mod conformance;
mod draws;
pub mod recorded;
pub mod scripted;
pub mod server;
pub mod store;
pub mod world;

pub use draws::{Draws, seed_of};
pub use scripted::ScriptedProvider;
