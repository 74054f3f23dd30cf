//! Models of a description's exact shape with random weights made on the device, and how fast they are: what a card can do
//! with a model whose files nobody has to carry there.

use std::sync::Arc;
use std::time::Instant;

use super::args::{ArgmaxArgs, RandomArgs, StepArgs};
use super::device::{Buffer, Device, Shape, launch};
use super::layers::{
    DeviceAttend, DeviceExperts, DeviceFeed, DeviceGated, DeviceGrouped, DeviceLatent, DeviceLayer, DeviceLinear,
};
use super::weights::{Kind, Stack};
use super::{Gpu, OnDevice, Plan, pass, work::Work};
use crate::cache::PAGE;
use crate::config::{Attention, FeedForward, ModelConfig};
use crate::error::EngineError;
use crate::model::{Pass, Span, Wanted};

/// The type of random weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RandomWeights {
    /// All bf16.
    Bf16,
    /// Projections and experts in E4M3 with a scale for each 128 by 128; embedding, output and router bf16.
    Fp8,
}

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Speed {
    /// Tokens a second.
    pub per_second: f64,
    /// Bytes that a step has to read: weights of the experts that a batch meets, and the cache.
    pub step_bytes: f64,
    /// What reading them alone allows, at the bandwidth measured on this card.
    pub limit: f64,
}

/// A model to measure.
#[derive(Debug)]
pub struct RandomModel {
    model: OnDevice,
    weights: RandomWeights,
}

impl RandomModel {
    /// Makes one of this shape.
    ///
    /// # Errors
    /// `NoMemory` where it does not fit.
    pub fn new(gpu: &Gpu, config: &ModelConfig, weights: RandomWeights) -> Result<RandomModel, EngineError> {
        let (free, _) = gpu.device.memory()?;
        Plan::of(config, weights_bytes(config, weights), &gpu.options).check(free)?;
        let mut maker = Maker { device: &gpu.device, weights, block: config.fp8_block, seed: 1 };
        let frequencies = Buffer::of_f32(&gpu.device, &config.rope.frequencies(config.rotary()))?;
        let layers = (0..config.layers()).map(|at| maker.layer(config, at)).collect::<Result<_, _>>()?;
        let model = OnDevice {
            embedding: maker.plain(config.vocabulary, config.hidden)?,
            output: Some(maker.plain(config.vocabulary, config.hidden)?),
            norm: maker.ones(config.hidden)?,
            layers,
            frequencies,
            exact: gpu.options.exact,
            wgmma: gpu.prompts.products.serves,
            tensor_attention: gpu.prompts.attention.serves && !gpu.options.exact,
            config: config.clone(),
            device: gpu.device.clone(),
        };
        Ok(RandomModel { model, weights })
    }

    /// Decodes `steps` tokens for `batch` sequences after `context` tokens each; every step is a recorded graph and draws the
    /// likeliest token on the device.
    ///
    /// # Errors
    /// `Device` where the device fails.
    pub fn decode(&self, batch: usize, context: usize, steps: usize, bandwidth: f64) -> Result<Speed, EngineError> {
        let pages_each = (context + steps + 2).div_ceil(PAGE);
        let pages: Vec<Vec<u32>> =
            (0..batch).map(|b| ((b * pages_each) as u32..((b + 1) * pages_each) as u32).collect()).collect();
        let mut state = self.model.state(batch * pages_each)?;
        for cache in &state.caches {
            fill(&*self.model.device, cache.at(), cache.bytes() / self.model.cache_bytes(), 7, 1.0, self.cache_kind())?;
        }
        let spans: Vec<Span<'_>> = pages
            .iter()
            .enumerate()
            .map(|(at, pages)| Span {
                tokens: if at % 2 == 0 { &[1] } else { &[2] },
                start: context + steps,
                pages,
                pass: Pass::Decode,
                wanted: Wanted::Last,
            })
            .collect();
        // The shape is that of the last step, and the first step's positions are set after it.
        let work = Work::new(&spans, &mut state, &self.model.device, true)?;
        let drawn = Buffer::new(&self.model.device, 4 * work.rows)?;
        let positions: Vec<u8> = (0..work.rows).flat_map(|_| (context as u32 - 1).to_le_bytes()).collect();
        let run = |state: &mut super::DeviceState| {
            pass::Pass { model: &self.model, state, work: &work }.run(None)?;
            self.draw(state, &work, &drawn)
        };
        self.model.device.upload(work.positions(), &positions)?;
        run(&mut state)?;
        let recording = if self.model.device.record()? {
            let launched = run(&mut state);
            let recording = self.model.device.recorded();
            launched?;
            Some(recording?)
        } else {
            None
        };
        let step = |state: &mut super::DeviceState| match recording {
            Some(recording) => self.model.device.replay(recording),
            None => run(state),
        };
        self.model.device.upload(work.positions(), &positions)?;
        step(&mut state)?;
        self.model.device.wait()?;
        let start = Instant::now();
        for _ in 1..steps {
            step(&mut state)?;
        }
        self.model.device.wait()?;
        let per_second = (batch * (steps - 1).max(1)) as f64 / start.elapsed().as_secs_f64();
        if let Some(recording) = recording {
            self.model.device.forget(recording);
        }
        let cache = (batch * (context + steps / 2)) as f64
            * crate::model::DeviceModel::cache_bytes_per_token(&self.model) as f64;
        let step_bytes = met_bytes(&self.model.config, self.weights, batch) + cache;
        Ok(Speed { per_second, step_bytes, limit: bandwidth / step_bytes * batch as f64 })
    }

    /// Reads a prompt of so many tokens, in passes of the options' size; the best of some rounds.
    ///
    /// # Errors
    /// `Device` where the device fails.
    pub fn prefill(&self, tokens: usize, chunk: usize, rounds: usize) -> Result<f64, EngineError> {
        let pages: Vec<u32> = (0..tokens.div_ceil(PAGE) as u32).collect();
        let mut state = self.model.state(pages.len())?;
        let text: Vec<u32> = (0..tokens).map(|at| ((at * 7_919 + 13) % self.model.config.vocabulary) as u32).collect();
        let mut best = f64::INFINITY;
        for _ in 0..=rounds {
            let start = Instant::now();
            for (at, part) in text.chunks(chunk).enumerate() {
                let span =
                    Span { tokens: part, start: at * chunk, pages: &pages, pass: Pass::Prefill, wanted: Wanted::Last };
                let work = Work::new(&[span], &mut state, &self.model.device, false)?;
                pass::Pass { model: &self.model, state: &mut state, work: &work }.run(None)?;
            }
            self.model.device.wait()?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        Ok(tokens as f64 / best)
    }

    fn cache_kind(&self) -> Kind {
        if self.model.exact { Kind::F32 } else { Kind::Bf16 }
    }

    /// Draws the likeliest tokens and makes them the next step's.
    fn draw(&self, state: &mut super::DeviceState, work: &Work, drawn: &Buffer) -> Result<(), EngineError> {
        let Some(logits) = state.buffers.get("logits") else { return Ok(()) };
        let (device, vocabulary) = (&*self.model.device, self.model.config.vocabulary as i32);
        let args = ArgmaxArgs { logits: logits.at(), tokens: drawn.at(), vocabulary };
        launch(device, "argmax", Shape { grid: [work.rows, 1, 1], threads: 1_024, shared_bytes: 0 }, &args)?;
        let args = StepArgs {
            tokens: drawn.at(),
            next: work.tokens(),
            positions: work.positions(),
            slots: work.slots(),
            tables: work.tables(),
            table_stride: work.table_stride as i32,
            count: work.rows as i32,
        };
        let grid = [work.rows.div_ceil(128), 1, 1];
        launch(device, "next_step", Shape { grid, threads: 128, shared_bytes: 0 }, &args)
    }
}

/// Bytes a second that a kernel reads and writes when it does nothing else: the best of five copies of 2 GB on this card.
///
/// # Errors
/// `Device` where the device fails.
pub fn bandwidth(gpu: &Gpu, bytes: usize) -> Result<f64, EngineError> {
    let device = &gpu.device;
    let (from, to) = (Buffer::new(device, bytes)?, Buffer::new(device, bytes)?);
    let count = bytes / 4;
    fill(&**device, from.at(), count, 3, 1.0, Kind::F32)?;
    let width = 4_096.min(count);
    let args = super::args::CopyPartArgs {
        x: from.at(),
        y: to.at(),
        x_stride: width as i64,
        y_stride: width as i64,
        width: width as i32,
    };
    let mut best = 0.0f64;
    for _ in 0..5 {
        device.wait()?;
        let start = Instant::now();
        launch(&**device, "copy_part", Shape { grid: [count / width, 1, 1], threads: 256, shared_bytes: 0 }, &args)?;
        device.wait()?;
        best = best.max(2.0 * bytes as f64 / start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Random numbers of a kind, up to `scale` in size.
pub(super) fn fill(
    device: &dyn Device,
    at: u64,
    count: usize,
    seed: u32,
    scale: f32,
    kind: Kind,
) -> Result<(), EngineError> {
    let args = RandomArgs { out: at, count: count as i64, seed, scale, kind: kind as i32 };
    let grid = [count.div_ceil(1_024).clamp(1, 1 << 16), 1, 1];
    launch(device, "random_fill", Shape { grid, threads: 256, shared_bytes: 0 }, &args)
}

/// Bytes of a matrix of random weights.
fn size(weights: RandomWeights, numbers: usize) -> usize {
    if weights == RandomWeights::Fp8 { numbers + numbers / 4_096 } else { 2 * numbers }
}

/// Numbers of attention's projections in a layer.
fn attention_numbers(config: &ModelConfig) -> usize {
    let hidden = config.hidden;
    match &config.attention {
        Attention::Latent(a) => {
            let queries = a.heads * (a.nope + a.rotary);
            let query = a.query_rank.map_or(queries * hidden, |rank| rank * (hidden + queries));
            query
                + (a.latent + a.rotary) * hidden
                + a.heads * (a.nope + a.value) * a.latent
                + hidden * a.heads * a.value
        }
        Attention::Grouped(a) => hidden * a.head * (2 * a.heads + 2 * a.kv_heads),
    }
}

/// Bytes that a step of so many rows reads: each expert counts with the chance that any row meets it.
fn met_bytes(config: &ModelConfig, weights: RandomWeights, rows: usize) -> f64 {
    let mut bytes = 2.0 * (config.vocabulary * config.hidden) as f64;
    for feed in &config.feed_forward {
        bytes += size(weights, attention_numbers(config)) as f64;
        bytes += match (feed, &config.experts) {
            (FeedForward::Dense(width), _) => size(weights, 3 * width * config.hidden) as f64,
            (FeedForward::Experts, Some(e)) => {
                let met = 1.0 - (1.0 - e.chosen as f64 / e.count as f64).powi(rows as i32);
                let routed = e.count as f64 * met * size(weights, 3 * e.width * config.hidden) as f64;
                routed + size(weights, 3 * e.shared * config.hidden) as f64 + 2.0 * (e.count * config.hidden) as f64
            }
            (FeedForward::Experts, None) => 0.0,
        };
    }
    bytes
}

fn weights_bytes(config: &ModelConfig, weights: RandomWeights) -> usize {
    met_bytes(config, weights, 1 << 20) as usize + 2 * config.vocabulary * config.hidden
}

/// Makes random weights.
struct Maker<'a> {
    device: &'a Arc<dyn Device>,
    weights: RandomWeights,
    block: [usize; 2],
    seed: u32,
}

impl Maker<'_> {
    /// Equal matrices of the chosen type, as large as keep a hidden state's size.
    fn stack(&mut self, count: usize, rows: usize, columns: usize) -> Result<Stack, EngineError> {
        if self.weights == RandomWeights::Bf16 {
            return self.of_kind(count, rows, columns, Kind::Bf16);
        }
        let mut stack = self.of_kind(count, rows, columns, Kind::F8)?;
        stack.scales_each = rows.div_ceil(self.block[0]) * columns.div_ceil(self.block[1]);
        // Magnitudes are about 0.6 before scaling.
        let scale = 1.7 / (columns as f32).sqrt();
        stack.scales = Some(Buffer::of_f32(self.device, &vec![scale; count * stack.scales_each])?);
        Ok(stack)
    }

    fn plain(&mut self, rows: usize, columns: usize) -> Result<Stack, EngineError> {
        self.of_kind(1, rows, columns, Kind::Bf16)
    }

    fn of_kind(&mut self, count: usize, rows: usize, columns: usize, kind: Kind) -> Result<Stack, EngineError> {
        let numbers = count * rows * columns;
        let data = Buffer::new(self.device, numbers * kind.bytes())?;
        self.seed = self.seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        fill(&**self.device, data.at(), numbers, self.seed, 1.0 / (columns as f32).sqrt(), kind)?;
        Ok(Stack { data, kind, rows, columns, scales: None, block: self.block, scales_each: 0 })
    }

    fn ones(&self, count: usize) -> Result<Buffer, EngineError> {
        Buffer::of_f32(self.device, &vec![1.0; count])
    }

    fn linear(&mut self, rows: usize, columns: usize) -> Result<DeviceLinear, EngineError> {
        Ok(DeviceLinear { weight: self.stack(1, rows, columns)?, bias: None })
    }

    fn gated(&mut self, count: usize, width: usize, hidden: usize) -> Result<DeviceGated, EngineError> {
        Ok(DeviceGated {
            gate: self.stack(count, width, hidden)?,
            up: self.stack(count, width, hidden)?,
            down: self.stack(count, hidden, width)?,
        })
    }

    fn layer(&mut self, config: &ModelConfig, at: usize) -> Result<DeviceLayer, EngineError> {
        let hidden = config.hidden;
        let feed = match (config.feed_forward[at], &config.experts) {
            (FeedForward::Experts, Some(e)) => DeviceFeed::Experts(Box::new(DeviceExperts {
                router: self.plain(e.count, hidden)?,
                bias: None,
                routed: self.gated(e.count, e.width, hidden)?,
                shared: if e.shared > 0 { Some(self.gated(1, e.shared, hidden)?) } else { None },
                shared_gate: None,
            })),
            (FeedForward::Dense(width), _) => DeviceFeed::Dense(Box::new(self.gated(1, width, hidden)?)),
            (FeedForward::Experts, None) => return Err(EngineError::config("n_routed_experts", "is missing")),
        };
        Ok(DeviceLayer {
            attention_norm: self.ones(hidden)?,
            attention: self.attention(config)?,
            feed_norm: self.ones(hidden)?,
            feed,
        })
    }

    fn attention(&mut self, config: &ModelConfig) -> Result<DeviceAttend, EngineError> {
        let hidden = config.hidden;
        Ok(match &config.attention {
            Attention::Latent(a) => {
                let queries = a.heads * (a.nope + a.rotary);
                let query_down = match a.query_rank {
                    Some(rank) => Some((self.linear(rank, hidden)?, self.ones(rank)?)),
                    None => None,
                };
                DeviceAttend::Latent(Box::new(DeviceLatent {
                    query_down,
                    query: self.linear(queries, a.query_rank.unwrap_or(hidden))?,
                    latent: self.linear(a.latent + a.rotary, hidden)?,
                    latent_norm: self.ones(a.latent)?,
                    key_value_up: self.stack(1, a.heads * (a.nope + a.value), a.latent)?,
                    key_up: self.plain(a.heads * a.latent, a.nope)?,
                    output: self.linear(hidden, a.heads * a.value)?,
                }))
            }
            Attention::Grouped(a) => DeviceAttend::Grouped(Box::new(DeviceGrouped {
                query: self.linear(a.heads * a.head, hidden)?,
                key: self.linear(a.kv_heads * a.head, hidden)?,
                value: self.linear(a.kv_heads * a.head, hidden)?,
                output: self.linear(hidden, a.heads * a.head)?,
                query_norm: None,
                key_norm: None,
            })),
        })
    }
}
