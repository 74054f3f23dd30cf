//! OpenAI: a file of requests is uploaded, then a batch of it is made; results lie in one file of answers and one of
//! errors. Source: platform.openai.com/docs/api-reference/batch.

use serde_json::{Value, json};

use super::{
    BatchWire, Errand, HandOver, Job, JobAsk, JobLimits, Listing, Outcome, Stage, answer, checked_id, files, id_of,
    json, listed_by_last, plain, seconds,
};
use crate::error::ProviderError;
use crate::model::Api;
use crate::wire::HttpResponse;

/// The name of our mark among a batch's metadata.
const MARK: &str = "tierway";

#[derive(Clone, Copy, Debug)]
pub(super) struct Openai;

/// The path that an item's format has with the vendor.
fn path(api: Api) -> &'static str {
    match api {
        Api::Responses => "/v1/responses",
        Api::Embeddings => "/v1/embeddings",
        _ => "/v1/chat/completions",
    }
}

fn job(body: &Value) -> Result<Job, ProviderError> {
    let stage = match json::text(body, "status").unwrap_or_default() {
        "completed" => Stage::Done,
        "failed" => Stage::Failed,
        "expired" => Stage::Expired,
        "cancelled" => Stage::Cancelled,
        "cancelling" => Stage::Stopping,
        _ => Stage::Running,
    };
    let mut job = Job::new(id_of(body, "id")?, stage);
    job.mark = json::at(body, &["metadata", MARK]).and_then(Value::as_str).map(str::to_owned);
    job.made_at = seconds(body, "created_at");
    job.total = json::count(body, &["request_counts", "total"]);
    job.answered = json::count(body, &["request_counts", "completed"]);
    job.failed = json::count(body, &["request_counts", "failed"]);
    let faults = json::field(body, "errors").map(|errors| json::list(errors, "data")).unwrap_or_default();
    job.error = faults.first().and_then(|fault| json::text(fault, "message")).map(str::to_owned);
    for name in ["output_file_id", "error_file_id"] {
        job.files.extend(json::text(body, name).map(checked_id).transpose()?);
    }
    Ok(job)
}

impl BatchWire for Openai {
    fn limits(&self) -> JobLimits {
        JobLimits { items: 50_000, texts: 50_000, bytes: 200_000_000, is_one_model: true }
    }

    fn upload(&self, ask: &JobAsk<'_>) -> Option<HandOver> {
        let url = path(ask.api);
        let line = |item: &super::Item| json!({"custom_id": item.key, "method": "POST", "url": url, "body": plain(&item.body)});
        Some(files::upload(ask.mark, &files::lines(ask.items, line)))
    }

    fn uploaded(&self, response: HttpResponse<'_>) -> Result<String, ProviderError> {
        files::uploaded(response)
    }

    fn create(&self, ask: &JobAsk<'_>, file: Option<&str>) -> HandOver {
        let body = json!({
            "input_file_id": file, "endpoint": path(ask.api), "completion_window": "24h", "metadata": {MARK: ask.mark},
        });
        HandOver::json("/batches", json::bytes(&body), ask.headers)
    }

    fn job(&self, response: HttpResponse<'_>) -> Result<Job, ProviderError> {
        job(&answer(response)?)
    }

    fn status(&self, id: &str) -> Errand {
        Errand::get(format!("/batches/{id}"))
    }

    fn cancel(&self, id: &str) -> Errand {
        Errand::post(format!("/batches/{id}/cancel"))
    }

    fn list(&self, page: Option<&str>) -> Errand {
        match page {
            None => Errand::get("/batches?limit=100"),
            Some(page) => Errand::get(format!("/batches?limit=100&after={page}")),
        }
    }

    fn listed(&self, response: HttpResponse<'_>, _: Option<&str>) -> Result<Listing, ProviderError> {
        listed_by_last(response, job)
    }

    fn results(&self, job: &Job) -> Result<Vec<Errand>, ProviderError> {
        Ok(job.files.iter().map(|file| Errand::get(format!("/files/{file}/content"))).collect())
    }

    fn result(&self, line: &Value) -> Result<Outcome, ProviderError> {
        files::result(line)
    }
}
