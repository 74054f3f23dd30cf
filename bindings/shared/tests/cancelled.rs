//! Calls that are cancelled at any moment, in every way in which a host cancels: none leaves a reservation open.
//!
//! `CANCELLED_CALLS` says how many there are; 400 where it is not set.
#![cfg(all(feature = "testing", feature = "http"))]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and figures are for its reader"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tierway_bindings::{Cancel, Failure, Handle, Host, StreamHandle};

const ASKED: &str = r#"{"messages": [{"role": "user", "content": "Why is the sky blue?"}]}"#;
/// How long an answer takes at most, so that cancelling falls before, into and after it.
const ANSWER_MS: u64 = 60;
/// A call that was cancelled is settled at once; a machine under load may take longer to run its thread.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

fn client(ledger: Value) -> Handle {
    let pace = json!({"before_ms": 4, "between_ms": 6, "piece_chars": 3});
    let parts = json!([{"type": "text", "text": "Rayleigh scattering does it."}]);
    let reply = json!({"parts": parts, "usage": {"input": 100, "output": 10}});
    let endpoint = json!({
        "id": "house", "api": "chat_completions", "base_url": "http://localhost/v1", "region": "us", "auth": "bearer",
    });
    let model = json!({
        "id": "house/small", "family": "small", "tier": "economy", "context_window": 65536, "max_output": 4096,
        "capabilities": ["tools", "json_mode", "streaming"], "source": "made up for tests", "date": "2026-01-01",
        "prices": [{"rates": {"input": "1", "output": "4"}}],
    });
    let settings = json!({
        "keys": {"house": "sk-canary"},
        "catalog": {"only_files": true},
        "rows": [{"vendor": "house", "endpoints": [endpoint], "models": [model]}],
        "testing": {"loopback": [{"answer": {"reply": reply, "pace": pace}}]},
        "ledger": ledger,
    });
    Handle::new(&settings.to_string(), Host::default()).unwrap()
}

/// The moments at which calls are cancelled: a fixed sequence over the whole of an answer, in microseconds.
fn moment(at: u64) -> Duration {
    Duration::from_micros(at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (ANSWER_MS * 1_000))
}

async fn read(stream: &StreamHandle) -> Result<(), Failure> {
    while stream.next().await?.is_some() {}
    Ok(())
}

async fn call(handle: Handle, streams: bool) -> Result<(), Failure> {
    match streams {
        true => read(&handle.chat_stream(ASKED).await?).await,
        false => handle.chat(ASKED).await.map(drop),
    }
}

/// Cancels one call in the way that its number says.
async fn cancelled(handle: &Handle, at: u64) {
    let streams = at.is_multiple_of(2);
    match at / 2 % 4 {
        // By a handle, as Python, Node and Swift do.
        0 => {
            let (cancel, stop) = (Cancel::new(), Cancel::new());
            let (work, given) = (call(handle.clone(), streams), cancel.clone());
            let task = tokio::spawn(async move { given.run(stop.run(work)).await });
            tokio::time::sleep(moment(at)).await;
            cancel.cancel();
            drop(task.await);
        }
        // By dropping the task, as Kotlin does.
        1 => {
            let task = tokio::spawn(call(handle.clone(), streams));
            tokio::time::sleep(moment(at)).await;
            task.abort();
        }
        // By dropping the future between two polls.
        2 => drop(tokio::time::timeout(moment(at), call(handle.clone(), streams)).await),
        // By closing a stream while another task reads it, which is dropped or not.
        _ => {
            let Ok(stream) = handle.chat_stream(ASKED).await else { return };
            let stream = Arc::new(stream);
            let reader = stream.clone();
            let reading = tokio::spawn(async move { read(&reader).await });
            tokio::time::sleep(moment(at)).await;
            stream.close();
            if streams {
                reading.abort();
            }
        }
    }
}

async fn held(handle: &Handle) -> u64 {
    let report: Value = serde_json::from_str(&handle.report("{}").await.unwrap()).unwrap();
    report["total"]["held"].as_u64().unwrap()
}

async fn settled(handle: &Handle) -> Duration {
    let begun = Instant::now();
    while held(handle).await > 0 {
        assert!(begun.elapsed() < SETTLED_WITHIN, "a reservation is still open");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

async fn check(ledger: Value) {
    let calls = std::env::var("CANCELLED_CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(400_u64);
    let handle = client(ledger);
    let mut slowest = Duration::ZERO;
    for first in (0..calls).step_by(8) {
        let mut together = tokio::task::JoinSet::new();
        for at in first..calls.min(first + 8) {
            let handle = handle.clone();
            together.spawn(async move { cancelled(&handle, at).await });
        }
        together.join_all().await;
        slowest = slowest.max(settled(&handle).await);
    }
    let attempts: Value = serde_json::from_str(&handle.attempts(r#"{"limit": 1000}"#).await.unwrap()).unwrap();
    let lines = attempts.as_array().unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["ending"] != "open"));
    handle.close().await.unwrap();
    println!("{calls} calls cancelled; the slowest of them was settled after {slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_at_any_moment_is_settled_in_memory() {
    check(json!({})).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_at_any_moment_is_settled_in_a_file() {
    let folder = std::env::temp_dir().join(format!("tierway-cancelled-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    check(json!({"path": folder.join("spend.db")})).await;
    std::fs::remove_dir_all(&folder).unwrap();
}
