//! Reads the `config.json` of a published checkpoint.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::rope::{self, Pairing};
use super::{Attention, Experts, FeedForward, Grouped, Groups, Latent, ModelConfig, Score};
use crate::error::EngineError;
use crate::limits::{CONFIG_BYTES_MAX, LAYERS_MAX};

/// What families leave unsaid in their files: the defaults of their published configuration classes.
const FAMILIES: &str = include_str!("families.json");

/// Reads the fields; the sizes are checked by the caller.
pub(super) fn read(text: &str) -> Result<ModelConfig, EngineError> {
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(EngineError::config("config.json", "is larger than a description can be"));
    }
    let own: Value = serde_json::from_str(text)
        .map_err(|error| EngineError::config("config.json", format!("is not JSON: {error}")))?;
    let own = own.as_object().ok_or_else(|| EngineError::config("config.json", "must be an object"))?;
    let families: Map<String, Value> = serde_json::from_str(FAMILIES).expect("the table of families is valid JSON");
    let none = Map::new();
    let family = Fields { own, defaults: &none }
        .word(&["model_type"])?
        .ok_or_else(|| EngineError::config("model_type", "is missing"))?;
    let Some(defaults) = families.get(family).and_then(Value::as_object) else {
        let known: Vec<&str> = families.keys().map(String::as_str).collect();
        let shown: String = family.chars().take(40).collect();
        return Err(EngineError::unsupported(format!("the '{shown}' architecture (known: {})", known.join(", "))));
    };
    read_fields(Fields { own, defaults })
}

fn read_fields(fields: Fields<'_>) -> Result<ModelConfig, EngineError> {
    if let Some(act) = fields.word(&["hidden_act"])?
        && act != "silu"
    {
        return Err(EngineError::unsupported("an activation other than silu"));
    }
    let attention = attention(fields)?;
    let heads_rotary = match &attention {
        Attention::Latent(a) => a.rotary,
        Attention::Grouped(a) => a.head,
    };
    let context_max = fields.size(&["max_position_embeddings"])?.unwrap_or(4_096);
    let pairing = if fields.flag(&["rope_interleave"])? { Pairing::Interleaved } else { Pairing::HalfSplit };
    let squared = matches!(attention, Attention::Latent(_));
    let rope = rope::from_json(fields, heads_rotary, pairing, context_max, squared)?;
    let experts = experts(fields)?;
    Ok(ModelConfig {
        vocabulary: fields.size_of(&["vocab_size"])?,
        hidden: fields.size_of(&["hidden_size"])?,
        attention,
        rope,
        feed_forward: feed_forward(fields, experts.is_some())?,
        experts,
        norm_eps: fields.number(&["rms_norm_eps"])?.unwrap_or(1e-6) as f32,
        tied_embeddings: fields.flag(&["tie_word_embeddings"])?,
        context_max,
        stop_tokens: fields.tokens(&["eos_token_id"])?,
        fp8_block: fp8_block(fields)?,
    })
}

fn attention(fields: Fields<'_>) -> Result<Attention, EngineError> {
    let heads = fields.size_of(&["num_attention_heads"])?;
    if let Some(latent) = fields.size(&["kv_lora_rank"])? {
        return Ok(Attention::Latent(Latent {
            heads,
            query_rank: fields.size(&["q_lora_rank"])?,
            latent,
            nope: fields.size_of(&["qk_nope_head_dim"])?,
            rotary: fields.size_of(&["qk_rope_head_dim"])?,
            value: fields.size_of(&["v_head_dim"])?,
            latent_eps: fields.number(&["latent_eps"])?.unwrap_or(1e-6) as f32,
        }));
    }
    let hidden = fields.size_of(&["hidden_size"])?;
    let head = match fields.size(&["head_dim"])? {
        Some(head) => head,
        None if heads > 0 && hidden % heads == 0 => hidden / heads,
        None => {
            return Err(EngineError::config(
                "head_dim",
                "is missing, and num_attention_heads does not divide hidden_size",
            ));
        }
    };
    // Absent `use_sliding_window` means that a stated window counts.
    let windowed = fields.find(&["use_sliding_window"]).is_none() || fields.flag(&["use_sliding_window"])?;
    let window = if windowed { fields.size(&["sliding_window"])? } else { None };
    if window.is_some() && fields.size(&["max_window_layers"])?.is_some_and(|layers| layers > 0) {
        return Err(EngineError::unsupported("a sliding window in some layers only"));
    }
    Ok(Attention::Grouped(Grouped {
        heads,
        kv_heads: fields.size(&["num_key_value_heads"])?.unwrap_or(heads),
        head,
        window,
        clip: fields.number(&["clip_qkv"])?.map(|clip| clip as f32),
    }))
}

fn feed_forward(fields: Fields<'_>, has_experts: bool) -> Result<Vec<FeedForward>, EngineError> {
    let layers = fields.size_of(&["num_hidden_layers"])?;
    if layers == 0 || layers > LAYERS_MAX {
        return Err(EngineError::config("num_hidden_layers", format!("must be 1 to {LAYERS_MAX}")));
    }
    let dense_first = fields.size(&["first_k_dense_replace"])?.unwrap_or(0);
    let every = fields.size(&["moe_layer_freq", "decoder_sparse_step"])?.unwrap_or(1).max(1);
    // A frequency counts from the first layer in one convention and from one in the other; at 1 they are the same.
    let offset = usize::from(fields.find(&["decoder_sparse_step"]).is_some());
    let only_dense = fields.find(&["mlp_only_layers"]).and_then(|(value, _)| value.as_array());
    let is_listed = |layer: usize| only_dense.is_some_and(|l| l.iter().any(|at| at.as_u64() == Some(layer as u64)));
    let mut kinds = Vec::with_capacity(layers);
    for layer in 0..layers {
        let routed = has_experts && layer >= dense_first && (layer + offset) % every == 0 && !is_listed(layer);
        kinds.push(if routed {
            FeedForward::Experts
        } else {
            FeedForward::Dense(fields.size_of(&["intermediate_size"])?)
        });
    }
    Ok(kinds)
}

fn experts(fields: Fields<'_>) -> Result<Option<Experts>, EngineError> {
    let count = fields.size(&["n_routed_experts", "num_experts", "num_local_experts"])?.unwrap_or(0);
    if count == 0 {
        return Ok(None);
    }
    let width = fields.size_of(&["moe_intermediate_size", "intermediate_size"])?;
    let shared = match fields.size(&["shared_expert_intermediate_size"])? {
        Some(shared) => shared,
        None => fields.size(&["n_shared_experts"])?.unwrap_or(0).saturating_mul(width),
    };
    let score = match fields.word(&["scoring_func"])?.unwrap_or("softmax") {
        "softmax" => Score::Softmax,
        "sigmoid" => Score::Sigmoid,
        _ => return Err(EngineError::unsupported("a router score other than softmax and sigmoid")),
    };
    let groups = fields.size(&["n_group"])?.unwrap_or(1);
    let kept = fields.size(&["topk_group"])?.unwrap_or(groups);
    let groups = match fields.word(&["topk_method"])?.unwrap_or("greedy") {
        "greedy" => Groups::All,
        "group_limited_greedy" => Groups::ByBest { count: groups, kept },
        "noaux_tc" if groups > 1 => Groups::ByTwoBest { count: groups, kept },
        "noaux_tc" => Groups::All,
        _ => {
            return Err(EngineError::unsupported(
                "a way to choose experts other than greedy, group_limited_greedy, noaux_tc",
            ));
        }
    };
    Ok(Some(Experts {
        count,
        chosen: fields.size_of(&["num_experts_per_tok"])?,
        width,
        shared,
        score,
        groups,
        normalise: fields.flag(&["norm_topk_prob"])?,
        scale: fields.number(&["routed_scaling_factor"])?.unwrap_or(1.0) as f32,
    }))
}

fn fp8_block(fields: Fields<'_>) -> Result<[usize; 2], EngineError> {
    let default = [128, 128];
    let Some(quantised) = fields.object(&["quantization_config"])? else { return Ok(default) };
    let none = Map::new();
    let inner = Fields { own: quantised, defaults: &none };
    let method = inner.word(&["quant_method"])?.unwrap_or("");
    if method != "fp8" || inner.word(&["fmt"])?.is_some_and(|fmt| fmt != "e4m3") {
        return Err(EngineError::unsupported("a weight quantisation other than fp8 e4m3 with block scales"));
    }
    let Some((block, _)) = inner.find(&["weight_block_size"]) else { return Ok(default) };
    let size = |at: usize| block.get(at).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
    match (size(0), size(1), block.as_array().map(Vec::len)) {
        (Some(rows), Some(columns), Some(2)) => Ok([rows, columns]),
        _ => Err(EngineError::config("weight_block_size", "must be two whole numbers: rows and columns")),
    }
}
