//! Real processes on one ledger: they race for a hard budget under leases, are killed, and their clocks differ.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tierway::clock::{Clock, SystemClock};
use tierway::ledger::{
    Book, Budget, Dimension, Entry, Frame, LedgerError, Limit, Rate, Reserve, Rules, Settle, Window,
};
use tierway::store::{PostgresOptions, PostgresStore, Store};
use tierway::testing::store::wait;

use crate::race::{reserve, settle};
use crate::{Folder, fresh, leased, preload, server};

const DOLLAR: i128 = 1_000_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// A dollar for each round, and 60 cents of it a day.
fn budgets() -> Rules {
    let money = |name: &str, limit: &str, frame| {
        let mut budget = Budget::new(name, Limit::Money(limit.parse().unwrap()), Window::utc(frame));
        budget.per = vec![Dimension::named("round")];
        budget
    };
    Rules::new(vec![money("all", "1", Frame::Total), money("day", "0.6", Frame::Day)], Vec::new()).unwrap()
}

/// Ten calls a second, ten of them at once.
fn rates() -> Rules {
    let rate = Rate { name: "deepseek".to_owned(), requests: Some(600), burst_secs: Some(1), ..Rate::default() };
    Rules::new(Vec::new(), vec![rate]).unwrap()
}

/// What another process does, when this binary is started as one: it reads what to do line by line, and says what was
/// answered. As a test of its own it does nothing.
#[test]
fn child() {
    let Ok(url) = std::env::var("TIERWAY_RACER") else { return };
    let name = format!("{}p{}", std::env::var("TIERWAY_RACER_NAME").unwrap(), std::process::id());
    // By clocks that are hours off nobody would live as long as this either.
    let lives = Duration::from_secs(if std::env::var("SKEW_FILE").is_ok() { 30 } else { 2 });
    let (rules, options) = match std::env::var("TIERWAY_RACER_FOLDER") {
        Ok(folder) => (budgets(), leased(Path::new(&folder))),
        Err(_) => (rates(), PostgresOptions::default()),
    };
    let store = PostgresStore::open_with(&url, rules, PostgresOptions { alive_max: lives, ..options }).unwrap();
    println!("\nready");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.split_once(' ') {
            Some(("spend", round)) => spend(&store, &name, round.parse().unwrap()),
            Some(("call", ms)) => call(&store, &name, Duration::from_millis(ms.parse().unwrap())),
            _ => panic!("{line}"),
        }
    }
    wait(store.close()).unwrap();
    println!("\nclosed");
}

fn now(entry: Reserve) -> Reserve {
    Reserve { at: SystemClock.now(), ..entry }
}

/// Spends of a round's budgets until they refuse.
fn spend(store: &PostgresStore, name: &str, round: usize) {
    for number in 0.. {
        let id = format!("{name}.{round}.{number}");
        match wait(store.reserve(now(reserve(&id, round)))) {
            Ok(_) => println!("\nreserved {id}"),
            Err(LedgerError::OverBudget(_)) => break,
            Err(error) => panic!("{error}"),
        }
        wait(store.settle(Settle { at: SystemClock.now(), ..settle(&id) })).unwrap();
        println!("\nsettled {id}");
    }
    println!("\ndone");
}

/// Calls as often as the rate lets it.
fn call(store: &PostgresStore, name: &str, long: Duration) {
    let (start, mut most) = (Instant::now(), 0);
    let mut count = 0;
    for number in 0.. {
        if start.elapsed() > long {
            break;
        }
        match wait(store.reserve(now(reserve(&format!("{name}.{number}"), 0)))) {
            Ok(_) => count += 1,
            Err(LedgerError::OverRate(over)) => {
                most = most.max(over[0].wait.ms());
                std::thread::sleep(Duration::from_millis(over[0].wait.ms().min(20)));
            }
            Err(error) => panic!("{error}"),
        }
    }
    println!("\ncalled {count} {most}");
    println!("\ndone");
}

/// A process that spends.
struct Racer {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    told: Vec<String>,
}

impl Racer {
    fn start(settings: &[(&str, &str)]) -> Racer {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "processes::child", "--nocapture", "--test-threads=1"]);
        command.envs(settings.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut racer = Racer { orders: child.stdin.take(), child, lines, told: Vec::new() };
        racer.hear(&["ready"]);
        racer
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
    }

    /// Reads what it says until it says one of these words.
    fn hear(&mut self, words: &[&str]) {
        loop {
            let line = self.lines.next().unwrap_or_else(|| panic!("it ended before {words:?}")).unwrap();
            self.note(&line);
            if words.iter().any(|word| line.starts_with(word)) {
                return;
            }
        }
    }

    fn note(&mut self, line: &str) {
        if ["reserved ", "settled ", "called "].iter().any(|word| line.starts_with(word)) {
            self.told.push(line.to_owned());
        }
    }

    /// Kills it, and keeps what it had said.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        while let Some(Ok(line)) = self.lines.next() {
            self.note(&line);
        }
        self.child.wait().unwrap();
        self.told
    }

    fn close(mut self) -> Vec<String> {
        drop(self.orders.take());
        self.hear(&["closed"]);
        assert!(self.child.wait().unwrap().success());
        self.told
    }
}

/// What was told is in the journal, once; the journal replays, and no limit is passed at any entry of it. Answers how much
/// of each balance is used.
fn check(url: &str, told: &[String]) -> BTreeMap<(String, i64, String), i128> {
    let store = PostgresStore::open(url, budgets()).unwrap();
    let journal = wait(store.journal(0, usize::MAX)).unwrap();
    let mut there = BTreeSet::new();
    let mut held = Book::new(budgets());
    for entry in &journal {
        let what = match entry {
            Entry::Reserve(entry) => held.reserve(entry).map(|_| "reserved"),
            Entry::Settle(entry) => held.settle(entry).map(|_| "settled"),
            Entry::Void(entry) => held.void(entry).map(|_| "voided"),
            Entry::Unknown { attempt, at } => held.mark_unknown(attempt, *at).map(|()| "unknown"),
        };
        let what = what.unwrap_or_else(|error| panic!("overshot in the journal's order: {error}"));
        assert!(there.insert(format!("{what} {}", entry.attempt())), "{entry:?} twice");
    }
    let lost: Vec<_> = told.iter().filter(|line| !there.contains(*line)).collect();
    assert!(lost.is_empty(), "{} lost, {:?} among them", lost.len(), lost[0]);
    let balances = wait(store.balances()).unwrap();
    assert_eq!(held.balances(), balances, "balances are a replay of the journal");
    wait(store.close()).unwrap();
    let mut used = BTreeMap::new();
    for (key, balance) in balances {
        let limit = if key.budget == "all" { DOLLAR } else { DOLLAR * 6 / 10 };
        assert!(balance.used() <= limit, "{key:?} overshot by {}", balance.used() - limit);
        used.insert((key.budget, key.bucket.ms(), key.scope), balance.used());
    }
    used
}

#[test]
fn four_processes_with_leases_overshoot_nothing_and_the_killed_leave_nothing_behind() {
    const ROUNDS: usize = 100;
    let Some(server) = server("4 processes with leases race", ROUNDS) else { return };
    let (url, folder) = (fresh(&server), Folder::new());
    let place = folder.0.display().to_string();
    let start = |number: usize| {
        let name = format!("r{number}");
        Racer::start(&[("TIERWAY_RACER", &url), ("TIERWAY_RACER_NAME", &name), ("TIERWAY_RACER_FOLDER", &place)])
    };
    let mut racers: Vec<Racer> = (0..4).map(start).collect();
    let (mut told, mut killed) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        racers.iter_mut().for_each(|racer| racer.order(&format!("spend {round}")));
        if round % 10 == 9 {
            // In the middle of its spending; another takes its place, and what it has left in the folder.
            let at = round / 10 % 4;
            racers[at].hear(&["reserved", "done"]);
            told.extend(racers.remove(at).kill());
            racers.insert(at, start(4 + round));
            racers[at].order(&format!("spend {round}"));
            killed += 1;
        }
        racers.iter_mut().for_each(|racer| racer.hear(&["done"]));
    }
    racers.into_iter().for_each(|racer| told.extend(racer.close()));
    let used = check(&url, &told);
    let day: Vec<i128> = used.iter().filter(|((budget, ..), _)| budget == "day").map(|(_, used)| *used).collect();
    assert_eq!(day.len(), ROUNDS, "a balance of each round, unless midnight was met");
    // What one store has leased may be refused to the others; half of what there is goes out at least.
    assert!(day.iter().all(|used| *used >= DOLLAR * 3 / 10), "{day:?}");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "nothing is left to bring to the server");
    let full = day.iter().filter(|used| **used == DOLLAR * 6 / 10).count();
    println!(
        "{ROUNDS} rounds of 4 processes, {killed} killed, {} entries told, {full} limits met, 0 passed",
        told.len()
    );
}

/// A clock that is off by so many milliseconds, and can be set.
struct Skew<'a> {
    folder: &'a Folder,
    name: String,
}

impl Skew<'_> {
    /// In place: the file is never cut, since the process has it mapped.
    fn set(&self, ms: i64) {
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(self.path());
        file.unwrap().write_all(&ms.to_ne_bytes()).unwrap();
    }

    fn path(&self) -> String {
        self.folder.0.join(&self.name).display().to_string()
    }
}

/// As many racers as there are clocks, each with a clock of its own.
fn skewed<'a>(folder: &'a Folder, library: &Path, clocks: &[i64], url: &str, leases: bool) -> Vec<(Racer, Skew<'a>)> {
    let library = library.display().to_string();
    let spools = folder.0.join("spools").display().to_string();
    let start = |(number, ms): (usize, &i64)| {
        let skew = Skew { folder, name: format!("skew{number}") };
        skew.set(*ms);
        let (name, file) = (format!("s{number}"), skew.path());
        let mut settings = vec![("TIERWAY_RACER", url), ("TIERWAY_RACER_NAME", &name), ("SKEW_FILE", &file)];
        settings.push(("LD_PRELOAD", &library));
        if leases {
            settings.push(("TIERWAY_RACER_FOLDER", &spools));
        }
        (Racer::start(&settings), skew)
    };
    clocks.iter().enumerate().map(start).collect()
}

#[test]
fn clocks_that_differ_and_are_set_pass_no_limit_and_bury_nobody_alive() {
    const ROUNDS: usize = 40;
    let Some(server) = server("clocks that differ", ROUNDS) else { return };
    let (url, folder) = (fresh(&server), Folder::new());
    let Some(library) = preload::compiled("postgres/skew.c", &folder.0, "clocks that differ", ROUNDS) else { return };
    let clocks = [0, -3 * HOUR_MS, 26 * HOUR_MS, -400 * 24 * HOUR_MS];
    let mut racers = skewed(&folder, &library, &clocks, &url, true);
    for round in 0..ROUNDS {
        racers.iter_mut().for_each(|(racer, _)| racer.order(&format!("spend {round}")));
        if round % 5 == 4 {
            // Clocks are set while they spend: forward, back, by days.
            let set = |(at, (_, skew)): (usize, &(Racer, Skew<'_>))| skew.set(clocks[(at + round) % clocks.len()]);
            racers.iter().enumerate().for_each(set);
        }
        racers.iter_mut().for_each(|(racer, _)| racer.hear(&["done"]));
        // Longer than a store may be silent: they must give signs of life by the server's clock.
        std::thread::sleep(Duration::from_millis(if round % 10 == 0 { 700 } else { 0 }));
    }
    let told: Vec<String> = racers.into_iter().flat_map(|(racer, _)| racer.close()).collect();
    let used = check(&url, &told);
    let days: BTreeSet<i64> = used.keys().filter(|(budget, ..)| budget == "day").map(|(_, day, _)| *day).collect();
    assert!(days.len() >= 3, "the clocks did differ: {days:?}");
    let store = PostgresStore::open(&url, budgets()).unwrap();
    let journal = wait(store.journal(0, usize::MAX)).unwrap();
    let unknown = journal.iter().filter(|entry| matches!(entry, Entry::Unknown { .. })).count();
    assert_eq!(unknown, 0, "nobody died");
    wait(store.close()).unwrap();
    println!("{ROUNDS} rounds on {} days of 4 clocks, {} entries told, 0 limits passed", days.len(), told.len());
}

#[test]
fn a_rate_is_shared_by_the_servers_clock_whatever_the_processes_clocks_show() {
    let Some(server) = server("a rate under clocks that differ", 1) else { return };
    let (url, folder) = (fresh(&server), Folder::new());
    let Some(library) = preload::compiled("postgres/skew.c", &folder.0, "rates under clocks that differ", 1) else {
        return;
    };
    let mut racers = skewed(&folder, &library, &[0, HOUR_MS, -24 * HOUR_MS], &url, false);
    let start = Instant::now();
    racers.iter_mut().for_each(|(racer, _)| racer.order("call 4000"));
    // In the middle two clocks are set.
    std::thread::sleep(Duration::from_secs(2));
    racers[1].1.set(-HOUR_MS);
    racers[2].1.set(5 * HOUR_MS);
    racers.iter_mut().for_each(|(racer, _)| racer.hear(&["done"]));
    let secs = start.elapsed().as_secs_f64();
    let told: Vec<String> = racers.into_iter().flat_map(|(racer, _)| racer.close()).collect();
    let of = |place: usize| -> Vec<u64> {
        told.iter().map(|line| line.split(' ').nth(place).unwrap().parse().unwrap()).collect()
    };
    let (counts, waits) = (of(1), of(2));
    let count = counts.iter().sum::<u64>() as f64;
    println!("{counts:?} calls in {secs:.1} s at ten a second, told to wait {waits:?} ms at most");
    // Ten at once, and ten more where a call was under way while its process's clock was set.
    assert!(count <= 10.0 * secs + 10.0 + 20.0, "{counts:?} in {secs} s");
    assert!(count >= 10.0 * 4.0 * 0.7, "{counts:?} in {secs} s: somebody's clock held up all");
    assert!(waits.iter().all(|ms| *ms <= 1_100), "{waits:?}");
}
