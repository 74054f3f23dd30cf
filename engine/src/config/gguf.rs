//! Reads a model's description from a GGUF file's metadata, by translating its keys to those of a `config.json`.
//!
//! `gguf_keys.json` is the dictionary. What has no counterpart (the sizes of latent heads, the kind of router, stretched
//! angles) is put together here.

use serde_json::{Map, Value as Json, json};

use super::{ModelConfig, Scaling, hf};
use crate::error::EngineError;
use crate::weights::gguf::{Gguf, Metadata, Value};

const DICTIONARY: &str = include_str!("gguf_keys.json");

/// The description in a file's metadata.
pub(super) fn from_gguf(file: &Gguf) -> Result<ModelConfig, EngineError> {
    let dictionary: Json = serde_json::from_str(DICTIONARY).expect("the dictionary is valid JSON");
    let metadata = &file.metadata;
    let Some(Value::Text(family)) = metadata.get("general.architecture") else {
        return Err(EngineError::config("general.architecture", "is missing"));
    };
    let Some(stated) = dictionary["families"].get(family.as_str()).and_then(Json::as_object) else {
        let known: Vec<&String> = dictionary["families"].as_object().into_iter().flat_map(Map::keys).collect();
        let shown: String = family.chars().take(40).collect();
        return Err(EngineError::unsupported(format!("the GGUF architecture '{shown}' (known: {known:?})")));
    };
    let mut config = stated.clone();
    for (theirs, ours) in dictionary["keys"].as_object().into_iter().flatten() {
        if let Some(value) = metadata.get(&format!("{family}.{theirs}")).and_then(to_json) {
            config.insert(ours.as_str().expect("the dictionary has texts").to_owned(), value);
        }
    }
    let keys = Keys { metadata, family };
    add_latent(keys, &mut config);
    add_router(keys, &mut config);
    add_scaling(keys, &mut config);
    if let Some(Value::Texts(tokens)) = metadata.get("tokenizer.ggml.tokens") {
        config.entry("vocab_size").or_insert(json!(tokens.len()));
    }
    config.insert("eos_token_id".into(), stop_tokens(metadata));
    config.insert("tie_word_embeddings".into(), json!(file.checkpoint.find("output.weight").is_none()));
    let mut config = hf::read(&Json::Object(config).to_string())?;
    if let Some(factors) = file.checkpoint.find("rope_freqs.weight") {
        config.rope.scaling = Scaling::Factors(factors.to_f32());
    }
    config.check()?;
    Ok(config)
}

#[derive(Clone, Copy)]
struct Keys<'a> {
    metadata: &'a Metadata,
    family: &'a str,
}

impl Keys<'_> {
    fn find(&self, key: &str) -> Option<&Value> {
        self.metadata.get(&format!("{}.{key}", self.family))
    }

    fn whole(&self, key: &str) -> Option<i128> {
        match self.find(key) {
            Some(Value::Whole(whole)) => Some(*whole),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        match self.find(key) {
            Some(Value::Number(number)) => Some(*number),
            Some(Value::Whole(whole)) => Some(*whole as f64),
            _ => None,
        }
    }
}

/// Lists that say the same for each layer become that number; others are left out, and so found missing.
fn to_json(value: &Value) -> Option<Json> {
    match value {
        Value::Whole(whole) => Some(json!(i64::try_from(*whole).ok()?)),
        Value::Number(number) => Some(json!(number)),
        Value::Flag(flag) => Some(json!(flag)),
        Value::Text(text) => Some(json!(text)),
        Value::Wholes(list) if list.iter().all(|whole| Some(whole) == list.first()) => Some(json!(list.first()?)),
        _ => None,
    }
}

/// Newer files keep a head's own sizes under `_mla` keys, since they describe the latent as one wide head.
fn add_latent(keys: Keys<'_>, config: &mut Map<String, Json>) {
    let Some(rotary) = keys.whole("rope.dimension_count") else { return };
    if keys.whole("attention.kv_lora_rank").is_none() {
        return;
    }
    let sized =
        |key: &str| keys.whole(&format!("attention.{key}_mla")).or_else(|| keys.whole(&format!("attention.{key}")));
    if let (Some(key), Some(value)) = (sized("key_length"), sized("value_length")) {
        config.insert("qk_nope_head_dim".into(), json!((key - rotary).max(0) as u64));
        config.insert("qk_rope_head_dim".into(), json!(rotary.max(0) as u64));
        config.insert("v_head_dim".into(), json!(value.max(0) as u64));
    }
    if let Some(eps) = keys.number("attention.layer_norm_rms_epsilon") {
        config.insert("latent_eps".into(), json!(eps));
    }
}

fn add_router(keys: Keys<'_>, config: &mut Map<String, Json>) {
    let is_sigmoid = keys.whole("expert_gating_func") == Some(2);
    let grouped = keys.whole("expert_group_count").is_some_and(|groups| groups > 1);
    let (score, method) = match (is_sigmoid, grouped) {
        (true, _) => ("sigmoid", "noaux_tc"),
        (false, true) => ("softmax", "group_limited_greedy"),
        (false, false) => ("softmax", "greedy"),
    };
    config.insert("scoring_func".into(), json!(score));
    config.insert("topk_method".into(), json!(method));
}

fn add_scaling(keys: Keys<'_>, config: &mut Map<String, Json>) {
    let Some(Value::Text(kind)) = keys.find("rope.scaling.type") else { return };
    if kind == "none" {
        return;
    }
    let mut scaling = Map::new();
    scaling.insert("type".into(), json!(kind));
    let copied = [
        ("rope.scaling.factor", "factor"),
        ("rope.scaling.original_context_length", "original_max_position_embeddings"),
        ("rope.scaling.attn_factor", "attention_factor"),
        ("rope.scaling.yarn_beta_fast", "beta_fast"),
        ("rope.scaling.yarn_beta_slow", "beta_slow"),
    ];
    for (theirs, ours) in copied {
        if let Some(number) = keys.number(theirs) {
            scaling.insert(ours.into(), json!(number));
        }
    }
    // The file keeps a tenth of the factor for all dimensions; published models use the same for both.
    if let Some(tenth) = keys.number("rope.scaling.yarn_log_multiplier") {
        scaling.insert("mscale".into(), json!(10.0 * tenth));
        scaling.insert("mscale_all_dim".into(), json!(10.0 * tenth));
    }
    config.insert("rope_scaling".into(), Json::Object(scaling));
}

fn stop_tokens(metadata: &Metadata) -> Json {
    let ids = ["eos_token_id", "eot_token_id", "eom_token_id"].map(|key| {
        match metadata.get(&format!("tokenizer.ggml.{key}")) {
            Some(Value::Whole(id)) => u32::try_from(*id).ok(),
            _ => None,
        }
    });
    json!(ids.into_iter().flatten().collect::<Vec<u32>>())
}
