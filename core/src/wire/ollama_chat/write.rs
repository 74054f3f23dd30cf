//! Our request as an Ollama body.

use serde_json::{Map, Value};

use super::MADE_ID;
use crate::error::ProviderError;
use crate::message::{Content, Message, Part, Role, Source, joined_text};
use crate::model::Api;
use crate::request::{Effort, ResponseFormat, Tool, ToolChoice};
use crate::wire::dial::{Think, effort_of, think};
use crate::wire::json::put;
use crate::wire::turns::{arguments_object, is_vendors_own, no_arguments, unsupported};
use crate::wire::{Ask, verbatim};

/// A chat's body, save whether a stream is asked for.
pub(super) fn chat(ask: &Ask<'_>) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, api: Api::OllamaChat };
    let draft = ask.draft;
    let mut body = Map::from_iter([("model".to_owned(), Value::from(ask.card.wire_name.as_str()))]);
    let mut messages = Vec::new();
    let mut moved = String::new();
    let mut names = std::collections::BTreeMap::new();
    for message in &draft.messages {
        if matches!(message.role, Role::System | Role::Developer) && !ask.card.accepts.system {
            moved.push_str(&message.joined_text());
            continue;
        }
        names.extend(message.parts.iter().filter_map(Part::as_tool_call).map(|call| (&call.id, &call.name)));
        let name_of = |id: &String| names.get(id).map(|name| name.as_str());
        writer.message(message, &mut moved, name_of, &mut messages)?;
    }
    body.insert("messages".to_owned(), messages.into());
    match &draft.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) => {
            return Err(unsupported("this format cannot force a tool: leave the choice open, or ask another model"));
        }
        Some(ToolChoice::None) => {}
        _ if draft.tools.is_empty() => {}
        _ => {
            let tools = draft.tools.iter().map(|tool| writer.tool(tool)).collect::<Result<Vec<_>, _>>()?;
            body.insert("tools".to_owned(), tools.into());
        }
    }
    writer.rest(&mut body)?;
    Ok(body)
}

/// A completion's body: the instructions, and what the user says as one prompt.
pub(super) fn generate(ask: &Ask<'_>) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, api: Api::OllamaGenerate };
    let draft = ask.draft;
    if !draft.tools.is_empty() {
        return Err(unsupported("a completion calls no tools: use the chat"));
    }
    let (mut system, mut prompt, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for message in &draft.messages {
        match message.role {
            Role::System | Role::Developer => system.push(message.joined_text()),
            Role::User => {
                prompt.push(message.joined_text());
                images.extend(writer.images(&message.parts)?);
            }
            _ => return Err(unsupported("a completion knows no turns of a model: use the chat")),
        }
    }
    if !ask.card.accepts.system {
        let moved = std::mem::take(&mut system);
        prompt.splice(0..0, moved);
    }
    let mut body = Map::from_iter([("model".to_owned(), Value::from(ask.card.wire_name.as_str()))]);
    body.insert("prompt".to_owned(), prompt.join("\n\n").into());
    put(&mut body, "system", (!system.is_empty()).then(|| system.join("\n\n")));
    put(&mut body, "images", (!images.is_empty()).then_some(images));
    writer.rest(&mut body)?;
    Ok(body)
}

struct Writer<'a> {
    ask: &'a Ask<'a>,
    api: Api,
}

impl Writer<'_> {
    fn message<'n>(
        &self,
        message: &Message,
        moved: &mut String,
        name_of: impl Fn(&String) -> Option<&'n str>,
        written: &mut Vec<Value>,
    ) -> Result<(), ProviderError> {
        let (mut text, mut thinking, mut calls, mut said) = (String::new(), None::<String>, Vec::new(), false);
        for part in &message.parts {
            match &part.content {
                Content::Text { text: more } | Content::Refusal { text: more } => {
                    said = true;
                    text.push_str(more);
                }
                Content::Reasoning { text: more } if part.vendor.get(self.api).is_some() => {
                    thinking.get_or_insert_default().push_str(more);
                }
                Content::Reasoning { .. } | Content::Image { .. } => {}
                Content::ToolCall(call) => calls.push(self.call(part, call)),
                Content::ToolResult(answer) => {
                    let mut object = Map::from_iter([("role".to_owned(), Value::from("tool"))]);
                    object.insert("content".to_owned(), joined_text(&answer.parts).into());
                    let noted = part.vendor.field(self.api, "$no_name").is_some();
                    let name = answer.name.as_deref().or_else(|| name_of(&answer.call_id)).filter(|_| !noted);
                    put(&mut object, "tool_name", name);
                    let has_id = part.vendor.field(self.api, "$no_id").is_none();
                    if has_id && !answer.call_id.starts_with(MADE_ID) {
                        object.insert("tool_call_id".to_owned(), answer.call_id.as_str().into());
                    }
                    part.vendor.write_into(self.api, &mut object);
                    written.push(object.into());
                }
                Content::Document { source: Source::Text { text: more, .. }, .. } => {
                    said = true;
                    text.push_str(more);
                }
                Content::Vendor => {}
                _ => return Err(unsupported("this format takes text and pictures: convert the rest")),
            }
        }
        let images = self.images(&message.parts)?;
        if message.role == Role::Tool && !said {
            return Ok(());
        }
        let role = match message.role {
            Role::System | Role::Developer => "system",
            Role::Assistant => "assistant",
            _ => "user",
        };
        if role == "user" && !moved.is_empty() {
            text = format!("{}\n\n{text}", std::mem::take(moved));
        }
        let mut object = Map::from_iter([("role".to_owned(), Value::from(role))]);
        object.insert("content".to_owned(), text.into());
        put(&mut object, "thinking", thinking);
        put(&mut object, "images", (!images.is_empty()).then_some(images));
        put(&mut object, "tool_calls", (!calls.is_empty()).then_some(calls));
        message.vendor.write_into(self.api, &mut object);
        written.push(object.into());
        Ok(())
    }

    fn call(&self, part: &Part, call: &crate::message::ToolCall) -> Value {
        let mut function = Map::from_iter([("name".to_owned(), Value::from(call.name.as_str()))]);
        function.insert("arguments".to_owned(), arguments_object(call).into());
        for (name, value) in part.vendor.field(self.api, "function").and_then(Value::as_object).into_iter().flatten() {
            function.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let mut object = Map::new();
        if !call.id.starts_with(MADE_ID) {
            object.insert("id".to_owned(), call.id.as_str().into());
        }
        object.insert("function".to_owned(), function.into());
        part.vendor.write_into(self.api, &mut object);
        object.into()
    }

    fn images(&self, parts: &[Part]) -> Result<Vec<Value>, ProviderError> {
        let mut images = Vec::new();
        for part in parts {
            match &part.content {
                Content::Image { source: Source::Base64 { data, .. } } => images.push(data.as_str().into()),
                Content::Image { .. } => {
                    return Err(unsupported("this format takes a picture's bytes, no address: send them in base64"));
                }
                _ => {}
            }
        }
        Ok(images)
    }

    fn tool(&self, tool: &Tool) -> Result<Value, ProviderError> {
        is_vendors_own(tool, self.api, &["function"])?;
        let mut function = Map::from_iter([("name".to_owned(), Value::from(tool.name.as_str()))]);
        put(&mut function, "description", tool.description.as_deref());
        function.insert("parameters".to_owned(), tool.parameters.clone().unwrap_or_else(no_arguments));
        for (name, value) in tool.vendor.field(self.api, "function").and_then(Value::as_object).into_iter().flatten() {
            function.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let mut object = Map::from_iter([("type".to_owned(), Value::from("function"))]);
        object.insert("function".to_owned(), function.into());
        tool.vendor.write_into(self.api, &mut object);
        Ok(object.into())
    }

    /// What both bodies have: the format, thinking, log-probabilities, options.
    fn rest(&self, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
        let draft = self.ask.draft;
        let format = match &draft.format {
            None | Some(ResponseFormat::Text) => None,
            Some(ResponseFormat::JsonObject) => Some("json".into()),
            Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema.clone()),
        };
        put(body, "format", format);
        if draft.sampling.candidates.is_some_and(|count| count > 1) {
            return Err(unsupported("this format gives one answer: ask several times"));
        }
        if let Some(top) = draft.sampling.logprobs {
            body.insert("logprobs".to_owned(), true.into());
            put(body, "top_logprobs", (top > 0).then_some(top));
        }
        self.thinking(body);
        let options = self.options();
        if !options.is_empty() {
            body.insert("options".to_owned(), options.into());
        }
        draft.vendor.write_into(self.api, body);
        Ok(())
    }

    fn thinking(&self, body: &mut Map<String, Value>) {
        let in_words = self.ask.card.accepts.reasoning == crate::model::ReasoningDial::Effort;
        let level = |effort| match effort {
            Effort::None | Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High | Effort::XHigh | Effort::Max => "high",
        };
        let think = match think(self.ask) {
            Think::Unsaid => return,
            Think::Off => Value::Bool(false),
            Think::Effort(effort) => level(effort).into(),
            Think::Budget(budget) if in_words => level(effort_of(budget)).into(),
            Think::Free | Think::Budget(_) => Value::Bool(true),
        };
        body.insert("think".to_owned(), think);
    }

    fn options(&self) -> Map<String, Value> {
        let (sampling, accepts) = (&self.ask.draft.sampling, &self.ask.card.accepts);
        let verbatim = verbatim::is_verbatim(&self.ask.endpoint.dialect);
        let mut options = Map::new();
        put(&mut options, "num_predict", if verbatim { self.ask.draft.max_tokens } else { Some(self.ask.max_tokens) });
        if accepts.sampling {
            put(&mut options, "temperature", sampling.temperature);
            if accepts.temperature_with_top_p || sampling.temperature.is_none() {
                put(&mut options, "top_p", sampling.top_p);
            }
            put(&mut options, "top_k", sampling.top_k);
            put(&mut options, "min_p", sampling.min_p);
            put(&mut options, "frequency_penalty", sampling.frequency_penalty);
            put(&mut options, "presence_penalty", sampling.presence_penalty);
        }
        put(&mut options, "seed", sampling.seed);
        if !sampling.stop.is_empty() && accepts.stop {
            options.insert("stop".to_owned(), sampling.stop.clone().into());
        }
        let own = self.ask.draft.vendor.field(self.api, "options").and_then(Value::as_object);
        for (name, value) in own.into_iter().flatten() {
            options.entry(name.clone()).or_insert_with(|| value.clone());
        }
        options
    }
}
