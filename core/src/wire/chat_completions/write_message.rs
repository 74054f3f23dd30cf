//! Our messages as chat completions messages.

use serde_json::{Map, Value, json};

use super::{API, add_missing};
use crate::error::ProviderError;
use crate::message::{CacheHint, Content, Message, Part, Role, Source, ToolCall, ToolResult, joined_text};
use crate::wire::Ask;
use crate::wire::json::put;
use crate::wire::turns::unsupported;

/// Every message, in order. Tool results become messages of their own.
pub(super) fn all(ask: &Ask<'_>, verbatim: bool) -> Result<Vec<Value>, ProviderError> {
    let writer = Writer { ask, verbatim };
    let mut written = Vec::with_capacity(ask.draft.messages.len());
    let mut instructions: Vec<&Part> = Vec::new();
    for message in &ask.draft.messages {
        let is_instruction = matches!(message.role, Role::System | Role::Developer);
        if is_instruction && !ask.card.accepts.system && !verbatim {
            instructions.extend(&message.parts);
            continue;
        }
        let before = std::mem::take(&mut instructions);
        match (message.role, before.is_empty()) {
            (Role::User, false) => {
                let parts = before.into_iter().chain(&message.parts);
                writer.message(&Message { parts: parts.cloned().collect(), ..message.clone() }, &mut written)?;
            }
            _ => {
                instructions = before;
                writer.message(message, &mut written)?;
            }
        }
    }
    if !instructions.is_empty() {
        let parts = instructions.into_iter().cloned().collect();
        writer.message(&Message::new(Role::User, parts), &mut written)?;
    }
    Ok(written)
}

/// Anthropic's mark, which some vendors of this format take too.
pub(super) fn mark(hint: CacheHint) -> Value {
    match hint {
        CacheHint::OneHour => json!({"type": "ephemeral", "ttl": "1h"}),
        _ => json!({"type": "ephemeral"}),
    }
}

struct Writer<'a> {
    ask: &'a Ask<'a>,
    verbatim: bool,
}

impl Writer<'_> {
    fn more(&self, name: &str) -> bool {
        self.ask.endpoint.dialect.more.contains_key(name)
    }

    fn message(&self, message: &Message, out: &mut Vec<Value>) -> Result<(), ProviderError> {
        let mut rest: Vec<&Part> = Vec::with_capacity(message.parts.len());
        let mut pictures: Vec<&Part> = Vec::new();
        let before = out.len();
        for part in &message.parts {
            match &part.content {
                Content::ToolResult(answer) => out.push(self.result(part, answer, message, &mut pictures)?),
                _ => rest.push(part),
            }
        }
        rest.extend(pictures);
        if message.role == Role::Tool && rest.is_empty() && out.len() > before {
            return Ok(());
        }
        if rest.is_empty() && !message.parts.is_empty() {
            return Ok(());
        }
        let role = match message.role {
            Role::System => "system",
            Role::Developer if self.verbatim || self.more("developer_role") => "developer",
            Role::Developer => "system",
            Role::Assistant => "assistant",
            _ => "user",
        };
        let mut written = Map::from_iter([("role".to_owned(), role.into())]);
        match message.role {
            Role::Assistant => {
                self.assistant(&rest, &mut written)?;
                let noted = message.vendor.field(API, "$content").filter(|_| self.verbatim);
                if let (Some(noted), Some(Value::Null)) = (noted, written.get("content")) {
                    written.insert("content".to_owned(), noted.clone());
                }
            }
            _ => drop(written.insert("content".to_owned(), self.content(&rest)?)),
        }
        put(&mut written, "name", message.name.as_deref());
        message.vendor.write_into(API, &mut written);
        out.push(written.into());
        Ok(())
    }

    /// A model's turn: its text, its calls, and the reasoning that the vendor wants to see again.
    fn assistant(&self, parts: &[&Part], written: &mut Map<String, Value>) -> Result<(), ProviderError> {
        let mut said: Vec<&Part> = Vec::new();
        let mut calls = Vec::new();
        let mut reasoning = Vec::new();
        for part in parts {
            match &part.content {
                Content::ToolCall(call) if is_legacy(part) => {
                    let call = json!({"name": call.name, "arguments": call.arguments});
                    written.insert("function_call".to_owned(), call);
                }
                Content::ToolCall(call) => calls.push(tool_call(part, call, self.verbatim)),
                Content::Refusal { text } => drop(written.insert("refusal".to_owned(), text.as_str().into())),
                Content::Reasoning { .. } if part.vendor.field(API, "$whole").is_none() => reasoning.push(*part),
                Content::Vendor if part.vendor.field(API, "$message").is_some() => {
                    let extras = part.vendor.field(API, "$message").and_then(Value::as_object);
                    if let Some(extras) = extras {
                        add_missing(written, extras);
                    }
                }
                _ => said.push(part),
            }
        }
        let content = if said.is_empty() { Value::Null } else { self.content(&said)? };
        written.insert("content".to_owned(), content);
        let has_calls = !calls.is_empty() || written.contains_key("function_call");
        for part in reasoning {
            self.reasoning(part, has_calls, written);
        }
        if !calls.is_empty() {
            written.insert("tool_calls".to_owned(), calls.into());
        }
        Ok(())
    }

    /// Reasoning goes back where the vendor says so, with the turns that call tools; its opaque details always do.
    fn reasoning(&self, part: &Part, has_calls: bool, written: &mut Map<String, Value>) {
        let Content::Reasoning { text } = &part.content else { return };
        let dialect = &self.ask.endpoint.dialect;
        if let Some(details) = part.vendor.field(API, "reasoning_details") {
            written.insert("reasoning_details".to_owned(), details.clone());
        }
        let came_as = part.vendor.field(API, "$field").and_then(Value::as_str).filter(|name| !name.is_empty());
        let field = match self.verbatim {
            true => came_as,
            false if dialect.resend_reasoning && has_calls => {
                Some(dialect.reasoning_field.as_deref().or(came_as).unwrap_or("reasoning_content"))
            }
            false => None,
        };
        if let Some(field) = field {
            written.insert(field.to_owned(), text.as_str().into());
        }
    }

    /// A text where that says all, a list of pieces otherwise.
    fn content(&self, parts: &[&Part]) -> Result<Value, ProviderError> {
        let as_list = parts.iter().any(|part| part.vendor.field(API, "$list").is_some()) && self.verbatim;
        if let [part] = parts
            && let Content::Text { text } = &part.content
            && !as_list
            && self.mark_of(part).is_none()
            && is_plain(part)
        {
            return Ok(text.as_str().into());
        }
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.extend(self.piece(part)?);
        }
        Ok(pieces.into())
    }

    fn mark_of(&self, part: &Part) -> Option<CacheHint> {
        part.cache.filter(|_| self.verbatim || self.more("cache_control"))
    }

    /// One piece of a content list; `None` where there is nothing to say to this vendor.
    fn piece(&self, part: &Part) -> Result<Option<Value>, ProviderError> {
        if let Some(whole) = part.vendor.field(API, "$whole") {
            return Ok(Some(whole.clone()));
        }
        let (kind, inner) = match &part.content {
            Content::Text { text } | Content::Refusal { text } => {
                if text.is_empty() && !self.verbatim {
                    return Ok(None);
                }
                let mut piece =
                    Map::from_iter([("type".to_owned(), "text".into()), ("text".to_owned(), text.as_str().into())]);
                return Ok(Some(self.finished(part, &mut piece)));
            }
            Content::Image { source } => ("image_url", json!({"url": address(source, "image/png", "pictures")?})),
            Content::Video { source } => ("video_url", json!({"url": address(source, "video/mp4", "videos")?})),
            Content::Audio { source } => ("input_audio", audio(source)?),
            Content::Document { source, name } => match document(source, name.as_deref(), self.more("file_url"))? {
                Document::File(file) => ("file", file),
                Document::Text(text) => return Ok(Some(json!({"type": "text", "text": text}))),
            },
            Content::Reasoning { .. } | Content::Vendor | Content::ToolCall(_) | Content::ToolResult(_) => {
                return Ok(None);
            }
        };
        let mut inner = inner.as_object().cloned().unwrap_or_default();
        if let Some(Value::Object(more)) = part.vendor.field(API, "$inner") {
            add_missing(&mut inner, more);
        }
        let mut piece = Map::from_iter([("type".to_owned(), kind.into()), (kind.to_owned(), inner.into())]);
        Ok(Some(self.finished(part, &mut piece)))
    }

    /// A piece with its mark and the vendor's own fields.
    fn finished(&self, part: &Part, piece: &mut Map<String, Value>) -> Value {
        put(piece, "cache_control", self.mark_of(part).map(mark));
        part.vendor.write_into(API, piece);
        Value::Object(std::mem::take(piece))
    }

    /// A tool's answer as a message. Pictures in it follow in a user's message where the vendor takes none here.
    fn result<'p>(
        &self,
        part: &Part,
        answer: &'p ToolResult,
        message: &Message,
        pictures: &mut Vec<&'p Part>,
    ) -> Result<Value, ProviderError> {
        let (texts, media): (Vec<&Part>, Vec<&Part>) =
            answer.parts.iter().partition(|part| matches!(part.content, Content::Text { .. } | Content::Vendor));
        let keeps_media = self.verbatim || self.more("tool_media") || media.is_empty();
        let content = match keeps_media {
            true => self.content(&answer.parts.iter().collect::<Vec<_>>())?,
            false => {
                pictures.extend(media);
                json!(joined_text(&texts.into_iter().cloned().collect::<Vec<_>>()))
            }
        };
        let content = if answer.parts.is_empty() { json!("") } else { content };
        let mut written = Map::new();
        if is_legacy(part) {
            written.insert("role".to_owned(), "function".into());
        } else {
            written.insert("role".to_owned(), "tool".into());
            let has_id = !self.verbatim || part.vendor.field(API, "$no_id").is_none();
            put(&mut written, "tool_call_id", has_id.then_some(answer.call_id.as_str()));
        }
        put(&mut written, "name", answer.name.as_deref().filter(|_| self.verbatim || is_legacy(part)));
        written.insert("content".to_owned(), content);
        message.vendor.write_into(API, &mut written);
        part.vendor.write_into(API, &mut written);
        Ok(written.into())
    }
}

fn is_legacy(part: &Part) -> bool {
    part.vendor.field(API, "$legacy").is_some()
}

/// Whether a part has no field of this format that is written.
fn is_plain(part: &Part) -> bool {
    part.vendor.get(API).is_none_or(|fields| fields.keys().all(|name| name.starts_with('$')))
}

fn tool_call(part: &Part, call: &ToolCall, verbatim: bool) -> Value {
    let is_custom = part.vendor.field(API, "$custom").is_some();
    let (kind, argument) = if is_custom { ("custom", "input") } else { ("function", "arguments") };
    let mut inner = Map::from_iter([("name".to_owned(), call.name.as_str().into())]);
    let arguments = if call.arguments.is_empty() && !is_custom { "{}" } else { &call.arguments };
    inner.insert(argument.to_owned(), arguments.into());
    if let Some(Value::Object(more)) = part.vendor.field(API, "$inner") {
        add_missing(&mut inner, more);
    }
    let mut written = Map::from_iter([
        ("id".to_owned(), call.id.as_str().into()),
        ("type".to_owned(), kind.into()),
        (kind.to_owned(), inner.into()),
    ]);
    if verbatim {
        put(&mut written, "index", part.vendor.field(API, "$index").cloned());
        if part.vendor.field(API, "$no_id").is_some() {
            written.shift_remove("id");
        }
    }
    part.vendor.write_into(API, &mut written);
    written.into()
}

/// Bytes as a data address, or the address that was given.
fn address(source: &Source, stock_type: &str, what: &str) -> Result<String, ProviderError> {
    match source {
        Source::Base64 { media_type, data } => {
            let media_type = if media_type.is_empty() { stock_type } else { media_type };
            Ok(format!("data:{media_type};base64,{data}"))
        }
        Source::Url { url, .. } => Ok(url.clone()),
        _ => Err(unsupported(format!("this format takes {what} as bytes or by address: send them so"))),
    }
}

fn audio(source: &Source) -> Result<Value, ProviderError> {
    match source {
        Source::Base64 { media_type, data } => {
            let format = match media_type.rsplit('/').next().unwrap_or_default() {
                "mpeg" | "mp3" => "mp3",
                "x-wav" | "wave" | "wav" => "wav",
                other => other,
            };
            Ok(json!({"data": data, "format": format}))
        }
        Source::Url { url, .. } => Ok(json!({"url": url})),
        _ => Err(unsupported("this format takes audio as bytes: send them so")),
    }
}

/// How a document goes out.
enum Document {
    File(Value),
    Text(String),
}

fn document(source: &Source, name: Option<&str>, by_address: bool) -> Result<Document, ProviderError> {
    let titled = |text: &str| match name {
        Some(name) => format!("{name}:\n\n{text}"),
        None => text.to_owned(),
    };
    Ok(match source {
        Source::Text { text, .. } => Document::Text(titled(text)),
        Source::File { id, .. } => Document::File(json!({"file_id": id})),
        Source::Base64 { media_type, data } => {
            let file_data = format!("data:{media_type};base64,{data}");
            let mut file = json!({"file_data": file_data});
            file["filename"] = name.unwrap_or("document.pdf").into();
            Document::File(file)
        }
        Source::Url { url, .. } if by_address => {
            Document::File(json!({"file_data": url, "filename": name.unwrap_or("document.pdf")}))
        }
        Source::Url { .. } => {
            return Err(unsupported("this format takes documents as bytes or uploaded files: send them so"));
        }
    })
}
