//! Which item goes where: each is decided as any request, written in its vendor's format, and put into a job.

use std::collections::HashMap;
use std::sync::Arc;

use crate::client::embed::{self, EmbedRequest};
use crate::client::{Client, Error};
use crate::id::{AttemptId, BatchId, EndpointId};
use crate::ledger::{Facts, Purpose, Reserve, tags_of};
use crate::limits::BATCH_ITEMS_MAX;
use crate::plan::Candidate;
use crate::policy::Needs;
use crate::provider::Call;
use crate::request::{ModelChoice, Request, RequestError, ServiceTier};
use crate::time::Timestamp;
use crate::transport::{BatchPort, ask_of};
use crate::wire::batch::{Item, JobLimits};
use crate::wire::{Header, HttpRequest, Mode, embeddings, for_api};

use super::record::{self, ItemRecord};
use super::{BatchError, JobState};

/// How many decisions are made before other tasks get their turn: a decision takes a fraction of a millisecond.
const DECISIONS_IN_A_ROW: usize = 32;

/// What an item is to bring.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// An answer.
    Answer(Request),
    /// The vectors of some texts.
    Vectors(EmbedRequest),
}

/// A batch that is decided and of which nothing was sent.
pub(super) struct Planned {
    pub(super) items: Vec<ItemRecord>,
    pub(super) reserves: Vec<Reserve>,
    pub(super) jobs: Vec<Packed>,
}

/// A job that is ready to be sent.
pub(super) struct Packed {
    pub(super) port: Arc<BatchPort>,
    pub(super) model: String,
    pub(super) calls: Vec<Call>,
    pub(super) items: Vec<Item>,
    pub(super) headers: Vec<Header>,
    bytes: usize,
    texts: usize,
}

impl Packed {
    fn has_room(&self, limits: JobLimits, bytes: usize, texts: usize) -> bool {
        let has_texts = texts == 0 || self.texts.saturating_add(texts) <= limits.texts;
        self.items.len() < limits.items && self.bytes + bytes <= limits.bytes && has_texts
    }

    pub(super) fn record(&self) -> record::Job {
        record::Job {
            endpoint: self.port.endpoint().id.clone(),
            api: self.port.endpoint().dialect.batch.expect("an endpoint with a port has a batch API"),
            model: self.model.clone(),
            items: self.items.len(),
            state: JobState::Held,
            ended: None,
            sent_at: None,
            vendor_id: None,
            answered: None,
            failed: None,
            error: None,
        }
    }
}

/// Decides every item.
///
/// # Errors
/// The first item that is refused, with its number.
pub(super) async fn plan(client: &Client, id: &BatchId, wanted: Vec<Wanted>) -> Result<Planned, Error> {
    let count = wanted.len();
    if count == 0 {
        return Err(BatchError::Empty.into());
    }
    if count > BATCH_ITEMS_MAX {
        return Err(BatchError::TooMany { items: count }.into());
    }
    let now = client.inner.clock.now();
    let (items, reserves) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut planned = Planned { items, reserves, jobs: Vec::new() };
    let mut open: HashMap<(EndpointId, String), usize> = HashMap::new();
    for (number, wanted) in wanted.into_iter().enumerate() {
        if number % DECISIONS_IN_A_ROW == DECISIONS_IN_A_ROW - 1 {
            tokio::task::yield_now().await;
        }
        let placed = place(client, id, number, wanted, now)?;
        pack(&mut planned, &mut open, placed, number)?;
    }
    Ok(planned)
}

/// An item and where it goes.
struct Placed {
    port: Arc<BatchPort>,
    call: Call,
    record: ItemRecord,
    reserve: Reserve,
    item: Item,
    headers: Vec<Header>,
}

fn place(client: &Client, id: &BatchId, number: usize, wanted: Wanted, now: Timestamp) -> Result<Placed, Error> {
    let refused = |error: Error| Error::from(BatchError::Item { number, error: Box::new(error) });
    let (request, needs) = asked(&wanted).map_err(refused)?;
    let plan = client.inner.decide_with(&request, &needs, &client.inner.direct).map_err(refused)?;
    let port = |candidate: &Candidate| client.inner.providers.port(&candidate.endpoint().id);
    let found = plan.candidates().iter().find_map(|candidate| port(candidate).map(|port| (candidate, port)));
    let Some((candidate, port)) = found else {
        return Err(BatchError::NoPort { endpoint: plan.choice().endpoint().id.clone() }.into());
    };
    let name = id.item(number);
    let attempt = name.attempt(1);
    let call = Call::new(candidate.admission.clone(), attempt.clone(), candidate.terms.max_tokens);
    let HttpRequest { headers, body, .. } = match &wanted {
        Wanted::Vectors(wanted) => write_vectors(&call, wanted).map_err(refused)?,
        Wanted::Answer(_) => write(&call).map_err(|error| {
            let endpoint = candidate.endpoint().id.clone();
            Error::from(BatchError::Written { number, endpoint, error: Box::new(error) })
        })?,
    };
    let baseline = plan.baseline().map(|baseline| baseline.model().clone());
    let record = ItemRecord {
        model: candidate.model().clone(),
        job: 0,
        reserve: candidate.terms.reserve,
        input: needs.input_tokens.min(candidate.terms.input_tokens_max),
        baseline,
        texts: match &wanted {
            Wanted::Answer(_) => None,
            Wanted::Vectors(wanted) => Some(wanted.inputs.len()),
        },
    };
    let reserve = reserve(candidate, attempt, &record, &request, id, number, now);
    Ok(Placed { port, call, record, reserve, item: Item { key: name.as_str().to_owned(), body }, headers })
}

/// An item as a request in the lane of batches, and what it demands.
fn asked(wanted: &Wanted) -> Result<(Request, Needs), Error> {
    match wanted {
        Wanted::Answer(request) => {
            let request = in_lane(request.clone())?;
            let needs = Needs::of(&request).with_batch();
            Ok((request, needs))
        }
        Wanted::Vectors(wanted) => {
            embed::check(wanted)?;
            let only = ModelChoice::Only(wanted.model.clone());
            let request = in_lane(Request::try_from(embed::draft(wanted, only, &wanted.inputs))?)?;
            let needs = Needs::of_embedding(&request).with_batch();
            Ok((request, needs))
        }
    }
}

/// The request in the lane of batches.
fn in_lane(request: Request) -> Result<Request, Error> {
    if request.service_tier == Some(ServiceTier::Batch) {
        return Ok(request);
    }
    let mut draft = request.to_draft();
    draft.service_tier = Some(ServiceTier::Batch);
    Ok(Request::try_from(draft)?)
}

fn write(call: &Call) -> Result<HttpRequest, crate::error::ProviderError> {
    let wire = for_api(call.endpoint().api);
    let unknown = || crate::client::drive::no_provider(call);
    wire.ok_or_else(unknown)?.encode(call, Mode::Unary)
}

fn write_vectors(call: &Call, wanted: &EmbedRequest) -> Result<HttpRequest, Error> {
    let (dialect, count) = (&call.endpoint().dialect, wanted.inputs.len());
    let most = embeddings::batch_texts_max(dialect);
    if count > most {
        let reason = format!(
            "there are {count} texts, and an item of a batch at {} takes {most}: hand in several items",
            call.endpoint().id
        );
        return Err(RequestError::new("inputs", reason).into());
    }
    Ok(embeddings::write_item(&ask_of(call, wanted.dimensions, wanted.purpose), dialect))
}

fn reserve(
    candidate: &Candidate,
    attempt: AttemptId,
    record: &ItemRecord,
    request: &Request,
    id: &BatchId,
    number: usize,
    now: Timestamp,
) -> Reserve {
    Reserve {
        attempt,
        request: id.item(number),
        at: now,
        facts: Facts {
            model: candidate.model().clone(),
            vendor: candidate.endpoint().vendor.clone(),
            endpoint: candidate.endpoint().id.clone(),
            tier: candidate.card().tier,
            purpose: Purpose::Batch,
            key: None,
            tags: tags_of(&request.tags),
        },
        amount: record.reserve,
        tokens_max: candidate.terms.input_tokens_max.saturating_add(candidate.terms.max_tokens),
        baseline: record.baseline.clone(),
    }
}

/// Puts an item into the open job of its endpoint and model, or into a new one.
fn pack(
    planned: &mut Planned,
    open: &mut HashMap<(EndpointId, String), usize>,
    placed: Placed,
    number: usize,
) -> Result<(), Error> {
    let Placed { port, call, mut record, reserve, item, headers } = placed;
    let limits = port.wire().limits();
    let (bytes, texts) = (port.wire().item_bytes(&item), record.texts.unwrap_or(0));
    if bytes > limits.bytes {
        let text = format!("the item is larger than {} bytes, the most that one job takes", limits.bytes);
        let error =
            crate::error::ProviderError::new(crate::error::Kind::TooLarge, crate::error::Retry::Elsewhere, text);
        let endpoint = port.endpoint().id.clone();
        return Err(BatchError::Written { number, endpoint, error: Box::new(error.unsent()) }.into());
    }
    let model = if limits.is_one_model { call.card().wire_name.clone() } else { String::new() };
    let key = (port.endpoint().id.clone(), model.clone());
    let job = match open.get(&key).copied().filter(|at| planned.jobs[*at].has_room(limits, bytes, texts)) {
        Some(at) => at,
        None => {
            let (calls, items, headers) = (Vec::new(), Vec::new(), Vec::new());
            planned.jobs.push(Packed { port, model, calls, items, headers, bytes: 0, texts: 0 });
            open.insert(key, planned.jobs.len() - 1);
            planned.jobs.len() - 1
        }
    };
    record.job = job;
    let packed = &mut planned.jobs[job];
    packed.bytes += bytes;
    packed.texts += texts;
    packed.calls.push(call);
    packed.items.push(item);
    add_headers(&mut packed.headers, headers);
    planned.items.push(record);
    planned.reserves.push(reserve);
    Ok(())
}

/// Joins what the items' formats want to be said before the body: a list of one name is one list.
fn add_headers(all: &mut Vec<Header>, more: Vec<Header>) {
    for (name, value) in more.into_iter().filter(|(name, _)| name != "content-type") {
        match all.iter_mut().find(|(known, _)| *known == name) {
            None => all.push((name, value)),
            Some((_, had)) => {
                for word in value.split(',').map(str::trim) {
                    if !had.split(',').any(|known| known.trim() == word) {
                        had.to_mut().push(',');
                        had.to_mut().push_str(word);
                    }
                }
            }
        }
    }
}
