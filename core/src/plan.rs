//! Which models, in which order, at what expected cost: the cheapest one that is good enough, and who stands in for it.
//!
//! A plan is made from what policy admits, how likely each model is to be good enough, its expected cost and how its
//! endpoints fare. Each candidate carries the proof of its admission, so nothing that policy refuses can stand in a
//! plan. The same inputs give the same plan, byte for byte, whatever the order of the catalogue.
//!
//! A decision over a hundred models takes microseconds: a rejected model costs no allocation, and the reasons are
//! written when somebody asks, by `Plan::explain` or by reading a `Refused`.
//!
//! What it does not do: call anything, wait, or learn what happened. That is `attempt`'s.

use std::fmt;
use std::sync::Arc;

use crate::id::ModelId;
use crate::model::{Endpoint, ModelCard};
use crate::money::Usd;
use crate::policy::{self, Admission, Needs, Policy, Screening, Terms};
use crate::request::Request;
use crate::score::{Complexity, Gist, Scorer};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

mod baseline;
mod cascade;
mod checks;
mod cost;
mod evidence;
mod explain;
mod field;
#[cfg(test)]
pub(crate) mod fixture;
mod order;
mod promise;
mod refused;
mod screenful;
mod settings;
#[cfg(test)]
mod tests;

pub use baseline::Baseline;
pub use cascade::{Cascade, good_given};
pub use checks::{CascadeSettings, CheckKind, PlannedCheck, Sight, StreamChecks};
pub use explain::{
    Aim, BaselineLine, CandidateLine, CascadeLine, Explanation, Hardness, PassedOver, PlaceRefusals, RefusedModel,
    Role, Saving, Sizes, Why,
};
pub use promise::PromiseState;
pub use refused::Refused;
pub use settings::Settings;

pub use crate::score::Rating;

use cascade::Weighed;
use evidence::Evidence;

/// Decides by what the scorer makes of the request.
///
/// `needs` are those of this request.
///
/// # Errors
/// `Refused` where no model may see the request, with every reason.
pub fn decide(
    request: &Request,
    policy: &Policy,
    snapshot: &Snapshot,
    needs: &Needs,
    scorer: &Scorer,
    settings: &Settings,
) -> Result<Plan, Refused> {
    decide_learnt(request, policy, snapshot, needs, (scorer, |_: &Gist, _: &ModelCard, rating| rating), settings)
}

/// Decides by what the scorer makes of the request, and by what was learnt of the models since: the second half of
/// `judges` moves the rating of each model that policy admits.
///
/// `needs` are those of this request.
///
/// # Errors
/// `Refused` where no model may see the request, with every reason.
pub fn decide_learnt(
    request: &Request,
    policy: &Policy,
    snapshot: &Snapshot,
    needs: &Needs,
    judges: (&Scorer, impl Fn(&Gist, &ModelCard, Rating) -> Rating),
    settings: &Settings,
) -> Result<Plan, Refused> {
    let (scorer, learnt) = judges;
    let screening = policy::screen(request, policy, snapshot, needs);
    let complexity = match screening.leaves_a_choice() {
        true => scorer.assess(request, needs),
        false => scorer.assess_signs(request, needs),
    };
    let rate = |row: usize, card: &ModelCard| {
        learnt(complexity.gist(), card, complexity.rating_of(snapshot.offers(), row, card))
    };
    make(screening, policy, snapshot, needs, (rate, Some(&complexity)), settings)
}

/// Decides by ratings of the caller's own: `rate` is asked once for each model that policy admits.
///
/// `needs` are those of this request.
///
/// # Errors
/// `Refused` where no model may see the request, with every reason.
pub fn decide_rated(
    request: &Request,
    policy: &Policy,
    snapshot: &Snapshot,
    needs: &Needs,
    rate: impl Fn(&ModelCard) -> Rating,
    settings: &Settings,
) -> Result<Plan, Refused> {
    let screening = policy::screen(request, policy, snapshot, needs);
    make(screening, policy, snapshot, needs, (|_: usize, card: &ModelCard| rate(card), None), settings)
}

/// Rates and orders; what the ratings were made from is kept for who asks.
fn make(
    screening: Screening,
    policy: &Policy,
    snapshot: &Snapshot,
    needs: &Needs,
    (rate, complexity): (impl Fn(usize, &ModelCard) -> Rating, Option<&Complexity>),
    settings: &Settings,
) -> Result<Plan, Refused> {
    let field = field::gather(&screening, snapshot, needs, settings, &rate);
    let evidence = |field| Evidence {
        screening,
        policy: policy.clone(),
        snapshot: snapshot.without_health(),
        needs: *needs,
        settings: settings.clone(),
        complexity: complexity.cloned().map(Box::new),
        field,
    };
    if field.entrants.is_empty() {
        return Err(Refused::new(evidence(field)));
    }
    let picks = order::order(&field, snapshot.offers(), settings);
    let evidence = evidence(field);
    let is_direct = settings.cascade.checks.is_empty();
    let (candidates, path) = match is_direct {
        true => (picks.iter().map(|pick| evidence.candidate(*pick)).collect(), None),
        false => cascade::decide(&evidence, &picks),
    };
    let baseline = baseline::of(&evidence, &rate);
    Ok(Plan { candidates, baseline, path, evidence: Arc::new(evidence) })
}

/// Whom to ask, in order. Never empty.
#[derive(Clone)]
pub struct Plan {
    candidates: Vec<Candidate>,
    baseline: Option<Baseline>,
    /// The best cascade, and whether it is followed.
    path: Option<Box<Weighed>>,
    evidence: Arc<Evidence>,
}

impl Plan {
    /// The cascade that is followed; `None` where the choice is asked directly.
    pub fn cascade(&self) -> Option<&Cascade> {
        self.path.as_deref().filter(|path| path.is_taken).map(|path| &path.cascade)
    }

    /// The likeliest of all admitted models to be good enough, whether it is a candidate or not.
    pub fn best(&self) -> Candidate {
        cascade::best_candidate(&self.evidence)
    }

    /// Whether two good answers to the request look alike, so that agreement says something.
    pub fn is_comparable(&self) -> bool {
        cascade::is_comparable(&self.evidence.needs, self.complexity().map(Complexity::kind))
    }

    /// The candidates: the choice, then who stands in for it.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The first candidate.
    pub fn choice(&self) -> &Candidate {
        &self.candidates[0]
    }

    /// What savings are counted against; `None` where it has no price.
    pub fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// The request.
    pub fn request(&self) -> &Request {
        self.evidence.screening.request()
    }

    /// What the request demands.
    pub fn needs(&self) -> &Needs {
        &self.evidence.needs
    }

    /// How hard the request was found to be; `None` where the caller brought its own ratings.
    pub fn complexity(&self) -> Option<&Complexity> {
        self.evidence.complexity.as_deref()
    }

    /// How likely the score alone takes a candidate's answer to be good enough, before anything was learnt.
    #[cfg(feature = "client")]
    pub(crate) fn scored(&self, candidate: &Candidate) -> Option<f64> {
        let offers = self.evidence.snapshot.offers();
        self.complexity().map(|complexity| complexity.rating_of(offers, candidate.row, candidate.card()).p_good)
    }

    /// When the decision was made.
    pub fn at(&self) -> Timestamp {
        self.evidence.snapshot.now()
    }

    /// The whole decision, for people and for machines. It is written now, which takes about a millisecond.
    pub fn explain(&self) -> Explanation {
        explain::explain(self, &self.evidence)
    }
}

impl fmt::Debug for Plan {
    /// Names models and amounts, and never the request's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("candidates", &self.candidates).field("baseline", &self.baseline).finish()
    }
}

/// A model at an endpoint that may answer the request.
#[derive(Clone)]
pub struct Candidate {
    /// The proof that policy lets the request through to it.
    pub admission: Admission,
    /// What an attempt at it is held to.
    pub terms: Terms,
    /// How likely its answer is good enough.
    pub p_good: f64,
    /// How many tokens of output it is expected to write, reasoning included.
    pub expected_output: u64,
    /// What an answer is expected to cost, less what its cache of this conversation saves.
    pub expected_cost: Usd,
    /// From when on its endpoint may be called; the time of the decision or earlier where it is well.
    pub ready_at: Timestamp,
    /// Whether it meets the aim; one that does not stands in only where all others fail.
    pub is_good_enough: bool,
    /// Its model among the offers.
    row: usize,
}

impl Candidate {
    /// The model.
    pub fn card(&self) -> &Arc<ModelCard> {
        self.admission.card()
    }

    /// Where it is asked.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        self.admission.endpoint()
    }

    /// The model's id.
    pub fn model(&self) -> &ModelId {
        &self.card().id
    }
}

impl fmt::Debug for Candidate {
    /// Names the model and the amounts, and never the request's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("model", self.model())
            .field("endpoint", &self.endpoint().id)
            .field("p_good", &self.p_good)
            .field("expected_output", &self.expected_output)
            .field("expected_cost", &self.expected_cost)
            .field("terms", &self.terms)
            .field("ready_at", &self.ready_at)
            .field("is_good_enough", &self.is_good_enough)
            .finish()
    }
}
