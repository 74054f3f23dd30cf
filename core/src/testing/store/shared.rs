//! A store that is opened again, or by several at once under different budgets.

use super::cases::{reserve, rules, settle, usd};
use super::{Make, wait};
use crate::ledger::{Budget, Frame, LedgerError, Limit, Rules, Window};
use crate::store::Store;

pub(super) fn replayed(open: Make<'_>, ids: usize) {
    let budget = || rules(vec![Budget::new("once", Limit::Money(usd("1000000")), Window::utc(Frame::Total))]);
    let write = |is_again: bool| {
        let store = open(budget());
        for id in 0..ids {
            let name = format!("id{id}");
            let posted = wait(store.reserve(reserve(&name, "1"))).expect("it fits");
            assert_eq!(posted.duplicate, is_again, "{name}");
            let posted = wait(store.settle(settle(&name, "0.5"))).expect("it is reserved");
            assert_eq!(posted.duplicate, is_again, "{name}");
        }
        let balances = wait(store.balances()).expect("balances");
        assert_eq!(
            balances.values().map(|b| (b.posted, b.held)).collect::<Vec<_>>(),
            [(ids as i128 * 500_000_000_000, 0)]
        );
        store
    };
    wait(write(false).close()).expect("it closes");
    let store = write(true);
    for id in 0..ids {
        let name = format!("id{id}");
        let other = wait(store.reserve(reserve(&name, "2")));
        assert!(matches!(other, Err(LedgerError::Conflict { .. })), "{other:?}");
        let other = wait(store.settle(settle(&name, "0.6")));
        assert!(matches!(other, Err(LedgerError::Conflict { .. })), "{other:?}");
    }
    assert_eq!(wait(store.journal(0, usize::MAX)).expect("journal").len(), ids * 2);
    wait(store.close()).expect("it closes");
}

/// A budget's definition changes while others go by the one before, as in a fleet that is brought to new settings.
pub(super) fn definitions(open: Make<'_>) {
    let team = |limit: &str, frame| rules(vec![Budget::new("team", Limit::Money(usd(limit)), Window::utc(frame))]);
    let before = || -> Rules { team("1", Frame::Day) };
    let after = || -> Rules { team("5", Frame::Month) };
    let spend = |store: &dyn Store, name: &str, amount: &str| match wait(store.reserve(reserve(name, amount))) {
        Ok(_) => {
            wait(store.settle(settle(name, amount))).expect("it is reserved");
            true
        }
        Err(LedgerError::OverBudget(_)) => false,
        Err(error) => panic!("{error}"),
    };
    let one = open(before());
    assert!(spend(&*one, "a", "0.9"));
    let two = open(after());
    assert!(spend(&*two, "b", "1"), "the new budget counts what was spent");
    assert!(!spend(&*one, "c", "0.2"), "who goes by the old budget is held to it, not from zero on");
    let three = open(before());
    assert!(!spend(&*three, "d", "0.05") && !spend(&*one, "e", "0.05"), "counted anew, the old budget is used up");
    let four = open(after());
    assert!(spend(&*four, "f", "3.1"));
    assert!(!spend(&*four, "g", "0.1") && !spend(&*two, "h", "0.1"), "those with the same budget share it");
    for store in [one, two, three, four] {
        wait(store.close()).expect("it closes");
    }
    let alone = open(after());
    assert!(!spend(&*alone, "i", "0.1") && wait(alone.balances()).expect("balances").len() == 1);
    wait(alone.close()).expect("it closes");
}
