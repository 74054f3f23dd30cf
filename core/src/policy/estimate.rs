//! How many tokens a text is, roughly, and at most: one pass over the bytes, no tokenizer.
//!
//! The rough figure is for planning, the upper one for reservations. A token of any tokenizer in use stands for at
//! least one byte, so the bytes bound the tokens from above. Roughly, one token is four characters of ASCII, 2.2 of
//! two-byte scripts (accented Latin, Greek, Cyrillic, Hebrew, Arabic), 1.25 of three-byte ones (Chinese, Japanese,
//! Korean, Indic) and half a four-byte one (emoji). Vocabularies of 32 thousand to 200 thousand words differ by about
//! a third either way.

use serde_json::Value;

/// Thousandths of a token for a character of one, two, three and four bytes.
const MILLI: [u64; 4] = [250, 450, 800, 2_000];

/// Sizes of text seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Estimate {
    milli: u64,
    bytes: u64,
}

impl Estimate {
    /// Counts a text.
    pub(super) fn add_text(&mut self, text: &str) {
        self.bytes += text.len() as u64;
        if text.is_ascii() {
            self.milli += text.len() as u64 * MILLI[0];
            return;
        }
        let counts = count_by_width(text.as_bytes());
        self.milli += counts.iter().zip(MILLI).map(|(count, milli)| count * milli).sum::<u64>();
    }

    /// Counts a JSON value as it would be written without spaces.
    pub(super) fn add_json(&mut self, value: &Value) {
        match value {
            Value::Null => self.add_ascii(4),
            Value::Bool(_) => self.add_ascii(5),
            Value::Number(_) => self.add_ascii(24),
            Value::String(text) => self.add_quoted(text),
            Value::Array(items) => {
                self.add_ascii(2 + items.len());
                items.iter().for_each(|item| self.add_json(item));
            }
            Value::Object(fields) => {
                self.add_ascii(2 + 2 * fields.len());
                for (name, field) in fields {
                    self.add_quoted(name);
                    self.add_json(field);
                }
            }
        }
    }

    /// A quoted text; what must be escaped takes up to six bytes.
    fn add_quoted(&mut self, text: &str) {
        self.add_text(text);
        self.add_ascii(2);
        let escaped = text.bytes().filter(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')).count();
        self.bytes += 5 * escaped as u64;
    }

    fn add_ascii(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.milli += bytes as u64 * MILLI[0];
    }

    /// Bytes of text so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tokens, roughly, rounded up.
    pub(super) fn tokens(&self) -> u64 {
        self.milli.div_ceil(1_000)
    }
}

/// How many tokens a text is, roughly.
pub(crate) fn tokens_roughly(text: &str) -> u64 {
    let mut estimate = Estimate::default();
    estimate.add_text(text);
    estimate.tokens()
}

/// Characters by their width in bytes. Blocks of 255 bytes let each counter be a byte, so the loop runs in vector
/// registers.
fn count_by_width(bytes: &[u8]) -> [u64; 4] {
    let mut counts = [0u64; 4];
    for block in bytes.chunks(255) {
        let mut of_block = [0u8; 4];
        for byte in block {
            of_block[0] += u8::from(*byte < 0x80);
            of_block[1] += u8::from(*byte & 0xe0 == 0xc0);
            of_block[2] += u8::from(*byte & 0xf0 == 0xe0);
            of_block[3] += u8::from(*byte >= 0xf0);
        }
        for (count, of_block) in counts.iter_mut().zip(of_block) {
            *count += u64::from(of_block);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, tokens: u64) {
        let mut estimate = Estimate::default();
        estimate.add_text(text);
        assert_eq!((estimate.tokens(), estimate.bytes()), (tokens, text.len() as u64), "{text}");
    }

    #[test]
    fn follows_the_script() {
        check("", 0);
        check("The quick brown fox jumps over the lazy dog.", 11);
        check("Съешь ещё этих мягких французских булок", 17);
        check("敏捷的棕色狐狸跳过了懒狗", 10);
        check("🙂🙂", 4);
        check(&"é".repeat(1_000), 450);
    }

    #[test]
    fn json_is_bounded_by_what_is_written() {
        let value = serde_json::json!({"a\n\"": [1, -2.5e-300, null, true, "\u{1}\u{1}"], "b": {}});
        let mut estimate = Estimate::default();
        estimate.add_json(&value);
        assert!(estimate.bytes() >= value.to_string().len() as u64);
    }
}
