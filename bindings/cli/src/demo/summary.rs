//! What the demo found, counted: for the table, the page and `--json`.

use std::collections::BTreeMap;

use serde::Serialize;
use tierway::Usd;
use tierway::model::Tier;

use super::account::Account;
use super::drive::{Fate, Outcome};
use super::local::LocalSide;
use super::workload::Difficulty;

/// Everything that is shown.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Whether vendors answered or were simulated.
    pub(super) replies: &'static str,
    pub(super) seed: u64,
    pub(super) requests: usize,
    pub(super) fates: BTreeMap<Fate, usize>,
    pub(super) tiers: Vec<TierShare>,
    pub(super) spent: Usd,
    pub(super) baseline: Usd,
    pub(super) saved_share: f64,
    /// The models that savings are counted against, and for how many answers each.
    pub(super) baselines: BTreeMap<String, usize>,
    /// Rules that held models back: in how many requests, and how many models.
    pub(super) held_back: BTreeMap<&'static str, HeldBack>,
    pub(super) trouble: Trouble,
    pub(super) decision: Quantiles,
    pub(super) elapsed_ms: u64,
    pub(super) account: Account,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vendors: Option<VendorSide>,
    /// What the engine answered on this machine, for real; none where its model is not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) local: Option<LocalSide>,
    pub(super) outcomes: Vec<Outcome>,
}

/// What the simulated vendors saw.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct VendorSide {
    pub(super) requests: u64,
    pub(super) connections: u64,
    /// Requests that the script did not know: none, if all is well.
    pub(super) unknown: u64,
}

/// One tier's part.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TierShare {
    pub(super) tier: Tier,
    pub(super) answers: usize,
    /// Of all answers.
    pub(super) share: f64,
    pub(super) spent: Usd,
    pub(super) baseline: Usd,
    pub(super) by_difficulty: BTreeMap<Difficulty, usize>,
}

/// What a rule held back.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct HeldBack {
    pub(super) requests: usize,
    pub(super) models: usize,
    /// Requests that no model may see, this rule being one of the reasons.
    pub(super) refused: usize,
}

/// Rules that hold the same models back in every request: they say nothing of the day.
const QUIET: [&str; 4] = ["retired", "key", "unpriced", "asked"];

/// What went wrong and was made good.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Trouble {
    /// Attempts after the first of a request, by what they were for.
    pub(super) aims: BTreeMap<&'static str, usize>,
    /// Attempts that brought no answer, by how they ended.
    pub(super) failures: BTreeMap<String, usize>,
    /// Answers that broke off in mid-stream, after which the request was asked again.
    pub(super) broke_off: u32,
}

/// Times in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) max_us: f64,
}

impl Summary {
    pub(super) fn new(
        replies: &'static str,
        seed: u64,
        elapsed_ms: u64,
        outcomes: Vec<Outcome>,
        account: Account,
    ) -> Summary {
        let mut fates = BTreeMap::new();
        let mut baselines = BTreeMap::new();
        let mut held_back: BTreeMap<&'static str, HeldBack> = BTreeMap::new();
        for outcome in &outcomes {
            *fates.entry(outcome.fate).or_insert(0) += 1;
            let baseline = outcome.answer.as_ref().and_then(|answer| answer.baseline.clone());
            if let Some(model) = baseline {
                *baselines.entry(model).or_insert(0) += 1;
            }
            for (rule, models) in outcome.held_back.iter().filter(|(rule, _)| !QUIET.contains(*rule)) {
                let entry = held_back.entry(rule).or_default();
                entry.requests += 1;
                entry.models += models;
                entry.refused += usize::from(outcome.fate == Fate::Refused);
            }
        }
        Summary {
            replies,
            seed,
            requests: outcomes.len(),
            fates,
            tiers: tiers(&outcomes),
            spent: account.spent,
            baseline: account.baseline,
            saved_share: account.saved_share(),
            baselines,
            held_back,
            trouble: trouble(&outcomes),
            decision: quantiles(&outcomes),
            elapsed_ms,
            account,
            vendors: None,
            local: None,
            outcomes,
        }
    }

    pub(super) fn count(&self, fate: Fate) -> usize {
        self.fates.get(&fate).copied().unwrap_or(0)
    }

    /// The model that most savings are counted against.
    pub(super) fn main_baseline(&self) -> Option<&str> {
        self.baselines.iter().max_by_key(|(_, count)| **count).map(|(model, _)| model.as_str())
    }
}

fn tiers(outcomes: &[Outcome]) -> Vec<TierShare> {
    let answered = outcomes.iter().filter(|outcome| outcome.answer.is_some()).count().max(1);
    let share = |tier: Tier| {
        let mut part = TierShare {
            tier,
            answers: 0,
            share: 0.0,
            spent: Usd::ZERO,
            baseline: Usd::ZERO,
            by_difficulty: BTreeMap::new(),
        };
        for outcome in outcomes {
            let Some(answer) = outcome.answer.as_ref().filter(|answer| answer.tier == tier) else { continue };
            part.answers += 1;
            part.spent = part.spent.saturating_add(answer.cost);
            part.baseline = part.baseline.saturating_add(answer.baseline_cost.unwrap_or(Usd::ZERO));
            *part.by_difficulty.entry(outcome.difficulty).or_insert(0) += 1;
        }
        part.share = part.answers as f64 / answered as f64;
        part
    };
    Tier::ALL.into_iter().map(share).filter(|part| part.answers > 0 || part.tier == Tier::Frontier).collect()
}

fn trouble(outcomes: &[Outcome]) -> Trouble {
    let mut trouble = Trouble::default();
    for outcome in outcomes {
        trouble.broke_off += outcome.asked_again;
        for attempt in outcome.answer.iter().flat_map(|answer| &answer.attempts) {
            if attempt.aim != "first" {
                *trouble.aims.entry(attempt.aim).or_insert(0) += 1;
            }
            if attempt.outcome != "answered" {
                *trouble.failures.entry(attempt.outcome.clone()).or_insert(0) += 1;
            }
        }
    }
    trouble
}

fn quantiles(outcomes: &[Outcome]) -> Quantiles {
    let mut times: Vec<f64> =
        outcomes.iter().filter_map(|outcome| outcome.answer.as_ref()).map(|answer| answer.decision_us).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)));
    let of = |share: f64| at(share).copied().unwrap_or(0.0);
    Quantiles { p50_us: of(0.5), p99_us: of(0.99), max_us: of(1.0) }
}
