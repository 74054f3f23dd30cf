//! The ordinary whole answer, read without building a tree: a message whose content is texts.
//!
//! Anything out of the ordinary (thinking, a tool call, citations, an error, an unknown field of a text) fails to read
//! here and is read as a tree by `decode` instead; both read the same of what both can read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::decode;
use crate::message::Part;
use crate::model::Api;
use crate::reply::Reply;
use crate::vendor_fields::VendorFields;

/// Reads a body; `None` where it is not an ordinary one.
pub(super) fn reply(body: &[u8]) -> Option<Reply> {
    let Whole { id, model, content, stop_reason, rest } = serde_json::from_slice(body).ok()?;
    let said = content?.into_iter().map(|block| Part::text(block.text));
    Some(Reply {
        id,
        model,
        parts: said.collect(),
        stop: stop_reason.map(|word| decode::stop_reason(&word)),
        usage: rest.get("usage").map(decode::usage).unwrap_or_default(),
        vendor: VendorFields::of(Api::Messages, rest),
        ..Reply::default()
    })
}

#[derive(Debug, Default)]
struct Whole<'a> {
    id: Option<String>,
    model: Option<String>,
    content: Option<Vec<Block>>,
    stop_reason: Option<Cow<'a, str>>,
    /// What the vendor says besides, its usage among it.
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    #[serde(rename = "type")]
    _kind: Text,
    text: String,
    #[serde(default, rename = "citations")]
    _citations: (),
}

#[derive(Debug, Deserialize)]
enum Text {
    #[serde(rename = "text")]
    Text,
}

impl<'de> Deserialize<'de> for Whole<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Whole<'de>, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

/// Sorts the top-level fields.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Whole<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Whole<'de>, A::Error> {
        let mut whole = Whole::default();
        while let Some(Borrowed(name)) = map.next_key::<Borrowed<'de>>()? {
            match name.as_ref() {
                "id" => whole.id = map.next_value()?,
                "model" => whole.model = map.next_value()?,
                "content" => whole.content = Some(map.next_value()?),
                "stop_reason" => whole.stop_reason = map.next_value::<Option<Borrowed<'de>>>()?.map(|word| word.0),
                "role" => drop(map.next_value::<IgnoredAny>()?),
                "type" if map.next_value::<Borrowed<'de>>()?.0 == "message" => {}
                "type" => return Err(A::Error::custom("it is no message")),
                "error" | "Error" | "object" => map.next_value::<()>()?,
                name => {
                    let value: Value = map.next_value()?;
                    if !value.is_null() {
                        whole.rest.insert(name.to_owned(), value);
                    }
                }
            }
        }
        Ok(whole)
    }
}

/// A text, borrowed where it can be.
#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
