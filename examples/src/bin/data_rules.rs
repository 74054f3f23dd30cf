//! Data that may not leave the EU: a label on the request, a rule in the policy, and what a refusal looks like.
//!
//! `cargo run -p tierway-examples --bin data_rules` decides without a call, so it needs no key.

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use tierway::policy::{LabelRule, Policy};
use tierway::{Client, DataLabel, Message, Region, Request};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut policy = Policy::default();
    let eu = LabelRule { regions: Some([Region::new("eu")?].into()), self_hosted: true, ..LabelRule::default() };
    policy.labels.insert(DataLabel::new("customer-pii")?, eu);
    let client = Client::builder().policy(policy).assume_keys().build()?;

    let mail = "Frau Anna Beispiel, Hafenstr. 1, asks where her parcel is. Draft a short, friendly answer.";
    let held = Request::builder().message(Message::user(mail)).label(DataLabel::new("customer-pii")?).build()?;
    println!("{}", client.route(&held)?.explain());

    let unknown = Request::builder().message(Message::user(mail)).label(DataLabel::new("health")?).build()?;
    match client.route(&unknown) {
        Ok(_) => println!("a label without a rule was let through"),
        Err(error) => println!("refused, as it must be: {error}"),
    }
    Ok(())
}
