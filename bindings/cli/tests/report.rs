//! `tierway report` and `tierway ledger` on a ledger that was written here.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tierway::learn::{Monitor, Pledge, Source};
use tierway::ledger::{End, Rules};
use tierway::store::{SqliteStore, Store};
use tierway::testing::store::{History, Op, wait};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tierway-report-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A ledger of three days; returns the exact sum of all costs in pico-dollars.
fn fill(file: &Path) -> i128 {
    let store = SqliteStore::open(file, Rules::default()).unwrap();
    let mut history = History::new(11);
    let mut total = 0;
    for _ in 0..2_000 {
        match history.step() {
            Op::Reserve(mut entry) => {
                entry.at =
                    tierway::time::Timestamp::from_ms(1_780_000_000_000 + (entry.at.ms() - 1_780_000_000_000) * 6);
                let _ = wait(store.reserve(entry));
            }
            Op::End(End::Settle(entry)) => {
                let cost = i128::from(entry.cost.pico());
                if wait(store.settle(*entry)).is_ok_and(|posted| !posted.duplicate) {
                    total += cost;
                }
            }
            Op::End(End::Void(entry)) => drop(wait(store.void(entry))),
        }
    }
    wait(store.close()).unwrap();
    total
}

fn tierway(folder: &Folder, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    command.args(args).current_dir(&folder.0).env_remove("TIERWAY_CONFIG").output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn pico(text: &str) -> i128 {
    tierway::money::parse_decimal(text, 12).unwrap()
}

#[test]
fn every_division_adds_up_to_the_exact_total() {
    let folder = Folder::new("sums");
    let total = fill(&folder.0.join("tierway.db"));
    let by = ["day", "tier", "model", "vendor", "purpose", "ending", "basis", "user", "team"];
    let mut args = vec!["report", "--json", "--zone", "Europe/Berlin"];
    by.iter().for_each(|by| args.extend(["--by", *by]));
    let report: serde_json::Value = serde_json::from_str(&text(&tierway(&folder, &args))).unwrap();
    assert_eq!(pico(report["total"]["cost"].as_str().unwrap()), total);
    for group in report["groups"].as_array().unwrap() {
        let lines = group["lines"].as_array().unwrap();
        let sum: i128 = lines.iter().map(|line| pico(line["cost"].as_str().unwrap())).sum();
        assert_eq!(sum, total, "{}", group["by"]);
    }
    assert_eq!(report["groups"].as_array().unwrap().len(), by.len());
    assert!(report["groups"][0]["lines"].as_array().unwrap().len() >= 3, "days");
    assert!(report["held"]["unknown"].as_u64().unwrap() > 0, "their process has ended");
}

#[test]
fn prints_tables_csv_and_one_page() {
    let folder = Folder::new("page");
    fill(&folder.0.join("tierway.db"));
    let out = text(&tierway(&folder, &["report", "--html", "report.html"]));
    assert!(out.contains("attempts cost $") && out.contains("anthropic/claude"), "{out}");
    let csv = text(&tierway(&folder, &["report", "--csv", "--by", "user"]));
    assert!(csv.contains("\"bob, \\ = x\""), "{csv}");
    let page = std::fs::read_to_string(folder.0.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme"));
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"), "it needs no other");
    let hostile = text(&tierway(&folder, &["report", "--by", "team", "--html", "team.html"]));
    assert!(hostile.contains("DROP TABLE"));
    let one =
        text(&tierway(&folder, &["report", "--csv", "--by", "day", "--since", "2026-05-30", "--until", "2026-05-30"]));
    assert_eq!(one.lines().count(), 2, "{one}");
    let bad = tierway(&folder, &["report", "--since", "2026-02-31"]);
    assert_eq!(bad.status.code(), Some(2));
    let none = tierway(&folder, &["report", "--db", "nowhere.db"]);
    assert_eq!(none.status.code(), Some(4));
    assert!(!folder.0.join("nowhere.db").exists());
}

#[test]
fn an_export_is_compared_line_by_line() {
    let folder = Folder::new("export");
    fill(&folder.0.join("tierway.db"));
    let csv = text(&tierway(&folder, &["report", "--csv", "--by", "day"]));
    let day = csv.lines().nth(1).unwrap().split(',').nth(1).unwrap().to_owned();
    let model = text(&tierway(&folder, &["report", "--csv", "--by", "model", "--since", &day, "--until", &day]));
    let mut export = "Date,Model,Cost (USD)\n".replace("Cost (USD)", "cost_usd");
    let mut lines = 0;
    for line in model.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let name = fields[1].split('/').next_back().unwrap();
        // A snapshot's date after the name, and the cost in two lines, as vendors do.
        export.push_str(&format!("{day},{name}-2026-01-01,{}\n{day}T10:00:00Z,{name},0\n", fields[7]));
        lines += 1;
    }
    std::fs::write(folder.0.join("same.csv"), &export).unwrap();
    let same = text(&tierway(&folder, &["ledger", "reconcile", "--usage-export", "same.csv"]));
    assert_eq!(same.matches("equal").count(), lines, "{same}");
    std::fs::write(folder.0.join("more.csv"), export + &format!("{day},claude,0.5\n{day},other-model,1\n")).unwrap();
    let more = tierway(&folder, &["ledger", "reconcile", "--usage-export", "more.csv", "--json"]);
    assert_eq!(more.status.code(), Some(1));
    let more: serde_json::Value = serde_json::from_slice(&more.stdout).unwrap();
    assert_eq!(more["differing"], 2);
    let verdicts: Vec<_> = more["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["verdict"].as_str().unwrap(), line["difference"].as_str().unwrap()))
        .collect();
    assert!(
        verdicts.contains(&("charged more", "0.5")) && verdicts.contains(&("not in the ledger", "1")),
        "{verdicts:?}"
    );
}

/// A ledger of two vendors' models on one day: 2026-08-20, with 1,000 prompt and 200 answer tokens an attempt.
fn two_vendors(file: &Path) {
    use tierway::ledger::{Basis, Ending, Facts, Purpose, Reserve, Settle};
    let store = SqliteStore::open(file, Rules::default()).unwrap();
    let at = tierway::catalog::parse_time("2026-08-20T09:00Z").unwrap();
    for (n, (model, cost)) in
        [("openai/gpt-4o", "0.0045"), ("openai/gpt-4o", "0.0045"), ("anthropic/claude-haiku-4-5", "0.002")]
            .iter()
            .enumerate()
    {
        let attempt: tierway::id::AttemptId = format!("a{n}").parse().unwrap();
        let vendor = model.split('/').next().unwrap();
        let facts = Facts {
            model: model.parse().unwrap(),
            vendor: vendor.parse().unwrap(),
            endpoint: vendor.parse().unwrap(),
            tier: tierway::model::Tier::Frontier,
            purpose: Purpose::First,
            key: None,
            tags: Default::default(),
        };
        let cost: tierway::Usd = cost.parse().unwrap();
        let (request, amount) = ("r".parse().unwrap(), cost);
        let reserve =
            Reserve { attempt: attempt.clone(), request, at, facts, amount, tokens_max: 9_000, baseline: None };
        wait(store.reserve(reserve)).unwrap();
        let settle = Settle {
            attempt,
            at,
            cost,
            lines: Vec::new(),
            usage: tierway::Usage::of(1_000, 200),
            basis: Basis::Reported,
            ending: Ending::Answered,
            latency: tierway::time::Span::from_ms(900),
            first_token: None,
            baseline_cost: None,
        };
        wait(store.settle(settle)).unwrap();
    }
    wait(store.close()).unwrap();
}

#[test]
fn exports_as_vendors_lay_them_out_are_compared() {
    let folder = Folder::new("layouts");
    two_vendors(&folder.0.join("tierway.db"));
    let check = |name: &str, vendor: &str, export: &str, code: i32, want: &[&str]| {
        std::fs::write(folder.0.join(name), export).unwrap();
        let out = tierway(&folder, &["ledger", "reconcile", "--vendor", vendor, "--usage-export", name]);
        let all = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{name}: {all}");
        want.iter().for_each(|want| assert!(all.contains(want), "{name}: no '{want}' in {all}"));
    };
    let costs = "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id\n\
        1787184000,1787270400,2026-08-20T00:00:00+00:00,2026-08-21T00:00:00+00:00,0.00500000000000000010,usd,\"gpt-4o-2024-08-06, input\",p,o\n\
        1787184000,1787270400,2026-08-20T00:00:00+00:00,2026-08-21T00:00:00+00:00,0.004,usd,\"gpt-4o-2024-08-06, output\",p,o\n\
        1787270400,1787356800,2026-08-21T00:00:00+00:00,2026-08-22T00:00:00+00:00,,,,,\n";
    check("openai-costs.csv", "openai", costs, 0, &["gpt-4o", "equal", "usd: ledger 0.009, export 0.009"]);
    let more = costs.replace("0.004,usd", "0.0041,usd");
    check("openai-more.csv", "openai", &more, 1, &["charged more", "0.0001", "1 of 1 lines differ"]);
    let days = "start_time_iso,amount_value,amount_currency,line_item\n2026-08-20T00:00:00+00:00,0.009,usd,\n";
    check("openai-days.csv", "openai", days, 0, &["(all models)", "equal"]);
    let euros = costs.replace("0.004,usd", "0.004,eur");
    check("openai-euros.csv", "openai", &euros, 2, &["row 3", "in dollars"]);
    let tokens = "\u{feff}start_time_iso,num_model_requests,model,batch,input_tokens,output_tokens,input_cached_tokens\n\
        2026-08-20T00:00:00+00:00,2,gpt-4o-2024-08-06,false,2000,400,0\n";
    check(
        "openai-usage.csv",
        "openai",
        tokens,
        0,
        &["input tokens: ledger 2000, export 2000", "output tokens: ledger 400"],
    );
    let anthropic = "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type\n\
        2026-08-20,Claude Haiku 4.5,Default,key,message,\u{2264} 200k,input_no_cache,0.001,0.001,token\n\
        2026-08-20,Claude Haiku 4.5,Default,key,message,\u{2264} 200k,output,0.001,0.001,token\n";
    check("anthropic-cost.csv", "anthropic", anthropic, 0, &["claude-haiku-4-5", "equal"]);
    let usage = "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
        usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\n\
        2026-08-20,claude-haiku-4-5-20251001,key,Default,message,0-200k,300,100,0,600,210\n";
    check("anthropic-usage.csv", "anthropic", usage, 1, &["claude-haiku-4-5", "output tokens", "charged more", "10"]);
    check("nothing.csv", "openai", "when,what\n1,2\n", 2, &["no column for the cost among: when, what"]);
}

#[test]
fn an_unknown_attempt_is_settled_once() {
    let folder = Folder::new("unknown");
    fill(&folder.0.join("tierway.db"));
    let list = text(&tierway(&folder, &["ledger", "unknown"]));
    let ids: Vec<&str> = list.lines().skip(1).take(2).map(|line| line.split_whitespace().next().unwrap()).collect();
    text(&tierway(&folder, &["ledger", "settle", ids[0], "--cost", "0.001"]));
    assert_eq!(tierway(&folder, &["ledger", "settle", ids[0], "--cost", "0.002"]).status.code(), Some(2));
    text(&tierway(&folder, &["ledger", "void", ids[1], "--because", "the vendor never saw it"]));
    let after = text(&tierway(&folder, &["ledger", "unknown"]));
    assert!(ids.iter().all(|id| !after.contains(&format!("{id} "))), "{after}");
    assert!(text(&tierway(&folder, &["ledger", "check"])).contains("replay"));
}

#[test]
fn a_promise_beside_the_account_is_in_the_report_kept_or_failed() {
    let folder = Folder::new("promise");
    let file = folder.0.join("tierway.db");
    fill(&file);
    let none = text(&tierway(&folder, &["report"]));
    assert!(!none.contains("promise:"), "{none}");
    let keep = |losses: &[f64]| {
        let mut monitor = Monitor::new(Pledge { quality: 0.95, confidence: 0.95 });
        for loss in losses {
            monitor.see(Source::Shadow, *loss);
        }
        let store = SqliteStore::open(&file, Rules::default()).unwrap();
        let shelf = store.shelf().unwrap();
        let revision = wait(shelf.get(Monitor::NOTE)).unwrap().map_or(0, |note| note.revision);
        assert!(wait(shelf.put(Monitor::NOTE, revision, serde_json::to_string(&monitor).unwrap())).unwrap());
        wait(store.close()).unwrap();
    };
    keep(&[0.0; 100]);
    let kept = text(&tierway(&folder, &["report"]));
    assert!(kept.contains("promise: 95.0 % kept: 100 comparisons, 0 marks"), "{kept}");
    keep(&[1.0; 40]);
    let failed = text(&tierway(&folder, &["report"]));
    assert!(failed.contains("promise: 95.0 % kept, failed "), "{failed}");
    let json: serde_json::Value = serde_json::from_str(&text(&tierway(&folder, &["report", "--json"]))).unwrap();
    assert_eq!(json["promise"]["quality"], 0.95);
    assert!(json["promise"]["steps"].as_u64().unwrap() > 0, "{}", json["promise"]);
}
