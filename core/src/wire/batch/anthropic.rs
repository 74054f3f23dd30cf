//! Anthropic: all requests in one body; results are lines at an address of the batch. A batch keeps no mark of ours, so
//! one whose id was lost is told by the ids of its items, once there are results.
//! Source: docs.anthropic.com/en/api/creating-message-batches.

use serde_json::{Value, json};

use super::{
    BatchWire, Errand, Fate, HandOver, Job, JobAsk, JobLimits, Listing, Outcome, Stage, answer, id_of, json,
    listed_by_last, plain, time, unbilled,
};
use crate::error::ProviderError;
use crate::wire::HttpResponse;

#[derive(Clone, Copy, Debug)]
pub(super) struct Anthropic;

fn job(body: &Value) -> Result<Job, ProviderError> {
    let count = |name: &str| json::count(body, &["request_counts", name]);
    let (answered, errored) = (count("succeeded"), count("errored"));
    let (cancelled, expired) = (count("canceled").unwrap_or(0), count("expired").unwrap_or(0));
    let stage = match json::text(body, "processing_status").unwrap_or_default() {
        // A batch ends in one way for all its items, whatever each one's result says.
        "ended" if json::field(body, "cancel_initiated_at").is_some() => Stage::Cancelled,
        "ended" if expired > 0 => Stage::Expired,
        "ended" => Stage::Done,
        "canceling" => Stage::Stopping,
        _ => Stage::Running,
    };
    let mut job = Job::new(id_of(body, "id")?, stage);
    job.made_at = time(body, "created_at");
    job.answered = answered;
    job.failed = errored.map(|errored| errored + cancelled + expired);
    let rest = count("processing").unwrap_or(0) + cancelled + expired;
    job.total = answered.zip(errored).map(|(answered, errored)| answered + errored + rest);
    Ok(job)
}

impl BatchWire for Anthropic {
    fn limits(&self) -> JobLimits {
        JobLimits { items: 100_000, texts: 0, bytes: 256_000_000, is_one_model: false }
    }

    fn upload(&self, _: &JobAsk<'_>) -> Option<HandOver> {
        None
    }

    fn uploaded(&self, response: HttpResponse<'_>) -> Result<String, ProviderError> {
        id_of(&answer(response)?, "id")
    }

    fn create(&self, ask: &JobAsk<'_>, _: Option<&str>) -> HandOver {
        let mut body = b"{\"requests\":[".to_vec();
        for (at, item) in ask.items.iter().enumerate() {
            if at > 0 {
                body.push(b',');
            }
            let one = json!({"custom_id": item.key, "params": plain(&item.body)});
            body.extend_from_slice(one.to_string().as_bytes());
        }
        body.extend_from_slice(b"]}");
        HandOver::json("/messages/batches", body, ask.headers)
    }

    fn job(&self, response: HttpResponse<'_>) -> Result<Job, ProviderError> {
        job(&answer(response)?)
    }

    fn status(&self, id: &str) -> Errand {
        Errand::get(format!("/messages/batches/{id}"))
    }

    fn cancel(&self, id: &str) -> Errand {
        Errand::post(format!("/messages/batches/{id}/cancel"))
    }

    fn list(&self, page: Option<&str>) -> Errand {
        match page {
            None => Errand::get("/messages/batches?limit=100"),
            Some(page) => Errand::get(format!("/messages/batches?limit=100&after_id={page}")),
        }
    }

    fn listed(&self, response: HttpResponse<'_>, _: Option<&str>) -> Result<Listing, ProviderError> {
        listed_by_last(response, job)
    }

    /// The documented path at the endpoint's own host. The `results_url` of the answer may name another host, to which
    /// the key must not go, so it is not read at all.
    fn results(&self, job: &Job) -> Result<Vec<Errand>, ProviderError> {
        Ok(vec![Errand::get(format!("/messages/batches/{}/results", job.id))])
    }

    fn result(&self, line: &Value) -> Result<Outcome, ProviderError> {
        let key = json::text(line, "custom_id").map(str::to_owned);
        let key = Some(key.ok_or_else(|| ProviderError::protocol("a result does not say whose it is"))?);
        let result = json::field(line, "result").unwrap_or(&Value::Null);
        let fate = match json::text(result, "type").unwrap_or_default() {
            "succeeded" => match json::field(result, "message") {
                Some(message) => Fate::Answer { status: 200, body: message.clone() },
                None => return Err(ProviderError::protocol("a result that succeeded has no message")),
            },
            "errored" => Fate::Failed(unbilled(json::field(result, "error").cloned().unwrap_or_default())),
            "canceled" => Fate::Cancelled,
            "expired" => Fate::Expired,
            _ => return Err(ProviderError::protocol("a result is of no kind that we know")),
        };
        Ok(Outcome { key, fate })
    }

    fn has_marks(&self) -> bool {
        false
    }
}
