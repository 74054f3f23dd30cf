//! Golden decision tables and properties of plans.

use std::sync::Arc;

use super::fixture::{self, NOW};
use super::*;
use proptest::prelude::*;

use crate::id::EndpointId;
use crate::message::Message;
use crate::policy::RuleName;
use crate::request::{ModelChoice, RequestDraft};
use crate::snapshot::{Fate, Headroom, HealthBook, Keys, Offers, Pin, Queue, Queues};
use crate::time::Span;

/// A decision's inputs, changed word by word from a plain question with the whole catalogue on sale.
struct Case {
    draft: RequestDraft,
    policy: Policy,
    snapshot: Snapshot,
    settings: Settings,
    difficulty: f64,
}

impl Case {
    fn new(words: &str) -> Case {
        let mut case = Case {
            draft: RequestDraft { messages: vec![Message::user("x".repeat(4_000))], ..RequestDraft::default() },
            policy: Policy::default(),
            snapshot: fixture::snapshot(),
            settings: Settings { fallbacks_max: 2, ..Settings::default() },
            difficulty: 0.5,
        };
        words.split_whitespace().for_each(|word| case.apply(word));
        case
    }

    fn apply(&mut self, word: &str) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let names = || value.split(',');
        match name {
            "difficulty" => self.difficulty = value.parse().unwrap(),
            "quality" => self.settings.quality = value.parse().unwrap(),
            "worth" => self.settings.worth = Some(value.parse().unwrap()),
            "spend" => self.settings.spend_max = Some(value.parse().unwrap()),
            "latency" => self.settings.latency_max = Some(Span::from_secs(value.parse().unwrap())),
            "baseline" => self.settings.baseline = Some(value.parse().unwrap()),
            "models" => self.settings.models = names().map(|name| name.parse().unwrap()).collect(),
            "strict" => self.settings.fallback_below_aim = false,
            "fallbacks" => self.settings.fallbacks_max = value.parse().unwrap(),
            "only" => self.draft.model = ModelChoice::Only(value.parse().unwrap()),
            "any" => self.draft.model = ModelChoice::AnyOf(names().map(|name| name.parse().unwrap()).collect()),
            "max_tokens" => self.draft.max_tokens = Some(value.parse().unwrap()),
            "label" => drop(self.draft.labels.insert(value.parse().unwrap())),
            "chars" => self.draft.messages = vec![Message::user("x".repeat(value.parse().unwrap()))],
            _ => self.apply_world(name, value),
        }
    }

    fn apply_world(&mut self, name: &str, value: &str) {
        let names = || value.split(',');
        match name {
            "regions" => self.policy.regions.allow = Some(names().map(|name| name.parse().unwrap()).collect()),
            "deny" => self.policy.vendors.deny = names().map(|name| name.parse().unwrap()).collect(),
            "min_tier" => self.policy.min_tier = Some(serde_json::from_value(value.into()).unwrap()),
            "max_tier" => self.policy.max_tier = Some(serde_json::from_value(value.into()).unwrap()),
            "max_cost" => self.policy.max_cost = Some(value.parse().unwrap()),
            "keys" => self.world(|world| {
                world.with_keys(Arc::new(Keys::Only(names().map(|name| name.parse().unwrap()).collect())))
            }),
            "left" => self.world(|world| {
                world.with_headroom(vec![Headroom {
                    budget: "team".to_owned(),
                    left: value.parse().unwrap(),
                    reach: Default::default(),
                }])
            }),
            "pin" => {
                let parts: Vec<&str> = value.split(',').collect();
                let (model, endpoint) = (parts[0].parse().unwrap(), parts[1].parse().unwrap());
                let pin = Pin { model, endpoint, cached_tokens: parts[2].parse().unwrap() };
                self.world(|world| world.with_pin(pin));
            }
            "down" => names().for_each(|name| self.fare(name, 5, Fate::Failed)),
            "slow" => names().for_each(|name| self.fare(name, 1, Fate::Answered(Span::from_secs(20)))),
            "quick" => names().for_each(|name| self.fare(name, 1, Fate::Answered(Span::from_secs(2)))),
            "queue" => {
                let parts: Vec<&str> = value.split(',').collect();
                let queue =
                    Queue { calls: parts[1].parse().unwrap(), wait: Span::from_secs(parts[2].parse().unwrap()) };
                let others = self.snapshot.queues().clone();
                let queues = others.iter().cloned().chain([(parts[0].parse().unwrap(), queue)]);
                self.world(|world| world.with_queues(Queues::new(queues)));
            }
            "busy" => {
                let mut book = self.snapshot.health().clone();
                names().for_each(|name| book.begin(&name.parse().unwrap(), NOW));
                self.world(|world| world.with_health(Arc::new(book)));
            }
            _ => panic!("no word '{name}'"),
        }
    }

    fn world(&mut self, change: impl FnOnce(Snapshot) -> Snapshot) {
        self.snapshot = change(self.snapshot.clone());
    }

    fn fare(&mut self, endpoint: &str, times: u32, fate: Fate) {
        let mut book: HealthBook = self.snapshot.health().clone();
        let endpoint: EndpointId = endpoint.parse().unwrap();
        for _ in 0..times {
            book.begin(&endpoint, NOW);
            book.end(&endpoint, fate, NOW);
        }
        self.world(|world| world.with_health(Arc::new(book)));
    }

    fn decide(&self) -> Result<Plan, Refused> {
        let request = Request::try_from(self.draft.clone()).unwrap();
        let needs = Needs::of(&request);
        let rate = fixture::rate(self.difficulty);
        decide_rated(&request, &self.policy, &self.snapshot, &needs, rate, &self.settings)
    }

    /// `model at endpoint, P(good), expected cost`, one line a candidate, then the baseline; or the refusal.
    fn outcome(&self) -> String {
        let plan = match self.decide() {
            Ok(plan) => plan,
            Err(refused) => return format!("refused: {refused}\n"),
        };
        let mut lines = String::new();
        for candidate in plan.candidates() {
            let (model, endpoint) = (candidate.model(), &candidate.endpoint().id);
            let (p_good, cost) = (candidate.p_good, candidate.expected_cost.short());
            let below = if candidate.is_good_enough { "" } else { " below" };
            let rests = if candidate.ready_at > NOW { " rests" } else { "" };
            lines += &format!("{model} {endpoint} {p_good:.3} {cost}{below}{rests}\n");
        }
        let against =
            |baseline: &Baseline| format!("against {} {}\n", baseline.model(), baseline.expected_cost.short());
        lines + &plan.baseline().map_or("against nothing\n".to_owned(), against)
    }
}

/// Compares every case of the golden table with what is decided; `UPDATE_GOLDEN=1` rewrites the table.
#[test]
fn decisions_are_those_of_the_golden_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/plan/decisions.txt");
    let golden = std::fs::read_to_string(path).unwrap();
    let mut now = String::new();
    let mut cases = 0;
    for line in golden.lines() {
        if line.starts_with('#') || line.is_empty() {
            now += &format!("{line}\n");
        } else if let Some(words) = line.strip_prefix("> ") {
            now += &format!("{line}\n{}", Case::new(words).outcome());
            cases += 1;
        }
    }
    assert!(cases >= 30, "only {cases} cases were found");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(path, now).unwrap();
    }
    for (at, (want, got)) in golden.lines().zip(now.lines()).enumerate() {
        assert_eq!(want, got, "line {}; UPDATE_GOLDEN=1 rewrites the table", at + 1);
    }
    assert_eq!(golden.lines().count(), now.lines().count());
}

/// Words that change a case in ways which restrict nothing.
const FREE: &[&str] = &[
    "difficulty=0.1",
    "difficulty=0.9",
    "quality=0.8",
    "worth=0.02",
    "spend=0.002",
    "fallbacks=9",
    "down=acme",
    "down=cliff,bolt",
    "slow=dune latency=10",
    "queue=cliff,40,60 latency=10",
    "queue=own,3,4",
    "busy=acme",
    "pin=acme/middle,acme-eu,900",
    "pin=cliff/fair,cliff,0",
    "baseline=cliff/giant",
    "chars=200000",
    "max_tokens=100",
];

/// Words that each forbid something.
const RESTRICTIONS: &[&str] = &[
    "regions=us,eu",
    "regions=cn",
    "deny=acme",
    "deny=cliff,dune",
    "min_tier=standard",
    "max_tier=standard",
    "max_cost=0.01",
    "left=0.02",
    "keys=acme-eu,cliff,bolt",
    "any=acme/mini,cliff/fair,bolt/quick,acme/grand",
    "label=secret",
];

fn words(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::subsequence(of, 0..=4).prop_shuffle().prop_map(|words| words.join(" "))
}

/// Every model and endpoint that a plan with room for all of them holds.
fn everyone(case: &mut Case) -> Vec<(String, String)> {
    case.settings.fallbacks_max = 1_000;
    let Ok(plan) = case.decide() else { return Vec::new() };
    plan.candidates().iter().map(|one| (one.model().to_string(), one.endpoint().id.to_string())).collect()
}

proptest! {
    #[test]
    fn a_restriction_never_adds_a_candidate(free in words(FREE), some in words(RESTRICTIONS), more in words(RESTRICTIONS)) {
        let before = everyone(&mut Case::new(&format!("{free} {some}")));
        // A word said twice would replace the first, which need not restrict: only new ones are added.
        let said: Vec<&str> = some.split(['=', ' ']).collect();
        let fresh = |word: &&str| !said.contains(&word.split('=').next().unwrap_or_default());
        let mut seen = Vec::new();
        let more: Vec<&str> = more
            .split(' ')
            .filter(fresh)
            .filter(|word| {
                let name = word.split('=').next();
                let first = !seen.contains(&name);
                seen.push(name);
                first
            })
            .collect();
        let after = everyone(&mut Case::new(&format!("{free} {some} {}", more.join(" "))));
        for one in &after {
            prop_assert!(before.contains(one), "{one:?} came with {more:?}");
        }
    }

    #[test]
    fn a_plan_holds_admitted_offers_alone_and_each_once(free in words(FREE), some in words(RESTRICTIONS)) {
        let case = Case::new(&format!("{free} {some}"));
        let Ok(plan) = case.decide() else { return Ok(()) };
        prop_assert!(plan.candidates().len() <= 1 + case.settings.fallbacks_max);
        let mut seen = Vec::new();
        for candidate in plan.candidates() {
            let (request, needs) = (plan.request(), plan.needs());
            let admitted = policy::admit(request, candidate.card(), candidate.endpoint(), &case.policy, &case.snapshot, needs);
            prop_assert!(admitted.is_ok(), "{:?}: {:?}", candidate, admitted.err());
            prop_assert!(candidate.expected_cost <= candidate.terms.reserve);
            let place = (candidate.model().clone(), candidate.endpoint().id.clone());
            prop_assert!(!seen.contains(&place));
            seen.push(place);
        }
    }

    #[test]
    fn a_queue_of_nobody_changes_nothing(free in words(FREE), some in words(RESTRICTIONS), at in 0..7usize, wait in 0u64..999) {
        let words = format!("{free} {some}");
        let endpoint = fixture::endpoints()[at].id.clone();
        prop_assume!(!words.contains(&format!("queue={endpoint}")));
        let shown = |words: &str| Case::new(words).decide().map(|plan| serde_json::to_string(&plan.explain()).unwrap());
        let (without, with) = (shown(&words), shown(&format!("{words} queue={endpoint},0,{wait}")));
        prop_assert_eq!(without.map_err(|refused| refused.to_string()), with.map_err(|refused| refused.to_string()));
    }

    #[test]
    fn a_long_queue_stands_behind_whoever_is_as_good(free in words(FREE), some in words(RESTRICTIONS), at in 0..7usize) {
        let endpoint = fixture::endpoints()[at].id.clone();
        // Of two queues at one endpoint the first counts.
        prop_assume!(!free.contains(&format!("queue={endpoint}")) && !some.contains(&format!("queue={endpoint}")));
        let case = Case::new(&format!("{free} {some} fallbacks=20 latency=10 queue={endpoint},40,60"));
        let Ok(plan) = case.decide() else { return Ok(()) };
        let is_queued = |one: &Candidate| !case.snapshot.queues().of(&one.endpoint().id).is_empty();
        let is_quick = |one: &Candidate| {
            let known = case.snapshot.health().of(&one.endpoint().id).and_then(|health| health.latency());
            !is_queued(one) && known.is_none_or(|latency| latency <= Span::from_secs(10))
        };
        let alike = |one: &Candidate, next: &Candidate| {
            (one.ready_at > NOW, one.is_good_enough) == (next.ready_at > NOW, next.is_good_enough)
        };
        for (first, next) in plan.candidates().iter().zip(&plan.candidates()[1..]) {
            let behind = first.endpoint().id == endpoint && is_quick(next) && alike(first, next);
            prop_assert!(!behind, "{first:?} before {next:?}");
        }
    }

    #[test]
    fn the_order_of_the_catalogue_does_not_matter(
        free in words(FREE),
        some in words(RESTRICTIONS),
        cards in Just(fixture::cards()).prop_shuffle(),
        endpoints in Just(fixture::endpoints()).prop_shuffle(),
    ) {
        let words = format!("{free} {some}");
        let mut shuffled = Case::new(&words);
        let plain = Case::new(&words);
        let old = &plain.snapshot;
        shuffled.snapshot = Snapshot::new(Arc::new(Offers::new(cards, endpoints)), NOW)
            .with_health(Arc::new(old.health().clone()))
            .with_queues(old.queues().clone())
            .with_keys(Arc::new(old.keys().clone()))
            .with_headroom(old.headroom().to_vec());
        if let Some(pin) = old.pin() {
            shuffled.snapshot = shuffled.snapshot.with_pin(pin.clone());
        }
        match (plain.decide(), shuffled.decide()) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
                let json = |plan: &Plan| serde_json::to_string(&plan.explain()).unwrap();
                prop_assert_eq!(json(&one), json(&other));
            }
            (Err(one), Err(other)) => prop_assert_eq!(one.to_string(), other.to_string()),
            (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
        }
    }
}

#[test]
fn an_explanation_names_every_model_once_or_says_where_it_is_refused() {
    let plan = Case::new("regions=us,eu difficulty=0.3").decide().unwrap();
    let explanation = plan.explain();
    for row in plan.made.evidence.screening.offers().rows() {
        let id = &row.card().id;
        let asked = explanation.candidates.iter().any(|line| line.model == *id);
        let passed = explanation.passed_over.iter().any(|line| line.model == *id);
        let refused = explanation.refused.iter().any(|line| line.model == *id);
        assert!(asked || passed || refused, "{id} is missing");
        assert!(!(asked && passed), "{id} is there twice");
    }
    let screen = explanation.to_string();
    assert!(screen.lines().count() <= 40, "{screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 120), "{screen}");
    assert!(screen.contains("expected saving"), "{screen}");
}

#[test]
fn an_explanation_shows_who_waits() {
    let plan = Case::new("only=own/local queue=own,12,34 latency=10").decide().unwrap();
    let line = &plan.explain().candidates[0];
    assert_eq!(line.queue, Some(Queue { calls: 12, wait: Span::from_secs(34) }));
    assert!(plan.explain().to_string().contains("12 before it, 34.0 s"), "{}", plan.explain());
    let passed = Case::new("difficulty=0 fallbacks=0 queue=own,12,34 latency=10").decide().unwrap().explain();
    let local = passed.passed_over.iter().find(|line| line.model.as_str() == "own/local").unwrap();
    assert_eq!(local.why, Why::Queued);
    let idle = serde_json::to_value(Case::new("only=own/local").decide().unwrap().explain()).unwrap();
    assert!(idle["candidates"][0].get("queue").is_none());
}

#[test]
fn a_refusal_holds_every_reason_for_every_model() {
    let refused = Case::new("label=secret deny=acme").decide().unwrap_err();
    let models = refused.models();
    assert_eq!(models.len(), 10);
    let of = |model: &str| models.iter().find(|line| line.model.as_str() == model).unwrap();
    let rules = |model: &str| of(model).places[0].refusals.iter().map(|refusal| refusal.rule).collect::<Vec<_>>();
    // The vendor is refused as the model's seller and as the endpoint's owner.
    assert_eq!(rules("acme/mini"), [RuleName::Vendor, RuleName::Vendor, RuleName::Sensitivity]);
    assert_eq!(rules("odd/unpriced"), [RuleName::Sensitivity, RuleName::Unpriced]);
    assert_eq!(of("acme/mini").places.len(), 2);
    let json = serde_json::to_value(&refused).unwrap();
    assert_eq!(json["counts"]["sensitivity"], 10);
}

#[test]
fn neither_a_plan_nor_a_refusal_shows_the_prompt() {
    let mut case = Case::new("");
    case.draft.messages = vec![Message::user("zanzibar")];
    let plan = case.decide().unwrap();
    let explained = serde_json::to_string(&plan.explain()).unwrap();
    assert!(!format!("{plan:?} {} {explained}", plan.explain()).contains("zanzibar"));
    case.apply("label=secret");
    let refused = case.decide().unwrap_err();
    let written = serde_json::to_string(&refused).unwrap();
    assert!(!format!("{refused:?} {refused} {written}").contains("zanzibar"));
}

#[test]
fn a_plan_does_not_hold_the_clients_book_of_health() {
    let mut book = HealthBook::default();
    book.begin(&"deepseek".parse().unwrap(), NOW);
    let book = Arc::new(book);
    let mut case = Case::new("");
    case.world(|world| world.with_health(book.clone()));
    let plan = case.decide().unwrap();
    drop(case);
    assert_eq!(Arc::strong_count(&book), 1, "else each change of the book copies all of it");
    drop(plan);
}
