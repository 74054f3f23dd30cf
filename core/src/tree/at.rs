//! A value together with its line, for types that name places.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// The name by which the reader knows that a line is wanted.
pub(super) const NAME: &str = "$tierway::At";

/// A value and the line it stands in.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) line: u32,
    pub(crate) value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<At<T>, D::Error> {
        struct Pair<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pair<T> {
            type Value = At<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its line")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<At<T>, A::Error> {
                match (pair.next_element()?, pair.next_element()?) {
                    (Some(line), Some(value)) => Ok(At { line, value }),
                    _ => Err(A::Error::custom("a value without its line")),
                }
            }
        }
        from.deserialize_tuple_struct(NAME, 2, Pair(PhantomData))
    }
}
