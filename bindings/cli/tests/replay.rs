//! `tierway replay --train --test` on rows that were written here: its stable JSON, its parts, and its page.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const MODELS: [&str; 3] = ["small", "other", "big"];

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("tierway-replay-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Two kinds of work: sums, at which the small models agree where they are right, and programs, at which they fail.
fn rows(path: &Path, count: usize, from: usize) {
    let line = |at: usize| {
        let code = at.is_multiple_of(3);
        let right = !code && at % 7 != 1;
        let prompt = match code {
            true => format!("Write a Python function that returns element {at} of this list.\n```python\nx = []\n```"),
            false => format!("What is the sum of {at} and {}? Compute the total.", at * 3),
        };
        let small = if right { at * 4 } else { at * 4 + 1 };
        let other = if right { at * 4 } else { at * 4 + 2 };
        let answers =
            serde_json::json!({"small": small.to_string(), "other": other.to_string(), "big": (at * 4).to_string()});
        let mark = f64::from(u8::from(right));
        serde_json::json!({
            "id": at.to_string(), "prompt": prompt, "labels": {"small": mark, "other": mark, "big": 1.0},
            "out_chars": {"small": 300, "other": 300, "big": 400}, "answers": answers,
        })
        .to_string()
    };
    let lines: Vec<String> = (from..from + count).map(line).collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

#[test]
fn a_judgement_is_told_whole_and_in_parts() {
    let folder = folder("parts");
    let [train, test, prices, page] = ["train.jsonl", "test.jsonl", "prices.json", "page.html"].map(|n| folder.join(n));
    rows(&train, 180, 0);
    rows(&test, 120, 1_000);
    std::fs::write(&prices, r#"{"small": [0.1, 0.4], "other": [0.1, 0.4], "big": [3, 15]}"#).unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
        command.args(["replay", "--models", &MODELS.join(","), "--effort", "1", "--targets", "0.95,0.98"]);
        command.arg("--train").arg(&train).arg("--test").arg(&test).arg("--prices").arg(&prices).args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let found: Value = serde_json::from_str(&run(&["--json", "--html", page.to_str().unwrap()])).unwrap();
    stable(&found);
    parts(&found);
    let table = run(&[]);
    for words in ["policy", "asked  answered", "kind of work, prompts", "mathematics, 80", "code, 40", "only big"] {
        assert!(table.contains(words), "{words} is missing:\n{table}");
    }
    let html = std::fs::read_to_string(&page).unwrap();
    for words in ["Saving against quality", "Whose answers were delivered", "By kind of work", "<rect ", "<polyline "] {
        assert!(html.contains(words), "{words} is missing");
    }
    assert_eq!(html.matches("<svg ").count(), html.matches("</svg>").count());
    assert!(!html.contains("NaN"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn halves_tell_means_and_how_far_one_strays() {
    let folder = folder("halves");
    let [file, prices] = ["all.jsonl", "prices.json"].map(|name| folder.join(name));
    rows(&file, 260, 0);
    std::fs::write(&prices, r#"{"small": [0.1, 0.4], "other": [0.1, 0.4], "big": [3, 15]}"#).unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
        command.args(["replay", "--models", &MODELS.join(","), "--effort", "1", "--targets", "0.95,0.98"]);
        command.arg(&file).arg("--prices").arg(&prices).args(more);
        command.output().unwrap()
    };
    let output = run(&["--halves", "2", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found["halves"].as_u64(), found["rows"].as_u64()), (Some(4), Some(260)));
    let lines = found["results"].as_array().unwrap();
    let line = |policy: &str| {
        lines.iter().find(|line| line["policy"] == policy && line["target_quality"].as_f64() == Some(0.98)).unwrap()
    };
    let saving = |policy: &str| line(policy)["saving"]["mean"].as_f64().unwrap();
    assert!(saving("tierway") > saving("static_mixture") + 0.1, "{found}");
    for field in ["quality", "saving"] {
        for part in ["mean", "error", "scatter"] {
            assert!(line("tierway")[field][part].is_number(), "{field}.{part}: {found}");
        }
    }
    assert_eq!(run(&["--halves", "2", "--json"]).stdout, output.stdout, "the same bits again");
    let table = String::from_utf8(run(&["--halves", "1"]).stdout).unwrap();
    assert!(table.contains("2 halves of 260 rows") && table.contains("static_mixture"), "{table}");
    assert_eq!(run(&["--halves", "5000"]).status.code(), Some(2));
    std::fs::remove_dir_all(folder).unwrap();
}

/// What other programs read: these fields stay.
fn stable(found: &Value) {
    for field in ["results", "settled", "train_rows", "test_rows", "unlike_rows", "left_out"] {
        assert!(!found[field].is_null(), "{field} is missing");
    }
    for line in found["results"].as_array().unwrap() {
        let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 5, "{fields:?}");
        assert!(line["policy"].is_string() && (line["target_quality"].is_number() || line["target_quality"].is_null()));
        for field in ["quality", "saving", "frontier_share"] {
            assert!(line[field].is_number(), "{field}: {line}");
        }
    }
}

/// The parts add up to the whole.
fn parts(found: &Value) {
    let number = |line: &Value, field: &str| line[field].as_f64().unwrap();
    let lines = |field: &str, target: f64| -> Vec<Value> {
        let all = found[field].as_array().unwrap().iter();
        all.filter(|line| line["target_quality"].as_f64() == Some(target)).cloned().collect()
    };
    for target in [0.95, 0.98] {
        let whole = lines("results", target).into_iter().find(|line| line["policy"] == "tierway").unwrap();
        let asked = lines("asked", target);
        assert_eq!(asked.len(), MODELS.len());
        let answered: f64 = asked.iter().map(|line| number(line, "answered")).sum();
        assert!((answered - 1.0).abs() < 1e-9, "{answered}");
        assert!((number(&asked[2], "share") - number(&whole, "frontier_share")).abs() < 1e-9, "{asked:?} {whole}");
        let kinds: Vec<Value> =
            lines("by_kind", target).into_iter().filter(|line| line["policy"] == "tierway").collect();
        let rows: f64 = kinds.iter().map(|line| number(line, "rows")).sum();
        assert_eq!(rows, number(found, "test_rows"));
        let frontier: f64 = kinds.iter().map(|line| number(line, "frontier_share") * number(line, "rows")).sum();
        assert!((frontier / rows - number(&whole, "frontier_share")).abs() < 1e-9);
    }
}
