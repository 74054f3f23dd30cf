//! `tierway calibrate` on logs that were written here.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("tierway-calibrate-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Calls without stated answers, at which the small model is as good as the big one but for one in `wrong_every`.
fn log(path: &Path, calls: usize, wrong_every: usize) {
    let line = |at: usize| {
        let small = f64::from(u8::from(!(at + 1).is_multiple_of(wrong_every)));
        serde_json::json!({
            "id": at.to_string(), "prompt": format!("Question {at}?"), "labels": {"small": small, "big": 1.0},
            "out_chars": {"small": 400, "big": 400},
        })
        .to_string()
    };
    let lines: Vec<String> = (0..calls).map(line).collect();
    std::fs::write(path, lines.join("\n")).unwrap();
    std::fs::write(path.with_extension("prices"), r#"{"small": [0.1, 0.4], "big": [3, 15]}"#).unwrap();
}

fn run(log: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    command.args(["calibrate", "--models", "small,big", "--effort", "1", "--log"]).arg(log);
    command.arg("--prices").arg(log.with_extension("prices")).args(more);
    command.output().unwrap()
}

#[test]
fn few_calls_are_refused_with_how_many_more() {
    let folder = folder("few");
    let path = folder.join("log.jsonl");
    log(&path, 60, 200);
    let output = run(&path, &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("do not suffice") && error.contains("more marked calls"), "{error}");
    let output = run(&path, &["--confidence", "1.5"]);
    assert_eq!(output.status.code(), Some(2));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_good_cheap_model_is_found_and_proved() {
    let folder = folder("good");
    let path = folder.join("log.jsonl");
    log(&path, 900, 300);
    let output = run(&path, &["--quality", "0.95", "--json", "--rehearse", "200"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["kept"]["saving"].as_f64().unwrap() > 0.8, "{found}");
    assert!(found["kept"]["p_value"].as_f64().unwrap() <= 0.05, "{found}");
    assert!(found["rehearsal"]["broken"].as_f64().unwrap() <= 0.05, "{found}");
    std::fs::remove_dir_all(folder).unwrap();
}
