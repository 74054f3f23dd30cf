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

use baseline::Outsider;
use cascade::Weighed;
use evidence::Evidence;
use field::Field;

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
    decide_in(World::of(policy, snapshot, settings), request, needs, judges)
}

/// What a decision looks at besides the request, as it is kept with the plan.
pub(crate) struct World {
    pub(crate) policy: Arc<Policy>,
    pub(crate) snapshot: Snapshot,
    pub(crate) settings: Arc<Settings>,
}

impl World {
    fn of(policy: &Policy, snapshot: &Snapshot, settings: &Settings) -> World {
        World { policy: Arc::new(policy.clone()), snapshot: snapshot.clone(), settings: Arc::new(settings.clone()) }
    }
}

/// The same as `decide_learnt` without a copy of what it looks at.
pub(crate) fn decide_in(
    world: World,
    request: &Request,
    needs: &Needs,
    judges: (&Scorer, impl Fn(&Gist, &ModelCard, Rating) -> Rating),
) -> Result<Plan, Refused> {
    let (scorer, learnt) = judges;
    let screening = policy::screen(request, &world.policy, &world.snapshot, needs);
    let complexity = match screening.leaves_a_choice() {
        true => scorer.assess(request, needs),
        false => scorer.assess_signs(request, needs),
    };
    let rate = |row: usize, card: &ModelCard| {
        learnt(complexity.gist(), card, complexity.rating_of(world.snapshot.offers(), row, card))
    };
    let rated = Rated::by(rate, &screening, &world, needs);
    make(screening, world, needs, Some(complexity), rated)
}

/// Decides by ratings of the caller's own: `rate` is asked once for each model that policy admits, and for the baseline that
/// the settings name.
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
    let world = World::of(policy, snapshot, settings);
    let screening = policy::screen(request, policy, snapshot, needs);
    let rated = Rated::by(|_: usize, card: &ModelCard| rate(card), &screening, &world, needs);
    make(screening, world, needs, None, rated)
}

/// Every model that had to be rated.
struct Rated {
    field: Field,
    outsider: Option<Outsider>,
}

impl Rated {
    fn by(
        rate: impl Fn(usize, &ModelCard) -> Rating,
        screening: &Screening,
        World { snapshot, settings, .. }: &World,
        needs: &Needs,
    ) -> Rated {
        let field = field::gather(screening, snapshot, needs, settings, &rate);
        let outsider = baseline::outsider(&field, screening.offers(), settings, &rate);
        Rated { field, outsider }
    }
}

/// Orders what was rated; what the ratings were made from is kept for who asks.
fn make(
    screening: Screening,
    world: World,
    needs: &Needs,
    complexity: Option<Complexity>,
    Rated { field, outsider }: Rated,
) -> Result<Plan, Refused> {
    let World { policy, snapshot, settings } = world;
    let snapshot = snapshot.without_health();
    let evidence = Evidence { screening, policy, snapshot, needs: *needs, settings, complexity, field };
    if evidence.field.entrants.is_empty() {
        return Err(Refused::new(evidence));
    }
    let picks = order::order(&evidence.field, evidence.screening.offers(), &evidence.settings);
    let is_direct = evidence.settings.cascade.checks.is_empty();
    let (candidates, path) = match is_direct {
        true => (picks.iter().map(|pick| evidence.candidate(*pick)).collect(), None),
        false => cascade::decide(&evidence, &picks),
    };
    let baseline = baseline::of(&evidence, outsider);
    Ok(Plan { made: Arc::new(Made { candidates, baseline, path, evidence }) })
}

/// Whom to ask, in order. Never empty. Cheap to clone.
#[derive(Clone)]
pub struct Plan {
    made: Arc<Made>,
}

struct Made {
    candidates: Vec<Candidate>,
    baseline: Option<Baseline>,
    /// The best cascade, and whether it is followed.
    path: Option<Box<Weighed>>,
    evidence: Evidence,
}

impl Plan {
    /// The cascade that is followed; `None` where the choice is asked directly.
    pub fn cascade(&self) -> Option<&Cascade> {
        self.made.path.as_deref().filter(|path| path.is_taken).map(|path| &path.cascade)
    }

    /// The likeliest of all admitted models to be good enough, whether it is a candidate or not.
    pub fn best(&self) -> Candidate {
        cascade::best_candidate(&self.made.evidence)
    }

    /// Whether two good answers to the request look alike, so that agreement says something.
    pub fn is_comparable(&self) -> bool {
        cascade::is_comparable(&self.made.evidence.needs, self.complexity().map(Complexity::kind))
    }

    /// The candidates: the choice, then who stands in for it.
    pub fn candidates(&self) -> &[Candidate] {
        &self.made.candidates
    }

    /// The first candidate.
    pub fn choice(&self) -> &Candidate {
        &self.made.candidates[0]
    }

    /// What savings are counted against; `None` where it has no price.
    pub fn baseline(&self) -> Option<&Baseline> {
        self.made.baseline.as_ref()
    }

    /// The request.
    pub fn request(&self) -> &Request {
        self.made.evidence.screening.request()
    }

    /// What the request demands.
    pub fn needs(&self) -> &Needs {
        &self.made.evidence.needs
    }

    /// How hard the request was found to be; `None` where the caller brought its own ratings.
    pub fn complexity(&self) -> Option<&Complexity> {
        self.made.evidence.complexity.as_ref()
    }

    /// How likely the score alone takes a candidate's answer to be good enough, before anything was learnt.
    #[cfg(feature = "client")]
    pub(crate) fn scored(&self, candidate: &Candidate) -> Option<f64> {
        let offers = self.made.evidence.snapshot.offers();
        self.complexity().map(|complexity| complexity.rating_of(offers, candidate.row, candidate.card()).p_good)
    }

    /// When the decision was made.
    pub fn at(&self) -> Timestamp {
        self.made.evidence.snapshot.now()
    }

    /// The whole decision, for people and for machines. It is written now, which takes about a millisecond.
    pub fn explain(&self) -> Explanation {
        explain::explain(self, &self.made.evidence)
    }
}

impl fmt::Debug for Plan {
    /// Names models and amounts, and never the request's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("candidates", &self.made.candidates)
            .field("baseline", &self.made.baseline)
            .finish()
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
