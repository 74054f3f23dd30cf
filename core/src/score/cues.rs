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

/// A table from a word's hash to the groups it belongs to, as bits.
#[derive(Clone, Debug)]
pub(super) struct Cues {
    slots: Vec<(u32, u16)>,
}

impl Cues {
    pub(super) const SEED: u32 = 0x811c_9dc5;
    pub(super) const PRIME: u32 = 0x0100_0193;

    /// The words that ship with this version.
    pub(super) fn builtin() -> Cues {
        let mut cues = Cues { slots: vec![(0, 0); SLOTS] };
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
    }

    /// The groups of a word, as bits.
    #[inline]
    pub(super) fn find(&self, hash: u32) -> u16 {
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
        let step = |hash: u32, letter: char| (hash ^ letter as u32).wrapping_mul(Cues::PRIME);
        step(step(Cues::SEED, before), letter)
    }
}

#[inline]
fn slot(hash: u32) -> usize {
    (hash ^ hash >> 15) as usize % SLOTS
}

/// The hash that the reader makes of a word in lower case.
fn hash_word(word: &str) -> u32 {
    word.chars().fold(Cues::SEED, |hash, letter| (hash ^ letter as u32).wrapping_mul(Cues::PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

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
