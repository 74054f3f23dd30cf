//! Reading JSON from vendors tolerantly: numbers as text, absent or null fields, and bodies that are not JSON at all.

use serde_json::{Map, Value};

use crate::error::ProviderError;

mod copy;
mod counts;
mod write;

pub(in crate::wire) use copy::Copier;
pub(in crate::wire) use counts::{Counts, Flat, Leaf};
pub(crate) use write::{ROOM, bytes, fields, quoted};

/// Objects of at most so many fields are searched from end to end.
const FEW_FIELDS: usize = 16;

/// A body as JSON. The error names what came in its place and never repeats it.
///
/// # Errors
/// `Kind::Protocol`.
pub fn body(bytes: &[u8]) -> Result<Value, ProviderError> {
    let read = serde_json::from_slice(bytes);
    // Bytes that are not UTF-8 are replaced, as in a stream: the rest of the answer is worth having.
    let read = read.or_else(|error| match std::str::from_utf8(bytes) {
        Ok(_) => Err(error),
        Err(_) => serde_json::from_str(&String::from_utf8_lossy(bytes)),
    });
    read.or_else(|error| std::str::from_utf8(bytes).ok().and_then(mended).ok_or(error))
        .map_err(|error| not_json(bytes, &error))
}

/// JSON whose texts hold one half of a surrogate pair without the other, that half replaced: some servers cut their
/// answers between the two. `None` where that is not what is wrong.
fn mended(text: &str) -> Option<Value> {
    let half = |at: usize| {
        let escape = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok().filter(|unit| (0xD800..0xE000).contains(unit))
    };
    let (mut whole, mut rest, mut at) = (String::with_capacity(text.len()), 0, 0);
    while let Some(found) = memchr::memchr(b'\\', &text.as_bytes()[at..]) {
        at += found;
        at += match (half(at), half(at + 6)) {
            (None, _) => 2,
            (Some(first), Some(second)) if first < 0xDC00 && second >= 0xDC00 => 12,
            (Some(_), _) => {
                whole.push_str(&text[rest..at]);
                whole.push_str("\\ufffd");
                rest = at + 6;
                6
            }
        };
        at = at.min(text.len());
    }
    if rest == 0 {
        return None;
    }
    whole.push_str(&text[rest..]);
    serde_json::from_str(&whole).ok()
}

/// A piece of a stream as JSON.
///
/// # Errors
/// `Kind::Protocol`.
pub fn event(text: &str) -> Result<Value, ProviderError> {
    serde_json::from_str(text).or_else(|error| mended(text).ok_or_else(|| not_json(text.as_bytes(), &error)))
}

/// The error for bytes that should have been JSON.
#[cold]
pub(crate) fn not_json(bytes: &[u8], error: &serde_json::Error) -> ProviderError {
    let what = match bytes.trim_ascii_start() {
        [] => "the answer is empty where JSON was expected".to_owned(),
        [b'<', ..] => "the answer is a page of HTML or XML where JSON was expected: check the base URL".to_owned(),
        _ => format!("the answer is not the JSON that was expected (line {}, column {})", error.line(), error.column()),
    };
    ProviderError::protocol(what)
}

/// A field that is there and not null.
pub fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    let found = match object.len() {
        // Names of a few fields are compared sooner than one is hashed.
        0..=FEW_FIELDS => object.iter().find(|(known, _)| *known == name).map(|(_, found)| found),
        _ => object.get(name),
    };
    found.filter(|found| !found.is_null())
}

/// What stands at a path of names, if it is there and not null.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |place, name| field(place, name))
}

/// A text field.
pub fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    field(value, name)?.as_str()
}

/// An array field; empty where it is absent.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    field(value, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A count at a path: see `Counts::count`.
pub fn count(value: &Value, path: &[&str]) -> Option<u64> {
    value.count(path)
}

/// The decimal text at a path: see `Counts::decimal`.
pub fn decimal(value: &Value, path: &[&str]) -> Option<String> {
    value.decimal(path)
}

/// Takes a field out of an object, if it is there.
pub fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    object.shift_remove(name)
}

/// Takes a field out of an object if `read` understands it; otherwise it stays where it is.
pub fn take_if<T>(object: &mut Map<String, Value>, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
    let found = read(object.get(name)?)?;
    object.shift_remove(name);
    Some(found)
}

/// Writes a field if there is something to write.
pub fn put(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_are_read_in_every_form_that_vendors_write() {
        let value = json!({"a": 3, "b": 3.0, "c": "3", "d": null, "e": -1, "f": 1.5, "g": {"h": 0}});
        let counts: Vec<_> = ["a", "b", "c", "d", "e", "f", "x"].iter().map(|name| count(&value, &[name])).collect();
        assert_eq!(counts, [Some(3), Some(3), Some(3), None, None, None, None]);
        assert_eq!(count(&value, &["g", "h"]), Some(0));
    }

    #[test]
    fn no_name_of_a_vendor_is_read_as_json_of_its_own() {
        // With the feature `raw_value` of serde_json, which nothing here may turn on, this would be a list.
        let body = body(br#"{"a": {"$serde_json::private::RawValue": "[1]"}}"#).unwrap();
        assert_eq!(body["a"]["$serde_json::private::RawValue"], "[1]");
    }

    #[test]
    fn what_is_no_json_is_named_and_not_repeated() {
        for (bytes, want) in [("", "empty"), ("<html>secret</html>", "HTML"), ("{\"secret", "line 1")] {
            let error = body(bytes.as_bytes()).unwrap_err();
            assert!(error.message.contains(want) && !error.message.contains("secret"), "{error}");
        }
        assert_eq!(body(b"{\"a\":\"\xff\"}").unwrap(), json!({"a": "\u{fffd}"}));
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced_and_whole_pairs_are_kept() {
        for (text, want) in [
            (r#"{"a": "x\ud83d"}"#, "x\u{fffd}"),
            (r#"{"a": "\ude00 y"}"#, "\u{fffd} y"),
            (r#"{"a": "\ud83d\ude00\ud83d\\\"é"}"#, "\u{1f600}\u{fffd}\\\"é"),
            (r#"{"a": "\ud83d\ud83d\ude00"}"#, "\u{fffd}\u{1f600}"),
            (r#"{"a": "\\ud83d"}"#, "\\ud83d"),
        ] {
            assert_eq!(event(text).unwrap()["a"], want, "{text}");
            assert_eq!(body(text.as_bytes()).unwrap()["a"], want, "{text}");
        }
        for text in [r#"{"a": "\ud83d"#, r#"{"a": "\ud8"}"#, "\\", r#"{"a": "\ud83dé"#] {
            assert!(event(text).is_err(), "{text}");
        }
    }
}
