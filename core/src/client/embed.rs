//! Embeddings: routed, reserved, retried and settled as answers are, with vectors in the place of words.
//!
//! Vectors of two models cannot be compared, so a model must be named. What stands in for it is the same model at another
//! endpoint, or the same family at another vendor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, Attempts, Outcome, Step};
use crate::error::{ProviderError, Retry};
use crate::id::{DataLabel, EndpointId, ModelId};
use crate::ledger::Ending;
use crate::message::Message;
use crate::model::Api;
use crate::money::Usd;
use crate::policy::Needs;
use crate::provider::Call;
use crate::request::{ModelChoice, Request, RequestDraft, RequestError};
use crate::usage::Usage;
use crate::wire::embeddings::{EmbedUse, Embedded, texts_max};

use super::drive::{Asked, Run, given_up, no_provider};
use super::{Client, Error, Inner};

/// Calls of one request that are under way at a time.
const CALLS_AT_ONCE: usize = 4;

/// What is to be embedded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbedRequest {
    /// The model.
    pub model: ModelId,
    /// The texts; none of them empty.
    pub inputs: Vec<String>,
    /// How long the vectors should be, for models that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// What they are for, for models that tell it apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<EmbedUse>,
    /// Kinds of data that the texts hold.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<DataLabel>,
    /// The caller's own names for the ledger.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl EmbedRequest {
    /// Texts for a model.
    pub fn new(model: ModelId, inputs: impl IntoIterator<Item = impl Into<String>>) -> EmbedRequest {
        EmbedRequest {
            model,
            inputs: inputs.into_iter().map(Into::into).collect(),
            dimensions: None,
            purpose: None,
            labels: BTreeSet::new(),
            tags: BTreeMap::new(),
        }
    }
}

/// The vectors of some texts, and what they cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Embeddings {
    /// One vector a text, in the order of the texts.
    pub vectors: Vec<Vec<f32>>,
    /// The model that made them; of several calls the last one's.
    pub model: ModelId,
    /// Where.
    pub endpoint: EndpointId,
    /// Tokens that the vendor counted; none where it counts none.
    pub usage: Usage,
    /// What they cost, every attempt included.
    pub cost: Usd,
    /// How many calls were made for them.
    pub calls: usize,
}

pub(super) async fn embed(client: &Client, request: &EmbedRequest) -> Result<Embeddings, Error> {
    let inner = &client.inner;
    inner.check_fork()?;
    check(request)?;
    let (family, most) = family(inner, &request.model);
    let others = &family;
    let count = request.inputs.len().div_ceil(most);
    let mut made = futures_util::stream::iter(request.inputs.chunks(most))
        .map(|texts| async move { one_of(client, request, others, texts).await })
        .buffered(CALLS_AT_ONCE);
    let mut whole: Option<Embeddings> = None;
    while let Some(more) = made.next().await {
        let more = more?;
        whole = Some(match whole {
            None => more,
            Some(before) => join(before, more)?,
        });
    }
    let mut whole = whole.expect("a request with texts has a call");
    whole.calls = count;
    Ok(whole)
}

pub(super) fn check(request: &EmbedRequest) -> Result<(), Error> {
    if request.inputs.is_empty() {
        return Err(RequestError::new("inputs", "there are none: add at least one text").into());
    }
    if let Some(at) = request.inputs.iter().position(|text| text.trim().is_empty()) {
        return Err(
            RequestError::new(format!("inputs[{at}]"), "it is empty: vendors refuse that, so leave it out").into()
        );
    }
    match request.dimensions {
        Some(0) => Err(RequestError::new("dimensions", "it is 0: ask for at least one, or leave it out").into()),
        _ => Ok(()),
    }
}

/// The other rows whose vectors are those of the named model, and how many texts a call to any of them takes.
fn family(inner: &Inner, named: &ModelId) -> (Vec<ModelId>, usize) {
    let offers = &inner.offers;
    let Some(wanted) = offers.find(named).map(|row| offers.rows()[row].card().clone()) else { return (Vec::new(), 1) };
    let (mut others, mut most) = (BTreeSet::new(), usize::MAX);
    for offer in offers.offers() {
        let (card, endpoint) = (offers.row_of(*offer).card(), offers.endpoint_of(*offer));
        if card.family == wanted.family && endpoint.api == Api::Embeddings {
            most = most.min(texts_max(&endpoint.dialect));
            if card.id != wanted.id {
                others.insert(card.id.clone());
            }
        }
    }
    // One that makes no embeddings has no bound, and policy says what is wrong with it.
    (others.into_iter().collect(), if most == usize::MAX { 1 } else { most })
}

/// One call to the named model; where policy lets nobody see the texts there, or nobody answers, to the same family
/// elsewhere.
async fn one_of(
    client: &Client,
    request: &EmbedRequest,
    others: &[ModelId],
    texts: &[String],
) -> Result<Embeddings, Error> {
    let named = Request::try_from(draft(request, ModelChoice::Only(request.model.clone()), texts))?;
    let first = match one(client, request, &named).await {
        Err(error) if !others.is_empty() && is_elsewhere(&error) => error,
        made => return made,
    };
    let stand_in = Request::try_from(draft(request, ModelChoice::AnyOf(others.to_vec()), texts))?;
    match one(client, request, &stand_in).await {
        // What was wrong with the named one is what the caller can act on.
        Err(Error::Refused(_)) => Err(first),
        made => made,
    }
}

/// Whether another vendor may do where one did not.
fn is_elsewhere(error: &Error) -> bool {
    match error {
        Error::Refused(_) => true,
        Error::Exhausted(exhausted) => exhausted.last_error().is_none_or(|last| last.retry != Retry::Never),
        _ => false,
    }
}

pub(super) fn draft(request: &EmbedRequest, model: ModelChoice, texts: &[String]) -> RequestDraft {
    RequestDraft {
        model,
        messages: texts.iter().map(Message::user).collect(),
        labels: request.labels.clone(),
        tags: request.tags.clone(),
        ..RequestDraft::default()
    }
}

fn join(before: Embeddings, more: Embeddings) -> Result<Embeddings, Error> {
    let lengths = [&before, &more].map(|part| part.vectors.first().map_or(0, Vec::len));
    if lengths[0] != lengths[1] {
        let reason = format!("calls brought vectors of {} and {} numbers: say how many", lengths[0], lengths[1]);
        return Err(RequestError::new("dimensions", reason).into());
    }
    let mut vectors = before.vectors;
    vectors.extend(more.vectors);
    let input = match (before.usage.input, more.usage.input) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    };
    let usage = Usage { input, ..Usage::default() };
    Ok(Embeddings { vectors, usage, cost: before.cost.saturating_add(more.cost), ..more })
}

/// The length of the vectors and what they are for.
type How = (Option<u32>, Option<EmbedUse>);

/// One call, with all its attempts.
async fn one(client: &Client, asked: &EmbedRequest, texts: &Request) -> Result<Embeddings, Error> {
    let inner = &client.inner;
    let needs = Needs::of_embedding(texts);
    let moment = inner.moment();
    let now = moment.now;
    let plan = inner.decide_at(now, texts, &needs, &inner.direct)?;
    let rules = crate::attempt::Rules { check: false, ..inner.rules };
    let (id, seed) = inner.ids.next(now);
    let mut attempts = Attempts::new(id, plan, rules, now, seed);
    let mut run = Run::new(inner, &needs, moment);
    let how = (asked.dimensions, asked.purpose);
    let mut answer: Option<(Attempt, Embedded)> = None;
    let mut step = attempts.first(now, &inner.health());
    loop {
        let outcome = match step {
            Step::Reserve(attempt) => run.reserve(&attempts, attempt).await?,
            Step::Wait(span) => run.wait(span).await,
            Step::Send(attempt) => {
                match run.ask(&mut attempts, attempt, |call, _| vectors(inner.clone(), how, call)).await? {
                    Asked::Came { attempt, came, busy } => {
                        busy.end(None, run.moment);
                        let mut open = run.hand_over();
                        open.meter.see_usage(came.usage.clone());
                        run.take_over(open);
                        run.end(Ending::Answered, None).await?;
                        answer = Some((attempt, came));
                        Outcome::Answered { number: attempt.number }
                    }
                    Asked::Failed(outcome) => outcome,
                }
            }
            Step::Check(_) => Outcome::Passed,
            Step::Await | Step::Resume => unreachable!("hedges end with `ask`, and vectors have no rest"),
            Step::Done => break,
            Step::GiveUp(exhausted) => return Err(given_up(exhausted)),
        };
        step = run.next(&mut attempts, outcome);
    }
    let (attempt, embedded) = answer.expect("a course is done only after an answer");
    let candidate = attempts.candidate(attempt);
    Ok(Embeddings {
        vectors: embedded.vectors,
        model: candidate.model().clone(),
        endpoint: candidate.endpoint().id.clone(),
        usage: embedded.usage,
        cost: run.cost,
        calls: 1,
    })
}

/// Asks for the vectors of a call's texts.
async fn vectors(inner: Arc<Inner>, how: How, call: Call) -> Result<Embedded, ProviderError> {
    match inner.providers.embedder(&call.endpoint().id) {
        Some(port) => port.embed(&call, how.0, how.1).await,
        None => Err(no_provider(&call)),
    }
}
