//! Tool calls in a model's text: each in a mark, as JSON with `name` and `arguments`.
//!
//! That is how most open models write calls (Hermes, Qwen, SmolLM). What stands in the mark and is no call is text:
//! nothing that a model wrote is lost.

use serde_json::Value;

use crate::reply::Delta;

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";

/// Parts text from calls as both come.
#[derive(Debug)]
pub(super) struct Calls {
    /// What each call's id begins with.
    prefix: String,
    /// The first part's number for calls; text is in the part `text`.
    first: u32,
    text: u32,
    count: u32,
    held: String,
    is_inside: bool,
}

impl Calls {
    pub(super) fn new(prefix: String, text: u32, first: u32) -> Calls {
        Calls { prefix, first, text, count: 0, held: String::new(), is_inside: false }
    }

    /// Whether a call was read.
    pub(super) fn any(&self) -> bool {
        self.count > 0
    }

    /// Takes more text; returns what is sure by now.
    pub(super) fn push(&mut self, text: &str) -> Vec<Delta> {
        self.held.push_str(text);
        let mut told = Vec::new();
        loop {
            let mark = if self.is_inside { CLOSE } else { OPEN };
            let Some(at) = self.held.find(mark) else { break };
            let before = self.held[..at].to_owned();
            self.held.drain(..at + mark.len());
            if self.is_inside {
                self.call(&before, &mut told);
            } else {
                self.tell(&before, &mut told);
            }
            self.is_inside = !self.is_inside;
        }
        if !self.is_inside {
            let sure = self.held.len() - open_end(&self.held);
            let text: String = self.held.drain(..sure).collect();
            self.tell(&text, &mut told);
        }
        told
    }

    /// Ends the text; a call that is not whole is text.
    pub(super) fn finish(&mut self) -> Vec<Delta> {
        let mut told = Vec::new();
        let held = std::mem::take(&mut self.held);
        let whole = if self.is_inside { format!("{OPEN}{held}") } else { held };
        self.is_inside = false;
        self.tell(&whole, &mut told);
        told
    }

    /// Space around calls is not part of the answer.
    fn tell(&self, text: &str, told: &mut Vec<Delta>) {
        let text = if self.any() && text.trim().is_empty() { "" } else { text };
        if !text.is_empty() {
            told.push(Delta::Text { part: self.text, text: text.to_owned() });
        }
    }

    fn call(&mut self, json: &str, told: &mut Vec<Delta>) {
        let read: Option<(String, String)> = serde_json::from_str::<Value>(json.trim()).ok().and_then(|call| {
            let name = call.get("name")?.as_str()?.to_owned();
            let arguments = match call.get("arguments").or_else(|| call.get("parameters")) {
                None | Some(Value::Null) => "{}".to_owned(),
                // Some models write the arguments' JSON as a text.
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            (!name.is_empty()).then_some((name, arguments))
        });
        let Some((name, arguments)) = read else {
            return told.push(Delta::Text { part: self.text, text: format!("{OPEN}{json}{CLOSE}") });
        };
        let part = self.first + self.count;
        let id = format!("{}-{}", self.prefix, self.count);
        self.count += 1;
        told.push(Delta::ToolCall { part, id, name });
        told.push(Delta::Arguments { part, text: arguments });
    }
}

/// Bytes at the end that may be the beginning of a mark.
fn open_end(text: &str) -> usize {
    let most = (OPEN.len() - 1).min(text.len());
    let begins =
        |length: &usize| text.is_char_boundary(text.len() - length) && OPEN.starts_with(&text[text.len() - length..]);
    (1..=most).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text and calls, however the text is cut.
    #[track_caller]
    fn check(text: &str, shown: &str, calls: &[(&str, &str)]) {
        for size in 1..=text.chars().count() {
            let mut parser = Calls::new("call".into(), 1, 2);
            let letters: Vec<char> = text.chars().collect();
            let mut told: Vec<Delta> =
                letters.chunks(size).flat_map(|some| parser.push(&some.iter().collect::<String>())).collect();
            told.extend(parser.finish());
            let (mut words, mut found) = (String::new(), Vec::new());
            for delta in told {
                match delta {
                    Delta::Text { part: 1, text } => words += &text,
                    Delta::ToolCall { part, id, name } => {
                        assert_eq!((part as usize, id), (2 + found.len(), format!("call-{}", found.len())));
                        found.push((name, String::new()));
                    }
                    Delta::Arguments { text, .. } => found.last_mut().unwrap().1 += &text,
                    other => panic!("{other:?}"),
                }
            }
            let found: Vec<(&str, &str)> = found.iter().map(|(n, a)| (n.as_str(), a.as_str())).collect();
            assert_eq!((words.as_str(), found.as_slice()), (shown, calls), "cut every {size}");
            assert_eq!(parser.any(), !calls.is_empty());
        }
    }

    #[test]
    fn calls_are_parted_from_text_however_it_is_cut() {
        check("just <b>text</b> and a <tool", "just <b>text</b> and a <tool", &[]);
        check(
            "Let me see.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>\n",
            "Let me see.",
            &[("f", "{\"a\":1}"), ("g", "{}")],
        );
        check("<tool_call>{\"name\": \"f\", \"arguments\": \"{}\"}</tool_call>", "", &[("f", "{}")]);
    }

    #[test]
    fn what_is_no_call_is_text_and_not_lost() {
        for text in [
            "<tool_call>no</tool_call>",
            "<tool_call>{\"name\": 3}</tool_call>",
            "a <tool_call>{\"name\": \"f\"",
            "日本<tool_call>",
        ] {
            check(text, text, &[]);
        }
    }
}
