//! The ordinary whole answer, read without building a tree: a message whose content is texts.
//!
//! Anything out of the ordinary (thinking, a tool call, citations, an error, an unknown field of a text) fails to read
//! here and is read as a tree by `decode` instead; both read the same of what both can read.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess};

use super::decode;
use crate::message::Part;
use crate::model::Api;
use crate::reply::Reply;
use crate::wire::fields::{self, Borrowed, Fields};
use crate::wire::rest::Rest;

/// Reads a body; `None` where it is not an ordinary one.
pub(super) fn reply(body: &[u8]) -> Option<Reply> {
    let Whole { id, model, content, stop_reason, rest } = fields::read(body)?;
    let said = content?.into_iter().map(|block| Part::text(block.text));
    Some(Reply {
        id,
        model,
        parts: said.collect(),
        stop: stop_reason.map(|word| decode::stop_reason(&word)),
        usage: rest.usage(decode::usage).unwrap_or_default(),
        vendor: rest.into_fields(Api::Messages)?,
        ..Reply::default()
    })
}

#[derive(Debug, Default)]
struct Whole<'a> {
    id: Option<String>,
    model: Option<String>,
    content: Option<Vec<Block>>,
    stop_reason: Option<Cow<'a, str>>,
    /// What the vendor says besides, its usage as it stands among it.
    rest: Rest,
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

impl<'de> Fields<'de> for Whole<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "id" => self.id = map.next_value()?,
            "model" => self.model = map.next_value()?,
            "content" => self.content = Some(map.next_value()?),
            "stop_reason" => self.stop_reason = map.next_value::<Option<Borrowed<'de>>>()?.map(|word| word.0),
            "role" => drop(map.next_value::<IgnoredAny>()?),
            "type" if map.next_value::<Borrowed<'de>>()?.0 == "message" => {}
            "type" => return Err(A::Error::custom("it is no message")),
            "error" | "Error" | "object" => map.next_value::<()>()?,
            name => drop(self.rest.keep(name, map, |text| text == b"null")?),
        }
        Ok(())
    }
}
