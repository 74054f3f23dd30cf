//! A streamed reply: text as it comes, the account at its end. Dropping the stream half-way settles what came.
//!
//! `cargo run -p tierway-examples --bin streaming`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::io::Write;

use tierway::{Client, Delta, Request};

#[tokio::main]
async fn main() -> Result<(), tierway::Error> {
    let client = Client::from_env()?;
    let request = Request::user("Write four lines about a lighthouse.")?;
    let mut stream = client.stream(&request).await?;
    while let Some(delta) = stream.next().await {
        if let Delta::Text { text, .. } = delta? {
            print!("{text}");
            // A closed pipe is no reason to stop reading: the account wants the whole answer.
            let _ = std::io::stdout().flush();
        }
    }
    if let Some(response) = stream.response() {
        println!("\n{} for {}", response.route.model, response.cost.short());
    }
    client.close().await
}
