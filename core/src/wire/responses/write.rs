//! Our request as a Responses body.

use serde_json::{Map, Value, json};

use super::parse::effort_word;
use super::{API, LOGPROBS, add_missing, write_item};
use crate::error::ProviderError;
use crate::model::{Capability, Dialect};
use crate::request::{Effort, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::wire::dial::{Think, effort_of, think};
use crate::wire::json::put;
use crate::wire::turns::{check_tool_name, is_vendors_own, no_arguments, unsupported};
use crate::wire::{Ask, Mode, schema, verbatim};

/// The body, without what the dialect leaves out.
pub(super) fn body(ask: &Ask<'_>, mode: Mode) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, dialect: &ask.endpoint.dialect, verbatim: verbatim::is_verbatim(&ask.endpoint.dialect) };
    let mut body = Map::new();
    if !ask.card.wire_name.is_empty() {
        body.insert("model".to_owned(), ask.card.wire_name.as_str().into());
    }
    write_item::conversation(ask, writer.verbatim, &mut body)?;
    put(&mut body, "max_output_tokens", if writer.verbatim { ask.draft.max_tokens } else { Some(ask.max_tokens) });
    writer.sampling(&mut body)?;
    writer.tools(&mut body)?;
    writer.format(&mut body);
    writer.reasoning(&mut body);
    put(&mut body, "service_tier", ask.draft.service_tier.and_then(tier));
    if !writer.verbatim {
        writer.storage(&mut body);
    }
    ask.draft.vendor.write_into(API, &mut body);
    if mode == Mode::Stream {
        body.insert("stream".to_owned(), true.into());
    }
    if !writer.verbatim {
        body.retain(|name, _| !writer.dialect.omit.iter().any(|left_out| left_out == name));
    }
    Ok(body)
}

struct Writer<'a> {
    ask: &'a Ask<'a>,
    dialect: &'a Dialect,
    verbatim: bool,
}

impl Writer<'_> {
    fn vendor(&self, name: &str) -> Option<&Value> {
        self.ask.draft.vendor.field(API, name)
    }

    fn sampling(&self, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
        let (sampling, accepts) = (&self.ask.draft.sampling, &self.ask.card.accepts);
        if sampling.candidates.is_some_and(|count| count > 1) {
            return Err(unsupported("this format gives one answer: ask several times"));
        }
        if !sampling.stop.is_empty() && accepts.stop {
            return Err(unsupported("this format takes no stop texts: ask without, or another model"));
        }
        if accepts.sampling {
            put(body, "temperature", sampling.temperature);
            let both = sampling.temperature.is_some() && !accepts.temperature_with_top_p;
            put(body, "top_p", sampling.top_p.filter(|_| !both));
        }
        put(body, "top_logprobs", sampling.logprobs);
        Ok(())
    }

    /// Nothing is stored unless asked for, and what must then travel with the answer is asked for.
    fn storage(&self, body: &mut Map<String, Value>) {
        let background = self.vendor("background") == Some(&Value::Bool(true));
        if self.vendor("store").is_none() && !background {
            body.insert("store".to_owned(), false.into());
        }
        let mut include = self.vendor("include").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut add = |name: &str| {
            if !include.iter().any(|one| one == name) {
                include.push(name.into());
            }
        };
        let is_own = self.vendor("include").is_some();
        if !is_own && body.contains_key("store") && self.ask.card.capabilities.contains(&Capability::Reasoning) {
            add("reasoning.encrypted_content");
        }
        if self.ask.draft.sampling.logprobs.is_some() {
            add(LOGPROBS);
        }
        if !include.is_empty() {
            body.insert("include".to_owned(), include.into());
        }
    }

    fn tools(&self, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
        let draft = self.ask.draft;
        if !draft.tools.is_empty() {
            let tools = draft.tools.iter().map(|tool| self.tool(tool)).collect::<Result<Vec<_>, _>>()?;
            body.insert("tools".to_owned(), tools.into());
        }
        let is_said = self.verbatim || !draft.tools.is_empty();
        let choice = draft.tool_choice.as_ref().filter(|_| is_said).map(|choice| match choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Named(name) => json!({"type": "function", "name": name}),
        });
        put(body, "tool_choice", choice);
        put(body, "parallel_tool_calls", draft.parallel_tools.filter(|_| is_said));
        Ok(())
    }

    fn tool(&self, tool: &Tool) -> Result<Value, ProviderError> {
        let mut written = Map::new();
        if !is_vendors_own(tool, API, &["function"])? {
            written.insert("type".to_owned(), "function".into());
            written.insert("name".to_owned(), tool.name.as_str().into());
            put(&mut written, "description", tool.description.as_deref());
            let schema = tool.parameters.clone().or_else(|| (!self.verbatim).then(no_arguments));
            let held = schema.as_ref().filter(|_| tool.strict == Some(true)).and_then(|schema| self.strict(schema));
            put(&mut written, "parameters", held.or(schema));
            // Left out, it would mean yes: schemas that were not made for that are refused then.
            put(&mut written, "strict", tool.strict.or((!self.verbatim).then_some(false)));
            if !self.verbatim {
                check_tool_name(&tool.name, 128, "_-")?;
            }
        }
        tool.vendor.write_into(API, &mut written);
        Ok(written.into())
    }

    /// A schema in OpenAI's strict dialect, where it can be said and the vendor wants it.
    fn strict(&self, schema: &Value) -> Option<Value> {
        let is_plain = self.dialect.more.get("schema").is_some_and(|form| form == "plain");
        if self.verbatim || is_plain { None } else { schema::strict(schema) }
    }

    fn format(&self, body: &mut Map<String, Value>) {
        let mut written = Map::new();
        match &self.ask.draft.format {
            None => return,
            Some(ResponseFormat::Text) => drop(written.insert("type".to_owned(), "text".into())),
            Some(ResponseFormat::JsonObject) => drop(written.insert("type".to_owned(), "json_object".into())),
            Some(ResponseFormat::JsonSchema { name, description, schema, strict }) => {
                let held = if *strict == Some(false) { None } else { self.strict(schema) };
                let strict = if self.verbatim { *strict } else { strict.or(Some(held.is_some())) };
                written.insert("type".to_owned(), "json_schema".into());
                written.insert("name".to_owned(), name.as_str().into());
                put(&mut written, "description", description.as_deref());
                written.insert("schema".to_owned(), held.unwrap_or_else(|| schema.clone()));
                put(&mut written, "strict", strict);
            }
        }
        let mut text = Map::from_iter([("format".to_owned(), written.into())]);
        add_missing(&mut text, self.vendor("text"));
        body.insert("text".to_owned(), text.into());
    }

    fn reasoning(&self, body: &mut Map<String, Value>) {
        let Some(asked) = &self.ask.draft.reasoning else { return };
        let effort = match think(self.ask) {
            _ if self.verbatim => asked.effort.map(word_of),
            Think::Off => self.words().find(|word| *word == "none").map(str::to_owned),
            Think::Effort(effort) => Some(self.word(effort)),
            Think::Budget(budget) => Some(self.word(asked.effort.unwrap_or_else(|| effort_of(budget)))),
            Think::Unsaid => return,
            Think::Free => None,
        };
        let mut written = Map::new();
        put(&mut written, "effort", effort);
        put(&mut written, "summary", (asked.show == Some(true)).then_some("auto"));
        add_missing(&mut written, self.vendor("reasoning"));
        if !written.is_empty() {
            body.insert("reasoning".to_owned(), written.into());
        }
    }

    /// The words that the vendor takes, weakest first.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.dialect.more.get("efforts").map_or("low,medium,high", String::as_str).split(',').map(str::trim)
    }

    /// The vendor's word that is nearest: the effort's own, else the next stronger one, else the strongest.
    fn word(&self, effort: Effort) -> String {
        let known = |word: &&str| effort_word(word).is_some_and(|known| known >= effort);
        self.words().find(known).or(self.words().last()).unwrap_or("high").to_owned()
    }
}

/// The format's own word for an effort.
fn word_of(effort: Effort) -> String {
    json!(effort).as_str().unwrap_or("medium").to_owned()
}

fn tier(tier: ServiceTier) -> Option<&'static str> {
    match tier {
        ServiceTier::Auto => Some("auto"),
        ServiceTier::Standard => Some("default"),
        ServiceTier::Flex => Some("flex"),
        ServiceTier::Priority => Some("priority"),
        ServiceTier::Batch => None,
    }
}
