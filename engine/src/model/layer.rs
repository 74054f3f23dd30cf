//! A layer's weights.

use crate::backend::Gated;
use crate::weights::Matrix;

/// One layer.
#[derive(Debug)]
pub(crate) struct Layer {
    /// `[hidden]`
    pub attention_norm: Vec<f32>,
    pub attention: Attend,
    /// `[hidden]`
    pub feed_norm: Vec<f32>,
    pub feed: Feed,
}

/// A matrix and what is added to its product, where the checkpoint has it.
#[derive(Debug)]
pub(crate) struct Linear {
    pub weight: Matrix,
    /// `[rows]`
    pub bias: Option<Vec<f32>>,
}

/// Attention's weights.
#[derive(Debug)]
pub(crate) enum Attend {
    Latent(Box<LatentWeights>),
    Grouped(Box<GroupedWeights>),
}

#[derive(Debug)]
pub(crate) struct LatentWeights {
    pub query: Query,
    /// `[latent + rotary, hidden]`
    pub latent: Linear,
    /// `[latent]`
    pub latent_norm: Vec<f32>,
    /// `[heads * (nope + value), latent]`
    pub key_value_up: Matrix,
    /// `[heads * latent, nope]`: each head's key rows of `key_value_up`, transposed, for absorbed attention.
    pub key_up: Matrix,
    /// `[hidden, heads * value]`
    pub output: Linear,
}

/// How queries are made.
#[derive(Debug)]
pub(crate) enum Query {
    /// `[heads * (nope + rotary), hidden]`
    Direct(Linear),
    Compressed {
        /// `[rank, hidden]`
        down: Linear,
        /// `[rank]`
        norm: Vec<f32>,
        /// `[heads * (nope + rotary), rank]`
        up: Linear,
    },
}

#[derive(Debug)]
pub(crate) struct GroupedWeights {
    /// `[heads * head, hidden]`
    pub query: Linear,
    /// `[kv_heads * head, hidden]`
    pub key: Linear,
    /// `[kv_heads * head, hidden]`
    pub value: Linear,
    /// `[hidden, heads * head]`
    pub output: Linear,
    /// `[head]` for each head, or `[heads * head]` over all.
    pub query_norm: Option<Vec<f32>>,
    /// `[head]` for each head, or `[kv_heads * head]` over all.
    pub key_norm: Option<Vec<f32>>,
}

/// The feed-forward part's weights.
#[derive(Debug)]
pub(crate) enum Feed {
    Dense(Box<Gated>),
    Experts(Box<ExpertWeights>),
}

#[derive(Debug)]
pub(crate) struct ExpertWeights {
    /// `[count, hidden]`
    pub router: Matrix,
    /// `[count]`
    pub bias: Option<Vec<f32>>,
    pub routed: Vec<Gated>,
    pub shared: Option<Gated>,
    /// `[1, hidden]`
    pub shared_gate: Option<Matrix>,
}

impl Layer {
    /// Bytes of weights that one token is multiplied with, going to `chosen` experts.
    pub(crate) fn active_bytes(&self, chosen: usize) -> usize {
        let attention = match &self.attention {
            Attend::Latent(w) => {
                let query = match &w.query {
                    Query::Direct(linear) => linear.weight.size_bytes(),
                    Query::Compressed { down, up, .. } => down.weight.size_bytes() + up.weight.size_bytes(),
                };
                // Absorbed attention reads the values' rows and the transposed keys: as much as the whole.
                query + w.latent.weight.size_bytes() + w.key_value_up.size_bytes() + w.output.weight.size_bytes()
            }
            Attend::Grouped(w) => [&w.query, &w.key, &w.value, &w.output].map(|l| l.weight.size_bytes()).iter().sum(),
        };
        let gated = |w: &Gated| w.gate.size_bytes() + w.up.size_bytes() + w.down.size_bytes();
        attention
            + match &self.feed {
                Feed::Dense(weights) => gated(weights),
                Feed::Experts(w) => {
                    let routed = w.routed.first().map_or(0, gated) * chosen;
                    routed + w.shared.as_ref().map_or(0, gated) + w.router.size_bytes()
                }
            }
    }
}
