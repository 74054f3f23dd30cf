//! `tierway wire`: what our wires make of a vendor's bytes, whole recordings or one body.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tierway::limits::{OUTPUT_TOKENS_DEFAULT, REPLY_BYTES_MAX};
use tierway::model::Api;
use tierway::testing::recorded::Exchange;
use tierway::wire::{Ask, for_api, verbatim};

use crate::Failure;

mod count;
mod lines;
mod print;

/// Read vendors' bytes as the router would, and say what they mean.
#[derive(Debug, Args)]
pub(crate) struct WireArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Decode(DecodeArgs),
    Request(RequestArgs),
}

/// Print what answers say, one JSON line each: those of recorded exchanges, or one body from standard input.
#[derive(Debug, Args)]
struct DecodeArgs {
    /// Files of recorded exchanges: JSON lines, also gzip.
    #[arg(long, num_args = 1.., value_name = "FILE", required_unless_present = "api", conflicts_with = "api")]
    exchanges: Vec<PathBuf>,
    /// The format of the one body.
    #[arg(long, value_name = "NAME")]
    api: Option<String>,
    /// The body is a stream.
    #[arg(long, requires = "api")]
    stream: bool,
    /// The status that it came with.
    #[arg(long, default_value_t = 200, requires = "api", value_parser = clap::value_parser!(u16).range(100..=599))]
    status: u16,
    /// Print a table by provider and format in place of the lines.
    #[arg(long, requires = "exchanges")]
    table: bool,
    /// Write the table as a page of the documentation.
    #[arg(long, requires = "exchanges", value_name = "FILE", num_args = 0..=1, default_missing_value = "docs/conformance.md")]
    write_docs: Option<PathBuf>,
}

/// Read one request body from standard input and print it as it is written again.
#[derive(Debug, Args)]
struct RequestArgs {
    /// The format of the body.
    #[arg(long, value_name = "NAME")]
    api: String,
}

/// Runs the command.
pub(crate) fn run(args: &WireArgs) -> Result<(), Failure> {
    match &args.command {
        Command::Decode(args) => match &args.api {
            Some(api) => one(args, api),
            None => all(args),
        },
        Command::Request(args) => request(args),
    }
}

/// Every exchange of the files.
fn all(args: &DecodeArgs) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut counts = count::Counts::default();
    let counted = args.table || args.write_docs.is_some();
    for path in &args.exchanges {
        lines::each(path, |number, line| {
            match line.and_then(|line| Exchange::read(&line)) {
                Ok(exchange) if counted => counts.add(&exchange, &exchange.decode()),
                Ok(exchange) => writeln!(out, "{}", print::line(Some(&exchange.id), &exchange.decode()))?,
                Err(why) if counted => counts.broken(path, number, &why),
                Err(why) => writeln!(out, "{}", print::broken(path, number, &why))?,
            }
            Ok(())
        })?;
    }
    if args.table {
        counts.print(&mut out)?;
    }
    if let Some(path) = &args.write_docs {
        let before = std::fs::read_to_string(path).unwrap_or_default();
        std::fs::write(path, counts.page(&before)).map_err(|error| Failure::file(path, &error))?;
    }
    Ok(out.flush()?)
}

/// The one body.
fn one(args: &DecodeArgs, api: &str) -> Result<(), Failure> {
    if api != "chat" {
        named(api)?;
    }
    let exchange = Exchange {
        api: api.to_owned(),
        status: args.status,
        body: input()?,
        is_stream: Some(args.stream && args.status < 300),
        ..Exchange::default()
    };
    let mut out = io::stdout().lock();
    Ok(writeln!(out, "{}", print::line(None, &exchange.decode()))?)
}

/// A request body, written again with nothing added.
fn request(args: &RequestArgs) -> Result<(), Failure> {
    let api = if args.api == "chat" { Api::ChatCompletions } else { named(&args.api)? };
    let wire = for_api(api).ok_or_else(|| Failure::Input(format!("no wire writes {api}")))?;
    let refused = |error: tierway::ProviderError| Failure::Input(error.to_string());
    let parsed = wire.parse(&input()?).map_err(refused)?;
    let (card, endpoint) = (verbatim::card(&parsed.wire_model), verbatim::endpoint(api));
    let max_tokens = parsed.draft.max_tokens.unwrap_or(OUTPUT_TOKENS_DEFAULT);
    let ask = Ask { draft: &parsed.draft, card: &card, endpoint: &endpoint, max_tokens };
    let written = wire.write(&ask, parsed.mode).map_err(refused)?;
    let mut out = io::stdout().lock();
    out.write_all(&written.body)?;
    Ok(writeln!(out)?)
}

fn named(api: &str) -> Result<Api, Failure> {
    api.parse().map_err(|error: tierway::model::UnknownApi| Failure::Input(error.to_string()))
}

/// Standard input, up to the largest answer that the router reads.
fn input() -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    io::stdin().lock().take(REPLY_BYTES_MAX as u64 + 1).read_to_end(&mut body)?;
    match body.len() > REPLY_BYTES_MAX {
        true => Err(Failure::Input(format!("the body is larger than {} MiB", REPLY_BYTES_MAX >> 20))),
        false => Ok(body),
    }
}
