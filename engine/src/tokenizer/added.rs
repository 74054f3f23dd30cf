//! Tokens that stand for a fixed text, cut out before anything else: marks of turns, of thinking, and the like.

use std::collections::HashMap;

use super::GUARD;

/// Added tokens by text.
#[derive(Debug, Default)]
pub(super) struct Added {
    tokens: HashMap<String, Entry>,
    /// Texts by first byte, the longest first.
    by_first: HashMap<u8, Vec<String>>,
    special: std::collections::HashSet<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u32,
    is_special: bool,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Token(u32),
    Text(&'a str),
}

impl Added {
    pub(super) fn new(tokens: impl IntoIterator<Item = (String, u32, bool)>) -> Added {
        let mut added = Added::default();
        for (text, id, is_special) in tokens.into_iter().filter(|(text, _, _)| !text.is_empty()) {
            added.by_first.entry(text.as_bytes()[0]).or_default().push(text.clone());
            added.tokens.insert(text, Entry { id, is_special });
            if is_special {
                added.special.insert(id);
            }
        }
        for texts in added.by_first.values_mut() {
            texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
            texts.dedup();
        }
        added
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.tokens.get(text).map(|entry| entry.id)
    }

    pub(super) fn is_special(&self, token: u32) -> bool {
        self.special.contains(&token)
    }

    /// The added token that `text` begins with.
    fn at_start(&self, text: &str) -> Option<(&str, Entry)> {
        let texts = self.by_first.get(text.as_bytes().first()?)?;
        texts.iter().find(|added| text.starts_with(added.as_str())).map(|added| (added.as_str(), self.tokens[added]))
    }

    /// Cuts a text at added tokens; of several that begin at one place the longest counts.
    pub(super) fn cut<'a>(&self, text: &'a str) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            let Some((added, entry)) = self.by_first.get(&text.as_bytes()[at]).and_then(|_| self.at_start(&text[at..]))
            else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            if start < at {
                pieces.push(Piece::Text(&text[start..at]));
            }
            pieces.push(Piece::Token(entry.id));
            at += added.len();
            start = at;
        }
        if start < text.len() {
            pieces.push(Piece::Text(&text[start..]));
        }
        pieces
    }

    /// Puts a guard after the first character of each special token's text.
    pub(super) fn guard(&self, text: &str) -> String {
        let mut guarded = String::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            guarded.push(c);
            if self.at_start(&text[at..]).is_some_and(|(_, entry)| entry.is_special) {
                guarded.push(GUARD);
            }
        }
        guarded
    }
}
