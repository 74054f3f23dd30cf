//! Vendors' batch APIs: many requests handed in at once, answered within a day at the batch price. One file an API; pure,
//! like the formats, whose encoders and decoders write and read each item.
//!
//! A job is what a vendor calls a batch: the items of a batch that go to one endpoint, and to one model where the API
//! wants that. An `Errand` asks about a job that was handed in and can carry no body, so that no prompt leaves by it;
//! a `HandOver` carries the items, and the transport sends it for admitted calls alone.

use std::fmt::Debug;

use serde_json::Value;

use super::json;
use super::{Header, Headers, HttpResponse, errors, header};
use crate::error::{Kind, ProviderError, Retry};
use crate::model::{Api, BatchApi};
use crate::time::Timestamp;

mod anthropic;
mod files;
mod gemini;
mod mistral;
mod openai;
#[cfg(test)]
mod tests;

/// The wire that speaks a batch API.
pub fn for_batch(api: BatchApi) -> &'static dyn BatchWire {
    match api {
        BatchApi::Openai => &openai::Openai,
        BatchApi::Anthropic => &anthropic::Anthropic,
        BatchApi::Gemini => &gemini::Gemini,
        BatchApi::Mistral => &mistral::Mistral,
    }
}

/// What a batch API is.
pub trait BatchWire: Debug + Send + Sync {
    /// What one job may hold.
    fn limits(&self) -> JobLimits;

    /// The size of an item in the body or file that carries it, all around it included.
    fn item_bytes(&self, item: &Item) -> usize {
        item.key.len() + item.body.len() + 160
    }

    /// Writes the file that has to be there before the job; none where the job carries its items.
    fn upload(&self, ask: &JobAsk<'_>) -> Option<HandOver>;

    /// Reads the answer to an upload: the file's id.
    ///
    /// # Errors
    /// The vendor's error, or `Kind::Protocol`.
    fn uploaded(&self, response: HttpResponse<'_>) -> Result<String, ProviderError>;

    /// Writes the job; `file` is what was uploaded for it.
    fn create(&self, ask: &JobAsk<'_>, file: Option<&str>) -> HandOver;

    /// Reads a job: the answer to `create`, `status`, and often `cancel`.
    ///
    /// # Errors
    /// The vendor's error, or `Kind::Protocol`.
    fn job(&self, response: HttpResponse<'_>) -> Result<Job, ProviderError>;

    /// Asks how a job fares.
    fn status(&self, id: &str) -> Errand;

    /// Asks to stop a job.
    fn cancel(&self, id: &str) -> Errand;

    /// Asks for the latest jobs, from a page that an earlier answer named.
    fn list(&self, page: Option<&str>) -> Errand;

    /// Reads a list of jobs; `page` is the one that was asked for.
    ///
    /// # Errors
    /// The vendor's error, or `Kind::Protocol`.
    fn listed(&self, response: HttpResponse<'_>, page: Option<&str>) -> Result<Listing, ProviderError>;

    /// Where the results of a job lie, as lines of JSON.
    ///
    /// # Errors
    /// `Kind::Protocol` where the job names them in a way that cannot be asked for.
    fn results(&self, job: &Job) -> Result<Vec<Errand>, ProviderError>;

    /// Reads a result: a line, or an element of `Job::inline`.
    ///
    /// # Errors
    /// `Kind::Protocol` where it is none.
    fn result(&self, line: &Value) -> Result<Outcome, ProviderError>;

    /// Whether a job carries the mark that we gave it; without, only its results show whose it is.
    fn has_marks(&self) -> bool {
        true
    }
}

/// What one job may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLimits {
    /// Most items.
    pub items: usize,
    /// Most texts to embed, in all items together.
    pub texts: usize,
    /// Most bytes of the body or file that carries them.
    pub bytes: usize,
    /// Whether all items must be for one model.
    pub is_one_model: bool,
}

/// An item of a job: a request as its format writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Our name for it, by which its result is found: at most 64 letters, digits, `-` and `_`.
    pub key: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Debug for Item {
    /// Shows no prompt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Item").field("key", &self.key).field("body_bytes", &self.body.len()).finish()
    }
}

/// What a job is made of.
#[derive(Clone, Copy, Debug)]
pub struct JobAsk<'a> {
    /// Our name for the job, by which it is found again where the answer to `create` was lost.
    pub mark: &'a str,
    /// The model, as the vendor names it.
    pub model: &'a str,
    /// The format of the items.
    pub api: Api,
    /// Headers that the items' format wants, in lower case.
    pub headers: &'a [Header],
    /// The items.
    pub items: &'a [Item],
}

/// How a job stands with its vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits, or is under way.
    Running,
    /// It is being stopped.
    Stopping,
    /// It is over, and its results are there.
    Done,
    /// The vendor refused it, or failed: what has no result cost nothing.
    Failed,
    /// Its time ran out: what has no result cost nothing.
    Expired,
    /// It was stopped: what has no result cost nothing.
    Cancelled,
}

/// A job as its vendor tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The vendor's id.
    pub id: String,
    /// How it stands.
    pub stage: Stage,
    /// The mark that we gave it, where the API keeps one.
    pub mark: Option<String>,
    /// When the vendor made it, where that is said.
    pub made_at: Option<Timestamp>,
    /// How many items it has.
    pub total: Option<u64>,
    /// How many were answered.
    pub answered: Option<u64>,
    /// How many failed, expired or were cancelled.
    pub failed: Option<u64>,
    /// Why it failed, in the vendor's words.
    pub error: Option<String>,
    /// Files of results.
    pub files: Vec<String>,
    /// Results that stand in the answer itself.
    pub inline: Vec<Value>,
}

impl Job {
    fn new(id: String, stage: Stage) -> Job {
        Job {
            id,
            stage,
            mark: None,
            made_at: None,
            total: None,
            answered: None,
            failed: None,
            error: None,
            files: Vec::new(),
            inline: Vec::new(),
        }
    }
}

/// A page of a list of jobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The jobs, latest first.
    pub jobs: Vec<Job>,
    /// The next page, if there is one.
    pub next: Option<String>,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Our name for the item, where the vendor repeats it; without, results stand in the order of the items.
    pub key: Option<String>,
    /// What came.
    pub fate: Fate,
}

/// What came for an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// An answer in the format of the item, or an error of its own.
    Answer {
        /// The status that a call by itself would have had.
        status: u16,
        /// The body.
        body: Value,
    },
    /// The vendor could not answer it; nobody bills that.
    Failed(Box<ProviderError>),
    /// It was stopped before it was answered.
    Cancelled,
    /// Its time ran out before it was answered.
    Expired,
}

/// The method of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes.
    Post,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// After the endpoint's base URL.
    Endpoint,
    /// After the base URL with this word before its last part: `https://host/upload/v1beta`.
    Service(&'static str),
}

/// A question about a job that was handed in. It has no body, and only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    method: Method,
    base: Base,
    path: String,
}

impl Errand {
    fn get(path: impl Into<String>) -> Errand {
        Errand { method: Method::Get, base: Base::Endpoint, path: path.into() }
    }

    fn post(path: impl Into<String>) -> Errand {
        Errand { method: Method::Post, base: Base::Endpoint, path: path.into() }
    }

    fn at(mut self, base: Base) -> Errand {
        self.base = base;
        self
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The whole address at an endpoint with this base URL.
    pub fn url(&self, base_url: &str) -> String {
        address(base_url, self.base, &self.path)
    }
}

/// A body with items, to be sent for admitted calls alone. The method is POST.
#[derive(Clone, PartialEq, Eq)]
pub struct HandOver {
    /// Where the path begins.
    pub base: Base,
    /// The path, with its query.
    pub path: String,
    /// Header names in lower case and values, without any credential.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Vec<u8>,
}

impl HandOver {
    fn json(path: impl Into<String>, body: Vec<u8>, more: &[Header]) -> HandOver {
        let mut headers = vec![header("content-type", "application/json")];
        headers.extend(more.iter().filter(|(name, _)| name != "content-type").cloned());
        HandOver { base: Base::Endpoint, path: path.into(), headers, body }
    }

    /// The whole address at an endpoint with this base URL.
    pub fn url(&self, base_url: &str) -> String {
        address(base_url, self.base, &self.path)
    }
}

impl Debug for HandOver {
    /// Shows no prompt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandOver").field("path", &self.path).field("body_bytes", &self.body.len()).finish()
    }
}

fn address(base_url: &str, base: Base, path: &str) -> String {
    match (base, base_url.rsplit_once('/')) {
        (Base::Service(word), Some((before, version))) => format!("{before}/{word}/{version}{path}"),
        _ => format!("{base_url}{path}"),
    }
}

/// A page of jobs under `data`; the next one begins after the last of these.
fn listed_by_last(
    response: HttpResponse<'_>,
    job: impl Fn(&Value) -> Result<Job, ProviderError>,
) -> Result<Listing, ProviderError> {
    let body = answer(response)?;
    let jobs: Vec<Job> = json::list(&body, "data").iter().map(job).collect::<Result<_, _>>()?;
    let has_more = json::field(&body, "has_more").and_then(Value::as_bool) == Some(true);
    let next = jobs.last().filter(|_| has_more).map(|job| job.id.clone());
    Ok(Listing { jobs, next })
}

/// The body of a successful answer.
fn answer(response: HttpResponse<'_>) -> Result<Value, ProviderError> {
    if !(200..300).contains(&response.status) {
        return Err(errors::of_response(&response));
    }
    json::body(response.body)
}

/// An id that a vendor gave, for a path at its own host. What could lead elsewhere is refused.
fn id_of(body: &Value, name: &str) -> Result<String, ProviderError> {
    let id = json::text(body, name).ok_or_else(|| ProviderError::protocol(format!("the answer has no {name}")))?;
    checked_id(id)
}

fn checked_id(id: &str) -> Result<String, ProviderError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    let is_safe =
        !id.is_empty() && id.len() <= 256 && id.chars().all(is_plain) && !id.contains("..") && !id.contains("//");
    match is_safe && !id.starts_with('/') {
        true => Ok(id.to_owned()),
        false => Err(ProviderError::protocol("the vendor gave an id that cannot stand in a path")),
    }
}

/// The seconds at a name as an instant.
fn seconds(body: &Value, name: &str) -> Option<Timestamp> {
    let seconds = json::count(body, &[name])?;
    i64::try_from(seconds).ok()?.checked_mul(1_000).map(Timestamp::from_ms)
}

/// The time at a name as an instant.
fn time(body: &Value, name: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = json::text(body, name)?.parse().ok()?;
    Some(Timestamp::from_ms(time.as_millisecond()))
}

/// The error of an item, which nobody bills.
fn unbilled(error: Value) -> Box<ProviderError> {
    let found = errors::of_body(&error, 200, Headers::NONE).unwrap_or_else(|| {
        ProviderError::new(Kind::Server, Retry::Elsewhere, "the vendor could not answer the item and did not say why")
    });
    Box::new(ProviderError { status: found.status.or(Some(400)), ..found })
}

/// An item's body as JSON with a field of streams taken out: a batch has none.
fn plain(body: &[u8]) -> Value {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.shift_remove("stream");
    }
    body
}
