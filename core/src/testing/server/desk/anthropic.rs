//! Anthropic's message batches: all in one body, no mark, results at an address of the batch.

use serde_json::{Value, json};

use super::{BatchDesk, DeskEnd, Job, Result, Served, State, Step, Vendor, item, lines_served, messed};
use crate::testing::server::{Heard, Script};

pub(super) fn serve<S: Script>(desk: &BatchDesk<S>, heard: &Heard, rest: &[&str]) -> Served {
    match (heard.method.as_str(), rest) {
        ("POST", []) => desk.step(Step::Create, |state| create(state, heard)),
        ("GET", []) => desk.step(Step::List, |state| {
            let jobs: Vec<Value> = state.jobs.iter().rev().filter(|job| is_ours(job)).map(told).collect();
            Served::json(&json!({"data": jobs, "has_more": false}))
        }),
        ("GET", [id]) => desk.step(Step::Status, |state| one(state, id, |job| Served::json(&told(job)))),
        ("POST", [id, "cancel"]) => desk.step(Step::Cancel, |state| {
            for job in state.jobs.iter_mut().filter(|job| job.id == *id && job.end.is_none()) {
                job.is_stopping = true;
            }
            one(state, id, |job| Served::json(&told(job)))
        }),
        ("GET", [id, "results"]) => desk.step(Step::Results, |state| {
            let mess = state.mess;
            one(state, id, |job| results(job, mess))
        }),
        _ => Served::error(404, "no such address on this desk"),
    }
}

fn is_ours(job: &Job) -> bool {
    job.vendor == Vendor::Anthropic
}

fn one(state: &State, id: &str, say: impl FnOnce(&Job) -> Served) -> Served {
    let found = state.jobs.iter().find(|job| job.id == id && is_ours(job));
    found.map_or_else(|| Served::error(404, "no such batch"), say)
}

fn create(state: &mut State, heard: &Heard) -> Served {
    let asked = heard.json();
    let requests = asked["requests"].as_array().cloned().unwrap_or_default();
    let is_name = |key: &str| {
        (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let key = |request: &Value| request["custom_id"].as_str().unwrap_or_default().to_owned();
    if requests.is_empty() || !requests.iter().all(|request| is_name(&key(request))) {
        return Served::error(400, "every request needs a custom_id of 1 to 64 letters, digits, - and _");
    }
    let items = requests.iter().map(|request| item(heard, &key(request), "/v1/messages", &request["params"]));
    let items = items.collect();
    let id = state.name("msgbatch_");
    state.jobs.push(Job {
        id: id.clone(),
        vendor: Vendor::Anthropic,
        mark: None,
        model: String::new(),
        items,
        is_stopping: false,
        end: None,
        results: Vec::new(),
        from_file: false,
    });
    one(state, &id, |job| Served::json(&told(job)))
}

fn told(job: &Job) -> Value {
    let count = |is: fn(&Result) -> bool| job.results.iter().filter(|(_, result)| is(result)).count();
    let now = jiff::Timestamp::now().to_string();
    json!({
        "id": job.id, "type": "message_batch", "created_at": now,
        "processing_status": match (job.end, job.is_stopping) {
            (Some(_), _) => "ended",
            (None, true) => "canceling",
            (None, false) => "in_progress",
        },
        "cancel_initiated_at": (job.is_stopping || job.end == Some(DeskEnd::Cancelled)).then(|| now.clone()),
        "request_counts": {
            "processing": job.items.len() - job.results.len(),
            "succeeded": count(|result| matches!(result, Result::Answer(200, _))),
            "errored": count(|result| matches!(result, Result::Answer(status, _) if *status != 200)),
            "canceled": count(|result| matches!(result, Result::Cancelled)),
            "expired": count(|result| matches!(result, Result::Expired)),
        },
        // Another host: whoever followed it would take the key there.
        "results_url": format!("http://192.0.2.1/v1/messages/batches/{}/results", job.id),
    })
}

fn results(job: &Job, mess: super::Mess) -> Served {
    if job.end.is_none() {
        return Served::error(404, "the batch has no results yet");
    }
    let line = |(key, result): &(String, Result)| {
        let result = match result {
            Result::Answer(200, body) => json!({"type": "succeeded", "message": body}),
            Result::Answer(_, body) => json!({"type": "errored", "error": body}),
            Result::Expired => json!({"type": "expired"}),
            Result::Cancelled => json!({"type": "canceled"}),
        };
        json!({"custom_id": key, "result": result})
    };
    let lines = job.results.iter().map(line).collect();
    let stranger = json!({"custom_id": "somebody-7", "result": {"type": "expired"}});
    lines_served(&messed(mess, lines, &stranger))
}
