//! Whole passes on an NVIDIA GPU: weights, cache and activations stay there, and a decoding step is one recorded graph.
//!
//! - `compile`: kernels (`kernels/*.cu`) to machine code, at run time, kept on disk;
//! - `driver`: a GPU, found at run time; `device`: what is asked of it, so that tests run the same kernels on the CPU;
//! - `weights`, `layers`: a model's weights there; `plan`: whether all of it fits, before anything is copied;
//! - `choice`: which kernels serve prompts, `sound`: their check on a card, `verdict`: what it said; `wgmma`: products on Hopper;
//!   `attention`: attention on tensor cores;
//! - `ops`: which kernel computes what; `pass`: the equations, launch by launch; `random`: models without files, to measure.
//!
//! It does not spread a model over several GPUs: beyond one, serve it behind an OpenAI-compatible server.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use crate::cache::PAGE;
use crate::config::ModelConfig;
use crate::error::EngineError;
use crate::model::{DeviceModel, Output, Parts, Span, Trace, Wanted};

mod args;
mod attention;
mod backend;
mod card;
mod choice;
mod compile;
mod device;
mod driver;
mod duel;
mod layers;
mod ops;
mod pass;
mod plan;
mod prompt_trial;
mod random;
#[cfg(test)]
mod shim;
mod sound;
#[cfg(test)]
mod tests;
mod trial;
mod verdict;
mod weights;
mod wgmma;
mod work;

pub use choice::{PromptAttention, PromptKernels, Prompts};
use device::{Buffer, Device};
pub use duel::{Duel, duels};
use layers::{DeviceLayer, Loader};
pub use plan::Plan;
pub use random::{RandomModel, RandomWeights, Speed, bandwidth};
use weights::Stack;
use work::Work;

/// Shared memory of a block that every GPU grants without asking.
const SHARED_BYTES_MAX: usize = 48 << 10;
/// The same on Hopper, for kernels that ask.
const SHARED_BYTES_HOPPER: usize = 227 << 10;
/// Numbers of expanded keys and values that are held at once: 256 MB of `f32`.
const EXPANDED_MAX: usize = 64 << 20;

/// How a GPU computes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which GPU, as nvidia-smi counts.
    pub ordinal: usize,
    /// Keep all activations and the cache in `f32` and 16 bits of every factor: for checks. Otherwise the cache is bf16, and so
    /// are the activations of prompts.
    pub exact: bool,
    /// Tokens of cache that have to fit beside the weights.
    pub cache_tokens: usize,
    /// Rows of a pass that have to fit.
    pub pass_tokens: usize,
    /// Sequences that decode at the same time.
    pub sequences: usize,
    /// Which kernels multiply prompts' rows.
    pub prompts: PromptKernels,
    /// Which kernels compute prompts' attention.
    pub attention: PromptAttention,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            ordinal: 0,
            exact: false,
            cache_tokens: 8_192,
            pass_tokens: 512,
            sequences: 32,
            prompts: PromptKernels::Checked,
            attention: PromptAttention::Checked,
        }
    }
}

/// A GPU that models can be brought to.
#[derive(Clone, Debug)]
pub struct Gpu {
    device: Arc<dyn Device>,
    options: Options,
    prompts: Prompts,
}

impl Gpu {
    /// Opens a GPU and makes its kernels ready; the first time on a machine that takes about a minute.
    ///
    /// # Errors
    /// `Device` where there is no driver, no such GPU, an old one, or no compiler for the kernels.
    pub fn open(options: Options) -> Result<Gpu, EngineError> {
        let Options { ordinal, exact, prompts: kernels, attention, .. } = options;
        let prompts = choice::choose(ordinal, choice::Asked { kernels, attention, exact }.or_environment()?)?;
        let driver = driver::Driver::open(ordinal, driver::Place::Shared, &prompts.files())
            .map_err(|error| prompts.blame(error))?;
        Ok(Gpu { device: Arc::new(driver), options, prompts })
    }

    /// What it is, and which kernels serve, for reports.
    pub fn describe(&self) -> String {
        format!("{}, prompts by {}", self.device.describe(), self.prompts)
    }

    /// Which kernels serve prompts here, and why.
    pub fn prompts(&self) -> &Prompts {
        &self.prompts
    }

    /// Brings a model there.
    ///
    /// # Errors
    /// `NoMemory` where weights, cache and activations do not fit; `Unsupported` where no kernel computes it.
    pub(crate) fn place(&self, parts: &Parts<'_>) -> Result<Box<dyn DeviceModel>, EngineError> {
        let (free, _) = self.device.memory()?;
        let plan = Plan::of(parts.config, plan::weights_bytes(parts, !self.options.exact), &self.options);
        plan.check(free)?;
        Ok(Box::new(OnDevice::load(self.device.clone(), parts, self.options, &self.prompts)?))
    }
}

/// A model on a device.
#[derive(Debug)]
pub(crate) struct OnDevice {
    device: Arc<dyn Device>,
    config: ModelConfig,
    embedding: Stack,
    layers: Vec<DeviceLayer>,
    norm: Buffer,
    /// `None` where the embedding is the output, too.
    output: Option<Stack>,
    /// Of the rotary angles.
    frequencies: Buffer,
    exact: bool,
    /// Whether Hopper's kernels multiply prompts' rows.
    wgmma: bool,
    /// Whether tensor cores compute prompts' attention.
    tensor_attention: bool,
}

impl OnDevice {
    fn load(
        device: Arc<dyn Device>,
        parts: &Parts<'_>,
        options: Options,
        prompts: &Prompts,
    ) -> Result<OnDevice, EngineError> {
        let config = parts.config.clone();
        let loader = Loader { device: &device, block: config.fp8_block, rounds: !options.exact };
        let tied = config.tied_embeddings;
        Ok(OnDevice {
            embedding: widest(&loader, parts)?,
            layers: parts.layers.iter().map(|layer| loader.layer(layer)).collect::<Result<_, _>>()?,
            norm: loader.vector(parts.norm)?,
            output: if tied { None } else { Some(loader.stack(parts.output)?) },
            frequencies: loader.vector(&config.rope.frequencies(config.rotary()))?,
            exact: options.exact,
            wgmma: prompts.products.serves,
            tensor_attention: prompts.attention.serves && !options.exact,
            config,
            device,
        })
    }

    /// The kernel of this name for the cache's type.
    fn cached(&self, kernel: &str) -> String {
        format!("{kernel}_{}", if self.exact { "f32" } else { "bf16" })
    }

    /// Bytes of a cached number.
    fn cache_bytes(&self) -> usize {
        if self.exact { 4 } else { 2 }
    }

    fn state(&self, pages: usize) -> Result<DeviceState, EngineError> {
        // One page more, which rows that fill up a recorded step write to.
        let bytes = (pages + 1) * PAGE * self.config.cache_width() * self.cache_bytes();
        let caches = (0..self.config.layers()).map(|_| Buffer::new(&self.device, bytes)).collect::<Result<_, _>>()?;
        Ok(DeviceState {
            buffers: HashMap::new(),
            caches,
            pages,
            recordings: HashMap::new(),
            device: self.device.clone(),
        })
    }

    /// Launches a pass, or replays it where the same shape was recorded before.
    fn compute(&self, state: &mut DeviceState, work: &Work, trace: Option<&mut Trace>) -> Result<(), EngineError> {
        let Some(key) = work.recording_key().filter(|_| trace.is_none()) else {
            return pass::Pass { model: self, state, work }.run(trace);
        };
        if let Some(recording) = state.recordings.get(&key) {
            return self.device.replay(*recording);
        }
        // The first pass finds room for everything, so that recording allocates nothing.
        pass::Pass { model: self, state, work }.run(None)?;
        if self.device.record()? {
            let launched = pass::Pass { model: self, state, work }.run(None);
            let recording = self.device.recorded();
            launched?;
            state.recordings.insert(key, recording?);
        }
        Ok(())
    }
}

/// The embedding, of which no kernel reads FP8.
fn widest(loader: &Loader<'_>, parts: &Parts<'_>) -> Result<Stack, EngineError> {
    if parts.embedding.dtype() != crate::weights::Dtype::F8E4M3 {
        return loader.stack(parts.embedding);
    }
    let (rows, columns) = (parts.embedding.rows(), parts.embedding.columns());
    loader.stack(&crate::weights::Matrix::from_f32(rows, columns, &parts.embedding.to_f32()))
}

/// A cache on a device, with what passes over it need.
#[derive(Debug)]
pub(crate) struct DeviceState {
    buffers: HashMap<&'static str, Buffer>,
    caches: Vec<Buffer>,
    pages: usize,
    recordings: HashMap<work::RecordingKey, u64>,
    device: Arc<dyn Device>,
}

impl DeviceState {
    /// A buffer of this name, at least so long. One that grows ends all recordings, since they hold its address.
    fn buffer(&mut self, device: &Arc<dyn Device>, name: &'static str, bytes: usize) -> Result<u64, EngineError> {
        if let Some(found) = self.buffers.get(name)
            && found.bytes() >= bytes
        {
            return Ok(found.at());
        }
        self.buffers.remove(name);
        self.forget();
        let made = Buffer::new(device, bytes)?;
        let at = made.at();
        self.buffers.insert(name, made);
        Ok(at)
    }

    fn cache_of(&self, layer: usize) -> u64 {
        self.caches[layer].at()
    }

    fn forget(&mut self) {
        for (_, recording) in self.recordings.drain() {
            self.device.forget(recording);
        }
    }
}

impl Drop for DeviceState {
    fn drop(&mut self) {
        self.forget();
    }
}

impl DeviceModel for OnDevice {
    fn forward(
        &self,
        spans: &[Span<'_>],
        pages: usize,
        remote: &mut Option<Box<dyn Any + Send + Sync>>,
        trace: Option<&mut Trace>,
    ) -> Result<Output, EngineError> {
        let state = match remote.as_mut().and_then(|state| state.downcast_mut::<DeviceState>()) {
            Some(state) => state,
            None => {
                *remote = Some(Box::new(self.state(pages)?));
                remote.as_mut().and_then(|state| state.downcast_mut()).expect("it was just put there")
            }
        };
        let recordable = trace.is_none() && spans.iter().all(|span| span.wanted != Wanted::None);
        let work = Work::new(spans, state, &self.device, recordable)?;
        self.compute(state, &work, trace)?;
        let vocabulary = self.config.vocabulary;
        let mut logits = match state.buffers.get("logits") {
            Some(buffer) if work.wanted > 0 => buffer.to_f32(work.wanted * vocabulary)?,
            _ => Vec::new(),
        };
        logits.truncate(work.wanted_real * vocabulary);
        let mut routes = pass::Pass { model: self, state, work: &work }.routes()?;
        for routes in &mut routes {
            routes.experts.truncate(work.rows_real * routes.chosen);
            routes.weights.truncate(work.rows_real * routes.chosen);
        }
        Ok(Output { logits, routes })
    }

    fn cached(
        &self,
        remote: &Option<Box<dyn Any + Send + Sync>>,
        layer: usize,
        pages: &[u32],
        positions: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let Some(state) = remote.as_ref().and_then(|state| state.downcast_ref::<DeviceState>()) else {
            return Ok(vec![0.0; positions * self.config.cache_width()]);
        };
        let (width, size) = (self.config.cache_width(), self.cache_bytes());
        let mut bytes = vec![0; state.pages * PAGE * width * size];
        state.caches[layer].download(&mut bytes)?;
        let mut rows = Vec::with_capacity(positions * width);
        for position in 0..positions {
            let at = (pages[position / PAGE] as usize * PAGE + position % PAGE) * width * size;
            let mut row = vec![0.0; width];
            let dtype = if self.exact { crate::weights::Dtype::F32 } else { crate::weights::Dtype::BF16 };
            dtype.widen(&bytes[at..at + width * size], &mut row);
            rows.extend(row);
        }
        Ok(rows)
    }

    fn cache_bytes_per_token(&self) -> usize {
        self.config.layers() * self.config.cache_width() * self.cache_bytes()
    }
}
