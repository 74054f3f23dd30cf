//! The ordinary whole reply, read without building a tree: one choice that says a text.
//!
//! Anything out of the ordinary (a tool call, reasoning, a refusal, an error, an unknown field of the choice) fails to
//! read here and is read as a tree by `decode` instead; both read the same of what both can read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{API, decode, is_empty};
use crate::message::Part;
use crate::model::Dialect;
use crate::reply::Reply;
use crate::vendor_fields::VendorFields;

/// Reads a body; `None` where it is not an ordinary one.
pub(super) fn reply(body: &[u8], dialect: &Dialect) -> Option<Reply> {
    let Whole { id, model, choice, service_tier, rest } = serde_json::from_slice(body).ok()?;
    let [choice] = choice?;
    let text = choice.message.content.filter(|text| !text.is_empty());
    let mut used = decode::usage_of(rest.get("usage"), dialect);
    used.service_tier = used.service_tier.or_else(|| service_tier.and_then(|lane| super::read_tier(&lane)));
    Some(Reply {
        id: id.filter(|id| !id.is_empty()),
        model: model.filter(|model| !model.is_empty()),
        parts: text.map(Part::text).into_iter().collect(),
        stop: choice.finish_reason.filter(|word| !word.is_empty()).map(|word| decode::stop_of(&word, false)),
        usage: used,
        vendor: VendorFields::of(API, rest),
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
    rest: Map<String, Value>,
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
    _role: serde::de::IgnoredAny,
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
        f.write_str("a reply")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Whole<'de>, A::Error> {
        let mut whole = Whole::default();
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match name.0.as_ref() {
                "id" => whole.id = map.next_value()?,
                "model" => whole.model = map.next_value()?,
                "choices" => whole.choice = Some(map.next_value()?),
                "object" | "obfuscation" => drop(map.next_value::<serde::de::IgnoredAny>()?),
                "error" => map.next_value::<()>()?,
                "x_groq" => return Err(serde::de::Error::custom("its usage may stand elsewhere")),
                name => {
                    let value: Value = map.next_value()?;
                    if name == "service_tier" {
                        whole.service_tier = value.as_str().map(str::to_owned);
                    }
                    if !is_empty(&value) {
                        whole.rest.insert(name.to_owned(), value);
                    }
                }
            }
        }
        Ok(whole)
    }
}

/// A field's name, borrowed where it can be.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
