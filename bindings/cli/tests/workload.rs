//! Checks the demo's workload: its size and spread, and that every line is a request that a vendor would accept.
#![allow(clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const CATEGORIES: [&str; 16] = [
    "extraction",
    "classification",
    "code-review",
    "code-writing",
    "mathematics",
    "reasoning",
    "conversation",
    "creative-writing",
    "customer-mail",
    "summaries",
    "translation",
    "sql",
    "long-document",
    "vision",
    "tools",
    "structured-output",
];
const LABELS: [&str; 4] = ["customer-pii", "health", "financial", "confidential"];
const LANGUAGES: [&str; 14] = ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ar", "hi", "ja", "zh", "ko"];
const BYTES_MAX: usize = 1_200_000;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo")
}

fn workload() -> Vec<Value> {
    let text = std::fs::read_to_string(demo().join("workload.jsonl")).expect("workload.jsonl is in the repository");
    assert!(text.len() <= BYTES_MAX, "{} bytes are more than {BYTES_MAX}", text.len());
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:.80}"))).collect()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("{}: no text {key}", row["id"]))
}

fn messages(row: &Value) -> &Vec<Value> {
    row["body"]["messages"].as_array().unwrap_or_else(|| panic!("{}: no messages", row["id"]))
}

/// Counts the rows by what `key` says of each.
fn count<'a>(rows: &'a [Value], key: impl Fn(&'a Value) -> Vec<&'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in rows.iter().flat_map(key) {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn spread_is_that_of_real_traffic() {
    let rows = workload();
    assert!(rows.len() >= 260, "{} requests", rows.len());
    let categories = count(&rows, |row| vec![text(row, "category")]);
    assert_eq!(categories.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(CATEGORIES));
    assert!(categories.values().all(|n| *n >= 10), "{categories:?}");
    let languages = count(&rows, |row| vec![text(row, "language")]);
    assert_eq!(languages.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(LANGUAGES));
    let foreign = 100 * (rows.len() - languages["en"]) / rows.len();
    assert!((15..=32).contains(&foreign), "{foreign} % are not English");
    let difficulties = count(&rows, |row| vec![text(row, "difficulty")]);
    assert!(["easy", "medium", "hard"].iter().all(|d| difficulties[d] >= 40), "{difficulties:?}");
    let labels = count(&rows, |row| labels(row));
    assert_eq!(labels.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(LABELS));
    assert!(labels.values().all(|n| *n >= 8), "{labels:?}");
}

fn labels(row: &Value) -> Vec<&str> {
    let labels = row["labels"].as_array().unwrap_or_else(|| panic!("{}: no labels", row["id"]));
    labels.iter().map(|label| label.as_str().expect("a label is text")).collect()
}

#[test]
fn every_line_is_complete_and_unique() {
    let rows = workload();
    let (mut ids, mut asked) = (BTreeSet::new(), HashMap::new());
    for row in &rows {
        let id = text(row, "id");
        assert!(ids.insert(id), "{id} stands twice");
        assert!(!text(&row["tags"], "team").is_empty() && !text(&row["tags"], "feature").is_empty(), "{id}");
        let reply = row["reply_tokens"].as_u64().unwrap_or(0);
        assert!((1..=4000).contains(&reply), "{id}: {reply} reply tokens");
        let reasoning = row["reasoning_tokens"].as_u64().unwrap_or(u64::MAX);
        assert!(reasoning <= 4000, "{id}: {reasoning} reasoning tokens");
        let whole = row["body"]["messages"].to_string();
        assert_eq!(asked.insert(whole, id), None, "{id} asks what another one asks");
        if text(row, "category") == "customer-mail" {
            assert!(!labels(row).is_empty(), "{id}: customer mail without a label");
        }
    }
}

#[test]
fn every_body_is_a_chat_request() {
    for row in &workload() {
        let (id, body) = (text(row, "id"), &row["body"]);
        assert_eq!(body["model"], "auto", "{id}");
        check_messages(id, messages(row));
        let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!(text(row, "category") == "tools", !tools.is_empty(), "{id}: tools");
        for tool in tools {
            assert_eq!(tool["type"], "function", "{id}");
            assert!(tool["function"]["name"].is_string(), "{id}: a tool without a name");
            assert_eq!(tool["function"]["parameters"]["type"], "object", "{id}");
        }
        if let Some(format) = body.get("response_format") {
            assert_eq!(format["type"], "json_schema", "{id}");
            assert_eq!(format["json_schema"]["schema"]["type"], "object", "{id}");
            assert!(format["json_schema"]["name"].is_string(), "{id}: a schema without a name");
        }
        assert!(text(row, "category") != "structured-output" || body.get("response_format").is_some(), "{id}");
        assert!(body["temperature"].as_f64().is_none_or(|t| (0.0..=2.0).contains(&t)), "{id}: temperature");
        let bound = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(u64::MAX);
        assert!(bound >= row["reply_tokens"].as_u64().unwrap_or(0), "{id}: the reply does not fit in max_tokens");
    }
}

/// Roles in a possible order, content of a known kind, every tool call answered once by its id.
fn check_messages(id: &str, messages: &[Value]) {
    let mut open = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        assert!(role == "tool" || open.is_empty(), "{id}: calls {open:?} have no result");
        match role {
            "system" => assert_eq!(place, 0, "{id}: a late system message"),
            "user" => check_content(id, &message["content"]),
            "assistant" => {
                let calls = message["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
                assert!(message["content"].is_string() || !calls.is_empty(), "{id}: an empty assistant message");
                for call in calls {
                    let arguments = text(&call["function"], "arguments");
                    assert!(serde_json::from_str::<Value>(arguments).is_ok_and(|v| v.is_object()), "{id}: {arguments}");
                    open.push(text(call, "id"));
                }
            }
            "tool" => {
                let answered = text(message, "tool_call_id");
                let place = open.iter().position(|call| *call == answered);
                open.remove(place.unwrap_or_else(|| panic!("{id}: no call {answered}")));
                assert!(message["content"].is_string(), "{id}: a tool result without text");
            }
            other => panic!("{id}: role {other}"),
        }
    }
    let last = messages.last().map(|message| text(message, "role"));
    assert!(open.is_empty() && matches!(last, Some("user" | "tool")), "{id}: ends with {last:?}");
}

fn check_content(id: &str, content: &Value) {
    let Some(parts) = content.as_array() else {
        assert!(content.as_str().is_some_and(|text| !text.trim().is_empty()), "{id}: a message without text");
        return;
    };
    for part in parts {
        match text(part, "type") {
            "text" => assert!(!text(part, "text").is_empty(), "{id}"),
            "image_url" => {
                let url = text(&part["image_url"], "url");
                let png =
                    url.strip_prefix("data:image/png;base64,").is_some_and(|data| data.starts_with("iVBORw0KGgo"));
                assert!(png || url.starts_with("https://"), "{id}: {url:.60}");
            }
            other => panic!("{id}: part {other}"),
        }
    }
}

#[test]
fn kinds_that_the_demo_needs_are_there() {
    let rows = workload();
    let sized = |row: &&Value| row["body"]["messages"].to_string().len();
    let long = rows.iter().filter(|row| (8_000..=70_000).contains(&sized(row))).count();
    assert!(long >= 10, "{long} long documents");
    let has = |what: &str| rows.iter().filter(|row| row["body"].to_string().contains(what)).count();
    assert!(has("data:image/png") >= 6 && has("\"tool_call_id\"") >= 6 && has("\"json_schema\"") >= 12);
    assert!(rows.iter().filter(|row| row["body"]["stream"] == true).count() >= 80, "too few streams");
    let many_turns = rows.iter().filter(|row| messages(row).len() >= 7).count();
    assert!(many_turns >= 10, "{many_turns} long conversations");
    let thinking = rows.iter().filter(|row| row["reasoning_tokens"].as_u64() > Some(0)).count();
    assert!(thinking >= 40, "{thinking} requests with reasoning");
}

#[test]
fn sessions_grow_from_request_to_request() {
    let rows = workload();
    let mut before: HashMap<&str, &Vec<Value>> = HashMap::new();
    for row in &rows {
        let Some(session) = row["session"].as_str() else { continue };
        let now = messages(row);
        if let Some(earlier) = before.insert(session, now) {
            assert!(now.len() > earlier.len() && now[..earlier.len()] == earlier[..], "{session}: {}", row["id"]);
        }
    }
    assert!(before.len() >= 12, "{} sessions", before.len());
}

#[test]
fn the_file_is_what_its_sources_give() {
    let script = demo().join("make_workload.py");
    match Command::new("python3").arg("-B").arg(&script).arg("--check").output() {
        Ok(run) => assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr)),
        Err(cause) => eprintln!("skipped: python3 does not start ({cause}) (1 case)"),
    }
}
