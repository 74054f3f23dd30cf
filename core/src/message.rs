//! Messages and their parts: what was said, by whom, in text, pictures, documents, tool calls and reasoning.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::vendor_fields::VendorFields;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Instructions from the application.
    System,
    /// Instructions from the application, where a vendor tells them apart from the platform's.
    Developer,
    /// The person, or the program that asks.
    User,
    /// The model.
    Assistant,
    /// The results of tool calls.
    Tool,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The speaker's name, where a format has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields of one format only.
    #[serde(default, skip_serializing_if = "VendorFields::is_empty")]
    pub vendor: VendorFields,
}

impl Message {
    /// A message of these parts.
    pub fn new(role: Role, parts: Vec<Part>) -> Message {
        Message { role, parts, name: None, vendor: VendorFields::new() }
    }

    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Message {
        Message::new(role, vec![Part::text(text)])
    }

    /// A user's message of one text.
    pub fn user(text: impl Into<String>) -> Message {
        Message::text(Role::User, text)
    }

    /// An application's instructions.
    pub fn system(text: impl Into<String>) -> Message {
        Message::text(Role::System, text)
    }

    /// A model's turn.
    pub fn assistant(text: impl Into<String>) -> Message {
        Message::text(Role::Assistant, text)
    }

    /// The text parts, joined without a separator.
    pub fn joined_text(&self) -> String {
        joined_text(&self.parts)
    }
}

/// The text parts of `parts`, joined without a separator; reasoning is left out.
pub fn joined_text(parts: &[Part]) -> String {
    parts.iter().filter_map(Part::as_text).collect()
}

/// One piece of a message or a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Part {
    /// What the piece is.
    #[serde(flatten)]
    pub content: Content,
    /// Asks the vendor to keep the prompt up to and including this part in its cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheHint>,
    /// Fields of one format only: reasoning signatures, citations, image detail.
    #[serde(default, skip_serializing_if = "VendorFields::is_empty")]
    pub vendor: VendorFields,
}

impl Part {
    /// A part with neither cache hint nor vendor fields.
    pub fn new(content: Content) -> Part {
        Part { content, cache: None, vendor: VendorFields::new() }
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Part {
        Part::new(Content::Text { text: text.into() })
    }

    /// The same part with a cache mark after it.
    pub fn cached(mut self, hint: CacheHint) -> Part {
        self.cache = Some(hint);
        self
    }

    /// The same part with fields of one format.
    pub fn with_vendor(mut self, vendor: VendorFields) -> Part {
        self.vendor.extend(vendor);
        self
    }

    /// The text, if this is a text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text { text } => Some(text),
            _ => None,
        }
    }

    /// The tool call, if this is one.
    pub fn as_tool_call(&self) -> Option<&ToolCall> {
        match &self.content {
            Content::ToolCall(call) => Some(call),
            _ => None,
        }
    }
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A picture.
    Image {
        /// Where its bytes are.
        source: Source,
    },
    /// A sound.
    Audio {
        /// Where its bytes are.
        source: Source,
    },
    /// A moving picture.
    Video {
        /// Where its bytes are.
        source: Source,
    },
    /// A file: a PDF, a text, a table.
    Document {
        /// Where its bytes are.
        source: Source,
        /// Its name, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// The model's reasoning. Its signature or encrypted form, if any, is in the part's vendor fields, and the text may
    /// be empty where the vendor shows none.
    Reasoning {
        /// The reasoning, or a summary of it, as the vendor shows it.
        text: String,
    },
    /// The model declines, where the format tells that apart from text.
    Refusal {
        /// Its words.
        text: String,
    },
    /// A part that only one format knows, whole in the part's vendor fields.
    Vendor,
}

/// Where media bytes are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "from", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// Here, in base64.
    Base64 {
        /// Such as `image/png`.
        media_type: String,
        /// The bytes in standard base64.
        data: String,
    },
    /// At an address that the vendor fetches.
    Url {
        /// The address.
        url: String,
        /// Such as `image/png`, where a format wants it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
    /// Uploaded to the vendor before.
    File {
        /// The vendor's id of the file.
        id: String,
        /// Such as `application/pdf`, where a format wants it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
    /// Plain text, for documents.
    Text {
        /// The text.
        text: String,
        /// Such as `text/plain`.
        media_type: String,
    },
}

/// A model's wish to call a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// The call's id, which the result repeats. Formats without ids get one made from the position.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text, exactly as the vendor sent them; models sometimes write invalid JSON.
    pub arguments: String,
}

impl ToolCall {
    /// The arguments as JSON; no text at all is an empty object.
    ///
    /// # Errors
    /// The JSON error, where the model wrote invalid JSON.
    pub fn arguments_json(&self) -> Result<Value, serde_json::Error> {
        if self.arguments.trim().is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_str(&self.arguments)
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolResult {
    /// The id of the call that is answered.
    pub call_id: String,
    /// The tool's name, where a format wants it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The answer.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    #[serde(default)]
    pub is_error: bool,
}

/// How long a vendor should keep a prompt prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CacheHint {
    /// Five minutes, the default of the vendors that take marks.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// One hour, at a higher write price.
    #[serde(rename = "1h")]
    OneHour,
}
