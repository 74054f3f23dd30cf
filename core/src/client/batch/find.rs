//! Looking for a job whose id was lost: between its sending and the answer, the process or the network broke off.
//!
//! Vendors that keep our mark show it in their lists. Where none is kept, a job is told by the names of its items, which
//! only its results show: so it is found once it is over. What is not found is never taken for not made.

use std::sync::Mutex;

use serde_json::Value;

use crate::client::{Client, Error};
use crate::error::ProviderError;
use crate::id::BatchId;
use crate::limits::BATCH_PAGES_MAX;
use crate::time::{Span, Timestamp};
use crate::transport::BatchPort;
use crate::wire::batch::{Job as VendorJob, Stage};

use super::record::{self, Job};
use super::watch::port;
use super::{BatchError, JobState};

/// How far a vendor's clock may be behind ours.
const CLOCKS_APART: Span = Span::from_secs(600);

/// Looks for a job that was being sent; whether it was found.
pub(super) async fn find(client: &Client, id: &BatchId, at: usize) -> Result<bool, Error> {
    let record = record::get(client, id).await?;
    let job = &record.jobs[at];
    if job.state != JobState::Sending {
        return Ok(job.vendor_id.is_some());
    }
    let port = port(client, &job.endpoint)?;
    let known = claimed(client, job).await?;
    let wanted = Wanted { id, mark: record.mark(at), job, known };
    let found = look(&port, &wanted).await;
    let found =
        found.map_err(|error| BatchError::vendor(&job.endpoint, "looking for a job whose id was lost", error))?;
    let Some(found) = found else { return Ok(false) };
    let see = |job: &mut Job| {
        let is_ours = job.state == JobState::Sending;
        if is_ours {
            job.error = None;
            job.see(&found);
        }
        is_ours
    };
    record::change(client, id, at, see).await?;
    Ok(true)
}

struct Wanted<'a> {
    id: &'a BatchId,
    mark: String,
    job: &'a Job,
    /// Jobs at the endpoint that are known to be others.
    known: Vec<String>,
}

impl Wanted<'_> {
    /// Whether a job can be the one, as far as its vendor's list tells.
    fn may_be(&self, found: &VendorJob) -> bool {
        let since = self.job.sent_at.map_or(i64::MIN, Timestamp::ms).saturating_sub(CLOCKS_APART.ms() as i64);
        !self.known.contains(&found.id)
            && found.made_at.is_none_or(|made| made.ms() >= since)
            && found.total.is_none_or(|total| total == self.job.items as u64)
    }
}

/// The ids of all jobs at an endpoint that batches of the store have.
async fn claimed(client: &Client, job: &Job) -> Result<Vec<String>, Error> {
    let all = record::all(client).await?;
    let at_endpoint = all.into_iter().flat_map(|record| record.jobs).filter(|other| other.endpoint == job.endpoint);
    Ok(at_endpoint.filter_map(|other| other.vendor_id).collect())
}

async fn look(port: &BatchPort, wanted: &Wanted<'_>) -> Result<Option<VendorJob>, ProviderError> {
    let wire = port.wire();
    let mut page: Option<String> = None;
    for _ in 0..BATCH_PAGES_MAX {
        let whole = port.run(&wire.list(page.as_deref())).await?;
        let listing = wire.listed(whole.response(), page.as_deref())?;
        for found in listing.jobs {
            let is_it = match wire.has_marks() {
                true => found.mark.as_deref() == Some(&wanted.mark),
                false => wanted.may_be(&found) && shows_our_items(port, &found, wanted.id).await?,
            };
            if is_it {
                return Ok(Some(found));
            }
        }
        page = listing.next;
        if page.is_none() {
            break;
        }
    }
    Ok(None)
}

/// Whether the results of a job are for items of this batch; a job that is not over shows nothing yet.
async fn shows_our_items(port: &BatchPort, found: &VendorJob, id: &BatchId) -> Result<bool, ProviderError> {
    if matches!(found.stage, Stage::Running | Stage::Stopping) {
        return Ok(false);
    }
    let first: Mutex<Option<bool>> = Mutex::new(None);
    for errand in port.wire().results(found)? {
        let look = |line: &[u8]| {
            let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
            let Ok(outcome) = port.wire().result(&value) else { return };
            let is_ours = outcome.key.is_some_and(|key| id.number_of(&key).is_some());
            first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(is_ours);
        };
        port.lines(&errand, look).await?;
    }
    Ok(first.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) == Some(true))
}
