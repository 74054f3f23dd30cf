//! Reads the workload's chat-completions bodies as the requests that an application would build.

use serde::Deserialize;
use serde_json::Value;
use tierway::message::{Source, ToolCall, ToolResult};
use tierway::request::{RequestDraft, ResponseFormat, Tool, ToolChoice};
use tierway::{Content, Message, Part, Role};

/// The fields that the workload uses; another one is an error, so that none is lost unseen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    #[serde(rename = "model")]
    _model: String,
    messages: Vec<Turn>,
    #[serde(default)]
    pub(super) stream: bool,
    #[serde(rename = "stream_options")]
    _stream_options: Option<Value>,
    temperature: Option<f64>,
    max_tokens: Option<u64>,
    #[serde(default)]
    tools: Vec<Offered>,
    tool_choice: Option<Value>,
    response_format: Option<Format>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    role: Role,
    content: Option<Said>,
    #[serde(default)]
    tool_calls: Vec<Called>,
    tool_call_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Text(String),
    Parts(Vec<Piece>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Piece {
    Text { text: String },
    ImageUrl { image_url: Address },
}

#[derive(Debug, Deserialize)]
struct Address {
    url: String,
}

#[derive(Debug, Deserialize)]
struct Called {
    id: String,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    arguments: String,
}

#[derive(Debug, Deserialize)]
struct Offered {
    function: Tool,
}

#[derive(Debug, Deserialize)]
struct Format {
    json_schema: Schema,
}

#[derive(Debug, Deserialize)]
struct Schema {
    name: String,
    schema: Value,
    strict: Option<bool>,
}

impl Body {
    /// The request that the body asks.
    pub(super) fn draft(self) -> RequestDraft {
        let format = self.response_format.map(|format| ResponseFormat::JsonSchema {
            name: format.json_schema.name,
            description: None,
            schema: format.json_schema.schema,
            strict: format.json_schema.strict,
        });
        let mut draft = RequestDraft {
            messages: self.messages.into_iter().map(message).collect(),
            tools: self.tools.into_iter().map(|offered| offered.function).collect(),
            tool_choice: self.tool_choice.as_ref().and_then(choice),
            format,
            max_tokens: self.max_tokens,
            ..RequestDraft::default()
        };
        draft.sampling.temperature = self.temperature;
        draft
    }
}

fn message(turn: Turn) -> Message {
    let mut parts = match turn.content {
        None => Vec::new(),
        Some(Said::Text(text)) => vec![Part::text(text)],
        Some(Said::Parts(pieces)) => pieces.into_iter().map(part).collect(),
    };
    if let Some(call_id) = turn.tool_call_id {
        let result = ToolResult { call_id, name: None, parts, is_error: false };
        parts = vec![Part::new(Content::ToolResult(result))];
    }
    parts.extend(turn.tool_calls.into_iter().map(|call| {
        let Called { id, function: Function { name, arguments } } = call;
        Part::new(Content::ToolCall(ToolCall { id, name, arguments }))
    }));
    Message::new(turn.role, parts)
}

fn part(piece: Piece) -> Part {
    match piece {
        Piece::Text { text } => Part::text(text),
        Piece::ImageUrl { image_url: Address { url } } => {
            let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
            let source = match inline {
                Some((media_type, data)) => Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() },
                None => Source::Url { url, media_type: None },
            };
            Part::new(Content::Image { source })
        }
    }
}

fn choice(value: &Value) -> Option<ToolChoice> {
    match value {
        Value::String(word) => match word.as_str() {
            "none" => Some(ToolChoice::None),
            "required" => Some(ToolChoice::Required),
            _ => Some(ToolChoice::Auto),
        },
        named => named["function"]["name"].as_str().map(|name| ToolChoice::Named(name.to_owned())),
    }
}
