//! The ordinary whole reply, read without building a tree: one choice that says a text.
//!
//! Anything out of the ordinary (a tool call, reasoning, a refusal, an error, an unknown field of the choice) fails to
//! read here and is read as a tree by `decode` instead; both read the same of what both can read.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess};

use super::{API, decode, usage};
use crate::message::Part;
use crate::model::Dialect;
use crate::reply::Reply;
use crate::wire::fields::{self, Fields};
use crate::wire::rest::{self, Rest};

/// Reads a body; `None` where it is not an ordinary one.
pub(super) fn reply(body: &[u8], dialect: &Dialect) -> Option<Reply> {
    let Whole { id, model, choice, service_tier, rest } = fields::read(body)?;
    let [choice] = choice?;
    if choice.finish_reason.as_deref() == Some("error") {
        return None;
    }
    let text = choice.message.content.filter(|text| !text.is_empty());
    let mut used = rest.usage(|counts| usage::read(counts, dialect)).unwrap_or_default();
    used.service_tier = used.service_tier.or_else(|| service_tier.and_then(|lane| super::read_tier(&lane)));
    Some(Reply {
        id: id.filter(|id| !id.is_empty()),
        model: model.filter(|model| !model.is_empty()),
        parts: text.map(Part::text).into_iter().collect(),
        stop: choice.finish_reason.filter(|word| !word.is_empty()).map(|word| decode::stop_of(&word, false)),
        usage: used,
        vendor: rest.into_fields(API)?,
        ..Reply::default()
    })
}

#[derive(Debug, Default)]
struct Whole<'a> {
    id: Option<String>,
    model: Option<String>,
    choice: Option<[Choice<'a>; 1]>,
    service_tier: Option<String>,
    /// What the vendor says besides, its usage as it stands among it.
    rest: Rest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice<'a> {
    #[serde(default, rename = "index")]
    _index: u32,
    message: Message,
    #[serde(default, borrow)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(default, rename = "logprobs")]
    _logprobs: (),
    #[serde(default, rename = "stop_reason")]
    _stop_reason: (),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default, rename = "role")]
    _role: IgnoredAny,
    #[serde(default, rename = "refusal")]
    _refusal: (),
    #[serde(default, rename = "reasoning_content")]
    _reasoning_content: (),
    #[serde(default, rename = "reasoning")]
    _reasoning: (),
    #[serde(default, rename = "tool_calls")]
    _tool_calls: (),
    #[serde(default, rename = "function_call")]
    _function_call: (),
    #[serde(default, rename = "annotations")]
    _annotations: [(); 0],
}

impl<'de> Fields<'de> for Whole<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "id" => self.id = map.next_value()?,
            "model" => self.model = map.next_value()?,
            "choices" => self.choice = Some(map.next_value()?),
            "object" | "obfuscation" => drop(map.next_value::<IgnoredAny>()?),
            "error" => map.next_value::<()>()?,
            "x_groq" => return Err(A::Error::custom("its usage may stand elsewhere")),
            name => {
                let kept = self.rest.keep(name, map, rest::is_empty)?;
                if name == "service_tier" {
                    self.service_tier = serde_json::from_slice(kept).ok();
                }
            }
        }
        Ok(())
    }
}
