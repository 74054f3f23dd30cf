//! The fleet's ledger: one hot budget on a PostgreSQL server, beside commits of one row by the same server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tierway::store::{LeaseOptions, PostgresOptions, PostgresStore, Store};

use crate::{callers, cpu, rules};

const TIME: Duration = Duration::from_secs(4);

/// Commits of one row a second on one connection, as the simplest client makes them.
async fn single_rows(url: &str) -> f64 {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("it connects");
    tokio::spawn(connection);
    let table = format!("bench_raw_{}", std::process::id());
    client.batch_execute(&format!("CREATE TABLE {table} (n bigint)")).await.expect("it can be made");
    let insert = client.prepare(&format!("INSERT INTO {table} VALUES ($1)")).await.expect("it is SQL");
    let (start, mut count) = (Instant::now(), 0i64);
    while start.elapsed() < TIME {
        client.execute(&insert, &[&count]).await.expect("it commits");
        count += 1;
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    client.batch_execute(&format!("DROP TABLE {table}")).await.expect("it can go");
    rate
}

async fn run(url: &str, folder: &Path) {
    let single = single_rows(url).await;
    println!("PostgreSQL: {single:.0} single-row commits/s on one connection");
    let direct = PostgresOptions::default();
    let leased = PostgresOptions { leases: Some(LeaseOptions::new(folder)), ..PostgresOptions::default() };
    for (what, options) in [("judged by the server", direct), ("leased", leased)] {
        for count in [1, 64, 256, 512] {
            let kind = &what[..1];
            let at = format!("{url}?schema=bench_{}_{kind}_{count}&sslmode=disable", std::process::id());
            let store = Arc::new(PostgresStore::open_with(&at, rules(), options.clone()).expect("it opens"));
            let (before, start) = (cpu(), Instant::now());
            let (pairs, times) = callers(store.clone(), count, TIME).await;
            let answered = start.elapsed();
            store.close().await.expect("it closes");
            let (used, written) = (cpu() - before, start.elapsed());
            let rate = pairs as f64 / answered.as_secs_f64();
            let p99 = times[times.len() * 99 / 100].as_secs_f64() * 1e3;
            println!(
                "PostgreSQL, one hot budget, {what}, {count} callers: {rate:.0} pairs/s ({:.2} of single-row commits), \
                 {:.0} with all on the server, p99 {p99:.1} ms, {:.0} us CPU a pair in the client",
                rate / single,
                pairs as f64 / written.as_secs_f64(),
                used.as_secs_f64() * 1e6 / pairs as f64,
            );
        }
    }
}

/// On the server that TIERWAY_TEST_POSTGRES names: `scripts/with_postgres` starts one.
pub(crate) fn measure(folder: &Path) {
    let Ok(url) = std::env::var("TIERWAY_TEST_POSTGRES") else {
        println!("postgres: skipped, TIERWAY_TEST_POSTGRES names no server: start this by scripts/with_postgres");
        return;
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(run(&url, folder));
}
