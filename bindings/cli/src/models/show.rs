//! One model: what it is, where it runs, and every price it has had.

use std::io::Write;

use serde_json::{Value, json};
use tierway::catalog::{Catalog, Class, Rates, day_of};
use tierway::model::ModelCard;
use tierway::request::ServiceTier;
use tierway::time::Timestamp;

use super::{find, rates_json, tokens};
use crate::Failure;
use crate::table::{Side, Table};

/// Prints a model.
pub(super) fn run(
    catalog: &Catalog,
    name: &str,
    json: bool,
    at: Timestamp,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let card = find(catalog, name)?;
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&as_json(catalog, card, at))?)?;
        return Ok(());
    }
    facts(card, out)?;
    writeln!(out)?;
    let mut places = Table::new(&[
        ("endpoint", Side::Left),
        ("region", Side::Left),
        ("format", Side::Left),
        ("address", Side::Left),
    ]);
    for endpoint in catalog.endpoints_of(card) {
        let address = if endpoint.base_url.is_empty() { "in this process" } else { &endpoint.base_url };
        places.row([
            endpoint.id.to_string(),
            endpoint.region.to_string(),
            endpoint.api.to_string(),
            address.to_owned(),
        ]);
    }
    places.print(out)?;
    writeln!(out)?;
    prices(card, at, out)
}

fn facts(card: &ModelCard, out: &mut impl Write) -> Result<(), Failure> {
    let list = |words: Vec<String>| if words.is_empty() { "-".to_owned() } else { words.join(", ") };
    let capabilities = card
        .capabilities
        .iter()
        .filter_map(|capability| serde_json::to_value(capability).ok()?.as_str().map(str::to_owned));
    let rows = [
        ("model", card.id.to_string()),
        ("wire name", card.wire_name.clone()),
        ("aliases", list(card.aliases.clone())),
        ("family", card.family.clone()),
        ("tier", card.tier.to_string()),
        ("window", format!("{} tokens, answers of {} at most", tokens(card.context_window), tokens(card.max_output))),
        ("can do", list(capabilities.collect())),
        ("refuses", list(refused(card))),
        ("weights", if card.self_hostable { "open: you may run it yourself" } else { "closed" }.to_owned()),
        ("source", card.source.clone()),
        ("date", card.date.clone()),
        ("status", if card.retired { "withdrawn by its vendor" } else { "on sale" }.to_owned()),
    ];
    for (name, value) in rows {
        writeln!(out, "{name:<10} {value}")?;
    }
    Ok(())
}

fn refused(card: &ModelCard) -> Vec<String> {
    let accepts = &card.accepts;
    let parts = [
        (accepts.sampling, "sampling parameters"),
        (accepts.system, "system messages"),
        (accepts.stop, "stop texts"),
        (accepts.temperature_with_top_p, "temperature and top_p together"),
    ];
    parts.into_iter().filter(|(taken, _)| !taken).map(|(_, name)| name.to_owned()).collect()
}

/// Every period's rates, and those of other lengths, lanes and endpoints that hold now.
fn prices(card: &ModelCard, at: Timestamp, out: &mut impl Write) -> Result<(), Failure> {
    let mut shown: Vec<(String, Rates)> = Vec::new();
    for period in card.prices.periods() {
        let name = match (period.from, period.until) {
            (None, None) => "price".to_owned(),
            (Some(from), None) => format!("from {}", day_of(from)),
            (None, Some(until)) => format!("until {}", day_of(until)),
            (Some(from), Some(until)) => format!("{} to {}", day_of(from), day_of(until)),
        };
        shown.push((name, *period.rates));
    }
    for above in card.prices.context_steps(at) {
        shown.extend(card.prices.rates(above + 1, None, at).map(|rates| (format!("above {}", tokens(above)), rates)));
    }
    for lane in card.prices.lanes(at) {
        shown.extend(card.prices.rates(0, Some(lane), at).map(|rates| (lane_name(lane).to_owned(), rates)));
    }
    let used = |class: &Class| shown.iter().any(|(_, rates)| rates.own(*class).is_some());
    let classes: Vec<Class> = Class::ALL.into_iter().filter(used).collect();
    let mut columns = vec![("dollars per million", Side::Left)];
    columns.extend(classes.iter().map(|class| (class.as_str(), Side::Right)));
    let mut table = Table::new(&columns);
    for (name, rates) in &shown {
        let cells = classes.iter().map(|class| rates.own(*class).map_or("-".to_owned(), |rate| rate.to_string()));
        table.row(std::iter::once(name.clone()).chain(cells));
    }
    table.print(out)?;
    for (endpoint, factor) in card.prices.uplifts(at) {
        writeln!(out, "at {endpoint}: times {factor}")?;
    }
    if card.prices.has_hours(at) {
        writeln!(out, "other prices hold at some hours: tierway price --at TIME says which")?;
    }
    Ok(())
}

fn lane_name(lane: ServiceTier) -> &'static str {
    match lane {
        ServiceTier::Flex => "flex",
        ServiceTier::Priority => "priority",
        ServiceTier::Batch => "batch",
        _ => "standard",
    }
}

/// Everything about a model as JSON; money as exact decimals.
pub(super) fn as_json(catalog: &Catalog, card: &ModelCard, at: Timestamp) -> Value {
    let periods = card.prices.periods().map(|period| {
        json!({"from": period.from.map(day_of), "until": period.until.map(day_of), "rates": rates_json(period.rates)})
    });
    let endpoints = catalog.endpoints_of(card).map(|endpoint| {
        json!({"id": endpoint.id, "region": endpoint.region, "api": endpoint.api, "self_hosted": endpoint.self_hosted})
    });
    let above = card.prices.context_steps(at).into_iter().filter_map(|above| {
        Some(json!({"tokens": above, "rates": rates_json(&card.prices.rates(above + 1, None, at)?)}))
    });
    let lanes = card
        .prices
        .lanes(at)
        .into_iter()
        .filter_map(|lane| Some((lane_name(lane), rates_json(&card.prices.rates(0, Some(lane), at)?))));
    json!({
        "id": card.id,
        "vendor": card.vendor,
        "wire_name": card.wire_name,
        "aliases": card.aliases,
        "family": card.family,
        "tier": card.tier,
        "context_window": card.context_window,
        "max_output": card.max_output,
        "capabilities": card.capabilities,
        "accepts": card.accepts,
        "self_hostable": card.self_hostable,
        "retired": card.retired,
        "rates": card.prices.ordinary(at).map(rates_json),
        "above": above.collect::<Vec<_>>(),
        "lanes": lanes.collect::<std::collections::BTreeMap<_, _>>(),
        "prices": periods.collect::<Vec<_>>(),
        "endpoints": endpoints.collect::<Vec<_>>(),
        "source": card.source,
        "date": card.date,
    })
}
