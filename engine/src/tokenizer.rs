//! Text to tokens and back, by the model's own files: a `tokenizer.json`, or the vocabulary in a GGUF file.
//!
//! Byte-pair encoding only, on bytes or on text with byte fallback: every family that the engine runs uses it. Steps:
//! added tokens are cut out, the rest is normalised, cut into words, and each word is merged pair by pair.

use std::collections::HashMap;

use crate::error::EngineError;
use crate::limits::PROMPT_BYTES_MAX;
use crate::weights::gguf::Metadata;

mod added;
mod bytes;
mod gguf;
mod json;
mod merge;
mod words;

use added::Added;
use merge::{Merges, Vocabulary};
use words::{Normalise, Split};

/// Stands between the letters of a special token's text where a user wrote it, so that it is read as that text. It is a
/// private-use character, and is taken out before words are made.
pub(crate) const GUARD: char = '\u{f8f0}';

/// A model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    normalise: Vec<Normalise>,
    splits: Vec<Split>,
    vocabulary: Vocabulary,
    merges: Merges,
    added: Added,
    spelling: Spelling,
    /// What each token writes.
    written: Vec<Vec<u8>>,
    begin: Option<u32>,
    /// Whether the space that a word begins with is dropped at the start of a text.
    strips_first_space: bool,
}

/// How words are spelled in the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// Each byte as a printable character.
    Bytes,
    /// As text; bytes that are in no token as `<0x..>`.
    Text,
}

impl Tokenizer {
    /// That of a `tokenizer.json`, from its text.
    ///
    /// # Errors
    /// `Tokenizer` where it is not JSON, not byte-pair encoding, has a step that is not known, or contradicts itself.
    pub fn from_json(text: &str) -> Result<Tokenizer, EngineError> {
        json::from_json(text)
    }

    /// That in a GGUF file's metadata.
    ///
    /// # Errors
    /// `Tokenizer` where it is missing, of another kind, or cuts words in a way that is not known.
    pub fn from_gguf(metadata: &Metadata) -> Result<Tokenizer, EngineError> {
        gguf::from_gguf(metadata)
    }

    /// The tokens of a text. Special tokens written in the text are read as such: mark a user's with `guard`.
    ///
    /// # Errors
    /// `Request` where the text is beyond the bound, `Tokenizer` where a word cannot be spelled.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        if text.len() > PROMPT_BYTES_MAX {
            return Err(EngineError::request(format!("the text has more than {PROMPT_BYTES_MAX} bytes")));
        }
        let mut tokens = Vec::new();
        let mut is_first = true;
        for piece in self.added.cut(text) {
            match piece {
                added::Piece::Token(token) => tokens.push(token),
                added::Piece::Text(text) => self.encode_plain(text, is_first, &mut tokens)?,
            }
            is_first = false;
        }
        Ok(tokens)
    }

    /// The token that a text begins with, where the model wants one and no template writes it.
    pub fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// Tokens in the vocabulary.
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Whether the vocabulary is empty.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// The token of exactly this text.
    pub fn find(&self, text: &str) -> Option<u32> {
        self.added.find(text).or_else(|| self.vocabulary.find(text))
    }

    /// The bytes that a token writes; none for special tokens.
    pub fn bytes(&self, token: u32) -> &[u8] {
        match self.written.get(token as usize) {
            Some(bytes) if !self.added.is_special(token) => bytes,
            _ => &[],
        }
    }

    /// The bytes that a token stands for, special or not.
    pub fn spelled(&self, token: u32) -> &[u8] {
        self.written.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// The text of tokens, without special ones; bytes that are no text become U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| self.bytes(*token)).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        match self.strips_first_space {
            true => text.strip_prefix(' ').unwrap_or(&text).to_owned(),
            false => text.into_owned(),
        }
    }

    /// Whether an answer's first space is not part of it.
    pub fn strips_first_space(&self) -> bool {
        self.strips_first_space
    }

    /// A user's text with special tokens' texts marked as mere text.
    pub fn guard(&self, text: &str) -> String {
        self.added.guard(text)
    }

    fn encode_plain(&self, text: &str, is_first: bool, tokens: &mut Vec<u32>) -> Result<(), EngineError> {
        let mut text = text.replace(GUARD, "");
        for step in &self.normalise {
            text = step.apply(&text)?;
        }
        let mut pieces = vec![text];
        for split in &self.splits {
            pieces = split.apply(pieces, is_first)?;
        }
        let mut known: HashMap<&str, (usize, usize)> = HashMap::new();
        for piece in &pieces {
            // Words recur; what one came to is copied.
            if let Some((start, end)) = known.get(piece.as_str()) {
                tokens.extend_from_within(*start..*end);
                continue;
            }
            let start = tokens.len();
            self.encode_word(piece, tokens)?;
            known.insert(piece, (start, tokens.len()));
        }
        Ok(())
    }

    fn encode_word(&self, word: &str, tokens: &mut Vec<u32>) -> Result<(), EngineError> {
        let spelled = match self.spelling {
            Spelling::Bytes => bytes::spell(word.as_bytes()),
            Spelling::Text => word.to_owned(),
        };
        if self.merges.takes_whole_words()
            && let Some(token) = self.vocabulary.find(&spelled)
        {
            tokens.push(token);
            return Ok(());
        }
        self.merges.encode(&self.vocabulary, &spelled, tokens)
    }
}

/// How single bytes are spelled in byte-level vocabularies, for tests.
#[cfg(test)]
pub(crate) fn letters() -> impl Iterator<Item = char> {
    let mut letters: Vec<char> = bytes::table().into_keys().collect();
    letters.sort_unstable();
    letters.into_iter()
}

fn bad(what: impl Into<String>) -> EngineError {
    EngineError::Tokenizer { what: what.into() }
}

#[cfg(test)]
mod tests;
