//! What each file format calls a model's weights. `{l}` is the layer, `{e}` the expert.

/// Names by what a weight is for. Where publishers differ, each of their names is listed.
#[derive(Debug)]
pub(super) struct Names {
    pub embedding: &'static str,
    pub norm: &'static str,
    pub output: &'static str,
    pub attention_norm: &'static str,
    pub feed_norm: &'static str,
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
    pub query_norm: &'static str,
    pub key_norm: &'static str,
    pub query_down: &'static str,
    pub query_down_norm: &'static str,
    pub query_up: &'static str,
    pub latent: &'static str,
    pub latent_norm: &'static str,
    pub key_value_up: &'static str,
    /// The keys' part alone, transposed.
    pub key_up: &'static str,
    /// The values' part alone.
    pub value_up: &'static str,
    /// Gate, up, down.
    pub dense: [&'static str; 3],
    pub router: &'static [&'static str],
    pub router_bias: &'static [&'static str],
    pub experts: &'static [[&'static str; 3]],
    /// All experts of a layer in one tensor.
    pub experts_together: [&'static str; 3],
    pub shared: &'static [[&'static str; 3]],
    pub shared_gate: &'static str,
}

/// Names in published safetensors checkpoints.
pub(super) static SAFETENSORS: Names = Names {
    embedding: "model.embed_tokens.weight",
    norm: "model.norm.weight",
    output: "lm_head.weight",
    attention_norm: "model.layers.{l}.input_layernorm.weight",
    feed_norm: "model.layers.{l}.post_attention_layernorm.weight",
    query: "model.layers.{l}.self_attn.q_proj.weight",
    key: "model.layers.{l}.self_attn.k_proj.weight",
    value: "model.layers.{l}.self_attn.v_proj.weight",
    attention_output: "model.layers.{l}.self_attn.o_proj.weight",
    query_norm: "model.layers.{l}.self_attn.q_norm.weight",
    key_norm: "model.layers.{l}.self_attn.k_norm.weight",
    query_down: "model.layers.{l}.self_attn.q_a_proj.weight",
    query_down_norm: "model.layers.{l}.self_attn.q_a_layernorm.weight",
    query_up: "model.layers.{l}.self_attn.q_b_proj.weight",
    latent: "model.layers.{l}.self_attn.kv_a_proj_with_mqa.weight",
    latent_norm: "model.layers.{l}.self_attn.kv_a_layernorm.weight",
    key_value_up: "model.layers.{l}.self_attn.kv_b_proj.weight",
    key_up: "model.layers.{l}.self_attn.k_b_proj.weight",
    value_up: "model.layers.{l}.self_attn.v_b_proj.weight",
    dense: [
        "model.layers.{l}.mlp.gate_proj.weight",
        "model.layers.{l}.mlp.up_proj.weight",
        "model.layers.{l}.mlp.down_proj.weight",
    ],
    router: &["model.layers.{l}.mlp.gate.weight", "model.layers.{l}.block_sparse_moe.gate.weight"],
    router_bias: &["model.layers.{l}.mlp.gate.e_score_correction_bias"],
    experts: &[
        [
            "model.layers.{l}.mlp.experts.{e}.gate_proj.weight",
            "model.layers.{l}.mlp.experts.{e}.up_proj.weight",
            "model.layers.{l}.mlp.experts.{e}.down_proj.weight",
        ],
        [
            "model.layers.{l}.block_sparse_moe.experts.{e}.w1.weight",
            "model.layers.{l}.block_sparse_moe.experts.{e}.w3.weight",
            "model.layers.{l}.block_sparse_moe.experts.{e}.w2.weight",
        ],
    ],
    experts_together: [
        "model.layers.{l}.mlp.experts.gate_proj.weight",
        "model.layers.{l}.mlp.experts.up_proj.weight",
        "model.layers.{l}.mlp.experts.down_proj.weight",
    ],
    shared: &[
        [
            "model.layers.{l}.mlp.shared_experts.gate_proj.weight",
            "model.layers.{l}.mlp.shared_experts.up_proj.weight",
            "model.layers.{l}.mlp.shared_experts.down_proj.weight",
        ],
        [
            "model.layers.{l}.mlp.shared_expert.gate_proj.weight",
            "model.layers.{l}.mlp.shared_expert.up_proj.weight",
            "model.layers.{l}.mlp.shared_expert.down_proj.weight",
        ],
    ],
    shared_gate: "model.layers.{l}.mlp.shared_expert_gate.weight",
};

/// Names in GGUF files.
pub(super) static GGUF: Names = Names {
    embedding: "token_embd.weight",
    norm: "output_norm.weight",
    output: "output.weight",
    attention_norm: "blk.{l}.attn_norm.weight",
    feed_norm: "blk.{l}.ffn_norm.weight",
    query: "blk.{l}.attn_q.weight",
    key: "blk.{l}.attn_k.weight",
    value: "blk.{l}.attn_v.weight",
    attention_output: "blk.{l}.attn_output.weight",
    query_norm: "blk.{l}.attn_q_norm.weight",
    key_norm: "blk.{l}.attn_k_norm.weight",
    query_down: "blk.{l}.attn_q_a.weight",
    query_down_norm: "blk.{l}.attn_q_a_norm.weight",
    query_up: "blk.{l}.attn_q_b.weight",
    latent: "blk.{l}.attn_kv_a_mqa.weight",
    latent_norm: "blk.{l}.attn_kv_a_norm.weight",
    key_value_up: "blk.{l}.attn_kv_b.weight",
    key_up: "blk.{l}.attn_k_b.weight",
    value_up: "blk.{l}.attn_v_b.weight",
    dense: ["blk.{l}.ffn_gate.weight", "blk.{l}.ffn_up.weight", "blk.{l}.ffn_down.weight"],
    router: &["blk.{l}.ffn_gate_inp.weight"],
    router_bias: &["blk.{l}.exp_probs_b.bias", "blk.{l}.exp_probs_b"],
    experts: &[["blk.{l}.ffn_gate.{e}.weight", "blk.{l}.ffn_up.{e}.weight", "blk.{l}.ffn_down.{e}.weight"]],
    experts_together: ["blk.{l}.ffn_gate_exps.weight", "blk.{l}.ffn_up_exps.weight", "blk.{l}.ffn_down_exps.weight"],
    shared: &[["blk.{l}.ffn_gate_shexp.weight", "blk.{l}.ffn_up_shexp.weight", "blk.{l}.ffn_down_shexp.weight"]],
    shared_gate: "blk.{l}.ffn_gate_inp_shexp.weight",
};
