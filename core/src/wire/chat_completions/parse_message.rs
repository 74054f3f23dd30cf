//! A chat completions message as ours.

use serde_json::{Map, Value, json};

use super::{API, decode, parse::text};
use crate::error::ProviderError;
use crate::message::{CacheHint, Content, Message, Part, Role, Source, ToolResult};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{take, take_if};
use crate::wire::turns::{object, unreadable};

/// Reads one message.
pub(super) fn message(message: Value, path: &str) -> Result<Message, ProviderError> {
    let mut message = object(message, path)?;
    let role = text(&mut message, "role").ok_or_else(|| unreadable(&format!("{path}.role"), "a text"))?;
    let content = take(&mut message, "content").unwrap_or_default();
    let name = text(&mut message, "name");
    match role.as_str() {
        "system" | "developer" | "user" => {
            let role = match role.as_str() {
                "system" => Role::System,
                "developer" => Role::Developer,
                _ => Role::User,
            };
            let parts = parts(content, &format!("{path}.content"))?;
            Ok(Message { role, parts, name, vendor: VendorFields::of(API, message) })
        }
        "tool" | "function" => result(&role, content, name, message, path),
        "assistant" => assistant(content, name, message, path),
        _ => Err(unreadable(&format!("{path}.role"), "system, developer, user, assistant or tool")),
    }
}

fn parts(content: Value, path: &str) -> Result<Vec<Part>, ProviderError> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(pieces) => {
            let mut read = Vec::with_capacity(pieces.len());
            for (at, piece) in pieces.into_iter().enumerate() {
                read.push(match piece {
                    Value::String(text) => Part::text(text),
                    piece => part(object(piece, &format!("{path}[{at}]"))?),
                });
            }
            // A list of one text could be said as a text: the note keeps the form for a verbatim copy.
            if let [only] = &mut read[..]
                && only.as_text().is_some()
            {
                only.vendor.set(API, "$list", true.into());
            }
            Ok(read)
        }
        _ => Err(unreadable(path, "a text or a list of pieces")),
    }
}

/// One piece of a content list. One that is not understood whole is kept whole.
fn part(piece: Map<String, Value>) -> Part {
    let mut rest = piece.clone();
    let cache = take_mark(&mut rest);
    let kind = text(&mut rest, "type").unwrap_or_default();
    match content(&kind, &mut rest) {
        Some((content, inner)) => {
            let mut vendor = VendorFields::of(API, rest);
            if !inner.is_empty() {
                vendor.set(API, "$inner", inner.into());
            }
            Part { content, cache, vendor }
        }
        None => {
            let mut part = decode::piece(&Value::Object(piece.clone()));
            part.vendor.set(API, "$whole", piece.into());
            part
        }
    }
}

/// What a piece is in our words, and what its inner object says besides.
fn content(kind: &str, piece: &mut Map<String, Value>) -> Option<(Content, Map<String, Value>)> {
    if kind == "text" {
        return Some((Content::Text { text: text(piece, "text")? }, Map::new()));
    }
    if kind == "refusal" {
        return None;
    }
    let mut inner = match piece.get(kind)? {
        Value::Object(inner) => inner.clone(),
        _ => return None,
    };
    let content = match kind {
        "image_url" => Content::Image { source: source(&text(&mut inner, "url")?) },
        "video_url" => Content::Video { source: source(&text(&mut inner, "url")?) },
        "input_audio" => {
            let (data, format) = (text(&mut inner, "data")?, text(&mut inner, "format")?);
            Content::Audio { source: Source::Base64 { media_type: format!("audio/{format}"), data } }
        }
        "file" => file(&mut inner)?,
        _ => return None,
    };
    piece.shift_remove(kind);
    Some((content, inner))
}

fn file(inner: &mut Map<String, Value>) -> Option<Content> {
    if let Some(id) = text(inner, "file_id") {
        return Some(Content::Document { source: Source::File { id, media_type: None }, name: None });
    }
    let data = inner.get("file_data")?.as_str()?.to_owned();
    let read = source(&data);
    // Bytes without a data address go out with one, and a document without a name gets one: such a piece stays whole.
    let Source::Base64 { .. } = read else { return None };
    let name = text(inner, "filename")?;
    inner.shift_remove("file_data");
    Some(Content::Document { source: read, name: Some(name) })
}

/// Bytes where the address holds them.
fn source(url: &str) -> Source {
    let held = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match held {
        Some((media_type, data)) => Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() },
        None => Source::Url { url: url.to_owned(), media_type: None },
    }
}

fn result(
    role: &str,
    content: Value,
    name: Option<String>,
    mut message: Map<String, Value>,
    path: &str,
) -> Result<Message, ProviderError> {
    let is_legacy = role == "function";
    let id = text(&mut message, "tool_call_id");
    let has_id = id.is_some() || is_legacy;
    let call_id = id.unwrap_or_else(|| "call_0".to_owned());
    let parts = parts(content, &format!("{path}.content"))?;
    let answer = ToolResult { call_id, name, parts, is_error: false };
    let mut part = Part { content: Content::ToolResult(answer), cache: None, vendor: VendorFields::of(API, message) };
    if is_legacy {
        part.vendor.set(API, "$legacy", true.into());
    }
    if !has_id {
        part.vendor.set(API, "$no_id", true.into());
    }
    Ok(Message::new(Role::Tool, vec![part]))
}

/// Ties results that came without an id to the calls before them, in order: such calls are numbered the same way.
pub(super) fn answer_in_order(messages: &mut [Message]) {
    let mut answered = 0;
    for message in messages {
        if message.role == Role::Assistant {
            answered = 0;
        }
        for part in &mut message.parts {
            let has_no_id = part.vendor.field(API, "$no_id").is_some();
            if let Content::ToolResult(answer) = &mut part.content {
                if has_no_id {
                    answer.call_id = format!("call_{answered}");
                }
                answered += 1;
            }
        }
    }
}

/// A call of the model's, with notes of what its body left out or numbered.
fn call(call: &Value, place: u32) -> Part {
    let mut read = decode::tool_call(call, place);
    if let Some(index) = call.get("index") {
        read.vendor.set(API, "$index", index.clone());
    }
    if call.get("id").is_none_or(|id| id.as_str().is_none_or(str::is_empty)) {
        read.vendor.set(API, "$no_id", true.into());
    }
    read
}

fn assistant(
    content: Value,
    name: Option<String>,
    mut message: Map<String, Value>,
    path: &str,
) -> Result<Message, ProviderError> {
    let mut read = Vec::new();
    let details = take_if(&mut message, "reasoning_details", |details| details.as_array().cloned());
    let shown = decode::REASONING.into_iter().find_map(|name| Some((name, text(&mut message, name)?)));
    if shown.is_some() || details.is_some() {
        let words = shown.as_ref().map_or_else(
            || decode::text_of_details(details.as_deref().unwrap_or_default()),
            |(_, words)| words.clone(),
        );
        let mut part = Part::new(Content::Reasoning { text: words });
        part.vendor.set(API, "$field", json!(shown.map_or("", |(name, _)| name)));
        if let Some(details) = details {
            part.vendor.set(API, "reasoning_details", details.into());
        }
        read.push(part);
    }
    if content == json!([]) {
        message.insert("$content".to_owned(), content.clone());
    }
    read.extend(parts(content, &format!("{path}.content"))?);
    if let Some(text) = text(&mut message, "refusal") {
        read.push(Part::new(Content::Refusal { text }));
    }
    if let Some(calls) =
        take_if(&mut message, "tool_calls", |calls| calls.as_array().filter(|all| !all.is_empty()).cloned())
    {
        read.extend(calls.iter().zip(0..).map(|(one, place)| call(one, place)));
    }
    if let Some(call) = take_if(&mut message, "function_call", |call| call.is_object().then(|| call.clone())) {
        read.push(decode::legacy_call(&call));
    }
    Ok(Message { role: Role::Assistant, parts: read, name, vendor: VendorFields::of(API, message) })
}

/// Takes a cache mark out. One that says more than its lifetime stays as it is.
pub(super) fn take_mark(object: &mut Map<String, Value>) -> Option<CacheHint> {
    let short = json!({"type": "ephemeral"});
    let long = json!({"type": "ephemeral", "ttl": "1h"});
    take_if(object, "cache_control", |mark| match mark {
        mark if *mark == short => Some(CacheHint::FiveMinutes),
        mark if *mark == long => Some(CacheHint::OneHour),
        _ => None,
    })
}
