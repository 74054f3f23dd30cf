//! Disks that fail and power that fails: a typed error, nothing acknowledged lost, and whole entries or none.
//!
//! The faults are made in a child process by a small library that is loaded before libc and is compiled here. Where
//! there is no C compiler or no Linux, the tests say so and are skipped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tierway::ledger::{Book, Fate};
use tierway::store::{Page, SqliteStore, Store};
use tierway::testing::store::{History, wait};

use crate::Folder;

/// Compiles the library, or says that it cannot.
fn library(folder: &Folder, cases: usize) -> Option<PathBuf> {
    let library = folder.file("libfault.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledger/fault.c");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    if cfg!(target_os = "linux") && built.is_ok_and(|status| status.success()) {
        return Some(library);
    }
    println!("skipped: faults of disks, which want Linux and a C compiler ({cases} cases)");
    None
}

/// Runs a child of a few entries with these settings, and returns what it was told of each.
fn run(library: &Path, file: &Path, seed: u64, settings: &[(&str, String)]) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
        .env("TIERWAY_LEDGER_CHILD", format!("few:{seed}"))
        .env("TIERWAY_LEDGER_FILE", file)
        .env("LD_PRELOAD", library)
        .env("FAULT_FILE", file.file_name().unwrap());
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    let out = command.output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().filter_map(|line| line.split_once("told ").map(|(_, told)| told.to_owned())).collect()
}

/// Every acknowledged entry must be there, in whole, and the journal must replay.
fn check(file: &Path, told: &[String], context: &str) {
    let store = SqliteStore::open(file, History::rules()).unwrap_or_else(|error| panic!("{context}: {error}"));
    let rows = wait(store.rows(Page { limit: usize::MAX, ..Page::default() })).unwrap();
    let fates: HashMap<&str, &Fate> = rows.iter().map(|row| (row.reserve.attempt.as_str(), &row.fate)).collect();
    for line in told.iter().filter_map(|line| line.strip_prefix("ok ")) {
        let (what, id) = line.split_once(' ').unwrap();
        let fate = fates.get(id).unwrap_or_else(|| panic!("{context}: lost {line}"));
        match what {
            "settle" => assert!(matches!(fate, Fate::Settled(_)), "{context}: {line}: {fate:?}"),
            "void" => assert!(matches!(fate, Fate::Voided(_)), "{context}: {line}: {fate:?}"),
            _ => {}
        }
    }
    let journal = wait(store.journal(0, usize::MAX)).unwrap();
    let replayed = Book::replay(History::rules(), &journal).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(wait(store.balances()).unwrap(), replayed.balances(), "{context}");
    wait(store.close()).unwrap();
}

#[test]
fn a_failing_disk_is_a_typed_error_and_loses_nothing() {
    let folder = Folder::new();
    let Some(library) = library(&folder, 200) else { return };
    let mut random = History::new(crate::seed());
    let (mut refused, mut kept) = (0, 0);
    for case in 0..200u64 {
        let file = folder.file(&format!("fault{case}.db"));
        // EIO and ENOSPC, once or from then on.
        let errno = if case % 2 == 0 { 5 } else { 28 };
        let settings = [
            ("FAULT_AT", (1 + random.below(160)).to_string()),
            ("FAULT_COUNT", if case % 4 < 2 { 1 } else { 1_000_000 }.to_string()),
            ("FAULT_ERRNO", errno.to_string()),
        ];
        let told = run(&library, &file, case, &settings);
        for line in told.iter().filter(|line| line.starts_with("error ")) {
            refused += 1;
            let is_typed = line.contains("no space left") || line.contains("I/O") || line.contains("unable to open");
            assert!(is_typed, "case {case} {settings:?}: {line}");
        }
        kept += told.iter().filter(|line| line.starts_with("ok ")).count();
        check(&file, &told, &format!("case {case} {settings:?}"));
    }
    println!("{kept} entries kept, {refused} refused");
    assert!(refused > 100 && kept > 100);
}

/// What the library wrote down: a write, a cut or a sync of the file or its log.
#[derive(Debug)]
enum Event {
    Write { wal: bool, at: usize, bytes: Vec<u8> },
    Cut { wal: bool, size: usize },
    Sync { wal: bool },
}

fn events(log: &[u8]) -> Vec<Event> {
    let (mut events, mut rest) = (Vec::new(), log);
    while rest.len() >= 14 {
        let at = i64::from_le_bytes(rest[2..10].try_into().unwrap()) as usize;
        let size = u32::from_le_bytes(rest[10..14].try_into().unwrap()) as usize;
        let wal = rest[1] == 1;
        events.push(match rest[0] {
            b'w' => Event::Write { wal, at, bytes: rest[14..14 + size].to_vec() },
            b'c' => Event::Cut { wal, size: at },
            _ => Event::Sync { wal },
        });
        rest = &rest[14 + size..];
    }
    events
}

fn apply(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The files after a power cut: what was synced is there; of the rest each write is there, lost, or torn at a sector.
fn after_power_cut(events: &[Event], random: &mut History) -> [Vec<u8>; 2] {
    let mut files = [Vec::new(), Vec::new()];
    let last_sync = |wal: bool| events.iter().rposition(|event| matches!(event, Event::Sync { wal: w } if *w == wal));
    let synced = [last_sync(false), last_sync(true)];
    for (n, event) in events.iter().enumerate() {
        match event {
            Event::Write { wal, at, bytes } => {
                let is_synced = synced[usize::from(*wal)].is_some_and(|sync| n < sync);
                let length = match random.below(3) {
                    _ if is_synced => bytes.len(),
                    0 => 0,
                    1 => bytes.len(),
                    _ => (random.below(bytes.len() as u64 + 1) as usize) / 512 * 512,
                };
                apply(&mut files[usize::from(*wal)], *at, &bytes[..length]);
            }
            Event::Cut { wal, size } => files[usize::from(*wal)].resize(*size, 0),
            Event::Sync { .. } => {}
        }
    }
    files
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new();
    let Some(library) = library(&folder, 500) else { return };
    let mut random = History::new(crate::seed());
    for history in 0..10u64 {
        let (file, log) = (folder.file(&format!("power{history}.db")), folder.file(&format!("power{history}.log")));
        let told = run(
            &library,
            &file,
            history,
            &[("FAULT_LOG", log.display().to_string()), ("FEW_SIZES", log.display().to_string())],
        );
        let bytes = std::fs::read(&log).unwrap();
        // Each answer says how long the log was when it was given: what was told by then must be there.
        let told: Vec<(usize, String)> = told
            .iter()
            .filter_map(|line| {
                let (size, line) = line.split_once(' ')?;
                Some((size.parse().ok()?, line.to_owned()))
            })
            .collect();
        assert!(told.len() > 10, "history {history}: {told:?}");
        let all = events(&bytes);
        let size = |event: &Event| 14 + if let Event::Write { bytes, .. } = event { bytes.len() } else { 0 };
        // Before the first answer the file is being made, with a journal that is not written down: nothing can be lost.
        let (mut made, mut sum) = (0, 0);
        while sum < told[0].0 {
            sum += size(&all[made]);
            made += 1;
        }
        for case in 0..50 {
            let upto = made + random.below((all.len() - made) as u64 + 1) as usize;
            let kept: usize = all[..upto].iter().map(size).sum();
            let [main, wal] = after_power_cut(&all[..upto], &mut random);
            let restored = folder.file(&format!("restored{history}.{case}.db"));
            std::fs::write(&restored, main).unwrap();
            std::fs::write(folder.file(&format!("restored{history}.{case}.db-wal")), wal).unwrap();
            let lines: Vec<String> =
                told.iter().filter(|(size, _)| *size <= kept).map(|(_, line)| line.clone()).collect();
            check(&restored, &lines, &format!("history {history}, case {case}, {upto} of {} events", all.len()));
        }
    }
}
