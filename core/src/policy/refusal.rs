//! Why a request may not go somewhere: the rule and a reason for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A rule that can refuse. The names are stable: dashboards count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuleName {
    /// The request names other models.
    Asked,
    /// The vendor is not allowed.
    Vendor,
    /// The model is not allowed.
    Model,
    /// The model's tier is out of bounds.
    Tier,
    /// The place is not allowed.
    Residency,
    /// Only the user's own servers are allowed.
    SelfHosted,
    /// A data label may not go there.
    Sensitivity,
    /// There is no key for the endpoint.
    Key,
    /// The vendor has withdrawn the model.
    Retired,
    /// The model has no price, so its cost cannot be bounded.
    Unpriced,
    /// The model cannot do what is asked.
    Capability,
    /// The request holds parts that only another format knows.
    Format,
    /// The prompt and an answer do not fit the context window.
    Context,
    /// The model does not take a parameter of the request.
    Accepts,
    /// It may cost more than is left.
    Budget,
    /// The endpoint is not well at the moment.
    Health,
}

impl RuleName {
    /// Every rule, in the order in which refusals are listed.
    pub const ALL: [RuleName; 16] = [
        RuleName::Asked,
        RuleName::Vendor,
        RuleName::Model,
        RuleName::Tier,
        RuleName::Residency,
        RuleName::SelfHosted,
        RuleName::Sensitivity,
        RuleName::Key,
        RuleName::Retired,
        RuleName::Unpriced,
        RuleName::Capability,
        RuleName::Format,
        RuleName::Context,
        RuleName::Accepts,
        RuleName::Budget,
        RuleName::Health,
    ];

    /// The name in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            RuleName::Asked => "asked",
            RuleName::Vendor => "vendor",
            RuleName::Model => "model",
            RuleName::Tier => "tier",
            RuleName::Residency => "residency",
            RuleName::SelfHosted => "self_hosted",
            RuleName::Sensitivity => "sensitivity",
            RuleName::Key => "key",
            RuleName::Retired => "retired",
            RuleName::Unpriced => "unpriced",
            RuleName::Capability => "capability",
            RuleName::Format => "format",
            RuleName::Context => "context",
            RuleName::Accepts => "accepts",
            RuleName::Budget => "budget",
            RuleName::Health => "health",
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One reason why a request may not go to a model at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// The rule that refuses.
    pub rule: RuleName,
    /// What is wrong, for people, in one line.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.reason)
    }
}

/// A set of rules in one word.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleSet(u32);

impl RuleSet {
    /// Whether no rule is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this rule is in it.
    pub const fn has(self, rule: RuleName) -> bool {
        self.0 & (1 << rule as u32) != 0
    }

    /// The rules of both.
    pub const fn with(self, other: RuleSet) -> RuleSet {
        RuleSet(self.0 | other.0)
    }

    /// Adds a rule.
    pub const fn insert(&mut self, rule: RuleName) {
        self.0 |= 1 << rule as u32;
    }

    /// Each rule, in order.
    pub fn iter(self) -> impl Iterator<Item = RuleName> {
        RuleName::ALL.into_iter().filter(move |rule| self.has(*rule))
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Where rules put their refusals. The reason is a closure, since the hot path never reads it: a decision over a
/// hundred models keeps a word for each, and the sentences are written when somebody asks.
pub(super) trait Sink {
    /// Takes a refusal.
    fn refuse(&mut self, rule: RuleName, reason: impl FnOnce() -> String);
}

impl Sink for RuleSet {
    fn refuse(&mut self, rule: RuleName, _: impl FnOnce() -> String) {
        self.insert(rule);
    }
}

impl Sink for Vec<Refusal> {
    fn refuse(&mut self, rule: RuleName, reason: impl FnOnce() -> String) {
        self.push(Refusal { rule, reason: reason() });
    }
}
