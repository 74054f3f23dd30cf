//! Gemini's batches: in one body or from an uploaded file; results stand in the batch, or in a file.

use serde_json::{Value, json};

use super::{BatchDesk, DeskEnd, Job, Mess, Result, Served, State, Step, Vendor, files, item, lines_served, messed};
use crate::testing::server::{Heard, Script};

/// What makes a batch, and what each of its items is.
const VERBS: [(&str, &str); 2] =
    [(":batchGenerateContent", ":generateContent"), (":asyncBatchEmbedContent", ":embedContent")];

/// Whether a batch is to be made at this address.
pub(super) fn is_batch(model: &str) -> bool {
    VERBS.iter().any(|(whole, _)| model.ends_with(whole))
}

pub(super) fn create(state: &mut State, heard: &Heard, model: &str) -> Served {
    let asked = heard.json();
    let batch = &asked["batch"];
    let input = &batch["inputConfig"];
    let file = input["fileName"].as_str().and_then(|name| name.strip_prefix("files/"));
    let lines = match file {
        Some(file) => files::lines(state, file),
        None => input["requests"]["requests"].as_array().cloned(),
    };
    let Some(lines) = lines.filter(|lines| !lines.is_empty()) else {
        return Served::error(400, "a batch has requests, or a file that is there");
    };
    let model_item = VERBS.iter().fold(model.to_owned(), |model, (whole, item)| model.replace(whole, item));
    let path = format!("/v1beta/models/{model_item}");
    let key = |line: &Value| line["key"].as_str().or(line["metadata"]["key"].as_str()).unwrap_or_default().to_owned();
    let items = lines.iter().map(|line| item(heard, &key(line), &path, &line["request"])).collect();
    let id = state.name("b");
    state.jobs.push(Job {
        id: id.clone(),
        vendor: Vendor::Gemini,
        mark: batch["displayName"].as_str().map(str::to_owned),
        model: model.to_owned(),
        items,
        is_stopping: false,
        end: None,
        results: Vec::new(),
        from_file: file.is_some(),
    });
    one(state, &id)
}

pub(super) fn serve<S: Script>(desk: &BatchDesk<S>, heard: &Heard, rest: &[&str]) -> Served {
    match (heard.method.as_str(), rest) {
        ("GET", []) => desk.step(Step::List, |state| {
            let jobs = state.jobs.iter().rev().filter(|job| job.vendor == Vendor::Gemini);
            Served::json(&json!({"operations": jobs.map(|job| told(job, state.mess)).collect::<Vec<_>>()}))
        }),
        ("GET", [id]) => desk.step(Step::Status, |state| one(state, id)),
        ("POST", [id]) if id.ends_with(":cancel") => desk.step(Step::Cancel, |state| {
            let id = id.trim_end_matches(":cancel");
            for job in state.jobs.iter_mut().filter(|job| job.id == id && job.end.is_none()) {
                job.is_stopping = true;
            }
            Served::json(&json!({}))
        }),
        _ => Served::error(404, "no such address on this desk"),
    }
}

fn one(state: &State, id: &str) -> Served {
    let found = state.jobs.iter().find(|job| job.id == id && job.vendor == Vendor::Gemini);
    found.map_or_else(|| Served::error(404, "no such batch"), |job| Served::json(&told(job, state.mess)))
}

/// What was answered or failed by itself; nothing else has a result here.
fn lines(job: &Job, mess: Mess) -> Vec<Value> {
    let line = |(key, result): &(String, Result)| {
        let mut line = match result {
            Result::Answer(200, body) => json!({ "response": body }),
            Result::Answer(_, body) => json!({"error": body["error"]}),
            Result::Expired | Result::Cancelled => return None,
        };
        match (job.from_file, mess.nameless) {
            (true, _) => line["key"] = key.as_str().into(),
            (false, false) => line["metadata"] = json!({ "key": key }),
            (false, true) => {}
        }
        Some(line)
    };
    job.results.iter().filter_map(line).collect()
}

fn stranger() -> Value {
    json!({"key": "somebody-7", "metadata": {"key": "somebody-7"}, "response": {}})
}

fn told(job: &Job, mess: Mess) -> Value {
    let state = match job.end {
        Some(DeskEnd::Done) => "BATCH_STATE_SUCCEEDED",
        Some(DeskEnd::Expired) => "BATCH_STATE_EXPIRED",
        Some(DeskEnd::Cancelled) => "BATCH_STATE_CANCELLED",
        Some(DeskEnd::Failed) => "BATCH_STATE_FAILED",
        None => "BATCH_STATE_RUNNING",
    };
    let good = job.results.iter().filter(|(_, result)| matches!(result, Result::Answer(200, _))).count();
    let name = format!("batches/{}", job.id);
    // Counts come as text, as the vendor's 64-bit numbers do.
    let stats = json!({
        "requestCount": job.items.len().to_string(), "successfulRequestCount": good.to_string(),
        "failedRequestCount": (job.results.len() - good).to_string(),
    });
    let mut told = json!({
        "name": name, "done": job.end.is_some(),
        "metadata": {"name": name, "displayName": job.mark, "state": state, "createTime": "2026-09-21T14:13:20.5Z",
            "model": job.model, "batchStats": stats},
    });
    if job.end.is_some() && !job.results.is_empty() {
        told["response"] = match job.from_file {
            true => json!({"responsesFile": format!("files/out-{}", job.id)}),
            false => {
                let plain = Mess { garbled: false, ..mess };
                let all: Vec<Value> = messed(plain, lines(job, mess), &stranger())
                    .iter()
                    .map(|line| serde_json::from_str(line).unwrap_or_default())
                    .collect();
                json!({"inlinedResponses": {"inlinedResponses": all}})
            }
        };
    }
    if job.end == Some(DeskEnd::Failed) {
        told["error"] = json!({"code": 13, "message": "the batch failed", "status": "INTERNAL"});
    }
    told
}

pub(super) fn file(state: &State, name: &str) -> Served {
    let id = name.strip_prefix("out-").unwrap_or_default();
    match state.jobs.iter().find(|job| job.id == id) {
        Some(job) => lines_served(&messed(state.mess, lines(job, state.mess), &stranger())),
        None => Served::error(404, "no such file"),
    }
}
