//! What the user wants of a decision.

use crate::id::ModelId;
use crate::money::Usd;
use crate::time::Span;

use super::checks::CascadeSettings;
use super::promise::PromiseState;

/// What the user wants of a decision. By default: 95 % of the best admitted model's quality, at the least cost.
///
/// One aim decides: `worth` where it is said, else `spend_max`, else `quality`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Share of the best admitted model's chance of a good answer to keep, from 0 to 1; the cheapest model that keeps
    /// it is chosen.
    pub quality: f64,
    /// What a good answer is worth: the model is chosen for which this times its chance, less its cost, is most.
    pub worth: Option<Usd>,
    /// What an answer may be expected to cost: the model with the best chance within it is chosen.
    pub spend_max: Option<Usd>,
    /// Endpoints whose calls are known to take longer, the wait for those before them included, are asked after the others.
    pub latency_max: Option<Span>,
    /// The model against which savings are counted; the strongest admitted one where it is not said.
    pub baseline: Option<ModelId>,
    /// The only models, by id or alias, that the router chooses from; empty means all. A model that the request itself
    /// names is asked all the same.
    pub models: Vec<ModelId>,
    /// Most candidates after the first.
    pub fallbacks_max: usize,
    /// Whether a model below the aim may stand in where all others fail or rest.
    pub fallback_below_aim: bool,
    /// Whether cheap answers may be checked and replaced, and how.
    pub cascade: CascadeSettings,
    /// Where the promise of quality stands that raised the aim, or let it be; for the explanation.
    pub promise: Option<PromiseState>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            quality: 0.95,
            worth: None,
            spend_max: None,
            latency_max: None,
            baseline: None,
            models: Vec::new(),
            fallbacks_max: 4,
            fallback_below_aim: true,
            cascade: CascadeSettings::default(),
            promise: None,
        }
    }
}
