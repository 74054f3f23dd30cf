//! Prices of real usage bodies against those that a public catalogue expects for them: exact, or for a listed reason.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tierway::Usd;
use tierway::catalog::{Billing, Catalog, parse_time};
use tierway::model::{Api, Dialect};
use tierway::usage::Usage;
use tierway::wire::{for_api, usage_of};

/// The day of the catalogue that made the expected prices, at an hour at which DeepSeek asked its full price.
const THEN: &str = "2026-08-21T12:00Z";

fn rows() -> Vec<Value> {
    let Some(folder) = std::env::var_os("TIERWAY_DATA") else {
        println!("skipped: priced usage bodies (768 cases)");
        return Vec::new();
    };
    let file =
        std::fs::File::open(Path::new(&folder).join("prices/usages.jsonl.gz")).expect("the data folder is whole");
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip of UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// The format of a usage object, from its fields.
fn format_of(usage: &Value) -> Option<Api> {
    let has = |field: &str| usage.get(field).is_some();
    let any = |fields: &[&str]| fields.iter().any(|field| has(field));
    if any(&["promptTokenCount", "candidatesTokenCount", "totalTokenCount"]) {
        return Some(Api::GenerateContent);
    }
    if any(&["inputTokens", "outputTokens"]) {
        return Some(Api::Converse);
    }
    if any(&["prompt_tokens", "completion_tokens"]) {
        return Some(Api::ChatCompletions);
    }
    if has("input_tokens") {
        let is_messages = any(&["cache_creation_input_tokens", "cache_read_input_tokens"]);
        return Some(if is_messages { Api::Messages } else { Api::Responses });
    }
    has("billed_units").then_some(Api::CohereChat)
}

/// The format that a reading of the source is of.
fn format_read(provider: &str, flavor: &str) -> Option<Api> {
    match (provider, flavor) {
        ("anthropic", "default") | (_, "anthropic") => Some(Api::Messages),
        ("aws", "default") => Some(Api::Converse),
        ("google", "default") => Some(Api::GenerateContent),
        ("groq" | "mistral", "default") | (_, "chat") => Some(Api::ChatCompletions),
        (_, "responses") => Some(Api::Responses),
        _ => None,
    }
}

/// The name under which the catalogue has what a provider of the source sells.
fn our_name(provider: &str, api: Api, model: &str) -> String {
    match (provider, api) {
        ("google", Api::Messages) => format!("vertex/{model}"),
        _ => format!("{provider}/{model}"),
    }
}

/// Why the source is wrong or out of date, as a rule over what was used and sold; `None` where it is not.
fn excuse(id: &str, usage: &Usage, body: &Value) -> Option<&'static str> {
    let some = |part: Option<u64>| part.unwrap_or(0) > 0;
    if body.get("iterations").is_some_and(|turns| turns.as_array().is_some_and(|turns| turns.len() > 1)) {
        return Some("the source counts one of several turns that the vendor made and bills");
    }
    if id.starts_with("bedrock/") && id.contains("sonnet-4") && usage.input.unwrap_or(0) > 200_000 {
        return Some("the source has no long-context price for it on Bedrock, and has one at the maker");
    }
    if some(usage.cache_write_1h) {
        return Some("the source has no price for writing an hour's cache");
    }
    if id.starts_with("google/") && id.contains("image") {
        return Some("the source prices text and reasoning of an image model as image tokens");
    }
    if id.starts_with("mistral/")
        && ["small", "ministral-8b", "large", "codestral"].iter().any(|name| id.contains(name))
    {
        return Some(
            "the source keeps the price of an earlier model behind this name: two other lists agree against it",
        );
    }
    if id.starts_with("deepseek/deepseek-reasoner") || id.starts_with("deepseek/deepseek-chat") {
        return Some("the source keeps the prices and hours that ended on 2025-09-05");
    }
    None
}

#[test]
fn usage_bodies_cost_what_the_source_expects_or_a_reason_says_why_not() {
    let rows = rows();
    let catalog = Catalog::builtin();
    let at = parse_time(THEN).expect("a time");
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        let usage = ["usage", "usageMetadata", "meta"].iter().find_map(|field| row["body"].get(field));
        let outcome = usage.map_or("no usage in it".to_owned(), |usage| price(catalog, row, usage, at, &mut wrong));
        *tally.entry(outcome).or_default() += 1;
    }
    for (outcome, count) in &tally {
        println!("{count:4} {outcome}");
    }
    for line in wrong.iter().take(40) {
        println!("{line}");
    }
    assert!(wrong.is_empty(), "{} bodies cost something else without a reason", wrong.len());
    let exact = tally.get("exact").copied().unwrap_or(0);
    // Of the bodies, 114 are of Responses: they count once a wire reads them.
    let floor = if for_api(Api::Responses).is_some() { 600 } else { 490 };
    assert!(rows.is_empty() || exact >= floor, "{exact} exact");
}

/// Prices one body as every vendor that the source reads it for, and says how it went.
fn price(
    catalog: &Catalog,
    row: &Value,
    usage: &Value,
    at: tierway::time::Timestamp,
    wrong: &mut Vec<String>,
) -> String {
    let Some(model) = row["model"].as_str() else { return "the body names no model".to_owned() };
    let Some(api) = format_of(usage) else { return "no known format".to_owned() };
    let readings = row["extracted"].as_array().into_iter().flatten();
    let readings = readings.flat_map(|reading| reading["extractors"].as_array().into_iter().flatten());
    let mut best = "the source has no price for it".to_owned();
    for reading in readings {
        let (provider, flavor) =
            (reading["provider_id"].as_str().unwrap_or(""), reading["api_flavor"].as_str().unwrap_or(""));
        let amount = |field: &str| reading[field].as_str().and_then(|text| text.parse::<Usd>().ok());
        let Some(input) = amount("input_price").filter(|_| format_read(provider, flavor) == Some(api)) else {
            continue;
        };
        let expected = input.checked_add(amount("output_price").unwrap_or(Usd::ZERO)).expect("small sums");
        let name = our_name(provider, api, model);
        let vendor_known = catalog.resolve(&name).ok().filter(|card| is_of(catalog, card.vendor.as_str(), provider));
        let Some(card) = vendor_known else {
            if best.starts_with("the source") {
                best = format!("not sold in the catalogue by {provider}");
            }
            continue;
        };
        let stock = Dialect::default();
        let dialect =
            catalog.endpoints_of(card).find(|endpoint| endpoint.api == api).map_or(&stock, |found| &found.dialect);
        let Some(used) = usage_of(api, usage, dialect) else { return format!("no wire reads {api}") };
        let charge = card.prices.charge(&used, &Billing { at, ..Billing::default() }).expect("a price holds then");
        let tokens = charge.lines.iter().filter(|line| line.class.is_tokens()).map(|line| line.amount);
        let ours = tokens.reduce(|sum, amount| sum.checked_add(amount).expect("small sums")).unwrap_or(Usd::ZERO);
        if ours == expected {
            best = "exact".to_owned();
            continue;
        }
        match excuse(card.id.as_str(), &used, usage) {
            Some(reason) => return reason.to_owned(),
            None => {
                wrong.push(format!("{} {api}: ours {ours}, theirs {expected}: {usage}", card.id));
                return "wrong".to_owned();
            }
        }
    }
    best
}

/// Whether a vendor of the catalogue is a provider of the source, which names some otherwise.
fn is_of(catalog: &Catalog, vendor: &str, provider: &str) -> bool {
    let same = match provider {
        "aws" => "bedrock",
        "x-ai" => "xai",
        "moonshotai" => "moonshot",
        "google" if vendor == "vertex" => "vertex",
        name => name,
    };
    same == vendor && catalog.cards().iter().any(|card| card.vendor.as_str() == vendor)
}
