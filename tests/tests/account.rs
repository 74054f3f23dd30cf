//! What the account says of answers that cost no vendor's money: those of a cache, and those of one's own hardware.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use tierway::catalog::{Catalog, CatalogFile};
use tierway::client::{CacheHit, Client};
use tierway::config::Config;
use tierway::ledger::{By, Fate, Frame, Purpose, Report, ReportAsk, Rules, Window};
use tierway::store::{MemoryStore, Store, Stretch};
use tierway::{Message, Request, Usd};

#[path = "support/acme.rs"]
mod acme;

use acme::{answer, at, check_books, rows, scripted};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_cached_answer_costs_nothing_and_says_what_it_saved() {
    let settings =
        "[[budgets]]\nname = \"calls\"\nrequests = 1\n\n[[rates]]\nname = \"acme\"\nrequests_per_minute = 1\n";
    let config = Config::parse(settings, "tierway.toml").unwrap();
    let store = Arc::new(MemoryStore::new(config.ledger_rules().unwrap()));
    let provider = scripted("cheap", vec![answer("Paris.", 1_000, 500)]);
    let builder = Client::builder().catalog(acme::catalog(&["cheap"], "dear", "chat_completions")).store(store.clone());
    let builder = at(builder, "cheap", &provider);
    let client = at(builder, "dear", &scripted("dear", Vec::new())).build().unwrap();
    let request = Request::builder().message(Message::user("What is the capital of France?")).tag("team", "maps");
    let response = client.send(&request.build().unwrap()).await.unwrap();
    assert_eq!((response.cost, response.baseline_cost), (usd("0.002"), Some(usd("0.02"))));

    // The cache keeps the answer and what a hit is as text.
    let kept = serde_json::to_string(&CacheHit::of(&response)).unwrap();
    for _ in 0..3 {
        let hit: CacheHit = serde_json::from_str(&kept).unwrap();
        client.record_hit(&hit).await.unwrap();
    }
    let rows = rows(&store).await;
    let hits: Vec<_> = rows.iter().filter(|row| row.reserve.facts.purpose == Purpose::Cached).collect();
    assert_eq!(hits.len(), 3);
    for row in &hits {
        let Fate::Settled(entry) = &row.fate else { panic!("{row:?}") };
        assert_eq!((row.reserve.amount, entry.cost, entry.baseline_cost), (Usd::ZERO, Usd::ZERO, Some(usd("0.02"))));
        assert_eq!(row.reserve.facts.tags["team"], "maps");
    }
    // One request was allowed and one was made: hits draw on nothing, and a second request is refused as before.
    assert!(client.send(&acme::easy()).await.is_err());
    check_books(&store, &config.ledger_rules().unwrap()).await;

    let sums = store.rollup(Stretch::default()).await.unwrap();
    let ask = ReportAsk { since: None, until: None, by: vec![By::Purpose], day: Window::utc(Frame::Day) };
    let report = Report::build(&ask, &sums, &[]);
    let total = &report.total;
    assert_eq!((total.cost.0, total.baseline.0), (2_000_000_000, 80_000_000_000));
    let decided: u64 = report.decisions.iter().map(|line| line.decided).sum();
    let cached: u64 = report.decisions.iter().filter_map(|line| line.purposes.get("cached")).sum();
    assert_eq!((decided, cached), (4, 3));

    let mut wrong = CacheHit::of(&response);
    wrong.saved = Usd::from_pico(-1);
    assert!(client.record_hit(&wrong).await.is_err());
}

#[tokio::test]
async fn an_answer_of_ones_own_hardware_costs_its_hours() {
    // 3.60 $ an hour for two cards that read 1,000 and write 100 tokens a second, half of the time: 0.004 $ a second.
    let own = CatalogFile {
        name: "own.toml",
        text: "[[models]]\nid = \"acme/mini\"\nfamily = \"mini\"\ntier = \"local\"\ncontext_window = 32000\nmax_output = 4000\n\
               endpoints = [\"here\"]\nsource = \"measured\"\ndate = \"2026-11-20\"\n[[models.prices]]\n\
               own = { gpu_hour = \"3.60\", gpus = 2, input_tokens_per_s = 1000, output_tokens_per_s = 100, busy = \"0.5\" }\n",
    };
    let catalog: Catalog = acme::catalog(&["here"], "dear", "chat_completions").with_files(&[own]).unwrap();
    let store = Arc::new(MemoryStore::new(Rules::default()));
    let builder = Client::builder().catalog(catalog).store(store.clone());
    let builder = at(builder, "here", &scripted("here", vec![answer("Paris.", 2_000, 50)]));
    let client = at(builder, "dear", &scripted("dear", Vec::new())).build().unwrap();
    let mini = "acme/mini".parse().unwrap();
    let request = Request::builder().message(Message::user("What is the capital of France?")).model(mini);
    let response = client.send(&request.build().unwrap()).await.unwrap();
    // Two seconds of reading and half a second of writing, at 7.20 $ an hour of which half is used: 0.004 $ a second.
    assert_eq!(response.cost, usd("0.01"));
    let lines: Vec<_> = response.lines.iter().map(|line| (line.class.as_ref(), line.quantity, line.cost)).collect();
    assert_eq!(lines, [("input", 2_000, usd("0.008")), ("output", 50, usd("0.002"))]);
    let rows = rows(&store).await;
    let Fate::Settled(entry) = &rows[0].fate else { panic!("{rows:?}") };
    assert_eq!(entry.cost, usd("0.01"));
    assert!(rows[0].reserve.amount >= entry.cost, "the bound holds for one's own hardware too");
    check_books(&store, &Rules::default()).await;
}
