//! What the disk and SQLite themselves cost: the least that any ledger on them can.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cpu;

const TIME: Duration = Duration::from_secs(3);

/// What one operation takes.
pub(crate) struct Raw {
    /// Operations a second.
    pub(crate) rate: f64,
    /// CPU of one, in microseconds.
    pub(crate) cpu_us: f64,
}

fn repeat(what: &str, mut operation: impl FnMut(u64)) -> Raw {
    let mut times = Vec::new();
    let (before, start) = (cpu(), Instant::now());
    while start.elapsed() < TIME {
        let one = Instant::now();
        operation(times.len() as u64);
        times.push(one.elapsed());
    }
    let (used, count) = (cpu() - before, times.len() as f64);
    let raw = Raw { rate: count / start.elapsed().as_secs_f64(), cpu_us: used.as_secs_f64() * 1e6 / count };
    times.sort();
    let median = times[times.len() / 2].as_secs_f64() * 1e6;
    println!("{what}: {:.0}/s, median {median:.0} us, {:.0} us CPU each", raw.rate, raw.cpu_us);
    raw
}

/// Syncs of one appended page.
pub(crate) fn syncs(folder: &Path) -> Raw {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(folder.join("raw")).expect("the folder can be written");
    let page = [7u8; 4_096];
    repeat("raw syncs of an appended page", |n| {
        file.write_all_at(&page, n * 4_096).expect("it can be written");
        file.sync_data().expect("it can be synced");
    })
}

/// Commits of one row by SQLite under FULL, on the thread that asks for it: no queue, no budget, no index.
pub(crate) fn commits(folder: &Path) -> Raw {
    let connection = rusqlite::Connection::open(folder.join("raw.db")).expect("it opens");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT)",
        )
        .expect("it is SQL");
    let mut insert = connection.prepare("INSERT INTO t VALUES (?1, 'deepseek/deepseek-chat')").expect("it is SQL");
    repeat("raw SQLite FULL, commits of one row", |n| {
        insert.execute([n as i64]).expect("it commits");
    })
}
