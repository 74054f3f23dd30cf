//! Small models with seeded random weights, made in memory, for tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::ModelConfig;
use crate::model::Source;
use crate::weights::{Checkpoint, Dtype, Tensor};

const COMMON: &str = r#""vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 16,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_experts_per_tok": 2, "max_position_embeddings": 1024"#;

/// A model with latent or grouped attention and experts; values of `wide latent` fill whole pieces of 16 bytes as bf16.
pub(crate) fn small_model(attention: &str) -> Source {
    let value = if attention == "wide latent" { 16 } else { 12 };
    let is_latent = attention.ends_with("latent");
    let own = match is_latent {
        true => format!(
            r#""model_type": "deepseek_v3", "n_routed_experts": 8, "n_group": 2, "topk_group": 1, "n_shared_experts": 1,
            "first_k_dense_replace": 1, "kv_lora_rank": 16, "q_lora_rank": 24, "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8, "v_head_dim": {value}"#
        ),
        false => r#""model_type": "mixtral", "num_local_experts": 8, "num_key_value_heads": 2"#.into(),
    };
    let config = ModelConfig::from_json(&format!("{{{own}, {COMMON}}}")).unwrap();
    let mut made = Made { tensors: BTreeMap::new(), random: 0x9e37_79b9_7f4a_7c15 };
    made.add("model.embed_tokens.weight", &[96, 32]);
    made.add("lm_head.weight", &[96, 32]);
    made.add("model.norm.weight", &[32]);
    for layer in 0..3 {
        let at = |name: &str| format!("model.layers.{layer}.{name}.weight");
        made.add(&at("input_layernorm"), &[32]);
        made.add(&at("post_attention_layernorm"), &[32]);
        if is_latent {
            made.latent(at, value);
            made.feed(at, layer, "mlp", ["gate_proj", "up_proj", "down_proj"], layer > 0);
        } else {
            made.grouped(at);
            made.feed(at, layer, "block_sparse_moe", ["w1", "w3", "w2"], true);
        }
    }
    Source::in_memory(config, Checkpoint::new(made.tensors), PathBuf::new())
}

struct Made {
    tensors: BTreeMap<String, Tensor>,
    random: u64,
}

impl Made {
    /// A tensor of numbers about as large as keep a hidden state's size; norms are about one.
    fn add(&mut self, name: &str, shape: &[usize]) {
        let count: usize = shape.iter().product();
        let (middle, spread) = if shape.len() == 1 { (1.0, 0.2) } else { (0.0, 1.7 / (shape[1] as f32).sqrt()) };
        let mut bytes = Vec::with_capacity(4 * count);
        for _ in 0..count {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let uniform = (self.random >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            bytes.extend((middle + spread * uniform).to_le_bytes());
        }
        let tensor = Tensor { dtype: Dtype::F32, shape: shape.to_vec(), bytes: bytes.into() };
        self.tensors.insert(name.to_owned(), tensor);
    }

    fn latent(&mut self, at: impl Fn(&str) -> String, value: usize) {
        self.add(&at("self_attn.q_a_proj"), &[24, 32]);
        self.add(&at("self_attn.q_a_layernorm"), &[24]);
        self.add(&at("self_attn.q_b_proj"), &[64, 24]);
        self.add(&at("self_attn.kv_a_proj_with_mqa"), &[24, 32]);
        self.add(&at("self_attn.kv_a_layernorm"), &[16]);
        self.add(&at("self_attn.kv_b_proj"), &[4 * (8 + value), 16]);
        self.add(&at("self_attn.o_proj"), &[32, 4 * value]);
    }

    fn grouped(&mut self, at: impl Fn(&str) -> String) {
        for (name, rows) in [("q_proj", 32), ("k_proj", 16), ("v_proj", 16), ("o_proj", 32)] {
            self.add(&at(&format!("self_attn.{name}")), &[rows, 32]);
        }
    }

    fn feed(&mut self, at: impl Fn(&str) -> String, layer: usize, folder: &str, names: [&str; 3], routed: bool) {
        let mut gated = |prefix: String, width: usize| {
            self.add(&at(&format!("{prefix}{}", names[0])), &[width, 32]);
            self.add(&at(&format!("{prefix}{}", names[1])), &[width, 32]);
            self.add(&at(&format!("{prefix}{}", names[2])), &[32, width]);
        };
        if !routed {
            return gated(format!("{folder}."), 48);
        }
        (0..8).for_each(|expert| gated(format!("{folder}.experts.{expert}."), 16));
        if folder == "mlp" {
            gated(format!("{folder}.shared_experts."), 16);
            let bias = format!("model.layers.{layer}.mlp.gate.e_score_correction_bias");
            self.add(&bias, &[8]);
        }
        self.add(&at(&format!("{folder}.gate")), &[8, 32]);
    }
}
