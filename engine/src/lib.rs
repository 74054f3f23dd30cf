//! Native mixture-of-experts inference: DeepSeek's architecture and its kin, in this process.
//!
//! Data flows one way:
//!
//! - `config`: a model as data, read from its own files and checked;
//! - `weights`: files mapped into memory, every claim in them checked;
//! - `backend`: the few operations that the equations are made of; a plain reference, and fast versions tested against it;
//! - `model`: the equations: attention, routing, experts;
//! - `cache`: keys and values in pages;
//! - `cuda`: whole passes on an NVIDIA GPU, by kernels of the same equations (feature `cuda`);
//! - `tokenizer`, `template`: text to tokens and back, and conversations to text, by the model's own files;
//! - `pages`, `scheduler`: whose the cache's pages are and what the next pass computes, pure;
//! - `sampler`, `writer`: logits to tokens, and tokens to text that may be shown, pure;
//! - `shape`: which tokens keep an answer to a JSON Schema;
//! - `chat`, `engine`: a model with its own way to read and write, answering many requests at the same time;
//! - `check`: the whole against recorded outputs of a reference implementation.
//!
//! It knows nothing of routing between models, of vendors, or of money.

pub mod backend;
pub mod bench;
pub mod cache;
pub mod chat;
pub mod check;
pub mod config;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod engine;
mod error;
mod json;
pub mod limits;
pub mod model;
pub mod pages;
pub mod sampler;
pub mod scheduler;
pub mod shape;
pub mod template;
#[cfg(test)]
mod testing;
pub mod tokenizer;
pub mod weights;
pub mod writer;

pub use error::EngineError;
