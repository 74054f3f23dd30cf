//! Merges a word's parts pair by pair, the best pair first. Source: Sennrich et al., arXiv 1508.07909, section 3.2.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::bad;
use crate::error::EngineError;

/// Tokens by text.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    tokens: HashMap<String, u32>,
    /// The tokens of single bytes, where text falls back to them.
    bytes: Option<Box<[u32; 256]>>,
    unknown: Option<u32>,
}

impl Vocabulary {
    pub(super) fn new(tokens: HashMap<String, u32>, falls_back: bool, unknown: Option<u32>) -> Vocabulary {
        let byte = |byte: usize| tokens.get(&format!("<0x{byte:02X}>")).copied();
        let all: Option<Vec<u32>> = if falls_back { (0..256).map(byte).collect() } else { None };
        let bytes = all.map(|all| Box::new(<[u32; 256]>::try_from(all).expect("256 bytes")));
        Vocabulary { tokens, bytes, unknown }
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.tokens.get(text).copied()
    }
}

/// The rank and the result of each pair that merges.
pub(super) type Pairs = HashMap<(u32, u32), (u32, u32)>;

/// Which pairs merge, and which first.
#[derive(Debug)]
pub(super) enum Merges {
    /// A listed pair becomes a token; the first in the list goes first.
    Listed {
        pairs: Pairs,
        /// Whether a word that is a token is taken as it is.
        whole_words: bool,
    },
    /// Any pair whose text is a token; that with the highest score goes first.
    Scored(Vec<f32>),
}

/// A part of a word, linked to its neighbours.
#[derive(Clone, Copy)]
struct Part {
    token: Option<u32>,
    start: usize,
    end: usize,
    before: usize,
    after: usize,
}

const NONE: usize = usize::MAX;

/// A pair that may merge: ordered by rank, then by place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    left: usize,
    right: usize,
    token: u32,
    end: usize,
}

impl Merges {
    pub(super) fn takes_whole_words(&self) -> bool {
        matches!(self, Merges::Listed { whole_words: true, .. })
    }

    /// Appends the tokens of a word, in time `n log n` of its length.
    pub(super) fn encode(&self, vocabulary: &Vocabulary, word: &str, tokens: &mut Vec<u32>) -> Result<(), EngineError> {
        let mut parts: Vec<Part> = Vec::with_capacity(word.len());
        for (at, c) in word.char_indices() {
            let (start, end) = (at, at + c.len_utf8());
            let number = parts.len();
            let before = number.checked_sub(1).unwrap_or(NONE);
            parts.push(Part { token: vocabulary.find(&word[start..end]), start, end, before, after: number + 1 });
        }
        if let Some(last) = parts.last_mut() {
            last.after = NONE;
        }
        let mut heap = BinaryHeap::new();
        for left in 0..parts.len().saturating_sub(1) {
            heap.extend(self.candidate(vocabulary, word, &parts, left).map(Reverse));
        }
        while let Some(Reverse(best)) = heap.pop() {
            let (left, right) = (parts[best.left], parts[best.right]);
            // Parts that merged meanwhile have other ends, or are gone.
            let is_stale = left.after != best.right || right.end != best.end || left.end != right.start;
            if is_stale {
                continue;
            }
            parts[best.left] = Part { token: Some(best.token), end: right.end, after: right.after, ..left };
            parts[best.right].after = NONE;
            parts[best.right].start = NONE;
            if right.after != NONE {
                parts[right.after].before = best.left;
            }
            heap.extend(self.candidate(vocabulary, word, &parts, best.left).map(Reverse));
            if left.before != NONE {
                heap.extend(self.candidate(vocabulary, word, &parts, left.before).map(Reverse));
            }
        }
        let mut at = if parts.is_empty() { NONE } else { 0 };
        while at != NONE {
            let part = parts[at];
            push(vocabulary, part.token, &word[part.start..part.end], tokens)?;
            at = part.after;
        }
        Ok(())
    }

    fn candidate(&self, vocabulary: &Vocabulary, word: &str, parts: &[Part], left: usize) -> Option<Candidate> {
        let right = parts[left].after;
        if right == NONE {
            return None;
        }
        let (start, end) = (parts[left].start, parts[right].end);
        let (rank, token) = match self {
            Merges::Listed { pairs, .. } => *pairs.get(&(parts[left].token?, parts[right].token?))?,
            Merges::Scored(scores) => {
                let token = vocabulary.find(&word[start..end])?;
                let score = scores.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
                (descending(score), token)
            }
        };
        Some(Candidate { rank, left, right, token, end })
    }
}

/// A number that is the lower the higher the score.
fn descending(score: f32) -> u32 {
    let bits = score.to_bits();
    let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    !ascending
}

fn push(vocabulary: &Vocabulary, token: Option<u32>, text: &str, tokens: &mut Vec<u32>) -> Result<(), EngineError> {
    match (token, &vocabulary.bytes, vocabulary.unknown) {
        (Some(token), _, _) => tokens.push(token),
        (None, Some(bytes), _) => tokens.extend(text.bytes().map(|byte| bytes[usize::from(byte)])),
        (None, None, Some(unknown)) => tokens.push(unknown),
        (None, None, None) => return Err(bad("a character is in no token, and the vocabulary has none for that")),
    }
    Ok(())
}
