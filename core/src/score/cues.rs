//! The words that tell what is asked for, found by their hash.

/// What a word tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Translation,
    Summary,
    Extraction,
    Classification,
    Writing,
    Mathematics,
    Code,
    Reasoning,
    Knowledge,
    Conversation,
    Hard,
    Constraint,
    Brief,
    Length,
    Puzzle,
}

/// How many groups there are.
pub(super) const GROUPS: usize = 15;

const NAMES: [(&str, Group); GROUPS] = [
    ("translation", Group::Translation),
    ("summary", Group::Summary),
    ("extraction", Group::Extraction),
    ("classification", Group::Classification),
    ("writing", Group::Writing),
    ("mathematics", Group::Mathematics),
    ("code", Group::Code),
    ("reasoning", Group::Reasoning),
    ("knowledge", Group::Knowledge),
    ("conversation", Group::Conversation),
    ("hard", Group::Hard),
    ("constraint", Group::Constraint),
    ("brief", Group::Brief),
    ("length", Group::Length),
    ("puzzle", Group::Puzzle),
];

const SLOTS: usize = 4_096;
/// Bits of the table that is asked first: small enough to stay in the nearest cache, where the slots are not.
const BITS: usize = 16_384;

/// A table from a word's hash to the groups it belongs to, as bits.
#[derive(Clone, Debug)]
pub(super) struct Cues {
    /// A bit for each hash that is in a slot; most words of a text have none.
    any: Vec<u64>,
    slots: Vec<(u32, u16)>,
}

impl Cues {
    pub(super) const SEED: u32 = 0x811c_9dc5;

    /// The words that ship with this version.
    pub(super) fn builtin() -> Cues {
        let mut cues = Cues { any: vec![0; BITS / 64], slots: vec![(0, 0); SLOTS] };
        for line in include_str!("data/cues.txt").lines().filter(|line| !line.starts_with('#')) {
            let Some((name, words)) = line.trim_start_matches('[').split_once(']') else { continue };
            let Some((_, group)) = NAMES.iter().find(|(known, _)| *known == name) else { continue };
            words.split_whitespace().for_each(|word| cues.insert(hash_word(word), *group));
        }
        cues
    }

    fn insert(&mut self, hash: u32, group: Group) {
        let mut at = slot(hash);
        while self.slots[at].1 != 0 && self.slots[at].0 != hash {
            at = (at + 1) % SLOTS;
        }
        self.slots[at] = (hash, self.slots[at].1 | 1 << group as u32);
        let bit = bit(hash);
        self.any[bit / 64] |= 1 << (bit % 64);
    }

    /// The groups of a word, as bits.
    #[inline]
    pub(super) fn find(&self, hash: u32) -> u16 {
        let bit = bit(hash);
        if self.any[bit / 64] >> (bit % 64) & 1 == 0 {
            return 0;
        }
        let mut at = slot(hash);
        loop {
            let (found, mask) = self.slots[at];
            if mask == 0 || found == hash {
                return mask;
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// The hash of two letters of a script without spaces.
    pub(super) fn hash_pair(before: char, letter: char) -> u32 {
        hash_letter(hash_letter(Cues::SEED, before), letter)
    }
}

#[inline]
fn bit(hash: u32) -> usize {
    (hash >> 7 ^ hash >> 18) as usize % BITS
}

#[inline]
fn slot(hash: u32) -> usize {
    (hash ^ hash >> 15) as usize % SLOTS
}

/// The hash that the reader makes of a word in lower case.
fn hash_word(word: &str) -> u32 {
    let mut hash = Cues::SEED;
    let mut left = word;
    while let Some(letter) = left.chars().next() {
        let taken = if letter.is_ascii_alphabetic() {
            let (next, count) = hash_letters(hash, left.as_bytes());
            hash = next;
            count
        } else {
            hash = hash_letter(hash, letter);
            letter.len_utf8()
        };
        left = &left[taken..];
    }
    hash
}

/// Adds one letter beyond ASCII to a hash.
#[inline]
pub(super) fn hash_letter(hash: u32, letter: char) -> u32 {
    (hash ^ letter as u32).wrapping_mul(0x0100_0193)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Adds the ASCII letters at the start of a text to a hash, whatever their case, and counts them.
fn hash_letters(mut hash: u32, text: &[u8]) -> (u32, usize) {
    let mut count = 0;
    loop {
        let eight = eight_at(text, count);
        let letters = letters_ahead(eight);
        if letters > 0 {
            hash = hash_letters_of(hash, eight, letters);
        }
        count += letters;
        if letters < 8 {
            return (hash, count);
        }
    }
}

/// Adds the first of eight bytes to a hash, at least one of them; all are ASCII letters, whatever their case.
#[inline(always)]
pub(super) fn hash_letters_of(hash: u32, eight: u64, letters: usize) -> u32 {
    let kept = (eight | (0x20 * ONES)) & (u64::MAX >> (64 - 8 * letters));
    let mixed = (kept ^ u64::from(hash)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 32) as u32
}

/// Eight bytes as one number, zeros after the end.
#[inline(always)]
pub(super) fn eight_at(text: &[u8], at: usize) -> u64 {
    let rest = &text[at..];
    match rest.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => last_of(rest),
    }
}

#[cold]
fn last_of(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// How many of eight bytes, from the first on, are ASCII letters.
#[inline(always)]
pub(super) fn letters_ahead(eight: u64) -> usize {
    // Seven bits of each byte, so that no sum reaches the next one.
    let low = (eight | (0x20 * ONES)) & !HIGH;
    let from_a = low + (0x80 - u64::from(b'a')) * ONES;
    let above_z = low + (0x7f - u64::from(b'z')) * ONES;
    let others = (!from_a | above_z | eight) & HIGH;
    others.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_told_from_other_bytes_in_every_place() {
        for byte in 0..=255u8 {
            for place in 0..8 {
                let mut text = *b"abcXYZmn";
                text[place] = byte;
                let plain = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                assert_eq!(letters_ahead(u64::from_le_bytes(text)), plain, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn a_word_hashes_alike_in_any_case_and_before_any_end() {
        for word in ["a", "summarise", "übersetze", "proofreading", "abcdefgh", "abcdefghijklmnop"] {
            let upper = word.to_ascii_uppercase();
            for text in [word.to_owned(), format!("{word} and more of it"), format!("{word}."), format!("{upper}1")] {
                let end = text.find([' ', '.', '1']).unwrap_or(text.len());
                assert_eq!(hash_word(&text[..end]), hash_word(word), "{text}");
            }
        }
        let (hash, count) = hash_letters(Cues::SEED, b"Proofreading, then");
        assert_eq!((hash, count), (hash_word("proofreading"), 12));
        assert_ne!(hash_word("ab"), hash_word("ba"));
    }

    #[test]
    fn words_are_found_and_others_are_not() {
        let cues = Cues::builtin();
        assert_eq!(cues.find(hash_word("übersetze")), 1 << Group::Translation as u32);
        assert_ne!(cues.find(Cues::hash_pair('翻', '译')), 0);
        assert_eq!(cues.find(hash_word("zebra")), 0);
        let used = cues.slots.iter().filter(|slot| slot.1 != 0).count();
        assert!(used * 2 < SLOTS, "{used}");
    }
}
