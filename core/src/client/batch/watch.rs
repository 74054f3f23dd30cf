//! Looking after batches: what the store knows of them, what vendors say of their jobs, and stopping them.

use std::sync::Arc;

use crate::client::{Client, Error};
use crate::error::ProviderError;
use crate::id::{AttemptId, BatchId, EndpointId};
use crate::transport::BatchPort;
use crate::wire::batch::Job as VendorJob;

use super::record::{self, Job, Record};
use super::submit::void;
use super::{BatchError, BatchView, JobState, find};

/// What the store knows of a batch.
pub(super) async fn look(client: &Client, id: &BatchId) -> Result<BatchView, Error> {
    Ok(record::get(client, id).await?.view())
}

/// What the store knows of all.
pub(super) async fn all(client: &Client) -> Result<Vec<BatchView>, Error> {
    Ok(record::all(client).await?.iter().map(Record::view).collect())
}

/// The port to a job's endpoint.
pub(super) fn port(client: &Client, endpoint: &EndpointId) -> Result<Arc<BatchPort>, Error> {
    let none = || BatchError::NoPort { endpoint: endpoint.clone() }.into();
    client.inner.providers.port(endpoint).ok_or_else(none)
}

/// What the vendor says of a job.
pub(super) async fn ask(port: &BatchPort, vendor_id: &str) -> Result<VendorJob, ProviderError> {
    let whole = port.run(&port.wire().status(vendor_id)).await?;
    port.wire().job(whole.response())
}

/// Asks about every job that is under way, and looks for those whose id was lost.
pub(super) async fn poll(client: &Client, id: &BatchId) -> Result<BatchView, Error> {
    let record = record::get(client, id).await?;
    let mut first_error = None;
    for (at, job) in record.jobs.iter().enumerate() {
        let outcome = match (job.state, &job.vendor_id) {
            (JobState::Running | JobState::Stopping, Some(vendor_id)) => see(client, id, at, job, vendor_id).await,
            (JobState::Sending, _) => find::find(client, id, at).await.map(|_| ()),
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            first_error.get_or_insert(error);
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => look(client, id).await,
    }
}

async fn see(client: &Client, id: &BatchId, at: usize, job: &Job, vendor_id: &str) -> Result<(), Error> {
    let port = port(client, &job.endpoint)?;
    let said = ask(&port, vendor_id).await;
    let said = said.map_err(|error| BatchError::vendor(&job.endpoint, "asking about a job", error))?;
    let see = |job: &mut Job| {
        job.see(&said);
        true
    };
    record::change(client, id, at, see).await.map(|_| ())
}

/// Stops the jobs that are under way and gives up those of which nothing was sent.
pub(super) async fn cancel(client: &Client, id: &BatchId) -> Result<BatchView, Error> {
    let record = record::get(client, id).await?;
    let mut first_error = None;
    for at in 0..record.jobs.len() {
        if let Err(error) = cancel_job(client, id, at).await {
            first_error.get_or_insert(error);
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => look(client, id).await,
    }
}

async fn cancel_job(client: &Client, id: &BatchId, at: usize) -> Result<(), Error> {
    let give_up = |job: &mut Job| {
        let is_held = job.state == JobState::Held;
        if is_held {
            (job.state, job.error) = (JobState::Rejected, Some("it was cancelled before it was sent".to_owned()));
        }
        is_held
    };
    let (record, gave_up) = record::change(client, id, at, give_up).await?;
    if gave_up {
        return void(client, attempts(client, &record, at).await?, "the batch was cancelled before it was sent").await;
    }
    if record.jobs[at].state == JobState::Sending {
        find::find(client, id, at).await?;
    }
    let record = record::get(client, id).await?;
    let job = &record.jobs[at];
    let Some(vendor_id) = job.vendor_id.as_ref().filter(|_| job.state == JobState::Running) else { return Ok(()) };
    let port = port(client, &job.endpoint)?;
    let asked = port.run(&port.wire().cancel(vendor_id)).await;
    let refused = asked.and_then(|whole| match whole.response().status {
        200..300 => Ok(()),
        _ => Err(crate::wire::errors::of_response(&whole.response())),
    });
    if let Err(error) = refused {
        // A job that ended a moment ago cannot be stopped any more: then that is how it stands.
        see(client, id, at, job, vendor_id).await?;
        let now = record::get(client, id).await?;
        return match now.jobs[at].state.is_over() {
            true => Ok(()),
            false => Err(BatchError::vendor(&job.endpoint, "stopping a job", error)),
        };
    }
    let stopping = |job: &mut Job| {
        if job.state == JobState::Running {
            job.state = JobState::Stopping;
        }
        true
    };
    record::change(client, id, at, stopping).await?;
    see(client, id, at, job, vendor_id).await
}

/// The attempts of a job's items.
pub(super) async fn attempts(client: &Client, record: &Record, job: usize) -> Result<Vec<AttemptId>, Error> {
    let items = record::items(client, record).await?;
    let of_job = items.iter().enumerate().filter(|(_, item)| item.job == job);
    Ok(of_job.map(|(number, _)| record.id.item(number).attempt(1)).collect())
}
