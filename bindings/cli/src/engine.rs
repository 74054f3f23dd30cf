//! `tierway engine`: the native engine on its own.

use clap::{Args, Subcommand};

use crate::Failure;

mod check;

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
}

/// Runs the subcommand.
pub(crate) fn run(args: EngineArgs) -> Result<(), Failure> {
    match args.command {
        EngineCommand::Check(args) => check::run(&args),
    }
}
