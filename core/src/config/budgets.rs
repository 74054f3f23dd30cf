//! `[[budgets]]` and `[[rates]]`: limits on what may be spent and how fast.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{ModelId, VendorId};
use crate::ledger::{Budget, Dimension, Enforce, Frame, Limit, Rate, Rules, Selector, Thousandths, Window};
use crate::model::Tier;
use crate::money::Usd;

use super::{Config, ConfigError};

/// A limit: exactly one of `usd`, `tokens`, `requests` and `share`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// Its name.
    pub name: String,
    /// Most dollars, as text: `"250.00"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// Most tokens, prompt and answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Most attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Most attempts in `tiers`, as a share of all, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// `hour`, `day`, `week`, `month`, `total`, or a rolling one such as `rolling 24h`.
    pub window: Frame,
    /// The zone of the calendar, by its IANA name; UTC where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// One balance for each value of these: `model`, `vendor`, `endpoint`, `tier`, `key`, `purpose`, or a tag's name.
    pub per: Vec<String>,
    /// What happens beyond it: `refuse`, `alert` or `step_down`.
    pub enforce: EnforceConfig,
    /// The highest tier that is left beyond it, where `enforce` is `step_down`; economy where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_down_to: Option<Tier>,
    /// Percentages at which the owner is told.
    pub alert_at: Vec<u8>,
    /// Only for these models.
    pub models: BTreeSet<ModelId>,
    /// Only for these vendors.
    pub vendors: BTreeSet<VendorId>,
    /// Only for these tiers.
    pub tiers: BTreeSet<Tier>,
    /// Only for these callers' keys.
    pub keys: BTreeSet<String>,
    /// Only for these tags, each with the values that match.
    pub tags: BTreeMap<String, OneOrMore>,
}

/// What happens beyond a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EnforceConfig {
    /// Nothing more is reserved.
    #[default]
    Refuse,
    /// The owner is told.
    Alert,
    /// The owner is told, and cheaper tiers answer.
    StepDown,
}

/// A value or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(BTreeSet<String>),
}

/// Requests and tokens a minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Its name.
    pub name: String,
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Seconds' worth that may come at once, 1 to 60; a minute's where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst_secs: Option<u64>,
    /// One bucket for each value of these, as for budgets.
    pub per: Vec<String>,
    /// Only for these models.
    pub models: BTreeSet<ModelId>,
    /// Only for these vendors.
    pub vendors: BTreeSet<VendorId>,
    /// Only for these tiers.
    pub tiers: BTreeSet<Tier>,
}

impl BudgetConfig {
    fn limit(&self) -> Result<Limit, String> {
        let mut limits = Vec::new();
        limits.extend(self.usd.map(Limit::Money));
        limits.extend(self.tokens.map(Limit::Tokens));
        limits.extend(self.requests.map(Limit::Requests));
        if let Some(share) = self.share {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("a share of {share} is out of range: use 0 to 1, such as 0.1"));
            }
            limits.push(Limit::Share(Thousandths((share * 1_000.0).round() as u16)));
        }
        match limits.as_slice() {
            [limit] => Ok(*limit),
            [] => Err("it has no limit: give usd, tokens, requests or share".to_owned()),
            _ => Err("it has several limits: give one of usd, tokens, requests and share, and other budgets the rest"
                .to_owned()),
        }
    }

    fn budget(&self) -> Result<Budget, String> {
        let window =
            Window::new(self.window, self.zone.as_deref().unwrap_or("UTC")).map_err(|error| error.to_string())?;
        let mut alert_at = self.alert_at.clone();
        alert_at.sort_unstable();
        let tags = self.tags.iter().map(|(name, values)| {
            let values = match values {
                OneOrMore::One(value) => [value.clone()].into(),
                OneOrMore::More(values) => values.clone(),
            };
            (name.clone(), values)
        });
        Ok(Budget {
            name: self.name.clone(),
            limit: self.limit()?,
            window,
            only: Selector {
                models: self.models.clone(),
                vendors: self.vendors.clone(),
                tiers: self.tiers.clone(),
                keys: self.keys.clone(),
                tags: tags.collect(),
            },
            per: self.per.iter().map(|name| Dimension::named(name)).collect(),
            enforce: match self.enforce {
                EnforceConfig::Refuse => Enforce::Refuse,
                EnforceConfig::Alert => Enforce::Alert,
                EnforceConfig::StepDown => Enforce::StepDown(self.step_down_to.unwrap_or(Tier::Economy)),
            },
            alert_at,
        })
    }
}

impl RateConfig {
    fn rate(&self) -> Rate {
        Rate {
            name: self.name.clone(),
            only: Selector {
                models: self.models.clone(),
                vendors: self.vendors.clone(),
                tiers: self.tiers.clone(),
                ..Selector::default()
            },
            per: self.per.iter().map(|name| Dimension::named(name)).collect(),
            requests: self.requests_per_minute,
            tokens: self.tokens_per_minute,
            burst_secs: self.burst_secs,
        }
    }
}

impl Config {
    /// The budgets and rates, checked.
    ///
    /// # Errors
    /// The first that makes no sense, by its name.
    pub fn ledger_rules(&self) -> Result<Rules, ConfigError> {
        let mut budgets = Vec::new();
        for (at, budget) in self.budgets.iter().enumerate() {
            let place = || format!("budgets[{at}] '{}'", budget.name.escape_debug());
            budgets.push(budget.budget().map_err(|reason| ConfigError::new(place(), reason))?);
        }
        let rates = self.rates.iter().map(RateConfig::rate).collect();
        Rules::new(budgets, rates).map_err(|error| {
            ConfigError::new(format!("budgets and rates: '{}'", error.name.escape_debug()), error.reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<Rules, String> {
        let config = Config::parse(text, "tierway.toml").map_err(|error| error.to_string())?;
        config.ledger_rules().map_err(|error| error.to_string())
    }

    #[test]
    fn reads_budgets_of_every_kind() {
        let rules = rules(
            "[[budgets]]\nname = \"team\"\nusd = \"250.5\"\nwindow = \"month\"\nzone = \"Europe/Berlin\"\nper = [\"team\"]\n\
             alert_at = [100, 50]\ntags = { stage = [\"live\", \"test\"] }\n\
             [[budgets]]\nname = \"frontier\"\nshare = 0.1\ntiers = [\"frontier\"]\nwindow = \"rolling 24h\"\n\
             [[budgets]]\nname = \"soft\"\ntokens = 1000\nenforce = \"step_down\"\n\
             [[rates]]\nname = \"openai\"\nvendors = [\"openai\"]\nrequests_per_minute = 500\n",
        );
        let rules = rules.unwrap();
        assert_eq!(rules.budgets().len(), 3);
        assert_eq!(rules.budgets()[0].window.zone(), "Europe/Berlin");
        assert_eq!(rules.budgets()[0].alert_at, [50, 100]);
        assert_eq!(rules.budgets()[1].limit, Limit::Share(Thousandths(100)));
        assert_eq!(rules.budgets()[2].enforce, Enforce::StepDown(Tier::Economy));
        assert_eq!(rules.rates()[0].requests, Some(500));
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        let error = rules(text).unwrap_err();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn says_what_is_wrong_with_a_budget() {
        check("[[budgets]]\nname = \"a\"\n", "budgets[0] 'a': it has no limit");
        check("[[budgets]]\nname = \"a\"\nusd = \"1\"\ntokens = 5\n", "several limits");
        check("[[budgets]]\nname = \"a\"\nusd = \"1\"\nzone = \"Mars\"\n", "'Mars' is no time zone");
        check("[[budgets]]\nname = \"a\"\nusd = \"1\"\nwindow = \"fortnight\"\n", "'fortnight' is no window");
        check("[[budgets]]\nname = \"a\"\nusd = \"-1\"\n", "its limit is below zero");
        check("[[budgets]]\nname = \"a\"\nusd = \"NaN\"\n", "not a decimal amount");
        check("[[budgets]]\nname = \"a\"\nshare = 2.0\ntiers = [\"frontier\"]\n", "out of range");
        check("[[budgets]]\nname = \"a\"\nshare = 0.5\n", "a share wants the tiers");
        check("[[budgets]]\nname = \"a\"\nusd = \"1\"\n[[budgets]]\nname = \"a\"\nusd = \"2\"\n", "two have this name");
        check("[[budgets]]\nname = \"a\"\nusdd = \"1\"\n", "unknown field");
        check("[[budgets]]\nusd = \"1\"\n", "a name has 1 to 256 bytes");
        check("[[rates]]\nname = \"r\"\n", "it limits nothing");
    }
}
