//! The one check of a request, at the edge.

use serde_json::Value;

use super::{RequestDraft, ResponseFormat, Sampling, Tool, ToolChoice};
use crate::limits;
use crate::message::{Content, Message, Part, Role, Source};

/// Why a request was refused: the field, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct RequestError {
    /// The path of the field, such as `messages[2].parts[0]`.
    pub field: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl RequestError {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> RequestError {
        RequestError { field: field.into(), reason: reason.into() }
    }
}

type Checked = Result<(), RequestError>;

/// Checks every field; the first fault is returned.
pub(super) fn check(draft: &RequestDraft) -> Checked {
    check_messages(&draft.messages)?;
    check_tools(&draft.tools, draft.tool_choice.as_ref())?;
    check_format(draft.format.as_ref())?;
    check_sampling(&draft.sampling)?;
    if draft.max_tokens == Some(0) {
        return Err(RequestError::new("max_tokens", "it is 0: ask for at least one token, or leave it out"));
    }
    if let super::ModelChoice::AnyOf(models) = &draft.model
        && models.is_empty()
    {
        return Err(RequestError::new("model.any_of", "the list is empty: name a model, or use auto"));
    }
    check_tags(draft)
}

fn check_messages(messages: &[Message]) -> Checked {
    if messages.is_empty() {
        return Err(RequestError::new("messages", "there are none: add at least one user message"));
    }
    if messages.len() > limits::MESSAGES_MAX {
        return Err(RequestError::new("messages", format!("more than {}: shorten the history", limits::MESSAGES_MAX)));
    }
    let mut size = Size::default();
    for (at, message) in messages.iter().enumerate() {
        if message.parts.is_empty() && message.role != Role::Assistant {
            return Err(RequestError::new(format!("messages[{at}]"), "it has no parts: add text, or leave it out"));
        }
        size.add(&message.parts);
    }
    if size.text > limits::TEXT_BYTES_MAX {
        let reason = format!("{} bytes of text, at most {}: shorten it or split it", size.text, limits::TEXT_BYTES_MAX);
        return Err(RequestError::new("messages", reason));
    }
    if size.media > limits::MEDIA_BYTES_MAX {
        let reason = format!("{} bytes of media, at most {}: pass addresses", size.media, limits::MEDIA_BYTES_MAX);
        return Err(RequestError::new("messages", reason));
    }
    Ok(())
}

#[derive(Default)]
struct Size {
    text: usize,
    media: usize,
}

impl Size {
    fn add(&mut self, parts: &[Part]) {
        for part in parts {
            match &part.content {
                Content::Text { text } | Content::Reasoning { text } | Content::Refusal { text } => {
                    self.text += text.len()
                }
                Content::Image { source }
                | Content::Audio { source }
                | Content::Video { source }
                | Content::Document { source, .. } => self.add_source(source),
                Content::ToolCall(call) => self.text += call.arguments.len(),
                Content::ToolResult(answer) => self.add(&answer.parts),
                Content::Vendor => {}
            }
        }
    }

    fn add_source(&mut self, source: &Source) {
        match source {
            Source::Base64 { data, .. } => self.media += data.len(),
            Source::Text { text, .. } => self.text += text.len(),
            Source::Url { url, .. } => self.media += url.len(),
            Source::File { .. } => {}
        }
    }
}

fn check_tools(tools: &[Tool], choice: Option<&ToolChoice>) -> Checked {
    if tools.len() > limits::TOOLS_MAX {
        return Err(RequestError::new("tools", format!("{} tools, at most {}", tools.len(), limits::TOOLS_MAX)));
    }
    let mut names = std::collections::BTreeSet::new();
    for (at, tool) in tools.iter().enumerate() {
        let field = || format!("tools[{at}]");
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        if tool.name.is_empty() || tool.name.len() > 128 || !tool.name.chars().all(fits) {
            let reason = "the name must be 1 to 128 letters, digits, '_', '-', '.' or ':'";
            return Err(RequestError::new(field() + ".name", reason));
        }
        if !names.insert(tool.name.as_str()) {
            return Err(RequestError::new(field() + ".name", format!("'{}' is there twice", tool.name)));
        }
        if tool.parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
            return Err(RequestError::new(field() + ".parameters", "it must be a JSON Schema object"));
        }
    }
    match choice {
        Some(ToolChoice::Named(name)) if !names.contains(name.as_str()) => {
            Err(RequestError::new("tool_choice", format!("no tool is named '{name}'")))
        }
        Some(ToolChoice::Required) if tools.is_empty() => {
            Err(RequestError::new("tool_choice", "a tool is required, but there are none"))
        }
        _ => Ok(()),
    }
}

fn check_format(format: Option<&ResponseFormat>) -> Checked {
    match format {
        Some(ResponseFormat::JsonSchema { schema, .. }) if !matches!(schema, Value::Object(_)) => {
            Err(RequestError::new("format.schema", "it must be a JSON Schema object"))
        }
        _ => Ok(()),
    }
}

fn check_sampling(sampling: &Sampling) -> Checked {
    within("sampling.temperature", sampling.temperature, 0.0, 2.0)?;
    within("sampling.top_p", sampling.top_p, f64::MIN_POSITIVE, 1.0)?;
    within("sampling.min_p", sampling.min_p, 0.0, 1.0)?;
    within("sampling.frequency_penalty", sampling.frequency_penalty, -2.0, 2.0)?;
    within("sampling.presence_penalty", sampling.presence_penalty, -2.0, 2.0)?;
    if sampling.top_k == Some(0) {
        return Err(RequestError::new("sampling.top_k", "it is 0: use at least 1, or leave it out"));
    }
    if sampling.logprobs.is_some_and(|n| n > 20) {
        return Err(RequestError::new("sampling.logprobs", "at most 20 alternatives are reported"));
    }
    if sampling.candidates.is_some_and(|n| n == 0 || n > 8) {
        return Err(RequestError::new("sampling.candidates", "it must be 1 to 8"));
    }
    if sampling.stop.len() > limits::STOPS_MAX {
        return Err(RequestError::new("sampling.stop", format!("more than {} texts", limits::STOPS_MAX)));
    }
    if sampling.stop.iter().any(String::is_empty) {
        return Err(RequestError::new("sampling.stop", "an empty text would stop at once: leave it out"));
    }
    Ok(())
}

fn within(field: &str, value: Option<f64>, low: f64, high: f64) -> Checked {
    match value {
        Some(value) if !(low..=high).contains(&value) => {
            let low = if low == f64::MIN_POSITIVE { "above 0".to_owned() } else { low.to_string() };
            Err(RequestError::new(field, format!("{value} is out of range: use {low} to {high}")))
        }
        _ => Ok(()),
    }
}

fn check_tags(draft: &RequestDraft) -> Checked {
    if draft.tags.len() > limits::TAGS_MAX {
        return Err(RequestError::new("tags", format!("more than {}", limits::TAGS_MAX)));
    }
    if draft.labels.len() > limits::LABELS_MAX {
        return Err(RequestError::new("labels", format!("more than {}", limits::LABELS_MAX)));
    }
    for (key, value) in &draft.tags {
        let fits = |text: &str| text.len() <= limits::TAG_BYTES_MAX && !text.chars().any(char::is_control);
        if key.is_empty() || !fits(key) || !fits(value) {
            let reason =
                "a tag's key and value are at most 256 bytes without control characters, and the key is not empty";
            return Err(RequestError::new("tags", reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::request::Request;

    #[track_caller]
    fn check(mut extra: Value, want: Result<(), &str>) {
        if extra.get("messages").is_none() {
            extra["messages"] = json!([{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]);
        }
        match (serde_json::from_value::<Request>(extra.clone()), want) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, want) => panic!("{extra}: got {got:?}, want {want:?}"),
        }
    }

    use super::*;

    #[test]
    fn names_the_field_and_says_what_to_do() {
        check(json!({}), Ok(()));
        check(json!({"messages": []}), Err("messages: there are none"));
        check(json!({"messages": [{"role": "user", "parts": []}]}), Err("messages[0]: it has no parts"));
        check(json!({"sampling": {"temperature": 2.5}}), Err("sampling.temperature: 2.5 is out of range"));
        check(json!({"sampling": {"top_p": 0.0}}), Err("use above 0 to 1"));
        check(json!({"sampling": {"stop": [""]}}), Err("empty text"));
        check(json!({"max_tokens": 0}), Err("at least one token"));
        check(json!({"tool_choice": {"named": "x"}}), Err("no tool is named 'x'"));
        check(json!({"tools": [{"name": "a"}, {"name": "a"}]}), Err("there twice"));
        check(json!({"tools": [{"name": "a b"}]}), Err("tools[0].name"));
        check(json!({"tags": {"": "x"}}), Err("tags"));
        check(json!({"model": {"only": "gpt"}}), Err("vendor/name"));
        check(json!({"model": {"any_of": []}}), Err("the list is empty"));
    }

    #[test]
    fn absurd_numbers_and_sizes_are_refused() {
        let mut draft = RequestDraft { messages: vec![Message::user("hi")], ..Default::default() };
        draft.sampling.temperature = Some(f64::NAN);
        assert!(Request::try_from(draft.clone()).is_err());
        draft.sampling.temperature = None;
        draft.messages = vec![Message::user("x".repeat(10 << 20))];
        let error = Request::try_from(draft).unwrap_err();
        assert!(error.to_string().contains("bytes of text"), "{error}");
    }
}
