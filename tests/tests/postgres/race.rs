//! Many stores on one ledger: a budget is never overshot, a rate is shared, an attempt may end elsewhere.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tierway::ledger::{
    Basis, Book, Budget, Dimension, Ending, Facts, Frame, LedgerError, Limit, Purpose, Rate, Reserve, Rules, Settle,
    Window,
};
use tierway::model::Tier;
use tierway::store::{PostgresStore, Store};
use tierway::testing::store::wait;
use tierway::time::{Span, Timestamp};
use tierway::usage::Usage;

use crate::{Folder, fresh, leased, server};

pub(crate) const NOON: i64 = 1_780_056_000_000;

pub(crate) fn reserve(attempt: &str, round: usize) -> Reserve {
    Reserve {
        attempt: attempt.parse().unwrap(),
        request: "request".parse().unwrap(),
        at: Timestamp::from_ms(NOON),
        facts: Facts {
            model: "deepseek/deepseek-chat".parse().unwrap(),
            vendor: "deepseek".parse().unwrap(),
            endpoint: "deepseek".parse().unwrap(),
            tier: Tier::Economy,
            purpose: Purpose::First,
            key: None,
            tags: Arc::new([("round".to_owned(), round.to_string())].into()),
        },
        amount: "0.1".parse().unwrap(),
        tokens_max: 1_000,
        baseline: None,
    }
}

pub(crate) fn settle(attempt: &str) -> Settle {
    Settle {
        attempt: attempt.parse().unwrap(),
        at: Timestamp::from_ms(NOON + 1_000),
        cost: "0.05".parse().unwrap(),
        lines: Vec::new(),
        usage: Usage::of(100, 200),
        basis: Basis::Reported,
        ending: Ending::Answered,
        latency: Span::from_ms(900),
        first_token: None,
        baseline_cost: Some("0.2".parse().unwrap()),
    }
}

/// A dollar for each round.
pub(crate) fn rules(limit: &str) -> Rules {
    let mut budget = Budget::new("race", Limit::Money(limit.parse().unwrap()), Window::utc(Frame::Day));
    budget.per = vec![Dimension::named("round")];
    Rules::new(vec![budget], Vec::new()).unwrap()
}

/// As many stores as there are race for each round's dollar, three times each: a tenth is asked for, half of it spent.
pub(crate) fn race(stores: &[PostgresStore], rounds: usize) {
    let admitted: Vec<AtomicU64> = (0..rounds).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for (at, store) in stores.iter().enumerate() {
            let admitted = &admitted;
            scope.spawn(move || {
                for (round, admitted) in admitted.iter().enumerate() {
                    for call in 0..3 {
                        let name = format!("r{round}.s{at}.{call}");
                        match wait(store.reserve(reserve(&name, round))) {
                            Ok(_) => {
                                admitted.fetch_add(1, Ordering::Relaxed);
                                assert!(!wait(store.settle(settle(&name))).unwrap().overrun);
                            }
                            Err(LedgerError::OverBudget(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            });
        }
    });
    for store in stores {
        wait(store.close()).unwrap();
    }
    let all: u64 = admitted.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    assert!(all > 0, "nobody got anything");
}

pub(crate) fn check(url: &str, rounds: usize, least: i128) {
    let store = PostgresStore::open(url, rules("1")).unwrap();
    let balances = wait(store.balances()).unwrap();
    assert_eq!(balances.len(), rounds);
    for (key, balance) in &balances {
        assert!(balance.posted <= 1_000_000_000_000, "{key:?} overshot by {}", balance.posted - 1_000_000_000_000);
        assert_eq!(balance.held, 0, "{key:?}");
        assert!(balance.posted >= least, "{key:?}: nothing stood in the way of more than {}", balance.posted);
    }
    let journal = wait(store.journal(0, usize::MAX)).unwrap();
    let book = Book::replay(rules("1"), &journal).unwrap();
    assert_eq!(book.balances(), balances);
    // Limits asked in the journal's own order hold at every entry, too.
    let mut held = Book::new(rules("1"));
    for entry in &journal {
        match entry {
            tierway::ledger::Entry::Reserve(entry) => drop(held.reserve(entry).unwrap()),
            tierway::ledger::Entry::Settle(entry) => drop(held.settle(entry).unwrap()),
            other => panic!("{other:?}"),
        }
    }
    wait(store.close()).unwrap();
}

#[test]
fn thirty_two_connections_never_overshoot_a_budget() {
    let Some(server) = server("32 connections race", 100) else { return };
    let url = fresh(&server);
    let open = |_| PostgresStore::open(&url, rules("1")).unwrap();
    let stores: Vec<PostgresStore> = (0..32).map(open).collect();
    race(&stores, 100);
    check(&url, 100, 500_000_000_000);
}

#[test]
fn four_stores_with_leases_never_overshoot_a_budget() {
    let Some(server) = server("4 stores with leases race", 100) else { return };
    let url = fresh(&server);
    let folder = Folder::new();
    let open = |_| PostgresStore::open_with(&url, rules("1"), leased(&folder.0)).unwrap();
    let stores: Vec<PostgresStore> = (0..4).map(open).collect();
    race(&stores, 100);
    // Twelve are asked for and ten fit at once; what another store has leased may be refused to this one.
    check(&url, 100, 300_000_000_000);
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "a closed store leaves nothing to bring");
}

#[test]
fn leases_answer_from_what_they_hold_and_come_back() {
    let Some(server) = server("leases come back", 1) else { return };
    let url = fresh(&server);
    let folder = Folder::new();
    let one = PostgresStore::open_with(&url, rules("100"), leased(&folder.0)).unwrap();
    let two = PostgresStore::open_with(&url, rules("100"), leased(&folder.0)).unwrap();
    let spend = |store: &PostgresStore, name: &str| -> Result<(), LedgerError> {
        wait(store.reserve(reserve(name, 0)))?;
        wait(store.settle(settle(name))).map(drop)
    };
    (0..400).for_each(|n| spend(&one, &format!("a{n}")).unwrap());
    (0..400).for_each(|n| spend(&two, &format!("b{n}")).unwrap());
    wait(one.close()).unwrap();
    // 40 dollars are spent. With nothing leased to the store that is closed, the other can spend the rest but for 5 cents.
    let more = (0..2_000).take_while(|n| spend(&two, &format!("c{n}")).is_ok()).count();
    assert_eq!(more, 1_199);
    wait(two.close()).unwrap();
    check_sum(&url, 99_950_000_000_000);
}

fn check_sum(url: &str, posted: i128) {
    let store = PostgresStore::open(url, rules("100")).unwrap();
    let balances = wait(store.balances()).unwrap();
    assert_eq!(balances.values().map(|b| (b.posted, b.held)).collect::<Vec<_>>(), [(posted, 0)]);
    wait(store.close()).unwrap();
}

#[test]
fn a_rate_is_shared_and_an_attempt_may_end_in_another_store() {
    let Some(server) = server("a shared rate", 1) else { return };
    let url = fresh(&server);
    let rate = Rate { name: "deepseek".to_owned(), requests: Some(3), ..Rate::default() };
    let rules = Rules::new(Vec::new(), vec![rate]).unwrap();
    let folder = Folder::new();
    let one = PostgresStore::open(&url, rules.clone()).unwrap();
    let two = PostgresStore::open_with(&url, rules, leased(Path::new(&folder.0))).unwrap();
    wait(one.reserve(reserve("a", 0))).unwrap();
    wait(two.reserve(reserve("b", 0))).unwrap();
    wait(one.reserve(reserve("c", 0))).unwrap();
    for store in [&one, &two] {
        let refused = wait(store.reserve(reserve("d", 0)));
        assert!(matches!(refused, Err(LedgerError::OverRate(_))), "{refused:?}");
    }
    assert!(!wait(one.settle(settle("b"))).unwrap().duplicate);
    assert!(wait(two.settle(settle("b"))).unwrap().duplicate);
    let other = Settle { cost: "0.06".parse().unwrap(), ..settle("b") };
    assert!(matches!(wait(two.settle(other)), Err(LedgerError::Conflict { .. })));
    wait(one.close()).unwrap();
    wait(two.close()).unwrap();
}
