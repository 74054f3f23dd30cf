//! `tierway report` and `tierway ledger` on a ledger in PostgreSQL: they print what they print of the same account in a file.
//!
//! `scripts/test.d/postgres.sh` starts a server and names it in TIERWAY_TEST_POSTGRES; without it this is skipped, aloud.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and say what they did"
)]

use std::path::PathBuf;
use std::process::{Command, Output};

use tierway::ledger::{End, Rules};
use tierway::store::{PostgresStore, SqliteStore, Store};
use tierway::testing::store::{History, Op, wait};

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The same account in each store: settled, voided and open attempts of three days.
fn fill(stores: &[&dyn Store]) {
    let mut history = History::new(11);
    for _ in 0..2_000 {
        let op = history.step();
        for store in stores {
            // Wrong entries of the history are refused by both.
            match op.clone() {
                Op::Reserve(entry) => drop(wait(store.reserve(entry))),
                Op::End(End::Settle(entry)) => drop(wait(store.settle(*entry))),
                Op::End(End::Void(entry)) => drop(wait(store.void(entry))),
            }
        }
    }
    stores.iter().for_each(|store| wait(store.close()).unwrap());
}

fn tierway(folder: &Folder, ledger: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    command.args(args).current_dir(&folder.0).env("TIERWAY_LEDGER", ledger).env_remove("TIERWAY_CONFIG");
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_ledger_in_postgres_is_reported_as_the_same_one_in_a_file() {
    let Some(server) = std::env::var("TIERWAY_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else {
        println!("skipped: reports of a fleet's ledger: TIERWAY_TEST_POSTGRES names no server (9 cases)");
        return;
    };
    let folder = Folder(std::env::temp_dir().join(format!("tierway-fleet-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("ledger.db").display().to_string();
    let url = format!("{server}?schema=report{}", std::process::id());
    let stores = (SqliteStore::open(&file, Rules::default()), PostgresStore::open(&url, Rules::default()));
    fill(&[&stores.0.unwrap(), &stores.1.unwrap()]);
    let by = ["--by", "day", "--by", "model", "--by", "purpose", "--by", "ending", "--by", "user", "--by", "team"];
    let both = |args: &[&str]| {
        let [kept, served] = [&file, &url].map(|ledger| text(&tierway(&folder, ledger, args)));
        assert_eq!(kept, served, "{args:?}");
        served
    };
    let json = both(&[&["report", "--json", "--zone", "Asia/Kolkata"], &by[..]].concat());
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(report["total"]["attempts"].as_u64().unwrap() > 300 && report["held"]["unknown"].as_u64().unwrap() > 0);
    both(&["report", "--csv", "--by", "user", "--since", "2026-05-30"]);
    let tables = both(&["report"]);
    assert!(tables.contains("attempts cost $") && tables.contains("p99 ms") && tables.contains("unknown"), "{tables}");
    both(&["report", "--html", "page.html"]);
    let page = std::fs::read_to_string(folder.0.join("page.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("postgres://"), "a page shows no server");
    let unknown = both(&["ledger", "unknown"]);
    both(&["ledger", "check"]);
    // What is settled by hand shows in the next report, and is settled once.
    let id = unknown.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    both(&["ledger", "settle", &id, "--cost", "0.001"]);
    let after: serde_json::Value = serde_json::from_str(&both(&["report", "--json"])).unwrap();
    assert_ne!(after["total"]["cost"], report["total"]["cost"]);
    let again = tierway(&folder, &url, &["ledger", "settle", &id, "--cost", "0.002"]);
    assert_eq!(again.status.code(), Some(2), "{}", String::from_utf8_lossy(&again.stderr));
    // A server that is not there, named by the flag: a line without the password, and the status of a file that is not.
    let gone = tierway(&folder, &file, &["report", "--db", "postgres://ann:s3cret@127.0.0.1:1/books"]);
    let told = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert_eq!(gone.status.code(), Some(4), "{told}");
    assert!(told.contains("127.0.0.1:1") && !told.contains("s3cret") && !told.contains("ann"), "{told}");
}
