//! Seeded draws: the same seed gives the same sequence on every machine, so that a failure can be repeated.

/// A sequence of numbers that a seed determines (SplitMix64: Steele, Lea and Flood, OOPSLA 2014).
#[derive(Clone, Copy, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Draws {
        Draws(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; zero where the bound is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.draw() % bound }
    }

    /// A number from 0 up to, not including, 1.
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// Where there is no choice.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        assert!(!choices.is_empty(), "there must be something to choose from");
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// A seed made of another one and texts: draws that belong to one thing do not depend on the order of things
/// (FNV-1a over the texts, each ended by a byte that no UTF-8 text holds).
pub fn seed_of(seed: u64, texts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for text in texts {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_seeds_differ() {
        let three = |seed| {
            let mut draws = Draws::new(seed);
            [draws.draw(), draws.draw(), draws.draw()]
        };
        assert_eq!(three(1), three(1));
        assert_ne!(three(1), three(2));
        assert_eq!(three(1_234_567)[0], 6_457_827_717_110_365_317, "the published test vector");
        assert_ne!(seed_of(7, &["a", "bc"]), seed_of(7, &["ab", "c"]));
    }

    #[test]
    fn shares_are_spread_over_their_range() {
        let mut draws = Draws::new(3);
        let mean = (0..10_000).map(|_| draws.share()).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
        assert_eq!(draws.below(0), 0);
    }
}
