//! A model's weights on the device, layer by layer.

use std::sync::Arc;

use super::device::{Buffer, Device};
use super::weights::Stack;
use crate::backend::Gated;
use crate::error::EngineError;
use crate::model::layer::{Attend, Feed, Layer, Linear, Query};
use crate::weights::Matrix;

/// One layer.
#[derive(Debug)]
pub(crate) struct DeviceLayer {
    pub attention_norm: Buffer,
    pub attention: DeviceAttend,
    pub feed_norm: Buffer,
    pub feed: DeviceFeed,
}

/// A matrix and what is added to its product.
#[derive(Debug)]
pub(crate) struct DeviceLinear {
    pub weight: Stack,
    pub bias: Option<Buffer>,
}

/// Attention's weights.
#[derive(Debug)]
pub(crate) enum DeviceAttend {
    Latent(Box<DeviceLatent>),
    Grouped(Box<DeviceGrouped>),
}

#[derive(Debug)]
pub(crate) struct DeviceLatent {
    /// Where queries are compressed: the projection down, and its norm.
    pub query_down: Option<(DeviceLinear, Buffer)>,
    pub query: DeviceLinear,
    pub latent: DeviceLinear,
    pub latent_norm: Buffer,
    pub key_value_up: Stack,
    pub key_up: Stack,
    pub output: DeviceLinear,
}

#[derive(Debug)]
pub(crate) struct DeviceGrouped {
    pub query: DeviceLinear,
    pub key: DeviceLinear,
    pub value: DeviceLinear,
    pub output: DeviceLinear,
    /// The norm, and how many numbers it spans.
    pub query_norm: Option<(Buffer, usize)>,
    pub key_norm: Option<(Buffer, usize)>,
}

/// The feed-forward part's weights.
#[derive(Debug)]
pub(crate) enum DeviceFeed {
    Dense(Box<DeviceGated>),
    Experts(Box<DeviceExperts>),
}

/// Gate, up and down, of one layer or of all experts.
#[derive(Debug)]
pub(crate) struct DeviceGated {
    pub gate: Stack,
    pub up: Stack,
    pub down: Stack,
}

#[derive(Debug)]
pub(crate) struct DeviceExperts {
    pub router: Stack,
    pub bias: Option<Buffer>,
    pub routed: DeviceGated,
    pub shared: Option<DeviceGated>,
    pub shared_gate: Option<Stack>,
}

/// Brings weights to a device.
pub(crate) struct Loader<'a> {
    pub device: &'a Arc<dyn Device>,
    /// Rows and columns that share a scale.
    pub block: [usize; 2],
    /// Whether types that kernels don't read become bf16 rather than `f32`.
    pub rounds: bool,
}

impl Loader<'_> {
    pub(crate) fn layer(&self, layer: &Layer) -> Result<DeviceLayer, EngineError> {
        Ok(DeviceLayer {
            attention_norm: self.vector(&layer.attention_norm)?,
            attention: self.attend(&layer.attention)?,
            feed_norm: self.vector(&layer.feed_norm)?,
            feed: self.feed(&layer.feed)?,
        })
    }

    pub(crate) fn stack(&self, matrix: &Matrix) -> Result<Stack, EngineError> {
        Stack::one(self.device, matrix, self.block, self.rounds)
    }

    pub(crate) fn vector(&self, values: &[f32]) -> Result<Buffer, EngineError> {
        Buffer::of_f32(self.device, values)
    }

    fn linear(&self, linear: &Linear) -> Result<DeviceLinear, EngineError> {
        let bias = linear.bias.as_ref().map(|bias| self.vector(bias)).transpose()?;
        Ok(DeviceLinear { weight: self.stack(&linear.weight)?, bias })
    }

    fn attend(&self, attend: &Attend) -> Result<DeviceAttend, EngineError> {
        let normed = |norm: &Option<Vec<f32>>| {
            norm.as_ref().map(|norm| Ok::<_, EngineError>((self.vector(norm)?, norm.len()))).transpose()
        };
        Ok(match attend {
            Attend::Latent(w) => {
                let (query_down, query) = match &w.query {
                    Query::Direct(linear) => (None, self.linear(linear)?),
                    Query::Compressed { down, norm, up } => {
                        (Some((self.linear(down)?, self.vector(norm)?)), self.linear(up)?)
                    }
                };
                DeviceAttend::Latent(Box::new(DeviceLatent {
                    query_down,
                    query,
                    latent: self.linear(&w.latent)?,
                    latent_norm: self.vector(&w.latent_norm)?,
                    key_value_up: self.stack(&w.key_value_up)?,
                    key_up: self.stack(&w.key_up)?,
                    output: self.linear(&w.output)?,
                }))
            }
            Attend::Grouped(w) => DeviceAttend::Grouped(Box::new(DeviceGrouped {
                query: self.linear(&w.query)?,
                key: self.linear(&w.key)?,
                value: self.linear(&w.value)?,
                output: self.linear(&w.output)?,
                query_norm: normed(&w.query_norm)?,
                key_norm: normed(&w.key_norm)?,
            })),
        })
    }

    fn feed(&self, feed: &Feed) -> Result<DeviceFeed, EngineError> {
        let experts = match feed {
            Feed::Dense(gated) => return Ok(DeviceFeed::Dense(Box::new(self.gated(std::slice::from_ref(&**gated))?))),
            Feed::Experts(experts) => experts,
        };
        let shared = experts.shared.as_ref().map(|shared| self.gated(std::slice::from_ref(shared))).transpose()?;
        // The router chooses: it is never rounded.
        let router = Stack::one(self.device, &experts.router, self.block, false)?;
        Ok(DeviceFeed::Experts(Box::new(DeviceExperts {
            router,
            bias: experts.bias.as_ref().map(|bias| self.vector(bias)).transpose()?,
            routed: self.gated(&experts.routed)?,
            shared,
            shared_gate: experts.shared_gate.as_ref().map(|gate| self.stack(gate)).transpose()?,
        })))
    }

    fn gated(&self, all: &[Gated]) -> Result<DeviceGated, EngineError> {
        let stack = |of: fn(&Gated) -> &Matrix| {
            let matrices: Vec<&Matrix> = all.iter().map(of).collect();
            Stack::of(self.device, &matrices, self.block, self.rounds)
        };
        Ok(DeviceGated { gate: stack(|g| &g.gate)?, up: stack(|g| &g.up)?, down: stack(|g| &g.down)? })
    }
}
