//! Ids of requests: unique for ever, without a server to hand them out.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::id::RequestId;
use crate::time::Timestamp;

/// Makes ids of the time, 64 random bits of this client and a count.
#[derive(Debug)]
pub(super) struct Ids {
    random: u64,
    count: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Ids {
        // The standard library seeds its hash maps from the system's source of randomness.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        Ids { random: hasher.finish(), count: AtomicU64::new(0) }
    }

    /// The next id, and a seed that spreads this request's waits.
    pub(super) fn next(&self, now: Timestamp) -> (RequestId, u64) {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:011x}-{:016x}-{count:x}", now.ms(), self.random);
        let id = RequestId::new(text).expect("hexadecimal digits and dashes are a valid id");
        (id, self.random.wrapping_add(count))
    }
}
