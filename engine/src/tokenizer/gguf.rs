//! Reads the vocabulary of a GGUF file: byte-level pairs (`gpt2`), or pieces with scores (`llama`).
//!
//! Such a file names its way to cut words; `gguf_words.json` holds the patterns of those names.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::json::{pairs_of, written};
use super::merge::{Merges, Vocabulary};
use super::words::{Normalise, Split};
use super::{Added, Spelling, Tokenizer, bad};
use crate::error::EngineError;
use crate::weights::gguf::{Metadata, Value};

const WORDS: &str = include_str!("gguf_words.json");
/// Kinds of tokens that stand for a fixed text: control, user-defined.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// The tokenizer in a file's metadata.
pub(super) fn from_gguf(metadata: &Metadata) -> Result<Tokenizer, EngineError> {
    let key = |name: &str| metadata.get(&format!("tokenizer.ggml.{name}"));
    let Some(Value::Texts(texts)) = key("tokens") else { return Err(bad("its vocabulary is missing")) };
    let tokens: HashMap<String, u32> = texts.iter().cloned().zip(0u32..).collect();
    let kinds = match key("token_type") {
        Some(Value::Wholes(kinds)) => kinds.as_slice(),
        _ => &[],
    };
    let fixed = kinds.iter().zip(texts).zip(0u32..).filter(|((kind, _), _)| matches!(**kind, CONTROL | USER_DEFINED));
    let added: Vec<(String, u32, bool)> =
        fixed.map(|((kind, text), id)| (text.clone(), id, *kind == CONTROL)).collect();
    let token = |name: &str| match key(name) {
        Some(Value::Whole(id)) => u32::try_from(*id).ok().filter(|id| (*id as usize) < texts.len()),
        _ => None,
    };
    let flag = |name: &str, default: bool| match key(name) {
        Some(Value::Flag(flag)) => *flag,
        _ => default,
    };
    let is_scored = match key("model") {
        Some(Value::Text(model)) if model == "llama" => true,
        Some(Value::Text(model)) if model == "gpt2" => false,
        _ => return Err(bad("its vocabulary is of a kind other than gpt2 and llama")),
    };
    let spelling = if is_scored { Spelling::Text } else { Spelling::Bytes };
    let written = written(&tokens, &added, spelling)?;
    let begin = token("bos_token_id").filter(|_| flag("add_bos_token", is_scored));
    let (splits, normalise, merges) = if is_scored {
        let Some(Value::Numbers(scores)) = key("scores") else { return Err(bad("its scores are missing")) };
        (Vec::new(), spaces(flag("add_space_prefix", true)), Merges::Scored(scores.clone()))
    } else {
        let Some(Value::Texts(merges)) = key("merges") else { return Err(bad("its merges are missing")) };
        let pairs = pairs_of(merges.iter().map(|merge| merge.split_once(' ')), &tokens)?;
        let pre = match key("pre") {
            Some(Value::Text(name)) => name.as_str(),
            _ => "default",
        };
        // Names of the same pattern with whole words: those of Llama 3.
        (words(pre)?, Vec::new(), Merges::Listed { pairs, whole_words: pre == "llama-bpe" })
    };
    Ok(Tokenizer {
        normalise,
        splits,
        vocabulary: Vocabulary::new(tokens, is_scored, token("unknown_token_id")),
        merges,
        added: Added::new(added),
        spelling,
        written,
        begin,
        strips_first_space: is_scored,
    })
}

fn spaces(prefixed: bool) -> Vec<Normalise> {
    let mark = Normalise::Replace(" ".into(), "\u{2581}".into());
    if prefixed { vec![Normalise::Prepend("\u{2581}".into()), mark] } else { vec![mark] }
}

fn words(name: &str) -> Result<Vec<Split>, EngineError> {
    let table: Json = serde_json::from_str(WORDS).expect("the table of patterns is valid JSON");
    let Some(patterns) = table.get(name).and_then(Json::as_array) else {
        let shown: String = name.chars().take(40).collect();
        return Err(bad(format!("its way to cut words, '{shown}', is not known")));
    };
    patterns.iter().filter_map(Json::as_str).map(|pattern| Ok(Split::Pattern(Split::pattern(pattern)?))).collect()
}
