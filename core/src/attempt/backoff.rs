//! How long to wait before a retry: doubling, and spread, so that callers that failed together do not return together.

use crate::time::Span;

use super::Rules;

/// The wait before the retry after `tries` tries at a candidate: between half and the whole of the doubled base.
pub(super) fn wait(rules: &Rules, tries: u32, seed: u64, number: u32) -> Span {
    let doublings = tries.saturating_sub(1).min(20);
    let whole = rules.backoff.ms().saturating_mul(1 << doublings).min(rules.backoff_max.ms());
    let half = whole / 2;
    let spread = whole - half + 1;
    Span::from_ms(half + mix(seed ^ (u64::from(number) << 32)) % spread)
}

/// A well spread number from a seed: the finaliser of splitmix64 (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_within_its_bounds_and_spreads() {
        let rules = Rules::default();
        for (tries, low, high) in
            [(1, 250, 500), (2, 500, 1_000), (3, 1_000, 2_000), (9, 4_000, 8_000), (60, 4_000, 8_000)]
        {
            let waits: Vec<u64> = (0..200).map(|seed| wait(&rules, tries, seed, tries).ms()).collect();
            assert!(waits.iter().all(|wait| (low..=high).contains(wait)), "{tries}: {waits:?}");
            let distinct: std::collections::BTreeSet<_> = waits.iter().collect();
            assert!(distinct.len() > 100, "{tries}: {} distinct waits", distinct.len());
        }
        assert_eq!(wait(&rules, 2, 7, 3), wait(&rules, 2, 7, 3));
    }
}
