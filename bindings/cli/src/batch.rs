//! `tierway batch`: hands in a file of requests at the batch price, looks after it, and fetches its answers.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tierway::client::{BatchHandle, BatchItem, BatchView, Collected, EmbedRequest, ItemOutcome};
use tierway::config::Config;
use tierway::id::BatchId;
use tierway::{Client, Request};

use crate::Failure;
use crate::failure::of_client;
use crate::setup::read_text;
use crate::table::{Side, Table};

/// Hand in many requests at the batch price, to be answered within a day.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    #[command(subcommand)]
    what: What,
    /// The settings; TIERWAY_CONFIG or ./tierway.toml where it is left out.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Hand in a file: a request in JSON a line, as `tierway schema` says, or all of them `{"model", "inputs"}` for
    /// embeddings; `-` is standard input.
    Submit {
        /// The file.
        file: PathBuf,
        /// An id of your own, of letters, digits, - and _: handing it in again sends nothing.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
    /// Ask the vendors how a batch fares.
    Status {
        /// Its id.
        id: String,
    },
    /// Fetch the results of what is over and settle it; a JSON line for each item.
    Collect {
        /// Its id.
        id: String,
        /// Write the lines here rather than to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Ask the vendors to stop a batch; what is answered by then is kept and billed.
    Cancel {
        /// Its id.
        id: String,
    },
    /// List the batches that the ledger knows.
    List,
}

pub(crate) fn run(args: &BatchArgs) -> Result<(), Failure> {
    let found = match &args.config {
        Some(path) => Config::load(path),
        None => Config::find(),
    };
    let mut config = found.map_err(|error| Failure::Input(error.to_string()))?;
    config.ledger.path.get_or_insert_with(|| crate::report::FILE_NAME.into());
    let requests = match &args.what {
        What::Submit { file, .. } => read_requests(file)?,
        _ => Wanted::Answers(Vec::new()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let client = Client::builder().config(config).environment().build().map_err(of_client)?;
        let done = work(args, &client, requests).await;
        let closed = client.close().await;
        done.and_then(|()| closed.map_err(of_client))
    })
}

/// What the lines of a file ask for.
enum Wanted {
    Answers(Vec<Request>),
    Vectors(Vec<EmbedRequest>),
}

fn read_requests(file: &std::path::Path) -> Result<Wanted, Failure> {
    let text = read_text(file)?;
    let lines: Vec<(usize, &str)> = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    // The first line says what the others must be, too.
    let first = lines.first().and_then(|(_, line)| serde_json::from_str::<Value>(line).ok());
    match first.is_some_and(|first| first.get("inputs").is_some()) {
        true => read_lines(file, &lines).map(Wanted::Vectors),
        false => read_lines(file, &lines).map(Wanted::Answers),
    }
}

fn read_lines<T: serde::de::DeserializeOwned>(
    file: &std::path::Path,
    lines: &[(usize, &str)],
) -> Result<Vec<T>, Failure> {
    let read = |(at, line): &(usize, &str)| {
        let wrong = |error| Failure::Input(format!("{}:{}: {error}", file.display(), at + 1));
        serde_json::from_str(line).map_err(wrong)
    };
    lines.iter().map(read).collect()
}

fn batch_id(text: &str) -> Result<BatchId, Failure> {
    BatchId::new(text).map_err(|error| Failure::Input(error.to_string()))
}

async fn resume(client: &Client, id: &str) -> Result<BatchHandle, Failure> {
    client.resume(&batch_id(id)?).await.map_err(of_client)
}

async fn work(args: &BatchArgs, client: &Client, wanted: Wanted) -> Result<(), Failure> {
    match &args.what {
        What::Submit { id, .. } => {
            let id = id.as_deref().map(batch_id).transpose()?;
            let handed_in = match (wanted, id) {
                (Wanted::Answers(requests), Some(id)) => client.batch_as(id, requests).await,
                (Wanted::Answers(requests), None) => client.batch(requests).await,
                (Wanted::Vectors(items), Some(id)) => client.batch_embed_as(id, items).await,
                (Wanted::Vectors(items), None) => client.batch_embed(items).await,
            };
            show(args, handed_in.map_err(of_client)?.view())
        }
        What::Status { id } => {
            let mut batch = resume(client, id).await?;
            show(args, batch.poll().await.map_err(of_client)?)
        }
        What::Cancel { id } => {
            let mut batch = resume(client, id).await?;
            show(args, batch.cancel().await.map_err(of_client)?)
        }
        What::Collect { id, out } => {
            let mut batch = resume(client, id).await?;
            let collected = batch.collect().await.map_err(of_client)?;
            bring(args, batch.view(), &collected, out.as_deref())
        }
        What::List => list(args, &client.batches().await.map_err(of_client)?),
    }
}

fn show(args: &BatchArgs, view: &BatchView) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, view)?;
        return Ok(writeln!(out)?);
    }
    writeln!(out, "{}: {} items in {} jobs", view.id, view.items, view.jobs.len())?;
    let columns = [
        ("endpoint", Side::Left),
        ("model", Side::Left),
        ("items", Side::Right),
        ("answered", Side::Right),
        ("failed", Side::Right),
        ("state", Side::Left),
        ("job", Side::Left),
    ];
    let mut table = Table::new(&columns);
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    for job in &view.jobs {
        let note = job.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        table.row([
            job.endpoint.to_string(),
            if job.model.is_empty() { "several".to_owned() } else { job.model.clone() },
            job.items.to_string(),
            count(job.answered),
            count(job.failed),
            job.state.as_str().to_owned(),
            format!("{}{note}", job.vendor_id.as_deref().unwrap_or("-")),
        ]);
    }
    Ok(table.print(&mut out)?)
}

fn list(args: &BatchArgs, all: &[BatchView]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, all)?;
        return Ok(writeln!(out)?);
    }
    let mut table = Table::new(&[("batch", Side::Left), ("items", Side::Right), ("jobs", Side::Left)]);
    for view in all {
        let states: Vec<&str> = view.jobs.iter().map(|job| job.state.as_str()).collect();
        table.row([view.id.to_string(), view.items.to_string(), states.join(", ")]);
    }
    Ok(table.print(&mut out)?)
}

/// A line for each item, and how many came.
fn bring(args: &BatchArgs, view: &BatchView, all: &Collected, out: Option<&std::path::Path>) -> Result<(), Failure> {
    let items: Vec<Value> = all.items.iter().enumerate().map(|(number, item)| line(number, item)).collect();
    let whole = json!({
        "id": view.id, "items": items, "cost": all.cost, "answered": all.answered(), "strange_lines": all.strange_lines,
    });
    let mut text = String::new();
    match args.json {
        true => text = format!("{whole:#}\n"),
        false => items.iter().for_each(|item| text += &format!("{item}\n")),
    }
    match out {
        Some(path) => std::fs::write(path, text).map_err(|error| Failure::file(path, &error))?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    let (answered, count) = (all.answered(), all.items.len());
    writeln!(io::stderr(), "{}: {answered} of {count} answered, {}", view.id, all.cost.short())?;
    Ok(())
}

fn line(number: usize, item: &BatchItem) -> Value {
    let reason = match &item.outcome {
        ItemOutcome::Failed(error) => Some(json!({"kind": error.kind, "message": error.message})),
        ItemOutcome::Rejected(why) => Some(json!({"kind": "rejected", "message": why})),
        _ => None,
    };
    let mut line = json!({
        "number": number, "model": item.model, "endpoint": item.endpoint, "outcome": item.outcome.as_str(),
        "text": item.reply().map(tierway::Reply::text), "reply": item.reply(), "error": reason, "cost": item.cost,
        "lines": item.lines,
    });
    if let Some(vectors) = item.vectors() {
        line["vectors"] = json!(vectors);
    }
    line
}
