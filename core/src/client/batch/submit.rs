//! Handing in: written down, set aside, marked as being sent, sent.

use futures_util::StreamExt;

use crate::client::{Client, Error};
use crate::error::{Kind, ProviderError, Retry};
use crate::id::{AttemptId, BatchId};
use crate::ledger::{LedgerError, Reserve, Void};
use crate::limits::RETRY_AFTER_MAX;
use crate::time::Span;
use crate::wire::batch::{HandOver, Job as VendorJob, JobAsk};

use super::plan::{Packed, Planned, Wanted, plan};
use super::record::{self, Record};
use super::{BatchError, JobState, find};

/// Entries that are written at once: enough to share a sync of the disk.
const ENTRIES_AT_ONCE: usize = 256;
/// How often a step is tried that the vendor refuses for the moment.
const TRIES: u32 = 4;
/// The wait before the second try, where the vendor does not say; it doubles.
const BACKOFF: Span = Span::from_ms(500);

/// Hands in a batch; one of this id that is there already is left as it is.
pub(super) async fn submit(client: &Client, id: &BatchId, wanted: Vec<Wanted>) -> Result<(), Error> {
    if record::find(client, id).await?.is_some() {
        return Ok(());
    }
    let Planned { items, reserves, jobs } = plan(client, id, wanted).await?;
    let inner = &client.inner;
    let now = inner.clock.now();
    let record = Record {
        id: id.clone(),
        made_at: now,
        items: items.len(),
        items_at: format!("batch-items/{id}/{}", inner.ids.next(now).0),
        jobs: jobs.iter().map(Packed::record).collect(),
    };
    if !record::create(client, &record, &items).await? {
        return Ok(());
    }
    if let Err(error) = set_aside(client, reserves).await {
        give_up(client, &record, &jobs, &error.to_string()).await?;
        return Err(error);
    }
    let mut first_refusal = None;
    for (at, job) in jobs.into_iter().enumerate() {
        if let Some(error) = hand_in(client, &record, at, job).await? {
            first_refusal.get_or_insert((at, error));
        }
    }
    let taken = record::get(client, id).await?;
    match first_refusal {
        Some((at, error)) if taken.jobs.iter().all(|job| job.state == JobState::Rejected) => {
            Err(BatchError::vendor(&taken.jobs[at].endpoint, "handing in a job", error))
        }
        _ => Ok(()),
    }
}

/// Sets aside the most that each item can cost: all of them, or none.
async fn set_aside(client: &Client, reserves: Vec<Reserve>) -> Result<(), Error> {
    let store = &client.inner.store;
    let mut writing = futures_util::stream::iter(reserves.into_iter().enumerate())
        .map(|(number, entry)| async move { (number, entry.attempt.clone(), store.reserve(entry).await) })
        .buffer_unordered(ENTRIES_AT_ONCE);
    let (mut made, mut failed): (Vec<AttemptId>, Option<(usize, LedgerError)>) = (Vec::new(), None);
    while let Some((number, attempt, outcome)) = writing.next().await {
        match outcome {
            Ok(posted) => {
                client.inner.alerts.tell(posted.alerts);
                made.push(attempt);
            }
            Err(error) => drop(failed.get_or_insert((number, error))),
        }
        if failed.is_some() {
            break;
        }
    }
    // What is being written when one is refused is written all the same.
    while let Some((_, attempt, outcome)) = if failed.is_some() { writing.next().await } else { None } {
        made.extend(outcome.ok().map(|_| attempt));
    }
    let Some((number, error)) = failed else { return Ok(()) };
    void(client, made, "another item of the batch had no room in a budget").await?;
    Err(match error.is_refusal() {
        true => BatchError::OverBudget { number, error: Box::new(error) }.into(),
        false => Error::Ledger(error),
    })
}

/// Ends reservations of which nothing was sent; those that have ended stay as they are.
pub(super) async fn void(client: &Client, attempts: Vec<AttemptId>, why: &str) -> Result<(), Error> {
    let (store, at) = (&client.inner.store, client.inner.clock.now());
    let mut writing = futures_util::stream::iter(attempts)
        .map(|attempt| store.void(Void { attempt, at, why: why.to_owned() }))
        .buffer_unordered(ENTRIES_AT_ONCE);
    while let Some(outcome) = writing.next().await {
        match outcome {
            Ok(_) => {}
            Err(error) if is_over_already(&error) => {}
            Err(error) => return Err(Error::Ledger(error)),
        }
    }
    Ok(())
}

/// Whether an entry has no effect since the attempt has ended, or was never set aside.
pub(super) fn is_over_already(error: &LedgerError) -> bool {
    matches!(error, LedgerError::AlreadyEnded { .. } | LedgerError::Conflict { .. } | LedgerError::NoReservation { .. })
}

async fn give_up(client: &Client, record: &Record, jobs: &[Packed], why: &str) -> Result<(), Error> {
    for at in 0..jobs.len() {
        reject(client, &record.id, at, why).await?;
    }
    Ok(())
}

async fn reject(client: &Client, id: &BatchId, at: usize, why: &str) -> Result<(), Error> {
    let change = |job: &mut record::Job| {
        job.state = JobState::Rejected;
        job.error = Some(crate::error::one_line(why));
        true
    };
    record::change(client, id, at, change).await.map(|_| ())
}

/// Marks a job as being sent and sends it. `Some` where the vendor did not take it and its items are voided.
async fn hand_in(client: &Client, record: &Record, at: usize, job: Packed) -> Result<Option<ProviderError>, Error> {
    let now = client.inner.clock.now();
    let begin = |job: &mut record::Job| {
        let is_ours = job.state == JobState::Held;
        if is_ours {
            (job.state, job.sent_at) = (JobState::Sending, Some(now));
        }
        is_ours
    };
    let (_, is_ours) = record::change(client, &record.id, at, begin).await?;
    if !is_ours {
        // Somebody cancelled it meanwhile.
        return Ok(None);
    }
    match send(&record.mark(at), &job).await {
        Ok(made) => {
            let see = |job: &mut record::Job| {
                job.see(&made);
                true
            };
            record::change(client, &record.id, at, see).await?;
            Ok(None)
        }
        Err(error) if is_certain(&error) => {
            let attempts = job.calls.iter().map(|call| call.attempt().clone()).collect();
            reject(client, &record.id, at, &error.to_string()).await?;
            void(client, attempts, error.kind.as_str()).await?;
            Ok(Some(error))
        }
        Err(error) => {
            // It may have been made, so it is looked for and not sent again. Until it is found its items stay charged.
            let note = |job: &mut record::Job| {
                job.error = Some(crate::error::one_line(&error.to_string()));
                true
            };
            record::change(client, &record.id, at, note).await?;
            // The vendor may not answer now: a later poll looks again.
            let _ = find::find(client, &record.id, at).await;
            Ok(None)
        }
    }
}

/// Whether an error shows that no job was made: nothing was sent, or the vendor said no.
fn is_certain(error: &ProviderError) -> bool {
    !error.sent || error.status.is_some_and(|status| (400..500).contains(&status) && status != 408)
}

/// Uploads what has to be there before the job, and makes it.
async fn send(mark: &str, job: &Packed) -> Result<VendorJob, ProviderError> {
    let api = job.port.endpoint().api;
    let ask = JobAsk { mark, model: &job.model, api, headers: &job.headers, items: &job.items };
    let wire = job.port.wire();
    let file = match wire.upload(&ask) {
        None => None,
        // A file is no job: whatever becomes of it, nothing is billed, and it may be uploaded again.
        Some(over) => Some(upload(job, over).await.map_err(ProviderError::unsent)?),
    };
    let mut tries = 0;
    loop {
        let answer = job.port.hand_over(&job.calls, wire.create(&ask, file.as_deref())).await;
        let made = answer.and_then(|whole| wire.job(whole.response()));
        tries += 1;
        match made {
            Err(error) if is_certain(&error) && tries < TRIES => match pause(&error, tries) {
                Some(span) => tokio::time::sleep(span.to_duration()).await,
                None => return Err(error),
            },
            made => return made,
        }
    }
}

async fn upload(job: &Packed, over: HandOver) -> Result<String, ProviderError> {
    let mut tries = 0;
    loop {
        let answer = job.port.hand_over(&job.calls, over.clone()).await;
        let file = answer.and_then(|whole| job.port.wire().uploaded(whole.response()));
        tries += 1;
        match file {
            Err(error) if tries < TRIES => match pause(&error, tries) {
                Some(span) => tokio::time::sleep(span.to_duration()).await,
                None => return Err(error),
            },
            file => return file,
        }
    }
}

/// How long to wait before the next try, where one can help.
fn pause(error: &ProviderError, tries: u32) -> Option<Span> {
    let Retry::Here(said) = error.retry else { return None };
    if matches!(error.kind, Kind::Protocol) {
        return None;
    }
    let own = Span::from_ms(BACKOFF.ms() << tries.min(6));
    Some(said.unwrap_or(own).min(RETRY_AFTER_MAX))
}
