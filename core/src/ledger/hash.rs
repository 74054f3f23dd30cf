//! A hash that is quick on short texts: ids and names. Whoever fills a table with ids of others gives it a seed that
//! they cannot know, so that they cannot make ids that fall together.

use std::hash::{BuildHasher, Hasher};

/// 64 bits of the fraction of pi, odd: multiplying by it spreads low bits over all.
const SPREAD: u64 = 0x243f_6a88_85a3_08d3;

/// Makes hashers from one seed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seed(pub(crate) u64);

impl BuildHasher for Seed {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding(self.0 ^ SPREAD)
    }
}

/// Eight bytes at a time are multiplied, and the product's halves folded on each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folding(u64);

impl Folding {
    fn take(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(SPREAD);
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        let product = u128::from(self.0) * u128::from(SPREAD);
        (product as u64) ^ (product >> 64) as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in words.by_ref() {
            self.take(u64::from_le_bytes(word.try_into().expect("a chunk has eight bytes")));
        }
        let rest = words.remainder();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.take(u64::from_le_bytes(last));
        self.take(bytes.len() as u64);
    }

    fn write_u8(&mut self, value: u8) {
        self.take(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.take(value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_that_are_alike_hash_apart_in_high_and_low_bits() {
        for seed in [0, 1, SPREAD, u64::MAX] {
            let ids: Vec<String> = (0..100_000).map(|n| format!("019ab-7f3c-{n:x}.1")).collect();
            let hashes: Vec<u64> = ids.iter().map(|id| Seed(seed).hash_one(id.as_str())).collect();
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), ids.len());
            for shift in [0, 24, 47] {
                // 100,000 into 131,072 places make about 70,000 different ones.
                let places = hashes.iter().map(|hash| (hash >> shift) & 0x1_ffff).collect::<HashSet<_>>().len();
                assert!((68_000..72_000).contains(&places), "{places} at {shift} from {seed:x}");
            }
        }
        assert_ne!(Seed(1).hash_one("a"), Seed(2).hash_one("a"));
        assert_ne!(Seed(1).hash_one("a"), Seed(1).hash_one("a\0"));
    }
}
