//! What an answer says besides what we have a place for: written down as it is read, and read again only if somebody asks.

use std::ops::Range;

use serde::de::MapAccess;
use serde_json::Value;

use super::json::{self, Copier, Counts, Flat};
use crate::model::Api;
use crate::vendor_fields::VendorFields;

/// The fields beside those that were sorted out, as the text of a JSON object.
#[derive(Debug, Default)]
pub(super) struct Rest {
    text: Vec<u8>,
    /// Where the usage stands.
    usage: Option<Range<usize>>,
}

/// Room for the fields of most answers.
const ROOM: usize = 384;

impl Rest {
    /// Keeps the field `name`, whose value comes next, unless its text is one to leave out. Returns what was kept.
    ///
    /// # Errors
    /// Where it cannot be read, or not twice alike: see `Copier`.
    pub(super) fn keep<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        is_left_out: impl Fn(&[u8]) -> bool,
    ) -> Result<&[u8], A::Error> {
        if self.text.is_empty() {
            self.text.reserve(ROOM);
        }
        let before = self.text.len();
        self.text.push(if before == 0 { b'{' } else { b',' });
        json::quoted(name, &mut self.text);
        self.text.push(b':');
        let from = self.text.len();
        map.next_value_seed(Copier(&mut self.text))?;
        if is_left_out(&self.text[from..]) {
            self.text.truncate(before);
            return Ok(&[]);
        }
        if name == "usage" {
            self.usage = Some(from..self.text.len());
        }
        Ok(&self.text[from..])
    }

    /// What `read` makes of the usage; `None` where there is none.
    pub(super) fn usage<T>(&self, read: impl Fn(&dyn Counts) -> T) -> Option<T> {
        let text = std::str::from_utf8(self.text.get(self.usage.clone()?)?).ok()?;
        match Flat::read(text) {
            Some(flat) => Some(read(&flat)),
            None => serde_json::from_str(text).ok().map(|tree: Value| read(&tree)),
        }
    }

    /// All fields.
    pub(super) fn into_fields(mut self, api: Api) -> Option<VendorFields> {
        if self.text.is_empty() {
            return Some(VendorFields::new());
        }
        self.text.push(b'}');
        String::from_utf8(self.text).ok().map(|text| VendorFields::unread(api, text))
    }
}

/// Whether a text is that of nothing: null, or an empty text, list or object.
pub(super) fn is_empty(text: &[u8]) -> bool {
    matches!(text, b"null" | b"\"\"" | b"[]" | b"{}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::wire::fields::{self, Fields};

    /// All fields of a body.
    #[derive(Debug, Default)]
    struct All(Rest);

    impl<'de> Fields<'de> for All {
        fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
            self.0.keep(name, map, is_empty).map(drop)
        }
    }

    fn kept(body: &str) -> Option<Rest> {
        fields::read::<All>(body.as_bytes()).map(|all| all.0)
    }

    #[test]
    fn what_is_kept_is_what_a_tree_would_hold() {
        for value in [
            "1",
            "-7",
            "18446744073709551615",
            "true",
            r#""3e4""#,
            r#"{"a" : [1, {"b": null}, []], "c": {}, "": "d"}"#,
            r#""\u00e9\n\ud83d\ude00\u0000""#,
            "[ [ ], [1 ,2] ]",
            "\"d\u{e9}j\u{e0}\"",
            r#"{"$a": "$serde_json::private::RawValue"}"#,
        ] {
            let body = format!(r#"{{"na\"me": {value}, "twice": 1, "twice": {value}, "none": null}}"#);
            let fields = kept(&body).unwrap().into_fields(Api::Messages).unwrap();
            let want: Value = serde_json::from_str(value).unwrap();
            assert_eq!(fields.get(Api::Messages), json!({"na\"me": want, "twice": want}).as_object(), "{value}");
        }
        assert!(kept("{}").unwrap().into_fields(Api::Messages).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_twice_alike_is_left_to_a_tree() {
        let deep = format!("{}{}", "[".repeat(140), "]".repeat(140));
        let long = "9".repeat(400);
        let raw = r#"{"$serde_json::private::RawValue": "[1]"}"#;
        let number = r#"[{"a": 1, "$serde_json::private::Number": "2"}]"#;
        for value in ["1e999", "0.1", "1e2", r#""\ud800""#, &deep, &long, raw, number] {
            assert!(kept(&format!(r#"{{"a": {value}}}"#)).is_none(), "{value}");
        }
    }

    #[test]
    fn fields_that_nobody_read_yet_are_like_others() {
        let unread = || kept(r#"{"a": [1, 2]}"#).unwrap().into_fields(Api::Messages).unwrap();
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
    fn what_says_nothing_is_left_out_however_it_is_written() {
        for value in ["null", "\"\"", "[ \n]", "{ }"] {
            assert!(kept(&format!(r#"{{"a": {value}}}"#)).unwrap().text.is_empty(), "{value}");
        }
        for value in ["0", "false", "\" \"", "[[]]", "{\"a\": 1}", "\"[]\""] {
            assert!(!kept(&format!(r#"{{"a": {value}}}"#)).unwrap().text.is_empty(), "{value}");
        }
    }

    #[test]
    fn usage_reads_the_same_without_a_tree_or_is_left_to_one() {
        let paths: [&[&str]; 6] = [&["a"], &["b"], &["a", "b"], &["b", "a"], &["a", "b", "c"], &["", "a"]];
        let many: Vec<String> = (0..100_000).map(|name| format!(r#""{name}":1"#)).collect();
        let many = format!("{{{}}}", many.join(","));
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
            (many.as_str(), false),
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
        let rest = kept(r#"{"usage": {"a": [], "b": 5}, "c": 1}"#).unwrap();
        assert_eq!(rest.usage(|counts| counts.count(&["b"])), Some(Some(5)));
        assert_eq!(kept(r#"{"c": 1}"#).unwrap().usage(|_| ()), None);
    }
}
