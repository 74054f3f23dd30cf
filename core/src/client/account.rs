//! One attempt's account: what was seen of its answer, what that costs, and that its reservation ends, come what may.

use std::borrow::Cow;
use std::sync::Arc;

use crate::catalog::{Billing, Charge};
use crate::clock::Clock;
use crate::error::ProviderError;
use crate::id::AttemptId;
use crate::ledger::{Basis, ChargeLine, End, Ending, Settle, Void};
use crate::message::{Content, Part};
use crate::model::{Endpoint, ModelCard};
use crate::money::Usd;
use crate::policy::tokens_roughly;
use crate::reply::{Delta, Reply};
use crate::request::ServiceTier;
use crate::store::Store;
use crate::time::{Span, Timestamp};
use crate::usage::Usage;

/// What an attempt's cost is computed from.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    pub(super) card: Arc<ModelCard>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) baseline: Option<Arc<ModelCard>>,
    pub(super) lane: Option<ServiceTier>,
    pub(super) reserve: Usd,
    /// Prompt tokens, roughly: what is charged where the vendor never says.
    pub(super) input_roughly: u64,
}

/// What was seen of an attempt so far.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    prices: Prices,
    started: Timestamp,
    first_piece: Option<Timestamp>,
    reported: Usage,
    delivered_roughly: u64,
}

impl Meter {
    pub(super) fn new(prices: Prices, started: Timestamp) -> Meter {
        Meter { prices, started, first_piece: None, reported: Usage::default(), delivered_roughly: 0 }
    }

    /// Counts a piece of the answer.
    pub(super) fn see(&mut self, delta: &Delta, now: impl FnOnce() -> Timestamp) {
        match delta {
            Delta::Usage { usage } => self.reported.merge(usage.clone()),
            Delta::Start { .. }
            | Delta::Continued { .. }
            | Delta::Replaced { .. }
            | Delta::Stop { .. }
            | Delta::Vendor { .. }
            | Delta::Logprobs { .. } => {}
            piece => {
                self.first_piece.get_or_insert_with(now);
                self.delivered_roughly += piece_tokens(piece);
            }
        }
    }

    /// Counts a whole answer.
    pub(super) fn see_reply(&mut self, reply: &Reply) {
        self.reported.merge(reply.usage.clone());
        let parts = reply.parts.iter().chain(reply.alternatives.iter().flat_map(|more| &more.parts));
        self.delivered_roughly += parts.map(part_tokens).sum::<u64>();
    }

    /// Counts vectors, which are no tokens of output.
    pub(super) fn see_usage(&mut self, usage: Usage) {
        self.reported.merge(Usage { output: Some(usage.output.unwrap_or(0)), ..usage });
    }

    /// The attempt's ending at its cost.
    pub(super) fn settle(
        &self,
        attempt: &AttemptId,
        ending: Ending,
        error: Option<&ProviderError>,
        now: Timestamp,
    ) -> Settle {
        let (usage, basis) = self.usage(ending, error);
        let (cost, lines, basis) = self.charge(&usage, basis, now);
        let answered = ending == Ending::Answered;
        Settle {
            attempt: attempt.clone(),
            at: now,
            cost,
            lines,
            basis,
            ending,
            latency: now.since(self.started),
            first_token: self.first_piece.map(|at| at.since(self.started)),
            baseline_cost: if answered { self.baseline_cost(&usage, now) } else { None },
            usage,
        }
    }

    /// The vendor's report; where there is none, or it is less than what came, our own count. An answer that is an
    /// error status costs nothing: vendors bill none of them.
    fn usage(&self, ending: Ending, error: Option<&ProviderError>) -> (Usage, Basis) {
        let mut usage = self.reported.clone();
        if let Some(more) = error.and_then(|error| error.usage.as_deref()) {
            usage.merge(more.clone());
        }
        if error.is_some_and(|error| error.status.is_some_and(|status| status >= 400)) {
            let basis = if usage.is_empty() { Basis::Estimate } else { Basis::Reported };
            return (usage, basis);
        }
        let whole = ending == Ending::Answered && usage.input.is_some() && usage.output.is_some();
        if whole {
            return (usage, Basis::Reported);
        }
        usage.input = usage.input.or(Some(self.prices.input_roughly));
        usage.output = Some(usage.output.unwrap_or(0).max(self.delivered_roughly));
        (usage, Basis::Estimate)
    }

    fn charge(&self, usage: &Usage, basis: Basis, now: Timestamp) -> (Usd, Vec<ChargeLine>, Basis) {
        let billing = Billing {
            lane: self.prices.lane,
            at: now,
            endpoint: Some(&self.prices.endpoint.id),
            take_stated: true,
            images: 0,
        };
        match self.prices.card.prices.charge(usage, &billing) {
            Ok(charge) if basis == Basis::Estimate => (charge.total.min(self.prices.reserve), lines(&charge), basis),
            Ok(charge) => {
                let basis = if charge.basis.is_stated { Basis::Stated } else { basis };
                (charge.total, lines(&charge), basis)
            }
            // What cannot be priced is charged at what was set aside for it: never less than it may have cost.
            Err(_) => (self.prices.reserve, Vec::new(), Basis::Unknown),
        }
    }

    /// What the same answer would have cost on the baseline: without the hidden reasoning that it may not have needed,
    /// so that savings are not overstated.
    fn baseline_cost(&self, usage: &Usage, now: Timestamp) -> Option<Usd> {
        let baseline = self.prices.baseline.as_ref()?;
        let mut visible = usage.clone();
        visible.output = usage.output.map(|output| output.saturating_sub(usage.reasoning.unwrap_or(0)));
        visible.reasoning = None;
        visible.stated_cost = None;
        visible.service_tier = None;
        let billing = Billing { lane: self.prices.lane, at: now, endpoint: None, take_stated: false, images: 0 };
        baseline.prices.charge(&visible, &billing).ok().map(|charge| charge.total)
    }

    /// Prompt and answer tokens, for the conversation's cache.
    pub(super) fn tokens_seen(&self) -> u64 {
        let input = self.reported.input.unwrap_or(self.prices.input_roughly);
        input.saturating_add(self.reported.output.unwrap_or(self.delivered_roughly))
    }

    /// From the request sent to the first piece.
    pub(super) fn first_piece(&self) -> Option<Span> {
        self.first_piece.map(|at| at.since(self.started))
    }
}

fn lines(charge: &Charge) -> Vec<ChargeLine> {
    let line = |line: &crate::catalog::ChargeLine| ChargeLine {
        class: Cow::Borrowed(line.class.as_str()),
        quantity: line.quantity,
        cost: line.amount,
    };
    charge.lines.iter().map(line).collect()
}

fn piece_tokens(delta: &Delta) -> u64 {
    match delta {
        Delta::Text { text, .. }
        | Delta::Reasoning { text, .. }
        | Delta::Refusal { text, .. }
        | Delta::Arguments { text, .. } => tokens_roughly(text),
        Delta::ToolCall { name, .. } => tokens_roughly(name) + 8,
        Delta::Part { whole, .. } => part_tokens(whole),
        Delta::Alternative { delta, .. } => piece_tokens(delta),
        _ => 0,
    }
}

fn part_tokens(part: &Part) -> u64 {
    match &part.content {
        Content::Text { text } | Content::Reasoning { text } | Content::Refusal { text } => tokens_roughly(text),
        Content::ToolCall(call) => tokens_roughly(&call.name) + tokens_roughly(&call.arguments) + 8,
        _ => 0,
    }
}

/// A reservation under way. Dropped before its end, it settles at what was delivered, or is voided where nothing was sent.
#[derive(Debug)]
pub(super) struct Open {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    attempt: AttemptId,
    pub(super) meter: Meter,
    is_sent: bool,
    is_ended: bool,
}

impl Open {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, attempt: AttemptId, meter: Meter) -> Open {
        Open { store, clock, attempt, meter, is_sent: false, is_ended: false }
    }

    /// Whose it is.
    pub(super) fn attempt(&self) -> &AttemptId {
        &self.attempt
    }

    /// From now on a byte of the request may have gone out.
    pub(super) fn sent(&mut self, now: Timestamp) {
        self.is_sent = true;
        self.meter.started = now;
    }

    /// What this ending means for the ledger.
    pub(super) fn end(&mut self, ending: Ending, error: Option<&ProviderError>, now: Timestamp) -> End {
        self.is_ended = true;
        let unsent = !self.is_sent || error.is_some_and(|error| !error.sent);
        if unsent {
            let why = error.map_or_else(
                || "the caller gave up before it was sent".to_owned(),
                |error| error.kind.as_str().to_owned(),
            );
            return End::Void(Void { attempt: self.attempt.clone(), at: now, why });
        }
        End::Settle(Box::new(self.meter.settle(&self.attempt, ending, error, now)))
    }

    /// The reservation was refused: there is nothing to end.
    pub(super) fn forget(mut self) {
        self.is_ended = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.is_ended {
            let end = self.end(Ending::Cancelled, None, self.clock.now());
            self.store.end_detached(end);
        }
    }
}
