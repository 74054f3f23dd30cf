//! What there is to choose from: models, the endpoints that serve them, what each can do and takes.
//!
//! All of it is data from the catalogue or the user's configuration. No code asks for a vendor by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::catalog::PriceList;
use crate::id::{EndpointId, ModelId, Region, VendorId};

/// A wire format: how requests and replies are written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Api {
    /// OpenAI chat completions, and the many that copy it.
    #[serde(rename = "chat_completions")]
    ChatCompletions,
    /// OpenAI Responses.
    #[serde(rename = "responses")]
    Responses,
    /// Anthropic Messages.
    #[serde(rename = "messages")]
    Messages,
    /// Gemini generateContent, on Google AI or Vertex.
    #[serde(rename = "generateContent")]
    GenerateContent,
    /// Bedrock Converse.
    #[serde(rename = "converse")]
    Converse,
    /// Bedrock InvokeModel, whose body is the model vendor's own.
    #[serde(rename = "invoke")]
    Invoke,
    /// Cohere v2 chat.
    #[serde(rename = "cohere_chat")]
    CohereChat,
    /// Ollama's own chat.
    #[serde(rename = "ollama_chat")]
    OllamaChat,
    /// Ollama's own completion.
    #[serde(rename = "ollama_generate")]
    OllamaGenerate,
    /// OpenAI embeddings, and the many that copy it.
    #[serde(rename = "embeddings")]
    Embeddings,
    /// The native engine, in this process.
    #[serde(rename = "engine")]
    Engine,
}

impl Api {
    /// Every format.
    pub const ALL: [Api; 11] = [
        Api::ChatCompletions,
        Api::Responses,
        Api::Messages,
        Api::GenerateContent,
        Api::Converse,
        Api::Invoke,
        Api::CohereChat,
        Api::OllamaChat,
        Api::OllamaGenerate,
        Api::Embeddings,
        Api::Engine,
    ];

    /// The name that data files use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Api::ChatCompletions => "chat_completions",
            Api::Responses => "responses",
            Api::Messages => "messages",
            Api::GenerateContent => "generateContent",
            Api::Converse => "converse",
            Api::Invoke => "invoke",
            Api::CohereChat => "cohere_chat",
            Api::OllamaChat => "ollama_chat",
            Api::OllamaGenerate => "ollama_generate",
            Api::Embeddings => "embeddings",
            Api::Engine => "engine",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Api {
    type Err = UnknownApi;

    fn from_str(text: &str) -> Result<Api, UnknownApi> {
        Api::ALL
            .into_iter()
            .find(|api| api.as_str() == text)
            .ok_or_else(|| UnknownApi { text: text.chars().take(40).collect() })
    }
}

/// No wire format has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is no wire format: use chat_completions, responses, messages, generateContent, converse, invoke, \
     cohere_chat, ollama_chat, ollama_generate, embeddings or engine"
)]
pub struct UnknownApi {
    /// The refused text, cut to 40 characters.
    pub text: String,
}

/// A way to hand in many requests at once, to be answered within a day at the batch price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchApi {
    /// OpenAI: a file of requests, and a batch of it.
    Openai,
    /// Anthropic: all requests in one body.
    Anthropic,
    /// Gemini: all requests in one body, or in a file.
    Gemini,
    /// Mistral: a file of requests, and a job of it.
    Mistral,
}

impl BatchApi {
    /// Every batch API.
    pub const ALL: [BatchApi; 4] = [BatchApi::Openai, BatchApi::Anthropic, BatchApi::Gemini, BatchApi::Mistral];

    /// The name that data files use.
    pub const fn as_str(self) -> &'static str {
        match self {
            BatchApi::Openai => "openai",
            BatchApi::Anthropic => "anthropic",
            BatchApi::Gemini => "gemini",
            BatchApi::Mistral => "mistral",
        }
    }
}

/// How strong and how dear a model is, among those on sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// On the user's own machine.
    Local,
    /// Small and cheap.
    Economy,
    /// In between.
    Standard,
    /// The strongest there are.
    Frontier,
}

impl Tier {
    /// Every tier, cheapest first.
    pub const ALL: [Tier; 4] = [Tier::Local, Tier::Economy, Tier::Standard, Tier::Frontier];

    /// The name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Tier::Local => "local",
            Tier::Economy => "economy",
            Tier::Standard => "standard",
            Tier::Frontier => "frontier",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that a request may need and a model may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Capability {
    /// Reads pictures.
    Vision,
    /// Reads sound.
    AudioInput,
    /// Reads moving pictures.
    VideoInput,
    /// Reads documents such as PDF.
    Documents,
    /// Calls tools.
    Tools,
    /// Calls several tools in one turn.
    ParallelTools,
    /// Can be made to call a tool, or a named one.
    ForcedTools,
    /// Answers in JSON.
    JsonMode,
    /// Holds its answer to a JSON Schema.
    JsonSchema,
    /// Thinks before it answers, and can be told how much.
    Reasoning,
    /// Reports log-probabilities.
    Logprobs,
    /// Takes cache marks, or caches by itself.
    PromptCache,
    /// Streams.
    Streaming,
    /// Draws repeatably from a seed.
    Seed,
    /// Gives several answers to one request.
    Candidates,
}

/// What parameters a model takes: those it does not take are left out, or the request is refused, never sent to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accepts {
    /// `temperature`, `top_p` and the penalties. Reasoning models often refuse them.
    pub sampling: bool,
    /// System messages; otherwise their text is put before the first user message.
    pub system: bool,
    /// Stop texts.
    pub stop: bool,
    /// Whether temperature and top_p may both be given.
    pub temperature_with_top_p: bool,
    /// How the model is told how much to think; what was asked otherwise is converted.
    pub reasoning: ReasoningDial,
}

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReasoningDial {
    /// In words or in tokens.
    #[default]
    Either,
    /// In words alone.
    Effort,
    /// In tokens alone.
    Budget,
}

impl Default for Accepts {
    fn default() -> Accepts {
        Accepts {
            sampling: true,
            system: true,
            stop: true,
            temperature_with_top_p: true,
            reasoning: ReasoningDial::Either,
        }
    }
}

/// One model on sale, or of the user's own: a row of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCard {
    /// How users name it: `vendor/name`.
    pub id: ModelId,
    /// Who sells it.
    pub vendor: VendorId,
    /// The name that goes over the wire.
    pub wire_name: String,
    /// Other names that find this card, dated snapshots among them.
    pub aliases: Vec<String>,
    /// What it is, whoever serves it: `deepseek-v3`. Abilities are known by family.
    pub family: String,
    /// How strong and dear it is.
    pub tier: Tier,
    /// Most tokens of prompt and answer together.
    pub context_window: u64,
    /// Most tokens of an answer, reasoning included.
    pub max_output: u64,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// What parameters it takes.
    pub accepts: Accepts,
    /// Whether its weights can be had, so that one may run it oneself.
    pub self_hostable: bool,
    /// Prices, newest last; none means that it cannot be budgeted and is not called.
    pub prices: PriceList,
    /// Which of the vendor's endpoints serve it; empty means all.
    pub endpoints: Vec<EndpointId>,
    /// Where the row's facts were read.
    pub source: String,
    /// When, as `2026-08-21`.
    pub date: String,
    /// Whether the vendor has withdrawn it: kept for its prices, never chosen by itself.
    pub retired: bool,
}

/// How an endpoint wants to be shown a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Auth {
    /// No key.
    None,
    /// `authorization: Bearer KEY`.
    Bearer,
    /// A header of this name.
    Header(String),
    /// AWS Signature Version 4 for this service name.
    Sigv4(String),
}

/// One address that serves models.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its name: the vendor's for the main one, `bedrock-eu-central-1` for one of several.
    pub id: EndpointId,
    /// Whose it is.
    pub vendor: VendorId,
    /// The format it speaks.
    pub api: Api,
    /// Where paths start: `https://api.deepseek.com/v1`, without a slash at the end.
    pub base_url: String,
    /// Where data is processed. `global` means anywhere.
    pub region: Region,
    /// Whether it is the user's own server or this very process: no data reaches a vendor.
    pub self_hosted: bool,
    /// How it wants the key.
    pub auth: Auth,
    /// The environment variable that holds the key.
    pub key_env: Option<String>,
    /// Header names and values that every call carries, none of them secret: `anthropic-version`.
    pub headers: BTreeMap<String, String>,
    /// How its use of the format differs.
    pub dialect: Dialect,
}

/// How a vendor's use of a wire format differs from the format's own documents. All of it is data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialect {
    /// The path after the base URL in place of the format's own; `{model}` stands for the wire name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of the field for the most tokens of output: `max_tokens` or `max_completion_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_field: Option<String>,
    /// The field of a message that carries reasoning: `reasoning_content` or `reasoning`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_field: Option<String>,
    /// Whether reasoning must be sent back with tool turns.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub resend_reasoning: bool,
    /// Fields of the format that the vendor refuses: they are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub omit: Vec<String>,
    /// Whether `cached` tokens are counted beside `input` rather than inside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_outside_input: Option<bool>,
    /// Whether reasoning tokens are counted beside `output` rather than inside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_outside_output: Option<bool>,
    /// The batch API that the endpoint has beside the format, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchApi>,
    /// Further differences, by name, for a wire to read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, String>,
}
