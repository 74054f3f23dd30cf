//! A chat completions body as our request. What our request has no field for stays whole in vendor fields.

use serde_json::{Map, Value};

use super::{API, parse_message, usage, write};
use crate::error::ProviderError;
use crate::request::{ReasoningAsk, RequestDraft, ResponseFormat, Sampling, ServiceTier, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{take, take_if};
use crate::wire::turns::{object, unreadable};
use crate::wire::{Mode, Parsed};

/// Reads a request body.
pub(in crate::wire) fn request(body: Value) -> Result<Parsed, ProviderError> {
    let mut body = object(body, "body")?;
    let mut draft = RequestDraft::default();
    let wire_model = text(&mut body, "model").unwrap_or_default();
    // A `false` that was said stays where it is.
    let mode = match take_if(&mut body, "stream", |asked| asked.as_bool().filter(|asked| *asked)) {
        Some(_) => Mode::Stream,
        None => Mode::Unary,
    };
    let Some(Value::Array(messages)) = take(&mut body, "messages") else {
        return Err(unreadable("messages", "a list"));
    };
    for (at, message) in messages.into_iter().enumerate() {
        draft.messages.push(parse_message::message(message, &format!("messages[{at}]"))?);
    }
    parse_message::answer_in_order(&mut draft.messages);
    max_tokens(&mut body, &mut draft);
    draft.sampling = sampling(&mut body, &mut draft.vendor);
    if let Some(Value::Array(tools)) = body.get("tools") {
        draft.tools = tools.iter().enumerate().map(|(at, one)| tool(one, at)).collect::<Result<_, _>>()?;
        if !draft.tools.is_empty() {
            body.shift_remove("tools");
        }
    }
    draft.tool_choice = take_if(&mut body, "tool_choice", tool_choice);
    draft.parallel_tools = take_if(&mut body, "parallel_tool_calls", Value::as_bool);
    draft.format = take_if(&mut body, "response_format", format);
    reasoning(&mut body, &mut draft);
    draft.service_tier = take_if(&mut body, "service_tier", |word| {
        let tier = usage::tier(word.as_str()?)?;
        let written = match tier {
            ServiceTier::Auto => "auto",
            ServiceTier::Standard => "default",
            ServiceTier::Flex => "flex",
            ServiceTier::Priority => "priority",
            ServiceTier::Batch => return None,
        };
        (word == written).then_some(tier)
    });
    draft.vendor.extend(VendorFields::of(API, body));
    Ok(Parsed { draft, wire_model, mode })
}

/// Takes a text out.
pub(super) fn text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    take_if(object, name, |value| value.as_str().map(str::to_owned))
}

fn max_tokens(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    for name in ["max_completion_tokens", "max_tokens"] {
        if draft.max_tokens.is_none() {
            draft.max_tokens = take_if(body, name, Value::as_u64);
            if draft.max_tokens.is_some() {
                draft.vendor.set(API, "$max_tokens", name.into());
            }
        }
    }
}

fn sampling(body: &mut Map<String, Value>, notes: &mut VendorFields) -> Sampling {
    let mut sampling = Sampling {
        temperature: take_if(body, "temperature", Value::as_f64),
        top_p: take_if(body, "top_p", Value::as_f64),
        top_k: take_if(body, "top_k", |value| u32::try_from(value.as_u64()?).ok()),
        min_p: take_if(body, "min_p", Value::as_f64),
        frequency_penalty: take_if(body, "frequency_penalty", Value::as_f64),
        presence_penalty: take_if(body, "presence_penalty", Value::as_f64),
        seed: take_if(body, "seed", Value::as_i64),
        candidates: take_if(body, "n", |value| u8::try_from(value.as_u64()?).ok().filter(|n| (1..=8).contains(n))),
        ..Sampling::default()
    };
    if let Some(one) = text(body, "stop") {
        notes.set(API, "$stop", "text".into());
        sampling.stop = vec![one];
    }
    let texts = |value: &Value| value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect();
    sampling.stop.extend(take_if::<Vec<String>>(body, "stop", texts).unwrap_or_default());
    if take_if(body, "logprobs", |value| value.as_bool().filter(|asked| *asked)).is_some() {
        let count = take_if(body, "top_logprobs", |value| u8::try_from(value.as_u64()?).ok());
        if count == Some(0) {
            notes.set(API, "$top_logprobs", "said".into());
        }
        sampling.logprobs = Some(count.unwrap_or(0));
    }
    sampling
}

fn tool(tool: &Value, at: usize) -> Result<Tool, ProviderError> {
    let mut outer = object(tool.clone(), &format!("tools[{at}]"))?;
    let is_ours = outer.get("type").is_none_or(|kind| kind == "function") && outer.get("function").is_some();
    if !is_ours {
        let inner = outer.values().find_map(|value| value.get("name")?.as_str().map(str::to_owned));
        let named = outer.get("name").and_then(Value::as_str).map(str::to_owned).or(inner);
        let kind = outer.get("type").and_then(Value::as_str).map(str::to_owned);
        let name = named.or(kind).ok_or_else(|| unreadable(&format!("tools[{at}].type"), "a text"))?;
        let vendor = VendorFields::of(API, outer);
        return Ok(Tool { name, description: None, parameters: None, strict: None, cache: None, vendor });
    }
    let has_type = outer.shift_remove("type").is_some();
    let path = format!("tools[{at}].function");
    let mut function = object(take(&mut outer, "function").unwrap_or_default(), &path)?;
    let name = text(&mut function, "name").ok_or_else(|| unreadable(&format!("{path}.name"), "a text"))?;
    let description = text(&mut function, "description");
    let parameters = take_if(&mut function, "parameters", |schema| schema.is_object().then(|| schema.clone()));
    let strict = take_if(&mut function, "strict", Value::as_bool);
    let cache = parse_message::take_mark(&mut outer);
    let mut vendor = VendorFields::of(API, outer);
    if !function.is_empty() {
        vendor.set(API, "$inner", function.into());
    }
    if !has_type {
        vendor.set(API, "$no_type", true.into());
    }
    Ok(Tool { name, description, parameters, strict, cache, vendor })
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
            let function = object.get("function")?.as_object().filter(|function| function.len() == 1)?;
            Some(ToolChoice::Named(function.get("name")?.as_str()?.to_owned()))
        }
        _ => None,
    }
}

fn format(format: &Value) -> Option<ResponseFormat> {
    let outer = format.as_object()?;
    match (outer.get("type")?.as_str()?, outer.len()) {
        ("text", 1) => Some(ResponseFormat::Text),
        ("json_object", 1) => Some(ResponseFormat::JsonObject),
        ("json_schema", 2) => {
            let inner = outer.get("json_schema")?.as_object()?;
            let known = ["name", "description", "schema", "strict"];
            if inner.iter().any(|(name, value)| !known.contains(&name.as_str()) || value.is_null()) {
                return None;
            }
            Some(ResponseFormat::JsonSchema {
                name: inner.get("name")?.as_str()?.to_owned(),
                description: inner.get("description").and_then(Value::as_str).map(str::to_owned),
                schema: inner.get("schema").filter(|schema| schema.is_object())?.clone(),
                strict: inner.get("strict").and_then(Value::as_bool),
            })
        }
        _ => None,
    }
}

/// Reads how much to think, in whichever of the three ways it is said. A form that our request cannot say in full stays
/// in vendor fields.
fn reasoning(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    if let Some(effort) = take_if(body, "reasoning_effort", |word| write::effort_word(word.as_str()?)) {
        draft.reasoning = Some(ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() });
        return;
    }
    if let Some(asked) = take_if(body, "reasoning", reasoning_object) {
        draft.vendor.set(API, "$reasoning", "object".into());
        draft.reasoning = Some(asked);
        return;
    }
    if let Some(asked) = take_if(body, "thinking", thinking) {
        draft.vendor.set(API, "$reasoning", "thinking".into());
        draft.reasoning = Some(asked);
    }
}

fn reasoning_object(reasoning: &Value) -> Option<ReasoningAsk> {
    let fields = reasoning.as_object()?;
    let mut asked = ReasoningAsk::default();
    for (name, value) in fields {
        match name.as_str() {
            "effort" => asked.effort = Some(write::effort_word(value.as_str()?)?),
            "max_tokens" => asked.budget_tokens = Some(value.as_u64()?),
            "exclude" => asked.show = Some(!value.as_bool()?),
            "enabled" if value == true => {}
            _ => return None,
        }
    }
    let says_enabled = fields.contains_key("enabled");
    let says_how_much = asked.effort.is_some() || asked.budget_tokens.is_some();
    (says_enabled != says_how_much).then_some(asked)
}

fn thinking(thinking: &Value) -> Option<ReasoningAsk> {
    let fields = thinking.as_object()?;
    match (fields.get("type")?.as_str()?, fields.get("budget_tokens"), fields.len()) {
        ("disabled", None, 1) => Some(ReasoningAsk { budget_tokens: Some(0), ..ReasoningAsk::default() }),
        ("enabled", None, 1) => Some(ReasoningAsk::default()),
        ("enabled", Some(budget), 2) => {
            Some(ReasoningAsk { budget_tokens: Some(budget.as_u64().filter(|n| *n > 0)?), ..ReasoningAsk::default() })
        }
        _ => None,
    }
}
