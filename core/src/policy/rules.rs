//! What an operator allows, as data: it stands in `tierway.toml` under `[policy]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{DataLabel, Region, VendorId};
use crate::model::{Endpoint, ModelCard, Tier};
use crate::money::Usd;

/// What is allowed. The default allows every vendor, region and model, and refuses requests whose data labels it does
/// not know.
///
/// ```
/// # use tierway::policy::Policy;
/// let policy: Policy = toml::from_str(r#"
///     regions = { allow = ["eu"] }
///     vendors = { deny = ["openrouter"] }
///     models = { deny = ["openai/gpt-3.5*", "deepseek-r1"] }
///     max_cost = "0.25"
///
///     [labels.customer-pii]
///     regions = ["eu"]
///     self_hosted = true
/// "#)?;
/// assert_eq!(policy.labels.len(), 1);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Which vendors may see requests: the one that sells the model and the one that runs the endpoint, both.
    #[serde(skip_serializing_if = "List::is_open")]
    pub vendors: List<VendorId>,
    /// Where requests may be processed. With an allow list, `global` is outside it unless it is named. With a deny
    /// list, `global` and places that may lie in a denied one are denied too. The user's own machine (`local`,
    /// self-hosted) is allowed unless it is denied by name.
    #[serde(skip_serializing_if = "List::is_open")]
    pub regions: List<Region>,
    /// Which models may see requests, by id, alias, family, or with a `*` at the end by the start of the id.
    #[serde(skip_serializing_if = "List::is_open")]
    pub models: List<ModelPattern>,
    /// Only the user's own servers and the native engine may see requests.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub self_hosted_only: bool,
    /// The lowest tier that may answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tier: Option<Tier>,
    /// The highest tier that may answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tier: Option<Tier>,
    /// The most that one attempt may cost: its upper bound, not what is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Usd>,
    /// Where each kind of data may go. A request must satisfy the rule of every label that it carries.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<DataLabel, LabelRule>,
    /// The rule for labels without one; without it such a request is refused everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_labels: Option<LabelRule>,
    /// What happens to parameters that a model does not take.
    pub parameters: Parameters,
}

/// What may be, and what may not: a denial wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, bound(deserialize = "T: Deserialize<'de> + Ord"))]
pub struct List<T: Ord> {
    /// Only these; left out, all. An empty list allows nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<BTreeSet<T>>,
    /// Not these.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub deny: BTreeSet<T>,
}

impl<T: Ord> Default for List<T> {
    fn default() -> List<T> {
        List { allow: None, deny: BTreeSet::new() }
    }
}

impl<T: Ord> List<T> {
    /// Whether it restricts nothing.
    pub fn is_open(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }
}

/// Where data of one kind may go: to endpoints in one of the regions and of one of the vendors, where these are named,
/// and besides to self-hosted endpoints, where that is said. A rule that names nothing lets the data go nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelRule {
    /// In one of these regions; `global` is in none unless it is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<BTreeSet<Region>>,
    /// At one of these vendors; with `regions`, in one of these too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendors: Option<BTreeSet<VendorId>>,
    /// Also at the user's own servers, wherever they stand.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub self_hosted: bool,
    /// Anywhere: the label is known and restricts nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
}

impl LabelRule {
    /// Whether data under this rule may go to `endpoint`.
    pub fn admits(&self, endpoint: &Endpoint) -> bool {
        if self.anywhere || (self.self_hosted && endpoint.self_hosted) {
            return true;
        }
        if self.regions.is_none() && self.vendors.is_none() {
            return false;
        }
        let region_fits = |regions: &BTreeSet<Region>| regions.iter().any(|region| region.covers(&endpoint.region));
        let vendor_fits = |vendors: &BTreeSet<VendorId>| vendors.contains(&endpoint.vendor);
        self.regions.as_ref().is_none_or(region_fits) && self.vendors.as_ref().is_none_or(vendor_fits)
    }
}

impl fmt::Display for LabelRule {
    /// Writes where the data may go: `in eu at anthropic, or self-hosted`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.anywhere {
            return f.write_str("anywhere");
        }
        let mut gap = "";
        if let Some(regions) = &self.regions {
            write!(f, "in {}", listed(regions))?;
            gap = " ";
        }
        if let Some(vendors) = &self.vendors {
            write!(f, "{gap}at {}", listed(vendors))?;
            gap = " ";
        }
        match (self.self_hosted, gap) {
            (true, "") => f.write_str("self-hosted"),
            (true, _) => f.write_str(", or self-hosted"),
            (false, "") => f.write_str("nowhere"),
            (false, _) => Ok(()),
        }
    }
}

/// Names for people: `eu, us`; `nothing` where there are none.
pub(super) fn listed<T: fmt::Display>(names: &BTreeSet<T>) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<String> = names.iter().map(T::to_string).collect();
    names.join(", ")
}

/// What happens to parameters that a model does not take. Stop texts are never dropped: they change the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Parameters {
    /// They are left out, or said in another way: a reasoning model without `temperature` may still answer.
    #[default]
    Adapt,
    /// The model is refused.
    Strict,
}

/// Names models: an id, an alias, a family, or the start of an id followed by `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelPattern(String);

impl ModelPattern {
    /// Whether it names this model.
    pub fn matches(&self, card: &ModelCard) -> bool {
        if let Some(start) = self.0.strip_suffix('*') {
            return card.id.as_str().starts_with(start);
        }
        let alias_fits = |alias: &String| {
            let named_in_full = self.0.strip_prefix(card.vendor.as_str()).and_then(|rest| rest.strip_prefix('/'));
            *alias == self.0 || named_in_full == Some(alias)
        };
        self.0 == card.id.as_str() || self.0 == card.family || card.aliases.iter().any(alias_fits)
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ModelPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<ModelPattern, PatternError> {
        let start = text.strip_suffix('*').unwrap_or(text);
        let fits = |c: char| c != '*' && !c.is_whitespace() && !c.is_control();
        if text.is_empty() || text.len() > crate::limits::ID_BYTES_MAX || !start.chars().all(fits) {
            return Err(PatternError { text: text.chars().take(60).filter(|c| !c.is_control()).collect() });
        }
        Ok(ModelPattern(text.to_owned()))
    }
}

impl TryFrom<String> for ModelPattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<ModelPattern, PatternError> {
        text.parse()
    }
}

impl From<ModelPattern> for String {
    fn from(pattern: ModelPattern) -> String {
        pattern.0
    }
}

/// A text names no models.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' names no models: write an id, an alias or a family, or the start of an id followed by one '*'")]
pub struct PatternError {
    /// The refused text, cut to 60 characters.
    pub text: String,
}
