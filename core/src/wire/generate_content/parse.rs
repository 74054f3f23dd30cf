//! A generateContent body as our request. Names in snake case, which the vendor takes too, are read as camel case.

use serde_json::{Map, Value};

use super::write::note_thought;
use super::{MADE_ID, SCHEMA_FIELD};
use crate::error::ProviderError;
use crate::message::{Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::Api;
use crate::request::{Effort, ReasoningAsk, RequestDraft, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{take, take_if};
use crate::wire::turns::{object, unreadable, user_messages};
use crate::wire::{Mode, Parsed};

const API: Api = Api::GenerateContent;

/// Reads a request body.
pub(super) fn request(body: Value) -> Result<Parsed, ProviderError> {
    let mut body = camel(object(body, "body")?);
    let mut draft = RequestDraft::default();
    let wire_model = take_text(&mut body, "model").unwrap_or_default();
    if body.get("systemInstruction").is_some_and(|value| !value.is_null()) {
        let mut instruction =
            camel(object(take(&mut body, "systemInstruction").unwrap_or_default(), "systemInstruction")?);
        let parts = parts(take(&mut instruction, "parts"), "systemInstruction.parts", &mut Calls::default())?;
        if !parts.is_empty() {
            draft.messages.push(Message::new(Role::System, parts));
        }
        if !instruction.is_empty() {
            draft.vendor.set(API, "systemInstruction", instruction.into());
        }
    }
    let mut calls = Calls::default();
    for (at, content) in list(take(&mut body, "contents"), "contents")?.into_iter().enumerate() {
        calls.turn = at;
        draft.messages.extend(message(content, &format!("contents[{at}]"), &mut calls)?);
    }
    if body.get("tools").is_some_and(|value| !value.is_null()) {
        for (at, tool) in list(take(&mut body, "tools"), "tools")?.into_iter().enumerate() {
            draft.tools.extend(tools(tool, &format!("tools[{at}]"))?);
        }
    }
    tool_config(&mut body, &mut draft);
    if let Some(Value::Object(config)) = body.get_mut("generationConfig") {
        let config = camel(std::mem::take(config));
        body.shift_remove("generationConfig");
        generation_config(config, &mut draft);
    }
    draft.service_tier = take_if(&mut body, "serviceTier", |tier| match tier.as_str()? {
        "flex" => Some(ServiceTier::Flex),
        "priority" => Some(ServiceTier::Priority),
        "standard" => Some(ServiceTier::Standard),
        _ => None,
    });
    draft.vendor.extend(VendorFields::of(API, body));
    Ok(Parsed { draft, wire_model, mode: Mode::Unary })
}

/// The object with its own names in camel case.
pub(super) fn camel(object: Map<String, Value>) -> Map<String, Value> {
    let name = |name: String| {
        if !name.contains('_') || name.starts_with('_') {
            return name;
        }
        let mut words = name.split('_');
        let mut joined = words.next().unwrap_or_default().to_owned();
        for word in words {
            let mut letters = word.chars();
            joined.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            joined.push_str(letters.as_str());
        }
        joined
    };
    object.into_iter().map(|(key, value)| (name(key), value)).collect()
}

fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    take_if(object, name, |value| value.as_str().map(str::to_owned))
}

/// A list; a single object stands for a list of one.
fn list(value: Option<Value>, path: &str) -> Result<Vec<Value>, ProviderError> {
    match value {
        Some(Value::Array(list)) => Ok(list),
        Some(one @ Value::Object(_)) => Ok(vec![one]),
        Some(Value::String(text)) if path == "contents" => Ok(vec![serde_json::json!({"parts": [{"text": text}]})]),
        None | Some(Value::Null) if path != "contents" => Ok(Vec::new()),
        _ => Err(unreadable(path, "a list")),
    }
}

/// Calls that wait for their results, for results that name no id.
#[derive(Default)]
struct Calls {
    turn: usize,
    open: Vec<(String, String)>,
}

impl Calls {
    /// The id of the first waiting call of this tool.
    fn answered(&mut self, name: &str) -> Option<String> {
        let at = self.open.iter().position(|(_, called)| called == name)?;
        Some(self.open.remove(at).0)
    }
}

fn message(content: Value, path: &str, calls: &mut Calls) -> Result<Vec<Message>, ProviderError> {
    let mut content = camel(object(content, path)?);
    let role = take_text(&mut content, "role");
    let parts = parts(take(&mut content, "parts"), &format!("{path}.parts"), calls)?;
    let mut vendor = VendorFields::of(API, content);
    match role.as_deref() {
        Some("model") => return Ok(vec![Message { vendor, ..Message::new(Role::Assistant, parts) }]),
        None | Some("user") => {}
        Some(other) => vendor.set(API, "role", other.into()),
    }
    Ok(user_messages(parts, vendor, API))
}

fn parts(value: Option<Value>, path: &str, calls: &mut Calls) -> Result<Vec<Part>, ProviderError> {
    let each = list(value, path)?.into_iter().enumerate();
    each.map(|(at, part)| read_part(part, &format!("{path}[{at}]"), at, calls)).collect()
}

fn read_part(part: Value, path: &str, at: usize, calls: &mut Calls) -> Result<Part, ProviderError> {
    let mut part = camel(object(part, path)?);
    part.retain(|_, value| !value.is_null());
    let mut made = Part::new(Content::Vendor);
    if part.get("text").is_some_and(Value::is_string) {
        let text = take_text(&mut part, "text").unwrap_or_default();
        let is_thought = part.get("thought") == Some(&Value::Bool(true));
        made.content = if is_thought { Content::Reasoning { text } } else { Content::Text { text } };
        if is_thought {
            part.shift_remove("thought");
            note_thought(&mut made);
        }
    } else if let Some((name, source, rest)) = take_media(&mut part) {
        made.content = media(source);
        keep(&mut made, name, rest);
    } else if let Some(Value::Object(call)) = part.shift_remove("functionCall") {
        function_call(call, &mut made, at, calls);
    } else if let Some(Value::Object(response)) = part.shift_remove("functionResponse") {
        made.content = function_response(response, &mut made.vendor, path, calls)?;
    }
    Ok(made.with_vendor(VendorFields::of(API, part)))
}

fn keep(part: &mut Part, name: &str, rest: Map<String, Value>) {
    if !rest.is_empty() {
        part.vendor.set(API, name, rest.into());
    }
}

fn function_call(call: Map<String, Value>, made: &mut Part, at: usize, calls: &mut Calls) {
    let mut call = camel(call);
    let id = take_text(&mut call, "id").unwrap_or_else(|| format!("{MADE_ID}{}_{at}", calls.turn));
    let name = take_text(&mut call, "name").unwrap_or_default();
    let arguments = take_if(&mut call, "args", |args| args.is_object().then(|| args.to_string()));
    if arguments.is_none() && !call.contains_key("args") {
        made.vendor.set(API, "$no_args", true.into());
    }
    calls.open.push((id.clone(), name.clone()));
    made.content = Content::ToolCall(ToolCall { id, name, arguments: arguments.unwrap_or_else(|| "{}".to_owned()) });
    keep(made, "functionCall", call);
}

fn function_response(
    response: Map<String, Value>,
    vendor: &mut VendorFields,
    path: &str,
    calls: &mut Calls,
) -> Result<Content, ProviderError> {
    let mut response = camel(response);
    let name = take_text(&mut response, "name");
    let waiting = calls.answered(name.as_deref().unwrap_or_default());
    let call_id = take_text(&mut response, "id")
        .or(waiting)
        .unwrap_or_else(|| format!("{MADE_ID}{}", name.as_deref().unwrap_or_default()));
    let (text, is_error) = said(take(&mut response, "response").unwrap_or_default());
    let mut answer: Vec<Part> = text.map(Part::text).into_iter().collect();
    answer.extend(parts(take(&mut response, "parts"), &format!("{path}.functionResponse.parts"), calls)?);
    if !response.is_empty() {
        vendor.set(API, "functionResponse", response.into());
    }
    Ok(Content::ToolResult(ToolResult { call_id, name, parts: answer, is_error }))
}

/// What a tool's response says: the text under `output` or `error` where that is all, the JSON otherwise.
fn said(response: Value) -> (Option<String>, bool) {
    let is_text = |text: &str| !matches!(serde_json::from_str(text), Ok(Value::Object(_)));
    if let Value::Object(object) = &response {
        if object.is_empty() {
            return (None, false);
        }
        match (object.len(), object.get("output"), object.get("error")) {
            (1, Some(Value::String(text)), _) if is_text(text) => return (Some(text.clone()), false),
            (1, _, Some(Value::String(text))) if is_text(text) => return (Some(text.clone()), true),
            (1, _, Some(error @ Value::Object(_))) => return (Some(error.to_string()), true),
            _ => {}
        }
    }
    (Some(response.to_string()), false)
}

/// Takes media out of a part: the field's name, where its bytes are, and what else was said of them.
pub(super) fn take_media(part: &mut Map<String, Value>) -> Option<(&'static str, Source, Map<String, Value>)> {
    for name in ["inlineData", "fileData"] {
        let Some(Value::Object(inner)) = part.get(name) else { continue };
        let mut inner = camel(inner.clone());
        inner.retain(|_, value| !value.is_null());
        let media_type = take_text(&mut inner, "mimeType");
        let source = match (name, media_type) {
            ("inlineData", Some(media_type)) => {
                take_text(&mut inner, "data").map(|data| Source::Base64 { media_type, data })
            }
            ("fileData", media_type) => take_text(&mut inner, "fileUri").map(|url| Source::Url { url, media_type }),
            _ => None,
        };
        if let Some(source) = source {
            part.shift_remove(name);
            return Some((name, source, inner));
        }
    }
    None
}

/// Media by its type.
pub(super) fn media(source: Source) -> Content {
    let kind = match &source {
        Source::Base64 { media_type, .. } | Source::Text { media_type, .. } => media_type.as_str(),
        Source::Url { media_type, .. } | Source::File { media_type, .. } => media_type.as_deref().unwrap_or_default(),
    };
    match kind.split('/').next().unwrap_or_default() {
        "image" => Content::Image { source },
        "audio" => Content::Audio { source },
        "video" => Content::Video { source },
        _ => Content::Document { source, name: None },
    }
}

fn tools(tool: Value, path: &str) -> Result<Vec<Tool>, ProviderError> {
    let mut tool = camel(object(tool, path)?);
    let mut read = Vec::new();
    let functions = list(take(&mut tool, "functionDeclarations"), &format!("{path}.functionDeclarations"))?;
    for (at, function) in functions.into_iter().enumerate() {
        let mut function = camel(object(function, &format!("{path}.functionDeclarations[{at}]"))?);
        function.retain(|_, value| !value.is_null());
        let name = take_text(&mut function, "name").unwrap_or_default();
        let description = take_text(&mut function, "description");
        let field = ["parametersJsonSchema", "parameters"].into_iter().find(|name| function.contains_key(*name));
        let parameters =
            field.and_then(|name| take_if(&mut function, name, |schema| schema.is_object().then(|| schema.clone())));
        let mut vendor = VendorFields::of(API, function);
        if let (Some(field), Some(_)) = (field, &parameters) {
            vendor.set(API, SCHEMA_FIELD, field.into());
        }
        read.push(Tool { name, description, parameters, strict: None, cache: None, vendor });
    }
    for (name, settings) in tool.into_iter().filter(|(_, settings)| !settings.is_null()) {
        let vendor = VendorFields::of(API, Map::from_iter([(name.clone(), settings)]));
        read.push(Tool { name, description: None, parameters: None, strict: None, cache: None, vendor });
    }
    Ok(read)
}

fn tool_config(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let Some(Value::Object(config)) = body.get_mut("toolConfig") else { return };
    let mut config = camel(std::mem::take(config));
    if let Some(Value::Object(calling)) = config.get_mut("functionCallingConfig") {
        let calling_camel = camel(std::mem::take(calling));
        let names = calling_camel.get("allowedFunctionNames").and_then(Value::as_array);
        let mode = calling_camel.get("mode").and_then(Value::as_str).unwrap_or_default();
        let choice = match (mode, names.map(Vec::as_slice), calling_camel.len()) {
            ("AUTO", None, 1) => Some(ToolChoice::Auto),
            ("NONE", None, 1) => Some(ToolChoice::None),
            ("ANY", None, 1) => Some(ToolChoice::Required),
            ("ANY", Some([Value::String(name)]), 2) => Some(ToolChoice::Named(name.clone())),
            _ => None,
        };
        if choice.is_some() {
            config.shift_remove("functionCallingConfig");
        } else {
            config.insert("functionCallingConfig".to_owned(), calling_camel.into());
        }
        draft.tool_choice = choice;
    }
    body.shift_remove("toolConfig");
    if !config.is_empty() {
        draft.vendor.set(API, "toolConfig", config.into());
    }
}

fn generation_config(mut config: Map<String, Value>, draft: &mut RequestDraft) {
    let sampling = &mut draft.sampling;
    draft.max_tokens = take_if(&mut config, "maxOutputTokens", Value::as_u64);
    sampling.temperature = take_if(&mut config, "temperature", Value::as_f64);
    sampling.top_p = take_if(&mut config, "topP", Value::as_f64);
    sampling.top_k = take_if(&mut config, "topK", |value| match value.as_f64()? {
        top if (1.0..=1e6).contains(&top) && top.fract() == 0.0 => Some(top as u32),
        _ => None,
    });
    sampling.presence_penalty = take_if(&mut config, "presencePenalty", Value::as_f64);
    sampling.frequency_penalty = take_if(&mut config, "frequencyPenalty", Value::as_f64);
    sampling.seed = take_if(&mut config, "seed", Value::as_i64);
    sampling.candidates = take_if(&mut config, "candidateCount", |value| u8::try_from(value.as_u64()?).ok());
    let texts = take_if(&mut config, "stopSequences", |value| {
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    sampling.stop = texts.unwrap_or_default();
    if config.get("responseLogprobs") == Some(&Value::Bool(true)) {
        config.shift_remove("responseLogprobs");
        let top = take_if(&mut config, "logprobs", |value| u8::try_from(value.as_u64()?).ok().filter(|top| *top > 0));
        sampling.logprobs = Some(top.unwrap_or(0));
    }
    format(&mut config, draft);
    thinking(&mut config, draft);
    if !config.is_empty() {
        draft.vendor.set(API, "generationConfig", config.into());
    }
}

fn format(config: &mut Map<String, Value>, draft: &mut RequestDraft) {
    if config.get("responseMimeType").and_then(Value::as_str) != Some("application/json") {
        return;
    }
    config.shift_remove("responseMimeType");
    let field = ["responseJsonSchema", "responseSchema"]
        .into_iter()
        .find(|name| config.get(*name).is_some_and(Value::is_object));
    draft.format = Some(match field.and_then(|name| Some((name, config.shift_remove(name)?))) {
        None => ResponseFormat::JsonObject,
        Some((name, schema)) => {
            draft.vendor.set(API, SCHEMA_FIELD, name.into());
            ResponseFormat::JsonSchema { name: "answer".to_owned(), description: None, schema, strict: None }
        }
    });
}

/// Reads how much to think. What our request cannot say in full stays in vendor fields, which win.
fn thinking(config: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let Some(Value::Object(thinking)) = config.get("thinkingConfig") else { return };
    let mut thinking = camel(thinking.clone());
    let mut rest = thinking.clone();
    let show = take_if(&mut rest, "includeThoughts", Value::as_bool);
    let budget = take_if(&mut rest, "thinkingBudget", Value::as_u64);
    let effort = take_if(&mut rest, "thinkingLevel", |level| match level.as_str()? {
        "minimal" => Some(Effort::Minimal),
        "low" => Some(Effort::Low),
        "medium" => Some(Effort::Medium),
        "high" => Some(Effort::High),
        _ => None,
    });
    draft.reasoning = Some(ReasoningAsk { effort, budget_tokens: budget, show });
    let is_whole = rest.is_empty() && !(effort.is_some() && budget.is_some()) && !thinking.is_empty();
    match is_whole {
        true => drop(config.shift_remove("thinkingConfig")),
        false => drop(config.insert("thinkingConfig".to_owned(), std::mem::take(&mut thinking).into())),
    }
}
