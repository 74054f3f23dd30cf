//! Models side by side: each price with its multiple of the cheapest, and what one request costs with each.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};
use tierway::Usd;
use tierway::catalog::{Billing, Catalog, Class};
use tierway::model::ModelCard;
use tierway::time::Timestamp;
use tierway::usage::Usage;

use super::{dollars, find, rates_json};
use crate::Failure;
use crate::catalogue::{or_now, when};
use crate::table::{Side, Table};

/// The classes that are set side by side.
const CLASSES: [(Class, &str); 3] = [(Class::Input, "input"), (Class::CachedRead, "cached"), (Class::Output, "output")];

/// Which models to compare, and at what request.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Ids, aliases or vendors' own names; withdrawn models as well.
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Prompt tokens of a request to work out.
    #[arg(long, value_name = "N")]
    input: Option<u64>,
    /// Of the prompt tokens, those read from the vendor's cache.
    #[arg(long, value_name = "N", default_value_t = 0)]
    cached: u64,
    /// Output tokens of that request.
    #[arg(long, value_name = "N")]
    output: Option<u64>,
    /// The day or time of the prices; now where it is left out.
    #[arg(long, value_name = "TIME", value_parser = when)]
    at: Option<Timestamp>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

impl CompareArgs {
    fn is_worked(&self) -> bool {
        self.input.is_some() || self.output.is_some()
    }

    /// What the request costs with a model, at its ordinary hours where it is withdrawn.
    fn cost(&self, card: &ModelCard, at: Timestamp) -> Option<Usd> {
        let mut usage = Usage::of(self.input.unwrap_or(0), self.output.unwrap_or(0));
        usage.cached_read = Some(self.cached.min(self.input.unwrap_or(0)));
        let billing = Billing { at, ..Billing::default() };
        card.prices.charge(&usage, &billing).ok().map(|charge| charge.total)
    }
}

/// Prints the comparison, in the order in which the models were named.
pub(super) fn run(catalog: &Catalog, args: &CompareArgs, out: &mut impl Write) -> Result<(), Failure> {
    let at = or_now(args.at);
    let cards = args.models.iter().map(|name| find(catalog, name)).collect::<Result<Vec<_>, _>>()?;
    let rate = |card: &ModelCard, class: Class| card.prices.ordinary(at).and_then(|rates| rates.of(class));
    let least = |prices: Vec<Option<Usd>>| prices.into_iter().flatten().filter(|price| price.pico() > 0).min();
    let cheapest = CLASSES.map(|(class, _)| least(cards.iter().map(|card| rate(card, class)).collect()));
    let costs: Vec<Option<Usd>> = cards.iter().map(|card| args.cost(card, at)).collect();
    let cheapest_cost = least(costs.clone());
    if args.json {
        let rows: Vec<Value> = cards
            .iter()
            .zip(&costs)
            .map(|(card, cost)| {
                let times = CLASSES
                    .iter()
                    .zip(&cheapest)
                    .filter_map(|((class, name), cheapest)| Some((*name, multiple(rate(card, *class)?, (*cheapest)?))));
                json!({
                    "id": card.id,
                    "tier": card.tier,
                    "retired": card.retired,
                    "rates": card.prices.ordinary(at).map(rates_json),
                    "times_cheapest": times.collect::<std::collections::BTreeMap<_, _>>(),
                    "request_cost": cost.filter(|_| args.is_worked()),
                    "date": card.date,
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({"models": rows}))?)?;
        return Ok(());
    }
    let mut columns = vec![("model", Side::Left), ("tier", Side::Left)];
    columns.extend(CLASSES.iter().flat_map(|(_, name)| [(*name, Side::Right), ("", Side::Right)]));
    if args.is_worked() {
        columns.extend([("request", Side::Right), ("", Side::Right)]);
    }
    let mut table = Table::new(&columns);
    for (card, cost) in cards.iter().zip(&costs) {
        let mut row = vec![card.id.to_string(), card.tier.to_string()];
        for ((class, _), cheapest) in CLASSES.iter().zip(&cheapest) {
            row.extend(cells(rate(card, *class), *cheapest));
        }
        if args.is_worked() {
            row.extend(cells(*cost, cheapest_cost));
        }
        table.row(row);
    }
    table.print(out)?;
    writeln!(out, "dollars per million tokens, and times the cheapest")?;
    if args.is_worked() {
        let (input, output) = (args.input.unwrap_or(0), args.output.unwrap_or(0));
        writeln!(
            out,
            "the request: {input} prompt tokens, {} of them cached, and {output} of output",
            args.cached.min(input)
        )?;
    }
    Ok(())
}

fn cells(price: Option<Usd>, cheapest: Option<Usd>) -> [String; 2] {
    match (price, cheapest) {
        (None, _) => ["-".to_owned(), String::new()],
        (Some(price), Some(cheapest)) if price.pico() > 0 => [dollars(price), multiple(price, cheapest)],
        (Some(price), _) => [dollars(price), String::new()],
    }
}

/// `7.1x`.
fn multiple(price: Usd, cheapest: Usd) -> String {
    format!("{:.1}x", price.to_f64_lossy() / cheapest.to_f64_lossy())
}
