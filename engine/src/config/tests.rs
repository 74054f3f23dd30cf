//! Descriptions: what is read, and what is refused.

use super::*;

const DEEPSEEK: &str = r#"{"model_type": "deepseek_v3", "vocab_size": 256, "hidden_size": 64, "intermediate_size": 96,
    "moe_intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "n_routed_experts": 8, "n_group": 4,
    "topk_group": 2, "num_experts_per_tok": 3, "first_k_dense_replace": 1, "kv_lora_rank": 16, "q_lora_rank": null,
    "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "rope_scaling": {"type": "yarn", "factor": 40,
    "original_max_position_embeddings": 64, "mscale": 0.5, "mscale_all_dim": 1.0}}"#;

/// The same with one field replaced or added.
fn with(field: &str, value: serde_json::Value) -> Result<ModelConfig, EngineError> {
    let mut config: serde_json::Value = serde_json::from_str(DEEPSEEK).unwrap();
    config[field] = value;
    ModelConfig::from_json(&config.to_string())
}

#[test]
fn a_description_is_read_with_what_its_family_leaves_unsaid() {
    let config = ModelConfig::from_json(DEEPSEEK).unwrap();
    let experts = config.experts.unwrap();
    assert_eq!(experts.score, Score::Sigmoid);
    assert_eq!(experts.groups, Groups::ByTwoBest { count: 4, kept: 2 });
    assert!(experts.normalise && experts.scale == 2.5);
    assert_eq!(config.rope.pairing, Pairing::Interleaved);
    assert_eq!(config.feed_forward[0], FeedForward::Dense(96));
    assert_eq!(config.feed_forward[1], FeedForward::Experts);
    assert_eq!(config.cache_width(), 24);
    let m = |a: f64| 0.1 * a * 40f64.ln() + 1.0;
    assert!((f64::from(config.rope.amplitude) - m(0.5) / m(1.0)).abs() < 1e-6);
    assert!((f64::from(config.softmax_scale()) - 0.25 * m(1.0) * m(1.0)).abs() < 1e-6);
}

#[test]
fn descriptions_that_contradict_themselves_are_refused_by_field() {
    let cases = [
        ("n_group", serde_json::json!(3), "n_group"),
        ("topk_group", serde_json::json!(1), "topk_group"),
        ("num_experts_per_tok", serde_json::json!(9), "num_experts_per_tok"),
        ("qk_rope_head_dim", serde_json::json!(7), "qk_rope_head_dim"),
        ("vocab_size", serde_json::json!(-1), "vocab_size"),
        ("vocab_size", serde_json::json!(1u64 << 60), "vocab_size"),
        ("hidden_size", serde_json::json!("64"), "hidden_size"),
        ("num_hidden_layers", serde_json::json!(1_000_000_000_000u64), "num_hidden_layers"),
        ("num_attention_heads", serde_json::json!(0), "num_attention_heads"),
        ("v_head_dim", serde_json::json!(null), "v_head_dim"),
        ("rms_norm_eps", serde_json::json!(-1.0), "rms_norm_eps"),
    ];
    for (field, value, named) in cases {
        match with(field, value.clone()) {
            Err(EngineError::Config { field, .. }) => assert_eq!(field, named, "{value}"),
            other => panic!("{field} = {value}: {other:?}"),
        }
    }
}

#[test]
fn what_the_engine_does_not_do_is_said() {
    let cases = [
        ("model_type", serde_json::json!("gemma3")),
        ("hidden_act", serde_json::json!("gelu")),
        ("topk_method", serde_json::json!("sinkhorn")),
        ("scoring_func", serde_json::json!("relu")),
        ("rope_scaling", serde_json::json!({"type": "longrope", "factor": 2})),
        ("quantization_config", serde_json::json!({"quant_method": "gptq"})),
    ];
    for (field, value) in cases {
        assert!(matches!(with(field, value), Err(EngineError::Unsupported { .. })), "{field}");
    }
}

#[test]
fn hostile_descriptions_are_errors() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for text in ["", "[]", "null", "{}", "{\"model_type\": 3}", deep.as_str()] {
        assert!(ModelConfig::from_json(text).is_err());
    }
}

#[test]
fn slow_angles_are_stretched_and_fast_ones_are_not() {
    let yarn = Yarn { factor: 40.0, trained: 64.0, beta_fast: 32.0, beta_slow: 1.0, whole_ends: true };
    let plain = Rope::plain(10_000.0, Pairing::Interleaved);
    let stretched = Rope { scaling: Scaling::Yarn(yarn), ..plain.clone() };
    let (plain, stretched) = (plain.frequencies(16), stretched.frequencies(16));
    assert_eq!(plain[0], stretched[0]);
    assert!((plain[7] / stretched[7] - 40.0).abs() < 1e-3);
}
