//! What happens to a text before its words are merged: normalising, and cutting into words.

use unicode_normalization::UnicodeNormalization;

use super::bad;
use crate::error::EngineError;
use crate::limits::{NORMALISED_BYTES_MAX, PATTERN_BYTES_MAX};

/// A change of the text.
#[derive(Clone, Debug)]
pub(super) enum Normalise {
    /// Canonical composition.
    Nfc,
    /// Compatibility composition.
    Nfkc,
    /// Puts a text before.
    Prepend(String),
    /// Puts one text for another.
    Replace(String, String),
}

impl Normalise {
    /// The changed text, where it did not outgrow its bound: a step may put a long text for a short one.
    pub(super) fn apply(&self, text: &str) -> Result<String, EngineError> {
        let grown = match self {
            Normalise::Replace(from, to) => text.matches(from.as_str()).count().saturating_mul(to.len()),
            Normalise::Prepend(before) => before.len(),
            // Counted, not bounded by the longest composition: a few long ones do not make a text long.
            Normalise::Nfkc if !text.is_ascii() => text.nfkc().map(char::len_utf8).sum::<usize>(),
            Normalise::Nfc | Normalise::Nfkc => 0,
        };
        if grown.saturating_add(text.len()) > NORMALISED_BYTES_MAX {
            return Err(bad(format!("normalising makes more than {NORMALISED_BYTES_MAX} bytes of a text")));
        }
        Ok(match self {
            Normalise::Nfc | Normalise::Nfkc if text.is_ascii() => text.to_owned(),
            Normalise::Nfc => text.nfc().collect(),
            Normalise::Nfkc => text.nfkc().collect(),
            Normalise::Prepend(_) if text.is_empty() => String::new(),
            Normalise::Prepend(before) => format!("{before}{text}"),
            Normalise::Replace(from, to) => text.replace(from, to),
        })
    }
}

/// A way to cut a text into words.
#[derive(Debug)]
pub(super) enum Split {
    /// Each match is a word, and so is what lies between.
    Pattern(Box<fancy_regex::Regex>),
    /// The same, and what lies between or what matches is dropped.
    Keep { pattern: Box<fancy_regex::Regex>, matches: bool },
    /// Each digit is a word.
    Digits,
    /// Digits in a row are a word.
    Numbers,
    /// A space is put before a text that begins without one.
    LeadingSpace,
    /// Spaces become this mark, one is put before, and each word begins at a mark where so wished.
    Marks { mark: char, prepend: Prepend, cuts: bool },
}

/// Where a mark is put before a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prepend {
    Always,
    First,
    Never,
}

impl Split {
    pub(super) fn pattern(pattern: &str) -> Result<Box<fancy_regex::Regex>, EngineError> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(bad(format!("a pattern that words are cut by has more than {PATTERN_BYTES_MAX} bytes")));
        }
        let built =
            fancy_regex::RegexBuilder::new(pattern).delegate_size_limit(16 << 20).backtrack_limit(1_000_000).build();
        built.map(Box::new).map_err(|_| bad("a pattern that words are cut by is not a regular expression"))
    }

    pub(super) fn apply(&self, pieces: Vec<String>, is_first: bool) -> Result<Vec<String>, EngineError> {
        let mut words = Vec::with_capacity(pieces.len());
        for (at, piece) in pieces.into_iter().enumerate() {
            match self {
                Split::Pattern(pattern) => cut(pattern, &piece, true, true, &mut words)?,
                Split::Keep { pattern, matches } => cut(pattern, &piece, *matches, !*matches, &mut words)?,
                Split::Digits => cut_numbers(&piece, true, &mut words),
                Split::Numbers => cut_numbers(&piece, false, &mut words),
                Split::LeadingSpace if at == 0 && !piece.starts_with(' ') => words.push(format!(" {piece}")),
                Split::LeadingSpace => words.push(piece),
                Split::Marks { mark, prepend, cuts } => {
                    let mut text = piece.replace(' ', mark.encode_utf8(&mut [0; 4]));
                    let wants = *prepend == Prepend::Always || (*prepend == Prepend::First && is_first);
                    if wants && at == 0 && !text.starts_with(*mark) {
                        text.insert(0, *mark);
                    }
                    cut_marks(&text, *mark, *cuts, &mut words);
                }
            }
        }
        Ok(words)
    }
}

fn cut(
    pattern: &fancy_regex::Regex,
    text: &str,
    matches: bool,
    between: bool,
    words: &mut Vec<String>,
) -> Result<(), EngineError> {
    let mut reached = 0;
    let mut keep = |part: &str, wanted: bool| {
        if wanted && !part.is_empty() {
            words.push(part.to_owned());
        }
    };
    for found in pattern.find_iter(text) {
        let found = found.map_err(|_| bad("a text takes too long to cut into words: shorten it"))?;
        keep(&text[reached..found.start()], between);
        keep(found.as_str(), matches);
        reached = found.end();
    }
    keep(&text[reached..], between);
    Ok(())
}

fn cut_numbers(text: &str, each: bool, words: &mut Vec<String>) {
    let mut word = String::new();
    let mut was_digit = false;
    for c in text.chars() {
        let is_digit = c.is_numeric();
        if !word.is_empty() && (is_digit != was_digit || (is_digit && each)) {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
        was_digit = is_digit;
    }
    if !word.is_empty() {
        words.push(word);
    }
}

fn cut_marks(text: &str, mark: char, cuts: bool, words: &mut Vec<String>) {
    let mut start = 0;
    if cuts {
        for (at, _) in text.match_indices(mark).filter(|(at, _)| *at > 0) {
            words.push(text[start..at].to_owned());
            start = at;
        }
    }
    if start < text.len() {
        words.push(text[start..].to_owned());
    }
}
