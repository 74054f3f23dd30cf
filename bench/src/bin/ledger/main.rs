//! How fast the ledger's stores are, beside raw syncs of the same disk in the same run.
//!
//! `cargo run --release --bin ledger -- [FOLDER [PART]]` from `bench/`, where a part is `memory`, `sqlite`, `processes`,
//! `postgres` (by `scripts/with_postgres`) or `report`. As `ledger child FILE CALLERS` it is one of four processes that
//! share a file.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tierway::Usd;
use tierway::id::{AttemptId, RequestId};
use tierway::ledger::{Basis, Budget, Ending, Facts, Frame, Limit, Purpose, Reserve, Rules, Settle, Window};
use tierway::model::Tier;
use tierway::store::{MemoryStore, SqliteStore, Store, Stretch};
use tierway::time::{Span, Timestamp};
use tierway::usage::Usage;

mod fleet;
mod raw;

/// What attempts have in common. The names are shared, as those that the client takes from its catalogue are.
fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| Facts {
        model: "deepseek/deepseek-chat".parse().expect("a name"),
        vendor: "deepseek".parse().expect("a name"),
        endpoint: "deepseek".parse().expect("a name"),
        tier: Tier::Economy,
        purpose: Purpose::First,
        key: None,
        tags: Arc::default(),
    })
}

/// Ids as the client makes them: of the time, random bits of the process, and a count.
fn request() -> RequestId {
    static IDS: OnceLock<(u64, AtomicU64)> = OnceLock::new();
    let (random, count) = IDS.get_or_init(|| (RandomState::new().hash_one(std::process::id()), AtomicU64::new(0)));
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let text = format!("{ms:011x}-{random:016x}-{:x}", count.fetch_add(1, Ordering::Relaxed));
    text.parse().expect("a name")
}

fn reserve(request: RequestId, at: i64) -> Reserve {
    Reserve {
        attempt: request.attempt(1),
        request,
        at: Timestamp::from_ms(at),
        facts: facts().clone(),
        amount: Usd::from_pico(100_000_000),
        tokens_max: 2_000,
        baseline: None,
    }
}

fn settle(attempt: AttemptId, at: i64) -> Settle {
    Settle {
        attempt,
        at: Timestamp::from_ms(at),
        cost: Usd::from_pico(40_000_000),
        lines: Vec::new(),
        usage: Usage::of(400, 200),
        basis: Basis::Reported,
        ending: Ending::Answered,
        latency: Span::from_ms(900),
        first_token: None,
        baseline_cost: Some(Usd::from_pico(1_000_000_000)),
    }
}

pub(crate) fn rules() -> Rules {
    let limit = Limit::Money("9000000".parse().expect("a decimal"));
    Rules::new(vec![Budget::new("all", limit, Window::utc(Frame::Month))], Vec::new()).expect("it makes sense")
}

const NOON: i64 = 1_780_056_000_000;

/// What this process has used of its processors.
pub(crate) fn cpu() -> Duration {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the type that the call fills in.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

fn memory(pairs: u64, rules: Rules, what: &str) {
    let store = MemoryStore::new(rules);
    let mut took = Duration::ZERO;
    for part in 0..pairs / 50 {
        // The entries are made before: what is measured is the ledger. They are few, so that they are still at hand.
        let entry = |n: u64| {
            let reserve = reserve(request(), NOON + (part * 50 + n) as i64);
            let settle = settle(reserve.attempt.clone(), NOON);
            (reserve, settle)
        };
        let entries: Vec<_> = (0..50).map(entry).collect();
        let start = Instant::now();
        for (reserve, settle) in entries {
            store.reserve_now(reserve).expect("it fits");
            store.settle_now(settle).expect("it is reserved");
        }
        took += start.elapsed();
    }
    println!(
        "memory, {what}: {:.0} pairs/s, {:.2} us a pair",
        pairs as f64 / took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / pairs as f64
    );
}

/// As many callers as `callers`, each one pair after the other.
pub(crate) async fn callers<S: Store + 'static>(store: Arc<S>, callers: usize, time: Duration) -> (u64, Vec<Duration>) {
    let stop = Instant::now() + time;
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < stop {
                    let one = Instant::now();
                    let entry = reserve(request(), NOON);
                    let attempt = entry.attempt.clone();
                    store.reserve(entry).await.expect("it fits");
                    store.settle(settle(attempt, NOON)).await.expect("it is reserved");
                    times.push(one.elapsed());
                }
                times
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("no panic"));
    }
    all.sort();
    (all.len() as u64, all)
}

fn sqlite(folder: &Path) {
    let (syncs, commits) = (raw::syncs(folder), raw::commits(folder));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for count in [1, 8, 64] {
            let store = Arc::new(SqliteStore::open(folder.join(format!("{count}.db")), rules()).expect("it opens"));
            let (before, start) = (cpu(), Instant::now());
            let (pairs, times) = callers(store.clone(), count, Duration::from_secs(4)).await;
            let (used, took) = (cpu() - before, start.elapsed());
            let rate = pairs as f64 / took.as_secs_f64();
            let p99 = times[times.len() * 99 / 100].as_secs_f64() * 1e3;
            let each = used.as_secs_f64() * 1e6 / pairs as f64;
            println!("SQLite FULL, {count} callers: {rate:.0} pairs/s, p99 {p99:.1} ms, {each:.1} us CPU a pair");
            if count == 1 {
                println!(
                    "  its commits: {:.2} of raw syncs, {:.2} of raw commits; its CPU: {:.2} of two raw commits'",
                    2.0 * rate / syncs.rate,
                    2.0 * rate / commits.rate,
                    each / (2.0 * commits.cpu_us)
                );
            }
            store.close().await.expect("it closes");
        }
    });
}

fn processes(folder: &Path, callers: usize) {
    let file = folder.join(format!("shared-{callers}.db"));
    drop(SqliteStore::open(&file, rules()).expect("it opens"));
    let start = |_| {
        let exe = std::env::current_exe().expect("it runs");
        Command::new(exe).arg("child").arg(&file).arg(callers.to_string()).stdout(Stdio::piped()).spawn().expect("it starts")
    };
    let children: Vec<_> = (0..4).map(start).collect();
    let counts: Vec<f64> = children
        .into_iter()
        .map(|child| {
            let out = child.wait_with_output().expect("it ends");
            String::from_utf8_lossy(&out.stdout).trim().parse().expect("a number")
        })
        .collect();
    let (least, most) = counts.iter().fold((f64::MAX, 0f64), |(least, most), c| (least.min(*c), most.max(*c)));
    println!(
        "SQLite FULL, 4 processes of {callers} callers: {:.0} pairs/s in all, slowest {:.2} of fastest",
        counts.iter().sum::<f64>(),
        least / most
    );
}

fn child(file: &Path, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(file, rules()).expect("it opens"));
        let (pairs, _) = callers(store.clone(), count, Duration::from_secs(5)).await;
        store.close().await.expect("it closes");
        writeln!(std::io::stdout(), "{}", pairs as f64 / 5.0).expect("it is read");
    });
}

fn report(folder: &Path, days: i64, per_hour: i64) {
    // Sums by hour of a year with 20 models: what ten million attempts leave behind.
    let file = folder.join("report.db");
    drop(SqliteStore::open(&file, Rules::default()).expect("it opens"));
    let script = format!(
        "PRAGMA journal_mode=WAL; WITH RECURSIVE h(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM h WHERE n < {}),
         m(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM m WHERE k < 19)
         INSERT INTO hours SELECT {NOON} + n * 3600000, 'vendor/model-' || k, 'vendor', 'main', 'standard', 'first', 'answered',
         'reported', {per_hour} / 20, 1, 5, 2, 7, 100, 0, 50, 0, 0, 0 FROM h, m;",
        days * 24 - 1
    );
    let done = Command::new("python3")
        .args(["-c", "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); c.commit()"])
        .arg(&file)
        .arg(script)
        .status();
    if !done.is_ok_and(|status| status.success()) {
        println!("report: skipped, no python3 to fill the sums");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = SqliteStore::open(&file, Rules::default()).expect("it opens");
        let start = Instant::now();
        let sums = store.rollup(Stretch::default()).await.expect("sums");
        let ask = tierway::ledger::ReportAsk {
            since: None,
            until: None,
            by: vec![tierway::ledger::By::Day, tierway::ledger::By::Model],
            day: Window::utc(Frame::Day),
        };
        let report = tierway::ledger::Report::build(&ask, &sums, &[]);
        println!(
            "report over {} attempts in {} sums: {:.2} s",
            report.total.attempts,
            sums.cells.len(),
            start.elapsed().as_secs_f64()
        );
    });
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, file, callers] = args.as_slice()
        && mode == "child"
    {
        return child(Path::new(file), callers.parse().expect("a number of callers"));
    }
    let folder =
        args.first().map_or_else(std::env::temp_dir, PathBuf::from).join(format!("ledger-{}", std::process::id()));
    let wants = |part: &str| args.get(1).is_none_or(|only| only == part);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    if wants("memory") {
        memory(1_000_000, Rules::default(), "no budget");
        memory(1_000_000, rules(), "one budget");
    }
    if wants("sqlite") {
        sqlite(&folder);
    }
    if wants("processes") {
        for callers in [16, 64] {
            raw::syncs(&folder);
            processes(&folder, callers);
        }
    }
    if wants("postgres") {
        fleet::measure(&folder);
    }
    if wants("report") {
        report(&folder, 365, 1_140);
    }
    let _ = std::fs::remove_dir_all(&folder);
}
