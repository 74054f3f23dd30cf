//! Many callers at once: a budget holds, and an id has one effect.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cases::{reserve, rules, settle, usd};
use super::{Make, wait};
use crate::ledger::{Budget, Frame, LedgerError, Limit, Window};

pub(super) fn budget_holds(make: Make<'_>, threads: usize, rounds: usize) {
    for round in 0..rounds {
        let budget = Budget::new("race", Limit::Money(usd("1")), Window::utc(Frame::Day));
        let store = make(rules(vec![budget]));
        let start = Barrier::new(threads);
        let admitted = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (store, start, admitted) = (&store, &start, &admitted);
                scope.spawn(move || {
                    start.wait();
                    for call in 0..3 {
                        let name = format!("t{thread}.{call}");
                        // A tenth is asked for and half of it spent: what is freed may be taken by others.
                        match wait(store.reserve(reserve(&name, "0.1"))) {
                            Ok(_) => {
                                admitted.fetch_add(1, Ordering::Relaxed);
                                wait(store.settle(settle(&name, "0.05"))).expect("it is reserved");
                            }
                            Err(LedgerError::OverBudget(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
        });
        let balances = wait(store.balances()).expect("balances");
        let balance = balances.values().next().copied().unwrap_or_default();
        let admitted = i128::from(admitted.into_inner());
        assert_eq!((balance.posted, balance.held), (admitted * 50_000_000_000, 0), "round {round}");
        assert!(
            balance.posted <= 1_000_000_000_000,
            "round {round}: overshot by {}",
            balance.posted - 1_000_000_000_000
        );
        if threads >= 10 {
            assert!(balance.posted >= 500_000_000_000, "round {round}: nothing stood in the way: {balance:?}");
        }
    }
}

pub(super) fn one_effect(make: Make<'_>, threads: usize, ids: usize) {
    let budget = Budget::new("once", Limit::Money(usd("1000000")), Window::utc(Frame::Total));
    let store = make(rules(vec![budget]));
    let start = Barrier::new(threads);
    let (reserved, settled) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (store, start, reserved, settled) = (&store, &start, &reserved, &settled);
            scope.spawn(move || {
                start.wait();
                for id in 0..ids {
                    let name = format!("id{id}");
                    let posted = wait(store.reserve(reserve(&name, "1"))).expect("it fits");
                    reserved.fetch_add(u64::from(!posted.duplicate), Ordering::Relaxed);
                    let posted = wait(store.settle(settle(&name, "0.5"))).expect("it is reserved");
                    settled.fetch_add(u64::from(!posted.duplicate), Ordering::Relaxed);
                    let other = wait(store.settle(settle(&name, &format!("0.{}", 60 + thread))));
                    assert!(matches!(other, Err(LedgerError::Conflict { .. })), "{other:?}");
                }
            });
        }
    });
    assert_eq!((reserved.into_inner(), settled.into_inner()), (ids as u64, ids as u64));
    let balances = wait(store.balances()).expect("balances");
    assert_eq!(balances.values().map(|b| b.posted).sum::<i128>(), ids as i128 * 500_000_000_000);
    assert_eq!(wait(store.journal(0, usize::MAX)).expect("journal").len(), ids * 2);
}
