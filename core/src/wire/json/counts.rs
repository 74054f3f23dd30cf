//! What a vendor counted, by its name: in a tree, or in an object that was read without building one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// A number, a text or a mark within an object.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) enum Leaf<'a> {
    Number(&'a Number),
    Text(&'a str),
    Flag(bool),
}

/// Where counts are looked up.
pub(in crate::wire) trait Counts {
    /// What stands at a path of names.
    fn leaf(&self, path: &[&str]) -> Option<Leaf<'_>>;

    /// The objects of a list; none where there is no list.
    fn items(&self, name: &str) -> &[Value];

    /// A count at a path: a whole number, one written as a float or as text. Negative counts are none.
    fn count(&self, path: &[&str]) -> Option<u64> {
        match self.leaf(path)? {
            Leaf::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Leaf::Text(text) => text.trim().parse().ok(),
            Leaf::Flag(_) => None,
        }
    }

    /// A text.
    fn text(&self, name: &str) -> Option<&str> {
        match self.leaf(&[name])? {
            Leaf::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The decimal text of a number, exactly as it was written; money is read from it without floats.
    fn decimal(&self, path: &[&str]) -> Option<String> {
        match self.leaf(path)? {
            Leaf::Number(number) => Some(number.to_string()),
            Leaf::Text(text) => Some(text.to_owned()),
            Leaf::Flag(_) => None,
        }
    }
}

/// A float that is a count, as a count.
fn whole(float: f64) -> Option<u64> {
    ((0.0..9e15).contains(&float) && float.fract() == 0.0).then_some(float as u64)
}

impl Counts for Value {
    fn leaf(&self, path: &[&str]) -> Option<Leaf<'_>> {
        match super::at(self, path)? {
            Value::Number(number) => Some(Leaf::Number(number)),
            Value::String(text) => Some(Leaf::Text(text)),
            Value::Bool(flag) => Some(Leaf::Flag(*flag)),
            _ => None,
        }
    }

    fn items(&self, name: &str) -> &[Value] {
        super::list(self, name)
    }
}

/// An object of numbers, texts and marks, and of objects of these: what nearly every count of usage is.
#[derive(Debug, Default)]
pub(in crate::wire) struct Flat<'a>(Vec<Entry<'a>>);

/// A name within `outer`, or within the object itself where that is empty.
#[derive(Debug)]
struct Entry<'a> {
    outer: &'a str,
    name: &'a str,
    held: Held<'a>,
}

#[derive(Debug)]
enum Held<'a> {
    Number(Number),
    Text(&'a str),
    Flag(bool),
    /// Null, an empty list or an object.
    None,
}

/// Names for which room is made at once.
const ROOM: usize = 12;
/// More names than any usage has; each is compared with those before it.
const NAMES_MAX: usize = 64;

impl<'a> Flat<'a> {
    /// Reads an object; `None` where it holds anything else (a list, a third level, an escaped name or text, a name twice,
    /// more than 64 of them) or is no object.
    pub(in crate::wire) fn read(object: &'a str) -> Option<Flat<'a>> {
        let mut flat = Flat(Vec::with_capacity(ROOM));
        let mut deserializer = serde_json::Deserializer::from_str(object);
        deserializer.deserialize_map(Level { flat: &mut flat, outer: "" }).ok()?;
        deserializer.end().ok()?;
        Some(flat)
    }

    fn holds(&self, outer: &str, name: &str) -> bool {
        self.0.iter().any(|entry| entry.name == name && entry.outer == outer)
    }
}

impl Counts for Flat<'_> {
    fn leaf(&self, path: &[&str]) -> Option<Leaf<'_>> {
        let (outer, name) = match *path {
            [name] => ("", name),
            [outer, name] if !outer.is_empty() => (outer, name),
            _ => return None,
        };
        let found = self.0.iter().find(|entry| entry.name == name && entry.outer == outer)?;
        match &found.held {
            Held::Number(number) => Some(Leaf::Number(number)),
            Held::Text(text) => Some(Leaf::Text(text)),
            Held::Flag(flag) => Some(Leaf::Flag(*flag)),
            Held::None => None,
        }
    }

    fn items(&self, _: &str) -> &[Value] {
        &[]
    }
}

/// Reads the fields of one object.
struct Level<'f, 'a> {
    flat: &'f mut Flat<'a>,
    outer: &'a str,
}

impl<'de> Visitor<'de> for Level<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of counts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&'de str>()? {
            if name.is_empty() || self.flat.0.len() >= NAMES_MAX || self.flat.holds(self.outer, name) {
                return Err(A::Error::custom("a name that is empty, stands twice or is one too many"));
            }
            let held = map.next_value_seed(Slot { flat: self.flat, name, is_inner: !self.outer.is_empty() })?;
            self.flat.0.push(Entry { outer: self.outer, name, held });
        }
        Ok(())
    }
}

/// Reads what one name holds.
struct Slot<'f, 'a> {
    flat: &'f mut Flat<'a>,
    name: &'a str,
    is_inner: bool,
}

impl<'de> DeserializeSeed<'de> for Slot<'_, 'de> {
    type Value = Held<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Held<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Slot<'_, 'de> {
    type Value = Held<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Held<'de>, E> {
        Ok(Held::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Held<'de>, E> {
        Ok(Held::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Held<'de>, E> {
        Ok(Held::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Held<'de>, E> {
        Number::from_f64(number).map(Held::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Held<'de>, E> {
        Ok(Held::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Held<'de>, E> {
        Ok(Held::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Held<'de>, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            None => Ok(Held::None),
            Some(_) => Err(A::Error::custom("a list")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Held<'de>, A::Error> {
        if !self.is_inner {
            return Level { flat: self.flat, outer: self.name }.visit_map(map).map(|()| Held::None);
        }
        match map.next_key::<IgnoredAny>()? {
            None => Ok(Held::None),
            Some(_) => Err(A::Error::custom("a third level")),
        }
    }
}
