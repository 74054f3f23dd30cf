//! Hostile names, tags, amounts, prices and usages: refused with a reason, or inert.

use serde_json::{Value, json};
use tierway::Usd;
use tierway::catalog::{Billing, Catalog};
use tierway::config::Config;
use tierway::model::{Api, Dialect};
use tierway::testing::store as suite;
use tierway::wire::usage_of;

use crate::{Folder, memory, seed, sqlite};

const CASES: usize = 2_000;

#[test]
fn entries_in_memory() {
    let count = suite::hostile(&memory, seed(), CASES);
    println!("{count:?}");
    assert!(count.refused + count.inert == CASES && count.refused > CASES / 10 && count.inert > CASES / 4, "{count:?}");
}

#[test]
fn entries_in_sqlite() {
    let folder = Folder::new();
    let count = suite::hostile(&sqlite(&folder), seed(), CASES);
    assert_eq!(count, suite::hostile(&memory, seed(), CASES), "both stores refuse the same");
}

/// Numbers that are none, or none that a price can be.
const PRICES: [&str; 24] = [
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "-1",
    "-0.0000001",
    "1e5",
    "1E5",
    "0x10",
    "1_000",
    "1,5",
    " 1",
    "1 ",
    "+1",
    "",
    "99999999999999999999",
    "100001",
    "0.0000000000001",
    "1.",
    ".5",
    "1;DROP TABLE x",
    "\u{0661}",
    "$1",
];

#[test]
fn prices_in_a_catalogue_are_amounts_or_refused() {
    let classes = [
        "input",
        "cached_read",
        "cache_write_5m",
        "cache_write_1h",
        "output",
        "reasoning",
        "input_audio",
        "cached_audio",
        "output_audio",
        "input_image",
        "output_image",
        "request",
        "search",
        "image",
    ];
    let (mut refused, mut taken) = (0, 0);
    for class in classes {
        for price in PRICES.iter().map(|text| json!(text)).chain([json!(-1), json!(i64::MIN), json!(1_000_000_000)]) {
            let others =
                ["input", "output"].into_iter().filter(|other| *other != class).map(|other| format!("{other} = \"1\""));
            let rates: Vec<String> = others.chain([format!("{class} = {price}")]).collect();
            let rows = format!(
                "vendor = \"acme\"\n[defaults]\nsource = \"made up\"\ndate = \"2026-11-01\"\n[[endpoints]]\nid = \"acme\"\n\
                 api = \"chat_completions\"\nbase_url = \"https://acme.example\"\nregion = \"eu\"\nauth = \"none\"\n\
                 [[models]]\nid = \"acme/one\"\nfamily = \"one\"\ntier = \"standard\"\ncontext_window = 1000\nmax_output = 100\n\
                 prices = [{{ rates = {{ {} }} }}]\n",
                rates.join(", ")
            );
            match Catalog::parse(&rows, "rows.toml") {
                Err(error) => {
                    assert!(error.to_string().contains("rows.toml:"), "{class} {price}: {error}");
                    refused += 1;
                }
                Ok(catalog) => {
                    let text = price.as_str().map_or(price.to_string(), str::to_owned);
                    let amount: Usd = text
                        .trim()
                        .trim_start_matches('+')
                        .parse()
                        .unwrap_or_else(|_| panic!("{class} {price} was taken"));
                    assert!(!amount.is_negative() && amount <= "100000".parse().unwrap(), "{class} {price}");
                    let usage = tierway::Usage::of(1_000, 100);
                    let charge = catalog.cards()[0].prices.charge(&usage, &Billing::default()).unwrap();
                    assert!(!charge.total.is_negative());
                    taken += 1;
                }
            }
        }
    }
    println!("{refused} prices refused, {taken} taken as the amounts they are");
    assert!(refused > 14 * 18, "{refused}");
}

#[test]
fn usages_of_vendors_are_counts_or_nothing() {
    let card = Catalog::builtin().resolve("openai/gpt-4o").unwrap();
    let bad = [
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(1e300),
        json!("12"),
        json!("NaN"),
        json!(null),
        json!(true),
        json!([1]),
        json!({"a": 1}),
        json!("'; DROP TABLE endings; --"),
        json!(-0.5),
        json!(9_007_199_254_740_993_u64),
    ];
    let fields = [
        (
            Api::ChatCompletions,
            &["prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"][..],
        ),
        (Api::Responses, &["input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"]),
        (
            Api::Messages,
            &[
                "input_tokens",
                "output_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
                "cache_creation",
            ],
        ),
        (
            Api::GenerateContent,
            &["promptTokenCount", "candidatesTokenCount", "cachedContentTokenCount", "thoughtsTokenCount"],
        ),
        (Api::Converse, &["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"]),
    ];
    let mut cases = 0;
    for (api, fields) in fields {
        for field in fields {
            for first in &bad {
                for other in [json!(10), json!(-1), json!(u64::MAX)] {
                    let mut body = serde_json::Map::new();
                    fields.iter().for_each(|name| drop(body.insert((*name).to_owned(), other.clone())));
                    body.insert((*field).to_owned(), first.clone());
                    cases += 1;
                    let Some(usage) = usage_of(api, &Value::Object(body), &Dialect::default()) else { continue };
                    // A charge or a typed error, never a panic and never below zero.
                    if let Ok(charge) = card.prices.charge(&usage, &Billing::default()) {
                        assert!(
                            !charge.total.is_negative() && charge.lines.iter().all(|line| !line.amount.is_negative())
                        );
                    }
                }
            }
        }
    }
    println!("{cases} usages");
    assert!(cases > 800);
}

#[test]
fn budgets_in_settings_are_limits_or_refused() {
    for value in
        PRICES.iter().map(|text| json!(text).to_string()).chain(["-1".to_owned(), "nan".to_owned(), "inf".to_owned()])
    {
        for key in ["usd", "tokens", "requests", "share"] {
            let text = format!("[[budgets]]\nname = \"b\"\n{key} = {value}\ntiers = [\"frontier\"]\n");
            let rules = Config::parse(&text, "tierway.toml").map_err(|error| error.to_string());
            match rules.and_then(|config| config.ledger_rules().map_err(|error| error.to_string())) {
                Err(error) => {
                    assert!(error.contains("tierway.toml:") || error.contains("budgets"), "{key} = {value}: {error}")
                }
                Ok(rules) => assert_eq!(rules.budgets().len(), 1),
            }
        }
    }
}
