//! `tierway loopback`: the vendor server on loopback as a process, for tests in other languages and for trying things out.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tierway::testing::server::{Answer, Heard, Playbook, Script, Server};

use crate::Failure;

/// Serve the vendors' formats on the loopback address until standard input ends.
///
/// The first line of the output is {"url": ...}; one line follows for each request, without its key and its text.
#[derive(Debug, Args)]
pub(crate) struct LoopbackArgs {
    /// A JSON array of rules: [{"when": {"endpoint", "model", "api", "stream", "contains"}, "times": N, "answer": {"reply", "pace", "fault"}}].
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// The port; a free one by default.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Answers by the rules and prints what was asked.
struct Printing(Playbook);

impl Script for Printing {
    fn answer(&self, heard: &Heard) -> Answer {
        let line = json!({
            "number": heard.number, "endpoint": heard.endpoint, "api": heard.api, "model": heard.model,
            "stream": heard.mode == tierway::wire::Mode::Stream, "path": heard.path, "max_tokens": heard.max_tokens(),
            "body_bytes": heard.body.len(),
        });
        // The reader may have gone away, which ends nothing.
        let _ = print(&line);
        self.0.answer(heard)
    }
}

fn print(line: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

pub(crate) fn run(args: &LoopbackArgs) -> Result<(), Failure> {
    let rules = match &args.script {
        None => "[]".to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?,
    };
    let playbook =
        Playbook::parse(&rules).map_err(|error| Failure::Input(format!("the script is not valid: {error}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start_on(args.port, Printing(playbook)).await?;
        print(&json!({ "url": server.url() }))?;
        let ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
        ended.await.expect("reading does not panic")?;
        Ok(())
    })
}
