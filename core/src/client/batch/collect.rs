//! Fetching results: in any order, repeated, missing, or for others; each item is settled or voided once.

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::Value;

use crate::client::account::{Meter, Prices};
use crate::client::{Client, Error};
use crate::error::{Kind, ProviderError, Retry};
use crate::id::{AttemptId, BatchId};
use crate::ledger::{Basis, Ending, Settle};
use crate::model::{Api, Endpoint};
use crate::money::Usd;
use crate::reply::Reply;
use crate::request::ServiceTier;
use crate::transport::BatchPort;
use crate::wire::batch::{Fate, Job as VendorJob};
use crate::wire::embeddings::{self, Embedded};
use crate::wire::{Headers, HttpResponse, for_api};

use super::item::{BatchItem, Collected, ItemOutcome};
use super::record::{self, ItemRecord, Job, Record};
use super::submit::{is_over_already, void};
use super::watch::{ask, port};
use super::{BatchError, JobState};

/// Settlements that are written at once.
const ENTRIES_AT_ONCE: usize = 256;

/// Fetches and settles what is over.
pub(super) async fn collect(client: &Client, id: &BatchId) -> Result<Collected, Error> {
    let record = record::get(client, id).await?;
    let items = record::items(client, &record).await?;
    let blank = |item: &ItemRecord| BatchItem {
        model: item.model.clone(),
        endpoint: record.jobs[item.job].endpoint.clone(),
        outcome: ItemOutcome::Pending,
        cost: Usd::ZERO,
        lines: Vec::new(),
    };
    let mut all = Collected { items: items.iter().map(blank).collect(), cost: Usd::ZERO, strange_lines: 0 };
    for at in 0..record.jobs.len() {
        let job = &record.jobs[at];
        match job.state {
            JobState::Rejected => reject(&mut all, &items, at, job),
            state if state.is_over() => {
                let mut work = Work::new(client, &record, &items, at)?;
                let fetched = work.fetch().await;
                // What came before a failure is right, and is settled.
                work.settle(&mut all, fetched.as_ref().ok()).await?;
                fetched.map_err(|error| BatchError::vendor(&job.endpoint, "fetching results", error))?;
                record::change(client, id, at, done).await?;
            }
            _ => {}
        }
    }
    all.cost = all.items.iter().fold(Usd::ZERO, |sum, item| sum.saturating_add(item.cost));
    Ok(all)
}

fn done(job: &mut Job) -> bool {
    if job.state != JobState::Collected {
        job.ended = Some(job.state);
        job.state = JobState::Collected;
    }
    true
}

fn reject(all: &mut Collected, items: &[ItemRecord], at: usize, job: &Job) {
    let why = job.error.clone().unwrap_or_default();
    for (item, _) in all.items.iter_mut().zip(items).filter(|(_, record)| record.job == at) {
        item.outcome = ItemOutcome::Rejected(why.clone());
    }
}

/// One job's results as they come.
struct Work<'a> {
    client: &'a Client,
    record: &'a Record,
    items: &'a [ItemRecord],
    at: usize,
    port: Arc<BatchPort>,
    /// The numbers of the job's items, in the order in which they were handed in.
    numbers: Vec<usize>,
    /// What came, by the item's place in the job.
    fates: Vec<Option<Fate>>,
    /// Lines that could not be read: any item may have been in one.
    unread: usize,
    /// Results for no item of the job, or for one that has a result.
    strange: usize,
}

impl<'a> Work<'a> {
    fn new(client: &'a Client, record: &'a Record, items: &'a [ItemRecord], at: usize) -> Result<Work<'a>, Error> {
        let numbers: Vec<usize> = (0..items.len()).filter(|number| items[*number].job == at).collect();
        let fates = vec![None; numbers.len()];
        let port = port(client, &record.jobs[at].endpoint)?;
        Ok(Work { client, record, items, at, port, numbers, fates, unread: 0, strange: 0 })
    }

    fn job(&self) -> &Job {
        &self.record.jobs[self.at]
    }

    /// Reads all results of the job, and how it stands.
    async fn fetch(&mut self) -> Result<VendorJob, ProviderError> {
        let Some(vendor_id) = self.job().vendor_id.clone() else {
            return Err(ProviderError::protocol("the job has no id"));
        };
        let port = self.port.clone();
        let mut job = ask(&port, &vendor_id).await?;
        for (place, result) in std::mem::take(&mut job.inline).into_iter().enumerate() {
            self.take(&result, Some(place));
        }
        for errand in port.wire().results(&job)? {
            let mut place = 0;
            port.lines(&errand, |line| {
                if line.trim_ascii().is_empty() {
                    return;
                }
                match serde_json::from_slice(line) {
                    Ok(value) => self.take(&value, Some(place)),
                    Err(_) => self.unread += 1,
                }
                place += 1;
            })
            .await?;
        }
        Ok(job)
    }

    /// Takes a result. Of two for one item the first counts.
    fn take(&mut self, result: &Value, place: Option<usize>) {
        let Ok(outcome) = self.port.wire().result(result) else {
            self.unread += 1;
            return;
        };
        let place = match &outcome.key {
            Some(key) => self.record.id.number_of(key).and_then(|number| self.numbers.binary_search(&number).ok()),
            None => place,
        };
        match place.and_then(|place| self.fates.get_mut(place)) {
            Some(fate @ None) => *fate = Some(outcome.fate),
            _ => self.strange += 1,
        }
    }

    /// Whether what has no result was left out by the vendor, and so cost nothing: the job ended early, everything was
    /// read, and the vendor counts no more answers than came.
    fn is_left_out(&self, vendor: &VendorJob) -> bool {
        let ended = self.job().ended.unwrap_or(self.job().state);
        let is_early = matches!(ended, JobState::Cancelled | JobState::Expired | JobState::Failed);
        let came =
            self.fates.iter().flatten().filter(|fate| matches!(fate, Fate::Answer { status: 200..300, .. })).count();
        is_early && self.unread == 0 && vendor.answered.is_none_or(|answered| answered <= came as u64)
    }

    /// Settles and voids the job's items; `vendor` where all its results were read.
    async fn settle(self, all: &mut Collected, vendor: Option<&VendorJob>) -> Result<(), Error> {
        all.strange_lines += self.strange + self.unread;
        let is_left_out = vendor.is_some_and(|vendor| self.is_left_out(vendor));
        let ended = self.job().ended.unwrap_or(self.job().state);
        let (mut settles, mut voids): (Vec<Settle>, Vec<(AttemptId, &str)>) = (Vec::new(), Vec::new());
        let endpoint = self.port.endpoint().clone();
        for (number, fate) in self.numbers.iter().zip(self.fates) {
            let (item, attempt) = (&mut all.items[*number], self.record.id.item(*number).attempt(1));
            let fate = fate.or(match (is_left_out, ended) {
                (false, _) => None,
                (true, JobState::Expired) => Some(Fate::Expired),
                (true, JobState::Failed) => {
                    Some(Fate::Failed(Box::new(failed(self.record.jobs[self.at].error.as_deref()))))
                }
                (true, _) => Some(Fate::Cancelled),
            });
            let Some(fate) = fate else {
                item.outcome = if vendor.is_some() { ItemOutcome::Missing } else { ItemOutcome::Pending };
                continue;
            };
            let till = || {
                (meter(self.client, &self.items[*number], &endpoint, self.record, self.at), self.items[*number].reserve)
            };
            match fate {
                Fate::Cancelled => {
                    item.outcome = ItemOutcome::Cancelled;
                    voids.push((attempt, "the batch was cancelled before it was answered"));
                }
                Fate::Expired => {
                    item.outcome = ItemOutcome::Expired;
                    voids.push((attempt, "the batch expired before it was answered"));
                }
                Fate::Failed(error) => settles.push(fail(self.client, item, till(), &attempt, *error)),
                Fate::Answer { status, body } => {
                    let settle = match decode(&endpoint, status, &body, self.items[*number].texts) {
                        Ok(Came::Reply(reply)) => answer(self.client, item, till(), &attempt, *reply),
                        Ok(Came::Vectors(vectors)) => embedded(self.client, item, till(), &attempt, *vectors),
                        Err(error) => fail(self.client, item, till(), &attempt, error),
                    };
                    settles.push(settle);
                }
            }
        }
        write(self.client, settles, voids).await
    }
}

fn failed(said: Option<&str>) -> ProviderError {
    let text = said.unwrap_or("the vendor's job failed before the item was answered");
    ProviderError::new(Kind::Server, Retry::Elsewhere, text).with_status(500)
}

/// What an item brought.
enum Came {
    Reply(Box<Reply>),
    Vectors(Box<Embedded>),
}

/// Reads what came for an item, of `texts` texts where vectors were asked for.
fn decode(endpoint: &Endpoint, status: u16, body: &Value, texts: Option<usize>) -> Result<Came, ProviderError> {
    let body = body.to_string();
    let response = HttpResponse { status, headers: Headers::NONE, body: body.as_bytes() };
    if endpoint.api == Api::Embeddings {
        let vectors = embeddings::decode(response, &endpoint.dialect)?;
        return embeddings::checked(vectors, texts.unwrap_or(1)).map(|vectors| Came::Vectors(Box::new(vectors)));
    }
    let wire = for_api(endpoint.api).ok_or_else(|| ProviderError::protocol("no wire speaks the endpoint's format"))?;
    wire.decode(response, &endpoint.dialect).map(|reply| Came::Reply(Box::new(reply)))
}

/// What an item's cost is computed from, and what was set aside for it.
type Till = (Option<Meter>, Usd);

/// What an item's cost is computed from. A model that has left the catalogue costs what was set aside for it.
fn meter(client: &Client, item: &ItemRecord, endpoint: &Arc<Endpoint>, record: &Record, at: usize) -> Option<Meter> {
    let offers = &client.inner.offers;
    let card = |model| offers.find(model).map(|row| offers.rows()[row].card().clone());
    let prices = Prices {
        card: card(&item.model)?,
        endpoint: endpoint.clone(),
        baseline: item.baseline.as_ref().and_then(card),
        lane: Some(ServiceTier::Batch),
        reserve: item.reserve,
        input_roughly: item.input,
    };
    Some(Meter::new(prices, record.jobs[at].sent_at.unwrap_or(record.made_at)))
}

fn answer(client: &Client, item: &mut BatchItem, till: Till, attempt: &AttemptId, mut reply: Reply) -> Settle {
    // Some vendors repeat the words of an ordinary call; the item was answered in a batch, and is billed so.
    reply.usage.service_tier = Some(ServiceTier::Batch);
    let settle = match till {
        (Some(mut meter), _) => {
            meter.see_reply(&reply);
            meter.settle(attempt, Ending::Answered, None, client.inner.clock.now())
        }
        (None, reserve) => unpriced(client, reserve, attempt, Ending::Answered, &reply),
    };
    note(item, &settle);
    item.outcome = ItemOutcome::Answered(Box::new(reply));
    settle
}

fn embedded(client: &Client, item: &mut BatchItem, till: Till, attempt: &AttemptId, mut came: Embedded) -> Settle {
    came.usage.service_tier = Some(ServiceTier::Batch);
    let settle = match till {
        (Some(mut meter), _) => {
            meter.see_usage(came.usage.clone());
            meter.settle(attempt, Ending::Answered, None, client.inner.clock.now())
        }
        (None, reserve) => {
            let reply = Reply { usage: came.usage.clone(), ..Reply::default() };
            unpriced(client, reserve, attempt, Ending::Answered, &reply)
        }
    };
    note(item, &settle);
    item.outcome = ItemOutcome::Embedded(Box::new(came));
    settle
}

fn fail(client: &Client, item: &mut BatchItem, till: Till, attempt: &AttemptId, error: ProviderError) -> Settle {
    let ending = Ending::Failed(error.kind);
    let settle = match till {
        (Some(meter), _) => meter.settle(attempt, ending, Some(&error), client.inner.clock.now()),
        (None, _) if error.status.is_some_and(|status| status >= 400) => {
            unpriced(client, Usd::ZERO, attempt, ending, &Reply::default())
        }
        (None, reserve) => unpriced(client, reserve, attempt, ending, &Reply::default()),
    };
    note(item, &settle);
    item.outcome = ItemOutcome::Failed(Box::new(error));
    settle
}

/// The most that was set aside, since nothing says what it cost.
fn unpriced(client: &Client, cost: Usd, attempt: &AttemptId, ending: Ending, reply: &Reply) -> Settle {
    Settle {
        attempt: attempt.clone(),
        at: client.inner.clock.now(),
        cost,
        lines: Vec::new(),
        usage: reply.usage.clone(),
        basis: Basis::Unknown,
        ending,
        latency: crate::time::Span::ZERO,
        first_token: None,
        baseline_cost: None,
    }
}

fn note(item: &mut BatchItem, settle: &Settle) {
    item.cost = settle.cost;
    item.lines = settle.lines.clone();
}

/// Writes endings. What has ended already stays as it is: collecting twice has one effect.
async fn write(client: &Client, settles: Vec<Settle>, voids: Vec<(AttemptId, &str)>) -> Result<(), Error> {
    let store = &client.inner.store;
    let mut writing =
        futures_util::stream::iter(settles).map(|entry| store.settle(entry)).buffer_unordered(ENTRIES_AT_ONCE);
    while let Some(outcome) = writing.next().await {
        match outcome {
            Ok(posted) => client.inner.alerts.tell(posted.alerts),
            Err(error) if is_over_already(&error) => {}
            Err(error) => return Err(Error::Ledger(error)),
        }
    }
    let mut by_reason: std::collections::BTreeMap<&str, Vec<AttemptId>> = std::collections::BTreeMap::new();
    for (attempt, why) in voids {
        by_reason.entry(why).or_default().push(attempt);
    }
    for (why, attempts) in by_reason {
        void(client, attempts, why).await?;
    }
    Ok(())
}
