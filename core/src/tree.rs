//! Data as a tree that knows its lines, and the one reader from there into types: settings and rows, in TOML or JSON.
//!
//! Every type that is read costs code once for each reader that reads it. What is read seldom is therefore read from a
//! tree, whatever it was written in; only what is read with every call has a reader of its own.

use serde::de::DeserializeOwned;
use serde_json::Value;

mod at;
mod reader;
mod toml_text;

pub(crate) use at::At;
pub(crate) use reader::read;
pub(crate) use toml_text::parse as parse_always;

/// A value and the line it stands in, from 1; 0 where there is no text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) data: Data,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Int(i64),
    Count(u64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// Keys with their lines, in their order.
    Table(Vec<(String, u32, Node)>),
}

/// Why a value is not of its type, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TreeError {
    /// The line, from 1; 0 where it is not known.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl TreeError {
    /// The error at this line, unless it has one.
    fn at(mut self, line: u32) -> TreeError {
        if self.line == 0 {
            self.line = line;
        }
        self
    }
}

/// Reads TOML, in a build that reads a user's own.
///
/// # Errors
/// Where the text is not TOML, with the line, or the build reads none.
pub(crate) fn parse(text: &str) -> Result<Node, TreeError> {
    if cfg!(feature = "toml") {
        return parse_always(text);
    }
    let message = "this build reads no TOML: give the same as data, or build it with the feature `toml`";
    Err(TreeError { line: 0, message: message.to_owned() })
}

impl Node {
    /// The rows of a catalogue as JSON: keys that are null are left out, and a key's line is its number.
    pub(crate) fn of_rows(rows: &Value) -> Node {
        let mut rows = Node::of_json(rows.clone(), 1);
        rows.drop_nulls();
        if let Data::Table(fields) = &mut rows.data {
            for (at, (_, line, value)) in fields.iter_mut().enumerate() {
                *line = at as u32 + 1;
                value.stand_in(*line);
            }
        }
        rows
    }

    fn drop_nulls(&mut self) {
        if let Data::Table(fields) = &mut self.data {
            fields.retain(|(_, _, value)| value.data != Data::Null);
        }
        self.each(Node::drop_nulls);
    }

    fn stand_in(&mut self, line: u32) {
        self.line = line;
        self.each(|inner| inner.stand_in(line));
    }

    fn each(&mut self, mut act: impl FnMut(&mut Node)) {
        match &mut self.data {
            Data::List(items) => items.iter_mut().for_each(act),
            Data::Table(fields) => fields.iter_mut().for_each(|(_, line, value)| {
                act(value);
                *line = value.line;
            }),
            _ => {}
        }
    }

    /// JSON as a tree, all of it in one line.
    pub(crate) fn of_json(value: Value, line: u32) -> Node {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(yes) => Data::Bool(yes),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(count), _) => Data::Count(count),
                (None, Some(int)) => Data::Int(int),
                (None, None) => Data::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Data::Text(text),
            Value::Array(items) => Data::List(items.into_iter().map(|item| Node::of_json(item, line)).collect()),
            Value::Object(fields) => {
                let field = |(key, value)| (key, line, Node::of_json(value, line));
                Data::Table(fields.into_iter().map(field).collect())
            }
        };
        Node { line, data }
    }
}

/// Reads a JSON value as `T`: a little slower than serde_json and with less code, for what is read once.
///
/// # Errors
/// What serde says of the first value that is not of its type.
pub fn read_json<T: DeserializeOwned>(value: Value) -> Result<T, TreeError> {
    read(&Node::of_json(value, 0))
}

/// Reads JSON text as `read_json` does.
pub(crate) fn read_text<T: DeserializeOwned>(text: &str) -> Result<T, TreeError> {
    let value = serde_json::from_str(text).map_err(|error| TreeError { line: 0, message: error.to_string() })?;
    read_json(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::Message;
    use crate::{Reply, RequestDraft};

    /// Reads with both readers, which must agree.
    #[track_caller]
    fn both<T: DeserializeOwned + PartialEq + std::fmt::Debug>(value: Value) -> Result<T, String> {
        let ours = read_json::<T>(value.clone()).map_err(|error| error.to_string());
        let theirs = serde_json::from_value::<T>(value).map_err(|error| error.to_string());
        assert_eq!(ours, theirs);
        ours
    }

    #[test]
    fn rows_count_their_keys_and_leave_nulls_out() {
        let rows = Node::of_rows(&json!({"x": null, "a": 1, "b": [{"c": null, "d": true}]}));
        let yes = Node { line: 2, data: Data::Bool(true) };
        let inner = Node { line: 2, data: Data::Table(vec![("d".to_owned(), 2, yes)]) };
        let list = Node { line: 2, data: Data::List(vec![inner]) };
        let one = Node { line: 1, data: Data::Count(1) };
        assert_eq!(rows.data, Data::Table(vec![("a".to_owned(), 1, one), ("b".to_owned(), 2, list)]));
    }

    #[test]
    fn json_is_read_as_serde_json_reads_it() {
        let request = json!({
            "model": {"only": "acme/one"}, "temperature": 1,
            "messages": [{"role": "user", "parts": [
                {"type": "text", "text": "é"}, {"type": "image", "source": {"from": "url", "url": "https://x"}},
                {"type": "tool_call", "id": "1", "name": "f", "arguments": "{}", "vendor": {"messages": {"a": [1, -2, 0.5]}}},
            ]}],
        });
        let draft = read_json::<RequestDraft>(request.clone()).unwrap();
        assert_eq!(draft, serde_json::from_value::<RequestDraft>(request).unwrap());
        assert_eq!(draft.messages[0].parts.len(), 3);
        both::<Reply>(json!({"parts": [{"type": "text", "text": "x"}], "stop": "end"})).unwrap();
        both::<Message>(json!({"role": "telepath", "parts": []})).unwrap_err();
        both::<Message>(json!({"role": "user", "parts": 7})).unwrap_err();
        both::<Message>(json!({"role": "user"})).unwrap_err();
        both::<Message>(json!({"role": "user", "parts": [{"type": "song"}]})).unwrap_err();
        both::<Value>(json!({"b": [null, true, -1, 2, 0.25, "x"], "a": {}})).unwrap();
        both::<Option<bool>>(json!(null)).unwrap();
        both::<u8>(json!(300)).unwrap_err();
        both::<f64>(json!(300)).unwrap();
        both::<()>(json!(null)).unwrap();
        both::<(u8, String)>(json!([1, "x"])).unwrap();
    }
}
