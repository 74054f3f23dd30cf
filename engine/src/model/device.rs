//! Models whose passes are computed elsewhere: what a device is given, and what comes back.

use std::any::Any;
use std::fmt;

use super::layer::Layer;
use super::{Model, Span, Trace};
use crate::backend::Routes;
use crate::cache::Cache;
use crate::config::ModelConfig;
use crate::error::EngineError;
use crate::weights::Matrix;

/// A model on a device that computes whole passes by itself.
pub trait DeviceModel: fmt::Debug + Send + Sync {
    /// As `Model::forward`, over a cache of so many pages that the device keeps in `remote`. Spans were checked.
    ///
    /// # Errors
    /// `Device` where the device fails.
    fn forward(
        &self,
        spans: &[Span<'_>],
        pages: usize,
        remote: &mut Option<Box<dyn Any + Send + Sync>>,
        trace: Option<&mut Trace>,
    ) -> Result<Output, EngineError>;

    /// The cache rows of the first positions of a sequence in one layer: `[positions, width]`.
    ///
    /// # Errors
    /// `Device` where the device fails.
    fn cached(
        &self,
        remote: &Option<Box<dyn Any + Send + Sync>>,
        layer: usize,
        pages: &[u32],
        positions: usize,
    ) -> Result<Vec<f32>, EngineError>;

    /// Bytes of cache that a token takes.
    fn cache_bytes_per_token(&self) -> usize;
}

/// What a pass comes to.
#[derive(Debug)]
pub struct Output {
    /// `[wanted, vocabulary]`
    pub logits: Vec<f32>,
    /// Each layer's routes; empty for dense layers.
    pub routes: Vec<Routes>,
}

/// A model's weights, for those who bring them elsewhere.
#[derive(Debug)]
#[allow(dead_code, reason = "read by devices, which are features")]
pub struct Parts<'a> {
    pub(crate) config: &'a ModelConfig,
    pub(crate) embedding: &'a Matrix,
    pub(crate) layers: &'a [Layer],
    pub(crate) norm: &'a [f32],
    pub(crate) output: &'a Matrix,
}

impl Model {
    /// The model with its passes computed on the backend's device, where it has one.
    pub(super) fn placed(mut self) -> Result<Model, EngineError> {
        let parts = Parts {
            config: &self.config,
            embedding: &self.embedding,
            layers: &self.layers,
            norm: &self.norm,
            output: &self.output,
        };
        self.device = self.backend.place(&parts)?;
        Ok(self)
    }

    pub(super) fn forward_elsewhere(
        &self,
        device: &dyn DeviceModel,
        spans: &[Span<'_>],
        cache: &mut Cache,
        trace: Option<&mut Trace>,
    ) -> Result<Vec<f32>, EngineError> {
        let output = device.forward(spans, cache.pages(), &mut cache.remote, trace)?;
        for (layer, routes) in output.routes.iter().enumerate() {
            self.usage.count(layer, routes);
        }
        Ok(output.logits)
    }

    /// The cache rows of the first positions of a sequence in one layer: `[positions, width]`.
    ///
    /// # Errors
    /// `Device` where the device that keeps them fails.
    pub fn cached(
        &self,
        cache: &Cache,
        layer: usize,
        pages: &[u32],
        positions: usize,
    ) -> Result<Vec<f32>, EngineError> {
        match &self.device {
            Some(device) => device.cached(&cache.remote, layer, pages, positions),
            None => Ok((0..positions).flat_map(|at| cache.layer(layer).row(pages, at).to_vec()).collect()),
        }
    }
}
