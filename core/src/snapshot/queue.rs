//! What a call to an endpoint would wait for before it is worked at, as the endpoint's provider reports it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;
use crate::time::Span;

/// Calls that are before one which comes now. The default is no queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Queue {
    /// How many: those that are worked at and those that wait.
    pub calls: u32,
    /// How long they are expected to keep a new one waiting: their number by the measured speed.
    pub wait: Span,
}

impl Queue {
    /// Nobody.
    pub(crate) const NONE: Queue = Queue { calls: 0, wait: Span::ZERO };

    /// Whether nobody is before a new call.
    pub fn is_empty(&self) -> bool {
        self.calls == 0
    }
}

/// The queues of endpoints that have any, sorted by id. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Queues(Option<Arc<[(EndpointId, Queue)]>>);

impl Queues {
    /// Of these endpoints; those without a queue are left out, and of two with one id the first counts.
    pub fn new(queues: impl IntoIterator<Item = (EndpointId, Queue)>) -> Queues {
        let mut queues: Vec<_> = queues.into_iter().filter(|(_, queue)| !queue.is_empty()).collect();
        if queues.is_empty() {
            return Queues::default();
        }
        queues.sort_by(|a, b| a.0.cmp(&b.0));
        queues.dedup_by(|a, b| a.0 == b.0);
        Queues(Some(queues.into()))
    }

    /// Whether no endpoint has one.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Every endpoint that has one, by id.
    pub fn iter(&self) -> impl Iterator<Item = &(EndpointId, Queue)> {
        self.0.iter().flat_map(|queues| queues.iter())
    }

    /// The queue of an endpoint; none where it is not known.
    pub fn of(&self, endpoint: &EndpointId) -> Queue {
        self.iter().find(|(id, _)| id == endpoint).map_or(Queue::default(), |(_, queue)| *queue)
    }
}
