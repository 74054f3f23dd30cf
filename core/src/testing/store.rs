//! The conformance suite of ledger stores: run it against a store of your own, and it is a ledger.
//!
//! ```
//! use std::sync::Arc;
//! use tierway::store::MemoryStore;
//! tierway::testing::store::conforms(&|rules| Arc::new(MemoryStore::new(rules)), 7, 200);
//! ```

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::ledger::Rules;
use crate::store::Store;

mod cases;
mod history;
mod hostile;
mod marks;
mod races;
mod shared;

pub use history::{History, Op};
pub use hostile::HostileCount;

/// Makes a fresh, empty store under these rules.
pub type Make<'a> = &'a (dyn Fn(Rules) -> Arc<dyn Store> + Sync);

/// Runs every case, and random histories of `ops` entries from `seed` against the reference book.
///
/// # Panics
/// Where the store breaks a promise; the message says which, and the seed of a history.
pub fn conforms(make: Make<'_>, seed: u64, ops: usize) {
    for (name, case) in cases::CASES {
        tracing::debug!(case = name, "ledger conformance");
        case(make);
    }
    history::agrees(make, &History::rules(), seed, ops);
    races::budget_holds(make, 8, 25);
    races::one_effect(make, 8, 20);
}

/// As many hostile entries as `cases` from `seed`: text and numbers in every field that are refused, or stored as they
/// are and inert.
///
/// # Panics
/// Where one is neither.
pub fn hostile(make: Make<'_>, seed: u64, cases: usize) -> HostileCount {
    hostile::hostile(make, seed, cases)
}

/// As many threads as `threads` race for one budget, `rounds` times: it is never overshot.
///
/// # Panics
/// Where it is.
pub fn budget_holds(make: Make<'_>, threads: usize, rounds: usize) {
    races::budget_holds(make, threads, rounds);
}

/// The same entry from as many threads as `threads` at once, `ids` times: one effect.
///
/// # Panics
/// Where there are two.
pub fn one_effect(make: Make<'_>, threads: usize, ids: usize) {
    races::one_effect(make, threads, ids);
}

/// Entries of `ids` attempts that are written again after the store was closed and opened anew have no effect, and others
/// of the same ids are refused. `open` opens the same store each time.
///
/// # Panics
/// Where one has an effect.
pub fn replayed(open: Make<'_>, ids: usize) {
    shared::replayed(open, ids);
}

/// Stores that are open at once under different definitions of a budget are each held to theirs, and those with the same
/// one share it. `open` opens the same store each time.
///
/// # Panics
/// Where they are not.
pub fn definitions(open: Make<'_>) {
    shared::definitions(open);
}

/// A random history of `ops` entries from `seed` under these rules, answer by answer against the reference book.
///
/// # Panics
/// Where an answer, a balance or a row differs.
pub fn agrees(make: Make<'_>, rules: &Rules, seed: u64, ops: usize) {
    history::agrees(make, rules, seed, ops);
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread, with no runtime.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
