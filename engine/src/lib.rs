//! Native mixture-of-experts inference: DeepSeek's architecture and its kin, in this process.
//!
//! Data flows one way:
//!
//! - `config`: a model as data, read from its own files and checked;
//! - `weights`: files mapped into memory, every claim in them checked;
//! - `backend`: the few operations that the equations are made of; a plain reference, and fast versions tested against it;
//! - `model`: the equations: attention, routing, experts;
//! - `cache`: keys and values in pages;
//! - `check`: the whole against recorded outputs of a reference implementation.
//!
//! It knows nothing of routing between models, of vendors, or of money.

pub mod backend;
pub mod cache;
pub mod check;
pub mod config;
mod error;
pub mod limits;
pub mod model;
pub mod weights;

pub use error::EngineError;
