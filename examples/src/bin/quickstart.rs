//! The first routed reply: keys from the environment, settings from `tierway.toml` where there is one.
//!
//! `cargo run -p tierway-examples --bin quickstart -- "Why is the sky blue?"`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use tierway::{Client, Request};

#[tokio::main]
async fn main() -> Result<(), tierway::Error> {
    let question = std::env::args().nth(1).unwrap_or_else(|| "Why is the sky blue? One sentence.".to_owned());
    let client = Client::from_env()?;
    let response = client.send(&Request::user(question)?).await?;
    println!("{}", response.text());
    println!("{} for {}, saved {}", response.route.model, response.cost.short(), response.saved.short());
    client.close().await
}
