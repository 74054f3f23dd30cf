//! What is kept of a batch beside the account: enough to find its jobs and to settle its items, and no prompt.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Error};
use crate::id::{BatchId, EndpointId, ModelId};
use crate::model::BatchApi;
use crate::money::Usd;
use crate::store::{Note, Shelf};
use crate::time::Timestamp;
use crate::wire::batch::{Job as VendorJob, Stage};

use super::{BatchError, BatchView, JobState, JobView};

/// Names of records in the store begin so.
const PREFIX: &str = "batch/";
/// How often a change is tried over the changes of others.
const TRIES: usize = 32;

/// A batch's state, which changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: BatchId,
    pub(super) made_at: Timestamp,
    pub(super) items: usize,
    /// Where its items are kept: a name of its own, so that of two who hand in one id neither writes over the other's.
    pub(super) items_at: String,
    pub(super) jobs: Vec<Job>,
}

/// A job's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) endpoint: EndpointId,
    pub(super) api: BatchApi,
    pub(super) model: String,
    pub(super) items: usize,
    pub(super) state: JobState,
    /// How it ended, once its results were collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<JobState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sent_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vendor_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answered: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl Job {
    /// Takes over what the vendor says.
    pub(super) fn see(&mut self, job: &VendorJob) {
        self.vendor_id = Some(job.id.clone());
        self.answered = job.answered.or(self.answered);
        self.failed = job.failed.or(self.failed);
        self.error = job.error.clone().or(self.error.take());
        let state = match job.stage {
            Stage::Running => JobState::Running,
            Stage::Stopping => JobState::Stopping,
            Stage::Done => JobState::Done,
            Stage::Failed => JobState::Failed,
            Stage::Expired => JobState::Expired,
            Stage::Cancelled => JobState::Cancelled,
        };
        match self.state {
            JobState::Collected | JobState::Rejected => {}
            // A vendor that lags behind its own answer to a cancel says that the job still runs.
            JobState::Stopping if state == JobState::Running => {}
            _ => self.state = state,
        }
    }
}

/// What was set aside for an item; it never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ItemRecord {
    pub(super) model: ModelId,
    /// Which of the batch's jobs it is in.
    pub(super) job: usize,
    pub(super) reserve: Usd,
    /// Prompt tokens, roughly.
    pub(super) input: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) baseline: Option<ModelId>,
    /// How many texts it embeds, where that and no answer is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) texts: Option<usize>,
}

impl Record {
    /// Our own mark for a job.
    pub(super) fn mark(&self, job: usize) -> String {
        format!("{}.{job}", self.id)
    }

    pub(super) fn view(&self) -> BatchView {
        let job = |job: &Job| JobView {
            endpoint: job.endpoint.clone(),
            api: job.api,
            model: job.model.clone(),
            items: job.items,
            vendor_id: job.vendor_id.clone(),
            state: job.state,
            answered: job.answered,
            failed: job.failed,
            error: job.error.clone(),
        };
        BatchView {
            id: self.id.clone(),
            made_at: self.made_at,
            items: self.items,
            jobs: self.jobs.iter().map(job).collect(),
        }
    }
}

fn shelf(client: &Client) -> Result<&dyn Shelf, Error> {
    client.inner.check_fork()?;
    client.inner.store.shelf().ok_or_else(|| BatchError::NoShelf.into())
}

fn name(id: &BatchId) -> String {
    format!("{PREFIX}{id}")
}

fn read<T: for<'de> Deserialize<'de>>(id: &BatchId, note: &Note) -> Result<T, Error> {
    let damaged = |error: serde_json::Error| BatchError::Damaged { id: id.clone(), reason: error.to_string() };
    serde_json::from_str(&note.text).map_err(|error| damaged(error).into())
}

fn written<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("records hold text and numbers")
}

/// The batch of this id, if there is one.
pub(super) async fn find(client: &Client, id: &BatchId) -> Result<Option<Record>, Error> {
    let note = shelf(client)?.get(&name(id)).await.map_err(Error::Ledger)?;
    note.map(|note| read(id, &note)).transpose()
}

/// The batch of this id.
pub(super) async fn get(client: &Client, id: &BatchId) -> Result<Record, Error> {
    find(client, id).await?.ok_or_else(|| BatchError::Unknown { id: id.clone() }.into())
}

/// What was set aside for its items.
pub(super) async fn items(client: &Client, record: &Record) -> Result<Vec<ItemRecord>, Error> {
    let damaged = |reason: &str| BatchError::Damaged { id: record.id.clone(), reason: reason.to_owned() };
    let note = shelf(client)?.get(&record.items_at).await.map_err(Error::Ledger)?;
    let items: Vec<ItemRecord> = read(&record.id, &note.ok_or_else(|| damaged("its items are not there"))?)?;
    match items.len() == record.items && items.iter().all(|item| item.job < record.jobs.len()) {
        true => Ok(items),
        false => Err(damaged("its items are not those of its jobs").into()),
    }
}

/// Every batch.
pub(super) async fn all(client: &Client) -> Result<Vec<Record>, Error> {
    let notes = shelf(client)?.list(PREFIX).await.map_err(Error::Ledger)?;
    let id = |note: &Note| BatchId::new(note.name.strip_prefix(PREFIX).unwrap_or_default());
    notes.iter().filter_map(|note| id(note).ok().map(|id| read(&id, note))).collect()
}

/// Writes down a new batch; `false` where one of its id is there already.
pub(super) async fn create(client: &Client, record: &Record, items: &[ItemRecord]) -> Result<bool, Error> {
    let shelf = shelf(client)?;
    // The items come first: a batch that is there has them.
    shelf.put(&record.items_at, 0, written(&items)).await.map_err(Error::Ledger)?;
    shelf.put(&name(&record.id), 0, written(record)).await.map_err(Error::Ledger)
}

/// Changes a job, over the changes of others. `change` says whether it still wants to: the job may have moved on.
/// Answers the record, and whether the job was changed.
pub(super) async fn change(
    client: &Client,
    id: &BatchId,
    job: usize,
    change: impl Fn(&mut Job) -> bool,
) -> Result<(Record, bool), Error> {
    let shelf = shelf(client)?;
    for _ in 0..TRIES {
        let note = shelf.get(&name(id)).await.map_err(Error::Ledger)?;
        let note = note.ok_or_else(|| Error::from(BatchError::Unknown { id: id.clone() }))?;
        let before: Record = read(id, &note)?;
        let mut record = before.clone();
        let missing = || BatchError::Damaged { id: id.clone(), reason: format!("it has no job {job}") };
        let wants = change(record.jobs.get_mut(job).ok_or_else(missing)?);
        if !wants || record == before {
            return Ok((before, wants));
        }
        if shelf.put(&name(id), note.revision, written(&record)).await.map_err(Error::Ledger)? {
            return Ok((record, true));
        }
    }
    Err(BatchError::Busy { id: id.clone() }.into())
}
