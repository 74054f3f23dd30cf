//! The ledger's stores: one suite for all, histories, races, crashes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and say what they did"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tierway::ledger::Rules;
use tierway::store::{MemoryStore, SqliteStore, Store};
use tierway::testing::store as suite;

#[path = "support/acme.rs"]
mod acme;
#[path = "ledger/crash.rs"]
mod crash;
#[path = "ledger/fault.rs"]
mod fault;
#[path = "ledger/hostile.rs"]
mod hostile;
#[path = "support/preload.rs"]
mod preload;
#[path = "ledger/unsent.rs"]
mod unsent;
#[path = "ledger/windows.rs"]
mod windows;

/// A folder of its own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("tierway-ledger-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store in memory that forgets nothing here, so that all of its journal can be compared.
fn memory(rules: Rules) -> Arc<dyn Store> {
    Arc::new(MemoryStore::keeping(1_000_000, rules))
}

/// Makes a SQLite store in a file of its own each time.
fn sqlite(folder: &Folder) -> impl Fn(Rules) -> Arc<dyn Store> + Sync {
    let count = AtomicU64::new(0);
    let path = folder.0.clone();
    move |rules| {
        let file = path.join(format!("{}.db", count.fetch_add(1, Ordering::Relaxed)));
        Arc::new(SqliteStore::open(file, rules).unwrap())
    }
}

/// How many cases: fewer in CI, all where `TIERWAY_LONG` is set.
pub(crate) fn cases(in_ci: usize, long: usize) -> usize {
    if std::env::var_os("TIERWAY_LONG").is_some() { long } else { in_ci }
}

fn seed() -> u64 {
    let seed = std::env::var("TIERWAY_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_124);
    println!("seed {seed}");
    seed
}

#[test]
fn the_memory_store_conforms() {
    suite::conforms(&memory, seed(), 5_000);
}

#[test]
fn the_sqlite_store_conforms() {
    let folder = Folder::new();
    suite::conforms(&sqlite(&folder), seed(), 2_000);
}

#[test]
fn a_million_random_entries_agree_with_the_reference_book() {
    let seed = seed();
    // Each history is under one or two of the budgets in turn; the other suites are under all at once.
    let all = suite::History::rules();
    let some = |history: u64| {
        let chosen = |n: usize| (history as usize).is_multiple_of(n % 5 + 2);
        let budgets = all.budgets().iter().enumerate().filter(|(n, _)| chosen(*n)).map(|(_, budget)| budget.clone());
        Rules::new(budgets.take(2).collect(), all.rates().to_vec()).unwrap()
    };
    let some = &some;
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                let histories = (0..500).filter(|history| history % 2 == half);
                histories.for_each(|history| suite::agrees(&memory, &some(history), seed + history, 2_000));
            });
        }
    });
}

#[test]
fn random_entries_in_sqlite_agree_with_the_reference_book() {
    let (seed, folder) = (seed(), Folder::new());
    let make = sqlite(&folder);
    (0..8).for_each(|history| suite::agrees(&make, &suite::History::rules(), seed + history, 1_000));
}

#[test]
fn budgets_hold_under_256_threads() {
    suite::budget_holds(&memory, 256, 100);
    let folder = Folder::new();
    suite::budget_holds(&sqlite(&folder), 256, 100);
}

#[test]
fn ten_thousand_ids_from_sixteen_threads_have_one_effect_each() {
    suite::one_effect(&memory, 16, 10_000);
    let folder = Folder::new();
    suite::one_effect(&sqlite(&folder), 16, cases(1_000, 10_000));
}

#[test]
fn ids_that_are_replayed_after_a_restart_have_no_effect() {
    let folder = Folder::new();
    let open =
        |rules: Rules| -> Arc<dyn Store> { Arc::new(SqliteStore::open(folder.file("again.db"), rules).unwrap()) };
    suite::replayed(&open, cases(500, 5_000));
}

#[test]
fn budgets_that_change_hold_for_those_who_go_by_the_old_ones() {
    let folder = Folder::new();
    suite::definitions(&|rules| Arc::new(SqliteStore::open(folder.file("changed.db"), rules).unwrap()));
}
