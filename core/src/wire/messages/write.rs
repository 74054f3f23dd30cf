//! Our request as a Messages body.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::{ANSWER_TOOL, EFFORT_ONLY, IN_PLACE, marks, schema};
use crate::error::ProviderError;
use crate::message::{CacheHint, Content, Message, Part, Role, Source, ToolResult};
use crate::model::{Api, Capability};
use crate::request::{Effort, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::wire::dial::{BUDGET_MIN, Think, think};
use crate::wire::json::put;
use crate::wire::plain::{self, Head};
use crate::wire::turns::{
    Merge, Speaker, Turn, arguments_object, check_tool_name, conversation, is_vendors_own, no_arguments, unsupported,
};
use crate::wire::{Ask, verbatim};

/// The body without what differs by host: the model, the version, whether a stream is asked for. `api` names the
/// vendor fields that belong in it.
pub(in crate::wire) fn body(ask: &Ask<'_>, api: Api) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, api, verbatim: verbatim::is_verbatim(&ask.endpoint.dialect) };
    let mut body = Map::new();
    let most = if writer.verbatim { ask.draft.max_tokens } else { Some(ask.max_tokens) };
    put(&mut body, "max_tokens", most);
    let split = conversation(ask, Merge::Results, stays_in_place);
    put(&mut body, "system", writer.system(&split.system)?);
    body.insert("messages".to_owned(), writer.messages(&split.turns)?.into());
    rest(ask, api, body)
}

/// The most tokens, the instructions and the messages of a conversation of plain texts; `None` where it is another.
pub(in crate::wire) fn plain(ask: &Ask<'_>, api: Api) -> Option<Head> {
    let draft = ask.draft;
    if !plain::may_be(ask, api) || draft.format == Some(ResponseFormat::JsonObject) {
        return None;
    }
    let mut system = None;
    for message in &draft.messages {
        let text = plain::text_of(message)?;
        if plain::instructs(message) && system.replace(text).is_some() {
            return None;
        }
    }
    let turns = || draft.messages.iter().filter(|message| !plain::instructs(message));
    // What the model is to go on with is cut at its end.
    let goes_on = turns().next_back().is_some_and(|message| message.role == Role::Assistant);
    if goes_on || (system.is_some() && !ask.card.accepts.system) {
        return None;
    }
    let role = |message: &Message| if message.role == Role::Assistant { "assistant" } else { "user" };
    let mut head = Head::new();
    head.number("max_tokens", ask.max_tokens);
    system.into_iter().for_each(|text| head.text("system", text));
    head.messages(turns().filter_map(|message| Some((role(message), plain::text_of(message)?))));
    Some(head)
}

/// What comes after the messages.
pub(super) fn rest(ask: &Ask<'_>, api: Api, mut body: Map<String, Value>) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, api, verbatim: verbatim::is_verbatim(&ask.endpoint.dialect) };
    writer.tools(&mut body)?;
    writer.sampling(&mut body)?;
    writer.thinking(&mut body);
    writer.format(&mut body);
    if let Some(tier) = ask.draft.service_tier {
        let name = match tier {
            ServiceTier::Auto | ServiceTier::Priority => Some("auto"),
            ServiceTier::Standard => Some("standard_only"),
            ServiceTier::Flex | ServiceTier::Batch => None,
        };
        put(&mut body, "service_tier", name);
    }
    ask.draft.vendor.write_into(api, &mut body);
    if !writer.verbatim {
        marks::limit(&mut body);
    }
    Ok(body)
}

/// Whether instructions were read from the middle of a conversation, where new models take them.
fn stays_in_place(message: &Message) -> bool {
    [Api::Messages, Api::Invoke].into_iter().any(|api| message.vendor.field(api, IN_PLACE).is_some())
}

struct Writer<'a> {
    ask: &'a Ask<'a>,
    api: Api,
    verbatim: bool,
}

impl Writer<'_> {
    fn has(&self, field: &str) -> bool {
        self.ask.draft.vendor.field(self.api, field).is_some()
    }

    fn can(&self, capability: Capability) -> bool {
        self.ask.card.capabilities.contains(&capability)
    }

    /// Instructions as one text where that says all, as blocks otherwise.
    fn system(&self, parts: &[&Part]) -> Result<Option<Value>, ProviderError> {
        let mut blocks = self.blocks(parts, Speaker::System)?;
        if self.ask.draft.format == Some(ResponseFormat::JsonObject) {
            blocks.push(json!({"type": "text", "text": "Answer with one JSON object and nothing else."}));
        }
        Ok(match blocks.len() {
            0 => None,
            1 if is_plain_text(&blocks[0]) => blocks[0].get("text").cloned(),
            _ => Some(blocks.into()),
        })
    }

    fn messages(&self, turns: &[Turn<'_>]) -> Result<Vec<Value>, ProviderError> {
        let mut written = Vec::with_capacity(turns.len());
        for (at, turn) in turns.iter().enumerate() {
            if let Some(text) = only_text(turn) {
                written.push(json!({"role": "user", "content": text}));
                continue;
            }
            let mut blocks = self.blocks(&turn.parts, turn.speaker)?;
            if blocks.is_empty() {
                continue;
            }
            let role = match turn.speaker {
                Speaker::System => "system",
                Speaker::User => "user",
                Speaker::Assistant => "assistant",
            };
            if at + 1 == turns.len() && turn.speaker == Speaker::Assistant && !self.verbatim {
                trim_end(blocks.last_mut());
            }
            let content = match &blocks[..] {
                [one] if is_plain_text(one) => one["text"].clone(),
                _ => Value::Array(blocks),
            };
            let mut message = Map::from_iter([("role".to_owned(), role.into()), ("content".to_owned(), content)]);
            turn.vendor.iter().for_each(|vendor| vendor.write_into(self.api, &mut message));
            written.push(message.into());
        }
        Ok(written)
    }

    fn blocks(&self, parts: &[&Part], speaker: Speaker) -> Result<Vec<Value>, ProviderError> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            if let Some(mut block) = self.block(part, speaker)? {
                let is_thinking = matches!(part.content, Content::Reasoning { .. });
                if let Some(hint) = part.cache
                    && !is_thinking
                    && part.vendor.field(self.api, "cache_control").is_none()
                {
                    block.insert("cache_control".to_owned(), mark(hint));
                }
                part.vendor.write_into(self.api, &mut block);
                blocks.push(block.into());
            }
        }
        Ok(blocks)
    }

    /// One block without its vendor fields; `None` where there is nothing to say.
    fn block(&self, part: &Part, speaker: Speaker) -> Result<Option<Map<String, Value>>, ProviderError> {
        let vendor = part.vendor.get(self.api);
        let block = match &part.content {
            Content::Text { text } | Content::Refusal { text } if text.is_empty() && !self.verbatim => {
                return Ok(None);
            }
            Content::Text { text } | Content::Refusal { text } => json!({"type": "text", "text": text}),
            Content::Image { source } => json!({"type": "image", "source": image_source(source)?}),
            Content::Document { source, name } => {
                let mut block = json!({"type": "document", "source": document_source(source)?});
                if let Some(name) = name {
                    block["title"] = name.as_str().into();
                }
                block
            }
            Content::ToolCall(call) => json!({
                "type": "tool_use", "id": tool_id(&call.id), "name": call.name, "input": arguments_object(call),
            }),
            Content::ToolResult(answer) => self.result(answer)?,
            Content::Reasoning { text } => match vendor {
                Some(fields) if fields.contains_key("data") => json!({"type": "redacted_thinking"}),
                Some(fields) if fields.contains_key("signature") => json!({"type": "thinking", "thinking": text}),
                _ => return Ok(None),
            },
            Content::Vendor => match vendor {
                Some(fields) => Value::Object(fields.clone()),
                None if speaker == Speaker::Assistant => return Ok(None),
                None => return Err(unsupported("a part of another vendor's format: leave it out")),
            },
            Content::Audio { .. } => return Err(unsupported("this format takes no audio: send its text")),
            Content::Video { .. } => return Err(unsupported("this format takes no video: send pictures of it")),
        };
        match block {
            Value::Object(block) => Ok(Some(block)),
            _ => Ok(None),
        }
    }

    fn result(&self, answer: &ToolResult) -> Result<Value, ProviderError> {
        let parts: Vec<&Part> = answer.parts.iter().collect();
        let mut blocks = self.blocks(&parts, Speaker::User)?;
        let content = match blocks.len() {
            0 => None,
            1 if is_plain_text(&blocks[0]) => blocks[0].get_mut("text").map(Value::take),
            _ => Some(blocks.into()),
        };
        let mut block = json!({"type": "tool_result", "tool_use_id": tool_id(&answer.call_id)});
        if let Some(content) = content {
            block["content"] = content;
        }
        block["is_error"] = answer.is_error.into();
        Ok(block)
    }

    fn tools(&self, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
        let draft = self.ask.draft;
        let mut tools = draft.tools.iter().map(|tool| self.tool(tool)).collect::<Result<Vec<_>, _>>()?;
        let mut choice = draft.tool_choice.clone();
        if let Some(schema) = self.answer_schema() {
            let text = "Gives the answer. Call it once, with the whole answer.";
            tools.push(json!({"name": ANSWER_TOOL, "description": text, "input_schema": schema}));
            // With tools of the caller's own, the model may call those first.
            choice = match choice {
                None | Some(ToolChoice::None | ToolChoice::Auto) if draft.tools.is_empty() => {
                    Some(ToolChoice::Named(ANSWER_TOOL.to_owned()))
                }
                Some(ToolChoice::None) => Some(ToolChoice::Named(ANSWER_TOOL.to_owned())),
                None | Some(ToolChoice::Auto) => Some(ToolChoice::Required),
                forced => forced,
            };
        }
        if tools.is_empty() {
            return Ok(());
        }
        body.insert("tools".to_owned(), tools.into());
        if choice.is_some() || draft.parallel_tools.is_some() {
            let mut written = match choice.unwrap_or(ToolChoice::Auto) {
                ToolChoice::Auto => json!({"type": "auto"}),
                ToolChoice::None => json!({"type": "none"}),
                ToolChoice::Required => json!({"type": "any"}),
                ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
            };
            if let Some(parallel) = draft.parallel_tools
                && written["type"] != "none"
            {
                written["disable_parallel_tool_use"] = (!parallel).into();
            }
            body.insert("tool_choice".to_owned(), written);
        }
        Ok(())
    }

    fn tool(&self, tool: &Tool) -> Result<Value, ProviderError> {
        let mut written = Map::new();
        // A set of tools has a type and no name.
        if tool.vendor.field(self.api, "type").is_none_or(|kind| kind != tool.name.as_str()) {
            written.insert("name".to_owned(), tool.name.as_str().into());
        }
        if !is_vendors_own(tool, self.api, &["custom"])? {
            check_tool_name(&tool.name, 128, "_-")?;
            put(&mut written, "description", tool.description.as_deref());
            if tool.vendor.field(self.api, "input_schema").is_none() {
                let schema = tool.parameters.clone().unwrap_or_else(no_arguments);
                let held = (tool.strict == Some(true) && !self.verbatim).then(|| schema::held_to(&schema)).flatten();
                written.insert("input_schema".to_owned(), held.unwrap_or(schema));
            }
            put(&mut written, "strict", tool.strict);
        }
        if tool.vendor.field(self.api, "cache_control").is_none() {
            put(&mut written, "cache_control", tool.cache.map(mark));
        }
        tool.vendor.write_into(self.api, &mut written);
        Ok(written.into())
    }

    fn sampling(&self, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
        let (sampling, accepts) = (&self.ask.draft.sampling, &self.ask.card.accepts);
        if sampling.logprobs.is_some() {
            return Err(unsupported("this format reports no log-probabilities: ask without, or another model"));
        }
        if sampling.candidates.is_some_and(|count| count > 1) {
            return Err(unsupported("this format gives one answer: ask several times"));
        }
        if !sampling.stop.is_empty() && accepts.stop {
            body.insert("stop_sequences".to_owned(), sampling.stop.clone().into());
        }
        // A budget of thinking fixes how words are drawn.
        let is_fixed = matches!(think(self.ask), Think::Budget(_)) && !self.verbatim;
        if accepts.sampling && !is_fixed {
            put(body, "temperature", sampling.temperature.map(|heat| if self.verbatim { heat } else { heat.min(1.0) }));
            put(body, "top_k", sampling.top_k);
        }
        let both = sampling.temperature.is_some() && !accepts.temperature_with_top_p;
        if accepts.sampling && !both && (!is_fixed || sampling.top_p.is_some_and(|p| p >= 0.95)) {
            put(body, "top_p", sampling.top_p);
        }
        Ok(())
    }

    fn thinking(&self, body: &mut Map<String, Value>) {
        if self.has("thinking") || self.has(EFFORT_ONLY) {
            return;
        }
        let is_forced = matches!(body.get("tool_choice").map(|choice| &choice["type"]), Some(kind) if kind == "any" || kind == "tool");
        let mut thinking = match think(self.ask) {
            Think::Unsaid => return,
            Think::Off => json!({"type": "disabled"}),
            // Thinking and a forced call exclude each other, and the call was asked for in so many words.
            _ if is_forced && !self.verbatim => return,
            Think::Free | Think::Effort(_) => json!({"type": "adaptive"}),
            Think::Budget(budget) => {
                let most = if self.verbatim { u64::MAX } else { self.ask.max_tokens.saturating_sub(1) };
                if most < BUDGET_MIN {
                    return;
                }
                let least = if self.verbatim { 0 } else { BUDGET_MIN };
                json!({"type": "enabled", "budget_tokens": budget.clamp(least, most)})
            }
        };
        if let Some(show) = self.ask.draft.reasoning.as_ref().and_then(|asked| asked.show)
            && thinking["type"] != "disabled"
        {
            thinking["display"] = if show { "summarized" } else { "omitted" }.into();
        }
        body.insert("thinking".to_owned(), thinking);
    }

    /// The schema of the answer where it has to be asked for as a tool's arguments.
    fn answer_schema(&self) -> Option<Value> {
        match &self.ask.draft.format {
            Some(ResponseFormat::JsonSchema { schema, .. }) if self.held_schema().is_none() => Some(schema.clone()),
            _ => None,
        }
    }

    /// The schema of the answer as structured output takes it; none where the model or the dialect cannot.
    fn held_schema(&self) -> Option<Value> {
        match &self.ask.draft.format {
            Some(ResponseFormat::JsonSchema { schema, .. }) if self.verbatim => Some(schema.clone()),
            Some(ResponseFormat::JsonSchema { schema, .. }) if self.can(Capability::JsonSchema) => {
                schema::held_to(schema)
            }
            _ => None,
        }
    }

    /// What goes into `output_config`: the effort and the answer's schema.
    fn format(&self, body: &mut Map<String, Value>) {
        let mut config = Map::new();
        if let Think::Effort(effort) = think(self.ask) {
            let word = match effort {
                Effort::None | Effort::Minimal | Effort::Low => "low",
                Effort::Medium => "medium",
                Effort::High => "high",
                Effort::XHigh => "xhigh",
                Effort::Max => "max",
            };
            config.insert("effort".to_owned(), word.into());
        }
        if let Some(schema) = self.held_schema()
            && !self.has("output_format")
        {
            config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
        }
        let more = self.ask.draft.vendor.field(self.api, "output_config").and_then(Value::as_object);
        for (name, value) in more.into_iter().flatten() {
            config.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if !config.is_empty() {
            body.insert("output_config".to_owned(), config.into());
        }
    }
}

/// The text of a user's turn that says nothing besides.
fn only_text<'a>(turn: &Turn<'a>) -> Option<&'a str> {
    let [part] = turn.parts[..] else { return None };
    let is_bare = part.cache.is_none() && part.vendor.is_empty() && turn.vendor.iter().all(|vendor| vendor.is_empty());
    match &part.content {
        Content::Text { text } if is_bare && turn.speaker == Speaker::User && !text.is_empty() => Some(text),
        _ => None,
    }
}

/// A cache mark. The lifetime is said only where it is not the usual one.
fn mark(hint: CacheHint) -> Value {
    match hint {
        CacheHint::FiveMinutes => json!({"type": "ephemeral"}),
        CacheHint::OneHour => json!({"type": "ephemeral", "ttl": "1h"}),
    }
}

fn is_plain_text(block: &Value) -> bool {
    block.as_object().is_some_and(|block| block.len() == 2 && block.get("type") == Some(&Value::from("text")))
}

/// Ids as this vendor writes them; those of other vendors may hold dots and colons.
fn tool_id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

/// An answer that the model goes on with must not end in white space.
fn trim_end(block: Option<&mut Value>) {
    if let Some(Value::String(text)) = block.and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}

fn image_source(source: &Source) -> Result<Value, ProviderError> {
    match source {
        Source::Base64 { media_type, data } => {
            if !["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&media_type.as_str()) {
                return Err(unsupported(format!("no pictures of {media_type}: send jpeg, png, gif or webp")));
            }
            Ok(json!({"type": "base64", "media_type": media_type, "data": data}))
        }
        Source::Url { url, .. } => Ok(json!({"type": "url", "url": url})),
        Source::File { id, .. } => Ok(json!({"type": "file", "file_id": id})),
        Source::Text { .. } => Err(unsupported("a text is no picture: send it as a document")),
    }
}

fn document_source(source: &Source) -> Result<Value, ProviderError> {
    match source {
        Source::Base64 { media_type, data } if media_type == "application/pdf" => {
            Ok(json!({"type": "base64", "media_type": media_type, "data": data}))
        }
        Source::Base64 { media_type, data } if is_text(media_type) => {
            let text = BASE64_STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text =
                text.ok_or_else(|| unsupported(format!("the document of {media_type} is no base64 of UTF-8")))?;
            Ok(json!({"type": "text", "media_type": "text/plain", "data": text}))
        }
        Source::Base64 { media_type, .. } => {
            Err(unsupported(format!("no documents of {media_type}: send application/pdf or text")))
        }
        Source::Url { url, .. } => Ok(json!({"type": "url", "url": url})),
        Source::File { id, .. } => Ok(json!({"type": "file", "file_id": id})),
        Source::Text { text, .. } => Ok(json!({"type": "text", "media_type": "text/plain", "data": text})),
    }
}

fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/") || media_type == "application/json" || media_type == "application/xml"
}
