//! What is on sale: models, endpoints and exact prices, from data files that are parsed and checked.
//!
//! The built-in files are one a vendor, in `catalog/data`. A user's own files use the same format; their rows take the
//! place of built-in ones of the same id. Nothing here reads a file: texts come from the caller.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::id::{EndpointId, ModelId};
use crate::model::{Endpoint, ModelCard};
use crate::tree::{self, Node, TreeError};

mod address;
mod build;
mod builtin;
mod charge;
mod hours;
mod names;
mod own;
mod price;
mod rates;
mod rows;
#[cfg(test)]
mod tests;
mod when;

pub use address::{UnfilledAddress, fill_address, has_places};
pub use build::Fault;
pub use charge::{Basis, Billing, Charge, ChargeLine, PriceError};
pub use names::NameError;
pub use own::{OwnHardware, OwnHardwareError};
pub(crate) use price::Quick as QuickPrice;
pub use price::{PriceList, PricePeriod};
pub use rates::{Class, Factor, FactorError, Rates};
pub use when::{day_of, parse_time};

/// Models and endpoints, each once, sorted by id.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    cards: Vec<Arc<ModelCard>>,
    endpoints: Vec<Arc<Endpoint>>,
    vendors: names::Vendors,
    /// Made when a name is first looked up: most users never ask.
    names: OnceLock<names::Names>,
}

/// A text of rows and its name for errors.
#[derive(Clone, Copy, Debug)]
pub struct CatalogFile<'a> {
    /// The file's name.
    pub name: &'a str,
    /// What it holds, in TOML.
    pub text: &'a str,
}

/// Why rows were refused: every fault of every file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// The faults, in the order of the files and their lines.
    pub faults: Vec<Fault>,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            let between = if at == 0 { "" } else { "\n" };
            write!(f, "{between}{}: {}", fault.place, fault.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for CatalogError {}

impl Catalog {
    /// The built-in rows, parsed once.
    pub fn builtin() -> &'static Catalog {
        static BUILTIN: OnceLock<Catalog> = OnceLock::new();
        BUILTIN.get_or_init(builtin::catalog)
    }

    /// Reads one text of rows that stands alone; `name` is the file's name for errors.
    ///
    /// # Errors
    /// Every fault with file, line and reason.
    pub fn parse(text: &str, name: &str) -> Result<Catalog, CatalogError> {
        Catalog::default().with_files(&[CatalogFile { name, text }])
    }

    /// These rows with those of `files` added; a row takes the place of an earlier one of the same id.
    ///
    /// # Errors
    /// Every fault with file, line and reason. A model may be served by an endpoint of another file.
    pub fn with_files(&self, files: &[CatalogFile<'_>]) -> Result<Catalog, CatalogError> {
        self.with_trees(files.iter().map(|file| (file.name, tree::parse(file.text))).collect())
    }

    /// These rows with others added, as data: each with a name for errors and an object of `vendor`, `endpoints` and
    /// `models` as a file has them. A key that is null counts as left out.
    ///
    /// # Errors
    /// As `with_files`; in place of a line it is the object's key that is counted.
    pub fn with_rows(&self, rows: &[(String, Value)]) -> Result<Catalog, CatalogError> {
        self.with_trees(rows.iter().map(|(name, rows)| (name.as_str(), Ok(Node::of_rows(rows)))).collect())
    }

    fn with_trees(&self, files: Vec<(&str, Result<Node, TreeError>)>) -> Result<Catalog, CatalogError> {
        let mut endpoints: BTreeMap<EndpointId, Arc<Endpoint>> =
            self.endpoints.iter().map(|endpoint| (endpoint.id.clone(), endpoint.clone())).collect();
        let mut cards: BTreeMap<ModelId, Arc<ModelCard>> =
            self.cards.iter().map(|card| (card.id.clone(), card.clone())).collect();
        let mut vendors = self.vendors.clone();
        let mut read = Vec::with_capacity(files.len());
        for (name, tree) in files {
            let mut source = build::Source { name, faults: Vec::new() };
            let rows = source.rows(tree).map(|rows| {
                vendors.learn(&rows);
                build::build(&mut source, rows)
            });
            let rows = rows.unwrap_or_default();
            endpoints.extend(rows.endpoints.iter().map(|endpoint| (endpoint.id.clone(), endpoint.clone())));
            read.push((source, rows));
        }
        let mut faults = Vec::new();
        for (mut source, rows) in read {
            build::check_reachable(&mut source, &rows, &endpoints);
            faults.extend(source.faults);
            cards.extend(rows.cards.into_iter().map(|card| (card.id.clone(), card)));
        }
        if !faults.is_empty() {
            return Err(CatalogError { faults });
        }
        let (cards, endpoints) = (cards.into_values().collect(), endpoints.into_values().collect());
        Ok(Catalog { cards, endpoints, vendors, names: OnceLock::new() })
    }

    /// Every model, by id.
    pub fn cards(&self) -> &[Arc<ModelCard>] {
        &self.cards
    }

    /// Every endpoint, by id.
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    fn names(&self) -> &names::Names {
        self.names.get_or_init(|| names::Names::new(&self.cards, &self.vendors))
    }

    /// The endpoint of this id.
    pub fn endpoint(&self, id: &EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.binary_search_by(|endpoint| endpoint.id.cmp(id)).ok().map(|at| &self.endpoints[at])
    }

    /// The model that an id or a full alias names: `anthropic/claude-sonnet-4-5-20250929`.
    pub fn find(&self, id: &ModelId) -> Option<&Arc<ModelCard>> {
        self.names().exactly(id.as_str()).map(|at| &self.cards[at])
    }

    /// The model that a name means, as people and vendors' replies write it: an id, an alias, a wire name without its
    /// vendor, or any of these with a date or a variant after it.
    ///
    /// # Errors
    /// `NameError` with the names that are near, or with the vendors that sell a model of that name at other prices.
    pub fn resolve(&self, name: &str) -> Result<&Arc<ModelCard>, NameError> {
        self.names().resolve(name, &self.cards).map(|at| &self.cards[at])
    }

    /// Every model that a name can mean, the likeliest first: `gpt-oss-120b` is sold by many.
    pub fn all_named(&self, name: &str) -> Vec<&Arc<ModelCard>> {
        self.names().all_named(name, &self.cards).into_iter().map(|at| &self.cards[at]).collect()
    }

    /// The endpoints that serve a model.
    pub fn endpoints_of<'a>(&'a self, card: &'a ModelCard) -> impl Iterator<Item = &'a Arc<Endpoint>> {
        self.endpoints.iter().filter(|endpoint| {
            endpoint.vendor == card.vendor && (card.endpoints.is_empty() || card.endpoints.contains(&endpoint.id))
        })
    }
}
