//! JSON written again while it is read, without a tree: what comes out can be read for sure, and reads the same.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::quoted;

/// Names by which `serde_json` knows its own raw values and numbers: an object that begins with one is read as no object
/// where a program has these features on.
const RESERVED: &str = "$serde_json::private::";

/// Writes one value, compact. An error where it would not read the same: a fraction may end in another last digit, and an
/// object with a reserved name may be taken for something else.
pub(in crate::wire) struct Copier<'o>(pub(in crate::wire) &'o mut Vec<u8>);

impl Copier<'_> {
    fn again(&mut self) -> Copier<'_> {
        Copier(self.0)
    }

    fn number<E: Error>(self, number: impl serde::Serialize) -> Result<(), E> {
        serde_json::to_writer(self.0, &number).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Copier<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Copier<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without fractions")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.0.extend_from_slice(if flag { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.number(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.number(number)
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        quoted(text, self.0);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        let from = self.0.len();
        loop {
            let before = self.0.len();
            if before > from {
                self.0.push(b',');
            }
            if list.next_element_seed(self.again())?.is_none() {
                self.0.truncate(before);
                break;
            }
        }
        self.0.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        let from = self.0.len();
        loop {
            let before = self.0.len();
            if before > from {
                self.0.push(b',');
            }
            if map.next_key_seed(Name(self.0))?.is_none() {
                self.0.truncate(before);
                break;
            }
            self.0.push(b':');
            map.next_value_seed(self.again())?;
        }
        self.0.push(b'}');
        Ok(())
    }
}

/// Writes a name.
struct Name<'o>(&'o mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        if name.starts_with(RESERVED) {
            return Err(E::custom("a reserved name"));
        }
        quoted(name, self.0);
        Ok(())
    }
}
