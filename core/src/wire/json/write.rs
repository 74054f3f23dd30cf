//! A tree of JSON as bytes: the same that `serde_json` writes, several times sooner where texts are long.
//!
//! Prompts are nearly all of what is sent. `serde_json` looks at each of their bytes by itself; here sixteen at a time are
//! looked at for one that must be escaped.

use serde_json::{Map, Value};

/// Bytes looked at together.
const BLOCK: usize = 16;
/// A body's buffer to begin with: most bodies fit, and larger ones grow it by doubling.
pub(crate) const ROOM: usize = 1_024;

/// What a wire wrote, as bytes.
pub(crate) fn bytes(body: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(ROOM);
    value(body, &mut out);
    out
}

fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            serde_json::to_writer(out, number).expect("a number is finite, and a buffer takes what it is given");
        }
        Value::String(text) => quoted(text, out),
        Value::Array(items) => array(items, out),
        Value::Object(fields) => object(fields, out),
    }
}

fn array(items: &[Value], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        value(item, out);
    }
    out.push(b']');
}

fn object(fields: &Map<String, Value>, out: &mut Vec<u8>) {
    out.push(b'{');
    self::fields(fields, true, out);
    out.push(b'}');
}

/// Fields of an object, a comma before each but the first of it.
pub(crate) fn fields(fields: &Map<String, Value>, are_first: bool, out: &mut Vec<u8>) {
    for (at, (name, field)) in fields.iter().enumerate() {
        if at > 0 || !are_first {
            out.push(b',');
        }
        quoted(name, out);
        out.push(b':');
        value(field, out);
    }
}

/// A text within quotation marks.
pub(crate) fn quoted(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    while let Some(at) = next_escaped(bytes, written) {
        out.extend_from_slice(&bytes[written..at]);
        escape(bytes[at], out);
        written = at + 1;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

/// Where the next byte stands, from `from` on, that may not stand in a JSON text as it is.
fn next_escaped(bytes: &[u8], from: usize) -> Option<usize> {
    let (blocks, _) = bytes[from..].as_chunks::<BLOCK>();
    let plain =
        blocks.iter().take_while(|block| !block.iter().fold(false, |any, byte| any | is_escaped(*byte))).count();
    let near = from + plain * BLOCK;
    let rest = &bytes[near..];
    // Most texts are short and plain, and so is their end: eight bytes are looked at as one.
    let plain =
        rest.as_chunks::<8>().0.iter().take_while(|eight| !has_escaped(u64::from_le_bytes(**eight))).count() * 8;
    rest[plain..].iter().position(|byte| is_escaped(*byte)).map(|at| near + plain + at)
}

#[inline]
fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Whether one of eight bytes is. Exact: a byte is below 0x20 where taking that from it borrows, and equal to a sign where
/// what differs is below one; bytes from 0x80 on never count.
fn has_escaped(eight: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let below = |value: u64, least: u64| value.wrapping_sub(least * ONES) & !value & HIGH;
    let signs = below(eight ^ (u64::from(b'"') * ONES), 1) | below(eight ^ (u64::from(b'\\') * ONES), 1);
    (below(eight, 0x20) | signs) != 0
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let digit = |half: u8| b"0123456789abcdef"[usize::from(half & 15)];
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte)]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Trees of every kind of value; texts hold what must be escaped, and what is wider than a byte, at every place.
    fn tree() -> impl Strategy<Value = Value> {
        let text = prop::collection::vec(
            prop_oneof![6 => prop::char::range(' ', '~'), 1 => any::<char>(), 1 => prop::char::range('\0', '\u{1f}')],
            0..70,
        )
        .prop_map(|letters| letters.into_iter().collect::<String>());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, move |inner| {
            let fields = prop::collection::vec((text.clone(), inner.clone()), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::from),
                fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn bytes_are_those_of_serde_json(tree in tree()) {
            prop_assert_eq!(bytes(&tree), serde_json::to_vec(&tree).unwrap());
        }
    }

    #[test]
    fn every_byte_is_escaped_as_serde_json_does_it_wherever_it_stands() {
        for letter in (0..=0xff_u8).map(char::from) {
            for before in 0..2 * BLOCK + 2 {
                let text = Value::from(format!("{}{letter}{letter}z", "a".repeat(before)));
                assert_eq!(bytes(&text), serde_json::to_vec(&text).unwrap(), "{letter:?} after {before}");
            }
        }
    }
}
