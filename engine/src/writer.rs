//! Turns drawn tokens into text as it may be shown: whole characters, nothing of a stop text, thinking apart from answer.

use crate::error::EngineError;
use crate::limits::{STOP_TEXT_BYTES_MAX, STOP_TEXTS_MAX};

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Text that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Of the answer.
    Answer(String),
    /// Of the thinking before it.
    Thinking(String),
}

/// Whether a model thinks aloud, and whether the prompt already opened its thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// It does not: its text is the answer.
    Never,
    /// It may: marks part thinking from answer.
    Marked,
    /// The prompt ends within the thinking.
    Opened,
}

/// Writes one answer.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Bytes that are no whole character yet.
    bytes: Vec<u8>,
    /// Text that may yet turn out to be part of a mark or a stop text.
    held: String,
    stops: Vec<String>,
    thinking: Thinking,
    strips_space: bool,
    /// Spaces after a mark are not part of what follows.
    trims: bool,
    is_stopped: bool,
}

impl Writer {
    /// For an answer that ends before any of these texts.
    ///
    /// # Errors
    /// `Request` where there are too many stop texts, or one is empty or too long.
    pub fn new(stops: &[String], thinking: Thinking, strips_space: bool) -> Result<Writer, EngineError> {
        let is_wrong = |stop: &String| stop.is_empty() || stop.len() > STOP_TEXT_BYTES_MAX;
        if stops.len() > STOP_TEXTS_MAX || stops.iter().any(is_wrong) {
            let what = format!("stop texts must be at most {STOP_TEXTS_MAX}, of 1 to {STOP_TEXT_BYTES_MAX} bytes each");
            return Err(EngineError::request(what));
        }
        let (bytes, held) = (Vec::new(), String::new());
        let trims = thinking == Thinking::Opened;
        Ok(Writer { bytes, held, stops: stops.to_vec(), thinking, strips_space, trims, is_stopped: false })
    }

    /// Takes a token's bytes; returns what may be shown now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Shown> {
        self.bytes.extend_from_slice(bytes);
        let text = self.whole_characters(false);
        self.take(&text, false)
    }

    /// Ends the answer; returns what was held back.
    pub fn finish(&mut self) -> Vec<Shown> {
        let text = self.whole_characters(true);
        self.take(&text, true)
    }

    /// Whether a stop text was met.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether what comes now is thinking.
    pub fn is_thinking(&self) -> bool {
        self.thinking == Thinking::Opened
    }

    /// The whole characters so far; with `all` also what can't become one any more, as U+FFFD.
    fn whole_characters(&mut self, all: bool) -> String {
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.bytes.clear();
                    return text;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(std::str::from_utf8(&self.bytes[..valid]).expect("checked up to here"));
                    let bad = match error.error_len() {
                        Some(length) => length,
                        None if all => self.bytes.len() - valid,
                        None => {
                            self.bytes.drain(..valid);
                            return text;
                        }
                    };
                    text.push('\u{fffd}');
                    self.bytes.drain(..valid + bad);
                }
            }
        }
    }

    fn take(&mut self, text: &str, all: bool) -> Vec<Shown> {
        let mut shown = Vec::new();
        if self.is_stopped {
            return shown;
        }
        self.held.push_str(text);
        if self.strips_space && !self.held.is_empty() {
            self.strips_space = false;
            if self.held.starts_with(' ') {
                self.held.remove(0);
            }
        }
        while let Some((at, found)) = self.first_found() {
            let before: String = self.held.drain(..at + found.len()).collect();
            self.show(&before[..at], &mut shown);
            match found.as_str() {
                OPEN => (self.thinking, self.trims) = (Thinking::Opened, true),
                CLOSE if self.thinking == Thinking::Opened => (self.thinking, self.trims) = (Thinking::Never, true),
                _ => {
                    self.is_stopped = true;
                    self.held.clear();
                    return shown;
                }
            }
        }
        let keep = if all { 0 } else { self.open_end() };
        let ready: String = self.held.drain(..self.held.len() - keep).collect();
        self.show(&ready, &mut shown);
        shown
    }

    /// What ends or parts the text from here on.
    fn marks(&self) -> impl Iterator<Item = &str> {
        let mark = match self.thinking {
            Thinking::Never => None,
            Thinking::Marked => Some(OPEN),
            Thinking::Opened => Some(CLOSE),
        };
        // Stop texts end an answer, not the thinking before it.
        let stops = if self.thinking == Thinking::Opened { &[] } else { self.stops.as_slice() };
        mark.into_iter().chain(stops.iter().map(String::as_str))
    }

    fn first_found(&self) -> Option<(usize, String)> {
        let found = self.marks().filter_map(|mark| self.held.find(mark).map(|at| (at, mark)));
        found.min_by_key(|(at, mark)| (*at, std::cmp::Reverse(mark.len()))).map(|(at, mark)| (at, mark.to_owned()))
    }

    /// Bytes at the end that a mark may begin with.
    fn open_end(&self) -> usize {
        let open = |mark: &str| {
            let most = (mark.len() - 1).min(self.held.len());
            (1..=most).rev().find(|length| {
                let start = self.held.len() - length;
                self.held.is_char_boundary(start) && mark.starts_with(&self.held[start..])
            })
        };
        self.marks().filter_map(open).max().unwrap_or(0)
    }

    fn show(&mut self, text: &str, shown: &mut Vec<Shown>) {
        let text = if self.trims { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.trims = false;
        shown.push(match self.thinking {
            Thinking::Opened => Shown::Thinking(text.to_owned()),
            Thinking::Never | Thinking::Marked => Shown::Answer(text.to_owned()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of a text, as (thinking, answer, whether a stop text was met), cut every `size` bytes.
    fn write(text: &str, size: usize, stops: &[&str], thinking: Thinking) -> (String, String, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut writer = Writer::new(&stops, thinking, false).unwrap();
        let mut shown: Vec<Shown> = text.as_bytes().chunks(size).flat_map(|bytes| writer.push(bytes)).collect();
        shown.extend(writer.finish());
        let (mut thought, mut answer) = (String::new(), String::new());
        for piece in shown {
            match piece {
                Shown::Thinking(text) => thought.push_str(&text),
                Shown::Answer(text) => answer.push_str(&text),
            }
        }
        (thought, answer, writer.is_stopped())
    }

    fn check(text: &str, stops: &[&str], thinking: Thinking, expected: (&str, &str, bool)) {
        for size in 1..=text.len() {
            let (thought, answer, stopped) = write(text, size, stops, thinking);
            assert_eq!((thought.as_str(), answer.as_str(), stopped), expected, "cut every {size} bytes");
        }
    }

    #[test]
    fn text_is_shown_the_same_however_it_is_cut() {
        check("naïve 日本 🙂", &[], Thinking::Never, ("", "naïve 日本 🙂", false));
        check("one STOP two", &["STOP"], Thinking::Never, ("", "one ", true));
        check("one STO two", &["STOP"], Thinking::Never, ("", "one STO two", false));
        check("aab", &["ab", "b"], Thinking::Never, ("", "a", true));
        check("<think>\nhm </think>\n\nyes", &[], Thinking::Marked, ("hm ", "yes", false));
        check("hm</think>yes", &[], Thinking::Opened, ("hm", "yes", false));
        check("<think>a</think>b</think>", &[], Thinking::Marked, ("a", "b</think>", false));
        check("<think>STOP</think>b STOP c", &["STOP"], Thinking::Marked, ("STOP", "b ", true));
        check("<think> never closed", &[], Thinking::Marked, ("never closed", "", false));
        check("<think> is text here", &[], Thinking::Never, ("", "<think> is text here", false));
    }

    #[test]
    fn bytes_that_are_no_text_are_marked() {
        let mut writer = Writer::new(&[], Thinking::Never, true).unwrap();
        let mut shown = writer.push(b" a\xffb\xe2\x82");
        shown.extend(writer.finish());
        let text: String = shown
            .iter()
            .map(|piece| match piece {
                Shown::Answer(text) | Shown::Thinking(text) => text.as_str(),
            })
            .collect();
        assert_eq!(text, "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn stop_texts_are_bounded() {
        assert!(Writer::new(&[String::new()], Thinking::Never, false).is_err());
        assert!(Writer::new(&vec!["x".to_owned(); STOP_TEXTS_MAX + 1], Thinking::Never, false).is_err());
    }
}
