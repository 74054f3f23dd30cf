//! One item of a conversation as a message.

use serde_json::{Map, Value};

use super::parse::take_text;
use super::{API, CUSTOM, LIST, TYPE, decode};
use crate::error::ProviderError;
use crate::message::{Content, Message, Part, Role, Source, ToolResult};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{take, text};
use crate::wire::turns::object;

/// Reads an item; `path` names it.
pub(super) fn message(item: Value, path: &str) -> Result<Message, ProviderError> {
    let fields = object(item, path)?;
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    let role = fields.get("role").and_then(Value::as_str).and_then(role);
    let has = |name: &str| fields.get(name).is_some_and(Value::is_string);
    Ok(match (kind.as_str(), role) {
        ("message", Some(role)) => spoken(fields, role),
        ("function_call", _) if has("call_id") && has("name") && has("arguments") => {
            Message::new(Role::Assistant, vec![decode::tool_call(&fields, "arguments")])
        }
        ("custom_tool_call", _) if has("call_id") && has("name") && has("input") => {
            Message::new(Role::Assistant, vec![decode::tool_call(&fields, "input")])
        }
        ("function_call_output" | "custom_tool_call_output", _)
            if has("call_id") && is_content(fields.get("output")) =>
        {
            Message::new(Role::Tool, vec![result(fields, kind == "custom_tool_call_output")])
        }
        ("reasoning", _) => {
            let item = Value::Object(fields);
            let content = Content::Reasoning { text: decode::reasoning_text(&item) };
            Message::new(Role::Assistant, vec![decode::whole(content, &item)])
        }
        (_, role) => {
            let side = if kind.ends_with("_output") { Role::Tool } else { Role::Assistant };
            Message::new(role.unwrap_or(side), vec![decode::whole(Content::Vendor, &Value::Object(fields))])
        }
    })
}

fn role(word: &str) -> Option<Role> {
    match word {
        "system" => Some(Role::System),
        "developer" => Some(Role::Developer),
        "user" => Some(Role::User),
        "assistant" => Some(Role::Assistant),
        _ => None,
    }
}

fn is_content(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.is_string() || value.is_array())
}

/// A message; its further fields (id, status, phase) are those of the message.
fn spoken(mut fields: Map<String, Value>, role: Role) -> Message {
    fields.shift_remove("role");
    let content = take(&mut fields, "content");
    let stock = if role == Role::Assistant { "output_text" } else { "input_text" };
    let mut message = Message::new(role, parts(content.as_ref(), stock));
    if content.is_some_and(|content| content.is_array()) {
        message.vendor.set(API, LIST, true.into());
    }
    message.vendor.extend(VendorFields::of(API, fields));
    message
}

fn result(mut fields: Map<String, Value>, is_custom: bool) -> Part {
    fields.shift_remove("type");
    let call_id = take_text(&mut fields, "call_id").unwrap_or_default();
    let output = take(&mut fields, "output");
    let parts = parts(output.as_ref(), "input_text");
    let mut part = Part::new(Content::ToolResult(ToolResult { call_id, name: None, parts, is_error: false }));
    if output.is_some_and(|output| output.is_array()) {
        part.vendor.set(API, LIST, true.into());
    }
    if is_custom {
        part.vendor.set(API, CUSTOM, true.into());
    }
    part.vendor.extend(VendorFields::of(API, fields));
    part
}

/// A content; `stock` is the type that a text has in it unless it says otherwise.
fn parts(content: Option<&Value>, stock: &str) -> Vec<Part> {
    match content {
        Some(Value::String(words)) => vec![Part::text(words.clone())],
        Some(Value::Array(pieces)) => pieces.iter().map(|one| piece(one, stock)).collect(),
        _ => Vec::new(),
    }
}

fn piece(value: &Value, stock: &str) -> Part {
    let Some(mut fields) = value.as_object().cloned() else { return decode::whole_piece(value) };
    let kind = take_text(&mut fields, "type").unwrap_or_default();
    let content = match kind.as_str() {
        "input_text" | "output_text" | "text" => take_text(&mut fields, "text").map(|text| Content::Text { text }),
        "refusal" => take_text(&mut fields, "refusal").map(|text| Content::Refusal { text }),
        "input_image" => source(&mut fields, "image_url", None).map(|source| Content::Image { source }),
        "input_file" => source(&mut fields, "file_url", Some("file_data")).map(|source| {
            let name = take_text(&mut fields, "filename");
            Content::Document { source, name }
        }),
        _ => None,
    };
    let Some(content) = content else { return decode::whole_piece(value) };
    let is_odd = matches!(content, Content::Text { .. }) && kind != stock;
    let mut part = Part::new(content).with_vendor(VendorFields::of(API, fields));
    if is_odd {
        part.vendor.set(API, TYPE, kind.into());
    }
    part
}

/// Where media are: an address or bytes, or an uploaded file. `None` where both or neither is said.
fn source(fields: &mut Map<String, Value>, address: &str, bytes: Option<&str>) -> Option<Source> {
    let places: Vec<&str> = [address, "file_id"].into_iter().chain(bytes).collect();
    let whole = Value::Object(fields.clone());
    let mut said = places.iter().filter_map(|name| Some((*name, text(&whole, name)?)));
    let (name, words) = said.next().filter(|_| said.next().is_none())?;
    let found = match name {
        "file_id" => Source::File { id: words.to_owned(), media_type: None },
        "file_data" => data_address(words)?,
        _ => data_address(words).unwrap_or_else(|| Source::Url { url: words.to_owned(), media_type: None }),
    };
    // An address of a file is written as one: bytes in it would come back as another field.
    if name == "file_url" && matches!(found, Source::Base64 { .. }) {
        return None;
    }
    places.iter().for_each(|name| drop(fields.shift_remove(*name)));
    Some(found)
}

/// The bytes in a data address.
fn data_address(address: &str) -> Option<Source> {
    let (media_type, data) = address.strip_prefix("data:")?.split_once(";base64,")?;
    Some(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
}
