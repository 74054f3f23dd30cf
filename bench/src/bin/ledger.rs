//! How fast the ledger's stores are, beside raw syncs of the same disk in the same run.
//!
//! `cargo run --release --bin ledger -- [FOLDER [PART]]` from `bench/`, where a part is `memory`, `sqlite`, `processes`
//! or `report`. As `ledger child NAME FILE` it is one of four processes that share a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tierway::Usd;
use tierway::id::AttemptId;
use tierway::ledger::{Basis, Budget, Ending, Facts, Frame, Limit, Purpose, Reserve, Rules, Settle, Window};
use tierway::model::Tier;
use tierway::store::{MemoryStore, SqliteStore, Store, Stretch};
use tierway::time::{Span, Timestamp};
use tierway::usage::Usage;

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

fn reserve(attempt: AttemptId, at: i64) -> Reserve {
    Reserve {
        request: "r".parse().expect("a name"),
        attempt,
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

fn rules() -> Rules {
    let limit = Limit::Money("9000000".parse().expect("a decimal"));
    Rules::new(vec![Budget::new("all", limit, Window::utc(Frame::Month))], Vec::new()).expect("it makes sense")
}

const NOON: i64 = 1_780_056_000_000;

fn cpu() -> Duration {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the type that the call fills in.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// Syncs of one appended page a second, and the median in microseconds.
fn raw_sync(folder: &Path) -> (f64, f64) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(folder.join("raw")).expect("the folder can be written");
    let page = [7u8; 4_096];
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        let one = Instant::now();
        file.write_all_at(&page, times.len() as u64 * 4_096).expect("it can be written");
        file.sync_data().expect("it can be synced");
        times.push(one.elapsed());
    }
    times.sort();
    (times.len() as f64 / start.elapsed().as_secs_f64(), times[times.len() / 2].as_secs_f64() * 1e6)
}

fn memory(pairs: u64, rules: Rules, what: &str) {
    let store = MemoryStore::keeping(std::env::var("KEEP").ok().and_then(|k| k.parse().ok()).unwrap_or(100_000), rules);
    let mut took = Duration::ZERO;
    for part in 0..pairs / 1_000 {
        // The entries are made before: what is measured is the ledger.
        let entry = |n: u64| {
            let id: AttemptId = format!("a{n}").parse().expect("a name");
            (reserve(id.clone(), NOON), settle(id, NOON))
        };
        let entries: Vec<_> = (part * 1_000..(part + 1) * 1_000).map(entry).collect();
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
async fn callers(store: Arc<SqliteStore>, callers: usize, time: Duration, name: &str) -> (u64, Vec<Duration>) {
    let stop = Instant::now() + time;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, name) = (store.clone(), name.to_owned());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < stop {
                    let id: AttemptId = format!("{name}.{caller}.{}", times.len()).parse().expect("a name");
                    let one = Instant::now();
                    store.reserve(reserve(id.clone(), NOON)).await.expect("it fits");
                    store.settle(settle(id, NOON)).await.expect("it is reserved");
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

fn sqlite(folder: &Path, raw: f64) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for count in [1, 8, 64] {
            let store = Arc::new(SqliteStore::open(folder.join(format!("{count}.db")), rules()).expect("it opens"));
            let (before, start) = (cpu(), Instant::now());
            let (pairs, times) = callers(store.clone(), count, Duration::from_secs(4), "p").await;
            let (used, took) = (cpu() - before, start.elapsed());
            let rate = pairs as f64 / took.as_secs_f64();
            let p99 = times[times.len() * 99 / 100].as_secs_f64() * 1e3;
            let commits =
                if count == 1 { format!(", commits at {:.2} of raw syncs", 2.0 * rate / raw) } else { String::new() };
            let each = used.as_secs_f64() * 1e6 / pairs as f64;
            println!(
                "SQLite FULL, {count} callers: {rate:.0} pairs/s, p99 {p99:.1} ms, {each:.0} us CPU a pair{commits}"
            );
            store.close().await.expect("it closes");
        }
    });
}

fn processes(folder: &Path) {
    let file = folder.join("shared.db");
    drop(SqliteStore::open(&file, rules()).expect("it opens"));
    let start = |n: usize| {
        let exe = std::env::current_exe().expect("it runs");
        Command::new(exe).args(["child", &n.to_string()]).arg(&file).stdout(Stdio::piped()).spawn().expect("it starts")
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
        "SQLite FULL, 4 processes of 16 callers: {:.0} pairs/s in all, slowest {:.2} of fastest",
        counts.iter().sum::<f64>(),
        least / most
    );
}

fn child(name: &str, file: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(file, rules()).expect("it opens"));
        let (pairs, _) = callers(store.clone(), 16, Duration::from_secs(5), name).await;
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
    if let [mode, name, file] = args.as_slice()
        && mode == "child"
    {
        return child(name, Path::new(file));
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
        let (raw, median) = raw_sync(&folder);
        println!("raw: {raw:.0} syncs of a page a second, median {median:.0} us");
        sqlite(&folder, raw);
    }
    if wants("processes") {
        let (raw, median) = raw_sync(&folder);
        println!("raw: {raw:.0} syncs of a page a second, median {median:.0} us");
        processes(&folder);
    }
    if wants("report") {
        report(&folder, 365, 1_140);
    }
    let _ = std::fs::remove_dir_all(&folder);
}
