//! What an answer says besides what we have a place for: kept as it came, and read only if somebody asks for it.

use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{self, Counts, Flat};
use crate::model::Api;
use crate::vendor_fields::VendorFields;

/// The fields beside those that were sorted out, as the text of a JSON object.
#[derive(Debug, Default)]
pub(super) struct Rest {
    text: Vec<u8>,
    /// Whether something is among it that reads otherwise than it looks, or not at all.
    is_doubtful: bool,
}

/// Room for the fields of most answers.
const ROOM: usize = 384;
/// Longer values may be nested deeper, or hold longer numbers, than JSON is read.
const SHORT: usize = 200;

impl Rest {
    /// Keeps a field.
    pub(super) fn keep(&mut self, name: &str, value: &RawValue) {
        self.is_doubtful |= !is_plain(value.get());
        self.write(name, value);
    }

    /// Keeps the usage and reads it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn keep_usage<'a>(&mut self, name: &str, value: &'a RawValue) -> Result<Counted<'a>, serde_json::Error> {
        if let Some(flat) = Flat::read(value.get()) {
            self.write(name, value);
            return Ok(Counted::Flat(flat));
        }
        self.keep(name, value);
        serde_json::from_str(value.get()).map(Counted::Tree)
    }

    fn write(&mut self, name: &str, value: &RawValue) {
        if self.text.is_empty() {
            self.text.reserve(ROOM);
        }
        self.text.push(if self.text.is_empty() { b'{' } else { b',' });
        json::quoted(name, &mut self.text);
        self.text.push(b':');
        self.text.extend_from_slice(value.get().as_bytes());
    }

    /// All fields; `None` where they cannot be read.
    pub(super) fn into_fields(mut self, api: Api) -> Option<VendorFields> {
        if self.text.is_empty() {
            return Some(VendorFields::new());
        }
        self.text.push(b'}');
        let text = String::from_utf8(self.text).ok()?;
        match self.is_doubtful {
            false => Some(VendorFields::unread(api, text)),
            true => Some(VendorFields::of(api, serde_json::from_str(&text).ok()?)),
        }
    }
}

/// Usage as it was read: without a tree where its form is the ordinary one.
#[derive(Debug)]
pub(super) enum Counted<'a> {
    Flat(Flat<'a>),
    Tree(Value),
}

impl Counted<'_> {
    pub(super) fn as_counts(&self) -> &dyn Counts {
        match self {
            Counted::Flat(flat) => flat,
            Counted::Tree(tree) => tree,
        }
    }
}

/// Whether a value says nothing: null, or a text, a list or an object that is empty.
pub(super) fn is_empty(value: &RawValue) -> bool {
    let text = value.get();
    let within = |open, close| text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
    let is_bare = |open, close| within(open, close).is_some_and(|inside: &str| inside.trim_ascii().is_empty());
    matches!(text, "null" | "\"\"") || is_bare('[', ']') || is_bare('{', '}')
}

/// Whether what was only skipped can be read for sure: it holds no escape, which may stand for half a letter, no number
/// with an exponent, which may be too large, and is short.
fn is_plain(value: &str) -> bool {
    let bytes = value.as_bytes();
    let is_exponent = |pair: &[u8]| matches!(pair, [b'0'..=b'9' | b'.', b'e' | b'E']);
    bytes.len() < SHORT && !bytes.contains(&b'\\') && !bytes.windows(2).any(is_exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).expect("it is skipped over")
    }

    #[test]
    fn what_is_kept_is_what_a_tree_would_hold() {
        for value in
            ["1", "\"3e4\"", "{\"a\": [1, {\"b\": null}]}", "\"\\u00e9\\n\"", "1.5e3", "[ ]", "\"d\u{e9}j\u{e0}\""]
        {
            let mut rest = Rest::default();
            rest.keep("na\"me", raw(value));
            rest.keep("twice", raw("1"));
            rest.keep("twice", raw(value));
            let fields = rest.into_fields(Api::Messages).unwrap();
            let want: Value = serde_json::from_str(value).unwrap();
            let want = json!({"na\"me": want, "twice": want});
            assert_eq!(fields.get(Api::Messages), want.as_object(), "{value}");
        }
        assert!(Rest::default().into_fields(Api::Messages).unwrap().is_empty());
    }

    #[test]
    fn fields_that_nobody_read_yet_are_like_others() {
        let unread = || {
            let mut rest = Rest::default();
            rest.keep("a", raw("[1, 2]"));
            rest.into_fields(Api::Messages).unwrap()
        };
        let read = VendorFields::of(Api::Messages, json!({"a": [1, 2]}).as_object().unwrap().clone());
        assert_eq!(unread(), read);
        assert_eq!(serde_json::to_string(&unread()).unwrap(), r#"{"messages":{"a":[1,2]}}"#);
        assert_eq!(format!("{:?}", unread()), format!("{read:?}"));
        let (mut set, mut extended) = (unread(), VendorFields::new());
        set.set(Api::Messages, "b", json!(3));
        extended.extend(unread());
        assert_eq!(set.get(Api::Messages).map(|fields| fields.len()), Some(2));
        assert_eq!(extended, read);
    }

    #[test]
    fn what_says_nothing_is_known_as_it_is_written() {
        for value in ["null", "\"\"", "[ \n]", "{}"] {
            assert!(is_empty(raw(value)), "{value}");
        }
        for value in ["0", "false", "\" \"", "[[]]", "{\"a\": 1}", "\"[]\""] {
            assert!(!is_empty(raw(value)), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_at_once() {
        let deep = format!("{}{}", "[".repeat(140), "]".repeat(140));
        let long = "9".repeat(400);
        for value in ["1e999", "\"\\ud800\"", &deep, &long] {
            let mut rest = Rest::default();
            rest.keep("a", raw(value));
            assert!(rest.into_fields(Api::Messages).is_none(), "{value}");
        }
    }

    #[test]
    fn usage_reads_the_same_without_a_tree_or_is_left_to_one() {
        let paths: [&[&str]; 6] = [&["a"], &["b"], &["a", "b"], &["b", "a"], &["a", "b", "c"], &["", "a"]];
        for (usage, is_flat) in [
            (r#"{"a": 3, "b": "4 "}"#, true),
            (r#"{"a": 3.0, "b": -1}"#, true),
            (r#"{"a": {"b": 7, "c": {}}, "b": {"a": "x"}}"#, true),
            (r#"{"a": null, "b": [], "c": true, "d": 1e3}"#, true),
            (r#"{"a": {"b": {"c": 5}}}"#, false),
            (r#"{"a": 1, "a": {"b": 2}}"#, false),
            (r#"{"a": {"b": 1}, "a": {"b": 2}}"#, false),
            (r#"{"": {"a": 1}, "a": 2}"#, false),
            (r#"{"a": [1]}"#, false),
            (r#"{"\u0061": 1}"#, false),
            (r#"[]"#, false),
        ] {
            let tree: Value = serde_json::from_str(usage).unwrap();
            let flat = Flat::read(usage);
            assert_eq!(flat.is_some(), is_flat, "{usage}");
            let Some(flat) = flat else { continue };
            for path in paths {
                assert_eq!(flat.count(path), tree.count(path), "{usage} {path:?}");
                assert_eq!(flat.decimal(path), tree.decimal(path), "{usage} {path:?}");
            }
            assert_eq!(Counts::text(&flat, "b"), Counts::text(&tree, "b"), "{usage}");
        }
        assert!(Flat::read("{\"a\": 1} x").is_none());
    }
}
