//! What the rules come to for most requests and models, in a few comparisons: who passes here is refused by none.

use super::context;
use super::{Facts, Parameters};
use crate::model::Tier;
use crate::request::ModelChoice;
use crate::snapshot::{Brief, CapabilitySet};
use crate::time::Timestamp;

/// What a request and a policy ask of every model, worked out once: a decision asks hundreds of models.
pub(super) struct Gate {
    /// Whether the rules ask nothing of models but what stands here.
    is_plain: bool,
    capabilities: CapabilitySet,
    tokens: u64,
    tiers: (Tier, Tier),
    has_stop: bool,
    now: Timestamp,
}

impl Gate {
    pub(super) fn of(facts: &Facts<'_>) -> Gate {
        let Facts { request, policy, snapshot, needs, .. } = facts;
        let lists = policy.vendors.is_open() && policy.models.is_open();
        let lane = !needs.batch && needs.texts.is_none();
        let is_asked = request.model == ModelChoice::Auto && policy.parameters != Parameters::Strict;
        let cap = snapshot.tier_cap().map_or(Tier::Frontier, |cap| cap.tier);
        Gate {
            is_plain: lists && lane && is_asked && !facts.weighs_cost(),
            capabilities: needs.capabilities,
            tokens: context::wanted(needs),
            tiers: (policy.min_tier.unwrap_or(Tier::Local), policy.max_tier.unwrap_or(Tier::Frontier).min(cap)),
            has_stop: !request.sampling.stop.is_empty(),
            now: snapshot.now(),
        }
    }

    /// Whether no rule refuses a model. Where this is `false`, the rules say whether one does.
    #[inline]
    pub(super) fn passes(&self, brief: &Brief) -> bool {
        self.is_plain
            && !brief.is_retired
            && self.tokens <= brief.context_window
            && self.capabilities.minus(brief.capabilities).is_empty()
            && self.tiers.0 <= brief.tier
            && brief.tier <= self.tiers.1
            && (brief.takes_stop || !self.has_stop)
            && brief.is_surely_priced(self.now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::money::Usd;
    use crate::policy::refusal::RuleSet;
    use crate::policy::{List, Model, Needs, Policy, check_model};
    use crate::request::{Request, ResponseFormat};
    use crate::snapshot::{Headroom, Offers, Reach, Snapshot, TierCap};

    fn requests() -> Vec<Request> {
        let plain = Request::user("What is 2 + 2?").unwrap();
        let changed = |change: &dyn Fn(&mut crate::request::RequestDraft)| {
            let mut draft = plain.to_draft();
            change(&mut draft);
            Request::try_from(draft).unwrap()
        };
        let named = ModelChoice::Only(crate::id::ModelId::new("openai/gpt-4o").unwrap());
        vec![
            changed(&|draft| draft.sampling.stop = vec!["END".into()]),
            changed(&|draft| draft.sampling.temperature = Some(0.5)),
            changed(&|draft| draft.format = Some(ResponseFormat::JsonObject)),
            changed(&|draft| draft.sampling.logprobs = Some(0)),
            changed(&|draft| draft.model = named.clone()),
            Request::user("word ".repeat(60_000)).unwrap(),
            plain,
        ]
    }

    fn policies() -> Vec<Policy> {
        let vendor = crate::id::VendorId::new("openai").unwrap();
        vec![
            Policy::default(),
            Policy { min_tier: Some(Tier::Standard), ..Policy::default() },
            Policy { max_tier: Some(Tier::Economy), ..Policy::default() },
            Policy { max_cost: Some(Usd::from_pico(1_000_000_000)), ..Policy::default() },
            Policy { vendors: List { deny: [vendor].into(), ..List::default() }, ..Policy::default() },
            Policy { models: List { deny: ["gpt*".parse().unwrap()].into(), ..List::default() }, ..Policy::default() },
            Policy { parameters: Parameters::Strict, ..Policy::default() },
        ]
    }

    fn snapshots() -> Vec<Snapshot> {
        let catalog = Catalog::builtin();
        let offers = Arc::new(Offers::new(catalog.cards().iter().cloned(), catalog.endpoints().iter().cloned()));
        let at = |ms| Snapshot::new(offers.clone(), Timestamp::from_ms(ms));
        let cap = TierCap { budget: "all".into(), tier: Tier::Economy };
        let headroom = Headroom { budget: "all".into(), left: Usd::from_pico(1), reach: Reach::default() };
        let now = 1_790_000_000_000;
        vec![at(now), at(1_500_000_000_000), at(now).with_tier_cap(Some(cap)), at(now).with_headroom([headroom])]
    }

    #[test]
    fn who_passes_is_refused_by_no_rule_and_few_others_are_admitted() {
        let (mut passed, mut asked_in_vain, mut refused) = (0, 0, 0);
        for (request, policy, snapshot) in requests().iter().flat_map(|request| {
            let with = move |policy: Policy| snapshots().into_iter().map(move |at| (request, policy.clone(), at));
            policies().into_iter().flat_map(with)
        }) {
            for needs in [Needs::of(request), Needs::of(request).with_batch(), Needs::of_embedding(request)] {
                let facts = Facts::new(request, &policy, &snapshot, &needs);
                let gate = Gate::of(&facts);
                for row in snapshot.offers().rows() {
                    let mut verdict = RuleSet::default();
                    check_model(&facts, &Model::of(&facts, row.card(), row.brief()), &mut verdict);
                    match (gate.passes(row.brief()), verdict.is_empty()) {
                        (true, admitted) => {
                            assert!(admitted, "{} passes and is refused by {verdict:?}", row.card().id);
                            passed += 1;
                        }
                        (false, true) if gate.is_plain => asked_in_vain += 1,
                        _ => refused += 1,
                    }
                }
            }
        }
        assert!(passed > 5_000 && refused > 10_000, "{passed} passed, {refused} refused");
        assert!(asked_in_vain * 10 < passed, "{asked_in_vain} were let through by the rules alone");
    }
}
