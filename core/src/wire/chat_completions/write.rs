//! Our request as a chat completions body.

use serde_json::{Map, Value, json};

use super::{API, add_missing, write_message};
use crate::error::ProviderError;
use crate::message::{Message, Role};
use crate::model::Dialect;
use crate::request::{Effort, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::wire::dial::{Think, effort_of, think};
use crate::wire::json::put;
use crate::wire::plain::{self, Head};
use crate::wire::turns::{is_vendors_own, no_arguments};
use crate::wire::{Ask, Mode, schema, verbatim};

/// The body, without what the dialect leaves out.
pub(in crate::wire) fn body(ask: &Ask<'_>, mode: Mode) -> Result<Map<String, Value>, ProviderError> {
    let mut body = Map::new();
    if !ask.card.wire_name.is_empty() {
        body.insert("model".to_owned(), ask.card.wire_name.as_str().into());
    }
    let is_verbatim = verbatim::is_verbatim(&ask.endpoint.dialect);
    body.insert("messages".to_owned(), write_message::all(ask, is_verbatim)?.into());
    rest(ask, mode, body)
}

/// The model and the messages of a conversation of plain texts; `None` where it is another.
pub(in crate::wire) fn plain(ask: &Ask<'_>) -> Option<Head> {
    let (draft, dialect) = (ask.draft, &ask.endpoint.dialect);
    let is_left_out = dialect.omit.iter().any(|name| name == "model" || name == "messages");
    if !plain::may_be(ask, API) || is_left_out {
        return None;
    }
    let is_plain = |message: &Message| {
        plain::text_of(message).is_some() && (ask.card.accepts.system || !plain::instructs(message))
    };
    if !draft.messages.iter().all(is_plain) {
        return None;
    }
    let developer = if dialect.more.contains_key("developer_role") { "developer" } else { "system" };
    let role = |message: &Message| match message.role {
        Role::System => "system",
        Role::Developer => developer,
        Role::Assistant => "assistant",
        _ => "user",
    };
    let mut head = Head::new();
    if !ask.card.wire_name.is_empty() {
        head.text("model", &ask.card.wire_name);
    }
    head.messages(draft.messages.iter().filter_map(|message| Some((role(message), plain::text_of(message)?))));
    Some(head)
}

/// What comes after the messages.
pub(super) fn rest(
    ask: &Ask<'_>,
    mode: Mode,
    mut body: Map<String, Value>,
) -> Result<Map<String, Value>, ProviderError> {
    let writer = Writer { ask, dialect: &ask.endpoint.dialect, verbatim: verbatim::is_verbatim(&ask.endpoint.dialect) };
    writer.max_tokens(&mut body);
    writer.sampling(&mut body);
    writer.tools(&mut body)?;
    writer.format(&mut body);
    writer.reasoning(&mut body);
    put(&mut body, "service_tier", ask.draft.service_tier.and_then(|tier| writer.tier(tier)));
    ask.draft.vendor.write_into(API, &mut body);
    if mode == Mode::Stream {
        body.insert("stream".to_owned(), true.into());
        if !writer.verbatim && !body.contains_key("stream_options") {
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
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
    fn more(&self, name: &str) -> Option<&str> {
        self.dialect.more.get(name).map(String::as_str)
    }

    /// A note of how a body that was read wrote something; only a verbatim copy heeds it.
    fn note(&self, name: &str) -> Option<&str> {
        self.ask.draft.vendor.field(API, name).filter(|_| self.verbatim)?.as_str()
    }

    fn max_tokens(&self, body: &mut Map<String, Value>) {
        let most = if self.verbatim { self.ask.draft.max_tokens } else { Some(self.ask.max_tokens) };
        let field = self.note("$max_tokens").or(self.dialect.max_tokens_field.as_deref()).unwrap_or("max_tokens");
        put(body, field, most);
    }

    fn sampling(&self, body: &mut Map<String, Value>) {
        let (sampling, accepts) = (&self.ask.draft.sampling, &self.ask.card.accepts);
        if accepts.sampling {
            put(body, "temperature", sampling.temperature);
            let both = sampling.temperature.is_some() && !accepts.temperature_with_top_p;
            put(body, "top_p", sampling.top_p.filter(|_| !both));
            put(body, "top_k", sampling.top_k);
            put(body, "min_p", sampling.min_p);
            put(body, "frequency_penalty", sampling.frequency_penalty);
            put(body, "presence_penalty", sampling.presence_penalty);
        }
        put(body, self.more("seed_field").unwrap_or("seed"), sampling.seed);
        if accepts.stop && !sampling.stop.is_empty() {
            let stop = match (&sampling.stop[..], self.note("$stop")) {
                ([one], Some("text")) => Value::String(one.clone()),
                (several, _) => several.to_vec().into(),
            };
            body.insert("stop".to_owned(), stop);
        }
        if let Some(count) = sampling.logprobs {
            body.insert("logprobs".to_owned(), true.into());
            if count > 0 || self.note("$top_logprobs").is_some() {
                body.insert("top_logprobs".to_owned(), count.into());
            }
        }
        put(body, "n", sampling.candidates);
    }

    fn tools(&self, body: &mut Map<String, Value>) -> Result<(), ProviderError> {
        let draft = self.ask.draft;
        if !draft.tools.is_empty() {
            let tools = draft.tools.iter().map(|tool| self.tool(tool)).collect::<Result<Vec<_>, _>>()?;
            body.insert("tools".to_owned(), tools.into());
        }
        let choice = draft.tool_choice.as_ref().filter(|_| self.verbatim || !draft.tools.is_empty());
        put(
            body,
            "tool_choice",
            choice.map(|choice| match choice {
                ToolChoice::Auto => json!("auto"),
                ToolChoice::None => json!("none"),
                ToolChoice::Required => json!(self.more("required_tool").unwrap_or("required")),
                ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
            }),
        );
        put(body, "parallel_tool_calls", draft.parallel_tools.filter(|_| self.verbatim || !draft.tools.is_empty()));
        Ok(())
    }

    fn tool(&self, tool: &Tool) -> Result<Value, ProviderError> {
        let mut written = Map::new();
        if !is_vendors_own(tool, API, &["function"])? {
            let mut function = Map::new();
            function.insert("name".to_owned(), tool.name.as_str().into());
            put(&mut function, "description", tool.description.as_deref());
            let schema = tool.parameters.clone().or_else(|| (!self.verbatim).then(no_arguments));
            let held = schema.as_ref().filter(|_| tool.strict == Some(true)).and_then(|schema| self.strict(schema));
            put(&mut function, "parameters", held.or(schema));
            put(&mut function, "strict", tool.strict);
            if let Some(Value::Object(inner)) = tool.vendor.field(API, "$inner") {
                add_missing(&mut function, inner);
            }
            let has_type = !self.verbatim || tool.vendor.field(API, "$no_type").is_none();
            put(&mut written, "type", has_type.then_some("function"));
            written.insert("function".to_owned(), function.into());
            if let Some(hint) = tool.cache.filter(|_| self.verbatim || self.more("cache_control").is_some()) {
                written.insert("cache_control".to_owned(), write_message::mark(hint));
            }
        }
        tool.vendor.write_into(API, &mut written);
        Ok(written.into())
    }

    /// A schema in OpenAI's strict dialect, where it can be said and the vendor wants it.
    fn strict(&self, schema: &Value) -> Option<Value> {
        if self.verbatim || self.more("schema") == Some("plain") {
            return None;
        }
        schema::strict(schema)
    }

    fn format(&self, body: &mut Map<String, Value>) {
        let written = match &self.ask.draft.format {
            None => return,
            Some(ResponseFormat::Text) => json!({"type": "text"}),
            Some(ResponseFormat::JsonObject) => json!({"type": "json_object"}),
            Some(ResponseFormat::JsonSchema { name, description, schema, strict }) => {
                let held = if *strict == Some(false) { None } else { self.strict(schema) };
                let strict = if self.verbatim { *strict } else { strict.or(held.as_ref().map(|_| true)) };
                let mut inner = Map::new();
                inner.insert("name".to_owned(), name.as_str().into());
                put(&mut inner, "description", description.as_deref());
                inner.insert("schema".to_owned(), held.unwrap_or_else(|| schema.clone()));
                put(&mut inner, "strict", strict);
                json!({"type": "json_schema", "json_schema": inner})
            }
        };
        body.insert("response_format".to_owned(), written);
    }

    fn reasoning(&self, body: &mut Map<String, Value>) {
        let asked = if self.verbatim { self.as_read() } else { think(self.ask) };
        let way = self.note("$reasoning").or(self.more("reasoning")).unwrap_or("effort");
        match (way, asked) {
            (_, Think::Unsaid) => {}
            ("object", asked) => drop(body.insert("reasoning".to_owned(), self.object(asked).into())),
            ("thinking", asked) => {
                body.insert("thinking".to_owned(), thinking(asked));
                // Vendors with a switch and words take both.
                if let (Think::Effort(effort), Some(_)) = (asked, self.more("efforts")) {
                    put(body, "reasoning_effort", Some(self.word(effort)));
                }
            }
            (_, Think::Off) => put(body, "reasoning_effort", self.off_word()),
            (_, Think::Free) => {}
            (_, Think::Effort(effort)) => put(body, "reasoning_effort", Some(self.word(effort))),
            (_, Think::Budget(budget)) => put(body, "reasoning_effort", Some(self.word(effort_of(budget)))),
        }
    }

    /// What a body that was read asked, with nothing converted.
    fn as_read(&self) -> Think {
        match &self.ask.draft.reasoning {
            None => Think::Unsaid,
            Some(asked) => match (asked.effort, asked.budget_tokens) {
                (_, Some(0)) => Think::Off,
                (_, Some(budget)) => Think::Budget(budget),
                (Some(effort), None) => Think::Effort(effort),
                (None, None) => Think::Free,
            },
        }
    }

    /// The word that turns thinking off; without one nothing is said, since models that know none refuse it.
    fn off_word(&self) -> Option<String> {
        self.words().find(|word| matches!(*word, "none")).map(str::to_owned)
    }

    /// The words that the vendor takes, weakest first.
    fn words(&self) -> impl Iterator<Item = &str> {
        let stock = if self.verbatim { "none,minimal,low,medium,high,xhigh,max" } else { "low,medium,high" };
        self.more("efforts").unwrap_or(stock).split(',')
    }

    /// The vendor's word that is nearest: the effort's own, else the next stronger one, else the strongest.
    fn word(&self, effort: Effort) -> String {
        let known = |word: &&str| effort_word(word).is_some_and(|known| known >= effort);
        self.words().find(known).or(self.words().last()).unwrap_or("high").to_owned()
    }

    fn object(&self, asked: Think) -> Map<String, Value> {
        let mut object = Map::new();
        match asked {
            Think::Unsaid => {}
            Think::Free => drop(object.insert("enabled".to_owned(), true.into())),
            Think::Off if self.verbatim => drop(object.insert("max_tokens".to_owned(), 0.into())),
            Think::Off => drop(object.insert("enabled".to_owned(), false.into())),
            Think::Effort(effort) => drop(object.insert("effort".to_owned(), json!(effort))),
            Think::Budget(budget) => drop(object.insert("max_tokens".to_owned(), budget.into())),
        }
        let show = self.ask.draft.reasoning.as_ref().and_then(|asked| asked.show);
        put(&mut object, "exclude", show.map(|show| !show));
        object
    }

    fn tier(&self, tier: ServiceTier) -> Option<&'static str> {
        match tier {
            ServiceTier::Auto => Some("auto"),
            ServiceTier::Standard => Some("default"),
            ServiceTier::Flex => Some("flex"),
            ServiceTier::Priority => Some("priority"),
            ServiceTier::Batch => None,
        }
    }
}

/// The switch of Z.ai, Moonshot and DeepSeek.
fn thinking(asked: Think) -> Value {
    match asked {
        Think::Off => json!({"type": "disabled"}),
        Think::Budget(budget) => json!({"type": "enabled", "budget_tokens": budget}),
        _ => json!({"type": "enabled"}),
    }
}

/// The effort that a word names.
pub(super) fn effort_word(word: &str) -> Option<Effort> {
    serde_json::from_value(word.trim().into()).ok()
}
