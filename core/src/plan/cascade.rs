//! Ask directly, or ask a cheap model first and check its answer? The expected cost of the whole path decides.
//!
//! A path asks a first model, checks its answer, and asks a target where the answer falls short. Its cost is the first
//! answer's, the check's, and the target's as often as it is needed. Its chance of a good answer is that of a good one
//! passing, and of the target's where it was asked. Whether two models agree follows from both chances and from how far
//! good and bad answers go together; three constants say that, measured over all pairs of models on GSM8K, MATH level 5,
//! CRUXEval (ZeroEval) and MMLU-Pro.
//!
//! What it does not do: make a check, or learn. It weighs two stages; what a third would add was noise on those sets.

use crate::id::ModelId;
use crate::model::Capability;
use crate::money::Usd;
use crate::policy::{self, Needs};
use crate::request::Request;
use crate::score::TaskKind;
use crate::snapshot::Offers;

use super::checks::{CascadeSettings, CheckKind, Sight};
use super::evidence::Evidence;
use super::field::{Entrant, Field};
use super::order::Pick;
use super::{Candidate, CascadeLine, Settings, cost};

/// Correlation of two models' answers being good. Medians of the four sets: 0.30, 0.37, 0.45, 0.36.
const TOGETHER: f64 = 0.36;
/// How often two bad answers say the same. Medians: 0.41, 0.13, 0.24, 0.25.
const SAME_MISTAKE: f64 = 0.25;
/// The same two for a model asked twice: assumptions, since the data hold one sample a model.
const TOGETHER_SAME: f64 = 0.75;
const SAME_MISTAKE_SAME: f64 = 0.6;
/// By how much the target's odds fall, as a logarithm, where the first answer fell short. Medians: 1.25, 0.22, 0.34, 0.19.
const HARDER: f64 = 0.4;
/// How many models are weighed as first, as second opinion and as target: the cheapest that are not beaten at their price.
const WEIGHED_MAX: usize = 8;
/// What a judge reads besides the request and the answer, and what it writes, in tokens.
const JUDGE_INPUT_TOKENS: u64 = 120;
const JUDGE_OUTPUT_TOKENS: u64 = 40;

/// A path and what is expected of it. Positions are those of `Field::places`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) first: u32,
    pub(super) check: usize,
    pub(super) opinion: Option<u32>,
    pub(super) target: u32,
    pub(super) check_cost: Usd,
    pub(super) p_short: f64,
    pub(super) p_good: f64,
    pub(super) cost: Usd,
    /// What asking directly is expected to cost.
    pub(super) direct_cost: Usd,
    /// Whether it was taken.
    pub(super) is_taken: bool,
}

/// What a path is weighed by besides the field.
pub(super) struct Facts<'a> {
    pub(super) offers: &'a Offers,
    pub(super) needs: &'a Needs,
    pub(super) settings: &'a Settings,
    pub(super) kind: Option<TaskKind>,
    /// The price of a judge's look at an answer of so many tokens; `None` where policy does not let it see the request.
    pub(super) judge: &'a dyn Fn(&ModelId, u64) -> Option<Usd>,
}

/// A model that may take part, at the place where it would be asked.
#[derive(Clone, Copy, Debug)]
struct Seat {
    place: u32,
    row: u32,
    p_good: f64,
    output: u64,
    cost: f64,
}

/// The best path beside asking `direct`; `None` where there is none to speak of.
pub(super) fn weigh(field: &Field, facts: &Facts<'_>, direct: Pick) -> Option<Path> {
    let wanted = &facts.settings.cascade;
    let seats = seats(field, facts, direct);
    let direct_seat = *seats.iter().find(|seat| seat.place == direct.place)?;
    let mut best: Option<(f64, Path)> = None;
    for first in &seats {
        if first.cost >= direct_seat.cost {
            break;
        }
        for (at, check) in wanted.checks.iter().enumerate() {
            let sight = check.sight.unwrap_or_else(|| check.kind.sight());
            for look in looks(first, &seats, &check.kind, sight, facts) {
                let targets = seats.iter().filter(|target| target.p_good > first.p_good);
                for target in targets {
                    let path = path(first, at, look, target, direct_seat.cost);
                    if !is_soon(field, wanted, &path) {
                        continue;
                    }
                    let Some(merit) = merit(field, facts.settings, path.p_good, path.cost) else { continue };
                    if best.as_ref().is_none_or(|(least, _)| merit > *least) {
                        best = Some((merit, path));
                    }
                }
            }
        }
    }
    let (merit_of_path, mut path) = best?;
    let kept = (1.0 - wanted.margin.clamp(0.0, 1.0)) * direct_seat.cost;
    let direct_merit = merit(field, facts.settings, direct_seat.p_good, usd(kept));
    path.is_taken = direct_merit.is_none_or(|direct| merit_of_path > direct);
    Some(path)
}

/// How much an outcome is wanted; `None` where it does not meet the aim.
fn merit(field: &Field, settings: &Settings, p_good: f64, cost: Usd) -> Option<f64> {
    match (settings.worth, settings.spend_max) {
        (Some(worth), _) => Some(p_good * worth.to_f64_lossy() - cost.to_f64_lossy()),
        (None, Some(spend_max)) => (cost <= spend_max).then_some(p_good),
        (None, None) => (p_good >= field.bar(settings)).then(|| -cost.to_f64_lossy()),
    }
}

/// The models that are not beaten twice over at their price, the cheapest first, and the direct choice.
fn seats(field: &Field, facts: &Facts<'_>, direct: Pick) -> Vec<Seat> {
    let mut all: Vec<Seat> = Vec::with_capacity(field.entrants.len());
    for (at, entrant) in field.entrants.iter().enumerate() {
        let Some(place) = place_of(field, at, direct) else { continue };
        let cost = field.places[place].pinned_cost.unwrap_or_else(|| cost_of(field, entrant, facts));
        if cost != Usd::MAX {
            let (row, p_good, output) = (entrant.row, entrant.p_good, entrant.output);
            all.push(Seat { place: place as u32, row, p_good, output, cost: cost.to_f64_lossy() });
        }
    }
    all.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(b.p_good.total_cmp(&a.p_good)).then(a.place.cmp(&b.place)));
    let mut kept: Vec<Seat> = Vec::with_capacity(2 * WEIGHED_MAX);
    for seat in all {
        let beaten = kept.iter().filter(|other| other.p_good >= seat.p_good).count();
        if seat.place == direct.place || beaten < 2 {
            kept.push(seat);
        }
    }
    // The cheapest are first answers and opinions, the best are targets: the middle is left out where there are many.
    if kept.len() > 2 * WEIGHED_MAX {
        let (from, to) = (WEIGHED_MAX, kept.len() - WEIGHED_MAX);
        let mut at = 0;
        kept.retain(|seat| {
            at += 1;
            !(from < at && at <= to) || seat.place == direct.place
        });
    }
    kept
}

/// Where an entrant would be asked: at the direct choice's place, else the ready one with the least load.
fn place_of(field: &Field, entrant: usize, direct: Pick) -> Option<usize> {
    let ready = |at: &usize| field.state(&field.places[*at]).ready_at <= field.now || *at == direct.place as usize;
    let own = (0..field.places.len()).filter(|at| field.places[*at].entrant as usize == entrant);
    own.filter(ready).min_by_key(|at| {
        let place = &field.places[*at];
        (*at != direct.place as usize, place.pinned_cost.is_none(), field.state(place).load)
    })
}

fn cost_of(field: &Field, entrant: &Entrant, facts: &Facts<'_>) -> Usd {
    entrant.cost.unwrap_or_else(|| cost::of_row(facts.offers, entrant.row, facts.needs, entrant.output, field.now))
}

/// What comes of a check of a first answer.
#[derive(Clone, Copy, Debug)]
struct Look {
    opinion: Option<u32>,
    cost: f64,
    p_pass: f64,
    /// That it passes and is good.
    p_good_passes: f64,
}

/// Every way to make this check of this model's answer.
fn looks(first: &Seat, seats: &[Seat], kind: &CheckKind, sight: Sight, facts: &Facts<'_>) -> Vec<Look> {
    let card = facts.offers.rows()[first.row as usize].card();
    match kind {
        CheckKind::Agreement if is_comparable(facts.needs, facts.kind) => {
            let others = seats.iter().filter(|other| other.row != first.row);
            others.map(|other| agreement(first, other, TOGETHER, SAME_MISTAKE)).collect()
        }
        CheckKind::Sample if is_comparable(facts.needs, facts.kind) => {
            vec![agreement(first, first, TOGETHER_SAME, SAME_MISTAKE_SAME)]
        }
        CheckKind::Agreement | CheckKind::Sample => Vec::new(),
        CheckKind::Confidence(_) if !card.capabilities.contains(&Capability::Logprobs) => Vec::new(),
        CheckKind::Judge(model) => match (facts.judge)(model, first.output) {
            Some(price) if *model != card.id => vec![seen(first, sight, price.to_f64_lossy())],
            _ => Vec::new(),
        },
        _ => vec![seen(first, sight, 0.0)],
    }
}

/// Whether two good answers to the request look alike: a number, a choice, a fact, JSON of a shape; not prose or programs.
pub(super) fn is_comparable(needs: &Needs, kind: Option<TaskKind>) -> bool {
    use TaskKind::{Classification, Extraction, Knowledge, Mathematics, Reasoning};
    let closed = |kind| matches!(kind, Classification | Extraction | Knowledge | Mathematics | Reasoning);
    needs.capabilities.has(Capability::JsonSchema) || kind.is_none_or(closed)
}

/// The chance that both of two answers are good, and that they say the same.
fn together(a: f64, b: f64, together: f64, same_mistake: f64) -> (f64, f64) {
    let both = (a * b + together * (a * (1.0 - a) * b * (1.0 - b)).sqrt()).min(a.min(b));
    let neither = (1.0 - a - b + both).max(0.0);
    (both, both + same_mistake * neither)
}

/// How likely an answer of chance `a` is good after another of chance `b` said the same, or something else.
pub fn good_given(agrees: bool, a: f64, b: f64) -> f64 {
    let (both, same) = together(a, b, TOGETHER, SAME_MISTAKE);
    let (good, all) = if agrees { (both, same) } else { (a - both, 1.0 - same) };
    (good / all.max(1e-9)).clamp(0.0, 1.0)
}

/// The place of the admitted model with the best chance, the first by id of equals.
pub(super) fn best_candidate(evidence: &Evidence) -> Candidate {
    let field = &evidence.field;
    let best = field.entrants.iter().position(|entrant| entrant.p_good == field.best).unwrap_or(0);
    let nobody = Pick { place: u32::MAX, is_good_enough: true };
    let of_best = || field.places.iter().position(|place| place.entrant as usize == best);
    let place = place_of(field, best, nobody).or_else(of_best).unwrap_or(0);
    evidence.candidate(Pick { place: place as u32, is_good_enough: true })
}

fn agreement(first: &Seat, other: &Seat, correlation: f64, same_mistake: f64) -> Look {
    let (both, p_pass) = together(first.p_good, other.p_good, correlation, same_mistake);
    Look { opinion: Some(other.place), cost: other.cost, p_pass, p_good_passes: both }
}

fn seen(first: &Seat, sight: Sight, cost: f64) -> Look {
    let share = |value: f64| if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
    let p_good_passes = first.p_good * (1.0 - share(sight.false_alarms));
    let p_pass = p_good_passes + (1.0 - first.p_good) * (1.0 - share(sight.catches));
    Look { opinion: None, cost, p_pass, p_good_passes }
}

fn path(first: &Seat, check: usize, look: Look, target: &Seat, direct_cost: f64) -> Path {
    let p_short = 1.0 - look.p_pass;
    let odds = target.p_good / (1.0 - target.p_good).max(1e-9) * (-HARDER).exp();
    let p_target = odds / (1.0 + odds);
    Path {
        first: first.place,
        check,
        opinion: look.opinion,
        target: target.place,
        check_cost: usd(look.cost),
        p_short,
        p_good: look.p_good_passes + p_short * p_target,
        cost: usd(first.cost + look.cost + p_short * target.cost),
        direct_cost: usd(direct_cost),
        is_taken: false,
    }
}

/// An expected cost, rounded up to a pico-dollar.
fn usd(dollars: f64) -> Usd {
    Usd::from_pico((dollars * crate::money::PICO_PER_USD as f64).ceil() as i64)
}

/// Whether the path is not known to take too long: answer, opinion and target one after the other, or two at once.
fn is_soon(field: &Field, wanted: &CascadeSettings, path: &Path) -> bool {
    let Some(most) = wanted.latency_max else { return true };
    let known = |place: u32| field.state(&field.places[place as usize]).known_ms();
    let (first, opinion) = (known(path.first), path.opinion.map_or(0, known));
    let answered = if wanted.side_by_side { first.max(opinion) } else { first.saturating_add(opinion) };
    answered.saturating_add(known(path.target)) <= most.ms()
}

/// The places in the order of a path that was taken: first, target, then the others as they stood.
pub(super) fn along(path: &Path, field: &Field, settings: &Settings, picks: &[Pick]) -> Vec<Pick> {
    let by_quality = settings.worth.is_none() && settings.spend_max.is_none();
    let pick = |place: u32| {
        let known = picks.iter().find(|pick| pick.place == place);
        let entrant = &field.entrants[field.places[place as usize].entrant as usize];
        let is_good_enough =
            known.map_or(!by_quality || entrant.p_good >= field.bar(settings), |pick| pick.is_good_enough);
        Pick { place, is_good_enough }
    };
    let mut order = vec![pick(path.first), pick(path.target)];
    order.extend(picks.iter().filter(|pick| pick.place != path.first && pick.place != path.target));
    order.truncate(picks.len().max(2));
    order
}

/// A cheap answer first, checked; a better model where it falls short. The plan's first candidate answers first, its
/// second is the target.
#[derive(Clone, Debug)]
pub struct Cascade {
    /// Who answers first.
    pub first: ModelId,
    /// The check that was planned. Those that cost nothing are made besides.
    pub check: CheckKind,
    /// Who is asked the same, where the check is an agreement.
    pub opinion: Option<Candidate>,
    /// Who answers where the first answer falls short.
    pub target: ModelId,
    /// What the check is expected to cost.
    pub check_cost: Usd,
    /// How likely the first answer falls short.
    pub p_short: f64,
    /// How likely the answer that is delivered is good enough.
    pub p_good: f64,
    /// What the whole path is expected to cost.
    pub expected_cost: Usd,
    /// What asking directly is expected to cost.
    pub direct_cost: Usd,
}

impl Path {
    /// The path with its names.
    pub(super) fn named(&self, evidence: &Evidence) -> Cascade {
        let candidate = |place: u32| evidence.candidate(Pick { place, is_good_enough: false });
        Cascade {
            first: candidate(self.first).model().clone(),
            check: evidence.settings.cascade.checks[self.check].kind.clone(),
            opinion: self.opinion.map(candidate),
            target: candidate(self.target).model().clone(),
            check_cost: self.check_cost,
            p_short: self.p_short,
            p_good: self.p_good,
            expected_cost: self.cost,
            direct_cost: self.direct_cost,
        }
    }
}

/// A cascade, and whether it is followed.
#[derive(Clone)]
pub(super) struct Weighed {
    pub(super) cascade: Cascade,
    pub(super) is_taken: bool,
}

impl Weighed {
    /// For an explanation.
    pub(super) fn line(&self) -> CascadeLine {
        let Cascade { first, check, opinion, target, check_cost, p_short, p_good, expected_cost, direct_cost } =
            &self.cascade;
        let with = match check {
            CheckKind::Judge(model) => Some(model.clone()),
            _ => opinion.as_ref().map(|candidate| candidate.model().clone()),
        };
        CascadeLine {
            is_taken: self.is_taken,
            first: first.clone(),
            check: check.as_str(),
            with,
            target: target.clone(),
            p_short: *p_short,
            p_good: *p_good,
            check_cost: *check_cost,
            expected_cost: *expected_cost,
            direct_cost: *direct_cost,
        }
    }
}

/// Decides between the direct order and a path; the candidates in the order that follows, and the best path.
pub(super) fn decide(evidence: &Evidence, picks: &[Pick]) -> (Vec<Candidate>, Option<Box<Weighed>>) {
    let candidates =
        |picks: &[Pick]| -> Vec<Candidate> { picks.iter().map(|pick| evidence.candidate(*pick)).collect() };
    let Some(path) = best(evidence, picks[0]) else { return (candidates(picks), None) };
    let cascade = path.named(evidence);
    if path.is_taken {
        let mut along = candidates(&along(&path, &evidence.field, &evidence.settings, picks));
        let is_ready = match cascade.check {
            CheckKind::Confidence(_) => with_probabilities(evidence, &mut along[0]),
            _ => true,
        };
        if is_ready {
            return (along, Some(Box::new(Weighed { cascade, is_taken: true })));
        }
    }
    (candidates(picks), Some(Box::new(Weighed { cascade, is_taken: false })))
}

fn best(evidence: &Evidence, direct: Pick) -> Option<Path> {
    let (needs, settings) = (&evidence.needs, &*evidence.settings);
    if needs.answers > 1 {
        return None;
    }
    let judge = |model: &ModelId, output: u64| {
        let offers = evidence.screening.offers();
        let row = &offers.rows()[offers.find(model)?];
        row.offers().find(|offer| evidence.screening.admits(*offer))?;
        let mut judged = *needs;
        judged.input_tokens = needs.input_tokens.saturating_add(output).saturating_add(JUDGE_INPUT_TOKENS);
        judged.max_tokens = None;
        Some(cost::expected(row.card(), &judged, 0, JUDGE_OUTPUT_TOKENS, evidence.snapshot.now()))
    };
    let kind = evidence.complexity.as_ref().map(crate::score::Complexity::kind);
    let facts = Facts { offers: evidence.screening.offers(), needs, settings, kind, judge: &judge };
    weigh(&evidence.field, &facts, direct)
}

/// Asks the candidate for its tokens' probabilities besides; `false` where policy or the place has none.
fn with_probabilities(evidence: &Evidence, candidate: &mut Candidate) -> bool {
    let request = evidence.screening.request();
    if request.sampling.logprobs.is_some() {
        return true;
    }
    let mut draft = request.to_draft();
    draft.sampling.logprobs = Some(0);
    let Ok(asked) = Request::try_from(draft) else { return false };
    let needs = Needs::of(&asked);
    let (card, endpoint) = (candidate.card(), candidate.endpoint());
    match policy::admit(&asked, card, endpoint, &evidence.policy, &evidence.snapshot, &needs) {
        Ok(admission) => candidate.admission = admission,
        Err(_) => return false,
    }
    true
}
