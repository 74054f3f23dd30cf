//! Answers that came from a cache of the caller's own: they cost nothing, and the account says what they saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, ModelId, RequestId, VendorId};
use crate::ledger::{Basis, Ending, Facts, Purpose, Reserve, Settle, tags_of};
use crate::model::Tier;
use crate::money::Usd;
use crate::time::Span;
use crate::usage::Usage;

use super::{Client, Error, Response};

/// What to write down when a cached answer is given again. It is plain data, to be kept in the cache beside the answer.
///
/// ```no_run
/// # use tierway::{Client, Request, client::CacheHit};
/// # async fn example(client: Client, request: Request) -> Result<(), tierway::Error> {
/// let response = client.send(&request).await?;
/// let hit = CacheHit::of(&response);
/// // Later, when the same question comes again and your cache answers it:
/// client.record_hit(&hit).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheHit {
    /// The model that gave the answer.
    pub model: ModelId,
    /// Who served it.
    pub vendor: VendorId,
    /// Where.
    pub endpoint: EndpointId,
    /// The model's tier.
    pub tier: Tier,
    /// The model against which savings are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ModelId>,
    /// What a hit saves: what the answer would have cost on the baseline, or where that has no price, what it did cost.
    pub saved: Usd,
    /// The caller's own names: those of the request that was paid for, unless others are put here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl CacheHit {
    /// What a hit on this answer is.
    pub fn of(response: &Response) -> CacheHit {
        let route = &response.route;
        CacheHit {
            model: route.model.clone(),
            vendor: route.vendor.clone(),
            endpoint: route.endpoint.clone(),
            tier: route.tier,
            baseline: route.baseline.clone(),
            saved: response.baseline_cost.unwrap_or(response.cost),
            tags: route.plan.request().tags.clone(),
        }
    }
}

impl Client {
    /// Writes down that a cache of the caller's own gave this answer again: an entry of nothing, with what that saved.
    /// It draws on no budget and no rate, and its time counts in no percentile.
    ///
    /// # Errors
    /// `Ledger` where the account cannot be kept, or `saved` is below zero.
    pub async fn record_hit(&self, hit: &CacheHit) -> Result<RequestId, Error> {
        let inner = &self.inner;
        inner.check_fork()?;
        let now = inner.clock.now();
        let (request, _) = inner.ids.next(now);
        let attempt = request.attempt(1);
        let settle = Settle {
            attempt: attempt.clone(),
            at: now,
            cost: Usd::ZERO,
            lines: Vec::new(),
            usage: Usage::default(),
            basis: Basis::Reported,
            ending: Ending::Answered,
            latency: Span::default(),
            first_token: None,
            baseline_cost: Some(hit.saved),
        };
        settle.check().map_err(Error::Ledger)?;
        let reserve = Reserve {
            attempt,
            request: request.clone(),
            at: now,
            facts: Facts {
                model: hit.model.clone(),
                vendor: hit.vendor.clone(),
                endpoint: hit.endpoint.clone(),
                tier: hit.tier,
                purpose: Purpose::Cached,
                key: None,
                tags: tags_of(&hit.tags),
            },
            amount: Usd::ZERO,
            tokens_max: 0,
            baseline: hit.baseline.clone(),
        };
        inner.store.reserve(reserve).await.map_err(Error::Ledger)?;
        inner.store.settle(settle).await.map_err(Error::Ledger)?;
        Ok(request)
    }
}
