//! The built-in rows hold together, and bad rows are refused with their place and reason.

use std::collections::BTreeSet;

use super::*;
use crate::id::VendorId;
use crate::model::Api;
use crate::money::Usd;
use crate::time::Timestamp;
use crate::usage::Usage;

/// A file of one endpoint and one model, which tests spoil.
const GOOD: &str = r#"vendor = "acme"

[defaults]
source = "made up"
date = "2026-08-21"

[[endpoints]]
id = "acme"
api = "chat_completions"
base_url = "https://api.acme.example/v1"
region = "eu"
auth = "bearer"
key_env = "ACME_API_KEY"

[[models]]
id = "acme/one"
aliases = ["uno"]
family = "one"
tier = "standard"
context_window = 128000
max_output = 8000
capabilities = ["tools"]

[[models.prices]]
rates = { input = "1.00", output = "2.00" }
lanes = { batch = "0.5" }
"#;

#[test]
fn the_builtin_rows_are_valid() {
    if let Err(error) = Catalog::default().with_files(builtin::FILES) {
        panic!("{error}");
    }
}

#[test]
#[cfg(feature = "packed")]
fn the_packed_rows_are_those_of_the_files() {
    let files = Catalog::default().with_files(builtin::FILES).unwrap();
    let packed = builtin::catalog();
    assert_eq!(packed.endpoints(), files.endpoints());
    assert_eq!(packed.cards(), files.cards());
}

#[test]
fn every_builtin_model_can_be_reached_and_priced() {
    let catalog = Catalog::builtin();
    let now = parse_time("2026-11-24").unwrap();
    let vendors: BTreeSet<&VendorId> = catalog.cards().iter().map(|card| &card.vendor).collect();
    assert!(catalog.cards().iter().filter(|card| !card.retired).count() >= 90 && vendors.len() >= 16);
    for card in catalog.cards() {
        assert!(catalog.endpoints_of(card).next().is_some(), "{} has no endpoint", card.id);
        assert!(card.retired || card.prices.upper_bound(1_000, 1_000, None, now).is_some(), "{} has no price", card.id);
        assert!(card.source.len() > 5 && card.date.len() == 10, "{}", card.id);
        assert_eq!(catalog.find(&card.id).unwrap().id, card.id);
        for alias in &card.aliases {
            let full = ModelId::new(format!("{}/{alias}", card.vendor)).unwrap();
            assert_eq!(catalog.find(&full).map(|found| &found.id), Some(&card.id), "{alias}");
        }
    }
    for endpoint in catalog.endpoints() {
        assert!(Api::ALL.contains(&endpoint.api));
        let serves = catalog.cards().iter().any(|card| catalog.endpoints_of(card).any(|found| found.id == endpoint.id));
        assert!(serves, "{} serves nothing", endpoint.id);
        assert_eq!(endpoint.self_hosted, endpoint.region.as_str() == "local", "{}", endpoint.id);
    }
}

#[test]
fn the_table_that_started_this_field_can_be_made() {
    let catalog = Catalog::builtin();
    let at = parse_time("2026-11-24").unwrap();
    let input = |name: &str| catalog.resolve(name).unwrap().prices.ordinary(at).unwrap().of(Class::Input).unwrap();
    let rates = ["deepseek-r1-cached", "gpt-3.5-turbo", "claude-3.5-sonnet", "gpt-4-turbo"].map(input);
    assert_eq!(rates.map(|rate| rate.to_string()), ["0.07", "0.5", "3", "10"]);
    for name in ["deepseek-r1", "deepseek-v3", "deepseek-v4-pro", "deepseek-v4-flash"] {
        assert!(catalog.resolve(name).is_ok(), "{name}");
    }
}

#[test]
fn names_are_told_as_people_and_vendors_write_them() {
    let catalog = Catalog::builtin();
    for (name, id) in [
        ("gpt-5-2025-08-07", "openai/gpt-5"),
        ("GPT-5", "openai/gpt-5"),
        ("models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("anthropic/claude-4.5-sonnet-20250929", "anthropic/claude-sonnet-4-5"),
        ("claude-3.7-sonnet:thinking", "anthropic/claude-3-7-sonnet"),
        ("x-ai/grok-4.3-latest", "xai/grok-4.3"),
        ("aws/claude-haiku-4-5-20251001", "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),
        ("accounts/fireworks/models/kimi-k2p6", "fireworks/kimi-k2p6"),
    ] {
        assert_eq!(catalog.resolve(name).map(|card| card.id.as_str()), Ok(id), "{name}");
    }
    let several = catalog.resolve("openai/gpt-oss-120b").unwrap_err();
    assert!(several.to_string().contains("groq/openai/gpt-oss-120b"), "{several}");
    let unknown = catalog.resolve("claude-sonet-4-5").unwrap_err();
    assert!(unknown.to_string().contains("did you mean anthropic/claude-sonnet-4-5"), "{unknown}");
}

/// Spoils `GOOD` and says what must be refused, and where.
#[track_caller]
fn check(from: &str, to: &str, place_and_reason: &str) {
    assert!(GOOD.contains(from), "{from}");
    let error = Catalog::parse(&GOOD.replacen(from, to, 1), "acme.toml").expect_err(to).to_string();
    assert!(error.contains(place_and_reason), "\n got: {error}\nwant: {place_and_reason}");
}

#[test]
fn bad_rows_are_refused_with_file_line_and_reason() {
    assert!(Catalog::parse(GOOD, "acme.toml").is_ok());
    check("\"1.00\"", "nan", "acme.toml:25: NaN is no amount");
    check("\"1.00\"", "inf", "acme.toml:25: inf is no amount");
    check("\"1.00\"", "\"NaN\"", "acme.toml:25: 'NaN' is not a decimal amount");
    check("\"1.00\"", "\"-1\"", "acme.toml:25: a price of -1 is below zero");
    check("\"1.00\"", "-0.5", "acme.toml:25: a price of -0.5 is below zero");
    check("\"1.00\"", "\"100001\"", "acme.toml:25: a price of 100001 is above 100000 dollars");
    check("\"1.00\"", "0.1234567890123456", "acme.toml:25: 0.1234567890123456 has too many digits");
    check("\"1.00\"", "\"0.0000000000001\"", "has more than 12 decimal places");
    check("input = \"1.00\", ", "", "acme.toml:24: the price has no input rate");
    check("input =", "inputs =", "acme.toml:25: unknown variant `inputs`");
    check("rates = {", "rate = {", "acme.toml:25: unknown field `rate`");
    check("\"0.5\"", "\"0\"", "acme.toml:26: '0' is no factor");
    check("batch =", "bulk =", "acme.toml:26: unknown variant `bulk`");
    check("source = \"made up\"\n", "", "acme.toml:15: model 'acme/one' has no source");
    check("date = \"2026-08-21\"\n", "", "acme.toml:15: model 'acme/one' has no date");
    check("\"2026-08-21\"", "\"21.8.2026\"", "acme.toml:5: '21.8.2026' is no date");
    check("[\"tools\"]", "[\"telepathy\"]", "acme.toml:22: unknown variant `telepathy`");
    check("\"standard\"", "\"luxury\"", "acme.toml:19: unknown variant `luxury`");
    check("\"acme/one\"", "\"one\"", "acme.toml:16: 'one' is no model id");
    check("\"acme/one\"", "\"other/one\"", "acme.toml:16: vendor 'other' has no endpoint");
    check("max_output = 8000", "max_output = 8000\nendpoints = [\"nowhere\"]", "no endpoint is named 'nowhere'");
    check("max_output = 8000", "max_output = 128001", "acme.toml:16: model 'acme/one' has a window of 128000");
    check("128000", "-1", "acme.toml:20: -1 is no count of tokens");
    check("https://", "ftp://", "acme.toml:10: an address starts with https://");
    check("\"chat_completions\"", "\"telegraph\"", "acme.toml:9: unknown variant `telegraph`");
    check("auth = \"bearer\"", "auth = \"bearer\"\nheaders = { x-api-key = \"k\" }", "holds a credential");
    check("[defaults]", "[default]", "acme.toml:3: unknown field `default`");
    check("[defaults]", "[defaults", "acme.toml:3");
    check("family = \"one\"\n", "", "missing field `family`");
    check(
        "[[models.prices]]\nrates = { input = \"1.00\", output = \"2.00\" }\nlanes = { batch = \"0.5\" }\n",
        "",
        "missing field `prices`",
    );
    let twice = GOOD.replace("[[models]]", "[[models]]\nid = \"acme/one\"\nfamily = \"one\"\ntier = \"standard\"\ncontext_window = 1\nmax_output = 1\n[[models.prices]]\nrates = { input = 1, output = 1 }\n[[models]]");
    let error = Catalog::parse(&twice, "acme.toml").unwrap_err().to_string();
    assert_eq!(error, "acme.toml:24: model 'acme/one' is in the file twice: remove one");
}

#[test]
fn hours_and_lengths_are_refused_where_they_mean_nothing() {
    let with = |rows: &str| format!("lanes = {{ batch = \"0.5\" }}\n{rows}");
    check(
        "lanes = { batch = \"0.5\" }\n",
        &with("from = \"2026-02-01\"\nuntil = \"2026-01-01\"\n"),
        "ends before it begins",
    );
    check(
        "lanes = { batch = \"0.5\" }\n",
        &with("hours = [{ from = \"7:00\", until = \"24:00\", times = \"0.5\" }]\n"),
        "'7:00' is no time of day",
    );
    check(
        "lanes = { batch = \"0.5\" }\n",
        &with("hours = [{ from = \"07:00\", until = \"24:00\" }]\n"),
        "either times, a factor, or rates",
    );
    check(
        "lanes = { batch = \"0.5\" }\n",
        &with("above = [{ tokens = 1000, rates = { input = 2 } }]\n"),
        "lack output",
    );
    check(
        "lanes = { batch = \"0.5\" }\n",
        &with("own = { gpu_hour = 2, gpus = 1, input_tokens_per_s = 1, output_tokens_per_s = 1 }\n"),
        "either rates, or own",
    );
}

#[test]
fn every_fault_is_named_at_once() {
    let text = GOOD.replace("source = \"made up\"\ndate = \"2026-08-21\"\n", "");
    let error = Catalog::parse(&text, "acme.toml").unwrap_err();
    assert_eq!(error.faults.len(), 2, "{error}");
}

#[test]
fn a_users_rows_take_the_place_of_earlier_ones() {
    let base = Catalog::parse(GOOD, "acme.toml").unwrap();
    let own = CatalogFile {
        name: "own.toml",
        text: "[[models]]\nid = \"acme/one\"\nfamily = \"one\"\ntier = \"standard\"\ncontext_window = 9\nmax_output = 9\n\
               source = \"my contract\"\ndate = \"2026-09-01\"\n[[models.prices]]\n\
               own = { gpu_hour = \"3.6\", gpus = 1, input_tokens_per_s = 1000, output_tokens_per_s = 100 }\n",
    };
    let both = base.with_files(&[own]).unwrap();
    let card = both.find(&ModelId::new("acme/one").unwrap()).unwrap();
    assert_eq!((both.cards().len(), card.source.as_str()), (1, "my contract"));
    let rates = card.prices.ordinary(Timestamp::EPOCH).unwrap();
    assert_eq!(rates.of(Class::Input).unwrap().to_string(), "1");
    assert_eq!(rates.of(Class::Output).unwrap().to_string(), "10");
}

/// Texts that have broken parsers, stores and terminals.
const HOSTILE: [&str; 24] = [
    "",
    " ",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "-0",
    "-1",
    "1e400",
    "-1e-400",
    "99999999999999999999999999999999999999999",
    "0x7fffffffffffffff",
    "1,000",
    "١٢٣",
    "1_0",
    "'; DROP TABLE entries; --",
    "\\u0000",
    "\\u001b[31mred",
    "\\n[[models]]\\nid = \\\"evil/one\\\"",
    "../../etc/passwd",
    "${HOME}",
    "acme/one\\u202Eeno",
    "%s%n{}",
    "<script>alert(1)</script>",
];

#[test]
fn hostile_prices_and_names_are_refused_or_inert() {
    let places = [
        "\"1.00\"",
        "\"2.00\"",
        "\"0.5\"",
        "\"acme/one\"",
        "\"uno\"",
        "\"one\"",
        "\"made up\"",
        "\"2026-08-21\"",
        "\"https://api.acme.example/v1\"",
        "\"eu\"",
        "\"ACME_API_KEY\"",
        "\"tools\"",
        "128000",
        "8000",
        "\"bearer\"",
    ];
    let mut cases = 0;
    for place in places {
        for text in HOSTILE {
            for shape in [
                format!("\"{text}\""),
                format!("\"{text}{}\"", "9".repeat(20)),
                format!("\"7{text}\""),
                text.to_owned(),
                format!("\"{}{text}\"", "a".repeat(300)),
                format!("[\"{text}\"]"),
            ] {
                hostile(&GOOD.replacen(place, &shape, 1));
                cases += 1;
            }
        }
    }
    assert!(cases >= 2_000, "{cases}");
}

/// Refused with a place, or read as what it says, with no price below zero and nothing beside it.
fn hostile(text: &str) {
    match Catalog::parse(text, "acme.toml") {
        Err(error) => {
            assert!(error.faults.iter().all(|fault| fault.place.starts_with("acme.toml:")), "{error}");
            let shown = error.to_string();
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n') && shown.len() < 2_000, "{shown:?}");
        }
        Ok(catalog) => {
            assert_eq!(catalog.cards().len(), 1);
            let card = &catalog.cards()[0];
            let charge = card.prices.charge(&Usage::of(1_000, 1_000), &Billing::default()).unwrap();
            assert!(!charge.total.is_negative() && charge.total <= Usd::from_pico(2 * 100_000_000_000_000));
            let words = [card.id.as_str(), &card.wire_name, &card.family, &card.source];
            let mut words = words.into_iter().chain(card.aliases.iter().map(String::as_str));
            assert!(words.all(|word| !word.chars().any(char::is_control)), "{card:?}");
        }
    }
}
