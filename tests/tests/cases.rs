//! The shared cases, in Rust, by the way that every binding goes: JSON text in, JSON text out.
//!
//! `tests/cases/README.md` says what a case holds. What came out is left in `target/cases/rust.jsonl`, with which
//! `scripts/compare_cases.py` compares the other languages.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tierway_bindings::{Failure, Handle, Host, StreamHandle};

#[path = "cases/matching.rs"]
mod matching;

use matching::mismatch;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests has a parent").to_owned()
}

/// What came out: to look at, and as the text that came. Reading a number and writing it again may move its last digit.
struct Outcome {
    value: Value,
    text: String,
}

impl Outcome {
    fn new(text: String) -> Outcome {
        Outcome { value: serde_json::from_str(&text).expect("what comes out is JSON"), text }
    }

    fn of(answer: Result<String, Failure>) -> Outcome {
        Outcome::new(match answer {
            Ok(text) => format!("{{\"value\":{text}}}"),
            Err(failure) => format!("{{\"error\":{}}}", failure.to_json()),
        })
    }
}

async fn drain(opened: Result<StreamHandle, Failure>) -> Outcome {
    let stream = match opened {
        Ok(stream) => stream,
        Err(failure) => return Outcome::of(Err(failure)),
    };
    let (mut pieces, mut said, mut error) = (Vec::new(), String::new(), "null".to_owned());
    loop {
        match stream.next().await {
            Ok(Some(text)) => {
                let piece: Value = serde_json::from_str(&text).expect("pieces are JSON");
                let chunk = piece["choices"][0]["delta"]["content"].as_str();
                let delta = piece["text"].as_str().filter(|_| piece["type"] == "text");
                said.push_str(chunk.or(delta).unwrap_or_default());
                pieces.push(text);
            }
            Ok(None) => break,
            Err(failure) => {
                error = failure.to_json();
                break;
            }
        }
    }
    let (pieces, said) = (pieces.join(","), json!(said));
    let response = stream.response().unwrap_or_else(|| "null".to_owned());
    Outcome::new(format!("{{\"pieces\":[{pieces}],\"text\":{said},\"response\":{response},\"error\":{error}}}"))
}

async fn perform(handle: &Handle, call: &Value) -> Outcome {
    let body = call["body"].to_string();
    match call["ask"].as_str().expect("a call says what it asks") {
        "send" => Outcome::of(handle.send(&body).await),
        "chat" => Outcome::of(handle.chat(&body).await),
        "route" => Outcome::of(handle.route(&body)),
        "route_chat" => Outcome::of(handle.route_chat(&body)),
        "stream" => drain(handle.stream(&body).await).await,
        "chat_stream" => drain(handle.chat_stream(&body).await).await,
        other => panic!("{other} is nothing that can be asked"),
    }
}

/// The file's settings under the case's own.
fn settings(base: &Value, own: &Value) -> Value {
    let mut merged = base.as_object().cloned().unwrap_or_default();
    merged.extend(own.as_object().cloned().unwrap_or_default());
    Value::Object(merged)
}

/// Runs a case; brings what came out as JSON text, and what is wrong with it.
async fn run(base: &Value, case: &Value) -> (String, Vec<String>) {
    let mut faults = Vec::new();
    let mut expect = |place: &str, want: &Value, found: &Value| {
        faults.extend(mismatch(want, found).map(|fault| format!("{place}: {fault}")));
    };
    let handle = match Handle::new(&settings(base, &case["settings"]).to_string(), Host::default()) {
        Ok(handle) => handle,
        Err(failure) => {
            let found = Outcome::of(Err(failure));
            expect("open", case.get("open").unwrap_or(&json!("no failure")), &found.value);
            return (format!("{{\"open\":{}}}", found.text), faults);
        }
    };
    expect("open", case.get("open").unwrap_or(&Value::Null), &Value::Null);
    let mut calls = Vec::new();
    for (at, call) in case["calls"].as_array().expect("a case has calls").iter().enumerate() {
        let outcome = perform(&handle, call).await;
        expect(&format!("call {at}"), &call["expect"], &outcome.value);
        calls.push(outcome.text);
    }
    let mut out = format!("{{\"calls\":[{}]", calls.join(","));
    if let Some(report) = case.get("report") {
        let outcome = Outcome::of(handle.report(&report["query"].to_string()).await);
        expect("report", &report["expect"], outcome.value.get("value").unwrap_or(&outcome.value));
        out += &format!(",\"report\":{}", outcome.text);
    }
    let whole = Outcome::of(handle.report("{}").await);
    expect("balance", &json!({"value": {"total": {"held": 0}}}), &whole.value);
    (out + "}", faults)
}

#[tokio::test]
async fn every_case_comes_out_as_the_rules_say() {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root().join("tests/cases"))
        .expect("the cases are there")
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    paths.sort();
    let (mut passed, mut faults, mut lines) = (0, Vec::new(), String::new());
    for path in paths {
        let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        for case in file["cases"].as_array().unwrap() {
            let name = format!("{stem}: {}", case["name"].as_str().unwrap());
            let (outcome, wrong) = run(&file["settings"], case).await;
            lines += &format!("{{\"case\":{},\"outcome\":{outcome}}}\n", json!(name));
            if wrong.is_empty() {
                passed += 1;
            } else {
                faults.push(format!("{name}\n    {}", wrong.join("\n    ")));
            }
        }
    }
    let folder = root().join("target/cases");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("rust.jsonl"), lines).unwrap();
    assert!(faults.is_empty(), "{passed} passed, {} failed\n{}", faults.len(), faults.join("\n"));
    assert!(passed >= 150, "cases are missing: {passed}");
}
