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
        let mut text = String::with_capacity(48);
        [(now.ms() as u64, 11), (self.random, 16), (count, 1)]
            .into_iter()
            .for_each(|(n, least)| push(n, least, &mut text));
        let id = RequestId::new(text).expect("hexadecimal digits and dashes are a valid id");
        (id, self.random.wrapping_add(count))
    }
}

/// Adds a dash, save at the beginning, and a number in hexadecimal digits, with zeros before it up to `least`.
fn push(number: u64, least: u32, text: &mut String) {
    if !text.is_empty() {
        text.push('-');
    }
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(least);
    let digit = |place: u32| char::from(b"0123456789abcdef"[(number >> (4 * place)) as usize & 15]);
    text.extend((0..digits).rev().map(digit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_time_the_client_and_a_count() {
        let ids = Ids::new();
        ids.count.store(0xa0, Ordering::Relaxed);
        let (id, _) = ids.next(Timestamp::from_ms(0x123));
        assert_eq!(id.as_str(), format!("00000000123-{:016x}-a0", ids.random));
        assert_ne!(ids.next(Timestamp::from_ms(0x123)).0, id);
    }
}
