//! Sums in the making: an attempt that is like one before it is added without making a key of text.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use crate::id::{EndpointId, ModelId, VendorId};
use crate::ledger::hash::Seed;
use crate::ledger::rollup::{self, VOIDED, hour_of};
use crate::ledger::{ClassKey, Ending, Facts, Measure, Purpose, Reserve, Rollup, Settle, Sums, TagKey, class_of};
use crate::model::Tier;
use crate::time::{Span, Timestamp};

/// What a `Rollup` is made from. Adding to it costs a tenth of a microsecond where a rollup's own tables cost one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    /// Where in `groups` attempts with this hash are.
    places: HashMap<u64, Vec<usize>, Seed>,
    groups: Vec<Group>,
    /// By tags, which are as many as the caller likes.
    tagged: Rollup,
}

/// Attempts that have in common what a cell of a rollup is named by.
#[derive(Clone, Debug)]
struct Group {
    hour: Timestamp,
    model: ModelId,
    vendor: VendorId,
    endpoint: EndpointId,
    tier: Tier,
    purpose: Purpose,
    ending: &'static str,
    basis: &'static str,
    sums: Sums,
    /// Attempts by class of their time: few classes, in order of their first use.
    latencies: Vec<(u8, u64)>,
    first_tokens: Vec<(u8, u64)>,
}

impl Group {
    fn is_of(&self, hour: Timestamp, facts: &Facts, ending: &str, basis: &str) -> bool {
        self.hour == hour
            && self.tier == facts.tier
            && self.purpose == facts.purpose
            && self.ending == ending
            && self.basis == basis
            && self.model == facts.model
            && self.vendor == facts.vendor
            && self.endpoint == facts.endpoint
    }
}

impl Running {
    /// Adds a settled attempt.
    pub(crate) fn settle(&mut self, reserve: &Reserve, entry: &Settle) {
        let sums = Sums::of(reserve, entry);
        let hour = hour_of(reserve.at);
        let group = self.group(hour, &reserve.facts, entry.ending.as_str(), entry.basis.as_str());
        group.sums.add(&sums);
        if entry.ending == Ending::Answered && reserve.facts.purpose != Purpose::Cached {
            count(&mut group.latencies, entry.latency);
            entry.first_token.iter().for_each(|span| count(&mut group.first_tokens, *span));
        }
        for (name, value) in reserve.facts.tags.iter() {
            let key = TagKey { hour, name: name.clone(), value: value.clone() };
            self.tagged.tags.entry(key).or_default().add(&sums);
        }
    }

    /// Adds a voided attempt.
    pub(crate) fn void(&mut self, reserve: &Reserve) {
        self.group(hour_of(reserve.at), &reserve.facts, VOIDED, "").sums.attempts += 1;
    }

    /// Sums by tag, to be thinned where they are too many.
    pub(crate) fn tags_mut(&mut self) -> &mut std::collections::BTreeMap<TagKey, Sums> {
        &mut self.tagged.tags
    }

    /// The sums as they stand.
    pub(crate) fn rollup(&self) -> Rollup {
        let mut rollup = self.tagged.clone();
        for group in &self.groups {
            rollup.cells.entry(group.key()).or_default().add(&group.sums);
            for (measure, classes) in [(Measure::Latency, &group.latencies), (Measure::FirstToken, &group.first_tokens)]
            {
                for (class, attempts) in classes {
                    *rollup.classes.entry(group.class(measure, *class)).or_default() += attempts;
                }
            }
        }
        rollup
    }

    fn group(&mut self, hour: Timestamp, facts: &Facts, ending: &'static str, basis: &'static str) -> &mut Group {
        let hash = hash_of(hour, facts, ending, basis);
        let places = self.places.entry(hash).or_default();
        let found = places.iter().copied().find(|at| self.groups[*at].is_of(hour, facts, ending, basis));
        let at = found.unwrap_or_else(|| {
            places.push(self.groups.len());
            self.groups.push(Group {
                hour,
                model: facts.model.clone(),
                vendor: facts.vendor.clone(),
                endpoint: facts.endpoint.clone(),
                tier: facts.tier,
                purpose: facts.purpose,
                ending,
                basis,
                sums: Sums::default(),
                latencies: Vec::new(),
                first_tokens: Vec::new(),
            });
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }
}

impl Group {
    fn key(&self) -> rollup::CellKey {
        rollup::CellKey {
            hour: self.hour,
            model: self.model.as_str().to_owned(),
            vendor: self.vendor.as_str().to_owned(),
            endpoint: self.endpoint.as_str().to_owned(),
            tier: self.tier.as_str().to_owned(),
            purpose: self.purpose.as_str().to_owned(),
            ending: self.ending.to_owned(),
            basis: self.basis.to_owned(),
        }
    }

    fn class(&self, measure: Measure, class: u8) -> ClassKey {
        ClassKey {
            hour: self.hour,
            model: self.model.as_str().to_owned(),
            vendor: self.vendor.as_str().to_owned(),
            tier: self.tier.as_str().to_owned(),
            measure,
            class,
        }
    }
}

fn count(classes: &mut Vec<(u8, u64)>, span: Span) {
    let class = class_of(span);
    match classes.iter_mut().find(|(known, _)| *known == class) {
        Some((_, attempts)) => *attempts += 1,
        None => classes.push((class, 1)),
    }
}

fn hash_of(hour: Timestamp, facts: &Facts, ending: &str, basis: &str) -> u64 {
    let mut hasher = Seed::default().build_hasher();
    hasher.write_u64(hour.ms() as u64);
    hasher.write_u64(facts.tier as u64 ^ (facts.purpose as u64) << 8);
    for text in [facts.model.as_str(), facts.vendor.as_str(), facts.endpoint.as_str(), ending, basis] {
        hasher.write(text.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Basis;
    use crate::ledger::{Fate, Row};
    use crate::money::Usd;
    use crate::usage::Usage;

    fn reserve(n: u64) -> Reserve {
        Reserve {
            attempt: format!("a{n}").parse().unwrap(),
            request: "r".parse().unwrap(),
            at: Timestamp::from_ms(1_700_000_000_000 + n as i64 * 9_000),
            facts: Facts {
                model: ["a/x", "b/y", "a/xx"][n as usize % 3].parse().unwrap(),
                vendor: "v".parse().unwrap(),
                endpoint: "e".parse().unwrap(),
                tier: Tier::Economy,
                purpose: Purpose::ALL[n as usize / 7 % Purpose::ALL.len()],
                key: None,
                tags: std::sync::Arc::new([("team".to_owned(), format!("{}", n % 3))].into()),
            },
            amount: Usd::from_pico(9),
            tokens_max: 9,
            baseline: None,
        }
    }

    fn settle(n: u64) -> Settle {
        Settle {
            attempt: format!("a{n}").parse().unwrap(),
            at: Timestamp::from_ms(1_700_000_000_000),
            cost: Usd::from_pico(n as i64),
            lines: Vec::new(),
            usage: Usage::of(n, n / 2),
            basis: Basis::ALL[n as usize % 4],
            ending: [Ending::Answered, Ending::Cut, Ending::Failed(crate::error::Kind::RateLimited)]
                [n as usize % 5 % 3],
            latency: Span::from_ms(n * n),
            first_token: n.is_multiple_of(2).then_some(Span::from_ms(n)),
            baseline_cost: Some(Usd::from_pico(3)),
        }
    }

    #[test]
    fn running_sums_equal_a_rollup_of_the_rows() {
        let (mut running, mut rollup) = (Running::default(), Rollup::default());
        for n in 0..4_000u64 {
            let (entry, end) = (reserve(n), settle(n));
            let fate = if n.is_multiple_of(11) {
                running.void(&entry);
                Fate::Voided(crate::ledger::Void { attempt: end.attempt, at: end.at, why: String::new() })
            } else {
                running.settle(&entry, &end);
                Fate::Settled(end.into())
            };
            rollup.row(&Row { seq: n, reserve: entry.into(), fate });
        }
        assert_eq!(running.rollup(), rollup);
        assert!(rollup.cells.len() > 100 && rollup.classes.len() > 100);
    }
}
