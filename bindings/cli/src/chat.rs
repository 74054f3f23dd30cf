//! `tierway chat`: asks, shows the answer as it comes, then says in one line who gave it and what it cost.

use std::io::{self, Write};

use clap::Args;
use tierway::client::Response;
use tierway::{Client, Delta};

use crate::Failure;
use crate::failure::of_client;
use crate::setup::Ask;

/// Ask a question; the cheapest model that is good enough answers.
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    ask: Ask,
    /// Print the whole response as JSON: answer, route, attempts, usage, cost.
    #[arg(long)]
    json: bool,
    /// Show the model's reasoning as well, on standard error.
    #[arg(long)]
    reasoning: bool,
}

pub(crate) fn run(args: &ChatArgs) -> Result<(), Failure> {
    let request = args.ask.request()?;
    let mut config = args.ask.settings()?;
    config.ledger.path.get_or_insert_with(|| crate::report::FILE_NAME.into());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let client = args.ask.builder(config).build().map_err(of_client)?;
        let answered = match args.json {
            true => whole(&client, &request).await,
            false => piece_by_piece(&client, &request, args.reasoning).await,
        };
        let closed = client.close().await;
        answered.and_then(|()| closed.map_err(of_client))
    })
}

async fn whole(client: &Client, request: &tierway::Request) -> Result<(), Failure> {
    let response = client.send(request).await.map_err(of_client)?;
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &response)?;
    writeln!(out)?;
    Ok(())
}

async fn piece_by_piece(client: &Client, request: &tierway::Request, reasoning: bool) -> Result<(), Failure> {
    let mut stream = client.stream(request).await.map_err(of_client)?;
    while let Some(delta) = stream.next().await {
        match delta {
            Ok(Delta::Text { text, .. } | Delta::Refusal { text, .. }) => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            Ok(Delta::Reasoning { text, .. }) if reasoning => io::stderr().write_all(text.as_bytes())?,
            Ok(Delta::ToolCall { name, .. }) => writeln!(io::stderr(), "[calls {name}]")?,
            Ok(_) => {}
            Err(error) => {
                writeln!(io::stdout())?;
                return Err(of_client(error));
            }
        }
    }
    writeln!(io::stdout())?;
    if let Some(response) = stream.response() {
        writeln!(io::stderr(), "{}", summary(response))?;
    }
    Ok(())
}

/// `deepseek/deepseek-chat (economy): $0.0000123, saved $0.0145 against anthropic/claude-opus-4-5 (99.9 %)`
fn summary(response: &Response) -> String {
    let route = &response.route;
    let mut line = format!("{} ({}): {}", route.model, route.tier, response.cost.short());
    if let (Some(baseline), Some(cost)) = (&route.baseline, response.baseline_cost)
        && *baseline != route.model
    {
        let share = 100.0 * response.saved.to_f64_lossy() / cost.to_f64_lossy().max(f64::MIN_POSITIVE);
        let words = if response.saved.is_negative() { "more than" } else { "saved against" };
        let amount = response.saved.short();
        line += &format!(", {} {words} {baseline} ({share:.1} %)", amount.trim_start_matches('-'));
    }
    if route.attempts.len() > 1 {
        line += &format!(", {} attempts", route.attempts.len());
    }
    line
}
