//! Our request as a generateContent body.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{MADE_ID, SCHEMA_FIELD, THOUGHT};
use crate::error::ProviderError;
use crate::message::{Content, Part, Source, ToolResult};
use crate::model::{Api, ReasoningDial};
use crate::request::{Effort, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::wire::dial::{Think, think};
use crate::wire::json::put;
use crate::wire::turns::{
    Merge, Speaker, Turn, arguments_object, check_tool_name, conversation, is_vendors_own, unsupported,
};
use crate::wire::{Ask, schema, verbatim};

const API: Api = Api::GenerateContent;
/// What the vendor takes in place of a signature, for calls that another model made.
pub(super) const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The body; the model and whether a stream is asked for are in the path.
pub(super) fn body(ask: &Ask<'_>) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, verbatim: verbatim::is_verbatim(&ask.endpoint.dialect) };
    let split = conversation(ask, Merge::Results, |_| false);
    let mut body = Map::new();
    body.insert("contents".to_owned(), writer.contents(&split.turns)?.into());
    let system = writer.parts(&split.system, Speaker::System, &BTreeMap::new())?;
    if !system.is_empty() {
        let mut instruction = Map::from_iter([("parts".to_owned(), Value::Array(system))]);
        extend(&mut instruction, writer.vendor("systemInstruction"));
        body.insert("systemInstruction".to_owned(), instruction.into());
    }
    let tools = writer.tools()?;
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    let config = writer.tool_config();
    if !config.is_empty() {
        body.insert("toolConfig".to_owned(), config.into());
    }
    let config = writer.generation_config()?;
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), config.into());
    }
    if let Some(tier) = ask.draft.service_tier
        && shared_lane(ask).is_none()
    {
        let name = match tier {
            ServiceTier::Flex => Some("flex"),
            ServiceTier::Priority => Some("priority"),
            ServiceTier::Standard => Some("standard"),
            ServiceTier::Auto | ServiceTier::Batch => None,
        };
        put(&mut body, "serviceTier", name);
    }
    ask.draft.vendor.write_into(API, &mut body);
    Ok(body)
}

/// The lane as Vertex's header names it; none elsewhere, where it is a field.
pub(super) fn shared_lane(ask: &Ask<'_>) -> Option<&'static str> {
    if !ask.endpoint.base_url.contains("/projects/") {
        return None;
    }
    match ask.draft.service_tier? {
        ServiceTier::Flex => Some("flex"),
        ServiceTier::Priority => Some("priority"),
        _ => None,
    }
}

/// Adds what vendor fields say beside what was written.
fn extend(object: &mut Map<String, Value>, more: Option<&Value>) {
    for (name, value) in more.and_then(Value::as_object).into_iter().flatten() {
        if !name.starts_with('$') {
            object.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

struct Writer<'a> {
    ask: &'a Ask<'a>,
    verbatim: bool,
}

/// The name of the tool that each call so far asked for, by the call's id.
type Names<'a> = BTreeMap<&'a str, &'a str>;

impl Writer<'_> {
    fn vendor(&self, field: &str) -> Option<&Value> {
        self.ask.draft.vendor.field(API, field)
    }

    fn contents(&self, turns: &[Turn<'_>]) -> Result<Vec<Value>, ProviderError> {
        let mut names = Names::new();
        let mut contents = Vec::with_capacity(turns.len());
        for turn in turns {
            let calls = turn.parts.iter().filter_map(|part| part.as_tool_call());
            names.extend(calls.map(|call| (call.id.as_str(), call.name.as_str())));
            let mut parts = self.parts(&turn.parts, turn.speaker, &names)?;
            if parts.is_empty() {
                continue;
            }
            if turn.speaker == Speaker::Assistant {
                self.sign(&mut parts);
            }
            let mut content = Map::new();
            if !turn.vendor.iter().any(|vendor| vendor.field(API, "role").is_some()) {
                let role = if turn.speaker == Speaker::Assistant { "model" } else { "user" };
                content.insert("role".to_owned(), role.into());
            }
            content.insert("parts".to_owned(), parts.into());
            turn.vendor.iter().for_each(|vendor| vendor.write_into(API, &mut content));
            contents.push(content.into());
        }
        Ok(contents)
    }

    /// Models that are told their effort in words want the first call of a step signed, whoever made it.
    fn sign(&self, parts: &mut [Value]) {
        if self.verbatim || self.ask.card.accepts.reasoning != ReasoningDial::Effort {
            return;
        }
        let mut calls = parts.iter_mut().filter(|part| part.get("functionCall").is_some());
        if let Some(first) = calls.next()
            && first.get("thoughtSignature").is_none()
        {
            first["thoughtSignature"] = NO_SIGNATURE.into();
        }
    }

    fn parts(&self, parts: &[&Part], speaker: Speaker, names: &Names<'_>) -> Result<Vec<Value>, ProviderError> {
        let mut written = Vec::with_capacity(parts.len());
        for part in parts {
            if let Some(mut object) = self.part(part, speaker, names)? {
                for name in ["functionCall", "functionResponse", "inlineData", "fileData"] {
                    if let Some(Value::Object(inner)) = object.get_mut(name) {
                        extend(inner, part.vendor.field(API, name));
                    }
                }
                part.vendor.write_into(API, &mut object);
                written.push(object.into());
            }
        }
        Ok(written)
    }

    fn part(
        &self,
        part: &Part,
        speaker: Speaker,
        names: &Names<'_>,
    ) -> Result<Option<Map<String, Value>>, ProviderError> {
        let is_signed = part.vendor.get(API).is_some();
        let object = match &part.content {
            Content::Text { text } | Content::Refusal { text } if text.is_empty() && !is_signed && !self.verbatim => {
                return Ok(None);
            }
            Content::Text { text } | Content::Refusal { text } => json!({"text": text}),
            Content::Reasoning { .. } if !is_signed => return Ok(None),
            Content::Reasoning { text } => json!({"text": text, "thought": true}),
            Content::Image { source }
            | Content::Audio { source }
            | Content::Video { source }
            | Content::Document { source, .. } => media(source),
            Content::ToolCall(call) => {
                let mut written = Map::new();
                if self.sends_id(&call.id) {
                    written.insert("id".to_owned(), call.id.as_str().into());
                }
                written.insert("name".to_owned(), call.name.as_str().into());
                if part.vendor.field(API, "$no_args").is_none() {
                    written.insert("args".to_owned(), arguments_object(call).into());
                }
                json!({"functionCall": written})
            }
            Content::ToolResult(answer) => json!({"functionResponse": self.result(answer, names)?}),
            Content::Vendor => match part.vendor.get(API) {
                Some(fields) => Value::Object(fields.clone()),
                None if speaker == Speaker::Assistant => return Ok(None),
                None => return Err(unsupported("a part of another vendor's format: leave it out")),
            },
        };
        match object {
            Value::Object(object) => Ok(Some(object)),
            _ => Ok(None),
        }
    }

    fn sends_id(&self, id: &str) -> bool {
        !id.starts_with(MADE_ID) && !self.ask.endpoint.dialect.omit.iter().any(|field| field == "id")
    }

    fn result(&self, answer: &ToolResult, names: &Names<'_>) -> Result<Map<String, Value>, ProviderError> {
        let mut written = Map::new();
        if self.sends_id(&answer.call_id) {
            written.insert("id".to_owned(), answer.call_id.as_str().into());
        }
        let name = answer.name.as_deref().or_else(|| names.get(answer.call_id.as_str()).copied());
        written.insert("name".to_owned(), name.unwrap_or(&answer.call_id).into());
        let text = crate::message::joined_text(&answer.parts);
        let has_text = answer.parts.iter().any(|part| part.as_text().is_some());
        let said = match serde_json::from_str::<Value>(&text) {
            Ok(object @ Value::Object(_)) => object,
            _ => Value::String(text),
        };
        let response = match (said, answer.is_error) {
            (said, true) => json!({"error": said}),
            (said @ Value::Object(_), false) => said,
            (said, false) if has_text => json!({"output": said}),
            _ => json!({}),
        };
        written.insert("response".to_owned(), response);
        let media: Vec<&Part> = answer.parts.iter().filter(|part| part.as_text().is_none()).collect();
        if !media.is_empty() {
            written.insert("parts".to_owned(), self.parts(&media, Speaker::User, names)?.into());
        }
        Ok(written)
    }

    fn tools(&self) -> Result<Vec<Value>, ProviderError> {
        let mut written: Vec<Value> = Vec::new();
        for tool in &self.ask.draft.tools {
            if let Some(settings) = tool.vendor.field(API, &tool.name) {
                written.push(json!({tool.name.as_str(): settings}));
                continue;
            }
            let function = self.function(tool)?;
            match written.last_mut().and_then(|last| last.get_mut("functionDeclarations")) {
                Some(Value::Array(functions)) => functions.push(function),
                _ => written.push(json!({"functionDeclarations": [function]})),
            }
        }
        Ok(written)
    }

    fn function(&self, tool: &Tool) -> Result<Value, ProviderError> {
        is_vendors_own(tool, API, &[])?;
        check_tool_name(&tool.name, 128, "_-.:")?;
        let mut written = Map::from_iter([("name".to_owned(), Value::from(tool.name.as_str()))]);
        put(&mut written, "description", tool.description.as_deref());
        let noted = tool.vendor.field(API, SCHEMA_FIELD).and_then(Value::as_str);
        match (&tool.parameters, noted) {
            (Some(parameters), Some(field)) => drop(written.insert(field.to_owned(), parameters.clone())),
            // An object without properties is refused; no schema at all says the same.
            (Some(parameters), None) if !is_bare(parameters) => match schema::gemini(parameters) {
                Some(told) => drop(written.insert("parameters".to_owned(), told)),
                None => drop(written.insert("parametersJsonSchema".to_owned(), parameters.clone())),
            },
            _ => {}
        }
        tool.vendor.write_into(API, &mut written);
        Ok(written.into())
    }

    fn tool_config(&self) -> Map<String, Value> {
        let draft = self.ask.draft;
        let mut config = Map::new();
        let has_functions = draft.tools.iter().any(|tool| tool.vendor.field(API, &tool.name).is_none());
        let calling = match &draft.tool_choice {
            Some(_) if !has_functions && !self.verbatim => None,
            None => None,
            Some(ToolChoice::Auto) => Some(json!({"mode": "AUTO"})),
            Some(ToolChoice::None) => Some(json!({"mode": "NONE"})),
            Some(ToolChoice::Required) => Some(json!({"mode": "ANY"})),
            Some(ToolChoice::Named(name)) => Some(json!({"mode": "ANY", "allowedFunctionNames": [name]})),
        };
        put(&mut config, "functionCallingConfig", calling);
        extend(&mut config, self.vendor("toolConfig"));
        config
    }

    fn generation_config(&self) -> Result<Map<String, Value>, ProviderError> {
        let (draft, accepts) = (self.ask.draft, &self.ask.card.accepts);
        let sampling = &draft.sampling;
        let mut config = Map::new();
        let most = if self.verbatim { draft.max_tokens } else { Some(self.ask.max_tokens) };
        put(&mut config, "maxOutputTokens", most);
        if accepts.sampling {
            put(&mut config, "temperature", sampling.temperature);
            if accepts.temperature_with_top_p || sampling.temperature.is_none() {
                put(&mut config, "topP", sampling.top_p);
            }
            put(&mut config, "topK", sampling.top_k);
            put(&mut config, "presencePenalty", sampling.presence_penalty);
            put(&mut config, "frequencyPenalty", sampling.frequency_penalty);
        }
        put(&mut config, "seed", sampling.seed);
        put(&mut config, "candidateCount", sampling.candidates);
        if !sampling.stop.is_empty() && accepts.stop {
            config.insert("stopSequences".to_owned(), sampling.stop.clone().into());
        }
        if let Some(top) = sampling.logprobs {
            config.insert("responseLogprobs".to_owned(), true.into());
            put(&mut config, "logprobs", (top > 0).then_some(top));
        }
        self.format(&mut config);
        if let Some(thinking) = self.thinking() {
            config.insert("thinkingConfig".to_owned(), thinking.into());
        }
        extend(&mut config, self.vendor("generationConfig"));
        Ok(config)
    }

    fn format(&self, config: &mut Map<String, Value>) {
        match &self.ask.draft.format {
            None | Some(ResponseFormat::Text) => {}
            Some(ResponseFormat::JsonObject) => {
                config.insert("responseMimeType".to_owned(), "application/json".into());
            }
            Some(ResponseFormat::JsonSchema { schema, .. }) => {
                config.insert("responseMimeType".to_owned(), "application/json".into());
                let noted = self.vendor(SCHEMA_FIELD).and_then(Value::as_str);
                match (noted, schema::gemini(schema)) {
                    (Some(field), _) => drop(config.insert(field.to_owned(), schema.clone())),
                    (None, Some(told)) => drop(config.insert("responseSchema".to_owned(), told)),
                    (None, None) => drop(config.insert("responseJsonSchema".to_owned(), schema.clone())),
                }
            }
        }
    }

    fn thinking(&self) -> Option<Map<String, Value>> {
        let has_words = self.ask.card.accepts.reasoning == ReasoningDial::Effort;
        let mut config = Map::new();
        match think(self.ask) {
            Think::Unsaid => return None,
            Think::Off if has_words => drop(config.insert("thinkingLevel".to_owned(), "minimal".into())),
            Think::Off => drop(config.insert("thinkingBudget".to_owned(), 0.into())),
            Think::Free => {}
            Think::Budget(budget) => drop(config.insert("thinkingBudget".to_owned(), budget.into())),
            Think::Effort(effort) => {
                let word = match effort {
                    Effort::None | Effort::Minimal => "minimal",
                    Effort::Low => "low",
                    Effort::Medium => "medium",
                    Effort::High | Effort::XHigh | Effort::Max => "high",
                };
                config.insert("thinkingLevel".to_owned(), word.into());
            }
        }
        put(&mut config, "includeThoughts", self.ask.draft.reasoning.as_ref().and_then(|asked| asked.show));
        let noted = self.vendor("generationConfig").is_some_and(|own| own.get("thinkingConfig").is_some());
        (!config.is_empty() && !noted).then_some(config)
    }
}

fn is_bare(schema: &Value) -> bool {
    let none = |name: &str| schema.get(name).and_then(Value::as_object).is_none_or(Map::is_empty);
    schema.get("$ref").is_none() && schema.get("anyOf").is_none() && none("properties")
}

fn media(source: &Source) -> Value {
    let with_type = |field: &str, uri: &str, media_type: &Option<String>| {
        let mut file = json!({field: uri});
        if let Some(media_type) = media_type {
            file["mimeType"] = media_type.as_str().into();
        }
        json!({"fileData": file})
    };
    match source {
        Source::Base64 { media_type, data } => json!({"inlineData": {"mimeType": media_type, "data": data}}),
        Source::Url { url, media_type } => with_type("fileUri", url, media_type),
        Source::File { id, media_type } => with_type("fileUri", id, media_type),
        Source::Text { text, .. } => json!({"text": text}),
    }
}

/// Whether reasoning came from this format.
pub(super) fn note_thought(part: &mut Part) {
    part.vendor.set(API, THOUGHT, true.into());
}
