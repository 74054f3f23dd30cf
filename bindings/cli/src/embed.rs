//! `tierway embed`: makes a vector of each text, and says in one line what they cost.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use tierway::client::EmbedRequest;
use tierway::config::Config;
use tierway::wire::embeddings::EmbedUse;
use tierway::{Client, ModelId};

use crate::Failure;
use crate::failure::of_client;
use crate::setup::read_text;

/// Make a vector of each text: a JSON array of numbers a line.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// The texts; the lines of standard input where none is given.
    texts: Vec<String>,
    /// The model, as vendor/name: vectors of two models cannot be compared.
    #[arg(long, short, value_name = "MODEL")]
    model: ModelId,
    /// How many numbers a vector should have, for models that can be told.
    #[arg(long, value_name = "N")]
    dimensions: Option<u32>,
    /// What they are for, for models that tell it apart.
    #[arg(long = "for", value_name = "USE")]
    purpose: Option<Purpose>,
    /// A tag for the ledger, as key=value. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    tag: Vec<String>,
    /// A kind of data that the texts hold: policy says where it may go. May be repeated.
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Print the vectors with model, usage and cost as one JSON object.
    #[arg(long)]
    json: bool,
    /// The settings; TIERWAY_CONFIG or ./tierway.toml where it is left out.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Purpose {
    /// Texts that are searched.
    Document,
    /// What is searched for.
    Query,
    /// Texts that are sorted into classes.
    Classification,
    /// Texts that are grouped.
    Clustering,
}

impl Purpose {
    fn wanted(self) -> EmbedUse {
        match self {
            Purpose::Document => EmbedUse::Document,
            Purpose::Query => EmbedUse::Query,
            Purpose::Classification => EmbedUse::Classification,
            Purpose::Clustering => EmbedUse::Clustering,
        }
    }
}

pub(crate) fn run(args: &EmbedArgs) -> Result<(), Failure> {
    let found = match &args.config {
        Some(path) => Config::load(path),
        None => Config::find(),
    };
    let mut config = found.map_err(|error| Failure::Input(error.to_string()))?;
    config.ledger.path.get_or_insert_with(|| crate::report::FILE_NAME.into());
    let request = request(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let client = Client::builder().config(config).environment().build().map_err(of_client)?;
        let made = client.embed(&request).await.map_err(of_client);
        let closed = client.close().await;
        let made = made?;
        closed.map_err(of_client)?;
        let mut out = io::stdout().lock();
        match args.json {
            true => writeln!(out, "{}", json!(made))?,
            false => made.vectors.iter().try_for_each(|vector| writeln!(out, "{}", json!(vector)))?,
        }
        let count = made.vectors.len();
        writeln!(io::stderr(), "{}: {count} vectors for {}", made.model, made.cost.short())?;
        Ok(())
    })
}

fn request(args: &EmbedArgs) -> Result<EmbedRequest, Failure> {
    let texts = match args.texts.is_empty() {
        false => args.texts.clone(),
        true => read_text(std::path::Path::new("-"))?.lines().map(str::to_owned).collect(),
    };
    let mut request = EmbedRequest::new(args.model.clone(), texts);
    request.dimensions = args.dimensions;
    request.purpose = args.purpose.map(Purpose::wanted);
    for tag in &args.tag {
        let (key, value) = tag
            .split_once('=')
            .ok_or_else(|| Failure::Input(format!("--tag {tag}: write it as key=value, such as team=support")))?;
        request.tags.insert(key.to_owned(), value.to_owned());
    }
    for label in &args.label {
        let label = tierway::DataLabel::new(label).map_err(|error| Failure::Input(format!("--label: {error}")))?;
        request.labels.insert(label);
    }
    Ok(request)
}
