//! The ordinary chunk of a stream, read without building a tree: a piece of text, of reasoning or of arguments.
//!
//! Anything out of the ordinary (an unknown field, a reason to stop, usage, a new tool call) fails to read here and is
//! read as a tree by `stream` instead. So this file only lists what may be skipped because the first chunk, which is
//! always read as a tree, has said it already.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A chunk with one choice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chunk {
    pub(super) choices: [Choice; 1],
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(default, rename = "object")]
    _object: IgnoredAny,
    #[serde(default, rename = "created")]
    _created: IgnoredAny,
    #[serde(default, rename = "model")]
    _model: IgnoredAny,
    #[serde(default, rename = "provider")]
    _provider: IgnoredAny,
    #[serde(default, rename = "system_fingerprint")]
    _system_fingerprint: IgnoredAny,
    #[serde(default, rename = "service_tier")]
    _service_tier: IgnoredAny,
    #[serde(default, rename = "obfuscation")]
    _obfuscation: IgnoredAny,
    #[serde(default, rename = "p")]
    _padding: IgnoredAny,
    #[serde(default, rename = "usage")]
    _usage: (),
    #[serde(default, rename = "prompt_token_ids")]
    _prompt_token_ids: (),
}

/// A choice that goes on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: u32,
    pub(super) delta: Piece,
    #[serde(default, rename = "finish_reason")]
    _finish_reason: (),
    #[serde(default, rename = "native_finish_reason")]
    _native_finish_reason: (),
    #[serde(default, rename = "stop_reason")]
    _stop_reason: (),
    #[serde(default, rename = "logprobs")]
    _logprobs: (),
    #[serde(default, rename = "token_ids")]
    _token_ids: (),
}

/// What a choice grows by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Piece {
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) reasoning_content: Option<String>,
    #[serde(default)]
    pub(super) reasoning: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Option<[Fragment; 1]>,
    #[serde(default, rename = "role")]
    _role: IgnoredAny,
    #[serde(default, rename = "refusal")]
    _refusal: (),
    #[serde(default, rename = "function_call")]
    _function_call: (),
}

/// More arguments of a tool call that has begun.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fragment {
    pub(super) index: u32,
    pub(super) function: Arguments,
    #[serde(default, rename = "id")]
    _id: (),
    #[serde(default, rename = "type")]
    _type: IgnoredAny,
}

/// The text to append.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    pub(super) arguments: String,
    #[serde(default, rename = "name")]
    _name: (),
}
