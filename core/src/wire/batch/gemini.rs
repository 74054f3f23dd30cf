//! Gemini: all requests in one body, or in a file that is uploaded first where they are many; results stand in the
//! batch itself, or in a file. Source: ai.google.dev/api/batch-api, ai.google.dev/api/files.

use serde_json::{Value, json};

use super::{
    Base, BatchWire, Errand, Fate, HandOver, Item, Job, JobAsk, JobLimits, Listing, Outcome, Stage, answer, checked_id,
    files, id_of, json, plain, time, unbilled,
};
use crate::error::ProviderError;
use crate::model::Api;
use crate::wire::{HttpResponse, header};

/// Largest body that carries its items; the vendor stops at 20 MB.
const INLINE_BYTES_MAX: usize = 18_000_000;
/// Text that ends a part of an upload.
const BOUNDARY: &str = "tierway-batch-7d1f4c";

#[derive(Clone, Copy, Debug)]
pub(super) struct Gemini;

fn is_inline(items: &[Item]) -> bool {
    items.iter().map(|item| Gemini.item_bytes(item)).sum::<usize>() <= INLINE_BYTES_MAX
}

fn model_path(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// A batch, or the operation that makes it, which holds the batch as its metadata.
fn job(body: &Value) -> Result<Job, ProviderError> {
    let batch = json::field(body, "metadata").unwrap_or(body);
    let state = json::text(batch, "state").unwrap_or_default();
    let stage = match state.rsplit("STATE_").next().unwrap_or_default() {
        "SUCCEEDED" => Stage::Done,
        "FAILED" => Stage::Failed,
        "CANCELLED" => Stage::Cancelled,
        "EXPIRED" => Stage::Expired,
        _ if json::field(body, "error").is_some() => Stage::Failed,
        _ => Stage::Running,
    };
    let id = json::text(body, "name").or_else(|| json::text(batch, "name"));
    let id = checked_id(id.ok_or_else(|| ProviderError::protocol("the batch has no name"))?)?;
    let mut job = Job::new(id, stage);
    job.mark = json::text(batch, "displayName").map(str::to_owned);
    job.made_at = time(batch, "createTime");
    let count = |name: &str| json::count(batch, &["batchStats", name]);
    job.total = count("requestCount");
    job.answered = count("successfulRequestCount");
    job.failed = count("failedRequestCount");
    job.error = json::at(body, &["error", "message"]).and_then(Value::as_str).map(str::to_owned);
    let output = json::field(body, "response").or_else(|| json::field(batch, "output")).unwrap_or(&Value::Null);
    let inline = json::at(output, &["inlinedResponses", "inlinedResponses"]).and_then(Value::as_array);
    job.inline = inline.cloned().unwrap_or_default();
    job.files.extend(json::text(output, "responsesFile").map(checked_id).transpose()?);
    Ok(job)
}

impl BatchWire for Gemini {
    fn limits(&self) -> JobLimits {
        // The vendor names no number of items for a file of 2 GB; we hold a job in memory.
        JobLimits { items: 100_000, texts: usize::MAX, bytes: 500_000_000, is_one_model: true }
    }

    fn upload(&self, ask: &JobAsk<'_>) -> Option<HandOver> {
        if is_inline(ask.items) {
            return None;
        }
        let lines = files::lines(ask.items, |item| json!({"key": item.key, "request": plain(&item.body)}));
        let about = json!({"file": {"displayName": ask.mark, "mimeType": "application/jsonl"}});
        let mut body = format!(
            "--{BOUNDARY}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n{about}\r\n--{BOUNDARY}\r\n\
             content-type: application/jsonl\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(&lines);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let headers = vec![
            header("content-type", format!("multipart/related; boundary={BOUNDARY}")),
            header("x-goog-upload-protocol", "multipart"),
        ];
        Some(HandOver { base: Base::Service("upload"), path: "/files?uploadType=multipart".to_owned(), headers, body })
    }

    fn uploaded(&self, response: HttpResponse<'_>) -> Result<String, ProviderError> {
        let body = answer(response)?;
        id_of(json::field(&body, "file").unwrap_or(&body), "name")
    }

    fn create(&self, ask: &JobAsk<'_>, file: Option<&str>) -> HandOver {
        let input = match file {
            Some(file) => json!({"fileName": file}),
            None => {
                let one = |item: &Item| json!({"request": plain(&item.body), "metadata": {"key": item.key}});
                json!({"requests": {"requests": ask.items.iter().map(one).collect::<Vec<_>>()}})
            }
        };
        let body = json!({"batch": {"displayName": ask.mark, "inputConfig": input}});
        let verb = if ask.api == Api::Embeddings { "asyncBatchEmbedContent" } else { "batchGenerateContent" };
        let path = format!("/models/{}:{verb}", model_path(ask.model));
        HandOver::json(path, json::bytes(&body), ask.headers)
    }

    fn job(&self, response: HttpResponse<'_>) -> Result<Job, ProviderError> {
        job(&answer(response)?)
    }

    fn status(&self, id: &str) -> Errand {
        Errand::get(format!("/{id}"))
    }

    fn cancel(&self, id: &str) -> Errand {
        Errand::post(format!("/{id}:cancel"))
    }

    fn list(&self, page: Option<&str>) -> Errand {
        match page {
            None => Errand::get("/batches?pageSize=100"),
            Some(page) => Errand::get(format!("/batches?pageSize=100&pageToken={page}")),
        }
    }

    fn listed(&self, response: HttpResponse<'_>, _: Option<&str>) -> Result<Listing, ProviderError> {
        let body = answer(response)?;
        let jobs = json::list(&body, "operations").iter().map(job).collect::<Result<_, _>>()?;
        let is_token =
            |token: &&str| !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || "-_=.".contains(c));
        let next = json::text(&body, "nextPageToken").filter(is_token).map(str::to_owned);
        Ok(Listing { jobs, next })
    }

    fn results(&self, job: &Job) -> Result<Vec<Errand>, ProviderError> {
        let fetch = |file: &String| Errand::get(format!("/{file}:download?alt=media")).at(Base::Service("download"));
        Ok(job.files.iter().map(fetch).collect())
    }

    /// A result of a body has its key as metadata, which the vendor was seen to leave out; one of a file has it by name,
    /// but for vectors, whose lines are documented to be the answers themselves in the order of the items.
    fn result(&self, line: &Value) -> Result<Outcome, ProviderError> {
        let key = json::text(line, "key").or_else(|| json::at(line, &["metadata", "key"]).and_then(Value::as_str));
        let fate = match (json::field(line, "response"), json::field(line, "error")) {
            (Some(body), _) => Fate::Answer { status: 200, body: body.clone() },
            (None, Some(error)) => Fate::Failed(unbilled(json!({ "error": error }))),
            (None, None) if json::field(line, "embedding").is_some() => {
                Fate::Answer { status: 200, body: line.clone() }
            }
            (None, None) => return Err(ProviderError::protocol("a result has neither an answer nor an error")),
        };
        Ok(Outcome { key: key.map(str::to_owned), fate })
    }
}
