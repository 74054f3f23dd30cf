//! Who hears of the marks that entries reach, and by which id.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::cases::{at, money, ok, reserve, rules, settle};
use super::{Make, wait};
use crate::ledger::{
    Alert, AlertKind, Budget, End, Enforce, Fate, Frame, LedgerError, Limit, Posted, Reserve, Thousandths, Window,
};
use crate::model::Tier;
use crate::store::{Listener, Store};
use crate::time::Span;

/// Who listens, and what was heard.
type Ear = Arc<Mutex<Vec<Alert>>>;

fn listen(store: &dyn Store) -> Ear {
    let ear = Ear::default();
    store.listen(Listener::new(&ear, |ear: &Mutex<Vec<Alert>>, alerts| {
        ear.lock().unwrap_or_else(PoisonError::into_inner).extend(alerts);
    }));
    ear
}

fn kinds(ear: &Ear) -> Vec<AlertKind> {
    ear.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|alert| alert.kind).collect()
}

pub(super) fn detached(make: Make<'_>) {
    let mut team = money("team", "1");
    team.alert_at = vec![50, 100];
    let store = make(rules(vec![team]));
    let ear = listen(&*store);
    for name in ["a", "b", "c"] {
        ok(wait(store.reserve(reserve(name, "0.3"))));
    }
    store.end_detached(End::Settle(Box::new(settle("a", "0.3"))));
    store.end_detached(End::Settle(Box::new(settle("b", "0.3"))));
    ok(wait(store.flush()));
    assert_eq!(kinds(&ear), [AlertKind::Reached(50)]);
    // One that is waited for carries its marks itself.
    let posted = ok(wait(store.settle(settle("c", "0.4"))));
    assert_eq!(posted.alerts.iter().map(|alert| alert.kind).collect::<Vec<_>>(), [AlertKind::Reached(100)]);
    ok(wait(store.close()));
    assert_eq!(kinds(&ear), [AlertKind::Reached(50)]);
}

/// Begins to write, and gives up once the entry stands; what came at once, if it did.
fn abandon(writing: impl Future<Output = Result<Posted, LedgerError>>, stands: impl Fn() -> bool) -> Option<Posted> {
    let mut writing = pin!(writing);
    match writing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(posted) => return Some(ok(posted)),
        Poll::Pending => {}
    }
    while !stands() {
        std::thread::yield_now();
    }
    None
}

pub(super) fn abandoned(make: Make<'_>) {
    let mut team = money("team", "1");
    team.alert_at = vec![50];
    let mut soft = money("soft", "0.1");
    soft.enforce = Enforce::Alert;
    let store = make(rules(vec![team, soft]));
    let ear = listen(&*store);
    let row = || ok(wait(store.row(&"a".parse().expect("a name"))));
    let reserved = abandon(store.reserve(reserve("a", "0.6")), || row().is_some());
    let is_settled = || row().is_some_and(|row| matches!(row.fate, Fate::Settled(_)));
    let settled = abandon(store.settle(settle("a", "0.6")), is_settled);
    ok(wait(store.flush()));
    let mut all = kinds(&ear);
    all.extend([reserved, settled].into_iter().flatten().flat_map(|posted| posted.alerts).map(|alert| alert.kind));
    assert_eq!(all, [AlertKind::Beyond, AlertKind::Reached(50)]);
}

pub(super) fn next_listener(make: Make<'_>) {
    let mut team = money("team", "1");
    team.alert_at = vec![30, 60];
    let store = make(rules(vec![team]));
    let (first, second) = (listen(&*store), listen(&*store));
    ok(wait(store.reserve(reserve("a", "0.4"))));
    ok(wait(store.reserve(reserve("b", "0.4"))));
    store.end_detached(End::Settle(Box::new(settle("a", "0.4"))));
    ok(wait(store.flush()));
    assert_eq!((kinds(&first), kinds(&second)), (vec![AlertKind::Reached(30)], Vec::new()));
    drop(first);
    store.end_detached(End::Settle(Box::new(settle("b", "0.4"))));
    ok(wait(store.flush()));
    assert_eq!(kinds(&second), [AlertKind::Reached(60)]);
}

pub(super) fn one_id(make: Make<'_>) {
    let day = Window::utc(Frame::Rolling(Span::from_secs(24 * 3_600)));
    let budget = |name: &str, limit, window| Budget { enforce: Enforce::Alert, ..Budget::new(name, limit, window) };
    let mut share = budget("share", Limit::Share(Thousandths(100)), Window::utc(Frame::Day));
    share.only.tiers = [Tier::Economy].into();
    let rolling = budget("rolling", Limit::Requests(1), day);
    let store = make(rules(vec![share, rolling]));
    let mut told = Vec::new();
    // From noon on; the next day, and what is told anew with it, begins at midnight.
    for hour in [0, 0, 1, 3, 6, 8, 9, 10, 11, 12] {
        let name = format!("n{}", told.len());
        let entry = Reserve { at: at(hour * 3_600_000), ..reserve(&name, "0.1") };
        told.push(ok(wait(store.reserve(entry))).alerts);
    }
    let ids = |name: &str, of: &[Vec<Alert>]| -> std::collections::BTreeSet<String> {
        of.iter().flatten().filter(|alert| alert.budget == name).map(|alert| alert.id.clone()).collect()
    };
    let (today, tomorrow) = told.split_at(9);
    assert_eq!((ids("share", today).len(), ids("rolling", today).len()), (1, 1), "{today:?}");
    assert_eq!(ids("rolling", tomorrow).len(), 1);
    assert!(ids("rolling", today).is_disjoint(&ids("rolling", tomorrow)));
}
