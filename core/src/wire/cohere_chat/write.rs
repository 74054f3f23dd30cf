//! Our request as a Cohere v2 chat body.

use serde_json::{Map, Value, json};

use super::{LISTED, PLAN, SCHEMA_FIELD};
use crate::error::ProviderError;
use crate::message::{Content, Message, Part, Role, Source, ToolResult};
use crate::model::Api;
use crate::request::{ResponseFormat, Tool, ToolChoice};
use crate::wire::dial::{Think, budget_of, think};
use crate::wire::json::put;
use crate::wire::turns::{check_tool_name, is_vendors_own, no_arguments, unsupported};
use crate::wire::{Ask, verbatim};

const API: Api = Api::CohereChat;

/// The body, save whether a stream is asked for.
pub(super) fn body(ask: &Ask<'_>) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, verbatim: verbatim::is_verbatim(&ask.endpoint.dialect) };
    let draft = ask.draft;
    let mut body = Map::from_iter([("model".to_owned(), Value::from(ask.card.wire_name.as_str()))]);
    body.insert("messages".to_owned(), writer.messages()?.into());
    if !draft.tools.is_empty() {
        let tools = draft.tools.iter().map(|tool| writer.tool(tool)).collect::<Result<Vec<_>, _>>()?;
        body.insert("tools".to_owned(), tools.into());
        if draft.tools.iter().any(|tool| tool.strict == Some(true)) {
            body.insert("strict_tools".to_owned(), true.into());
        }
    }
    match &draft.tool_choice {
        _ if draft.tools.is_empty() && !writer.verbatim => {}
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => drop(body.insert("tool_choice".to_owned(), "NONE".into())),
        Some(ToolChoice::Required) => drop(body.insert("tool_choice".to_owned(), "REQUIRED".into())),
        Some(ToolChoice::Named(name)) => {
            // Only a lone tool can be forced by its name.
            if draft.tools.len() > 1 {
                return Err(unsupported(format!("this format forces any tool, not '{name}': offer it alone")));
            }
            body.insert("tool_choice".to_owned(), "REQUIRED".into());
        }
    }
    writer.sampling(&mut body)?;
    writer.format(&mut body);
    writer.thinking(&mut body);
    draft.vendor.write_into(API, &mut body);
    Ok(body)
}

struct Writer<'a> {
    ask: &'a Ask<'a>,
    verbatim: bool,
}

impl Writer<'_> {
    fn messages(&self) -> Result<Vec<Value>, ProviderError> {
        let mut written = Vec::new();
        let mut moved: Vec<&Part> = Vec::new();
        for message in &self.ask.draft.messages {
            match message.role {
                Role::System | Role::Developer if !self.ask.card.accepts.system => moved.extend(&message.parts),
                Role::Assistant => written.extend(self.assistant(message)?),
                _ => self.other(message, &mut moved, &mut written)?,
            }
        }
        Ok(written)
    }

    /// A user's or the application's message, and each tool result as a message of its own.
    fn other(&self, message: &Message, moved: &mut Vec<&Part>, written: &mut Vec<Value>) -> Result<(), ProviderError> {
        let mut said: Vec<&Part> = Vec::new();
        for part in &message.parts {
            match &part.content {
                Content::ToolResult(answer) => written.push(self.result(part, answer)?),
                _ => said.push(part),
            }
        }
        if said.is_empty() {
            return Ok(());
        }
        let role = match message.role {
            Role::System | Role::Developer => "system",
            _ => "user",
        };
        let at = if role == "user" { std::mem::take(moved) } else { Vec::new() };
        let parts: Vec<&Part> = at.into_iter().chain(said).collect();
        let listed = message.vendor.field(API, LISTED).is_some();
        let mut object = Map::from_iter([("role".to_owned(), Value::from(role))]);
        object.insert("content".to_owned(), self.content(&parts, listed)?);
        message.vendor.write_into(API, &mut object);
        written.push(object.into());
        Ok(())
    }

    fn assistant(&self, message: &Message) -> Result<Option<Value>, ProviderError> {
        let mut object = Map::from_iter([("role".to_owned(), Value::from("assistant"))]);
        let (mut said, mut calls, mut plan) = (Vec::new(), Vec::new(), None);
        for part in &message.parts {
            match &part.content {
                Content::ToolCall(call) => {
                    let mut written = json!({"id": call.id, "type": "function",
                        "function": {"name": call.name, "arguments": call.arguments}});
                    if let Some(object) = written.as_object_mut() {
                        part.vendor.write_into(API, object);
                    }
                    calls.push(written);
                }
                Content::Reasoning { text } if part.vendor.field(API, PLAN).is_some() => plan = Some(text.as_str()),
                _ => said.push(part),
            }
        }
        if !calls.is_empty() {
            object.insert("tool_calls".to_owned(), calls.into());
        }
        put(&mut object, "tool_plan", plan);
        let listed = message.vendor.field(API, LISTED).is_some();
        match self.content(&said, listed)? {
            Value::String(text) if text.is_empty() && object.len() > 1 && !self.verbatim => {}
            Value::Array(list) if list.is_empty() && !(listed && self.verbatim) => {}
            content => drop(object.insert("content".to_owned(), content)),
        }
        message.vendor.write_into(API, &mut object);
        Ok((object.len() > 1).then(|| object.into()))
    }

    /// A content as a text where that says all, as a list otherwise.
    fn content(&self, parts: &[&Part], listed: bool) -> Result<Value, ProviderError> {
        let blocks = parts.iter().filter_map(|part| self.block(part).transpose()).collect::<Result<Vec<_>, _>>()?;
        Ok(match &blocks[..] {
            [one] if !listed && one["type"] == "text" && one.as_object().is_some_and(|one| one.len() == 2) => {
                one["text"].clone()
            }
            _ => blocks.into(),
        })
    }

    fn block(&self, part: &Part) -> Result<Option<Value>, ProviderError> {
        let own = part.vendor.get(API);
        let mut block = match &part.content {
            Content::Text { text } | Content::Refusal { text } => json!({"type": "text", "text": text}),
            Content::Reasoning { text } if own.is_some() => json!({"type": "thinking", "thinking": text}),
            Content::Reasoning { .. } => return Ok(None),
            Content::Image { source: Source::Base64 { media_type, data } } => {
                json!({"type": "image_url", "image_url": {"url": format!("data:{media_type};base64,{data}")}})
            }
            Content::Image { source: Source::Url { url, .. } } => {
                json!({"type": "image_url", "image_url": {"url": url}})
            }
            Content::Document { source: Source::Text { text, .. }, name } => {
                let mut data = json!({"text": text});
                if let Some(name) = name {
                    data["title"] = name.as_str().into();
                }
                json!({"type": "document", "document": {"data": data}})
            }
            Content::Vendor => match own {
                Some(fields) => Value::Object(fields.clone()),
                None => return Ok(None),
            },
            _ => return Err(unsupported("this format takes text, pictures and documents of text: convert the rest")),
        };
        if let (Some(object), Some(Value::Object(more))) = (block.as_object_mut(), part.vendor.field(API, "image_url"))
            && let Some(Value::Object(inner)) = object.get_mut("image_url")
        {
            more.iter().for_each(|(name, value)| {
                inner.entry(name.clone()).or_insert_with(|| value.clone());
            });
        }
        if let Some(object) = block.as_object_mut() {
            part.vendor.write_into(API, object);
        }
        Ok(Some(block))
    }

    fn result(&self, part: &Part, answer: &ToolResult) -> Result<Value, ProviderError> {
        let parts: Vec<&Part> = answer.parts.iter().collect();
        let listed = part.vendor.field(API, LISTED).is_some();
        let content = match self.content(&parts, listed)? {
            Value::Array(list) if list.is_empty() && !listed => Value::String(String::new()),
            content => content,
        };
        let mut object = Map::from_iter([("role".to_owned(), Value::from("tool"))]);
        object.insert("tool_call_id".to_owned(), answer.call_id.as_str().into());
        object.insert("content".to_owned(), content);
        part.vendor.write_into(API, &mut object);
        Ok(object.into())
    }

    fn tool(&self, tool: &Tool) -> Result<Value, ProviderError> {
        if is_vendors_own(tool, API, &["function"])? {
            return Ok(Value::Object(tool.vendor.get(API).cloned().unwrap_or_default()));
        }
        check_tool_name(&tool.name, 128, "_-")?;
        let mut function = Map::from_iter([("name".to_owned(), Value::from(tool.name.as_str()))]);
        put(&mut function, "description", tool.description.as_deref());
        function.insert("parameters".to_owned(), tool.parameters.clone().unwrap_or_else(no_arguments));
        let mut written = Map::from_iter([("type".to_owned(), Value::from("function"))]);
        if let Some(Value::Object(more)) = tool.vendor.field(API, "function") {
            more.iter().for_each(|(name, value)| {
                function.entry(name.clone()).or_insert_with(|| value.clone());
            });
        }
        written.insert("function".to_owned(), function.into());
        tool.vendor.write_into(API, &mut written);
        Ok(written.into())
    }

    fn sampling(&self, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
        let (sampling, accepts) = (&self.ask.draft.sampling, &self.ask.card.accepts);
        if sampling.candidates.is_some_and(|count| count > 1) {
            return Err(unsupported("this format gives one answer: ask several times"));
        }
        let most = if self.verbatim { self.ask.draft.max_tokens } else { Some(self.ask.max_tokens) };
        put(body, "max_tokens", most);
        if accepts.sampling {
            let within = |value: Option<f64>, low: f64, high: f64| {
                value.map(|value| if self.verbatim { value } else { value.clamp(low, high) })
            };
            put(body, "temperature", sampling.temperature);
            if accepts.temperature_with_top_p || sampling.temperature.is_none() {
                put(body, "p", within(sampling.top_p, 0.01, 0.99));
            }
            put(body, "k", sampling.top_k.map(|top| if self.verbatim { top } else { top.min(500) }));
            put(body, "frequency_penalty", within(sampling.frequency_penalty, 0.0, 1.0));
            put(body, "presence_penalty", within(sampling.presence_penalty, 0.0, 1.0));
        }
        put(body, "seed", sampling.seed);
        if !sampling.stop.is_empty() && accepts.stop {
            body.insert("stop_sequences".to_owned(), sampling.stop.clone().into());
        }
        put(body, "logprobs", sampling.logprobs.map(|_| true));
        Ok(())
    }

    fn format(&self, body: &mut Map<String, Value>) {
        match &self.ask.draft.format {
            None | Some(ResponseFormat::Text) => {}
            Some(ResponseFormat::JsonObject) => {
                body.insert("response_format".to_owned(), json!({"type": "json_object"}));
            }
            Some(ResponseFormat::JsonSchema { schema, .. }) => {
                let noted = self.ask.draft.vendor.field(API, SCHEMA_FIELD).and_then(Value::as_str);
                let field = noted.unwrap_or("json_schema");
                body.insert("response_format".to_owned(), json!({"type": "json_object", field: schema}));
            }
        }
    }

    fn thinking(&self, body: &mut Map<String, Value>) {
        let room = |budget: u64| if self.verbatim { budget } else { budget.min(self.ask.max_tokens.saturating_sub(1)) };
        let thinking = match think(self.ask) {
            Think::Unsaid => return,
            Think::Off => json!({"type": "disabled"}),
            Think::Free => json!({"type": "enabled"}),
            Think::Budget(budget) => json!({"type": "enabled", "token_budget": room(budget)}),
            Think::Effort(effort) => json!({"type": "enabled", "token_budget": room(budget_of(effort))}),
        };
        body.insert("thinking".to_owned(), thinking);
    }
}
