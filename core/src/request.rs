//! What a user asks for. A `RequestDraft` is plain data; a `Request` is one that was checked, and stays valid.
//!
//! Nothing here knows a vendor. Fields that only one wire format has travel in `vendor` and reach that format alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{DataLabel, ModelId, SessionId};
use crate::message::Message;
use crate::vendor_fields::VendorFields;

mod validate;
pub use validate::RequestError;

/// Which model answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelChoice {
    /// The router decides.
    #[default]
    Auto,
    /// This one, if policy admits it.
    Only(ModelId),
    /// The best of these.
    AnyOf(Vec<ModelId>),
}

/// A request as data, before it was checked. Every field but `messages` may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RequestDraft {
    /// Which model answers.
    pub model: ModelChoice,
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Whether it may, must or must not call them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called in one turn; `None` leaves it to the vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tools: Option<bool>,
    /// The shape of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<ResponseFormat>,
    /// How words are drawn.
    #[serde(skip_serializing_if = "Sampling::is_default")]
    pub sampling: Sampling,
    /// Most tokens of output, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// How much the model should think first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<ReasoningAsk>,
    /// The vendor's lane: priority costs more, flex and batch less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<ServiceTier>,
    /// The conversation this belongs to: it pins models and keeps prompt caches warm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Kinds of data the request holds: policy ties each to where it may go.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<DataLabel>,
    /// The caller's own names for the ledger: user, team, project, feature.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Fields of one wire format only.
    #[serde(skip_serializing_if = "VendorFields::is_empty")]
    pub vendor: VendorFields,
}

/// A checked request: cheap to clone, read-only, valid ever after.
///
/// ```
/// use tierway::{Message, Request};
/// let request = Request::builder().message(Message::user("Translate 'good morning' to Welsh.")).max_tokens(40).build()?;
/// assert_eq!(request.messages.len(), 1);
/// # Ok::<(), tierway::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RequestDraft", into = "RequestDraft")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "RequestDraft"))]
pub struct Request(Arc<RequestDraft>);

impl Request {
    /// Starts an empty request.
    pub fn builder() -> RequestBuilder {
        RequestBuilder { draft: RequestDraft::default() }
    }

    /// One user message, model chosen by the router.
    ///
    /// # Errors
    /// `RequestError` where the text is beyond the size bound.
    pub fn user(text: impl Into<String>) -> Result<Request, RequestError> {
        Request::builder().message(Message::user(text)).build()
    }

    /// A copy of the data, to change and check again.
    pub fn to_draft(&self) -> RequestDraft {
        (*self.0).clone()
    }
}

impl Deref for Request {
    type Target = RequestDraft;

    fn deref(&self) -> &RequestDraft {
        &self.0
    }
}

impl TryFrom<RequestDraft> for Request {
    type Error = RequestError;

    fn try_from(draft: RequestDraft) -> Result<Request, RequestError> {
        validate::check(&draft)?;
        Ok(Request(Arc::new(draft)))
    }
}

impl From<Request> for RequestDraft {
    fn from(request: Request) -> RequestDraft {
        Arc::try_unwrap(request.0).unwrap_or_else(|shared| (*shared).clone())
    }
}

/// Builds a `Request` field by field; `build` checks it.
#[derive(Clone, Debug, Default)]
pub struct RequestBuilder {
    draft: RequestDraft,
}

impl RequestBuilder {
    /// Adds a message after the others.
    pub fn message(mut self, message: Message) -> Self {
        self.draft.messages.push(message);
        self
    }

    /// Asks one model only.
    pub fn model(mut self, model: ModelId) -> Self {
        self.draft.model = ModelChoice::Only(model);
        self
    }

    /// Offers a tool.
    pub fn tool(mut self, tool: Tool) -> Self {
        self.draft.tools.push(tool);
        self
    }

    /// Sets the answer's shape.
    pub fn format(mut self, format: ResponseFormat) -> Self {
        self.draft.format = Some(format);
        self
    }

    /// Sets the most tokens of output, reasoning included.
    pub fn max_tokens(mut self, tokens: u64) -> Self {
        self.draft.max_tokens = Some(tokens);
        self
    }

    /// Sets how words are drawn.
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.draft.sampling = sampling;
        self
    }

    /// Sets how much the model should think.
    pub fn reasoning(mut self, ask: ReasoningAsk) -> Self {
        self.draft.reasoning = Some(ask);
        self
    }

    /// Says which conversation this belongs to.
    pub fn session(mut self, session: SessionId) -> Self {
        self.draft.session = Some(session);
        self
    }

    /// Says that the request holds a kind of data.
    pub fn label(mut self, label: DataLabel) -> Self {
        self.draft.labels.insert(label);
        self
    }

    /// Adds a tag for the ledger.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.draft.tags.insert(key.into(), value.into());
        self
    }

    /// Checks the request.
    ///
    /// # Errors
    /// `RequestError` naming the first field that is wrong and what to write instead.
    pub fn build(self) -> Result<Request, RequestError> {
        self.draft.try_into()
    }
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tool {
    /// Its name: letters, digits, `_`, `-`, `.`, `:`; at most 128.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of its arguments; absent means no arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether the vendor must hold the arguments to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Keeps the prompt up to and including this tool in the vendor's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<crate::message::CacheHint>,
    /// Fields of one format only. A tool of the vendor's own (web search, code execution) is whole in here.
    #[serde(default, skip_serializing_if = "VendorFields::is_empty")]
    pub vendor: VendorFields,
}

/// Whether tools may, must or must not be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool is called.
    None,
    /// At least one tool is called.
    Required,
    /// This tool is called.
    Named(String),
}

/// The shape of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Free text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that keeps to a schema.
    JsonSchema {
        /// A name for the schema.
        name: String,
        /// What it is for, for the model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// The JSON Schema.
        schema: Value,
        /// Whether the vendor must hold the answer to it; `None` leaves it to the vendor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

/// How words are drawn. `None` leaves each to the vendor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Sampling {
    /// 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Above 0, to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// At least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// For repeatable drawing, as far as the vendor keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// How many alternatives to each drawn token to report with log-probabilities: 0 to 20; `None` reports none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u8>,
    /// How many answers: 1 to 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<u8>,
}

impl Sampling {
    /// Whether everything is left to the vendor.
    pub fn is_default(&self) -> bool {
        *self == Sampling::default()
    }
}

/// How much the model should think before it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ReasoningAsk {
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// In tokens; zero means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_tokens: Option<u64>,
    /// Whether to show the reasoning, or a summary of it, where the vendor hides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show: Option<bool>,
}

/// How hard to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as the model can.
    Minimal,
    /// Little.
    Low,
    /// The usual.
    Medium,
    /// Much.
    High,
    /// More than much, where a model tells it apart.
    #[serde(rename = "xhigh")]
    XHigh,
    /// As much as the model can.
    Max,
}

/// A vendor's lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceTier {
    /// Left to the vendor's account settings.
    Auto,
    /// The ordinary lane.
    Standard,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
    /// Within a day, at about half the price.
    Batch,
}
