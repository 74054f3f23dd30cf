//! How each endpoint fares: a breaker, a rest that the vendor asked for, latency and calls under way, as plain values.
//!
//! A breaker opens after failures in a row and lets one probe through after a while; each further failure doubles the
//! while. What counts as a failure is the endpoint's own fault: a refused request is the caller's and counts as none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;
use crate::snapshot::{Latencies, RetryBucket};
use crate::time::{Span, Timestamp};

/// When breakers open and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthRules {
    /// Failures in a row that open a breaker. Five, as the common service meshes have it.
    pub failures_to_open: u32,
    /// How long it stays open the first time.
    pub open_ms: Span,
    /// The longest it stays open.
    pub open_ms_max: Span,
}

impl Default for HealthRules {
    fn default() -> HealthRules {
        HealthRules { failures_to_open: 5, open_ms: Span::from_secs(30), open_ms_max: Span::from_secs(300) }
    }
}

/// Whether an endpoint is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breaker {
    /// It is.
    Closed {
        /// Failures in a row so far.
        failures: u32,
    },
    /// It is not, until then.
    Open {
        /// When a probe may be sent.
        until: Timestamp,
        /// How often it opened in a row.
        times: u32,
    },
    /// One probe is under way.
    HalfOpen {
        /// When another may be sent, should this one never end.
        until: Timestamp,
        /// How often it opened in a row.
        times: u32,
    },
}

/// How a call ended, as far as its endpoint's health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It answered, the whole call taking this long.
    Answered(Span),
    /// It failed by its own fault: refused, timed out, broke, answered nonsense.
    Failed,
    /// It asked for a rest until then, or for one of unsaid length.
    Limited(Option<Timestamp>),
    /// It ended for reasons that say nothing about it.
    Neutral,
}

/// One endpoint's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    breaker: Breaker,
    rests_until: Timestamp,
    latency_ms: Option<u64>,
    outstanding: u32,
    retries: RetryBucket,
    whole: Latencies,
    first_piece: Latencies,
}

impl Default for Health {
    fn default() -> Health {
        Health {
            breaker: Breaker::Closed { failures: 0 },
            rests_until: Timestamp::EPOCH,
            latency_ms: None,
            outstanding: 0,
            retries: RetryBucket::default(),
            whole: Latencies::default(),
            first_piece: Latencies::default(),
        }
    }
}

impl Health {
    /// The breaker.
    pub fn breaker(&self) -> Breaker {
        self.breaker
    }

    /// Latency of whole calls, an average that halves the past every three calls; `None` before the first.
    pub fn latency(&self) -> Option<Span> {
        self.latency_ms.map(Span::from_ms)
    }

    /// Calls under way.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// From when on it may be called: now or earlier where it is well.
    pub fn ready_at(&self) -> Timestamp {
        match self.breaker {
            Breaker::Closed { .. } => self.rests_until,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } => until.max(self.rests_until),
        }
    }

    /// Whether it may be called now.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        self.ready_at() <= now
    }

    /// What a call would wait for, roughly: the latency once for each call under way and once for its own. Unknown
    /// latency counts as the shortest, so that a fresh endpoint is tried, and fresh ones share a burst.
    pub fn load(&self) -> u64 {
        self.latency_ms.unwrap_or(1).max(1).saturating_mul(u64::from(self.outstanding) + 1)
    }

    /// How long the endpoint takes to say something: to its first piece of a stream, to its whole answer otherwise.
    pub fn latencies(&self, is_stream: bool) -> &Latencies {
        if is_stream { &self.first_piece } else { &self.whole }
    }

    fn begin(&mut self, now: Timestamp, rules: &HealthRules) {
        self.outstanding = self.outstanding.saturating_add(1);
        if let Breaker::Open { times, .. } | Breaker::HalfOpen { times, .. } = self.breaker {
            self.breaker = Breaker::HalfOpen { until: now.after(open_span(times, rules)), times };
        }
    }

    fn end(&mut self, fate: Fate, now: Timestamp, rules: &HealthRules) {
        self.outstanding = self.outstanding.saturating_sub(1);
        match fate {
            Fate::Answered(took) => {
                self.breaker = Breaker::Closed { failures: 0 };
                let sample = took.ms();
                self.latency_ms = Some(self.latency_ms.map_or(sample, |past| past - past / 5 + sample / 5));
                self.whole.note(took);
            }
            Fate::Failed => self.fail(now, rules),
            Fate::Limited(until) => {
                let until = until.unwrap_or(now.after(Span::from_secs(1)));
                self.rests_until = self.rests_until.max(until);
            }
            Fate::Neutral => self.reopen_probe(now),
        }
    }

    fn fail(&mut self, now: Timestamp, rules: &HealthRules) {
        let open = |times: u32| Breaker::Open { until: now.after(open_span(times, rules)), times };
        self.breaker = match self.breaker {
            Breaker::Closed { failures } if failures + 1 < rules.failures_to_open.max(1) => {
                Breaker::Closed { failures: failures + 1 }
            }
            Breaker::Closed { .. } => open(1),
            Breaker::HalfOpen { times, .. } => open(times.saturating_add(1)),
            already @ Breaker::Open { .. } => already,
        };
    }

    /// A probe that proved nothing leaves the place to the next one.
    fn reopen_probe(&mut self, now: Timestamp) {
        if let Breaker::HalfOpen { times, .. } = self.breaker {
            self.breaker = Breaker::Open { until: now, times };
        }
    }
}

fn open_span(times: u32, rules: &HealthRules) -> Span {
    let doubled = rules.open_ms.ms().saturating_mul(1 << times.saturating_sub(1).min(20));
    Span::from_ms(doubled.min(rules.open_ms_max.ms()))
}

/// The health of every endpoint that was called. A value: the client keeps one and shows copies to decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthBook {
    rules: HealthRules,
    endpoints: BTreeMap<EndpointId, Health>,
}

impl HealthBook {
    /// An empty book with these rules.
    pub fn new(rules: HealthRules) -> HealthBook {
        HealthBook { rules, endpoints: BTreeMap::new() }
    }

    /// Whether no endpoint was called yet.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// The state of an endpoint, if it was ever called.
    pub fn of(&self, endpoint: &EndpointId) -> Option<&Health> {
        self.endpoints.get(endpoint)
    }

    /// Every endpoint that was called, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&EndpointId, &Health)> {
        self.endpoints.iter()
    }

    /// Whether an endpoint may be called now.
    pub fn is_ready(&self, endpoint: &EndpointId, now: Timestamp) -> bool {
        self.of(endpoint).is_none_or(|health| health.is_ready(now))
    }

    /// Notes that a call begins. Each begin has one end.
    pub fn begin(&mut self, endpoint: &EndpointId, now: Timestamp) {
        let rules = self.rules;
        self.entry(endpoint).begin(now, &rules);
    }

    /// Notes how a call ended.
    pub fn end(&mut self, endpoint: &EndpointId, fate: Fate, now: Timestamp) {
        let rules = self.rules;
        self.entry(endpoint).end(fate, now, &rules);
    }

    /// Notes that a stream's first piece came after this long.
    pub fn first_piece(&mut self, endpoint: &EndpointId, took: Span) {
        self.entry(endpoint).first_piece.note(took);
    }

    /// Notes that a call was given up for a faster one after this long without a word. It counts as having taken that
    /// long: were it left out, the slow calls would be missing and the percentile would sink with every hedge.
    pub fn outrun(&mut self, endpoint: &EndpointId, is_stream: bool, took: Span) {
        let entry = self.entry(endpoint);
        match is_stream {
            true => entry.first_piece.note(took),
            false => entry.whole.note(took),
        }
    }

    /// Earns a part of a retry: once for each call that is no retry.
    pub fn earn_retry(&mut self, endpoint: &EndpointId) {
        self.entry(endpoint).retries.earn();
    }

    /// Takes a retry from the endpoint's budget, or says that there is none.
    #[must_use]
    pub fn take_retry(&mut self, endpoint: &EndpointId) -> bool {
        self.entry(endpoint).retries.take()
    }

    fn entry(&mut self, endpoint: &EndpointId) -> &mut Health {
        if !self.endpoints.contains_key(endpoint) {
            self.endpoints.insert(endpoint.clone(), Health::default());
        }
        self.endpoints.get_mut(endpoint).expect("it was inserted above")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a breaker a script: `f` a failed call, `a` an answered one, `n` a neutral one, `+30` seconds pass; then
    /// names its state.
    #[track_caller]
    fn check(script: &str, want: &str) {
        let endpoint = EndpointId::new("e").unwrap();
        let mut book = HealthBook::default();
        let mut now = Timestamp::EPOCH;
        for word in script.split_whitespace() {
            if let Some(secs) = word.strip_prefix('+') {
                now = now.after(Span::from_secs(secs.parse().unwrap()));
                continue;
            }
            for letter in word.chars() {
                let fate = match letter {
                    'f' => Fate::Failed,
                    'a' => Fate::Answered(Span::from_ms(100)),
                    'l' => Fate::Limited(Some(now.after(Span::from_secs(7)))),
                    _ => Fate::Neutral,
                };
                book.begin(&endpoint, now);
                book.end(&endpoint, fate, now);
            }
        }
        let health = book.of(&endpoint).unwrap();
        let state = match health.breaker() {
            Breaker::Closed { failures } => format!("closed {failures}"),
            Breaker::Open { times, .. } => format!("open {times}"),
            Breaker::HalfOpen { .. } => "half-open".to_owned(),
        };
        let wait = health.ready_at().since(now).ms() / 1_000;
        assert_eq!(format!("{state}, ready in {wait} s"), want, "{script}");
        assert_eq!(health.outstanding(), 0);
    }

    #[test]
    fn opens_after_five_failures_in_a_row_and_probes() {
        check("ffff", "closed 4, ready in 0 s");
        check("ffffaf", "closed 1, ready in 0 s");
        check("fffff", "open 1, ready in 30 s");
        check("fffff +30", "open 1, ready in 0 s");
        check("fffff +30 a", "closed 0, ready in 0 s");
        check("fffff +30 f", "open 2, ready in 60 s");
        check("fffff +30 f +60 f +120 f +240 f +300 f", "open 6, ready in 300 s");
        check("fffff +30 n", "open 1, ready in 0 s");
        check("fnnnnffff", "open 1, ready in 30 s");
        check("l", "closed 0, ready in 7 s");
    }

    #[test]
    fn one_probe_at_a_time() {
        let endpoint = EndpointId::new("e").unwrap();
        let mut book = HealthBook::default();
        let mut now = Timestamp::EPOCH;
        for _ in 0..5 {
            book.begin(&endpoint, now);
            book.end(&endpoint, Fate::Failed, now);
        }
        assert!(!book.is_ready(&endpoint, now));
        now = now.after(Span::from_secs(30));
        assert!(book.is_ready(&endpoint, now));
        book.begin(&endpoint, now);
        assert!(!book.is_ready(&endpoint, now), "a probe is under way");
        assert!(book.is_ready(&endpoint, now.after(Span::from_secs(30))), "a lost probe does not close it for ever");
    }
}
