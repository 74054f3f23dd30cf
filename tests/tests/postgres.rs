//! The fleet's ledger: the suite of all stores, races between stores and processes, a server that dies or hangs, TLS.
//!
//! `scripts/test` starts a server and names it in TIERWAY_TEST_POSTGRES; without it all of this is skipped, aloud.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and say what they did"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tierway::ledger::Rules;
use tierway::store::{LeaseOptions, MemoryStore, PostgresOptions, PostgresStore, Store};
use tierway::testing::store as suite;

#[path = "postgres/crash.rs"]
mod crash;
#[path = "postgres/pooler.rs"]
mod pooler;
#[path = "support/preload.rs"]
mod preload;
#[path = "postgres/processes.rs"]
mod processes;
#[path = "postgres/race.rs"]
mod race;
#[path = "postgres/schema.rs"]
mod schema;

/// The server to test on, with a query so far that more can be added.
pub(crate) fn server(what: &str, cases: usize) -> Option<String> {
    let url = std::env::var("TIERWAY_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        println!("skipped: {what}: TIERWAY_TEST_POSTGRES names no server ({cases} cases)");
    }
    url.map(|url| if url.contains('?') { url } else { format!("{url}?") })
}

/// The same server with a schema that nobody has used.
pub(crate) fn fresh(server: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("{server}&schema=t{nanos:x}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn leased(folder: &std::path::Path) -> PostgresOptions {
    PostgresOptions { leases: Some(LeaseOptions::new(folder)), ..PostgresOptions::default() }
}

/// A folder of its own, removed at the end.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("tierway-postgres-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn seed() -> u64 {
    let seed = std::env::var("TIERWAY_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_124);
    println!("seed {seed}");
    seed
}

#[test]
fn the_postgres_store_conforms() {
    let Some(server) = server("the store conforms", 1) else { return };
    let make = |rules: Rules| -> Arc<dyn Store> { Arc::new(PostgresStore::open(&fresh(&server), rules).unwrap()) };
    suite::conforms(&make, seed(), 500);
}

#[test]
fn the_postgres_store_conforms_under_leases() {
    let Some(server) = server("the store conforms under leases", 1) else { return };
    let folder = Folder::new();
    let make = |rules: Rules| -> Arc<dyn Store> {
        Arc::new(PostgresStore::open_with(&fresh(&server), rules, leased(&folder.0)).unwrap())
    };
    suite::conforms(&make, seed(), 500);
}

#[test]
fn random_entries_in_postgres_agree_with_the_reference_book() {
    let Some(server) = server("random histories", 4) else { return };
    let (seed, folder) = (seed(), Folder::new());
    let direct = |rules: Rules| -> Arc<dyn Store> { Arc::new(PostgresStore::open(&fresh(&server), rules).unwrap()) };
    suite::agrees(&direct, &suite::History::rules(), seed + 1, 500);
    let leasing = |rules: Rules| -> Arc<dyn Store> {
        Arc::new(PostgresStore::open_with(&fresh(&server), rules, leased(&folder.0)).unwrap())
    };
    // Under the budgets that can be leased, and under none.
    let all = suite::History::rules();
    let some = |names: &[&str]| {
        let mut budgets: Vec<_> = all.budgets().iter().filter(|b| names.contains(&b.name.as_str())).cloned().collect();
        budgets.iter_mut().for_each(|budget| budget.alert_at.clear());
        Rules::new(budgets, Vec::new()).unwrap()
    };
    suite::agrees(&leasing, &some(&["all", "tokens", "calls"]), seed + 2, 500);
    suite::agrees(&leasing, &some(&["tokens"]), seed + 3, 500);
    suite::agrees(&leasing, &some(&[]), seed + 4, 500);
}

#[test]
fn an_id_from_sixteen_threads_has_one_effect() {
    let Some(server) = server("one effect", 200) else { return };
    let make = |rules: Rules| -> Arc<dyn Store> { Arc::new(PostgresStore::open(&fresh(&server), rules).unwrap()) };
    suite::one_effect(&make, 16, 100);
    let folder = Folder::new();
    let leasing = |rules: Rules| -> Arc<dyn Store> {
        Arc::new(PostgresStore::open_with(&fresh(&server), rules, leased(&folder.0)).unwrap())
    };
    suite::one_effect(&leasing, 16, 100);
}

#[test]
fn ids_that_are_replayed_after_a_restart_have_no_effect() {
    let Some(server) = server("replayed ids", 400) else { return };
    let (direct, leasing, folder) = (fresh(&server), fresh(&server), Folder::new());
    suite::replayed(&|rules| Arc::new(PostgresStore::open(&direct, rules).unwrap()), 200);
    suite::replayed(&|rules| Arc::new(PostgresStore::open_with(&leasing, rules, leased(&folder.0)).unwrap()), 200);
}

#[test]
fn hostile_entries_are_refused_or_inert_as_in_memory() {
    let Some(server) = server("hostile entries", 2_000) else { return };
    let make = |rules: Rules| -> Arc<dyn Store> { Arc::new(PostgresStore::open(&fresh(&server), rules).unwrap()) };
    let memory = |rules: Rules| -> Arc<dyn Store> { Arc::new(MemoryStore::keeping(1_000_000, rules)) };
    let count = suite::hostile(&make, seed(), 2_000);
    println!("{count:?}");
    assert_eq!(count, suite::hostile(&memory, seed(), 2_000), "both stores refuse the same");
}

#[test]
fn budgets_that_change_hold_for_those_who_go_by_the_old_ones() {
    let Some(server) = server("budgets that change", 1) else { return };
    let url = fresh(&server);
    suite::definitions(&|rules| Arc::new(PostgresStore::open(&url, rules).unwrap()));
}
