//! What the formats with two speakers share: instructions moved to their own field, turns merged, paths, refusals.

use serde_json::{Map, Value, json};

use super::verbatim::is_verbatim;
use super::{Ask, Mode};
use crate::error::{Kind, ProviderError, Retry};
use crate::message::{Content, Message, Part, Role, ToolCall};
use crate::model::Api;
use crate::request::Tool;
use crate::vendor_fields::VendorFields;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The application, in the middle of the conversation.
    System,
    /// The person, tool results included.
    User,
    /// The model.
    Assistant,
}

/// One turn, made of one message or of several that the format wants as one.
#[derive(Clone, Debug)]
pub(super) struct Turn<'a> {
    /// Who speaks.
    pub speaker: Speaker,
    /// What is said.
    pub parts: Vec<&'a Part>,
    /// The messages' fields of one format.
    pub vendor: Vec<&'a VendorFields>,
    has_results: bool,
}

/// A conversation with its instructions apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation<'a> {
    /// The instructions' parts; empty where the model takes none, whose text then opens the first user turn.
    pub system: Vec<&'a Part>,
    /// The turns.
    pub turns: Vec<Turn<'a>>,
}

/// Which neighbours of one speaker become one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// Tool results and what stands beside them: a call's results must all come in the next turn.
    Results,
    /// All: the format wants speakers to alternate.
    All,
}

/// Our note on messages that stood in one turn with the one before.
const JOINED: &str = "$joined";

/// Splits a request's messages. `in_place` says which instructions stay where they are. Under the verbatim dialect only
/// what was read from one turn becomes one again.
pub(super) fn conversation<'a>(ask: &Ask<'a>, merge: Merge, in_place: fn(&Message) -> bool) -> Conversation<'a> {
    let mut split = Conversation::default();
    let (verbatim, api) = (is_verbatim(&ask.endpoint.dialect), ask.endpoint.api);
    for message in &ask.draft.messages {
        let speaker = match message.role {
            Role::System | Role::Developer if in_place(message) => Speaker::System,
            Role::System | Role::Developer => {
                split.system.extend(&message.parts);
                continue;
            }
            Role::Assistant => Speaker::Assistant,
            _ => Speaker::User,
        };
        let has_results = message.role == Role::Tool || message.parts.iter().any(is_result);
        match split.turns.last_mut() {
            Some(last)
                if last.speaker == speaker
                    && speaker != Speaker::System
                    && match verbatim {
                        true => message.vendor.field(api, JOINED).is_some(),
                        false => merge == Merge::All || has_results || last.has_results,
                    } =>
            {
                last.parts.extend(&message.parts);
                last.vendor.push(&message.vendor);
                last.has_results |= has_results;
            }
            _ => split.turns.push(Turn {
                speaker,
                parts: message.parts.iter().collect(),
                vendor: vec![&message.vendor],
                has_results,
            }),
        }
    }
    if !ask.card.accepts.system && !split.system.is_empty() {
        let system = std::mem::take(&mut split.system);
        match split.turns.iter_mut().find(|turn| turn.speaker == Speaker::User && !turn.has_results) {
            Some(turn) => {
                turn.parts.splice(0..0, system);
            }
            None => {
                let vendor = Vec::new();
                split.turns.insert(0, Turn { speaker: Speaker::User, parts: system, vendor, has_results: false });
            }
        }
    }
    split
}

fn is_result(part: &Part) -> bool {
    matches!(part.content, Content::ToolResult(_))
}

/// Makes messages of one turn's parts as they were read: tool results become messages of their own role, in order.
pub(super) fn user_messages(parts: Vec<Part>, vendor: VendorFields, api: Api) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for part in parts {
        let role = if is_result(&part) { Role::Tool } else { Role::User };
        match messages.last_mut() {
            Some(last) if last.role == role => last.parts.push(part),
            _ => messages.push(Message::new(role, vec![part])),
        }
    }
    messages.iter_mut().skip(1).for_each(|message| message.vendor.set(api, JOINED, true.into()));
    if messages.is_empty() {
        messages.push(Message::new(Role::User, Vec::new()));
    }
    messages[0].vendor = vendor;
    messages
}

/// A call's arguments as a JSON object: formats that want one get what the model wrote, even where it is none.
pub(super) fn arguments_object(call: &ToolCall) -> Map<String, Value> {
    match call.arguments_json() {
        Ok(Value::Object(object)) => object,
        Ok(other) => Map::from_iter([("value".to_owned(), other)]),
        Err(_) => Map::from_iter([("text".to_owned(), Value::String(call.arguments.clone()))]),
    }
}

/// A schema for tools that take no arguments.
pub(super) fn no_arguments() -> Value {
    json!({"type": "object", "properties": {}})
}

/// Whether `tool` is a vendor's own, which only the format of that name can say. A tool of ours has no `type` of `api`,
/// or one of `plain`.
pub(super) fn is_vendors_own(tool: &Tool, api: Api, plain: &[&str]) -> Result<bool, ProviderError> {
    let kind = |api| tool.vendor.field(api, "type").and_then(Value::as_str);
    if let Some(kind) = kind(api) {
        return Ok(!plain.contains(&kind));
    }
    let is_bare = tool.parameters.is_none() && tool.description.is_none();
    match Api::ALL.into_iter().find(|other| *other != api && tool.vendor.get(*other).is_some()) {
        Some(other) if is_bare => {
            Err(unsupported(format!("the tool '{}' is one of {other} alone: leave it out", tool.name)))
        }
        _ => Ok(false),
    }
}

/// Refuses tool names that a format does not take. Changing them would change what the caller gets back.
pub(super) fn check_tool_name(name: &str, longest: usize, more: &str) -> Result<(), ProviderError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    if !name.is_empty() && name.len() <= longest && name.chars().all(fits) {
        return Ok(());
    }
    let more = if more.is_empty() { String::new() } else { format!(" and any of '{more}'") };
    Err(unsupported(format!("this format's tool names have 1 to {longest} letters, digits{more}: rename '{name}'")))
}

/// The path after the base URL: the dialect's, or the format's own; `{model}` in it becomes the encoded name.
pub(super) fn path(ask: &Ask<'_>, mode: Mode, unary: &str, stream: &str) -> String {
    let dialect = &ask.endpoint.dialect;
    let own = match mode {
        Mode::Unary => dialect.path.as_deref().unwrap_or(unary),
        Mode::Stream => {
            dialect.more.get("stream_path").map(String::as_str).or(dialect.path.as_deref()).unwrap_or(stream)
        }
    };
    match own.contains("{model}") {
        true => own.replace("{model}", &percent_encoded(&ask.card.wire_name)),
        false => own.to_owned(),
    }
}

/// `text` as one segment of a path: all but letters, digits and `-._~` becomes `%XX`.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
                encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

/// The format or the model cannot say what was asked.
pub(super) fn unsupported(text: impl AsRef<str>) -> ProviderError {
    ProviderError::new(Kind::Unsupported, Retry::Elsewhere, text).unsent()
}

/// A request body that is not what its format says; `path` names the field.
pub(super) fn unreadable(path: &str, want: &str) -> ProviderError {
    ProviderError::new(Kind::Protocol, Retry::Never, format!("{path}: expected {want}")).unsent()
}

/// A JSON object as it was read, or the error that names its place.
pub(super) fn object(value: Value, path: &str) -> Result<Map<String, Value>, ProviderError> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(unreadable(path, "an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_encoded() {
        assert_eq!(percent_encoded("us.anthropic.claude-v1:0"), "us.anthropic.claude-v1%3A0");
        assert_eq!(percent_encoded("arn:aws:x/y é"), "arn%3Aaws%3Ax%2Fy%20%C3%A9");
    }

    #[test]
    fn results_and_their_neighbours_stand_apart_as_read() {
        use crate::message::ToolResult;
        let result = |id: &str| {
            let answer = ToolResult { call_id: id.into(), name: None, parts: vec![Part::text("1")], is_error: false };
            Part::new(Content::ToolResult(answer))
        };
        let parts = vec![result("a"), result("b"), Part::text("and?")];
        let messages = user_messages(parts, VendorFields::new(), Api::Messages);
        let roles: Vec<_> = messages.iter().map(|message| (message.role, message.parts.len())).collect();
        assert_eq!(roles, [(Role::Tool, 2), (Role::User, 1)]);
    }
}
