//! `tierway models`: what is on sale, what one model is, how several compare, what one's own hardware costs, and a model
//! of one's own from a hub.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tierway::catalog::{Catalog, Class, Factor, OwnHardware, Rates};
use tierway::model::{Capability, ModelCard, Tier};
use tierway::time::Timestamp;
use tierway::{Region, Usd};

use crate::Failure;
use crate::catalogue::{Rows, or_now, when};
use crate::table::{Side, Table};

mod compare;
mod pull;
mod show;

/// Models, their prices and where they run.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    rows: Rows,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show everything that is known of a model.
    Show {
        /// An id, an alias or a vendor's own name.
        model: String,
        /// Write JSON.
        #[arg(long)]
        json: bool,
        /// The day or time of the prices; now where it is left out.
        #[arg(long, value_name = "TIME", value_parser = when)]
        at: Option<Timestamp>,
    },
    /// Set models side by side, each price with its multiple of the cheapest.
    Compare(compare::CompareArgs),
    /// Compute what a token costs on hardware of your own.
    Own(OwnArgs),
    /// Bring a model onto this machine, from a hub or an address.
    Pull(pull::PullArgs),
}

/// Which models to list.
#[derive(Debug, Args)]
struct Filter {
    /// Only of this vendor. May be repeated.
    #[arg(long, value_name = "VENDOR")]
    vendor: Vec<String>,
    /// Only of this tier: local, economy, standard or frontier.
    #[arg(long, value_name = "TIER", value_parser = word::<Tier>)]
    tier: Option<Tier>,
    /// Only those that can do this: tools, vision, reasoning, json_schema, ... May be repeated.
    #[arg(long, value_name = "CAPABILITY", value_parser = word::<Capability>)]
    capability: Vec<Capability>,
    /// Only those that an endpoint in this place serves: eu, us, cn, local, ...
    #[arg(long, value_name = "REGION")]
    region: Option<Region>,
    /// Those that vendors have withdrawn as well.
    #[arg(long)]
    retired: bool,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// A machine and its measured speed.
#[derive(Debug, Args)]
struct OwnArgs {
    /// Dollars for one accelerator and hour.
    #[arg(long, value_name = "DOLLARS")]
    gpu_hour: Usd,
    /// How many accelerators serve the model.
    #[arg(long, value_name = "N", default_value_t = 1)]
    gpus: u32,
    /// Tokens a second that all of them together were measured to do.
    #[arg(long, value_name = "N")]
    tokens_per_s: u64,
    /// The share of paid hours in which they do it.
    #[arg(long, value_name = "SHARE", default_value = "1")]
    busy: Factor,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Reads a word of an enumeration as data files write it.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::from(text)).map_err(|error| error.to_string())
}

/// Runs the command.
pub(crate) fn run(args: ModelsArgs) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let action = match args.action {
        Some(Action::Pull(pull)) => return pull::run(pull, &mut out),
        other => other,
    };
    if let Some(Action::Own(own)) = &action {
        let hardware =
            OwnHardware { gpu_hour: own.gpu_hour, gpus: own.gpus, tokens_per_s: own.tokens_per_s, busy: own.busy };
        let rate = hardware.per_million().map_err(|error| Failure::Input(error.to_string()))?;
        match own.json {
            true => writeln!(out, "{}", json!({"per_million": rate}))?,
            false => writeln!(out, "${rate} per million tokens")?,
        }
        return Ok(());
    }
    let catalog = args.rows.load()?;
    match action {
        None => list(&catalog, &args.filter, &mut out),
        Some(Action::Show { model, json, at }) => show::run(&catalog, &model, json, or_now(at), &mut out),
        Some(Action::Compare(compare)) => compare::run(&catalog, &compare, &mut out),
        Some(Action::Own(_) | Action::Pull(_)) => Ok(()),
    }
}

/// The model that a name means, or a failure that says what is near.
fn find<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a ModelCard, Failure> {
    catalog.resolve(name).map(|card| &**card).map_err(|error| Failure::Input(error.to_string()))
}

fn list(catalog: &Catalog, filter: &Filter, out: &mut impl Write) -> Result<(), Failure> {
    let at = or_now(None);
    let known: Vec<&str> = catalog.cards().iter().map(|card| card.vendor.as_str()).collect();
    if let Some(vendor) = filter.vendor.iter().find(|vendor| !known.contains(&vendor.as_str())) {
        return Err(Failure::Input(format!("no model is of vendor '{vendor}'")));
    }
    let chosen: Vec<&ModelCard> =
        catalog.cards().iter().map(|card| &**card).filter(|card| filter.takes(catalog, card)).collect();
    if filter.json {
        let rows: Vec<Value> = chosen.iter().map(|card| show::as_json(catalog, card, at)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("tier", Side::Left),
        ("window", Side::Right),
        ("input", Side::Right),
        ("cached", Side::Right),
        ("output", Side::Right),
        ("regions", Side::Left),
    ]);
    for card in &chosen {
        let rates = card.prices.ordinary(at);
        let price = |class: Class| rates.and_then(|rates| rates.of(class)).map_or("-".to_owned(), dollars);
        let retired = if card.retired { " (retired)" } else { "" };
        table.row([
            format!("{}{retired}", card.id),
            card.tier.to_string(),
            tokens(card.context_window),
            price(Class::Input),
            price(Class::CachedRead),
            price(Class::Output),
            regions(catalog, card).join(" "),
        ]);
    }
    table.print(out)?;
    writeln!(out, "{} models; dollars per million tokens", chosen.len())?;
    Ok(())
}

impl Filter {
    fn takes(&self, catalog: &Catalog, card: &ModelCard) -> bool {
        let inside = |region: &Region| catalog.endpoints_of(card).any(|endpoint| region.covers(&endpoint.region));
        (self.retired || !card.retired)
            && (self.vendor.is_empty() || self.vendor.iter().any(|vendor| vendor == card.vendor.as_str()))
            && self.tier.is_none_or(|tier| tier == card.tier)
            && self.capability.iter().all(|capability| card.capabilities.contains(capability))
            && self.region.as_ref().is_none_or(inside)
    }
}

/// Where a model's endpoints are, each place once.
fn regions(catalog: &Catalog, card: &ModelCard) -> Vec<String> {
    let mut regions: Vec<String> = catalog.endpoints_of(card).map(|endpoint| endpoint.region.to_string()).collect();
    regions.sort();
    regions.dedup();
    regions
}

/// A count of tokens in a few letters: `128k`, `1.05M`.
fn tokens(count: u64) -> String {
    match count {
        1_000_000.. => format!("{}M", (count as f64 / 10_000.0).round() / 100.0),
        10_000.. => format!("{}k", count / 1_000),
        _ => count.to_string(),
    }
}

/// A rate, exact, with two decimals at least: `$0.07`, `$0.0028`.
fn dollars(rate: Usd) -> String {
    let text = rate.to_string();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    match decimals {
        0 => format!("${text}.00"),
        1 => format!("${text}0"),
        _ => format!("${text}"),
    }
}

/// Rates by class as exact decimals.
fn rates_json(rates: &Rates) -> Value {
    let own = Class::ALL.into_iter().filter_map(|class| Some((class.as_str(), rates.own(class)?.to_string())));
    json!(own.collect::<std::collections::BTreeMap<_, _>>())
}
