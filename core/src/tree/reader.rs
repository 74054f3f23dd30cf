//! Reads a tree into a type. Small before fast: each type is visited in one way, so its code for the others is left out.

use std::fmt::Display;

use serde::de::value::{BorrowedStrDeserializer, U32Deserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};

use super::{Data, Node, TreeError, at};

/// Reads a tree as `T`.
pub(crate) fn read<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, TreeError> {
    T::deserialize(Reader(node)).map_err(|error| error.at(node.line))
}

impl de::Error for TreeError {
    fn custom<T: Display>(message: T) -> TreeError {
        TreeError { line: 0, message: message.to_string() }
    }
}

struct Reader<'de>(&'de Node);

impl<'de> Reader<'de> {
    fn wrong(&self, expected: &dyn de::Expected) -> TreeError {
        let found = match &self.0.data {
            Data::Null => Unexpected::Other("null"),
            Data::Bool(yes) => Unexpected::Bool(*yes),
            Data::Int(int) => Unexpected::Signed(*int),
            Data::Count(count) => Unexpected::Unsigned(*count),
            Data::Float(float) => Unexpected::Float(*float),
            Data::Text(text) => Unexpected::Str(text),
            Data::List(_) => Unexpected::Seq,
            Data::Table(_) => Unexpected::Map,
        };
        <TreeError as de::Error>::invalid_type(found, expected).at(self.0.line)
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match self.0.data {
            Data::Int(int) => visitor.visit_i64(int),
            Data::Count(count) => visitor.visit_u64(count),
            Data::Float(float) => visitor.visit_f64(float),
            _ => Err(self.wrong(&visitor)),
        }
    }
}

macro_rules! number {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> { self.number(visitor) })+
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = TreeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match &self.0.data {
            Data::Null => visitor.visit_unit(),
            Data::Bool(yes) => visitor.visit_bool(*yes),
            Data::Text(text) => visitor.visit_borrowed_str(text),
            Data::List(items) => visitor.visit_seq(Items(items.iter())),
            Data::Table(fields) => visitor.visit_map(Fields { fields: fields.iter(), value: None }),
            _ => self.number(visitor),
        }
    }

    number! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match self.0.data {
            Data::Bool(yes) => visitor.visit_bool(yes),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match &self.0.data {
            Data::Text(text) => visitor.visit_borrowed_str(text),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match self.0.data {
            Data::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match self.0.data {
            Data::Null => visitor.visit_unit(),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TreeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TreeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match &self.0.data {
            Data::List(items) => visitor.visit_seq(Items(items.iter())),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, TreeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        match name {
            at::NAME => visitor.visit_seq(LineAndValue { node: self.0, taken: 0 }),
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        match &self.0.data {
            Data::Table(fields) => visitor.visit_map(Fields { fields: fields.iter(), value: None }),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TreeError> {
        match &self.0.data {
            Data::Text(name) => visitor.visit_enum(Variant { name, line: self.0.line, value: None }),
            Data::Table(fields) => match fields.as_slice() {
                [(name, line, value)] => visitor.visit_enum(Variant { name, line: *line, value: Some(value) }),
                _ => Err(self.wrong(&"a map with a single key")),
            },
            _ => Err(self.wrong(&"a text or a map with a single key")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TreeError> {
        visitor.visit_unit()
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = TreeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TreeError> {
        let Some(node) = self.0.next() else { return Ok(None) };
        seed.deserialize(Reader(node)).map(Some).map_err(|error| error.at(node.line))
    }
}

struct Fields<'de> {
    fields: std::slice::Iter<'de, (String, u32, Node)>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = TreeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TreeError> {
        let Some((name, line, value)) = self.fields.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some).map_err(|error: TreeError| error.at(*line))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, TreeError> {
        let node = self.value.take().expect("a value follows its key");
        seed.deserialize(Reader(node)).map_err(|error| error.at(node.line))
    }
}

/// A line, and then the value that stands there.
struct LineAndValue<'de> {
    node: &'de Node,
    taken: u8,
}

impl<'de> SeqAccess<'de> for LineAndValue<'de> {
    type Error = TreeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TreeError> {
        self.taken += 1;
        match self.taken {
            1 => seed.deserialize(U32Deserializer::new(self.node.line)).map(Some),
            2 => seed.deserialize(Reader(self.node)).map(Some),
            _ => Ok(None),
        }
    }
}

struct Variant<'de> {
    name: &'de str,
    line: u32,
    value: Option<&'de Node>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = TreeError;
    type Variant = Inside<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Inside<'de>), TreeError> {
        let read = seed.deserialize(BorrowedStrDeserializer::new(self.name));
        read.map(|name| (name, Inside(self.value))).map_err(|error: TreeError| error.at(self.line))
    }
}

/// What a variant holds.
struct Inside<'de>(Option<&'de Node>);

impl<'de> Inside<'de> {
    fn reader(&self, wanted: &dyn de::Expected) -> Result<Reader<'de>, TreeError> {
        self.0.map(Reader).ok_or_else(|| de::Error::invalid_type(Unexpected::UnitVariant, wanted))
    }
}

impl<'de> VariantAccess<'de> for Inside<'de> {
    type Error = TreeError;

    fn unit_variant(self) -> Result<(), TreeError> {
        self.0.map_or(Ok(()), |node| Deserialize::deserialize(Reader(node)))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, TreeError> {
        seed.deserialize(self.reader(&"newtype variant")?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, TreeError> {
        self.reader(&"tuple variant")?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, TreeError> {
        self.reader(&"struct variant")?.deserialize_map(visitor)
    }
}
