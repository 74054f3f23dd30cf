//! Budgets: how much, over which time, for which attempts, and what happens when it is used up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{ModelId, VendorId};
use crate::ledger::{
    Alert, AlertKind, Amount, Balance, BalanceKey, Facts, OverBudget, Purpose, Rate, Reserve, Settle, Tags, Window,
};
use crate::limits::{BUDGETS_MAX, TAG_BYTES_MAX};
use crate::model::Tier;
use crate::money::Usd;
use crate::snapshot::{Headroom, Reach, TierCap};
use crate::time::Timestamp;

/// A share in thousandths: 100 is a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Thousandths(pub u16);

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// Money.
    Money(Usd),
    /// Tokens, prompt and answer.
    Tokens(u64),
    /// Attempts.
    Requests(u64),
    /// Attempts in the selected tiers, as a share of all attempts that are otherwise selected, rounded up.
    Share(Thousandths),
}

impl Limit {
    /// What a reservation sets aside, in the limit's unit.
    pub(crate) fn held_by(&self, entry: &Reserve) -> i128 {
        match self {
            Limit::Money(_) => i128::from(entry.amount.pico()),
            Limit::Tokens(_) => i128::from(entry.tokens_max),
            Limit::Requests(_) | Limit::Share(_) => 1,
        }
    }

    /// What a settlement posts, in the limit's unit.
    pub(crate) fn posted_by(&self, reserve: &Reserve, entry: &Settle) -> i128 {
        match self {
            Limit::Money(_) => i128::from(entry.cost.pico()),
            Limit::Tokens(_) => i128::from(reserve.tokens_of(entry)),
            Limit::Requests(_) | Limit::Share(_) => 1,
        }
    }

    /// The limit in its unit, where `base` attempts of which a share may be taken were made.
    pub(crate) fn units(&self, base: i128) -> i128 {
        match self {
            Limit::Money(limit) => i128::from(limit.pico()),
            Limit::Tokens(limit) | Limit::Requests(limit) => i128::from(*limit),
            Limit::Share(Thousandths(share)) => (base * i128::from(*share) + 999) / 1_000,
        }
    }
}

/// What happens beyond the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Enforce {
    /// Nothing more is reserved: the limit is never passed.
    #[default]
    Refuse,
    /// The owner is told.
    Alert,
    /// The owner is told, and decisions use no tier above this one.
    StepDown(Tier),
}

/// Something that attempts differ in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dimension {
    /// The model.
    Model,
    /// Who serves it.
    Vendor,
    /// Where.
    Endpoint,
    /// The tier.
    Tier,
    /// The caller's key.
    Key,
    /// Why the attempt is made.
    Purpose,
    /// A tag, by name: `user`, `team`, `project`.
    Tag(String),
}

impl Dimension {
    /// The dimension of this name: `model`, `vendor`, `endpoint`, `tier`, `key`, `purpose`; every other is a tag.
    pub fn named(name: &str) -> Dimension {
        match name {
            "model" => Dimension::Model,
            "vendor" => Dimension::Vendor,
            "endpoint" => Dimension::Endpoint,
            "tier" => Dimension::Tier,
            "key" => Dimension::Key,
            "purpose" => Dimension::Purpose,
            tag => Dimension::Tag(tag.strip_prefix("tag:").unwrap_or(tag).to_owned()),
        }
    }

    /// The value of an attempt; empty where it has none.
    pub fn of<'a>(&self, facts: &'a Facts) -> &'a str {
        match self {
            Dimension::Model => facts.model.as_str(),
            Dimension::Vendor => facts.vendor.as_str(),
            Dimension::Endpoint => facts.endpoint.as_str(),
            Dimension::Tier => facts.tier.as_str(),
            Dimension::Purpose => facts.purpose.as_str(),
            Dimension::Key => facts.key.as_deref().unwrap_or(""),
            Dimension::Tag(name) => facts.tags.get(name).map_or("", String::as_str),
        }
    }

    /// Whether it is known of the request already, before a model was chosen.
    fn of_request<'a>(&self, scope: &'a Scope) -> Option<&'a str> {
        match self {
            Dimension::Key => Some(scope.key.as_deref().unwrap_or("")),
            Dimension::Tag(name) => Some(scope.tags.get(name).map_or("", String::as_str)),
            _ => None,
        }
    }
}

/// The name that `Dimension::named` reads: a tag that is named like something else has `tag:` before it.
impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Dimension::Tag(name) = self
            && Dimension::named(name) != *self
        {
            f.write_str("tag:")?;
        }
        f.write_str(match self {
            Dimension::Model => "model",
            Dimension::Vendor => "vendor",
            Dimension::Endpoint => "endpoint",
            Dimension::Tier => "tier",
            Dimension::Key => "key",
            Dimension::Purpose => "purpose",
            Dimension::Tag(name) => name,
        })
    }
}

/// Writes a balance's scope: `user=ann,team=search`. Commas, equal signs and backslashes in values are escaped.
pub(crate) fn scope_text<'a>(values: impl Iterator<Item = (&'a Dimension, &'a str)>) -> String {
    let mut text = String::new();
    for (dimension, value) in values {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&dimension.to_string());
        text.push('=');
        text.push_str(&escaped(value));
    }
    text
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '=' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Which attempts: those that match every part; an empty part matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selector {
    /// These models.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub models: BTreeSet<ModelId>,
    /// These vendors.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub vendors: BTreeSet<VendorId>,
    /// These tiers.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tiers: BTreeSet<Tier>,
    /// These callers' keys.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
    /// Tags, each with the values that match.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, BTreeSet<String>>,
}

fn takes<T: Ord>(chosen: &BTreeSet<T>, value: &T) -> bool {
    chosen.is_empty() || chosen.contains(value)
}

impl Selector {
    /// Whether the attempt is chosen.
    pub fn takes(&self, facts: &Facts) -> bool {
        self.takes_but_tier(facts) && takes(&self.tiers, &facts.tier)
    }

    fn takes_but_tier(&self, facts: &Facts) -> bool {
        takes(&self.models, &facts.model)
            && takes(&self.vendors, &facts.vendor)
            && self.takes_request(facts.key.as_deref(), &facts.tags)
    }

    fn takes_request(&self, key: Option<&str>, tags: &Tags) -> bool {
        (self.keys.is_empty() || key.is_some_and(|key| self.keys.contains(key)))
            && self.tags.iter().all(|(name, values)| tags.get(name).is_some_and(|value| values.contains(value)))
    }
}

/// A request before a model was chosen: what budgets can be looked up by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The name of the caller's key.
    pub key: Option<String>,
    /// The request's tags.
    pub tags: Tags,
}

/// What a decision should know of the budgets. Binding is the reservation alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What hard budgets have left.
    pub headroom: Vec<Headroom>,
    /// The highest tier that soft budgets leave.
    pub tier_cap: Option<TierCap>,
}

/// A limit on what a set of attempts may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Its name, unique, for people.
    pub name: String,
    /// How much.
    pub limit: Limit,
    /// Over which time.
    pub window: Window,
    /// For which attempts.
    pub only: Selector,
    /// One balance for each value of these; one for all where it is empty.
    pub per: Vec<Dimension>,
    /// What happens beyond the limit.
    pub enforce: Enforce,
    /// Percentages of the limit at which the owner is told, rising.
    pub alert_at: Vec<u8>,
}

/// How an attempt counts in a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draw {
    /// It uses the limit.
    Uses,
    /// It is part of what a share is taken of.
    Base,
}

impl Budget {
    /// A hard budget in UTC for all attempts.
    pub fn new(name: impl Into<String>, limit: Limit, window: Window) -> Budget {
        Budget {
            name: name.into(),
            limit,
            window,
            only: Selector::default(),
            per: Vec::new(),
            enforce: Enforce::Refuse,
            alert_at: Vec::new(),
        }
    }

    /// How the attempt counts, if it does. An answer from a cache asks nobody for anything.
    pub(crate) fn draw(&self, facts: &Facts) -> Option<Draw> {
        if facts.purpose == Purpose::Cached {
            return None;
        }
        let is_share = matches!(self.limit, Limit::Share(_));
        match self.only.takes_but_tier(facts) {
            true if takes(&self.only.tiers, &facts.tier) => Some(Draw::Uses),
            true if is_share => Some(Draw::Base),
            _ => None,
        }
    }

    /// Which balance the attempt draws on.
    pub(crate) fn scope(&self, facts: &Facts) -> String {
        scope_text(self.per.iter().map(|dimension| (dimension, dimension.of(facts))))
    }

    /// Which balance a request draws on, where that is known before a model is chosen.
    pub(crate) fn scope_of_request(&self, scope: &Scope) -> Option<String> {
        let values: Option<Vec<_>> = self.per.iter().map(|d| Some((d, d.of_request(scope)?))).collect();
        values.map(|values| scope_text(values.into_iter()))
    }

    /// Whether the reservation fits what is used; where not, what to tell.
    pub(crate) fn judge(&self, used: &Balance, scope: &str, entry: &Reserve, oldest: Timestamp) -> Option<OverBudget> {
        let base = used.base + i128::from(matches!(self.limit, Limit::Share(_)));
        let limit = self.limit.units(base);
        let asked = self.limit.held_by(entry);
        if used.used() + asked <= limit {
            return None;
        }
        Some(OverBudget {
            budget: self.name.clone(),
            scope: Some(scope.to_owned()).filter(|scope| !scope.is_empty()),
            asked: Amount::of(&self.limit, asked),
            left: Amount::of(&self.limit, limit - used.used()),
            limit: Amount::of(&self.limit, limit),
            resets_at: self.window.leaves(oldest),
        })
    }

    /// The limit for people; for a share, what is allowed before there is anything to share.
    pub(crate) fn full(&self) -> Amount {
        Amount::of(&self.limit, self.limit.units(0))
    }

    /// The marks that are reached as what is posted grows.
    pub(crate) fn marks_between(&self, before: i128, after: i128) -> impl Iterator<Item = u8> {
        let limit = match self.limit {
            Limit::Share(_) => 0,
            _ => self.limit.units(0),
        };
        let is_past = move |posted: i128, mark: u8| posted * 100 >= limit * i128::from(mark);
        let marks = if limit > 0 { self.alert_at.as_slice() } else { &[] };
        marks.iter().copied().filter(move |mark| !is_past(before, *mark) && is_past(after, *mark))
    }

    /// The marks that balances have reached, of windows that count at this time. Told again after a crash, they have
    /// the ids that they were told with before.
    pub(crate) fn reached(&self, balances: &BTreeMap<BalanceKey, Balance>, at: Timestamp) -> Vec<Alert> {
        let (first, last) = self.window.counted(at);
        let mut scopes: BTreeMap<&str, (i128, Timestamp)> = BTreeMap::new();
        let counts = |key: &BalanceKey| key.budget == self.name && first <= key.bucket && key.bucket <= last;
        for (key, balance) in balances.iter().filter(|(key, _)| counts(key)) {
            let (posted, oldest) = scopes.entry(&key.scope).or_insert((0, key.bucket));
            *posted += balance.posted;
            *oldest = key.bucket.min(*oldest);
        }
        let alerts = scopes.into_iter().flat_map(|(scope, (posted, oldest))| {
            self.marks_between(0, posted).map(move |mark| self.mark(mark, scope, posted, (at, oldest)))
        });
        alerts.collect()
    }

    /// That what is posted reached a mark, at a time and with an oldest part that counts then.
    pub(crate) fn mark(&self, mark: u8, scope: &str, posted: i128, when: (Timestamp, Timestamp)) -> Alert {
        self.alert(AlertKind::Reached(mark), scope, (posted, self.full()), when)
    }

    /// That an entry went beyond the limit, which does not refuse it.
    pub(crate) fn beyond(&self, used: &Balance, entry: &Reserve, refusal: &OverBudget, oldest: Timestamp) -> Alert {
        let used = used.used() + self.limit.held_by(entry);
        let scope = refusal.scope.as_deref().unwrap_or("");
        self.alert(AlertKind::Beyond, scope, (used, refusal.limit), (entry.at, oldest))
    }

    fn alert(
        &self,
        kind: AlertKind,
        scope: &str,
        (used, limit): (i128, Amount),
        (at, oldest): (Timestamp, Timestamp),
    ) -> Alert {
        let resets_at = self.window.leaves(oldest);
        let told_until = self.window.stretch_end(at).or(resets_at);
        let set = match self.limit {
            Limit::Share(Thousandths(share)) => format!("{share} of 1000"),
            _ => self.full().to_string(),
        };
        Alert {
            id: super::alert::id(&self.name, scope, kind, &set, told_until),
            budget: self.name.clone(),
            scope: Some(scope.to_owned()).filter(|scope| !scope.is_empty()),
            kind,
            used: Amount::of(&self.limit, used),
            limit,
            resets_at,
            told_until,
        }
    }

    /// Adds what a decision should know of this budget, where `used` is what counts now.
    pub(crate) fn tell(&self, used: &Balance, standing: &mut Standing) {
        let base = used.base + i128::from(matches!(self.limit, Limit::Share(_)));
        let left = self.limit.units(base) - used.used();
        if let Enforce::StepDown(tier) = self.enforce
            && left <= 0
            && standing.tier_cap.as_ref().is_none_or(|cap| tier < cap.tier)
        {
            standing.tier_cap = Some(TierCap { budget: self.name.clone(), tier });
        }
        let left = match self.limit {
            Limit::Money(_) => Usd::try_from_pico(left.max(0)).unwrap_or(Usd::MAX),
            _ if left <= 0 => Usd::ZERO,
            _ => return,
        };
        if self.enforce == Enforce::Refuse {
            let reach = Reach {
                models: self.only.models.clone(),
                vendors: self.only.vendors.clone(),
                tiers: self.only.tiers.clone(),
            };
            standing.headroom.push(Headroom { budget: self.name.clone(), left, reach });
        }
    }

    /// Whether a request may draw on this budget, as far as can be said before a model was chosen.
    pub(crate) fn concerns(&self, scope: &Scope) -> bool {
        self.only.takes_request(scope.key.as_deref(), &scope.tags)
    }

    /// What its balances depend on, as text: another text means that they must be counted again from the journal.
    pub fn definition(&self) -> String {
        let unit = match self.limit {
            Limit::Money(_) => "money",
            Limit::Tokens(_) => "tokens",
            Limit::Requests(_) => "requests",
            Limit::Share(_) => "share",
        };
        let only = serde_json::to_string(&self.only).expect("a selector is plain data");
        let per: Vec<String> = self.per.iter().map(|part| escaped(&part.to_string())).collect();
        format!("{unit} {} {} {only} {}", self.window.frame(), self.window.zone(), per.join(","))
    }
}

impl Reserve {
    /// Whether the settlement is above what was reserved.
    pub fn is_overrun_by(&self, entry: &Settle) -> bool {
        entry.cost > self.amount || entry.tokens() > self.tokens_max
    }

    /// Tokens to post: what was used, or the whole bound where nothing is known.
    pub(crate) fn tokens_of(&self, entry: &Settle) -> u64 {
        match entry.tokens() {
            0 if entry.basis == crate::ledger::Basis::Unknown => self.tokens_max,
            tokens => tokens,
        }
    }
}

/// Why a set of budgets and rates was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{name}': {reason}")]
pub struct BudgetError {
    /// The budget's or rate's name.
    pub name: String,
    /// What is wrong and what to write.
    pub reason: String,
}

/// All budgets and rates of a ledger, checked. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    budgets: Arc<[Budget]>,
    rates: Arc<[Rate]>,
}

impl Rules {
    /// Checks budgets and rates.
    ///
    /// # Errors
    /// Where there are too many, two have one name, or a limit makes no sense.
    pub fn new(budgets: Vec<Budget>, rates: Vec<Rate>) -> Result<Rules, BudgetError> {
        let refuse = |name: &str, reason: &str| Err(BudgetError { name: name.to_owned(), reason: reason.to_owned() });
        if budgets.len().max(rates.len()) > BUDGETS_MAX {
            return refuse("budgets", "there are more than a thousand: use `per` to keep one for each user or team");
        }
        let mut names = BTreeSet::new();
        for name in budgets.iter().map(|budget| &budget.name).chain(rates.iter().map(|rate| &rate.name)) {
            if name.is_empty() || name.len() > TAG_BYTES_MAX || name.chars().any(char::is_control) {
                return refuse(name, "a name has 1 to 256 bytes and no control characters");
            }
            if !names.insert(name) {
                return refuse(name, "two have this name: give each its own");
            }
        }
        for budget in &budgets {
            let is_plain = |part: &Dimension| !part.to_string().chars().any(char::is_control);
            if !budget.per.iter().all(is_plain) {
                return refuse(&budget.name, "a tag in `per` has no control characters");
            }
            match budget.limit {
                Limit::Money(limit) if limit.is_negative() => return refuse(&budget.name, "its limit is below zero"),
                Limit::Share(Thousandths(share)) if share > 1_000 => {
                    return refuse(&budget.name, "a share lies between 0 and 1");
                }
                Limit::Share(_) if budget.only.tiers.is_empty() => {
                    return refuse(&budget.name, "a share wants the tiers that it limits, such as [\"frontier\"]");
                }
                _ => {}
            }
        }
        rates.iter().try_for_each(Rate::check)?;
        Ok(Rules { budgets: budgets.into(), rates: rates.into() })
    }

    /// The budgets.
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// The rates.
    pub fn rates(&self) -> &[Rate] {
        &self.rates
    }

    /// Whether there is nothing to hold.
    pub fn is_empty(&self) -> bool {
        self.budgets.is_empty() && self.rates.is_empty()
    }
}
