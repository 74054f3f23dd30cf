//! Reads a `tokenizer.json`.

use std::collections::HashMap;

use serde_json::Value;

use super::merge::{Merges, Pairs, Vocabulary};
use super::words::{Normalise, Prepend, Split};
use super::{Added, Spelling, Tokenizer, bad, bytes};
use crate::error::EngineError;
use crate::json::tree;
use crate::limits::{TOKENIZER_STEPS_MAX, VOCABULARY_MAX};

/// GPT-2's way to cut words, which a byte-level step without a pattern of its own uses.
pub(super) const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The tokenizer of a `tokenizer.json`.
pub(super) fn from_json(text: &str) -> Result<Tokenizer, EngineError> {
    let file = tree(text).map_err(|what| bad(format!("its file is not JSON: {what}")))?;
    let model = &file["model"];
    // Older files leave the type out.
    if model["type"].as_str().unwrap_or("BPE") != "BPE" {
        return Err(bad("its model is not byte-pair encoding"));
    }
    let tokens = vocabulary(model)?;
    let mut splits = Vec::new();
    let mut spelling = Spelling::Text;
    read_splits(&file["pre_tokenizer"], &mut splits, &mut spelling)?;
    let mut normalise = Vec::new();
    read_normalisers(&file["normalizer"], &mut normalise)?;
    if splits.len() > TOKENIZER_STEPS_MAX || normalise.len() > TOKENIZER_STEPS_MAX {
        return Err(bad(format!("it has more than {TOKENIZER_STEPS_MAX} steps")));
    }
    let added = added(&file["added_tokens"])?;
    let written = written(&tokens, &added, spelling)?;
    let unknown = model["unk_token"].as_str().and_then(|text| tokens.get(text)).copied();
    let pairs = pairs(&model["merges"], &tokens)?;
    let begin = first_special(&file["post_processor"], &added);
    let vocabulary = Vocabulary::new(tokens, model["byte_fallback"].as_bool().unwrap_or(false), unknown);
    Ok(Tokenizer {
        normalise,
        splits,
        vocabulary,
        merges: Merges::Listed { pairs, whole_words: model["ignore_merges"].as_bool().unwrap_or(false) },
        added: Added::new(added),
        spelling,
        written,
        begin,
        strips_first_space: spelling == Spelling::Text,
    })
}

fn vocabulary(model: &Value) -> Result<HashMap<String, u32>, EngineError> {
    let entries = model["vocab"].as_object().ok_or_else(|| bad("its vocabulary is missing"))?;
    let mut tokens = HashMap::with_capacity(entries.len().min(VOCABULARY_MAX));
    for (text, id) in entries {
        tokens.insert(text.clone(), token_id(id)?);
    }
    Ok(tokens)
}

/// A token's number. The bound keeps a file from asking for a table of four billion tokens.
fn token_id(id: &Value) -> Result<u32, EngineError> {
    let id = id.as_u64().filter(|id| *id < VOCABULARY_MAX as u64);
    id.map(|id| id as u32).ok_or_else(|| bad(format!("a token's number is not below {VOCABULARY_MAX}")))
}

/// Each pair as a text with a space, or as a list of two.
fn pairs(merges: &Value, tokens: &HashMap<String, u32>) -> Result<Pairs, EngineError> {
    let list = merges.as_array().ok_or_else(|| bad("its merges are missing"))?;
    let texts = list.iter().map(|merge| match merge {
        Value::String(text) => text.split_once(' '),
        Value::Array(two) if two.len() == 2 => two[0].as_str().zip(two[1].as_str()),
        _ => None,
    });
    pairs_of(texts, tokens)
}

pub(super) fn pairs_of<'a>(
    texts: impl Iterator<Item = Option<(&'a str, &'a str)>>,
    tokens: &HashMap<String, u32>,
) -> Result<Pairs, EngineError> {
    let mut pairs = HashMap::new();
    for (rank, pair) in (0u32..).zip(texts) {
        let (left, right) = pair.ok_or_else(|| bad("a merge is not a pair of texts"))?;
        let merged = format!("{left}{right}");
        let found = (tokens.get(left), tokens.get(right), tokens.get(&merged));
        let (Some(left), Some(right), Some(merged)) = found else {
            return Err(bad("a merge names a token that the vocabulary does not have"));
        };
        pairs.entry((*left, *right)).or_insert((rank, *merged));
    }
    Ok(pairs)
}

fn added(list: &Value) -> Result<Vec<(String, u32, bool)>, EngineError> {
    let one = |entry: &Value| {
        let text = entry["content"].as_str().ok_or_else(|| bad("an added token has no text"))?;
        Ok((text.to_owned(), token_id(&entry["id"])?, entry["special"].as_bool().unwrap_or(false)))
    };
    list.as_array().map_or(&[][..], Vec::as_slice).iter().map(one).collect()
}

/// What each token writes.
pub(super) fn written(
    tokens: &HashMap<String, u32>,
    added: &[(String, u32, bool)],
    spelling: Spelling,
) -> Result<Vec<Vec<u8>>, EngineError> {
    let ids = tokens.values().chain(added.iter().map(|(_, id, _)| id));
    let count = ids.max().map_or(0, |most| *most as usize + 1);
    // Numbers may have gaps, but not so many that a small file makes a large table.
    if count > 4 * (tokens.len() + added.len()) + 1_024 {
        return Err(bad("its token numbers have too many gaps"));
    }
    let table = bytes::table();
    let mut written = vec![Vec::new(); count];
    for (text, id) in tokens {
        written[*id as usize] = match spelling {
            Spelling::Bytes => bytes::unspell(text, &table),
            Spelling::Text => plain_bytes(text),
        };
    }
    for (text, id, _) in added {
        written[*id as usize] = text.clone().into_bytes();
    }
    Ok(written)
}

/// The bytes of a token that is spelled as text: a mark is a space, `<0x..>` a byte.
fn plain_bytes(text: &str) -> Vec<u8> {
    let byte = text.strip_prefix("<0x").and_then(|text| text.strip_suffix('>'));
    match byte.filter(|hex| hex.len() == 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        Some(byte) => vec![byte],
        None => text.replace('\u{2581}', " ").into_bytes(),
    }
}

fn read_normalisers(step: &Value, steps: &mut Vec<Normalise>) -> Result<(), EngineError> {
    if step.is_null() {
        return Ok(());
    }
    let text = |name: &str| step[name].as_str().map(str::to_owned).ok_or_else(|| bad("a normaliser lacks a text"));
    match step["type"].as_str().unwrap_or_default() {
        "Sequence" => {
            for inner in step["normalizers"].as_array().into_iter().flatten().take(TOKENIZER_STEPS_MAX + 1) {
                read_normalisers(inner, steps)?;
            }
        }
        "NFC" => steps.push(Normalise::Nfc),
        "NFKC" => steps.push(Normalise::Nfkc),
        "Prepend" => steps.push(Normalise::Prepend(text("prepend")?)),
        "Replace" => {
            let from = step["pattern"]["String"].as_str().filter(|from| !from.is_empty());
            let from = from.ok_or_else(|| bad("a replacement is not of a fixed text"))?;
            steps.push(Normalise::Replace(from.to_owned(), text("content")?));
        }
        _ => return Err(bad("its normaliser is not known (known: NFC, NFKC, Prepend, Replace)")),
    }
    Ok(())
}

fn read_splits(step: &Value, splits: &mut Vec<Split>, spelling: &mut Spelling) -> Result<(), EngineError> {
    // The bound is checked by the caller; beyond it no pattern is built.
    if step.is_null() || splits.len() > TOKENIZER_STEPS_MAX {
        return Ok(());
    }
    let flag = |name: &str, default: bool| step[name].as_bool().unwrap_or(default);
    match step["type"].as_str().unwrap_or_default() {
        "Sequence" => {
            for inner in step["pretokenizers"].as_array().into_iter().flatten().take(TOKENIZER_STEPS_MAX + 1) {
                read_splits(inner, splits, spelling)?;
            }
        }
        "ByteLevel" => {
            *spelling = Spelling::Bytes;
            if flag("add_prefix_space", true) {
                splits.push(Split::LeadingSpace);
            }
            if flag("use_regex", true) {
                splits.push(Split::Pattern(Split::pattern(GPT2)?));
            }
        }
        "Digits" if flag("individual_digits", false) => splits.push(Split::Digits),
        "Digits" => splits.push(Split::Numbers),
        "Split" => splits.push(split(step)?),
        "Metaspace" => {
            let mark = step["replacement"].as_str().and_then(|text| text.chars().next()).unwrap_or('\u{2581}');
            let prepend = match (step["prepend_scheme"].as_str(), step["add_prefix_space"].as_bool()) {
                (Some("never"), _) | (None, Some(false)) => Prepend::Never,
                (Some("first"), _) => Prepend::First,
                _ => Prepend::Always,
            };
            splits.push(Split::Marks { mark, prepend, cuts: flag("split", true) });
        }
        _ => return Err(bad("a step that cuts words is not known (known: ByteLevel, Digits, Split, Metaspace)")),
    }
    Ok(())
}

fn split(step: &Value) -> Result<Split, EngineError> {
    let pattern = match (&step["pattern"]["Regex"], &step["pattern"]["String"]) {
        (Value::String(regex), _) => Split::pattern(regex)?,
        (_, Value::String(text)) => Split::pattern(&fancy_regex::escape(text))?,
        _ => return Err(bad("a step that cuts words has no pattern")),
    };
    let inverted = step["invert"].as_bool().unwrap_or(false);
    match step["behavior"].as_str().unwrap_or_default() {
        "Isolated" => Ok(Split::Pattern(pattern)),
        "Removed" => Ok(Split::Keep { pattern, matches: inverted }),
        _ => {
            Err(bad("a step that cuts words joins what it finds in a way that is not known (known: Isolated, Removed)"))
        }
    }
}

/// The special token that the post-processor puts before a text.
fn first_special(processor: &Value, added: &[(String, u32, bool)]) -> Option<u32> {
    if let Some(inner) = processor["processors"].as_array() {
        return inner.iter().take(64).find_map(|inner| first_special(inner, added));
    }
    let name = processor["single"].get(0)?["SpecialToken"]["id"].as_str()?;
    added.iter().find(|(text, _, _)| text == name).map(|(_, id, _)| *id)
}
