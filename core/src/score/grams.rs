//! Which words and pairs of words a text holds, as buckets of a hash: what the encoder reads.
//!
//! Each bucket counts once, and the number of them is bounded. No word can be told from its bucket.

/// How many buckets there are.
pub(super) const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 15;
/// Of each piece that is read, the words within this many bytes of the text's start and end count.
pub(super) const END_BYTES: usize = 2 * 1024;
/// At most so many buckets are kept: about 700 words.
const GRAMS_MAX: usize = 1_024;

/// The buckets of one request, in the order in which they were met.
#[derive(Clone, Debug)]
pub(super) struct Grams {
    seen: [u64; BUCKETS / 64],
    buckets: [u16; GRAMS_MAX],
    count: usize,
    before: u32,
}

impl Grams {
    /// None yet.
    pub(super) fn new() -> Grams {
        Grams { seen: [0; BUCKETS / 64], buckets: [0; GRAMS_MAX], count: 0, before: 0 }
    }

    /// A text begins: no word stands before its first one.
    pub(super) fn begin(&mut self) {
        self.before = 0;
    }

    /// A word was read, of which `hash` is the hash.
    #[inline]
    pub(super) fn add(&mut self, hash: u32) {
        self.put(hash);
        if self.before != 0 {
            self.put(self.before.rotate_left(7) ^ hash);
        }
        // Zero says that there is none.
        self.before = hash | 1;
    }

    #[inline]
    fn put(&mut self, hash: u32) {
        let bucket = (hash ^ hash >> 15).wrapping_mul(0x9e37_79b1) >> (32 - BUCKET_BITS);
        let (word, bit) = (bucket as usize / 64, 1u64 << (bucket % 64));
        if self.seen[word] & bit == 0 && self.count < GRAMS_MAX {
            self.seen[word] |= bit;
            self.buckets[self.count] = bucket as u16;
            self.count += 1;
        }
    }

    /// The buckets.
    pub(super) fn buckets(&self) -> &[u16] {
        &self.buckets[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_counts_once_and_order_tells() {
        let of = |hashes: &[u32]| {
            let mut grams = Grams::new();
            grams.begin();
            hashes.iter().for_each(|hash| grams.add(*hash));
            let mut buckets = grams.buckets().to_vec();
            buckets.sort_unstable();
            buckets
        };
        assert!(of(&[]).is_empty());
        assert_eq!(of(&[11]).len(), 1);
        assert_eq!(of(&[11, 23, 11, 23]).len(), 4);
        assert_ne!(of(&[11, 23]), of(&[23, 11]));
        let many: Vec<u32> = (1..100_000u32).map(|at| at.wrapping_mul(0x85eb_ca6b)).collect();
        assert_eq!(of(&many).len(), GRAMS_MAX);
    }
}
