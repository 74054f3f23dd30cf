//! The `tierway` command: see what the router would do, let it do it, and read what it cost.
//!
//! One module a subcommand, each with its `Args` and a `run` that prints to standard output and returns a `Failure`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

mod batch;
mod calibrate;
mod catalogue;
mod chat;
mod demo;
mod embed;
mod engine;
mod explain;
mod failure;
mod ledger;
mod loopback;
mod models;
mod price;
mod progress;
mod replay;
mod report;
mod report_page;
mod schema;
mod setup;
mod table;
mod wire;

pub(crate) use failure::Failure;

/// Sends each request to the cheapest model that is good enough, and proves what it cost.
#[derive(Debug, Parser)]
#[command(name = "tierway", version, max_term_width = 100, after_help = failure::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Chat(chat::ChatArgs),
    Batch(batch::BatchArgs),
    Embed(embed::EmbedArgs),
    Explain(explain::ExplainArgs),
    Demo(demo::DemoArgs),
    /// Print the JSON Schema of requests, replies and decisions.
    Schema,
    /// Run and check models in this process.
    Engine(engine::EngineArgs),
    #[command(hide = true)]
    Loopback(loopback::LoopbackArgs),
    /// List models, their prices and where they run; compare them.
    Models(models::ModelsArgs),
    /// Say what a call cost, line by line.
    Price(price::PriceArgs),
    /// Judge ways of routing on labelled data or your own log.
    Replay(replay::ReplayArgs),
    Calibrate(calibrate::CalibrateArgs),
    Report(report::ReportArgs),
    Ledger(ledger::LedgerArgs),
    Wire(wire::WireArgs),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(std::env::args_os().any(|word| word == "--json")),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Chat(args) => chat::run(&args),
        Command::Batch(args) => batch::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Schema => schema::run(),
        Command::Engine(args) => engine::run(args),
        Command::Loopback(args) => loopback::run(&args),
        Command::Models(args) => models::run(args),
        Command::Price(args) => price::run(args),
        Command::Replay(args) => replay::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Ledger(args) => ledger::run(&args),
        Command::Wire(args) => wire::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "tierway", &mut std::io::stdout());
            Ok(())
        }
    }
}
