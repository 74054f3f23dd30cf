//! Our messages as the items of a conversation.

use serde_json::{Map, Value, json};

use super::{API, CUSTOM, INSTRUCTIONS, ITEM, LIST, PIECE, TYPE, WHOLE, add_missing};
use crate::error::ProviderError;
use crate::message::{Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::wire::Ask;
use crate::wire::json::{list, put, text};
use crate::wire::turns::unsupported;

/// Writes `instructions` and `input`.
pub(super) fn conversation(ask: &Ask<'_>, verbatim: bool, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
    let stores = ask.draft.vendor.field(API, "store") == Some(&Value::Bool(true));
    let writer = Writer { verbatim, stores };
    let messages = &ask.draft.messages;
    let in_place = ask.endpoint.dialect.more.get("instructions").is_some_and(|way| way == "in_place");
    let is_instruction = |message: &Message| matches!(message.role, Role::System | Role::Developer);
    let opens = |message: &&Message| match verbatim {
        true => message.vendor.field(API, INSTRUCTIONS).is_some(),
        false => message.role == Role::System && !in_place && message.parts.iter().all(|part| part.as_text().is_some()),
    };
    let moves = !ask.card.accepts.system && !verbatim;
    let opening = if moves { 0 } else { messages.iter().take_while(opens).count() };
    let (instructions, rest) = messages.split_at(opening);
    let texts: Vec<String> = instructions.iter().map(Message::joined_text).collect();
    put(body, "instructions", (!texts.is_empty()).then(|| texts.join("\n\n")));
    let note = ask.draft.vendor.field(API, "$input").filter(|_| verbatim).and_then(Value::as_str);
    match (note, rest) {
        (Some("none"), []) => return Ok(()),
        (Some("text"), [message]) => {
            body.insert("input".to_owned(), message.joined_text().into());
            return Ok(());
        }
        _ => {}
    }
    let mut items = Vec::with_capacity(rest.len());
    if moves && rest.iter().any(is_instruction) {
        let parts = rest.iter().filter(|message| is_instruction(message)).flat_map(|message| &message.parts);
        let mut parts: Vec<Part> = parts.cloned().collect();
        let mut rest: Vec<Message> = rest.iter().filter(|message| !is_instruction(message)).cloned().collect();
        match rest.iter_mut().find(|message| message.role == Role::User) {
            Some(first) => drop(first.parts.splice(0..0, parts)),
            None => rest.insert(0, Message::new(Role::User, std::mem::take(&mut parts))),
        }
        rest.iter().try_for_each(|message| writer.message(message, &mut items))?;
    } else {
        rest.iter().try_for_each(|message| writer.message(message, &mut items))?;
    }
    body.insert("input".to_owned(), items.into());
    Ok(())
}

struct Writer {
    verbatim: bool,
    /// Whether the vendor keeps what it answers, so that its ids mean something later.
    stores: bool,
}

impl Writer {
    /// A message's items: each call, result and item of the vendor's own stands alone, what is said between stands
    /// together.
    fn message(&self, message: &Message, items: &mut Vec<Value>) -> Result<(), ProviderError> {
        let mut said: Vec<&Part> = Vec::new();
        for part in &message.parts {
            let alone = match &part.content {
                Content::ToolCall(call) => Some(tool_call(part, call)),
                Content::ToolResult(answer) => Some(self.result(part, answer)?),
                Content::Reasoning { .. } => self.reasoning(part),
                Content::Vendor => part.vendor.field(API, WHOLE).cloned(),
                _ => None,
            };
            let opens = part.vendor.field(API, ITEM).is_some();
            if alone.is_some() || opens {
                self.said(message, &mut said, items)?;
            }
            match (alone, &part.content) {
                (Some(item), _) => items.push(item),
                (None, Content::Reasoning { .. }) => {}
                (None, _) => said.push(part),
            }
        }
        let is_empty = message.parts.is_empty() && self.verbatim;
        if is_empty { self.item(message, &[], items) } else { self.said(message, &mut said, items) }
    }

    fn said(&self, message: &Message, said: &mut Vec<&Part>, items: &mut Vec<Value>) -> Result<(), ProviderError> {
        match std::mem::take(said) {
            parts if parts.is_empty() => Ok(()),
            parts => self.item(message, &parts, items),
        }
    }

    fn item(&self, message: &Message, parts: &[&Part], items: &mut Vec<Value>) -> Result<(), ProviderError> {
        let role = match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::Assistant => "assistant",
            Role::User | Role::Tool => "user",
        };
        let own = parts.first().and_then(|part| part.vendor.field(API, ITEM));
        let as_list = own.is_some() || (self.verbatim && message.vendor.field(API, LIST).is_some());
        let stock = if message.role == Role::Assistant { "output_text" } else { "input_text" };
        let content = self.content(parts, stock, as_list)?;
        if content.as_array().is_some_and(Vec::is_empty) && !as_list {
            return Ok(());
        }
        let mut item = Map::new();
        if own.is_some() {
            item.insert("type".to_owned(), "message".into());
        }
        item.insert("role".to_owned(), role.into());
        item.insert("content".to_owned(), content);
        add_missing(&mut item, own);
        message.vendor.write_into(API, &mut item);
        items.push(item.into());
        Ok(())
    }

    /// A text where that says all, a list of pieces otherwise.
    fn content(&self, parts: &[&Part], stock: &str, as_list: bool) -> Result<Value, ProviderError> {
        let is_plain =
            |part: &Part| part.vendor.get(API).is_none_or(|fields| fields.keys().all(|name| name.starts_with('$')));
        if let ([part], false) = (parts, as_list)
            && let Some(words) = part.as_text()
            && is_plain(part)
        {
            return Ok(words.into());
        }
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.extend(self.piece(part, stock)?);
        }
        Ok(pieces.into())
    }

    /// One piece; `None` where there is nothing to say to this vendor.
    fn piece(&self, part: &Part, stock: &str) -> Result<Option<Value>, ProviderError> {
        if let Some(whole) = part.vendor.field(API, PIECE) {
            return Ok(Some(whole.clone()));
        }
        let written = match &part.content {
            Content::Text { text } if text.is_empty() && !self.verbatim => return Ok(None),
            Content::Text { text } => {
                let kind = part.vendor.field(API, TYPE).filter(|_| self.verbatim).and_then(Value::as_str);
                json!({"type": kind.unwrap_or(stock), "text": text})
            }
            Content::Refusal { text } if stock == "output_text" || self.verbatim => {
                json!({"type": "refusal", "refusal": text})
            }
            Content::Refusal { text } => json!({"type": stock, "text": text}),
            Content::Image { source } => image(source)?,
            Content::Document { source, name } => document(source, name.as_deref())?,
            Content::Audio { .. } => return Err(unsupported("this format takes no audio: send its text")),
            Content::Video { .. } => return Err(unsupported("this format takes no video: send pictures of it")),
            _ => return Ok(None),
        };
        let Value::Object(mut piece) = written else { return Ok(None) };
        part.vendor.write_into(API, &mut piece);
        Ok(Some(piece.into()))
    }

    /// Reasoning as it came. Without its encrypted form or its words a vendor that stored nothing cannot read it.
    fn reasoning(&self, part: &Part) -> Option<Value> {
        let item = part.vendor.field(API, WHOLE)?;
        let is_readable = text(item, "encrypted_content").is_some() || !list(item, "content").is_empty();
        (self.verbatim || self.stores || is_readable).then(|| item.clone())
    }

    fn result(&self, part: &Part, answer: &ToolResult) -> Result<Value, ProviderError> {
        let is_custom = part.vendor.field(API, CUSTOM).is_some();
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        let as_list = self.verbatim && part.vendor.field(API, LIST).is_some();
        let parts: Vec<&Part> = answer.parts.iter().collect();
        let output = match self.content(&parts, "input_text", as_list)? {
            Value::Array(none) if none.is_empty() && !as_list => json!(""),
            output => output,
        };
        let mut item = Map::from_iter([
            ("type".to_owned(), kind.into()),
            ("call_id".to_owned(), answer.call_id.as_str().into()),
            ("output".to_owned(), output),
        ]);
        part.vendor.write_into(API, &mut item);
        Ok(item.into())
    }
}

fn tool_call(part: &Part, call: &ToolCall) -> Value {
    let is_custom = part.vendor.field(API, CUSTOM).is_some();
    let (kind, argument) = if is_custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
    let mut item = Map::from_iter([
        ("type".to_owned(), kind.into()),
        ("call_id".to_owned(), call.id.as_str().into()),
        ("name".to_owned(), call.name.as_str().into()),
        (argument.to_owned(), call.arguments.as_str().into()),
    ]);
    part.vendor.write_into(API, &mut item);
    item.into()
}

fn image(source: &Source) -> Result<Value, ProviderError> {
    Ok(match source {
        Source::Base64 { media_type, data } => {
            json!({"type": "input_image", "image_url": format!("data:{media_type};base64,{data}")})
        }
        Source::Url { url, .. } => json!({"type": "input_image", "image_url": url}),
        Source::File { id, .. } => json!({"type": "input_image", "file_id": id}),
        Source::Text { .. } => return Err(unsupported("a picture cannot be a text: send its bytes or its address")),
    })
}

fn document(source: &Source, name: Option<&str>) -> Result<Value, ProviderError> {
    let mut piece = match source {
        Source::Base64 { media_type, data } => {
            let file_data = format!("data:{media_type};base64,{data}");
            json!({"type": "input_file", "file_data": file_data, "filename": "document.pdf"})
        }
        Source::Url { url, .. } => json!({"type": "input_file", "file_url": url}),
        Source::File { id, .. } => json!({"type": "input_file", "file_id": id}),
        Source::Text { text, .. } => {
            let text = name.map_or_else(|| text.clone(), |name| format!("{name}:\n\n{text}"));
            return Ok(json!({"type": "input_text", "text": text}));
        }
    };
    if let Some(name) = name {
        piece["filename"] = name.into();
    }
    Ok(piece)
}
