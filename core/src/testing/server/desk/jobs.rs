//! OpenAI's batches and Mistral's jobs: both are made of an uploaded file, and bring files of results.

use serde_json::{Value, json};

use super::{BatchDesk, DeskEnd, Job, Result, Served, State, Step, Vendor, files, item, lines_served, messed};
use crate::testing::server::{Heard, Script};

const CREATED: u64 = 1_790_000_000;

pub(super) fn serve<S: Script>(
    desk: &BatchDesk<S>,
    vendor: Vendor,
    heard: &Heard,
    rest: &[&str],
    query: &str,
) -> Served {
    match (heard.method.as_str(), rest) {
        ("POST", []) => desk.step(Step::Create, |state| create(state, vendor, heard)),
        ("GET", []) => desk.step(Step::List, |state| list(state, vendor, query)),
        ("GET", [id]) => desk.step(Step::Status, |state| one(state, id)),
        ("POST", [id, "cancel"]) => desk.step(Step::Cancel, |state| cancel(state, id)),
        _ => Served::error(404, "no such address on this desk"),
    }
}

fn create(state: &mut State, vendor: Vendor, heard: &Heard) -> Served {
    let asked = heard.json();
    let file = match vendor {
        Vendor::Mistral => asked["input_files"][0].as_str(),
        _ => asked["input_file_id"].as_str(),
    };
    let Some(lines) = file.and_then(|file| files::lines(state, file)) else {
        return Served::error(400, "there is no such file");
    };
    let endpoint = asked["endpoint"].as_str().unwrap_or_default().to_owned();
    let model = asked["model"].as_str().unwrap_or_default().to_owned();
    let read = |line: &Value| {
        let mut body = line["body"].clone();
        if vendor == Vendor::Mistral {
            body["model"] = model.as_str().into();
        }
        item(heard, line["custom_id"].as_str().unwrap_or_default(), &endpoint, &body)
    };
    let is_ours = |line: &&Value| vendor == Vendor::Mistral || (line["url"] == *endpoint && line["method"] == "POST");
    if !lines.iter().all(|line| is_ours(&line)) {
        return Served::error(400, "a line of the file is for another address than the batch");
    }
    let items: Vec<_> = lines.iter().map(read).collect();
    let id = state.name("batch_");
    state.jobs.push(Job {
        id: id.clone(),
        vendor,
        mark: asked["metadata"]["tierway"].as_str().map(str::to_owned),
        model,
        items,
        is_stopping: false,
        end: None,
        results: Vec::new(),
        from_file: true,
    });
    one(state, &id)
}

fn one(state: &State, id: &str) -> Served {
    match state.jobs.iter().find(|job| job.id == id) {
        Some(job) => Served::json(&told(job)),
        None => Served::error(404, "no such job"),
    }
}

fn cancel(state: &mut State, id: &str) -> Served {
    let Some(job) = state.jobs.iter_mut().find(|job| job.id == id) else { return Served::error(404, "no such job") };
    if job.end.is_some() {
        return Served::error(409, "the job is over");
    }
    job.is_stopping = true;
    Served::json(&told(job))
}

fn list(state: &State, vendor: Vendor, query: &str) -> Served {
    let jobs: Vec<Value> = state.jobs.iter().rev().filter(|job| job.vendor == vendor).map(told).collect();
    // One page holds all; a page after that is empty.
    let is_first = !query.contains("after=") && !query.contains("page=1");
    Served::json(&json!({"object": "list", "data": if is_first { jobs } else { Vec::new() }, "has_more": false}))
}

fn answered(job: &Job) -> usize {
    job.results.iter().filter(|(_, result)| matches!(result, Result::Answer(200, _))).count()
}

fn told(job: &Job) -> Value {
    let files = |name: &str| (job.end.is_some() && !job.results.is_empty()).then(|| format!("{name}-{}", job.id));
    let failed = job.results.len() - answered(job);
    match job.vendor {
        Vendor::Mistral => json!({
            "id": job.id, "object": "batch", "model": job.model, "metadata": {"tierway": job.mark}, "created_at": CREATED,
            "status": match (job.end, job.is_stopping) {
                (Some(DeskEnd::Done), _) => "SUCCESS",
                (Some(DeskEnd::Expired), _) => "TIMEOUT_EXCEEDED",
                (Some(DeskEnd::Cancelled), _) => "CANCELLED",
                (Some(DeskEnd::Failed), _) => "FAILED",
                (None, true) => "CANCELLATION_REQUESTED",
                (None, false) => "RUNNING",
            },
            "total_requests": job.items.len(), "succeeded_requests": answered(job), "failed_requests": failed,
            "output_file": files("out"), "error_file": files("err"), "errors": [],
        }),
        _ => json!({
            "id": job.id, "object": "batch", "metadata": {"tierway": job.mark}, "created_at": CREATED,
            "status": match (job.end, job.is_stopping) {
                (Some(DeskEnd::Done), _) => "completed",
                (Some(DeskEnd::Expired), _) => "expired",
                (Some(DeskEnd::Cancelled), _) => "cancelled",
                (Some(DeskEnd::Failed), _) => "failed",
                (None, true) => "cancelling",
                (None, false) => "in_progress",
            },
            "errors": (job.end == Some(DeskEnd::Failed)).then(|| json!({"data": [{"code": "x", "message": "the file is not valid"}]})),
            "request_counts": {"total": job.items.len(), "completed": answered(job), "failed": failed},
            "output_file_id": files("out"), "error_file_id": files("err"),
        }),
    }
}

/// A file of results: answers, or what failed. What was stopped stands in neither.
pub(super) fn file(state: &State, id: &str) -> Served {
    let Some((kind, job)) = id.split_once('-') else { return Served::error(404, "no such file") };
    let Some(job) = state.jobs.iter().find(|one| one.id == job) else { return Served::error(404, "no such file") };
    let is_good = |result: &Result| matches!(result, Result::Answer(200, _));
    let wanted = job.results.iter().filter(|(_, result)| is_good(result) == (kind == "out"));
    let line = |(key, result): &(String, Result)| {
        Some(match result {
            Result::Answer(status, body) => {
                json!({"id": "r", "custom_id": key, "response": {"status_code": status, "body": body}, "error": null})
            }
            Result::Expired => {
                let error = json!({"code": "batch_expired", "message": "not executed in time"});
                json!({"id": "r", "custom_id": key, "response": null, "error": error})
            }
            Result::Cancelled => return None,
        })
    };
    let lines: Vec<Value> = wanted.filter_map(line).collect();
    let stranger = json!({"custom_id": "somebody-7", "response": {"status_code": 200, "body": {}}, "error": null});
    match kind {
        "out" => lines_served(&messed(state.mess, lines, &stranger)),
        _ => lines_served(&lines.iter().map(Value::to_string).collect::<Vec<_>>()),
    }
}
