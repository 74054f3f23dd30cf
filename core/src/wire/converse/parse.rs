//! A Converse body as our request. What our request has no field for stays whole in vendor fields.

use serde_json::{Map, Value, json};

use super::{IS_JSON, OWN_REASONING, SCHEMA_TEXT, media};
use crate::error::ProviderError;
use crate::message::{CacheHint, Content, Message, Part, Role, ToolCall, ToolResult};
use crate::model::Api;
use crate::request::{ReasoningAsk, RequestDraft, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{take, take_if};
use crate::wire::turns::{object, unreadable, user_messages};
use crate::wire::{Mode, Parsed};

const API: Api = Api::Converse;

/// Reads a request body.
pub(in crate::wire) fn request(body: Value) -> Result<Parsed, ProviderError> {
    let mut body = object(body, "body")?;
    let mut draft = RequestDraft::default();
    if let Some(Value::Array(system)) = body.get("system") {
        let parts = parts(system.clone(), "system")?;
        body.shift_remove("system");
        if !parts.is_empty() {
            draft.messages.push(Message::new(Role::System, parts));
        }
    }
    let Some(Value::Array(messages)) = take(&mut body, "messages") else {
        return Err(unreadable("messages", "a list"));
    };
    for (at, message) in messages.into_iter().enumerate() {
        draft.messages.extend(read_message(message, &format!("messages[{at}]"))?);
    }
    inference(&mut body, &mut draft);
    tools(&mut body, &mut draft)?;
    reasoning(&mut body, &mut draft);
    format(&mut body, &mut draft);
    draft.service_tier = take_if(&mut body, "serviceTier", |tier| match tier.get("type")?.as_str()? {
        "default" => Some(ServiceTier::Standard),
        "flex" => Some(ServiceTier::Flex),
        "priority" => Some(ServiceTier::Priority),
        _ => None,
    });
    draft.vendor.extend(VendorFields::of(API, body));
    Ok(Parsed { draft, wire_model: String::new(), mode: Mode::Unary })
}

fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    take_if(object, name, |value| value.as_str().map(str::to_owned))
}

fn read_message(message: Value, path: &str) -> Result<Vec<Message>, ProviderError> {
    let mut message = object(message, path)?;
    let role = take_text(&mut message, "role").unwrap_or_default();
    let Some(Value::Array(content)) = take(&mut message, "content") else {
        return Err(unreadable(&format!("{path}.content"), "a list of blocks"));
    };
    let parts = parts(content, &format!("{path}.content"))?;
    let vendor = VendorFields::of(API, message);
    match role.as_str() {
        "user" => Ok(user_messages(parts, vendor, API)),
        "assistant" => Ok(vec![Message { vendor, ..Message::new(Role::Assistant, parts) }]),
        _ => Err(unreadable(&format!("{path}.role"), "user or assistant")),
    }
}

/// Blocks as parts; a cache mark belongs to the part before it.
fn parts(blocks: Vec<Value>, path: &str) -> Result<Vec<Part>, ProviderError> {
    let mut parts: Vec<Part> = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        match (mark_of(&block), parts.last_mut()) {
            (Some(hint), Some(last)) if last.cache.is_none() && !matches!(last.content, Content::Reasoning { .. }) => {
                last.cache = Some(hint);
            }
            _ => parts.push(part(block, &format!("{path}[{at}]"))?),
        }
    }
    Ok(parts)
}

/// The lifetime of a block that is a cache mark and nothing else.
fn mark_of(block: &Value) -> Option<CacheHint> {
    if *block == json!({"cachePoint": {"type": "default"}}) {
        return Some(CacheHint::FiveMinutes);
    }
    (*block == json!({"cachePoint": {"type": "default", "ttl": "1h"}})).then_some(CacheHint::OneHour)
}

fn part(block: Value, path: &str) -> Result<Part, ProviderError> {
    let mut block = object(block, path)?;
    let mut made = Part::new(Content::Vendor);
    if block.get("text").is_some_and(Value::is_string) {
        made.content = Content::Text { text: take_text(&mut block, "text").unwrap_or_default() };
    } else if let Some(json) = block.shift_remove("json") {
        made.content = Content::Text { text: json.to_string() };
        made.vendor.set(API, IS_JSON, true.into());
    } else if let Some(Value::Object(call)) = block.get("toolUse") {
        if let Some((call, rest)) = tool_use(call.clone()) {
            block.shift_remove("toolUse");
            made.content = Content::ToolCall(call);
            keep(&mut made, "toolUse", rest);
        }
    } else if let Some(Value::Object(answer)) = block.shift_remove("toolResult") {
        tool_result(answer, &mut made, path)?;
    } else if let Some(reasoning) = block.get("reasoningContent").and_then(reasoning_part) {
        block.shift_remove("reasoningContent");
        made = reasoning;
    } else {
        for kind in ["image", "document", "video", "audio"] {
            if let Some(content) = block.get(kind).and_then(|inner| media::read(kind, inner)) {
                block.shift_remove(kind);
                made.content = content;
            }
        }
    }
    Ok(made.with_vendor(VendorFields::of(API, block)))
}

fn keep(part: &mut Part, name: &str, rest: Map<String, Value>) {
    if !rest.is_empty() {
        part.vendor.set(API, name, rest.into());
    }
}

/// A call, and what else was said of it.
pub(super) fn tool_use(mut call: Map<String, Value>) -> Option<(ToolCall, Map<String, Value>)> {
    let id = take_text(&mut call, "toolUseId")?;
    let name = take_text(&mut call, "name")?;
    let arguments = match call.shift_remove("input") {
        Some(input @ Value::Object(_)) => input.to_string(),
        Some(Value::String(text)) => text,
        None => "{}".to_owned(),
        _ => return None,
    };
    Some((ToolCall { id, name, arguments }, call))
}

fn tool_result(mut answer: Map<String, Value>, made: &mut Part, path: &str) -> Result<(), ProviderError> {
    let path = format!("{path}.toolResult");
    let call_id = take_text(&mut answer, "toolUseId")
        .ok_or_else(|| unreadable(&format!("{path}.toolUseId"), "the id of a call"))?;
    let inner = match take(&mut answer, "content") {
        Some(Value::Array(content)) => parts(content, &format!("{path}.content"))?,
        _ => Vec::new(),
    };
    let is_error = answer.get("status").and_then(Value::as_str) == Some("error");
    if is_error {
        answer.shift_remove("status");
    }
    made.content = Content::ToolResult(ToolResult { call_id, name: None, parts: inner, is_error });
    keep(made, "toolResult", answer);
    Ok(())
}

/// Reasoning as a part: its signature or opaque form in vendor fields.
pub(super) fn reasoning_part(content: &Value) -> Option<Part> {
    let mut made = Part::new(Content::Reasoning { text: String::new() });
    if let Some(opaque) = content.get("redactedContent") {
        made.vendor.set(API, "redactedContent", opaque.clone());
        return Some(made);
    }
    let inner = content.get("reasoningText")?.as_object()?;
    made.content = Content::Reasoning { text: inner.get("text")?.as_str()?.to_owned() };
    match inner.get("signature").filter(|signature| !signature.is_null()) {
        Some(signature) => made.vendor.set(API, "signature", signature.clone()),
        None => made.vendor.set(API, OWN_REASONING, true.into()),
    }
    Some(made)
}

fn inference(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let Some(Value::Object(config)) = body.get_mut("inferenceConfig") else { return };
    draft.max_tokens = take_if(config, "maxTokens", Value::as_u64);
    draft.sampling.temperature = take_if(config, "temperature", Value::as_f64);
    draft.sampling.top_p = take_if(config, "topP", Value::as_f64);
    let texts = take_if(config, "stopSequences", |value| {
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    draft.sampling.stop = texts.unwrap_or_default();
    if config.is_empty() {
        body.shift_remove("inferenceConfig");
    }
}

fn tools(body: &mut Map<String, Value>, draft: &mut RequestDraft) -> Result<(), ProviderError> {
    let Some(Value::Object(mut config)) = body.shift_remove("toolConfig") else { return Ok(()) };
    if let Some(Value::Array(tools)) = config.shift_remove("tools") {
        for (at, tool) in tools.into_iter().enumerate() {
            match (mark_of(&tool), draft.tools.last_mut()) {
                (Some(hint), Some(last)) if last.cache.is_none() => last.cache = Some(hint),
                _ => draft.tools.push(read_tool(tool, at)?),
            }
        }
    }
    draft.tool_choice = take_if(&mut config, "toolChoice", |choice| {
        let (name, inner) = choice.as_object()?.iter().next()?;
        match name.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "any" => Some(ToolChoice::Required),
            "tool" => Some(ToolChoice::Named(inner.get("name")?.as_str()?.to_owned())),
            _ => None,
        }
    });
    if !config.is_empty() {
        body.insert("toolConfig".to_owned(), config.into());
    }
    Ok(())
}

fn read_tool(tool: Value, at: usize) -> Result<Tool, ProviderError> {
    let mut tool = object(tool, &format!("toolConfig.tools[{at}]"))?;
    let mut made = Tool {
        name: String::new(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        vendor: VendorFields::new(),
    };
    if let Some(Value::Object(mut spec)) = tool.shift_remove("toolSpec") {
        made.name = take_text(&mut spec, "name").unwrap_or_default();
        made.description = take_text(&mut spec, "description");
        made.parameters = take_if(&mut spec, "inputSchema", |schema| {
            let only = schema.as_object().filter(|schema| schema.len() == 1)?;
            only.get("json").filter(|schema| schema.is_object()).cloned()
        });
        made.strict = take_if(&mut spec, "strict", Value::as_bool);
        if !spec.is_empty() {
            tool.insert("toolSpec".to_owned(), spec.into());
        }
    } else if let Some((kind, inner)) = tool.iter().next() {
        made.name = inner.get("name").and_then(Value::as_str).unwrap_or(kind).to_owned();
    }
    made.vendor = VendorFields::of(API, tool);
    Ok(made)
}

/// Reads a budget of thinking; other forms are the model vendor's own and stay as they are.
fn reasoning(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let Some(Value::Object(more)) = body.get_mut("additionalModelRequestFields") else { return };
    let budget = take_if(more, "thinking", |thinking| {
        let fields = thinking.as_object().filter(|fields| fields.len() == 2)?;
        (fields.get("type")?.as_str()? == "enabled").then(|| fields.get("budget_tokens")?.as_u64()).flatten()
    });
    if budget.is_some() {
        draft.reasoning = Some(ReasoningAsk { budget_tokens: budget, ..ReasoningAsk::default() });
        if more.is_empty() {
            body.shift_remove("additionalModelRequestFields");
        }
    }
}

fn format(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let pointer = "/outputConfig/textFormat/structure/jsonSchema";
    let whole = Value::Object(std::mem::take(body));
    let read = whole.pointer(pointer).and_then(|inner| {
        let text = inner.get("schema")?.as_str()?;
        let schema = serde_json::from_str::<Value>(text).ok().filter(Value::is_object)?;
        let word = |name: &str| inner.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = word("name")?;
        Some((
            text.to_owned(),
            ResponseFormat::JsonSchema { name, description: word("description"), schema, strict: None },
        ))
    });
    if let Value::Object(whole) = whole {
        *body = whole;
    }
    if let Some((text, format)) = read {
        draft.format = Some(format);
        draft.vendor.set(API, SCHEMA_TEXT, text.into());
        body.shift_remove("outputConfig");
    }
}
