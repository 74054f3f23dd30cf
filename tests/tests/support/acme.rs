//! A vendor with a cheap model and a dear one, for tests of the live client against scripted providers.

#![allow(dead_code, reason = "each test program takes what it needs")]

use std::fmt::Write;
use std::sync::Arc;

use tierway::catalog::Catalog;
use tierway::client::ClientBuilder;
use tierway::id::ProviderId;
use tierway::ledger::{Book, Fate, Row, Rules};
use tierway::reply::StopReason;
use tierway::store::{MemoryStore, Page, Store};
use tierway::testing::ScriptedProvider;
use tierway::testing::scripted::Turn;
use tierway::{EndpointId, Kind, Part, ProviderError, Reply, Request, Retry, Usage};

/// `acme/mini` at these endpoints in the US, and `acme/grand`, ten times as dear, at one in the EU.
pub(crate) fn catalog(mini: &[&str], grand: &str, grand_api: &str) -> Catalog {
    let mut rows = "vendor = \"acme\"\n[defaults]\nsource = \"made up\"\ndate = \"2026-11-01\"\n\
                    capabilities = [\"tools\", \"json_schema\", \"streaming\"]\n"
        .to_owned();
    let places = mini.iter().map(|id| (*id, "chat_completions", "us")).chain([(grand, grand_api, "eu")]);
    for (id, api, region) in places {
        write!(
            rows,
            "[[endpoints]]\nid = \"{id}\"\nvendor = \"acme\"\napi = \"{api}\"\nbase_url = \"http://127.0.0.1:9\"\n\
             region = \"{region}\"\nauth = \"none\"\n"
        )
        .unwrap();
    }
    write!(
        rows,
        r#"
[[models]]
id = "acme/mini"
family = "mini"
tier = "economy"
context_window = 32000
max_output = 4000
endpoints = {mini:?}
prices = [{{ rates = {{ input = "1", cached_read = "0.1", output = "2" }} }}]

[[models]]
id = "acme/grand"
family = "grand"
tier = "frontier"
context_window = 200000
max_output = 8000
endpoints = [{grand:?}]
prices = [{{ rates = {{ input = "10", cached_read = "1", output = "20" }} }}]
"#
    )
    .unwrap();
    Catalog::parse(&rows, "rows.toml").unwrap()
}

/// A provider that follows a script.
pub(crate) fn scripted(name: &str, turns: Vec<Turn>) -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::new(ProviderId::new(name).unwrap(), turns))
}

/// The builder with a provider at the endpoint of this name.
pub(crate) fn at(builder: ClientBuilder, endpoint: &str, provider: &Arc<ScriptedProvider>) -> ClientBuilder {
    builder.provider(EndpointId::new(endpoint).unwrap(), provider.clone())
}

/// A question that the cheap model is good enough for.
pub(crate) fn easy() -> Request {
    Request::user("What is the capital of France?").unwrap()
}

/// A whole answer with its usage.
pub(crate) fn answer(text: &str, input: u64, output: u64) -> Turn {
    let usage = Usage::of(input, output);
    Turn::Answer(Reply { parts: vec![Part::text(text)], stop: Some(StopReason::End), usage, ..Reply::default() })
}

/// A vendor that is overloaded.
pub(crate) fn busy() -> Turn {
    Turn::Fail(ProviderError::new(Kind::Overloaded, Retry::Here(None), "busy").with_status(529))
}

/// Every attempt in the account.
pub(crate) async fn rows(store: &MemoryStore) -> Vec<Row> {
    store.rows(Page::default()).await.unwrap()
}

/// Every attempt has ended, and the balances are what a replay of the journal gives.
pub(crate) async fn check_books(store: &MemoryStore, rules: &Rules) {
    let rows = rows(store).await;
    assert!(rows.iter().all(|row| !matches!(row.fate, Fate::Open)), "{rows:#?}");
    let journal = store.journal(0, 100_000).await.unwrap();
    let book = Book::replay(rules.clone(), &journal).unwrap();
    assert_eq!(book.balances(), store.balances().await.unwrap());
}
