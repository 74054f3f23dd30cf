//! Mistral: a file of requests is uploaded, then a job of it is made for one model; results lie in one file of answers
//! and one of errors. Source: docs.mistral.ai/api, batch.

use serde_json::{Value, json};

use super::{
    BatchWire, Errand, HandOver, Job, JobAsk, JobLimits, Listing, Outcome, Stage, answer, checked_id, files, id_of,
    json, plain, seconds,
};
use crate::error::ProviderError;
use crate::model::Api;
use crate::wire::HttpResponse;

/// The name of our mark among a job's metadata.
const MARK: &str = "tierway";
/// Jobs on a page.
const PAGE: usize = 100;

#[derive(Clone, Copy, Debug)]
pub(super) struct Mistral;

fn job(body: &Value) -> Result<Job, ProviderError> {
    let stage = match json::text(body, "status").unwrap_or_default() {
        "SUCCESS" => Stage::Done,
        "FAILED" => Stage::Failed,
        "TIMEOUT_EXCEEDED" => Stage::Expired,
        "CANCELLED" => Stage::Cancelled,
        "CANCELLATION_REQUESTED" => Stage::Stopping,
        _ => Stage::Running,
    };
    let mut job = Job::new(id_of(body, "id")?, stage);
    job.mark = json::at(body, &["metadata", MARK]).and_then(Value::as_str).map(str::to_owned);
    job.made_at = seconds(body, "created_at");
    job.total = json::count(body, &["total_requests"]);
    job.answered = json::count(body, &["succeeded_requests"]);
    job.failed = json::count(body, &["failed_requests"]);
    job.error = json::list(body, "errors").first().and_then(|fault| json::text(fault, "message")).map(str::to_owned);
    for name in ["output_file", "error_file"] {
        job.files.extend(json::text(body, name).map(checked_id).transpose()?);
    }
    Ok(job)
}

impl BatchWire for Mistral {
    fn limits(&self) -> JobLimits {
        JobLimits { items: 1_000_000, texts: usize::MAX, bytes: 500_000_000, is_one_model: true }
    }

    /// The job names the model; a line says nothing of it.
    fn upload(&self, ask: &JobAsk<'_>) -> Option<HandOver> {
        let line = |item: &super::Item| {
            let mut body = plain(&item.body);
            if let Some(fields) = body.as_object_mut() {
                fields.shift_remove("model");
            }
            json!({"custom_id": item.key, "body": body})
        };
        Some(files::upload(ask.mark, &files::lines(ask.items, line)))
    }

    fn uploaded(&self, response: HttpResponse<'_>) -> Result<String, ProviderError> {
        files::uploaded(response)
    }

    fn create(&self, ask: &JobAsk<'_>, file: Option<&str>) -> HandOver {
        let endpoint = if ask.api == Api::Embeddings { "/v1/embeddings" } else { "/v1/chat/completions" };
        let body = json!({
            "input_files": file.into_iter().collect::<Vec<_>>(), "model": ask.model, "endpoint": endpoint,
            "timeout_hours": 24, "metadata": {MARK: ask.mark},
        });
        HandOver::json("/batch/jobs", json::bytes(&body), ask.headers)
    }

    fn job(&self, response: HttpResponse<'_>) -> Result<Job, ProviderError> {
        job(&answer(response)?)
    }

    fn status(&self, id: &str) -> Errand {
        Errand::get(format!("/batch/jobs/{id}"))
    }

    fn cancel(&self, id: &str) -> Errand {
        Errand::post(format!("/batch/jobs/{id}/cancel"))
    }

    fn list(&self, page: Option<&str>) -> Errand {
        Errand::get(format!("/batch/jobs?page_size={PAGE}&page={}", page.unwrap_or("0")))
    }

    fn listed(&self, response: HttpResponse<'_>, page: Option<&str>) -> Result<Listing, ProviderError> {
        let body = answer(response)?;
        let jobs: Vec<Job> = json::list(&body, "data").iter().map(job).collect::<Result<_, _>>()?;
        let number = page.and_then(|page| page.parse::<u32>().ok()).unwrap_or(0);
        let next = (jobs.len() == PAGE).then(|| (number + 1).to_string());
        Ok(Listing { jobs, next })
    }

    fn results(&self, job: &Job) -> Result<Vec<Errand>, ProviderError> {
        Ok(job.files.iter().map(|file| Errand::get(format!("/files/{file}/content"))).collect())
    }

    fn result(&self, line: &Value) -> Result<Outcome, ProviderError> {
        files::result(line)
    }
}
