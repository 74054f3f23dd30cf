//! A model as data: what a checkpoint's description says, checked once.
//!
//! The rest of the engine reads these fields and never a model's name or size. `hf` reads a `config.json`, `gguf` the
//! metadata of a GGUF file; both fill the same fields. What a family leaves unsaid in its files stands in
//! `families.json`, as defaults of fields.

use crate::error::EngineError;
use crate::limits::{CONTEXT_MAX, EXPERTS_MAX, HEADS_MAX, LAYERS_MAX, VOCABULARY_MAX, WIDTH_MAX};
use crate::weights::gguf::Gguf;

mod fields;
mod gguf;
mod hf;
mod rope;

pub use rope::{Pairing, Rope, Scaling, Yarn};

/// Everything that the equations need to know about a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Values of a hidden state.
    pub hidden: usize,
    /// Attention, the same in all layers.
    pub attention: Attention,
    /// Rotary position embedding.
    pub rope: Rope,
    /// The feed-forward part of each layer; as many as there are layers.
    pub feed_forward: Vec<FeedForward>,
    /// The mixture of experts, where any layer has one.
    pub experts: Option<Experts>,
    /// Added to the mean square in RMS norms.
    pub norm_eps: f32,
    /// Whether the output projection is the embedding.
    pub tied_embeddings: bool,
    /// Most positions the model was made for.
    pub context_max: usize,
    /// Tokens that end an answer, as the description lists them.
    pub stop_tokens: Vec<u32>,
    /// Rows and columns that share a scale in FP8 weights.
    pub fp8_block: [usize; 2],
}

/// How tokens look at each other.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attention {
    /// Keys and values are made from one compressed latent a token (DeepSeek).
    Latent(Latent),
    /// Each group of query heads shares a key and a value head.
    Grouped(Grouped),
}

/// Multi-head latent attention. Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latent {
    /// Heads.
    pub heads: usize,
    /// Values of the compressed query; `None` where queries are not compressed.
    pub query_rank: Option<usize>,
    /// Values of the compressed key and value: what is cached, with the rotary key.
    pub latent: usize,
    /// Values of a head's query and key without position.
    pub nope: usize,
    /// Values of a head's query and key with rotary position.
    pub rotary: usize,
    /// Values of a head's value.
    pub value: usize,
    /// Added to the mean square in the norms of the compressed query and latent.
    pub latent_eps: f32,
}

/// Grouped-query attention. Norms and biases of the projections are applied where the checkpoint has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grouped {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of a head.
    pub head: usize,
    /// How many positions back a token sees; `None` sees all.
    pub window: Option<usize>,
    /// Queries, keys and values are cut to this size on both sides.
    pub clip: Option<f32>,
}

/// The feed-forward part of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedForward {
    /// One gated projection of this width.
    Dense(usize),
    /// Routed experts.
    Experts,
}

/// A mixture of experts. Source: DeepSeek-V3, arXiv 2412.19437, section 2.1.2, equations 12 to 16.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// Routed experts of a layer.
    pub count: usize,
    /// Experts that a token goes to.
    pub chosen: usize,
    /// Values inside an expert.
    pub width: usize,
    /// Values inside the part that every token goes through; zero where there is none.
    pub shared: usize,
    /// What turns the router's numbers into scores.
    pub score: Score,
    /// Groups of experts, and how many of them a token may choose from.
    pub groups: Groups,
    /// Whether the chosen scores are divided by their sum.
    pub normalise: bool,
    /// What the weights are multiplied with in the end.
    pub scale: f32,
}

/// What turns the router's numbers into scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Score {
    /// Over all experts.
    Softmax,
    /// Each expert on its own.
    Sigmoid,
}

/// Which experts a token may choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Groups {
    /// All.
    All,
    /// Those of the `kept` groups with the best single expert.
    ByBest {
        /// Groups.
        count: usize,
        /// Groups that may be chosen from.
        kept: usize,
    },
    /// Those of the `kept` groups with the best sum of their two best experts.
    ByTwoBest {
        /// Groups.
        count: usize,
        /// Groups that may be chosen from.
        kept: usize,
    },
}

impl ModelConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// `Config` where a field is missing, out of bounds or contradicts another; `Unsupported` where the model needs what
    /// the engine does not do.
    pub fn from_json(text: &str) -> Result<ModelConfig, EngineError> {
        let config = hf::read(text)?;
        config.check()?;
        Ok(config)
    }

    /// Reads a GGUF file's metadata.
    ///
    /// # Errors
    /// As `from_json`.
    pub fn from_gguf(file: &Gguf) -> Result<ModelConfig, EngineError> {
        gguf::from_gguf(file)
    }

    /// Layers.
    pub fn layers(&self) -> usize {
        self.feed_forward.len()
    }

    /// Values that the cache keeps of one token in one layer.
    pub fn cache_width(&self) -> usize {
        match &self.attention {
            Attention::Latent(a) => a.latent + a.rotary,
            Attention::Grouped(a) => 2 * a.kv_heads * a.head,
        }
    }

    /// Values with rotary position in a head.
    pub fn rotary(&self) -> usize {
        match &self.attention {
            Attention::Latent(a) => a.rotary,
            Attention::Grouped(a) => a.head,
        }
    }

    /// What attention scores are multiplied with before the softmax.
    pub fn softmax_scale(&self) -> f32 {
        match &self.attention {
            Attention::Latent(a) => (a.nope + a.rotary) as f32,
            Attention::Grouped(a) => a.head as f32,
        }
        .powf(-0.5)
            * self.rope.softmax_factor
    }

    /// Checks sizes against bounds and each other.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        within("vocab_size", self.vocabulary, VOCABULARY_MAX)?;
        within("hidden_size", self.hidden, WIDTH_MAX)?;
        within("num_hidden_layers", self.layers(), LAYERS_MAX)?;
        within("max_position_embeddings", self.context_max, CONTEXT_MAX)?;
        within("weight_block_size", self.fp8_block[0], WIDTH_MAX)?;
        within("weight_block_size", self.fp8_block[1], WIDTH_MAX)?;
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return Err(EngineError::config("rms_norm_eps", "must be a small number that is not negative"));
        }
        for kind in &self.feed_forward {
            if let FeedForward::Dense(width) = kind {
                within("intermediate_size", *width, WIDTH_MAX)?;
            }
        }
        self.check_attention()?;
        self.rope.check(self.rotary())?;
        self.experts.iter().try_for_each(Experts::check)
    }

    fn check_attention(&self) -> Result<(), EngineError> {
        match &self.attention {
            Attention::Latent(a) => {
                within("num_attention_heads", a.heads, HEADS_MAX)?;
                within("q_lora_rank", a.query_rank.unwrap_or(1), WIDTH_MAX)?;
                within("kv_lora_rank", a.latent, WIDTH_MAX)?;
                within("qk_nope_head_dim", a.nope, WIDTH_MAX)?;
                within("qk_rope_head_dim", a.rotary, WIDTH_MAX)?;
                within("v_head_dim", a.value, WIDTH_MAX)?;
                within("heads times their size", a.heads * (a.nope + a.rotary + a.value), 8 * WIDTH_MAX)
            }
            Attention::Grouped(a) => {
                within("num_attention_heads", a.heads, HEADS_MAX)?;
                within("num_key_value_heads", a.kv_heads, HEADS_MAX)?;
                within("head_dim", a.head, WIDTH_MAX)?;
                within("heads times their size", a.heads * a.head, 8 * WIDTH_MAX)?;
                if a.heads % a.kv_heads != 0 {
                    return Err(EngineError::config("num_key_value_heads", "must divide num_attention_heads"));
                }
                if a.clip.is_some_and(|clip| clip.is_nan() || clip <= 0.0) {
                    return Err(EngineError::config("clip_qkv", "must be above zero, or absent"));
                }
                within("sliding_window", a.window.unwrap_or(1), CONTEXT_MAX)
            }
        }
    }
}

impl Experts {
    fn check(&self) -> Result<(), EngineError> {
        within("n_routed_experts", self.count, EXPERTS_MAX)?;
        within("num_experts_per_tok", self.chosen, self.count)?;
        within("moe_intermediate_size", self.width, WIDTH_MAX)?;
        if self.shared > WIDTH_MAX {
            return Err(EngineError::config("n_shared_experts", "makes a layer that is too wide"));
        }
        if !self.scale.is_finite() {
            return Err(EngineError::config("routed_scaling_factor", "must be a finite number"));
        }
        let (Groups::ByBest { count, kept } | Groups::ByTwoBest { count, kept }) = self.groups else { return Ok(()) };
        within("n_group", count, self.count)?;
        within("topk_group", kept, count)?;
        if !self.count.is_multiple_of(count) {
            return Err(EngineError::config("n_group", "must divide n_routed_experts"));
        }
        if self.chosen > kept * (self.count / count) {
            return Err(EngineError::config("topk_group", "leaves fewer experts than num_experts_per_tok asks for"));
        }
        if matches!(self.groups, Groups::ByTwoBest { .. }) && self.count / count < 2 {
            return Err(EngineError::config("n_group", "leaves fewer than two experts in a group"));
        }
        Ok(())
    }
}

fn within(field: &str, value: usize, most: usize) -> Result<(), EngineError> {
    if value == 0 || value > most {
        return Err(EngineError::config(field, format!("is {value}, and must be 1 to {most}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
