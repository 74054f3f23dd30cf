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
        let mut text = Digits { bytes: [0; DIGITS_MAX], length: 0 };
        [(now.ms() as u64, 11), (self.random, 16), (count, 1)].into_iter().for_each(|(n, least)| text.push(n, least));
        let id = RequestId::new(text.as_str()).expect("hexadecimal digits and dashes are a valid id");
        (id, self.random.wrapping_add(count))
    }
}

/// Room for three numbers of 16 digits and two dashes.
const DIGITS_MAX: usize = 3 * 16 + 2;

/// Hexadecimal digits and dashes, without an allocation of their own.
struct Digits {
    bytes: [u8; DIGITS_MAX],
    length: usize,
}

impl Digits {
    /// Adds a dash, save at the beginning, and a number, with zeros before it up to `least`.
    fn push(&mut self, number: u64, least: u32) {
        if self.length > 0 {
            self.add(b'-');
        }
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(least);
        for place in (0..digits).rev() {
            self.add(b"0123456789abcdef"[(number >> (4 * place)) as usize & 15]);
        }
    }

    fn add(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("digits and dashes are text")
    }
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
