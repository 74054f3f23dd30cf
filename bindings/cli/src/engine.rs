//! `tierway engine`: the native engine on its own.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};
use tierway_engine::EngineError;
use tierway_engine::backend::Backend;
use tierway_engine::chat::Chat;
use tierway_engine::engine::{Engine, Options, Speller};
use tierway_engine::model::Source;

use crate::Failure;

mod bench;
mod check;
mod device;
mod run;

use device::Device;

/// The native engine on its own.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    #[command(subcommand)]
    command: EngineCommand,
}

#[derive(Debug, Subcommand)]
enum EngineCommand {
    /// Compare a model with the recorded outputs in its folder.
    Check(check::CheckArgs),
    /// Let a model answer a prompt.
    Run(run::RunArgs),
    /// Measure how fast a model reads and writes, and the memory limit beside it.
    Bench(bench::BenchArgs),
}

/// Runs the subcommand.
pub(crate) fn run(args: EngineArgs) -> Result<(), Failure> {
    match args.command {
        EngineCommand::Check(args) => check::run(&args),
        EngineCommand::Run(args) => run::run(&args),
        EngineCommand::Bench(args) => bench::run(&args),
    }
}

/// A model with its tokenizer, running on a device; with so many threads there, zero meaning as many as there are cores.
fn start(path: &Path, device: Device, threads: usize, options: Options) -> Result<(Engine, Arc<Chat>), EngineError> {
    let source = Source::open(path)?;
    let chat = Arc::new(Chat::open(&source)?);
    let backend: Arc<dyn Backend> = device.backend(threads, false)?;
    let model = source.load(backend)?;
    Ok((Engine::start(model, Speller::of(chat.clone()), options)?, chat))
}

/// Files that cannot be read are told apart from wrong input.
fn failure(error: &EngineError) -> Failure {
    match error {
        EngineError::File { source, .. } => Failure::File(format!("{error} ({source})")),
        EngineError::Malformed { .. }
        | EngineError::Config { .. }
        | EngineError::Weight { .. }
        | EngineError::Tokenizer { .. }
        | EngineError::Processor { .. }
        | EngineError::Request { .. } => Failure::Input(error.to_string()),
        other => Failure::Failed(other.to_string()),
    }
}
