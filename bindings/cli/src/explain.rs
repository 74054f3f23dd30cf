//! `tierway explain`: the whole decision about a question, without a call.

use std::io::{self, Write};

use clap::Args;

use crate::Failure;
use crate::failure::of_client;
use crate::setup::Ask;

/// Show who would answer a question and why, without asking anybody.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    ask: Ask,
    /// Decide as if there were a key for every vendor; so it is where the environment holds none.
    #[arg(long)]
    all_keys: bool,
    /// Print the whole decision as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let request = args.ask.request()?;
    let mut builder = args.ask.builder(args.ask.settings()?);
    let found = builder.clone().build().map_err(of_client)?;
    let has_keys = found.keys().is_any();
    if args.all_keys || !has_keys {
        builder = builder.assume_keys();
    }
    let client = builder.build().map_err(of_client)?;
    let plan = client.route(&request).map_err(of_client)?;
    let explanation = plan.explain();
    let mut out = io::stdout().lock();
    match args.json {
        true => {
            serde_json::to_writer_pretty(&mut out, &explanation)?;
            writeln!(out)?;
        }
        false => write!(out, "{explanation}")?,
    }
    if !has_keys && !args.all_keys && !args.json {
        writeln!(io::stderr(), "note: no key was found, so this is decided as if there were one for every vendor")?;
    }
    Ok(())
}
