//! A Responses body as our request. What our request has no field for stays whole in vendor fields.

use serde_json::{Map, Value};

use super::{API, INSTRUCTIONS, parse_item};
use crate::error::ProviderError;
use crate::message::Message;
use crate::request::{Effort, ReasoningAsk, RequestDraft, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{self, take, take_if};
use crate::wire::turns::{object, unreadable};
use crate::wire::{Mode, Parsed};

/// Reads a request body.
pub(super) fn body(bytes: &[u8]) -> Result<Parsed, ProviderError> {
    let mut body = object(json::body(bytes)?, "body")?;
    let mut draft = RequestDraft::default();
    let wire_model = take_text(&mut body, "model").unwrap_or_default();
    let mode = match take_if(&mut body, "stream", Value::as_bool) {
        Some(true) => Mode::Stream,
        _ => Mode::Unary,
    };
    if let Some(words) = take_text(&mut body, "instructions") {
        let mut message = Message::system(words);
        message.vendor.set(API, INSTRUCTIONS, true.into());
        draft.messages.push(message);
    }
    match take(&mut body, "input") {
        Some(Value::String(words)) => {
            draft.messages.push(Message::user(words));
            draft.vendor.set(API, "$input", "text".into());
        }
        Some(Value::Array(items)) => {
            for (at, item) in items.into_iter().enumerate() {
                draft.messages.push(parse_item::message(item, &format!("input[{at}]"))?);
            }
        }
        // A stored prompt or conversation may say it all.
        None | Some(Value::Null) => draft.vendor.set(API, "$input", "none".into()),
        Some(_) => return Err(unreadable("input", "a text or a list")),
    }
    draft.max_tokens = take_if(&mut body, "max_output_tokens", Value::as_u64);
    draft.sampling.temperature = take_if(&mut body, "temperature", Value::as_f64);
    draft.sampling.top_p = take_if(&mut body, "top_p", Value::as_f64);
    draft.sampling.logprobs =
        take_if(&mut body, "top_logprobs", |value| u8::try_from(value.as_u64()?).ok().filter(|count| *count <= 20));
    if let Some(Value::Array(tools)) = body.get("tools") {
        draft.tools = tools.iter().enumerate().map(|(at, one)| tool(one, at)).collect::<Result<_, _>>()?;
        if !tools.is_empty() {
            body.shift_remove("tools");
        }
    }
    draft.tool_choice = take_if(&mut body, "tool_choice", tool_choice);
    draft.parallel_tools = take_if(&mut body, "parallel_tool_calls", Value::as_bool);
    draft.format = take_inner(&mut body, "text", "format", format);
    reasoning(&mut body, &mut draft);
    draft.service_tier = take_if(&mut body, "service_tier", |word| match word.as_str()? {
        "auto" => Some(ServiceTier::Auto),
        "default" => Some(ServiceTier::Standard),
        "flex" => Some(ServiceTier::Flex),
        "priority" => Some(ServiceTier::Priority),
        _ => None,
    });
    draft.vendor.extend(VendorFields::of(API, body));
    Ok(Parsed { draft, wire_model, mode })
}

/// Takes a text out.
pub(super) fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    take_if(object, name, |value| value.as_str().map(str::to_owned))
}

/// Takes a field out of an object in the body, and the object with it where that was all.
fn take_inner<T>(
    body: &mut Map<String, Value>,
    outer: &str,
    name: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Option<T> {
    let Some(Value::Object(inner)) = body.get_mut(outer) else { return None };
    let found = take_if(inner, name, read)?;
    if inner.is_empty() {
        body.shift_remove(outer);
    }
    Some(found)
}

fn tool(tool: &Value, at: usize) -> Result<Tool, ProviderError> {
    let mut fields = object(tool.clone(), &format!("tools[{at}]"))?;
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("function").to_owned();
    if kind != "function" {
        let named = ["name", "server_label"].iter().find_map(|name| fields.get(*name)?.as_str());
        let name = named.unwrap_or(&kind).to_owned();
        let vendor = VendorFields::of(API, fields);
        return Ok(Tool { name, description: None, parameters: None, strict: None, cache: None, vendor });
    }
    fields.shift_remove("type");
    let name = take_text(&mut fields, "name").ok_or_else(|| unreadable(&format!("tools[{at}].name"), "a text"))?;
    Ok(Tool {
        name,
        description: take_text(&mut fields, "description"),
        parameters: take_if(&mut fields, "parameters", |schema| schema.is_object().then(|| schema.clone())),
        strict: take_if(&mut fields, "strict", Value::as_bool),
        cache: None,
        vendor: VendorFields::of(API, fields),
    })
}

fn tool_choice(choice: &Value) -> Option<ToolChoice> {
    match choice {
        Value::String(word) => match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" => Some(ToolChoice::Required),
            _ => None,
        },
        Value::Object(object) if object.len() == 2 && object.get("type")? == "function" => {
            Some(ToolChoice::Named(object.get("name")?.as_str()?.to_owned()))
        }
        _ => None,
    }
}

fn format(format: &Value) -> Option<ResponseFormat> {
    let fields = format.as_object()?;
    match (fields.get("type")?.as_str()?, fields.len()) {
        ("text", 1) => Some(ResponseFormat::Text),
        ("json_object", 1) => Some(ResponseFormat::JsonObject),
        ("json_schema", _) => {
            let known = ["type", "name", "description", "schema", "strict"];
            if fields.keys().any(|name| !known.contains(&name.as_str())) {
                return None;
            }
            Some(ResponseFormat::JsonSchema {
                name: fields.get("name")?.as_str()?.to_owned(),
                description: fields.get("description").and_then(Value::as_str).map(str::to_owned),
                schema: fields.get("schema").filter(|schema| schema.is_object())?.clone(),
                strict: fields.get("strict").and_then(Value::as_bool),
            })
        }
        _ => None,
    }
}

/// Reads how much to think and whether to show it. What our request cannot say stays in vendor fields.
fn reasoning(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let effort = take_inner(body, "reasoning", "effort", |word| effort_word(word.as_str()?));
    let show = take_inner(body, "reasoning", "summary", |word| (word == "auto").then_some(true));
    if effort.is_some() || show.is_some() {
        draft.reasoning = Some(ReasoningAsk { effort, budget_tokens: None, show });
    }
}

/// The effort that a word names.
pub(super) fn effort_word(word: &str) -> Option<Effort> {
    serde_json::from_value(word.into()).ok()
}
