//! The promises of `Store`, one case each, on hand-made entries.

use std::sync::Arc;

use super::{Make, marks, wait};
use crate::ledger::{
    AlertKind, Basis, Budget, Dimension, End, Ending, Enforce, Facts, Fate, Frame, LedgerError, Limit, Purpose, Rate,
    Reserve, Rules, Scope, Settle, Thousandths, Void, Window,
};
use crate::model::Tier;
use crate::money::Usd;
use crate::time::{Span, Timestamp};
use crate::usage::Usage;

type Case = fn(Make<'_>);

pub(super) const CASES: &[(&str, Case)] = &[
    ("one reservation, one ending", one_ending),
    ("nothing without a reservation", nothing_reserved),
    ("wrong entries leave no trace", wrong_entries),
    ("a hard budget refuses, and names all that refuse", hard_budgets),
    ("a budget for each user", budget_per_user),
    ("soft budgets tell and step down", soft_budgets),
    ("a share of the frontier", share),
    ("an overrun is recorded in full", overrun),
    ("a rate makes wait", rate),
    ("an answer from a cache draws on nothing", cached),
    ("an ending from a destructor is written before the end", detached),
    ("an ending from a destructor tells of the marks it reaches", marks::detached),
    ("an entry whose future was dropped tells of its marks", marks::abandoned),
    ("a listener that is gone makes room for the next", marks::next_listener),
    ("an alert has one id for each window", marks::one_id),
    ("hostile text is inert", hostile),
    ("a new budget counts what was spent", new_budget),
    ("texts beside the account are written once a revision", shelf),
    ("a closed store says so", closed),
];

const NOON: i64 = 1_780_056_000_000;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(NOON + ms)
}

pub(super) fn usd(text: &str) -> Usd {
    text.parse().expect("a decimal")
}

pub(super) fn reserve(attempt: &str, amount: &str) -> Reserve {
    Reserve {
        attempt: attempt.parse().expect("a name"),
        request: "request".parse().expect("a name"),
        at: at(0),
        facts: Facts {
            model: "deepseek/deepseek-chat".parse().expect("a name"),
            vendor: "deepseek".parse().expect("a name"),
            endpoint: "deepseek".parse().expect("a name"),
            tier: Tier::Economy,
            purpose: Purpose::First,
            key: None,
            tags: Arc::default(),
        },
        amount: usd(amount),
        tokens_max: 1_000,
        baseline: None,
    }
}

pub(super) fn settle(attempt: &str, cost: &str) -> Settle {
    Settle {
        attempt: attempt.parse().expect("a name"),
        at: at(1_000),
        cost: usd(cost),
        lines: Vec::new(),
        usage: Usage::of(100, 200),
        basis: Basis::Reported,
        ending: Ending::Answered,
        latency: Span::from_ms(900),
        first_token: None,
        baseline_cost: None,
    }
}

fn void(attempt: &str) -> Void {
    Void { attempt: attempt.parse().expect("a name"), at: at(500), why: "no connection".to_owned() }
}

fn tagged(mut entry: Reserve, name: &str, value: &str) -> Reserve {
    let mut tags = (*entry.facts.tags).clone();
    tags.insert(name.to_owned(), value.to_owned());
    entry.facts.tags = Arc::new(tags);
    entry
}

pub(super) fn money(name: &str, limit: &str) -> Budget {
    Budget::new(name, Limit::Money(usd(limit)), Window::utc(Frame::Day))
}

pub(super) fn rules(budgets: Vec<Budget>) -> Rules {
    Rules::new(budgets, Vec::new()).expect("they make sense")
}

#[track_caller]
pub(super) fn ok<T>(result: Result<T, LedgerError>) -> T {
    result.unwrap_or_else(|error| panic!("refused: {error}"))
}

fn one_ending(make: Make<'_>) {
    let store = make(Rules::default());
    assert!(!ok(wait(store.reserve(reserve("a", "0.5")))).duplicate);
    assert!(ok(wait(store.reserve(reserve("a", "0.5")))).duplicate);
    let other = wait(store.reserve(reserve("a", "0.6")));
    assert!(matches!(other, Err(LedgerError::Conflict { .. })), "{other:?}");
    assert!(!ok(wait(store.settle(settle("a", "0.2")))).duplicate);
    assert!(ok(wait(store.settle(settle("a", "0.2")))).duplicate);
    let other = wait(store.settle(settle("a", "0.3")));
    assert!(matches!(other, Err(LedgerError::Conflict { .. })), "{other:?}");
    let other = wait(store.void(void("a")));
    assert!(matches!(other, Err(LedgerError::AlreadyEnded { how: "settled", .. })), "{other:?}");
    assert!(ok(wait(store.reserve(reserve("a", "0.5")))).duplicate);
    ok(wait(store.reserve(reserve("b", "0.5"))));
    ok(wait(store.void(void("b"))));
    assert!(ok(wait(store.void(void("b")))).duplicate);
    let other = wait(store.settle(settle("b", "0.1")));
    assert!(matches!(other, Err(LedgerError::AlreadyEnded { how: "voided", .. })), "{other:?}");
    assert_eq!(ok(wait(store.journal(0, 100))).len(), 4);
    assert_eq!(ok(wait(store.journal(3, 100))).len(), 1);
}

fn nothing_reserved(make: Make<'_>) {
    let store = make(Rules::default());
    assert!(matches!(wait(store.settle(settle("a", "0.2"))), Err(LedgerError::NoReservation { .. })));
    assert!(matches!(wait(store.void(void("a"))), Err(LedgerError::NoReservation { .. })));
    assert!(ok(wait(store.journal(0, 100))).is_empty());
}

fn wrong_entries(make: Make<'_>) {
    let store = make(Rules::default());
    let refuse = |entry: Reserve| {
        let got = wait(store.reserve(entry));
        assert!(matches!(got, Err(LedgerError::Invalid { .. })), "{got:?}");
    };
    refuse(reserve("a", "-0.000000000001"));
    refuse(Reserve { at: Timestamp::from_ms(i64::MAX), ..reserve("a", "1") });
    refuse(Reserve { at: Timestamp::from_ms(i64::MIN), ..reserve("a", "1") });
    refuse(Reserve { tokens_max: u64::MAX, ..reserve("a", "1") });
    refuse(tagged(reserve("a", "1"), "user", &"x".repeat(300)));
    refuse(tagged(reserve("a", "1"), "user", "a\0b"));
    refuse((0..40).fold(reserve("a", "1"), |entry, n| tagged(entry, &format!("tag{n}"), "x")));
    ok(wait(store.reserve(reserve("a", "1"))));
    assert!(matches!(wait(store.settle(settle("a", "-1"))), Err(LedgerError::Invalid { .. })));
    assert_eq!(ok(wait(store.journal(0, 100))).len(), 1);
    assert!(ok(wait(store.balances())).is_empty());
}

fn hard_budgets(make: Make<'_>) {
    let mut calls = Budget::new("calls", Limit::Requests(2), Window::utc(Frame::Hour));
    calls.only.models = ["deepseek/deepseek-chat".parse().expect("a name")].into();
    let store = make(rules(vec![money("team", "1"), money("project", "0.9"), calls]));
    ok(wait(store.reserve(reserve("a", "0.6"))));
    ok(wait(store.reserve(reserve("b", "0.3"))));
    let Err(LedgerError::OverBudget(over)) = wait(store.reserve(reserve("c", "0.2"))) else {
        panic!("three budgets are used up")
    };
    let names: Vec<&str> = over.iter().map(|over| over.budget.as_str()).collect();
    assert_eq!(names, ["team", "project", "calls"]);
    assert_eq!(over[0].resets_at, Some(at(12 * 3_600_000)));
    assert_eq!(over[2].resets_at, Some(at(3_600_000)));
    assert!(ok(wait(store.row(&"c".parse().expect("a name")))).is_none());
    ok(wait(store.void(void("b"))));
    ok(wait(store.settle(settle("a", "0.1"))));
    ok(wait(store.reserve(reserve("c", "0.8"))));
    let standing = store.standing(&Scope::default(), at(0));
    let left: Vec<_> = standing.headroom.iter().map(|room| (room.budget.as_str(), room.left)).collect();
    assert_eq!(left, [("team", usd("0.1")), ("project", usd("0")), ("calls", usd("0"))]);
    // The next day is fresh.
    let tomorrow = Reserve { at: at(12 * 3_600_000), ..reserve("d", "0.9") };
    ok(wait(store.reserve(tomorrow)));
}

fn budget_per_user(make: Make<'_>) {
    let mut user = money("user", "1");
    user.per = vec![Dimension::named("user")];
    let store = make(rules(vec![user]));
    ok(wait(store.reserve(tagged(reserve("a", "0.9"), "user", "ann"))));
    ok(wait(store.reserve(tagged(reserve("b", "0.9"), "user", "bob"))));
    let Err(LedgerError::OverBudget(over)) = wait(store.reserve(tagged(reserve("c", "0.2"), "user", "ann"))) else {
        panic!("ann's is used up")
    };
    assert_eq!(over[0].scope.as_deref(), Some("user=ann"));
    ok(wait(store.reserve(reserve("d", "0.9"))));
    assert!(wait(store.reserve(reserve("e", "0.9"))).is_err(), "those without the tag share one balance");
}

fn soft_budgets(make: Make<'_>) {
    let mut soft = money("soft", "1");
    soft.enforce = Enforce::StepDown(Tier::Economy);
    soft.alert_at = vec![50, 100];
    let store = make(rules(vec![soft]));
    assert!(ok(wait(store.reserve(reserve("a", "0.9")))).alerts.is_empty());
    assert!(store.standing(&Scope::default(), at(0)).tier_cap.is_none());
    let posted = ok(wait(store.settle(settle("a", "0.7"))));
    assert_eq!(posted.alerts.iter().map(|alert| alert.kind).collect::<Vec<_>>(), [AlertKind::Reached(50)]);
    let posted = ok(wait(store.reserve(reserve("b", "0.9"))));
    assert_eq!(posted.alerts.iter().map(|alert| alert.kind).collect::<Vec<_>>(), [AlertKind::Beyond]);
    let cap = store.standing(&Scope::default(), at(0)).tier_cap.expect("it is used up");
    assert_eq!((cap.budget.as_str(), cap.tier), ("soft", Tier::Economy));
    let posted = ok(wait(store.settle(settle("b", "0.4"))));
    assert_eq!(posted.alerts.iter().map(|alert| alert.kind).collect::<Vec<_>>(), [AlertKind::Reached(100)]);
}

fn share(make: Make<'_>) {
    let mut cap = Budget::new("frontier", Limit::Share(Thousandths(250)), Window::utc(Frame::Total));
    cap.only.tiers = [Tier::Frontier].into();
    let store = make(rules(vec![cap]));
    let frontier = |name: &str| {
        let mut entry = reserve(name, "0.1");
        entry.facts.tier = Tier::Frontier;
        entry
    };
    ok(wait(store.reserve(frontier("f1"))));
    for name in ["a", "b", "c"] {
        assert!(wait(store.reserve(frontier("f2"))).is_err(), "a second would be more than a quarter, rounded up");
        ok(wait(store.reserve(reserve(name, "0.1"))));
    }
    ok(wait(store.reserve(frontier("f2"))));
}

fn overrun(make: Make<'_>) {
    let store = make(rules(vec![money("team", "1")]));
    ok(wait(store.reserve(reserve("a", "0.5"))));
    assert!(ok(wait(store.settle(settle("a", "1.4")))).overrun);
    let balances = ok(wait(store.balances()));
    assert_eq!(balances.values().map(|b| (b.posted, b.held)).collect::<Vec<_>>(), [(1_400_000_000_000, 0)]);
    assert!(wait(store.reserve(reserve("b", "0.000000000001"))).is_err());
}

fn rate(make: Make<'_>) {
    let rate = Rate { name: "deepseek".to_owned(), requests: Some(2), ..Rate::default() };
    let store = make(Rules::new(Vec::new(), vec![rate]).expect("it makes sense"));
    ok(wait(store.reserve(reserve("a", "1"))));
    ok(wait(store.reserve(reserve("b", "1"))));
    let Err(LedgerError::OverRate(over)) = wait(store.reserve(reserve("c", "1"))) else { panic!("two a minute") };
    assert_eq!(over[0].wait, Span::from_secs(30));
    assert!(ok(wait(store.reserve(reserve("a", "1")))).duplicate, "an old entry takes no place");
    ok(wait(store.reserve(Reserve { at: at(30_000), ..reserve("c", "1") })));
}

fn cached(make: Make<'_>) {
    let one = Budget::new("one", Limit::Requests(1), Window::utc(Frame::Day));
    let slow = Rate { name: "slow".to_owned(), requests: Some(1), ..Rate::default() };
    let store = make(Rules::new(vec![one, money("none", "0")], vec![slow]).expect("they make sense"));
    let hit = |name: &str, amount: &str| {
        let mut entry = reserve(name, amount);
        entry.facts.purpose = Purpose::Cached;
        entry.tokens_max = 0;
        entry
    };
    for name in ["a", "b", "c"] {
        assert!(!ok(wait(store.reserve(hit(name, "0")))).duplicate);
        ok(wait(store.settle(Settle { baseline_cost: Some(usd("0.3")), ..settle(name, "0") })));
    }
    assert!(ok(wait(store.balances())).is_empty());
    let costly = wait(store.reserve(hit("d", "0.1")));
    assert!(matches!(costly, Err(LedgerError::Invalid { .. })), "{costly:?}");
    let sums = ok(wait(store.rollup(crate::store::Stretch::default())));
    let saved: i128 = sums.cells.values().map(|sums| sums.baseline - sums.cost).sum();
    assert_eq!((saved, sums.classes.len()), (900_000_000_000, 0));
}

fn detached(make: Make<'_>) {
    let store = make(Rules::default());
    for n in 0..50 {
        ok(wait(store.reserve(reserve(&format!("a{n}"), "1"))));
    }
    for n in 0..50 {
        store.end_detached(End::Settle(Box::new(settle(&format!("a{n}"), "0.5"))));
    }
    ok(wait(store.reserve(reserve("last", "1"))));
    for n in 0..50 {
        let row = ok(wait(store.row(&format!("a{n}").parse().expect("a name")))).expect("it was written");
        assert!(matches!(row.fate, Fate::Settled(_)), "{row:?}");
    }
    store.end_detached(End::Void(void("nobody")));
    assert!(matches!(wait(store.close()), Err(LedgerError::NoReservation { .. })));
}

fn hostile(make: Make<'_>) {
    let mut user = money("user", "100");
    user.per = vec![Dimension::named("user"), Dimension::named("team")];
    let store = make(rules(vec![user]));
    let texts =
        ["'; DROP TABLE reservations; --", "\u{202e}\u{7}\n\t\r", "a,team=b", "\\,=", "{}[]\"", "%s%n", "NULL", "🦀"];
    for (n, text) in texts.iter().enumerate() {
        let entry = tagged(tagged(reserve(&format!("a'\"{n}"), "0.25"), "user", text), text, "x");
        ok(wait(store.reserve(entry.clone())));
        let row = ok(wait(store.row(&entry.attempt))).expect("it was written");
        assert_eq!(*row.reserve, entry);
    }
    assert_eq!(ok(wait(store.balances())).len(), texts.len(), "each has a balance of its own");
}

fn new_budget(make: Make<'_>) {
    let store = make(Rules::default());
    ok(wait(store.reserve(reserve("a", "0.6"))));
    ok(wait(store.settle(settle("a", "0.5"))));
    ok(wait(store.reserve(reserve("b", "0.3"))));
    ok(wait(store.set_rules(rules(vec![money("team", "1")]))));
    assert!(wait(store.reserve(reserve("c", "0.3"))).is_err());
    ok(wait(store.reserve(reserve("c", "0.2"))));
    ok(wait(store.settle(settle("b", "0.1"))));
    let balances = ok(wait(store.balances()));
    assert_eq!(balances.values().map(|b| (b.posted, b.held)).collect::<Vec<_>>(), [(600_000_000_000, 200_000_000_000)]);
}

fn closed(make: Make<'_>) {
    let store = make(Rules::default());
    ok(wait(store.reserve(reserve("a", "0.6"))));
    ok(wait(store.close()));
    assert_eq!(wait(store.reserve(reserve("b", "0.6"))), Err(LedgerError::Closed));
    ok(wait(store.close()));
}

/// A store without a shelf keeps no batches, which is allowed.
fn shelf(make: Make<'_>) {
    let store = make(Rules::default());
    let Some(shelf) = store.shelf() else { return };
    let put = |name: &str, revision, text: &str| wait(shelf.put(name, revision, text.to_owned())).expect("it writes");
    let text = |name: &str| wait(shelf.get(name)).expect("it reads").map(|note| (note.revision, note.text));
    assert_eq!(text("a/1"), None);
    assert!(put("a/1", 0, "one") && !put("a/1", 0, "other"), "only the first writes over nothing");
    assert!(put("a/1", 1, "two") && !put("a/1", 1, "three"), "only the first writes over a revision");
    assert_eq!(text("a/1"), Some((2, "two".to_owned())));
    assert!(!put("a/2", 7, "x"), "nothing stands there");
    assert!(put("a/2'; DROP TABLE notes; --", 0, "x") && put("b/1", 0, "y") && put("a_2", 0, "z"));
    let names: Vec<String> = wait(shelf.list("a/")).expect("it lists").into_iter().map(|note| note.name).collect();
    assert_eq!(names, ["a/1", "a/2'; DROP TABLE notes; --"]);
}
