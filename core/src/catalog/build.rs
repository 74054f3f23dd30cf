//! From the rows of files to cards and endpoints: what only shows between rows is refused here, every fault at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{EndpointId, ModelId, VendorId};
use crate::limits::CATALOG_ROWS_MAX;
use crate::model::{Endpoint, ModelCard};
use crate::money::Usd;
use crate::time::Timestamp;
use crate::tree::{self, Node, TreeError};

use super::address::check_address;
use super::hours::{Day, Hours};
use super::own::OwnHardware;
use super::price::{Change, LaneSpec, PeriodSpec, PriceList};
use super::rates::{Class, Factor, Rates};
use super::rows::{AboveRow, EndpointRow, FileRow, LaneRow, ModelRow, OwnRow, PriceRow, short};

/// One fault of a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// File and line: `acme.toml:12`.
    pub place: String,
    /// What is wrong and what to do.
    pub reason: String,
}

/// A file being read, by its name for errors.
pub(super) struct Source<'a> {
    pub name: &'a str,
    pub faults: Vec<Fault>,
}

impl Source<'_> {
    fn refuse(&mut self, line: u32, reason: impl Into<String>) {
        self.faults.push(Fault { place: format!("{}:{}", self.name, line.max(1)), reason: reason.into() });
    }

    /// Reads the rows, or notes why they are none.
    pub(super) fn rows(&mut self, tree: Result<Node, TreeError>) -> Option<FileRow> {
        match tree.and_then(|tree| tree::read(&tree)) {
            Ok(rows) => Some(rows),
            Err(error) => {
                let reason: String = error.message.replace('\n', " ").chars().take(400).collect();
                let reason: String = reason.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
                self.refuse(error.line, reason);
                None
            }
        }
    }
}

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub endpoints: Vec<Arc<Endpoint>>,
    pub cards: Vec<Arc<ModelCard>>,
    /// The line of each card, for faults that show later.
    pub lines: Vec<u32>,
}

/// Turns a file's rows into cards and endpoints. Faults are noted in `source`.
pub(super) fn build(source: &mut Source<'_>, file: FileRow) -> Rows {
    let mut rows = Rows::default();
    if file.models.len() + file.endpoints.len() > CATALOG_ROWS_MAX {
        source.refuse(1, format!("more than {CATALOG_ROWS_MAX} rows: split the file"));
        return rows;
    }
    let mut seen = BTreeSet::new();
    for row in &file.endpoints {
        let row = &row.value;
        if !seen.insert(row.id.value.as_str()) {
            source.refuse(row.id.line, format!("endpoint '{}' is in the file twice: remove one", row.id.value));
        } else if let Some(endpoint) = endpoint(source, row, file.vendor.as_ref()) {
            rows.endpoints.push(Arc::new(endpoint));
        }
    }
    let mut seen = BTreeSet::new();
    for row in &file.models {
        let (line, row) = (row.value.id.line, &row.value);
        if !seen.insert(row.id.value.as_str()) {
            source.refuse(line, format!("model '{}' is in the file twice: remove one", row.id.value));
        } else if let Some(card) = card(source, row, &file) {
            rows.cards.push(Arc::new(card));
            rows.lines.push(line);
        }
    }
    rows
}

/// Refuses models that no endpoint serves, and names that mean two models of one vendor.
pub(super) fn check_reachable(source: &mut Source<'_>, rows: &Rows, endpoints: &BTreeMap<EndpointId, Arc<Endpoint>>) {
    let mut names: BTreeMap<(&VendorId, &str), &ModelId> = BTreeMap::new();
    for (card, line) in rows.cards.iter().zip(&rows.lines) {
        for id in &card.endpoints {
            match endpoints.get(id) {
                None => source.refuse(*line, format!("no endpoint is named '{id}': add it or correct the name")),
                Some(endpoint) if endpoint.vendor != card.vendor => {
                    let (theirs, ours) = (&endpoint.vendor, &card.vendor);
                    source.refuse(*line, format!("endpoint '{id}' is of vendor '{theirs}', not '{ours}'"));
                }
                Some(_) => {}
            }
        }
        if !endpoints.values().any(|endpoint| endpoint.vendor == card.vendor) {
            source.refuse(*line, format!("vendor '{}' has no endpoint: add one under [[endpoints]]", card.vendor));
        }
        for name in card.aliases.iter().map(String::as_str).chain([card.id.name()]) {
            if let Some(other) = names.insert((&card.vendor, name), &card.id)
                && other != &card.id
            {
                source.refuse(*line, format!("the name '{}' also means '{other}': remove one", short(name)));
            }
        }
    }
}

fn endpoint(source: &mut Source<'_>, row: &EndpointRow, vendor: Option<&VendorId>) -> Option<Endpoint> {
    let Some(vendor) = row.vendor.as_ref().or(vendor) else {
        source.refuse(row.id.line, "no vendor: write `vendor = ...` here or at the top of the file");
        return None;
    };
    if let Err(reason) = check_address(&row.base_url.value) {
        source.refuse(row.base_url.line, reason);
        return None;
    }
    for name in row.headers.keys().map(|name| name.0.as_str()) {
        let is_name = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let is_secret = ["authorization", "key", "token", "secret", "cookie"].iter().any(|part| name.contains(part));
        if !is_name || is_secret {
            let why = if is_secret { "holds a credential: use auth and key_env" } else { "is not in lower case" };
            source.refuse(row.id.line, format!("the header '{}' {why}", short(name)));
            return None;
        }
    }
    Some(Endpoint {
        id: row.id.value.clone(),
        vendor: vendor.clone(),
        api: row.api,
        base_url: row.base_url.value.clone(),
        region: row.region.clone(),
        self_hosted: row.self_hosted,
        auth: row.auth.clone(),
        key_env: row.key_env.clone().map(String::from),
        headers: row.headers.iter().map(|(name, value)| (name.0.clone(), value.0.clone())).collect(),
        dialect: row.dialect.clone(),
    })
}

fn card(source: &mut Source<'_>, row: &ModelRow, file: &FileRow) -> Option<ModelCard> {
    let (id, line) = (&row.id.value, row.id.line);
    let mut missing = |what: &str| source.refuse(line, format!("model '{id}' has no {what}: add `{what} = ...`"));
    let origin = row.source.as_ref().or(file.defaults.source.as_ref());
    let date = row.date.as_ref().or(file.defaults.date.as_ref());
    if origin.is_none() {
        missing("source");
    }
    if date.is_none() {
        missing("date");
    }
    let (origin, date) = (origin?.0.clone(), date?.0.clone());
    let (window, most) = (row.context_window.0, row.max_output.0);
    if window == 0 || most > window {
        let reason = format!("model '{id}' has a window of {window} and answers of {most} tokens: correct one");
        source.refuse(line, reason);
        return None;
    }
    let prices = prices(source, row)?;
    let listed: Vec<EndpointId> = row.endpoints.iter().map(|id| id.value.clone()).collect();
    Some(ModelCard {
        vendor: VendorId::new(id.vendor()).ok()?,
        wire_name: row.wire_name.as_ref().map_or_else(|| id.name().to_owned(), |name| name.0.clone()),
        aliases: row.aliases.iter().map(|alias| alias.value.0.clone()).collect(),
        family: row.family.0.clone(),
        tier: row.tier,
        context_window: window,
        max_output: most,
        capabilities: row.capabilities.as_ref().unwrap_or(&file.defaults.capabilities).iter().copied().collect(),
        accepts: row.accepts.clone().or_else(|| file.defaults.accepts.clone()).unwrap_or_default(),
        self_hostable: row.self_hostable.unwrap_or(file.defaults.self_hostable),
        prices,
        endpoints: if listed.is_empty() { file.defaults.endpoints.clone() } else { listed },
        source: origin,
        date,
        retired: row.retired,
        id: id.clone(),
    })
}

fn prices(source: &mut Source<'_>, row: &ModelRow) -> Option<PriceList> {
    if row.prices.is_empty() {
        source.refuse(row.id.line, format!("model '{}' has no price: what has none can't be called", row.id.value));
        return None;
    }
    let mut specs = Vec::with_capacity(row.prices.len());
    for price in &row.prices {
        match period(&price.value) {
            Ok(spec) => specs.push(spec),
            Err(reason) => source.refuse(price.line, reason),
        }
    }
    if specs.len() < row.prices.len() {
        return None;
    }
    match PriceList::new(specs) {
        Ok(list) => Some(list),
        Err((at, reason)) => {
            source.refuse(row.prices[at].line, reason);
            None
        }
    }
}

fn period(row: &PriceRow) -> Result<PeriodSpec, String> {
    let rates = match (&row.rates, &row.own) {
        (Some(rates), None) => rates.rates(),
        (None, Some(own)) => own_rates(own)?,
        _ => return Err("a price needs either rates, or own with the hardware it runs on".to_owned()),
    };
    for class in [Class::Input, Class::Output] {
        if rates.own(class).is_none() {
            return Err(format!("the price has no {class} rate: write it, \"0\" where it is free"));
        }
    }
    let above = |rows: &[AboveRow]| rows.iter().map(|row| (row.tokens.0, row.rates.rates())).collect();
    let lanes = row.lanes.iter().map(|(lane, row)| {
        let spec = match row {
            LaneRow::Times(factor) => LaneSpec { change: Change::Times(*factor), above: Vec::new() },
            LaneRow::To { rates, above: longer } => {
                LaneSpec { change: Change::To(Box::new(rates.rates())), above: above(longer) }
            }
        };
        (lane.tier(), spec)
    });
    let mut hours = Vec::new();
    for row in &row.hours {
        let change = match (&row.times, &row.rates) {
            (Some(factor), None) => Change::Times(factor.0),
            (None, Some(rates)) => Change::To(Box::new(rates.rates())),
            _ => return Err("hours need either times, a factor, or rates".to_owned()),
        };
        let days = if row.days.is_empty() { &Day::ALL[..] } else { &row.days };
        hours.push((Hours::daily(days, row.from.0, row.until.0), change));
    }
    Ok(PeriodSpec {
        from: row.from.as_ref().map_or(Timestamp::from_ms(i64::MIN), |from| from.0),
        until: row.until.as_ref().map_or(Timestamp::from_ms(i64::MAX), |until| until.0),
        rates,
        above: above(&row.above),
        lanes: lanes.collect(),
        hours,
        uplift: row.uplift.iter().map(|(id, factor)| (id.clone(), factor.0)).collect(),
    })
}

/// A prompt token and an output token on one's own hardware.
fn own_rates(row: &OwnRow) -> Result<Rates, String> {
    let busy = row.busy.as_ref().map_or(Factor::ONE, |busy| busy.0);
    let rate = |tokens_per_s: u64| -> Result<Usd, String> {
        let hardware = OwnHardware { gpu_hour: row.gpu_hour.0, gpus: row.gpus, tokens_per_s, busy };
        hardware.per_million().map_err(|error| error.to_string())
    };
    let (input, output) = (rate(row.input_tokens_per_s)?, rate(row.output_tokens_per_s)?);
    Ok(Rates::new([(Class::Input, input), (Class::Output, output)]))
}
