//! Our request as a Converse body.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{IS_JSON, OWN_REASONING, SCHEMA_TEXT, media};
use crate::error::ProviderError;
use crate::message::{CacheHint, Content, Part, ToolResult};
use crate::model::{Api, Capability};
use crate::request::{Effort, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::wire::dial::{BUDGET_MIN, Think, effort_of, think};
use crate::wire::json::put;
use crate::wire::messages::{ANSWER_TOOL, held_to};
use crate::wire::turns::{
    Merge, Speaker, Turn, arguments_object, check_tool_name, conversation, is_vendors_own, no_arguments, unsupported,
};
use crate::wire::{Ask, verbatim};

const API: Api = Api::Converse;
/// How families of models are told to think, by the start of the family's name: Converse hands this on as it is, and
/// models refuse the words of others. A family that is not here is told nothing. Source: AWS, the models' parameters.
const WORDS: &[(&str, Words)] = &[("claude", Words::Thinking), ("nova-2", Words::Config), ("gpt-", Words::Effort)];

/// Whose words say how much to think.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Words {
    /// `thinking`, with `output_config` beside it.
    Thinking,
    /// `reasoningConfig`.
    Config,
    /// `reasoning_effort`.
    Effort,
}

/// Longest id of a call.
const CALL_ID_CHARS_MAX: usize = 64;

/// The body; the model is in the path.
pub(in crate::wire) fn body(ask: &Ask<'_>) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, verbatim: verbatim::is_verbatim(&ask.endpoint.dialect) };
    let split = conversation(ask, Merge::All, |_| false);
    let mut body = Map::new();
    body.insert("messages".to_owned(), writer.messages(&split.turns)?.into());
    let mut system = writer.blocks(&split.system, Speaker::System)?;
    if ask.draft.format == Some(ResponseFormat::JsonObject) {
        system.push(json!({"text": "Answer with one JSON object and nothing else."}));
    }
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    let config = writer.inference()?;
    if !config.is_empty() {
        body.insert("inferenceConfig".to_owned(), config.into());
    }
    if let Some(tools) = writer.tools(&split.turns)? {
        body.insert("toolConfig".to_owned(), tools.into());
    }
    let more = writer.model_fields();
    if !more.is_empty() {
        body.insert("additionalModelRequestFields".to_owned(), more.into());
    }
    if let Some(format) = writer.format() {
        body.insert("outputConfig".to_owned(), json!({"textFormat": format}));
    }
    let tier = ask.draft.service_tier.and_then(|tier| match tier {
        ServiceTier::Standard => Some("default"),
        ServiceTier::Flex => Some("flex"),
        ServiceTier::Priority => Some("priority"),
        ServiceTier::Auto | ServiceTier::Batch => None,
    });
    put(&mut body, "serviceTier", tier.map(|tier| json!({"type": tier})));
    ask.draft.vendor.write_into(API, &mut body);
    Ok(body)
}

struct Writer<'a> {
    ask: &'a Ask<'a>,
    verbatim: bool,
}

impl Writer<'_> {
    fn messages(&self, turns: &[Turn<'_>]) -> Result<Vec<Value>, ProviderError> {
        let mut written = Vec::with_capacity(turns.len());
        for turn in turns {
            let mut blocks = self.blocks(&turn.parts, turn.speaker)?;
            let has = |name: &str| blocks.iter().any(|block| block.get(name).is_some());
            if !self.verbatim && turn.speaker == Speaker::User && has("document") && !has("text") {
                // A document without a word beside it is refused.
                blocks.insert(0, json!({"text": "Document:"}));
            }
            if blocks.is_empty() && !self.verbatim {
                continue;
            }
            let role = if turn.speaker == Speaker::Assistant { "assistant" } else { "user" };
            let mut message = Map::from_iter([("role".to_owned(), role.into()), ("content".to_owned(), blocks.into())]);
            turn.vendor.iter().for_each(|vendor| vendor.write_into(API, &mut message));
            written.push(message.into());
        }
        Ok(written)
    }

    fn blocks(&self, parts: &[&Part], speaker: Speaker) -> Result<Vec<Value>, ProviderError> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            let Some(Value::Object(mut block)) = self.block(part, speaker)? else { continue };
            if !matches!(part.content, Content::Reasoning { .. }) {
                part.vendor.write_into(API, &mut block);
            }
            for name in ["toolUse", "toolResult"] {
                if let (Some(Value::Object(inner)), Some(Value::Object(more))) =
                    (block.get_mut(name), part.vendor.field(API, name))
                {
                    more.iter().for_each(|(name, value)| {
                        inner.entry(name.clone()).or_insert_with(|| value.clone());
                    });
                }
            }
            blocks.push(block.into());
            blocks.extend(part.cache.map(mark));
        }
        Ok(blocks)
    }

    fn block(&self, part: &Part, speaker: Speaker) -> Result<Option<Value>, ProviderError> {
        let name = |name: &Option<String>| {
            let name = name.as_deref().unwrap_or("document");
            if self.verbatim { name.to_owned() } else { media::tame(name) }
        };
        Ok(Some(match &part.content {
            Content::Text { text } | Content::Refusal { text } if text.trim().is_empty() && !self.verbatim => {
                return Ok(None);
            }
            Content::Text { text } if part.vendor.field(API, IS_JSON).is_some() => {
                json!({"json": serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!({"text": text}))})
            }
            Content::Text { text } | Content::Refusal { text } => json!({"text": text}),
            Content::Image { source } => media::written("image", source, None)?,
            Content::Audio { source } => media::written("audio", source, None)?,
            Content::Video { source } => media::written("video", source, None)?,
            Content::Document { source, name: own } => media::written("document", source, Some(&name(own)))?,
            Content::ToolCall(call) => json!({"toolUse": {
                "toolUseId": call_id(&call.id), "name": call.name, "input": arguments_object(call),
            }}),
            Content::ToolResult(answer) => json!({"toolResult": self.result(answer)?}),
            Content::Reasoning { text } => return Ok(self.reasoning(part, text)),
            Content::Vendor => match part.vendor.get(API) {
                Some(fields) => Value::Object(fields.clone()),
                None if speaker == Speaker::Assistant => return Ok(None),
                None => return Err(unsupported("a part of another vendor's format: leave it out")),
            },
        }))
    }

    fn reasoning(&self, part: &Part, text: &str) -> Option<Value> {
        if let Some(opaque) = part.vendor.field(API, "redactedContent") {
            return Some(json!({"reasoningContent": {"redactedContent": opaque}}));
        }
        let mut inner = Map::from_iter([("text".to_owned(), Value::from(text))]);
        match part.vendor.field(API, "signature") {
            Some(signature) => drop(inner.insert("signature".to_owned(), signature.clone())),
            None if self.verbatim && part.vendor.field(API, OWN_REASONING).is_some() => {}
            None => return None,
        }
        Some(json!({"reasoningContent": {"reasoningText": inner}}))
    }

    fn result(&self, answer: &ToolResult) -> Result<Value, ProviderError> {
        let parts: Vec<&Part> = answer.parts.iter().collect();
        let content = self.blocks(&parts, Speaker::User)?;
        let mut written = json!({"toolUseId": call_id(&answer.call_id), "content": content});
        if answer.is_error {
            written["status"] = "error".into();
        }
        Ok(written)
    }

    fn inference(&self) -> Result<Map<String, Value>, ProviderError> {
        let (sampling, accepts) = (&self.ask.draft.sampling, &self.ask.card.accepts);
        if sampling.logprobs.is_some() {
            return Err(unsupported("this format reports no log-probabilities: ask without, or another model"));
        }
        if sampling.candidates.is_some_and(|count| count > 1) {
            return Err(unsupported("this format gives one answer: ask several times"));
        }
        let mut config = Map::new();
        let most = if self.verbatim { self.ask.draft.max_tokens } else { Some(self.ask.max_tokens) };
        put(&mut config, "maxTokens", most);
        let is_fixed = !self.verbatim && matches!(think(self.ask), Think::Budget(_));
        if accepts.sampling && !is_fixed {
            put(
                &mut config,
                "temperature",
                sampling.temperature.map(|heat| if self.verbatim { heat } else { heat.min(1.0) }),
            );
            if accepts.temperature_with_top_p || sampling.temperature.is_none() {
                put(&mut config, "topP", sampling.top_p);
            }
        }
        if !sampling.stop.is_empty() && accepts.stop {
            config.insert("stopSequences".to_owned(), sampling.stop.clone().into());
        }
        if let Some(Value::Object(more)) = self.ask.draft.vendor.field(API, "inferenceConfig") {
            for (name, value) in more {
                config.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        Ok(config)
    }

    /// Tools and their choice. Calls in the history want their tools named even where none are offered any more.
    fn tools(&self, turns: &[Turn<'_>]) -> Result<Option<Map<String, Value>>, ProviderError> {
        let draft = self.ask.draft;
        let used: BTreeSet<&str> = turns
            .iter()
            .flat_map(|turn| &turn.parts)
            .filter_map(|part| part.as_tool_call())
            .map(|call| call.name.as_str())
            .collect();
        let is_forbidden = draft.tool_choice == Some(ToolChoice::None);
        let mut tools = Vec::new();
        if !is_forbidden || !used.is_empty() {
            for tool in &draft.tools {
                tools.push(self.tool(tool)?);
                tools.extend(tool.cache.map(mark));
            }
        }
        let mut choice = draft.tool_choice.clone();
        if let Some(schema) = self.answer_schema() {
            let text = "Gives the answer. Call it once, with the whole answer.";
            tools
                .push(json!({"toolSpec": {"name": ANSWER_TOOL, "description": text, "inputSchema": {"json": schema}}}));
            choice = match choice {
                Some(ToolChoice::Named(name)) => Some(ToolChoice::Named(name)),
                _ if draft.tools.is_empty() || is_forbidden => Some(ToolChoice::Named(ANSWER_TOOL.to_owned())),
                _ => Some(ToolChoice::Required),
            };
        }
        if tools.is_empty() && !self.verbatim {
            tools.extend(
                used.iter().map(|name| json!({"toolSpec": {"name": name, "inputSchema": {"json": no_arguments()}}})),
            );
        }
        let mut config = Map::new();
        if !tools.is_empty() {
            config.insert("tools".to_owned(), tools.into());
            let choice = choice.and_then(|choice| match choice {
                ToolChoice::Auto => Some(json!({"auto": {}})),
                ToolChoice::None => None,
                ToolChoice::Required => Some(json!({"any": {}})),
                ToolChoice::Named(name) => Some(json!({"tool": {"name": name}})),
            });
            put(&mut config, "toolChoice", choice);
        }
        Ok((!config.is_empty()).then_some(config))
    }

    fn tool(&self, tool: &Tool) -> Result<Value, ProviderError> {
        if let Some(own) = tool.vendor.get(API).filter(|fields| {
            !fields.contains_key("toolSpec") && tool.parameters.is_none() && tool.description.is_none()
        }) {
            let own: Map<String, Value> = own
                .iter()
                .filter(|(name, _)| !name.starts_with('$'))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            if !own.is_empty() {
                return Ok(own.into());
            }
        }
        is_vendors_own(tool, API, &[])?;
        check_tool_name(&tool.name, 64, "_-")?;
        let mut spec = Map::from_iter([("name".to_owned(), Value::from(tool.name.as_str()))]);
        put(&mut spec, "description", tool.description.as_deref().filter(|text| !text.is_empty() || self.verbatim));
        let schema = tool.parameters.clone().unwrap_or_else(no_arguments);
        let held = (tool.strict == Some(true) && !self.verbatim).then(|| held_to(&schema)).flatten();
        spec.insert("inputSchema".to_owned(), json!({"json": held.unwrap_or(schema)}));
        put(&mut spec, "strict", tool.strict);
        let more = tool.vendor.field(API, "toolSpec").and_then(Value::as_object);
        for (name, value) in more.into_iter().flatten() {
            spec.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Ok(json!({"toolSpec": spec}))
    }

    /// What only some models take, in the words of the model's own vendor.
    fn model_fields(&self) -> Map<String, Value> {
        let mut more = Map::new();
        match (think(self.ask), self.words()) {
            (Think::Unsaid | Think::Off, _) | (_, None) => {}
            (think, Some(Words::Thinking)) => self.thinking(think, &mut more),
            (think, Some(words)) => {
                let effort = match think {
                    Think::Effort(effort) => effort,
                    Think::Budget(budget) => effort_of(budget),
                    _ => Effort::Medium,
                };
                let word = match effort {
                    Effort::None | Effort::Minimal | Effort::Low => "low",
                    Effort::Medium => "medium",
                    Effort::High | Effort::XHigh | Effort::Max => "high",
                };
                match words {
                    Words::Effort => drop(more.insert("reasoning_effort".to_owned(), word.into())),
                    _ => {
                        let config = json!({"type": "enabled", "maxReasoningEffort": word});
                        more.insert("reasoningConfig".to_owned(), config);
                    }
                }
            }
        }
        if self.ask.card.accepts.sampling && self.words() == Some(Words::Thinking) {
            put(&mut more, "top_k", self.ask.draft.sampling.top_k);
        }
        let own = self.ask.draft.vendor.field(API, "additionalModelRequestFields").and_then(Value::as_object);
        for (name, value) in own.into_iter().flatten() {
            more.entry(name.clone()).or_insert_with(|| value.clone());
        }
        more
    }

    fn words(&self) -> Option<Words> {
        if self.verbatim {
            return Some(Words::Thinking);
        }
        let family = &self.ask.card.family;
        WORDS.iter().find(|(start, _)| family.starts_with(start)).map(|(_, words)| *words)
    }

    /// A budget, or as much as the model likes with an effort beside it.
    fn thinking(&self, think: Think, more: &mut Map<String, Value>) {
        let most = if self.verbatim { u64::MAX } else { self.ask.max_tokens.saturating_sub(1) };
        let effort = match think {
            Think::Budget(budget) => {
                if most >= BUDGET_MIN {
                    let budget = if self.verbatim { budget } else { budget.clamp(BUDGET_MIN, most) };
                    more.insert("thinking".to_owned(), json!({"type": "enabled", "budget_tokens": budget}));
                }
                return;
            }
            Think::Effort(effort) => effort,
            _ => Effort::High,
        };
        more.insert("thinking".to_owned(), json!({"type": "adaptive"}));
        if matches!(think, Think::Effort(_)) {
            let word = match effort {
                Effort::None | Effort::Minimal | Effort::Low => "low",
                Effort::Medium => "medium",
                Effort::High => "high",
                Effort::XHigh => "xhigh",
                Effort::Max => "max",
            };
            more.insert("output_config".to_owned(), json!({"effort": word}));
        }
    }

    /// The schema of the answer where it has to be asked for as a tool's arguments.
    fn answer_schema(&self) -> Option<Value> {
        match &self.ask.draft.format {
            Some(ResponseFormat::JsonSchema { schema, .. }) if self.format().is_none() => Some(schema.clone()),
            _ => None,
        }
    }

    /// The answer's schema in the vendor's own way; none where the model or the dialect cannot.
    fn format(&self) -> Option<Value> {
        let Some(ResponseFormat::JsonSchema { name, description, schema, .. }) = &self.ask.draft.format else {
            return None;
        };
        let as_stood = self.ask.draft.vendor.field(API, SCHEMA_TEXT).and_then(Value::as_str);
        let text = match as_stood {
            Some(text) if serde_json::from_str::<Value>(text).is_ok_and(|stood| stood == *schema) => text.to_owned(),
            _ if self.verbatim => schema.to_string(),
            _ if self.ask.card.capabilities.contains(&Capability::JsonSchema) => held_to(schema)?.to_string(),
            _ => return None,
        };
        let mut inner =
            Map::from_iter([("schema".to_owned(), Value::from(text)), ("name".to_owned(), name.as_str().into())]);
        put(&mut inner, "description", description.as_deref());
        Some(json!({"type": "json_schema", "structure": {"jsonSchema": inner}}))
    }
}

/// A cache mark, which stands after what it covers.
fn mark(hint: CacheHint) -> Value {
    match hint {
        CacheHint::FiveMinutes => json!({"cachePoint": {"type": "default"}}),
        CacheHint::OneHour => json!({"cachePoint": {"type": "default", "ttl": "1h"}}),
    }
}

fn call_id(id: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    id.chars().take(CALL_ID_CHARS_MAX).map(fits).collect()
}
