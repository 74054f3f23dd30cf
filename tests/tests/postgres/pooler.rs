//! Through a pooler that gives each transaction another session of the server: fewer sessions than stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tierway::ledger::Rules;
use tierway::store::{PostgresStore, Store};
use tierway::testing::store as suite;
use tierway::testing::store::wait;

use crate::race::{check, race, rules};
use crate::{Folder, fresh, leased, seed};

/// How many sessions the pooler of `scripts/with_postgres` keeps.
const SESSIONS: usize = 3;

/// The pooler to test on, with a query so far that more can be added.
fn pooler(what: &str, cases: usize) -> Option<String> {
    let url = std::env::var("TIERWAY_TEST_POOLER").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        println!("skipped: {what}: TIERWAY_TEST_POOLER names no pooler ({cases} cases)");
    }
    url.map(|url| format!("{url}?"))
}

#[test]
fn the_store_conforms_behind_a_pooler() {
    let Some(pooler) = pooler("the store conforms behind a pooler", 2) else { return };
    let make = |rules: Rules| -> Arc<dyn Store> { Arc::new(PostgresStore::open(&fresh(&pooler), rules).unwrap()) };
    suite::conforms(&make, seed(), 200);
    let folder = Folder::new();
    let make = |rules: Rules| -> Arc<dyn Store> {
        Arc::new(PostgresStore::open_with(&fresh(&pooler), rules, leased(&folder.0)).unwrap())
    };
    suite::conforms(&make, seed(), 200);
}

#[test]
fn sixteen_stores_on_three_sessions_never_overshoot_a_budget() {
    let Some(pooler) = pooler("16 stores race behind a pooler", 200) else { return };
    let folder = Folder::new();
    let done = AtomicBool::new(false);
    let most = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(sessions(), Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        for with_leases in [false, true] {
            let url = fresh(&pooler);
            let open = |_| match with_leases {
                true => PostgresStore::open_with(&url, rules("1"), leased(&folder.0)).unwrap(),
                false => PostgresStore::open(&url, rules("1")).unwrap(),
            };
            let stores: Vec<PostgresStore> = (0..16).map(open).collect();
            race(&stores, 100);
            check(&url, 100, if with_leases { 300_000_000_000 } else { 500_000_000_000 });
        }
        done.store(true, Ordering::Relaxed);
    });
    let most = most.into_inner();
    println!("16 stores had {most} sessions at most");
    // One that is going counts until it is gone.
    assert!((1..=SESSIONS as u64 * 2).contains(&most), "{most}");
}

/// How many sessions the server has of the pooler's database.
fn sessions() -> u64 {
    let direct = std::env::var("TIERWAY_TEST_POSTGRES").unwrap();
    let bin = std::env::var("TIERWAY_TEST_POSTGRES_BIN").unwrap();
    let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = 'pooled'";
    let out = std::process::Command::new(format!("{bin}/psql")).args([&direct, "-Atc", sql]).output().unwrap();
    String::from_utf8_lossy(&out.stdout).trim().parse().unwrap()
}

#[test]
fn a_store_behind_a_pooler_keeps_nothing_in_a_session() {
    let Some(pooler) = pooler("nothing stays in a session", 1) else { return };
    let url = fresh(&pooler);
    let store = PostgresStore::open(&url, rules("1")).unwrap();
    wait(store.reserve(crate::race::reserve("a", 0))).unwrap();
    wait(store.settle(crate::race::settle("a"))).unwrap();
    // Whatever session the next client of the pooler gets: no statement, lock, notice or setting of ours is in it.
    let bin = std::env::var("TIERWAY_TEST_POSTGRES_BIN").unwrap();
    let plain = pooler.trim_end_matches('?');
    let sql = "SELECT (SELECT COUNT(*) FROM pg_prepared_statements), (SELECT COUNT(*) FROM pg_cursors),
        (SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        (SELECT COUNT(*) FROM pg_listening_channels()), current_setting('search_path'),
        current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')";
    for _ in 0..SESSIONS * 2 {
        let out = std::process::Command::new(format!("{bin}/psql")).args([plain, "-Atc", sql]).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(text, "0|0|0|0|\"$user\", public|0|0");
    }
    wait(store.close()).unwrap();
}
