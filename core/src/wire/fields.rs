//! Objects read field by field into a type, without building a tree: for answers that come in their ordinary form.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What an object's fields are sorted into.
pub(super) trait Fields<'de>: Default {
    /// Takes the value of one field; an error where the object is not an ordinary one.
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads a body; `None` where it is not an ordinary one.
pub(super) fn read<'de, T: Fields<'de>>(body: &'de [u8]) -> Option<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let fields = deserializer.deserialize_map(Sorter(PhantomData)).ok()?;
    deserializer.end().ok()?;
    Some(fields)
}

/// A text, borrowed where it can be.
#[derive(Deserialize)]
pub(super) struct Borrowed<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

struct Sorter<T>(PhantomData<T>);

impl<'de, T: Fields<'de>> Visitor<'de> for Sorter<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut fields = T::default();
        while let Some(Borrowed(name)) = map.next_key::<Borrowed<'de>>()? {
            fields.take(&name, &mut map)?;
        }
        Ok(fields)
    }
}
