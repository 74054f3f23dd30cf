//! Disks that fail and power that fails: a typed error, nothing acknowledged lost, and whole entries or none.
//!
//! The faults are made in a child process by a small library that is loaded before libc and is compiled here. Where
//! there is no C compiler or no Linux, the tests say so and are skipped.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use tierway::ledger::{Book, Entry, Fate};
use tierway::store::{Page, SqliteStore, Store};
use tierway::testing::store::{History, wait};

use crate::{Folder, preload};

/// The library, or that it cannot be made.
pub(crate) fn library(folder: &Folder, cases: usize) -> Option<PathBuf> {
    preload::compiled("ledger/fault.c", &folder.0, "faults of disks", cases)
}

/// Runs a child in this mode with these settings, and returns what it was told of each entry.
pub(crate) fn run(library: &Path, file: &Path, mode: &str, settings: &[(&str, String)]) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
        .env("TIERWAY_LEDGER_CHILD", mode)
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
    let Some(library) = library(&folder, crate::cases(200, 2_000)) else { return };
    let mut random = History::new(crate::seed());
    let (mut refused, mut kept) = (0, 0);
    for case in 0..crate::cases(200, 2_000) as u64 {
        let file = folder.file(&format!("fault{case}.db"));
        // EIO and ENOSPC, once or from then on.
        let errno = if case % 2 == 0 { 5 } else { 28 };
        let settings = [
            ("FAULT_AT", (1 + random.below(160)).to_string()),
            ("FAULT_COUNT", if case % 4 < 2 { 1 } else { 1_000_000 }.to_string()),
            ("FAULT_ERRNO", errno.to_string()),
        ];
        let told = run(&library, &file, &format!("few:{case}"), &settings);
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
        // The process may have ended while a thread of it wrote this down: nobody was told of that entry.
        let Some(bytes) = rest.get(14..14 + size) else { break };
        let wal = rest[1] == 1;
        events.push(match rest[0] {
            b'w' => Event::Write { wal, at, bytes: bytes.to_vec() },
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

/// A child's writes and syncs, and what it was told, each with the length of the log at that moment.
struct Recording {
    events: Vec<Event>,
    told: Vec<(usize, String)>,
    /// Events up to the first answer: the file is being made, with a journal that is not written down.
    made: usize,
}

impl Recording {
    fn make(folder: &Folder, library: &Path, history: u64, is_normal: bool) -> Recording {
        let name = format!("power{history}{is_normal}");
        let (file, log) = (folder.file(&format!("{name}.db")), folder.file(&format!("{name}.log")));
        let place = log.display().to_string();
        let mut settings = vec![("FAULT_LOG", place.clone()), ("FEW_SIZES", place)];
        settings.extend(is_normal.then(|| ("FEW_NORMAL", "1".to_owned())));
        let told = run(library, &file, &format!("few:{history}"), &settings);
        let told: Vec<(usize, String)> = told
            .iter()
            .filter_map(|line| {
                let (size, line) = line.split_once(' ')?;
                Some((size.parse().ok()?, line.to_owned()))
            })
            .collect();
        assert!(told.len() > 10, "history {history}: {told:?}");
        let events = events(&std::fs::read(&log).unwrap());
        let (mut made, mut sum) = (0, 0);
        while sum < told[0].0 {
            sum += size(&events[made]);
            made += 1;
        }
        Recording { events, told, made }
    }

    /// Cuts the power at a random moment: the file that is left, and what had been told by then.
    fn cut(&self, file: &Path, random: &mut History) -> Vec<String> {
        let upto = self.made + random.below((self.events.len() - self.made) as u64 + 1) as usize;
        let kept: usize = self.events[..upto].iter().map(size).sum();
        let [main, wal] = after_power_cut(&self.events[..upto], random);
        std::fs::write(file, main).unwrap();
        std::fs::write(file.with_extension("db-wal"), wal).unwrap();
        self.told.iter().filter(|(size, _)| *size <= kept).map(|(_, line)| line.clone()).collect()
    }
}

fn size(event: &Event) -> usize {
    14 + if let Event::Write { bytes, .. } = event { bytes.len() } else { 0 }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new();
    let cases = crate::cases(50, 1_000);
    let Some(library) = library(&folder, 10 * cases) else { return };
    let mut random = History::new(crate::seed());
    for history in 0..10u64 {
        let recording = Recording::make(&folder, &library, history, false);
        for case in 0..cases {
            let file = folder.file(&format!("full{history}.{case}.db"));
            let told = recording.cut(&file, &mut random);
            check(&file, &told, &format!("history {history}, case {case}"));
            remove(&file);
        }
    }
    println!("{} power cuts", 10 * cases);
}

/// The control: without a sync for each answer the last entries may be lost, and the cuts above must be able to show it.
/// What is left is a beginning of what was told, never a part of it with a hole.
#[test]
fn a_power_cut_under_normal_leaves_a_prefix() {
    let folder = Folder::new();
    let cases = crate::cases(25, 500);
    let Some(library) = library(&folder, 4 * cases) else { return };
    let mut random = History::new(crate::seed());
    let mut lossy = 0;
    for history in 0..4u64 {
        let recording = Recording::make(&folder, &library, 100 + history, true);
        for case in 0..cases {
            let file = folder.file(&format!("normal{history}.{case}.db"));
            let told = recording.cut(&file, &mut random);
            let context = format!("history {history}, case {case}");
            let there = present(&file, &told, &context);
            let kept = there.iter().take_while(|there| **there).count();
            assert!(there[kept..].iter().all(|there| !there), "{context}: a hole: {there:?}");
            lossy += usize::from(kept < there.len());
            remove(&file);
        }
    }
    println!("{} power cuts under NORMAL, {lossy} lost the last entries", 4 * cases);
    assert!(lossy > cases / 4, "the cuts show no loss even where there must be some: {lossy}");
}

/// Of each entry that was told, at its first telling, whether it is there. The journal must replay.
fn present(file: &Path, told: &[String], context: &str) -> Vec<bool> {
    let store = SqliteStore::open(file, History::rules()).unwrap_or_else(|error| panic!("{context}: {error}"));
    let journal = wait(store.journal(0, usize::MAX)).unwrap();
    Book::replay(History::rules(), &journal).unwrap_or_else(|error| panic!("{context}: {error}"));
    let there: HashSet<String> = journal
        .iter()
        .map(|entry| match entry {
            Entry::Reserve(entry) => format!("ok reserve {}", entry.attempt),
            Entry::Settle(entry) => format!("ok settle {}", entry.attempt),
            Entry::Void(entry) => format!("ok void {}", entry.attempt),
            Entry::Unknown { attempt, .. } => format!("unknown {attempt}"),
        })
        .collect();
    wait(store.close()).unwrap();
    let mut seen = HashSet::new();
    let first = told.iter().filter(|line| line.starts_with("ok ") && seen.insert(line.as_str()));
    first.map(|line| there.contains(line)).collect()
}

fn remove(file: &Path) {
    for path in [file.to_owned(), file.with_extension("db-wal"), file.with_extension("db-shm")] {
        // Not all of them are there.
        let _ = std::fs::remove_file(path);
    }
}
