//! A Cohere v2 chat body as our request. What our request has no field for stays whole in vendor fields.

use serde_json::{Map, Value};

use super::{LISTED, PLAN, SCHEMA_FIELD};
use crate::error::ProviderError;
use crate::message::{Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::Api;
use crate::request::{ReasoningAsk, RequestDraft, ResponseFormat, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{take, take_if};
use crate::wire::turns::{object, unreadable};
use crate::wire::{Mode, Parsed};

const API: Api = Api::CohereChat;

/// Reads a request body.
pub(super) fn request(body: Value) -> Result<Parsed, ProviderError> {
    let mut body = object(body, "body")?;
    let mut draft = RequestDraft::default();
    let wire_model = take_text(&mut body, "model").unwrap_or_default();
    let mode = match take_if(&mut body, "stream", Value::as_bool) {
        Some(true) => Mode::Stream,
        _ => Mode::Unary,
    };
    let Some(Value::Array(messages)) = take(&mut body, "messages") else {
        return Err(unreadable("messages", "a list"));
    };
    for (at, message) in messages.into_iter().enumerate() {
        draft.messages.push(read_message(message, &format!("messages[{at}]"))?);
    }
    let strict = take_if(&mut body, "strict_tools", Value::as_bool);
    if let Some(Value::Array(tools)) = body.get("tools") {
        let read = |(at, tool): (usize, &Value)| read_tool(tool.clone(), at, strict);
        draft.tools = tools.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        body.shift_remove("tools");
    }
    if draft.tools.is_empty()
        && let Some(strict) = strict
    {
        body.insert("strict_tools".to_owned(), strict.into());
    }
    draft.tool_choice = take_if(&mut body, "tool_choice", |choice| match choice.as_str()? {
        "NONE" => Some(ToolChoice::None),
        "REQUIRED" => Some(ToolChoice::Required),
        _ => None,
    });
    let sampling = &mut draft.sampling;
    draft.max_tokens = take_if(&mut body, "max_tokens", Value::as_u64);
    sampling.temperature = take_if(&mut body, "temperature", Value::as_f64);
    sampling.top_p = take_if(&mut body, "p", Value::as_f64);
    sampling.top_k = take_if(&mut body, "k", |value| u32::try_from(value.as_u64()?).ok());
    sampling.frequency_penalty = take_if(&mut body, "frequency_penalty", Value::as_f64);
    sampling.presence_penalty = take_if(&mut body, "presence_penalty", Value::as_f64);
    sampling.seed = take_if(&mut body, "seed", Value::as_i64);
    sampling.logprobs = take_if(&mut body, "logprobs", |value| (*value == Value::Bool(true)).then_some(0));
    let texts = take_if(&mut body, "stop_sequences", |value| {
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    sampling.stop = texts.unwrap_or_default();
    format(&mut body, &mut draft);
    draft.reasoning = take_if(&mut body, "thinking", |thinking| {
        let fields = thinking.as_object()?;
        match (fields.get("type")?.as_str()?, fields.get("token_budget").map(Value::as_u64), fields.len()) {
            ("disabled", None, 1) => Some(ReasoningAsk { budget_tokens: Some(0), ..ReasoningAsk::default() }),
            ("enabled", None, 1) => Some(ReasoningAsk::default()),
            ("enabled", Some(Some(budget)), 2) if budget > 0 => {
                Some(ReasoningAsk { budget_tokens: Some(budget), ..ReasoningAsk::default() })
            }
            _ => None,
        }
    });
    draft.vendor.extend(VendorFields::of(API, body));
    Ok(Parsed { draft, wire_model, mode })
}

fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    take_if(object, name, |value| value.as_str().map(str::to_owned))
}

fn read_message(message: Value, path: &str) -> Result<Message, ProviderError> {
    let mut message = object(message, path)?;
    let role = take_text(&mut message, "role").unwrap_or_default();
    let content = take(&mut message, "content");
    let was_null = content == Some(Value::Null);
    let is_listed = content.as_ref().is_some_and(Value::is_array);
    let mut parts = parts(content.unwrap_or_default(), &format!("{path}.content"))?;
    let mut vendor = VendorFields::new();
    if is_listed {
        vendor.set(API, LISTED, true.into());
    }
    let role = match role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => {
            let mut first = Vec::new();
            if let Some(text) = take_text(&mut message, "tool_plan") {
                let mut plan = Part::new(Content::Reasoning { text });
                plan.vendor.set(API, PLAN, true.into());
                first.push(plan);
            }
            first.append(&mut parts);
            parts = first;
            parts.extend(take_calls(&mut message));
            Role::Assistant
        }
        "tool" => {
            let call_id = take_text(&mut message, "tool_call_id")
                .ok_or_else(|| unreadable(&format!("{path}.tool_call_id"), "the id of a call"))?;
            let answer = Content::ToolResult(ToolResult { call_id, name: None, parts, is_error: false });
            let part = Part::new(answer).with_vendor(vendor).with_vendor(VendorFields::of(API, message));
            return Ok(Message::new(Role::Tool, vec![part]));
        }
        _ => return Err(unreadable(&format!("{path}.role"), "system, user, assistant or tool")),
    };
    if was_null {
        message.insert("content".to_owned(), Value::Null);
    }
    vendor.extend(VendorFields::of(API, message));
    Ok(Message { vendor, ..Message::new(role, parts) })
}

fn take_calls(message: &mut Map<String, Value>) -> Vec<Part> {
    let calls = take_if(message, "tool_calls", |calls| {
        let read = |call: &Value| {
            let mut rest = call.as_object()?.clone();
            let function = rest.shift_remove("function")?;
            let word = |name: &str| function.get(name).and_then(Value::as_str).map(str::to_owned);
            let (name, arguments) = (word("name")?, word("arguments")?);
            (function.as_object()?.len() == 2).then_some(())?;
            let id = take_text(&mut rest, "id")?;
            rest.shift_remove("type");
            Some(
                Part::new(Content::ToolCall(ToolCall { id, name, arguments })).with_vendor(VendorFields::of(API, rest)),
            )
        };
        calls.as_array().filter(|calls| !calls.is_empty())?.iter().map(read).collect::<Option<Vec<_>>>()
    });
    calls.unwrap_or_default()
}

fn parts(content: Value, path: &str) -> Result<Vec<Part>, ProviderError> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(blocks) => {
            let read = |(at, block)| Ok(part(object(block, &format!("{path}[{at}]"))?));
            blocks.into_iter().enumerate().map(read).collect()
        }
        _ => Err(unreadable(path, "a text or a list")),
    }
}

fn part(mut block: Map<String, Value>) -> Part {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut made = Part::new(Content::Vendor);
    match kind.as_str() {
        "text" if block.get("text").is_some_and(Value::is_string) => {
            made.content = Content::Text { text: take_text(&mut block, "text").unwrap_or_default() };
        }
        "thinking" if block.get("thinking").is_some_and(Value::is_string) => {
            made.content = Content::Reasoning { text: take_text(&mut block, "thinking").unwrap_or_default() };
            made.vendor.set(API, "$thinking", true.into());
        }
        "image_url" => {
            if let Some(Value::Object(mut inner)) = block.get("image_url").cloned()
                && let Some(url) = take_text(&mut inner, "url")
            {
                made.content = Content::Image { source: image(url) };
                block.shift_remove("image_url");
                if !inner.is_empty() {
                    made.vendor.set(API, "image_url", inner.into());
                }
            }
        }
        _ => {}
    }
    if made.content != Content::Vendor {
        block.shift_remove("type");
    }
    made.with_vendor(VendorFields::of(API, block))
}

fn image(url: String) -> Source {
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inline {
        Some((media_type, data)) => Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() },
        None => Source::Url { url, media_type: None },
    }
}

fn read_tool(tool: Value, at: usize, strict: Option<bool>) -> Result<Tool, ProviderError> {
    let mut tool = object(tool, &format!("tools[{at}]"))?;
    let Some(Value::Object(mut function)) = tool.get("function").cloned() else {
        let name = tool.get("type").and_then(Value::as_str).unwrap_or("tool").to_owned();
        let vendor = VendorFields::of(API, tool);
        return Ok(Tool { name, description: None, parameters: None, strict: None, cache: None, vendor });
    };
    ["function", "type"].iter().for_each(|name| drop(tool.shift_remove(*name)));
    let name = take_text(&mut function, "name").unwrap_or_default();
    let description = take_text(&mut function, "description");
    let parameters = take_if(&mut function, "parameters", |schema| schema.is_object().then(|| schema.clone()));
    if !function.is_empty() {
        tool.insert("function".to_owned(), function.into());
    }
    Ok(Tool { name, description, parameters, strict, cache: None, vendor: VendorFields::of(API, tool) })
}

fn format(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let read = take_if(body, "response_format", |format| {
        let fields = format.as_object()?;
        let field = ["json_schema", "schema"].into_iter().find(|name| fields.contains_key(*name));
        match (fields.get("type")?.as_str()?, field, fields.len()) {
            ("text", None, 1) => Some((ResponseFormat::Text, None)),
            ("json_object", None, 1) => Some((ResponseFormat::JsonObject, None)),
            ("json_object", Some(field), 2) => {
                let schema = fields.get(field).filter(|schema| schema.is_object())?.clone();
                let name = "answer".to_owned();
                Some((ResponseFormat::JsonSchema { name, description: None, schema, strict: None }, Some(field)))
            }
            _ => None,
        }
    });
    if let Some((format, field)) = read {
        if let Some(field) = field {
            draft.vendor.set(API, SCHEMA_FIELD, field.into());
        }
        draft.format = Some(format);
    }
}
