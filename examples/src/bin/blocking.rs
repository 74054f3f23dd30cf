//! The same without an async runtime.
//!
//! `cargo run -p tierway-examples --bin blocking`

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use tierway::Request;
use tierway::client::blocking::Client;

fn main() -> Result<(), tierway::Error> {
    let client = Client::from_env()?;
    let response = client.send(&Request::user("Name three rivers in Wales.")?)?;
    println!("{}\n{} for {}", response.text(), response.route.model, response.cost.short());
    client.close()
}
