//! Which model each conversation is with, so that it stays where its prompt is cached, while that lasts.

use std::collections::HashMap;

use crate::id::{EndpointId, ModelId, SessionId};
use crate::limits::SESSIONS_MAX;
use crate::snapshot::Pin;
use crate::time::{Span, Timestamp};

/// How long vendors keep a prompt that nobody asks for: five minutes is the shortest published lifetime.
const CACHE_LIFETIME: Span = Span::from_secs(300);

#[derive(Debug, Default)]
pub(super) struct Sessions {
    pins: HashMap<SessionId, (Pin, Timestamp)>,
}

impl Sessions {
    /// Who answered this conversation last; its cache counts as cold after its lifetime.
    pub(super) fn pin(&self, session: &SessionId, now: Timestamp) -> Option<Pin> {
        let (pin, at) = self.pins.get(session)?;
        let mut pin = pin.clone();
        if now.since(*at) > CACHE_LIFETIME {
            pin.cached_tokens = 0;
        }
        Some(pin)
    }

    pub(super) fn note(
        &mut self,
        session: &SessionId,
        model: &ModelId,
        endpoint: &EndpointId,
        cached_tokens: u64,
        now: Timestamp,
    ) {
        if self.pins.len() >= SESSIONS_MAX && !self.pins.contains_key(session) {
            self.forget_oldest_half();
        }
        let pin = Pin { model: model.clone(), endpoint: endpoint.clone(), cached_tokens };
        self.pins.insert(session.clone(), (pin, now));
    }

    /// One pass for many notes: the cost of a single note stays constant on average.
    fn forget_oldest_half(&mut self) {
        let mut times: Vec<Timestamp> = self.pins.values().map(|(_, at)| *at).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.pins.retain(|_, (_, at)| *at > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_goes_cold_and_memory_is_bounded() {
        let mut sessions = Sessions::default();
        let (model, endpoint) = (ModelId::new("a/b").unwrap(), EndpointId::new("a").unwrap());
        for n in 0..2 * SESSIONS_MAX {
            let session = SessionId::new(n.to_string()).unwrap();
            sessions.note(&session, &model, &endpoint, 9, Timestamp::from_ms(n as i64));
        }
        assert!(sessions.pins.len() <= SESSIONS_MAX);
        let last = SessionId::new((2 * SESSIONS_MAX - 1).to_string()).unwrap();
        let then = Timestamp::from_ms(2 * SESSIONS_MAX as i64);
        assert_eq!(sessions.pin(&last, then).unwrap().cached_tokens, 9);
        assert_eq!(sessions.pin(&last, then.after(Span::from_secs(301))).unwrap().cached_tokens, 0);
    }
}
