//! A small catalogue for tests: ten models of six vendors, with prices of round figures.

use std::sync::Arc;

use crate::catalog::PriceList;
use crate::id::{EndpointId, ModelId, Region, VendorId};
use crate::model::{Accepts, Api, Auth, Capability, Dialect, Endpoint, ModelCard, Tier};
use crate::money::Usd;
use crate::snapshot::{Offers, Snapshot};
use crate::time::Timestamp;

use super::Rating;

/// Model, tier, window, prices per million tokens (prompt, cached, output), capabilities.
const MODELS: &str = "
    acme/grand        frontier  200000   5.00  0.50  25.00  tools vision json_schema reasoning
    acme/middle       standard  200000   1.00  0.10   5.00  tools vision json_schema
    acme/mini         economy   128000   0.10  0.01   0.40  tools
    bolt/thinker      frontier  128000   1.20  0.30   4.80  tools reasoning
    bolt/quick        economy    32000   0.05  0.05   0.20  -
    cliff/giant       frontier  400000   3.00  0.30  15.00  tools vision json_schema reasoning
    cliff/fair        standard  400000   0.60  0.06   2.40  tools json_schema
    dune/fair         standard  128000   0.70  0.70   2.00  tools json_schema
    own/local         local       8000   0.00  0.00   0.00  -
    odd/unpriced      frontier  128000   -     -      -     tools
";

/// Endpoint, vendor, region, whether it is self-hosted.
const ENDPOINTS: &str = "
    acme        acme    us        vendor
    acme-eu     acme    eu-west-1 vendor
    bolt        bolt    cn        vendor
    cliff       cliff   us        vendor
    dune        dune    eu        vendor
    odd         odd     us        vendor
    own         own     local     self
";

/// 2026-09-21, 14:13:20 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

/// The rows of a table, as words.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|words| !words.is_empty())
}

pub(crate) fn cards() -> Vec<Arc<ModelCard>> {
    rows(MODELS).map(|words| Arc::new(card(&words))).collect()
}

fn card(words: &[&str]) -> ModelCard {
    let id = ModelId::new(words[0]).unwrap();
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    let prices = match words[3] {
        "-" => PriceList::default(),
        _ => PriceList::per_million(usd(words[3]), usd(words[4]), usd(words[5])),
    };
    ModelCard {
        vendor: VendorId::new(id.vendor()).unwrap(),
        wire_name: id.name().to_owned(),
        aliases: vec![format!("{}-latest", id.name())],
        family: id.name().to_owned(),
        tier: serde_json::from_value::<Tier>(words[1].into()).unwrap(),
        context_window: words[2].parse().unwrap(),
        max_output: 16_000,
        capabilities: words[6..]
            .iter()
            .filter(|word| **word != "-")
            .map(|word| serde_json::from_value::<Capability>((*word).into()).unwrap())
            .collect(),
        accepts: Accepts::default(),
        self_hostable: false,
        prices,
        endpoints: Vec::new(),
        source: "made up".to_owned(),
        date: "2026-09-21".to_owned(),
        retired: false,
        id,
    }
}

pub(crate) fn endpoints() -> Vec<Arc<Endpoint>> {
    let endpoint = |words: Vec<&str>| Endpoint {
        id: EndpointId::new(words[0]).unwrap(),
        vendor: VendorId::new(words[1]).unwrap(),
        api: Api::ChatCompletions,
        base_url: format!("https://{}.example/v1", words[0]),
        region: Region::new(words[2]).unwrap(),
        self_hosted: words[3] == "self",
        auth: Auth::None,
        key_env: None,
        headers: Default::default(),
        dialect: Dialect::default(),
    };
    rows(ENDPOINTS).map(|words| Arc::new(endpoint(words))).collect()
}

pub(crate) fn snapshot() -> Snapshot {
    Snapshot::new(Arc::new(Offers::new(cards(), endpoints())), NOW)
}

/// A made-up ability table: how likely a model of this name is good enough at work of a difficulty from 0 to 1.
pub(crate) fn rate(difficulty: f64) -> impl Fn(&ModelCard) -> Rating {
    move |card| {
        let (strength, output_tokens) = match card.id.as_str() {
            "acme/grand" => (1.00, 600),
            "cliff/giant" => (0.97, 700),
            "bolt/thinker" => (0.95, 4_000),
            "acme/middle" => (0.80, 500),
            "cliff/fair" => (0.78, 500),
            "dune/fair" => (0.74, 400),
            "acme/mini" => (0.50, 400),
            "bolt/quick" => (0.45, 400),
            _ => (0.25, 300),
        };
        Rating { p_good: 1.0 - difficulty * (1.1 - strength), output_tokens }
    }
}
