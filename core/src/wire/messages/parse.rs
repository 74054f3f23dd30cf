//! A Messages body as our request. What our request has no field for stays whole in vendor fields.

use serde_json::{Map, Value, json};

use super::{EFFORT_ONLY, IN_PLACE};
use crate::error::ProviderError;
use crate::message::{CacheHint, Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::Api;
use crate::request::{Effort, ReasoningAsk, RequestDraft, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{take, take_if};
use crate::wire::turns::{object, unreadable, user_messages};
use crate::wire::{Mode, Parsed};

/// The name given to a schema that came without one.
const SCHEMA_NAME: &str = "answer";

/// Reads a request body; `api` is the format whose vendor fields the rest goes to.
pub(in crate::wire) fn request(body: Value, api: Api) -> Result<Parsed, ProviderError> {
    let mut body = object(body, "body")?;
    let reader = Reader { api };
    let mut draft = RequestDraft::default();
    let wire_model = take_text(&mut body, "model").unwrap_or_default();
    let mode = match take_if(&mut body, "stream", Value::as_bool) {
        Some(true) => Mode::Stream,
        _ => Mode::Unary,
    };
    draft.messages.extend(reader.system(&mut body)?);
    let Some(Value::Array(messages)) = take(&mut body, "messages") else {
        return Err(unreadable("messages", "a list"));
    };
    for (at, message) in messages.into_iter().enumerate() {
        draft.messages.extend(reader.message(message, &format!("messages[{at}]"))?);
    }
    draft.max_tokens = take_if(&mut body, "max_tokens", Value::as_u64);
    if let Some(Value::Array(tools)) = body.get("tools") {
        draft.tools = tools.iter().enumerate().map(|(at, tool)| reader.tool(tool, at)).collect::<Result<_, _>>()?;
        body.shift_remove("tools");
    }
    tool_choice(&mut body, &mut draft);
    sampling(&mut body, &mut draft);
    reasoning(&mut body, &mut draft, api);
    format(&mut body, &mut draft, api);
    draft.service_tier = take_if(&mut body, "service_tier", |tier| match tier.as_str()? {
        "auto" => Some(ServiceTier::Auto),
        "standard_only" => Some(ServiceTier::Standard),
        _ => None,
    });
    draft.vendor.extend(VendorFields::of(api, body));
    Ok(Parsed { draft, wire_model, mode })
}

fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    take_if(object, name, |value| value.as_str().map(str::to_owned))
}

struct Reader {
    api: Api,
}

impl Reader {
    fn system(&self, body: &mut Map<String, Value>) -> Result<Option<Message>, ProviderError> {
        let parts = match body.get("system") {
            Some(Value::String(_) | Value::Array(_)) => {
                self.parts(body.shift_remove("system").unwrap_or_default(), "system")?
            }
            _ => return Ok(None),
        };
        Ok((!parts.is_empty()).then(|| Message::new(Role::System, parts)))
    }

    fn message(&self, message: Value, path: &str) -> Result<Vec<Message>, ProviderError> {
        let mut message = object(message, path)?;
        let role = take_text(&mut message, "role").ok_or_else(|| unreadable(&format!("{path}.role"), "a text"))?;
        let content = take(&mut message, "content").unwrap_or_default();
        let parts = self.parts(content, &format!("{path}.content"))?;
        let mut vendor = VendorFields::of(self.api, message);
        match role.as_str() {
            "user" => Ok(user_messages(parts, vendor, self.api)),
            "assistant" => Ok(vec![Message { vendor, ..Message::new(Role::Assistant, parts) }]),
            "system" => {
                vendor.set(self.api, IN_PLACE, true.into());
                Ok(vec![Message { vendor, ..Message::new(Role::System, parts) }])
            }
            _ => Err(unreadable(&format!("{path}.role"), "user, assistant or system")),
        }
    }

    fn parts(&self, content: Value, path: &str) -> Result<Vec<Part>, ProviderError> {
        match content {
            Value::Null => Ok(Vec::new()),
            Value::String(text) => Ok(vec![Part::text(text)]),
            Value::Array(blocks) => {
                let read = |(at, block)| self.part(block, &format!("{path}[{at}]"));
                blocks.into_iter().enumerate().map(read).collect()
            }
            _ => Err(unreadable(path, "a text or a list of blocks")),
        }
    }

    fn part(&self, block: Value, path: &str) -> Result<Part, ProviderError> {
        let mut block = object(block, path)?;
        let cache = take_mark(&mut block);
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let content = match kind.as_str() {
            "tool_result" => Some(self.result(&mut block, path)?),
            kind => content(kind, &mut block),
        };
        let content = match content {
            Some(content) => {
                block.shift_remove("type");
                content
            }
            None => Content::Vendor,
        };
        Ok(Part { content, cache, vendor: VendorFields::of(self.api, block) })
    }

    fn result(&self, block: &mut Map<String, Value>, path: &str) -> Result<Content, ProviderError> {
        let call_id = take_text(block, "tool_use_id")
            .ok_or_else(|| unreadable(&format!("{path}.tool_use_id"), "the id of a call"))?;
        let parts = match take(block, "content") {
            Some(content) => self.parts(content, &format!("{path}.content"))?,
            None => Vec::new(),
        };
        let is_error = take_if(block, "is_error", Value::as_bool).unwrap_or(false);
        Ok(Content::ToolResult(ToolResult { call_id, name: None, parts, is_error }))
    }

    fn tool(&self, tool: &Value, at: usize) -> Result<Tool, ProviderError> {
        let mut tool = object(tool.clone(), &format!("tools[{at}]"))?;
        let cache = take_mark(&mut tool);
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or("custom");
        let is_ours = kind == "custom";
        let kind = kind.to_owned();
        let name = take_text(&mut tool, "name").unwrap_or(kind);
        let (mut description, mut parameters, mut strict) = (None, None, None);
        if is_ours {
            description = take_text(&mut tool, "description");
            parameters = take_if(&mut tool, "input_schema", |schema| schema.is_object().then(|| schema.clone()));
            strict = take_if(&mut tool, "strict", Value::as_bool);
        }
        Ok(Tool { name, description, parameters, strict, cache, vendor: VendorFields::of(self.api, tool) })
    }
}

/// What a block is in our words; `None` where only this format knows it. Fields that were understood are taken out.
fn content(kind: &str, block: &mut Map<String, Value>) -> Option<Content> {
    match kind {
        "text" => Some(Content::Text { text: take_text(block, "text")? }),
        "image" => Some(Content::Image { source: take_source(block)? }),
        "document" => {
            let source = take_source(block)?;
            Some(Content::Document { source, name: take_text(block, "title") })
        }
        "tool_use" => {
            let (id, name) = (block.get("id")?.as_str()?.to_owned(), block.get("name")?.as_str()?.to_owned());
            let arguments = block.get("input").filter(|input| input.is_object())?.to_string();
            ["id", "name", "input"].iter().for_each(|field| drop(block.shift_remove(*field)));
            Some(Content::ToolCall(ToolCall { id, name, arguments }))
        }
        "thinking" if block.contains_key("signature") => {
            Some(Content::Reasoning { text: take_text(block, "thinking")? })
        }
        "redacted_thinking" if block.contains_key("data") => Some(Content::Reasoning { text: String::new() }),
        _ => None,
    }
}

fn take_source(block: &mut Map<String, Value>) -> Option<Source> {
    take_if(block, "source", |source| {
        let fields = source.as_object()?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let exactly = |count: usize| (fields.len() == count).then_some(());
        match text("type")?.as_str() {
            "base64" => {
                exactly(3)?;
                Some(Source::Base64 { media_type: text("media_type")?, data: text("data")? })
            }
            "url" => {
                exactly(2)?;
                Some(Source::Url { url: text("url")?, media_type: None })
            }
            "file" => {
                exactly(2)?;
                Some(Source::File { id: text("file_id")?, media_type: None })
            }
            "text" => {
                exactly(3)?;
                Some(Source::Text { text: text("data")?, media_type: text("media_type")? })
            }
            _ => None,
        }
    })
}

/// Takes a cache mark out. One that says more than its lifetime stays as it is too.
fn take_mark(block: &mut Map<String, Value>) -> Option<CacheHint> {
    let mark = block.get("cache_control")?;
    let plain = json!({"type": "ephemeral"});
    let long = json!({"type": "ephemeral", "ttl": "1h"});
    if *mark == plain || *mark == long {
        let hint = if *mark == plain { CacheHint::FiveMinutes } else { CacheHint::OneHour };
        block.shift_remove("cache_control");
        return Some(hint);
    }
    match mark.get("ttl").and_then(Value::as_str) {
        Some("1h") => Some(CacheHint::OneHour),
        _ => mark.is_object().then_some(CacheHint::FiveMinutes),
    }
}

fn tool_choice(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let Some(Value::Object(choice)) = body.get("tool_choice") else { return };
    let kind = choice.get("type").and_then(Value::as_str);
    let read = match (kind, choice.get("name").and_then(Value::as_str)) {
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("any"), _) => ToolChoice::Required,
        (Some("none"), _) => ToolChoice::None,
        (Some("tool"), Some(name)) => ToolChoice::Named(name.to_owned()),
        _ => return,
    };
    draft.parallel_tools = choice.get("disable_parallel_tool_use").and_then(Value::as_bool).map(|off| !off);
    draft.tool_choice = Some(read);
    body.shift_remove("tool_choice");
}

fn sampling(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let sampling = &mut draft.sampling;
    sampling.temperature = take_if(body, "temperature", Value::as_f64);
    sampling.top_p = take_if(body, "top_p", Value::as_f64);
    sampling.top_k = take_if(body, "top_k", |value| u32::try_from(value.as_u64()?).ok());
    let texts = take_if(body, "stop_sequences", |value| {
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    sampling.stop = texts.unwrap_or_default();
}

/// Reads `thinking` and the effort. Forms that our request cannot say in full stay in vendor fields, which win.
fn reasoning(body: &mut Map<String, Value>, draft: &mut RequestDraft, api: Api) {
    let effort = body.get("output_config").and_then(|config| config.get("effort")).and_then(Value::as_str);
    let effort = match effort {
        Some("low") => Some(Effort::Low),
        Some("medium") => Some(Effort::Medium),
        Some("high") => Some(Effort::High),
        Some("xhigh") => Some(Effort::XHigh),
        Some("max") => Some(Effort::Max),
        _ => None,
    };
    let thinking = body.get("thinking").and_then(Value::as_object).cloned();
    let Some(thinking) = thinking else {
        if effort.is_some() {
            draft.reasoning = Some(ReasoningAsk { effort, ..ReasoningAsk::default() });
            draft.vendor.set(api, EFFORT_ONLY, true.into());
            take_effort(body);
        }
        return;
    };
    let show = match thinking.get("display").and_then(Value::as_str) {
        Some("summarized") => Some(true),
        Some("omitted") => Some(false),
        _ => None,
    };
    let known = 1 + usize::from(show.is_some());
    let kind = thinking.get("type").and_then(Value::as_str).unwrap_or_default();
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    let (asked, whole) = match (kind, budget) {
        ("disabled", _) => (ReasoningAsk { budget_tokens: Some(0), ..ReasoningAsk::default() }, thinking.len() == 1),
        ("enabled", Some(_)) => {
            (ReasoningAsk { effort: None, budget_tokens: budget, show }, thinking.len() == known + 1)
        }
        ("adaptive", None) => (ReasoningAsk { effort, budget_tokens: None, show }, thinking.len() == known),
        _ => return,
    };
    let says_effort = asked.effort.is_some();
    draft.reasoning = Some(asked);
    if whole {
        body.shift_remove("thinking");
    }
    if says_effort {
        take_effort(body);
    }
}

fn take_effort(body: &mut Map<String, Value>) {
    if let Some(Value::Object(config)) = body.get_mut("output_config") {
        config.shift_remove("effort");
        if config.is_empty() {
            body.shift_remove("output_config");
        }
    }
}

/// Reads the answer's schema from `output_config`, or from `output_format`, where it stood before and stays.
fn format(body: &mut Map<String, Value>, draft: &mut RequestDraft, api: Api) {
    let schema_of = |format: &Value| match format.get("type").and_then(Value::as_str) {
        Some("json_schema") => format.get("schema").filter(|schema| schema.is_object()).cloned(),
        _ => None,
    };
    let mut schema = None;
    if let Some(Value::Object(config)) = body.get_mut("output_config") {
        schema = config.get("format").and_then(schema_of);
        if schema.is_some() {
            config.shift_remove("format");
        }
        if config.is_empty() {
            body.shift_remove("output_config");
        }
    }
    if schema.is_none()
        && let Some(format) = body.get("output_format")
    {
        schema = schema_of(format);
        draft.vendor.set(api, "output_format", format.clone());
        body.shift_remove("output_format");
    }
    draft.format = schema.map(|schema| ResponseFormat::JsonSchema {
        name: SCHEMA_NAME.to_owned(),
        description: None,
        schema,
        strict: None,
    });
}
