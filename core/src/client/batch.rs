//! Batches: many requests answered within a day at the batch price, through the vendors' batch APIs.
//!
//! Each item is admitted by policy, reserved, and settled or voided on its own, as any request. What is known of a batch
//! (its jobs at vendors, what was set aside for its items; no prompt and no answer) is kept beside the account, so that
//! it survives the process: `Client::resume` takes it up by its id.
//!
//! A job is marked as being sent before a byte of it leaves. One whose answer was lost is looked for at the vendor by our
//! own mark, and is never sent twice; until it is found its items stay charged in full.

use std::ops::Deref;

use serde::Serialize;

use crate::id::{BatchId, EndpointId};
use crate::model::BatchApi;
use crate::request::Request;
use crate::time::Timestamp;

use super::{Client, EmbedRequest, Error};

mod collect;
mod error;
mod find;
mod item;
mod plan;
mod record;
mod submit;
mod watch;

pub use error::BatchError;
pub use item::{BatchItem, Collected, ItemOutcome};

/// A batch that was handed in. It holds no connection: it can be dropped, and taken up again by its id.
#[derive(Clone, Debug)]
pub struct BatchHandle {
    client: Client,
    view: BatchView,
}

impl BatchHandle {
    /// Its id.
    pub fn id(&self) -> &BatchId {
        &self.view.id
    }

    /// What was last seen of it.
    pub fn view(&self) -> &BatchView {
        &self.view
    }

    /// Asks the vendors how its jobs fare.
    ///
    /// # Errors
    /// `Error::Batch` where a vendor cannot be asked; what was seen of the other jobs is kept.
    pub async fn poll(&mut self) -> Result<&BatchView, Error> {
        self.view = watch::poll(&self.client, self.id()).await?;
        Ok(&self.view)
    }

    /// Fetches the results of the jobs that are over, and settles or voids their items. Doing it again brings the same
    /// answers and changes no account.
    ///
    /// # Errors
    /// `Error::Batch` where results cannot be fetched: what had come by then is settled, so collect again.
    pub async fn collect(&mut self) -> Result<Collected, Error> {
        self.poll().await?;
        let collected = collect::collect(&self.client, &self.view.id).await?;
        self.view = watch::look(&self.client, self.id()).await?;
        Ok(collected)
    }

    /// Asks the vendors to stop its jobs, and gives up those of which nothing was sent. Answers that came by then are
    /// kept and billed: collect them.
    ///
    /// # Errors
    /// `Error::Batch` where a vendor cannot be asked.
    pub async fn cancel(&mut self) -> Result<&BatchView, Error> {
        self.view = watch::cancel(&self.client, self.id()).await?;
        Ok(&self.view)
    }
}

impl Deref for BatchHandle {
    type Target = BatchView;

    fn deref(&self) -> &BatchView {
        &self.view
    }
}

/// What is known of a batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BatchView {
    /// Its id.
    pub id: BatchId,
    /// When it was made.
    pub made_at: Timestamp,
    /// How many items it has.
    pub items: usize,
    /// Its jobs at vendors.
    pub jobs: Vec<JobView>,
}

impl BatchView {
    /// Whether every job is over, so that its results can be collected or are none.
    pub fn is_over(&self) -> bool {
        self.jobs.iter().all(|job| job.state.is_over())
    }

    /// Whether there is nothing left to fetch or to settle.
    pub fn is_collected(&self) -> bool {
        self.jobs.iter().all(|job| matches!(job.state, JobState::Collected | JobState::Rejected))
    }
}

/// What is known of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobView {
    /// Where it was handed in.
    pub endpoint: EndpointId,
    /// The vendor's API.
    pub api: BatchApi,
    /// The model as the vendor names it; empty where a job may ask several.
    pub model: String,
    /// How many items it has.
    pub items: usize,
    /// The vendor's id, where it is known.
    pub vendor_id: Option<String>,
    /// How it stands.
    pub state: JobState,
    /// How many items were answered, as the vendor last said.
    pub answered: Option<u64>,
    /// How many items failed, as the vendor last said.
    pub failed: Option<u64>,
    /// What went wrong, where something did.
    pub error: Option<String>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// Its items are set aside, and nothing of it was sent.
    Held,
    /// It may have been sent: its id is not known yet, or was lost.
    Sending,
    /// The vendor has it.
    Running,
    /// The vendor stops it.
    Stopping,
    /// It is over: its results can be collected.
    Done,
    /// The vendor failed, before or in the midst of it.
    Failed,
    /// Its time ran out.
    Expired,
    /// It was stopped.
    Cancelled,
    /// It was never made, and its items are voided.
    Rejected,
    /// Its results were fetched and its items settled or voided.
    Collected,
}

impl JobState {
    /// Whether nothing more will happen to it at the vendor.
    pub fn is_over(self) -> bool {
        !matches!(self, JobState::Held | JobState::Sending | JobState::Running | JobState::Stopping)
    }

    /// The stable name in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Held => "held",
            JobState::Sending => "sending",
            JobState::Running => "running",
            JobState::Stopping => "stopping",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Expired => "expired",
            JobState::Cancelled => "cancelled",
            JobState::Rejected => "rejected",
            JobState::Collected => "collected",
        }
    }
}

impl Client {
    /// Hands in requests to be answered within a day at the batch price. Each is routed by policy as any request, to
    /// models and endpoints with a batch API; their `service_tier` is the batch's, whatever they say.
    ///
    /// Nothing is sent where one of them is refused. It returns when every job was handed in or refused by its vendor.
    ///
    /// # Errors
    /// `Error::Batch` with the number of the item that policy, a budget or a format refuses, or the vendor's error
    /// where no job was taken; `Error::Ledger` where the account cannot be kept.
    pub async fn batch(&self, requests: impl IntoIterator<Item = Request>) -> Result<BatchHandle, Error> {
        let id = self.inner.ids.next(self.inner.clock.now()).0;
        let id = BatchId::new(id.as_str()).expect("an id of hexadecimal digits and dashes is a batch's");
        self.batch_as(id, requests).await
    }

    /// The same under an id of your own. Handing in the same id again sends nothing and takes up the batch that there
    /// is, so a program that may have died in the midst can simply do it again.
    ///
    /// # Errors
    /// As `batch`.
    pub async fn batch_as(
        &self,
        id: BatchId,
        requests: impl IntoIterator<Item = Request>,
    ) -> Result<BatchHandle, Error> {
        submit::submit(self, &id, requests.into_iter().map(plan::Wanted::Answer).collect()).await?;
        self.resume(&id).await
    }

    /// Hands in texts whose vectors are to be made within a day at the batch price, at the vendors whose batch APIs make
    /// them: OpenAI, Gemini and Mistral. An item asks the model that it names; none stands in for it. At Gemini an item
    /// has one text.
    ///
    /// # Errors
    /// As `batch`; models of other vendors are refused by policy, since their rows have no batch price.
    pub async fn batch_embed(&self, items: impl IntoIterator<Item = EmbedRequest>) -> Result<BatchHandle, Error> {
        let id = self.inner.ids.next(self.inner.clock.now()).0;
        let id = BatchId::new(id.as_str()).expect("an id of hexadecimal digits and dashes is a batch's");
        self.batch_embed_as(id, items).await
    }

    /// The same under an id of your own, as `batch_as`.
    ///
    /// # Errors
    /// As `batch_embed`.
    pub async fn batch_embed_as(
        &self,
        id: BatchId,
        items: impl IntoIterator<Item = EmbedRequest>,
    ) -> Result<BatchHandle, Error> {
        submit::submit(self, &id, items.into_iter().map(plan::Wanted::Vectors).collect()).await?;
        self.resume(&id).await
    }

    /// Takes up a batch by its id, in this process or after a restart. No vendor is asked: `poll` does that.
    ///
    /// # Errors
    /// `Error::Batch` where no batch has this id.
    pub async fn resume(&self, id: &BatchId) -> Result<BatchHandle, Error> {
        let view = watch::look(self, id).await?;
        Ok(BatchHandle { client: self.clone(), view })
    }

    /// Every batch that the store knows, by id.
    ///
    /// # Errors
    /// `Error::Batch` where the store keeps no batches.
    pub async fn batches(&self) -> Result<Vec<BatchView>, Error> {
        watch::all(self).await
    }
}
