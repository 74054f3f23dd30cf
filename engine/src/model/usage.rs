//! How often each expert was chosen: learned routing is what makes these models cheap, so it can be watched.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::Routes;

/// Counts since the model was loaded.
#[derive(Debug)]
pub struct ExpertUsage {
    layers: Vec<Vec<AtomicU64>>,
}

impl ExpertUsage {
    pub(super) fn new(experts_of_layers: impl Iterator<Item = usize>) -> ExpertUsage {
        let counters = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        ExpertUsage { layers: experts_of_layers.map(counters).collect() }
    }

    pub(super) fn count(&self, layer: usize, routes: &Routes) {
        for expert in &routes.experts {
            self.layers[layer][*expert as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tokens that went to each expert of a layer; empty where the layer is dense.
    pub fn load(&self, layer: usize) -> Vec<u64> {
        self.layers[layer].iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Entropy of a layer's load as a share of the most there can be: 1 where all experts are used alike, 0 where one is;
    /// `None` where nothing was routed.
    pub fn evenness(&self, layer: usize) -> Option<f64> {
        let load = self.load(layer);
        let total: u64 = load.iter().sum();
        if total == 0 || load.len() < 2 {
            return None;
        }
        let part = |count: &u64| *count as f64 / total as f64;
        let entropy: f64 = load.iter().filter(|count| **count > 0).map(|count| -part(count) * part(count).ln()).sum();
        Some(entropy / (load.len() as f64).ln())
    }
}
