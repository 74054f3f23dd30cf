//! Processes that are killed, that share a file, that fork: nothing acknowledged is lost.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tierway::ledger::{Basis, Book, Budget, End, Ending, Fate, Frame, LedgerError, Limit, Rules, Settle, Window};
use tierway::store::{Durability, Only, Page, SqliteStore, Store};
use tierway::testing::store::{History, Op, wait};

use crate::Folder;

/// Starts this very test binary as another process that runs `child` on a file.
fn start(mode: &str, file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
        .env("TIERWAY_LEDGER_CHILD", mode)
        .env("TIERWAY_LEDGER_FILE", file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn race_rules() -> Rules {
    let limit = Limit::Money("1".parse().unwrap());
    Rules::new(vec![Budget::new("race", limit, Window::utc(Frame::Total))], Vec::new()).unwrap()
}

/// What another process does, when this binary is started as one; as a test of its own it does nothing.
#[test]
fn child() {
    let Ok(mode) = std::env::var("TIERWAY_LEDGER_CHILD") else { return };
    let file = std::env::var("TIERWAY_LEDGER_FILE").unwrap();
    let mut out = std::io::stdout();
    match mode.split_once(':') {
        Some(("history", seed)) => {
            let store = SqliteStore::open(file, Rules::default()).unwrap();
            let mut history = History::new(seed.parse().unwrap());
            // Entries of its own, since other processes wrote before.
            for _ in 0..100_000 {
                let op = renamed(history.step(), seed);
                let text = entry_text(&op);
                if write(&store, op).is_ok_and(|posted| !posted.duplicate) {
                    writeln!(out, "ok {text}").unwrap();
                }
            }
        }
        Some(("few", seed)) => few(&file, seed),
        Some(("pairs", round)) => pairs(&file, round),
        Some(("client", _)) => crate::unsent::child(&file),
        Some(("race", name)) => {
            let store = SqliteStore::open(file, race_rules()).unwrap();
            let (mut spent, mut history) = (0, History::new(name.len() as u64));
            for n in 0..40 {
                let Op::Reserve(mut entry) = history_reserve(&mut history) else { continue };
                entry.attempt = format!("{name}.{n}").parse().unwrap();
                entry.amount = "0.01".parse().unwrap();
                spent += u32::from(wait(store.reserve(entry)).is_ok());
            }
            writeln!(out, "spent {spent}").unwrap();
        }
        Some(("fork", _)) => fork_and_write(&file),
        _ => panic!("unknown mode"),
    }
}

/// Forty entries, each told with what came of it; for the tests of faults also how long the log of writes was by then.
fn few(file: &str, seed: &str) {
    let mut out = std::io::stdout();
    let log = std::env::var("FEW_SIZES").ok();
    let mut tell = |line: &str| match &log {
        Some(log) => writeln!(out, "told {} {line}", std::fs::metadata(log).map_or(0, |file| file.len())).unwrap(),
        None => writeln!(out, "told {line}").unwrap(),
    };
    let durability = if std::env::var_os("FEW_NORMAL").is_some() { Durability::Normal } else { Durability::Full };
    let store = match SqliteStore::open_with(file, Rules::default(), durability) {
        Ok(store) => store,
        Err(error) => return tell(&format!("error {error}")),
    };
    let mut history = History::new(seed.parse().unwrap());
    for _ in 0..40 {
        let op = history.step();
        let text = entry_text(&op);
        match write(&store, op) {
            Ok(_) => tell(&format!("ok {text}")),
            Err(error @ (LedgerError::Io { .. } | LedgerError::Full { .. } | LedgerError::Denied { .. })) => {
                tell(&format!("error {error}"));
            }
            // A wrong entry of the history, or one whose reservation was refused.
            Err(_) => {}
        }
    }
}

/// Calls as one caller makes them: each is settled before the next is reserved, so that one is in flight.
fn pairs(file: &str, round: &str) {
    let mut out = std::io::stdout();
    let store = SqliteStore::open(file, Rules::default()).unwrap();
    let mut history = History::new(round.parse().unwrap());
    for number in 0..100_000 {
        let Op::Reserve(mut reserve) = history_reserve(&mut history) else { unreachable!() };
        reserve.attempt = format!("pair{round}.{number}").parse().unwrap();
        let settle = Settle {
            attempt: reserve.attempt.clone(),
            at: reserve.at,
            cost: reserve.amount,
            lines: Vec::new(),
            usage: tierway::Usage::of(10, 20),
            basis: Basis::Reported,
            ending: Ending::Answered,
            latency: tierway::time::Span::from_ms(900),
            first_token: None,
            baseline_cost: None,
        };
        for op in [Op::Reserve(reserve), Op::End(End::Settle(Box::new(settle)))] {
            let text = entry_text(&op);
            if write(&store, op).is_ok() {
                writeln!(out, "ok {text}").unwrap();
            }
        }
    }
}

fn history_reserve(history: &mut History) -> Op {
    loop {
        if let op @ Op::Reserve(_) = history.step() {
            return op;
        }
    }
}

fn renamed(mut op: Op, prefix: &str) -> Op {
    let id = match &mut op {
        Op::Reserve(entry) => &mut entry.attempt,
        Op::End(End::Settle(entry)) => &mut entry.attempt,
        Op::End(End::Void(entry)) => &mut entry.attempt,
    };
    *id = format!("{prefix}.{id}").parse().unwrap();
    op
}

fn entry_text(op: &Op) -> String {
    match op {
        Op::Reserve(entry) => format!("reserve {}", entry.attempt),
        Op::End(End::Settle(entry)) => format!("settle {}", entry.attempt),
        Op::End(End::Void(entry)) => format!("void {}", entry.attempt),
    }
}

fn write(store: &dyn Store, op: Op) -> Result<tierway::ledger::Posted, LedgerError> {
    match op {
        Op::Reserve(entry) => wait(store.reserve(entry)),
        Op::End(End::Settle(entry)) => wait(store.settle(*entry)),
        Op::End(End::Void(entry)) => wait(store.void(entry)),
    }
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "a fork can be made in no other way")]
mod posix {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
        fn _exit(code: i32) -> !;
    }

    /// Runs `work` in a fork and returns what it returned, 0 to 255.
    pub(super) fn in_a_fork(work: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the fork runs `work` alone, which takes no lock that another thread of the parent may hold, and ends.
        match unsafe { fork() } {
            // SAFETY: it ends the fork at once, without the parent's destructors.
            0 => unsafe { _exit(work()) },
            process => {
                let mut status = -1;
                // SAFETY: `status` lives until the call returns.
                unsafe { waitpid(process, &mut status, 0) };
                status >> 8
            }
        }
    }
}

/// A store that was opened before a fork is refused in it, in memory and on disk, and goes on in the parent.
#[cfg(unix)]
fn fork_and_write(file: &str) {
    let stores: [Arc<dyn Store>; 2] = [
        Arc::new(SqliteStore::open(file, Rules::default()).unwrap()),
        Arc::new(tierway::store::MemoryStore::default()),
    ];
    let mut history = History::new(5);
    for store in stores {
        let Op::Reserve(before) = history_reserve(&mut history) else { unreachable!() };
        let Op::Reserve(inside) = history_reserve(&mut history) else { unreachable!() };
        wait(store.reserve(before.clone())).unwrap();
        let refused = posix::in_a_fork(|| match wait(store.reserve(inside.clone())) {
            Err(LedgerError::Forked { .. }) => 7,
            _ => 1,
        });
        let void = tierway::ledger::Void { attempt: before.attempt, at: before.at, why: "not sent".to_owned() };
        wait(store.void(void)).unwrap();
        wait(store.reserve(inside)).unwrap();
        let rows = wait(store.rows(Page::default())).unwrap().len();
        // Past the harness, which would keep what `println!` says.
        let mut out = std::io::stdout();
        writeln!(out, "forked {refused} {rows}").unwrap();
    }
}

#[cfg(not(unix))]
fn fork_and_write(_: &str) {}

#[cfg(unix)]
#[test]
fn a_fork_is_refused_and_harms_nothing() {
    let folder = Folder::new();
    let out = start("fork:1", &folder.file("fork.db")).wait_with_output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(text.matches("forked 7 2").count(), 2, "{text}");
}

#[test]
fn killed_at_random_nothing_acknowledged_is_lost() {
    let folder = Folder::new();
    let file = folder.file("killed.db");
    let mut told: Vec<String> = Vec::new();
    let mut random = History::new(crate::seed());
    for round in 0..crate::cases(100, 1_000) {
        // Histories leave reservations open for long; callers have one in flight.
        let mode = if round % 2 == 0 { "history" } else { "pairs" };
        let mut child = start(&format!("{mode}:{round}"), &file);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = 1 + random.below(60);
        for _ in 0..enough {
            match lines.by_ref().map_while(Result::ok).find(|line| line.contains("ok ")) {
                Some(line) => told.push(line),
                None => panic!("round {round}: the child ended by itself"),
            }
        }
        child.kill().unwrap();
        told.extend(lines.map_while(Result::ok).filter(|line| line.contains("ok ")));
        child.wait().unwrap();
    }
    let store = SqliteStore::open(&file, History::rules()).unwrap();
    let rows = wait(store.rows(Page { limit: usize::MAX, ..Page::default() })).unwrap();
    let fates: std::collections::HashMap<String, Fate> =
        rows.iter().map(|row| (row.reserve.attempt.to_string(), row.fate.clone())).collect();
    for line in &told {
        let (what, id) = line.split_once("ok ").unwrap().1.split_once(' ').unwrap();
        let fate = fates.get(id).unwrap_or_else(|| panic!("lost: {line}"));
        match what {
            "settle" => assert!(matches!(fate, Fate::Settled(_)), "{line}: {fate:?}"),
            "void" => assert!(matches!(fate, Fate::Voided(_)), "{line}: {fate:?}"),
            _ => assert!(!matches!(fate, Fate::Open), "{line}: its owner is dead: {fate:?}"),
        }
    }
    let journal = wait(store.journal(0, usize::MAX)).unwrap();
    let replayed = Book::replay(History::rules(), &journal).unwrap();
    assert_eq!(wait(store.balances()).unwrap(), replayed.balances());
    let unknown = wait(store.rows(Page { limit: usize::MAX, only: Only::Unknown, ..Page::default() })).unwrap();
    let mut in_flight = std::collections::HashMap::new();
    for row in unknown.iter().filter(|row| row.reserve.attempt.as_str().starts_with("pair")) {
        let (child, _) = row.reserve.attempt.as_str().split_once('.').unwrap();
        *in_flight.entry(child.to_owned()).or_insert(0) += 1;
    }
    assert!(in_flight.values().all(|count| *count == 1), "one call was in flight: {in_flight:?}");
    println!(
        "{} entries told, {} rows, {} unknown, of callers {}",
        told.len(),
        rows.len(),
        unknown.len(),
        in_flight.len()
    );
    assert!(!unknown.is_empty() && !in_flight.is_empty() && told.len() > 1_000);
}

#[test]
fn four_processes_share_a_budget_and_overshoot_nothing() {
    for _ in 0..100 {
        let folder = Folder::new();
        let file = folder.file("shared.db");
        let mut children: Vec<Child> = (0..4).map(|n| start(&format!("race:p{n}"), &file)).collect();
        let mut spent = Vec::new();
        for child in &mut children {
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let counts = lines
                .map_while(Result::ok)
                .filter_map(|line| Some(line.split_once("spent ")?.1.parse::<u32>().unwrap()));
            spent.push(counts.sum::<u32>());
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(spent.iter().sum::<u32>(), 100, "{spent:?}");
        let store = SqliteStore::open(&file, race_rules()).unwrap();
        let balance = wait(store.balances()).unwrap().into_values().next().unwrap();
        assert_eq!((balance.posted, balance.held), (0, 1_000_000_000_000));
    }
}

#[test]
fn files_that_are_no_ledger_are_left_alone_and_named() {
    let folder = Folder::new();
    let text = folder.file("text.db");
    std::fs::write(&text, "this is a shopping list, and a long one: ".repeat(100)).unwrap();
    let error = SqliteStore::open(&text, Rules::default()).unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
    let nowhere = folder.file("no/such/folder/ledger.db");
    let error = SqliteStore::open(&nowhere, Rules::default()).unwrap_err();
    assert!(matches!(error, LedgerError::Io { .. }), "{error}");
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn a_store_that_is_dropped_can_be_opened_again() {
    let folder = Folder::new();
    let file = folder.file("again.db");
    for round in 0..5 {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&file, Rules::default()).unwrap());
        let mut history = History::new(round);
        let Op::Reserve(mut entry) = history_reserve(&mut history) else { unreachable!() };
        entry.attempt = format!("round{round}").parse().unwrap();
        wait(store.reserve(entry)).unwrap();
        if round % 2 == 0 {
            wait(store.close()).unwrap();
        }
    }
    let store = SqliteStore::open(&file, Rules::default()).unwrap();
    assert_eq!(wait(store.rows(Page::default())).unwrap().len(), 5);
}
