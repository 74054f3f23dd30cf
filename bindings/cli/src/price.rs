//! `tierway price`: what a call cost, line by line, from the usage that a vendor reported.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use tierway::EndpointId;
use tierway::catalog::{Billing, Catalog, Charge, NameError};
use tierway::model::{Api, Dialect, Endpoint, ModelCard};
use tierway::request::ServiceTier;
use tierway::time::Timestamp;
use tierway::wire::usage_of;

use crate::Failure;
use crate::catalogue::{Rows, or_now, when};
use crate::table::{Side, Table};

/// Largest file that is read: a whole reply body fits.
const FILE_BYTES_MAX: u64 = 96 << 20;

/// What a call cost, from a vendor's usage object.
#[derive(Debug, Args)]
pub(crate) struct PriceArgs {
    /// An id, an alias or a vendor's own name.
    #[arg(long, short, value_name = "MODEL")]
    model: String,
    /// JSON of a vendor's usage object, or of a reply that holds one; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    usage: PathBuf,
    /// The format of the usage: chat_completions, responses, messages, generateContent, converse, ...; told from its
    /// fields where it is left out.
    #[arg(long, value_name = "NAME")]
    api: Option<String>,
    /// The lane that was asked for: batch, flex or priority. One that the usage names counts before it.
    #[arg(long, value_name = "LANE", value_parser = lane)]
    lane: Option<ServiceTier>,
    /// When the call ended; now where it is left out.
    #[arg(long, value_name = "TIME", value_parser = when)]
    at: Option<Timestamp>,
    /// The endpoint that answered: some cost more.
    #[arg(long, value_name = "ID")]
    endpoint: Option<EndpointId>,
    /// Pictures that the call made, where they are billed by the piece.
    #[arg(long, value_name = "N", default_value_t = 0)]
    images: u64,
    /// Take the vendor's own figure where it states one.
    #[arg(long)]
    stated: bool,
    /// Write JSON; money as exact decimals.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    rows: Rows,
}

fn lane(text: &str) -> Result<ServiceTier, String> {
    serde_json::from_value(Value::from(text)).map_err(|_| "use batch, flex, priority or standard".to_owned())
}

/// Runs the command.
pub(crate) fn run(args: PriceArgs) -> Result<(), Failure> {
    let catalog = args.rows.load()?;
    let body = read(&args)?;
    let usage = usage_in(&body).ok_or_else(|| Failure::Input("no usage object in it".to_owned()))?;
    let card = model(&catalog, &args.model, usage)?;
    let endpoint = endpoint(&catalog, card, args.endpoint.as_ref())?;
    let api = match &args.api {
        Some(name) => named_api(name)?,
        None => guess_api(usage, endpoint)
            .ok_or_else(|| Failure::Input("the usage is of no known format: say which with --api".to_owned()))?,
    };
    let stock = Dialect::default();
    let dialect = dialect(&catalog, card, endpoint, args.endpoint.is_some(), api).unwrap_or(&stock);
    let used = usage_of(api, usage, dialect).filter(|used| !used.is_empty());
    let used = used.ok_or_else(|| Failure::Input(format!("no token count in it that {api} knows: check --api")))?;
    let billing = Billing {
        lane: args.lane,
        at: or_now(args.at),
        endpoint: args.endpoint.as_ref(),
        take_stated: args.stated,
        images: args.images,
    };
    let charge =
        card.prices.charge(&used, &billing).map_err(|error| Failure::Input(format!("{}: {error}", card.id)))?;
    let mut out = io::stdout().lock();
    if args.json {
        let mut answer = json!({"model": card.id, "api": api, "usage": used});
        let fields = serde_json::to_value(&charge)?;
        if let (Some(answer), Value::Object(fields)) = (answer.as_object_mut(), fields) {
            answer.extend(fields);
        }
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(());
    }
    print(card, &charge, &mut out)
}

/// The model of that name. One that several vendors sell is that of the vendor whose own fields are in the usage, else
/// of the likeliest, which is said.
fn model<'a>(catalog: &'a Catalog, name: &str, usage: &Value) -> Result<&'a ModelCard, Failure> {
    let named = catalog.all_named(name);
    let marked = |card: &&&Arc<ModelCard>| {
        let mark = |endpoint: &Arc<Endpoint>| {
            let field = endpoint.dialect.more.get("usage_mark");
            field.is_some_and(|field| usage.get(field).is_some_and(|value| !value.is_null()))
        };
        catalog.endpoints_of(card).any(mark)
    };
    if let Some(card) = named.iter().find(marked) {
        return Ok(card);
    }
    match catalog.resolve(name) {
        Ok(card) => Ok(card),
        Err(NameError::Several { ids, .. }) => {
            let sold = |card: &&&Arc<ModelCard>| catalog.endpoints_of(card).any(|endpoint| !endpoint.self_hosted);
            let card = named.iter().find(sold).or(named.first()).expect("several names are at least one");
            let others: Vec<&str> = ids.iter().map(String::as_str).filter(|id| *id != card.id.as_str()).collect();
            let note = format!("tierway: priced as {}; the name also means {}", card.id, others.join(", "));
            // Standard error may be closed: the model stands in the answer as well.
            let _ = writeln!(io::stderr(), "{note}");
            Ok(card)
        }
        Err(error) => Err(Failure::Input(error.to_string())),
    }
}

fn print(card: &ModelCard, charge: &Charge, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "{}{}", card.id, if charge.basis.is_stated { ": the vendor's own figure" } else { "" })?;
    let mut table =
        Table::new(&[("class", Side::Left), ("quantity", Side::Right), ("rate", Side::Right), ("amount", Side::Right)]);
    for line in &charge.lines {
        let per = if line.class.is_tokens() { "/M" } else { "" };
        table.row([
            line.class.to_string(),
            line.quantity.to_string(),
            format!("${}{per}", line.rate),
            format!("${}", line.amount),
        ]);
    }
    table.row(["total".to_owned(), String::new(), String::new(), format!("${}", charge.total)]);
    table.print(out)?;
    if let Some(uplift) = &charge.basis.uplift {
        writeln!(out, "amounts are times {uplift} for the endpoint")?;
    }
    for class in &charge.unpriced {
        writeln!(out, "not in the total: {class} has no price")?;
    }
    Ok(())
}

fn read(args: &PriceArgs) -> Result<Value, Failure> {
    let mut text = String::new();
    let failed = |error: io::Error| Failure::file(&args.usage, &error);
    let source: Box<dyn Read> = match args.usage.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(std::fs::File::open(&args.usage).map_err(failed)?),
    };
    source.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| Failure::Input(format!("{}: {error}", args.usage.display())))
}

/// The usage object itself, or the one inside a reply or a stream's event.
fn usage_in(body: &Value) -> Option<&Value> {
    const PATHS: [&str; 6] =
        ["/usage", "/usageMetadata", "/response/usage", "/message/usage", "/metadata/usage", "/meta"];
    let inner = PATHS.iter().find_map(|path| body.pointer(path).filter(|usage| usage.is_object()));
    inner.or(Some(body)).filter(|usage| usage.is_object())
}

fn endpoint<'a>(catalog: &'a Catalog, card: &'a ModelCard, id: Option<&EndpointId>) -> Result<&'a Endpoint, Failure> {
    let mut served = catalog.endpoints_of(card);
    match id {
        None => served.next().map(|endpoint| &**endpoint),
        Some(id) => served.find(|endpoint| endpoint.id == *id).map(|endpoint| &**endpoint),
    }
    .ok_or_else(|| {
        let ids: Vec<&str> = catalog.endpoints_of(card).map(|endpoint| endpoint.id.as_str()).collect();
        Failure::Input(format!("no such endpoint serves {}: use {}", card.id, ids.join(" or ")))
    })
}

/// How the vendor differs in this format: of the endpoint that was named, or of the model's first that speaks it.
fn dialect<'a>(
    catalog: &'a Catalog,
    card: &'a ModelCard,
    endpoint: &'a Endpoint,
    is_named: bool,
    api: Api,
) -> Option<&'a Dialect> {
    if is_named || endpoint.api == api {
        return Some(&endpoint.dialect);
    }
    catalog.endpoints_of(card).find(|endpoint| endpoint.api == api).map(|endpoint| &endpoint.dialect)
}

/// A format by its name, or by what people call it.
fn named_api(name: &str) -> Result<Api, Failure> {
    let common = match name.to_ascii_lowercase().as_str() {
        "chat" | "openai" | "openai_chat" | "chat-completions" => Some(Api::ChatCompletions),
        "openai_responses" => Some(Api::Responses),
        "anthropic" => Some(Api::Messages),
        "gemini" | "google" | "generate_content" | "generatecontent" => Some(Api::GenerateContent),
        "bedrock" => Some(Api::Converse),
        "cohere" => Some(Api::CohereChat),
        "ollama" => Some(Api::OllamaChat),
        _ => None,
    };
    match common {
        Some(api) => Ok(api),
        None => name.parse().map_err(|error: tierway::model::UnknownApi| Failure::Input(error.to_string())),
    }
}

/// The format that a usage object's fields tell, before the one that the endpoint speaks.
fn guess_api(usage: &Value, endpoint: &Endpoint) -> Option<Api> {
    let has = |field: &str| usage.get(field).is_some();
    if has("promptTokenCount") || has("candidatesTokenCount") || has("totalTokenCount") {
        return Some(Api::GenerateContent);
    }
    if has("inputTokens") || has("outputTokens") {
        return Some(Api::Converse);
    }
    if has("prompt_tokens") || has("completion_tokens") {
        return Some(if endpoint.api == Api::Embeddings { Api::Embeddings } else { Api::ChatCompletions });
    }
    if has("prompt_eval_count") || has("eval_count") {
        return Some(Api::OllamaChat);
    }
    if has("billed_units") {
        return Some(Api::CohereChat);
    }
    if has("input_tokens") || has("output_tokens") {
        let is_messages =
            ["cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"].iter().any(|f| has(f));
        let is_responses = ["input_tokens_details", "output_tokens_details", "total_tokens"].iter().any(|f| has(f));
        return Some(match (is_messages, is_responses, endpoint.api) {
            (true, _, _) => Api::Messages,
            (_, true, _) => Api::Responses,
            (_, _, Api::Messages | Api::Invoke) => Api::Messages,
            _ => Api::Responses,
        });
    }
    has("tokens").then_some(Api::CohereChat)
}
