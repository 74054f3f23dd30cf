//! Sorting where it is seldom done: places are sorted by one function for all types, where the standard library's compiles
//! three to four kilobytes for each.

use std::cmp::Ordering;

/// Sorts stably, as `slice::sort_by` does: twice as slow, and with little code.
pub(crate) fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut places: Vec<u32> = (0..items.len() as u32).collect();
    sort_places(&mut places, &mut |a, b| compare(&items[a as usize], &items[b as usize]));
    for at in 0..places.len() {
        // What stood there was moved on by the swaps before: it is found by following them. Where it was found is noted, so
        // that who follows next has no long way.
        let mut from = places[at] as usize;
        while from < at {
            from = places[from] as usize;
        }
        items.swap(at, from);
        places[at] = from as u32;
    }
}

/// Sorts stably by a key.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

#[inline(never)]
fn sort_places(places: &mut [u32], compare: &mut dyn FnMut(u32, u32) -> Ordering) {
    places.sort_by(|a, b| compare(*a, *b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_as_the_standard_library_does() {
        let mut seed = 7_u64;
        for length in (0..40).chain([500]) {
            let mut draw = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % 10
            };
            let mut ours: Vec<(u64, usize)> = (0..length).map(|at| (draw(), at)).collect();
            let mut theirs = ours.clone();
            sort_by_key(&mut ours, |item| item.0);
            theirs.sort_by_key(|item| item.0);
            assert_eq!(ours, theirs);
            sort_by(&mut ours, |a, b| b.0.cmp(&a.0));
            theirs.sort_by_key(|pair| std::cmp::Reverse(pair.0));
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn a_list_whose_last_is_the_least_is_sorted_in_few_steps() {
        // Every item moves on by one: without the notes, each would be looked for from the beginning.
        let mut items: Vec<u32> = (1..200_000).chain([0]).collect();
        sort_by(&mut items, u32::cmp);
        assert!(items.is_sorted());
    }
}
