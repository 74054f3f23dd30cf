//! The equations: embedding, layers of attention and feed-forward, output.
//!
//! Symbols follow the papers: x is the hidden state, h its norm, q, k, v query, key and value, c the latent. Sources:
//! DeepSeek-V2, arXiv 2405.04434; DeepSeek-V3, arXiv 2412.19437; Mixtral, arXiv 2401.04088.

use std::sync::Arc;

use crate::backend::{Backend, Placed, Projection, Routes};
use crate::cache::{Cache, PAGE};
use crate::config::ModelConfig;
use crate::error::EngineError;
use crate::weights::Matrix;

mod attention;
mod device;
pub(crate) mod layer;
mod load;
mod norm;
mod router;
mod turn;
mod usage;

pub use device::{DeviceModel, Output, Parts};
use layer::{Feed, Layer};
pub use load::Source;
pub(crate) use load::read_text;
pub use router::choose;
pub use turn::Turns;
pub use usage::ExpertUsage;

/// A loaded model: weights stay in their files, and everything here is shared between requests.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    embedding: Matrix,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    output: Matrix,
    turns: Turns,
    backend: Arc<dyn Backend>,
    usage: ExpertUsage,
    /// Where whole passes are computed, if not here.
    device: Option<Box<dyn DeviceModel>>,
}

/// New tokens of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// The first one's position.
    pub start: usize,
    /// The sequence's pages, enough for all positions.
    pub pages: &'a [u32],
    /// Which arithmetic computes them.
    pub pass: Pass,
    /// Whose logits are asked for.
    pub wanted: Wanted,
}

/// Which arithmetic computes a span; see `backend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pass {
    /// That for few rows; latent attention is absorbed.
    Decode,
    /// That for many rows; latents are expanded to keys and values.
    Prefill,
}

/// Whose logits are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nobody's.
    None,
    /// The last token's.
    Last,
    /// Every token's.
    All,
}

/// What a forward pass shows of itself, for checks.
#[derive(Debug, Default)]
pub struct Trace {
    /// The embedding's output, each layer's, and the last after the final norm: `[layers + 1][tokens, hidden]`.
    pub hidden: Vec<Vec<f32>>,
    /// Each layer's routes; empty for dense layers.
    pub routes: Vec<Routes>,
}

impl Model {
    /// What the model is.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// What computes it.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// How often each expert was chosen.
    pub fn usage(&self) -> &ExpertUsage {
        &self.usage
    }

    /// A cache for so many pages.
    pub fn cache(&self, pages: usize) -> Cache {
        match &self.device {
            None => Cache::new(self.config.layers(), self.config.cache_width(), pages),
            Some(_) => Cache::elsewhere(self.config.cache_width(), pages),
        }
    }

    /// Checks that a cache of so many pages can be had: a small file may describe a model whose cache has no bounds.
    ///
    /// # Errors
    /// `CacheMemory` where it cannot.
    pub(crate) fn check_cache(&self, pages: usize) -> Result<(), EngineError> {
        let (tokens, each) = (pages.saturating_mul(PAGE), self.cache_bytes_per_token());
        let bytes = tokens.saturating_mul(each);
        let can = self.device.is_some() || Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
        if can { Ok(()) } else { Err(EngineError::CacheMemory { tokens, bytes }) }
    }

    /// Bytes of cache that a token takes.
    pub fn cache_bytes_per_token(&self) -> usize {
        let here = self.config.layers() * self.config.cache_width() * size_of::<f32>();
        self.device.as_ref().map_or(here, |device| device.cache_bytes_per_token())
    }

    /// Bytes of weights that one token is multiplied with: each layer's, the chosen experts', the output's.
    pub fn active_bytes(&self) -> usize {
        let chosen = self.config.experts.map_or(0, |experts| experts.chosen);
        self.layers.iter().map(|layer| layer.active_bytes(chosen)).sum::<usize>() + self.output.size_bytes()
    }

    /// Computes new tokens: their cache rows are written, and the logits that are asked for come back in order of the
    /// spans: `[wanted, vocabulary]`.
    ///
    /// Spans that decode come first.
    ///
    /// # Errors
    /// `Request` where a token is not in the vocabulary, a position beyond the pages, or the spans are out of order.
    pub fn forward(
        &self,
        spans: &[Span<'_>],
        cache: &mut Cache,
        mut trace: Option<&mut Trace>,
    ) -> Result<Vec<f32>, EngineError> {
        let batch = Batch::new(spans, self.config.vocabulary, cache.pages())?;
        if let Some(device) = &self.device {
            return self.forward_elsewhere(&**device, spans, cache, trace);
        }
        let hidden = self.config.hidden;
        let mut x = vec![0.0; batch.positions.len() * hidden];
        let tokens = spans.iter().flat_map(|span| span.tokens);
        for (token, x) in tokens.zip(x.chunks_exact_mut(hidden)) {
            self.embedding.widen_row(*token as usize, x);
        }
        let mut h = vec![0.0; x.len()];
        for (at, layer) in self.layers.iter().enumerate() {
            if let Some(trace) = trace.as_deref_mut() {
                trace.hidden.push(x.clone());
            }
            norm::rms(&x, &layer.attention_norm, self.config.norm_eps, &mut h);
            let attended = self.attend(at, layer, &h, &batch, cache);
            add(&mut x, &attended);
            norm::rms(&x, &layer.feed_norm, self.config.norm_eps, &mut h);
            let (fed, routes) = self.feed(at, layer, &h, &batch);
            add(&mut x, &fed);
            if let Some(trace) = trace.as_deref_mut() {
                trace.routes.push(routes);
            }
        }
        norm::rms(&x, &self.norm, self.config.norm_eps, &mut h);
        let logits = self.logits(spans, &batch, &h);
        if let Some(trace) = trace {
            trace.hidden.push(h);
        }
        Ok(logits)
    }

    /// The feed-forward part, and where tokens went.
    fn feed(&self, at: usize, layer: &Layer, h: &[f32], batch: &Batch<'_>) -> (Vec<f32>, Routes) {
        let mut y = vec![0.0; h.len()];
        let experts = match &layer.feed {
            Feed::Dense(weights) => {
                self.backend.feed_forward(weights, h, &mut y, batch.decode);
                return (y, Routes::default());
            }
            Feed::Experts(experts) => experts,
        };
        let shape = self.config.experts.as_ref().expect("layers with experts were checked to have their sizes");
        let mut scores = vec![0.0; batch.positions.len() * shape.count];
        self.backend.project(h, &mut [Projection::exact(&experts.router, &mut scores)], batch.decode);
        let shown = choose(shape, &scores, experts.bias.as_deref());
        self.usage.count(at, &shown);
        if let Some(shared) = &experts.shared {
            self.backend.feed_forward(shared, h, &mut y, batch.decode);
        }
        if let Some(gate) = &experts.shared_gate {
            let mut gates = vec![0.0; batch.positions.len()];
            self.backend.project(h, &mut [Projection::new(gate, &mut gates)], batch.decode);
            for (y, gate) in y.chunks_exact_mut(self.config.hidden).zip(&gates) {
                let open = 1.0 / (1.0 + (-gate).exp());
                y.iter_mut().for_each(|y| *y *= open);
            }
        }
        let sorted = router::ascending(&shown);
        let mut routed = vec![0.0; h.len()];
        self.backend.experts(&experts.routed, h, &sorted, &mut routed, batch.decode);
        add(&mut y, &routed);
        (y, shown)
    }

    fn logits(&self, spans: &[Span<'_>], batch: &Batch<'_>, h: &[f32]) -> Vec<f32> {
        let hidden = self.config.hidden;
        let mut rows = Vec::new();
        let mut decode = 0;
        for (span, placed) in spans.iter().zip(&batch.placed) {
            let first = match span.wanted {
                Wanted::None => continue,
                Wanted::Last => placed.count - 1,
                Wanted::All => 0,
            };
            rows.extend_from_slice(&h[(placed.row + first) * hidden..(placed.row + placed.count) * hidden]);
            // One row a sequence is few rows, whatever the pass; all rows of a prompt are many.
            if span.wanted == Wanted::Last || span.pass == Pass::Decode {
                decode += placed.count - first;
            }
        }
        let mut logits = vec![0.0; rows.len() / hidden * self.config.vocabulary];
        self.backend.project(&rows, &mut [Projection::exact(&self.output, &mut logits)], decode);
        logits
    }
}

/// The rows of one forward pass.
struct Batch<'a> {
    placed: Vec<Placed<'a>>,
    /// Which pass each span takes.
    passes: Vec<Pass>,
    /// Each row's position in its sequence.
    positions: Vec<usize>,
    /// How many rows at the start are decoded.
    decode: usize,
}

impl<'a> Batch<'a> {
    fn new(spans: &[Span<'a>], vocabulary: usize, pages: usize) -> Result<Batch<'a>, EngineError> {
        let mut batch = Batch { placed: Vec::new(), passes: Vec::new(), positions: Vec::new(), decode: 0 };
        for span in spans {
            let row = batch.positions.len();
            if batch.passes.last().is_some_and(|before| *before > span.pass) {
                return Err(EngineError::request("spans that decode must come before those that prefill"));
            }
            let fits = span.start + span.tokens.len() <= span.pages.len() * PAGE;
            if span.tokens.is_empty() || !fits || span.pages.iter().any(|page| *page as usize >= pages) {
                return Err(EngineError::request("a span is empty or has too few pages"));
            }
            if span.tokens.iter().any(|token| *token as usize >= vocabulary) {
                return Err(EngineError::request("a token is not in the model's vocabulary"));
            }
            batch.positions.extend(span.start..span.start + span.tokens.len());
            batch.placed.push(Placed { pages: span.pages, start: span.start, row, count: span.tokens.len() });
            batch.passes.push(span.pass);
            if span.pass == Pass::Decode {
                batch.decode += span.tokens.len();
            }
        }
        Ok(batch)
    }
}

/// `x += y`
fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
