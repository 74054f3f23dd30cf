//! A provider of your own behind the same trait, with its own row in the catalogue: it is routed, checked and accounted
//! for like any vendor.
//!
//! `cargo run -p tierway-examples --bin own_provider` needs no key and no network.

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::sync::Arc;

use tierway::catalog::Catalog;
use tierway::id::ProviderId;
use tierway::provider::{Call, Provider, ReplyStream};
use tierway::{Client, EndpointId, Part, ProviderError, Reply, Request, StopReason, Usage};

/// Answers every question with its length.
#[derive(Debug)]
struct Counter(ProviderId);

#[async_trait::async_trait]
impl Provider for Counter {
    fn id(&self) -> &ProviderId {
        &self.0
    }

    async fn send(&self, call: &Call) -> Result<Reply, ProviderError> {
        let words: usize =
            call.request().messages.iter().map(|message| message.joined_text().split_whitespace().count()).sum();
        let parts = vec![Part::text(format!("You wrote {words} words."))];
        Ok(Reply { parts, stop: Some(StopReason::End), usage: Usage::of(words as u64, 6), ..Reply::default() })
    }

    async fn stream(&self, call: &Call) -> Result<ReplyStream, ProviderError> {
        let deltas = self.send(call).await?.into_deltas();
        Ok(Box::pin(futures_util::stream::iter(deltas.into_iter().map(Ok))))
    }
}

const ROWS: &str = r#"
vendor = "mine"

[[endpoints]]
id = "mine"
api = "engine"
base_url = ""
region = "local"
self_hosted = true
auth = "none"

[[models]]
id = "mine/counter"
family = "counter"
tier = "local"
context_window = 8000
max_output = 100
capabilities = ["streaming"]
source = "this example"
date = "2026-11-24"
prices = [{ rates = { input = "0.01", output = "0.01" } }]
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let catalog = Catalog::parse(ROWS, "own_provider.rs")?;
    let provider = Arc::new(Counter(ProviderId::new("mine")?));
    let client = Client::builder().catalog(catalog).provider(EndpointId::new("mine")?, provider).build()?;
    let response = client.send(&Request::user("How many words are these?")?).await?;
    println!("{} ({}, ${})", response.text(), response.route.model, response.cost);
    Ok(())
}
