//! What can go wrong, by what was attempted. Every message says on what, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the engine. No message holds prompt or answer text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A file could not be read.
    #[error("cannot read {path}: check the path and its permissions")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what its format says.
    #[error("{path} is not a valid {format} file: {what}; fetch it again from its publisher")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// The format it should have.
        format: &'static str,
        /// The breach.
        what: String,
    },
    /// The model description is wrong or contradicts itself.
    #[error("the model description's '{field}' {what}")]
    Config {
        /// Which field.
        field: String,
        /// What is wrong with it and what would be right.
        what: String,
    },
    /// The model asks for something that this engine does not do.
    #[error(
        "this model needs {what}, which the engine does not do: serve it behind an OpenAI-compatible server instead"
    )]
    Unsupported {
        /// What it asks for.
        what: String,
    },
    /// A weight is missing or has the wrong shape or type.
    #[error("weight '{name}': {what}; the checkpoint does not fit its description")]
    Weight {
        /// Its name in the file.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A request that cannot be run on this model at all.
    #[error("the request cannot run: {what}")]
    Request {
        /// Why, and what would run.
        what: String,
    },
    /// The cache has no room for a request, and never will or not now.
    #[error("{needed} tokens of cache are needed and {available} can be had: {next}")]
    NoRoom {
        /// Tokens that the request needs at most.
        needed: usize,
        /// Tokens that there are.
        available: usize,
        /// What to do.
        next: &'static str,
    },
    /// Too many requests wait.
    #[error("{waiting} requests wait already: try again when some are done")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// The tokenizer's file cannot be used.
    #[error("the tokenizer cannot be used: {what}")]
    Tokenizer {
        /// Why.
        what: String,
    },
    /// The chat template failed on a conversation.
    #[error("the chat template failed: {what}")]
    Template {
        /// Why.
        what: String,
    },
    /// A GPU or what drives it cannot be used.
    #[error("the GPU cannot be used: {what}; {next}")]
    Device {
        /// What failed.
        what: String,
        /// What to do.
        next: &'static str,
    },
    /// A model, its cache and its activations do not fit on a GPU.
    #[error(
        "{needed} bytes of GPU memory are needed (weights {weights}, cache {cache}, activations {activations}) and {free} are \
         free: free some, take a smaller cache, or FP8 weights"
    )]
    NoMemory {
        /// Bytes that all take, with a reserve for the driver.
        needed: usize,
        /// Bytes that are free.
        free: usize,
        /// Bytes of the weights.
        weights: usize,
        /// Bytes of the cache.
        cache: usize,
        /// Bytes of the activations.
        activations: usize,
    },
    /// The cache that a description asks for cannot be had.
    #[error("a cache of {tokens} tokens takes {bytes} bytes, which this machine does not have: take a smaller cache")]
    CacheMemory {
        /// Tokens of the cache.
        tokens: usize,
        /// Bytes that they take.
        bytes: usize,
    },
    /// The processor is not what the environment asks for.
    #[error("TIERWAY_CPU limits the processor's instructions, and {what}: name one of these, or leave it unset")]
    Processor {
        /// What was asked for, and what there is.
        what: String,
    },
    /// The engine's thread has ended.
    #[error("the engine has stopped: load the model again")]
    Stopped,
}

impl EngineError {
    pub(crate) fn file(path: &Path, source: io::Error) -> EngineError {
        EngineError::File { path: path.to_owned(), source }
    }

    pub(crate) fn malformed(path: &Path, format: &'static str, what: impl Into<String>) -> EngineError {
        EngineError::Malformed { path: path.to_owned(), format, what: what.into() }
    }

    pub(crate) fn config(field: impl Into<String>, what: impl Into<String>) -> EngineError {
        EngineError::Config { field: field.into(), what: what.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> EngineError {
        EngineError::Unsupported { what: what.into() }
    }

    pub(crate) fn weight(name: impl Into<String>, what: impl Into<String>) -> EngineError {
        EngineError::Weight { name: name.into(), what: what.into() }
    }

    #[cfg(feature = "cuda")]
    pub(crate) fn device(what: impl Into<String>, next: &'static str) -> EngineError {
        EngineError::Device { what: what.into(), next }
    }

    pub(crate) fn request(what: impl Into<String>) -> EngineError {
        EngineError::Request { what: what.into() }
    }
}
