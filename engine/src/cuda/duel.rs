//! How long prompts' products and their attention take by each kind of kernel, on this card and in a model's exact shapes.

use std::sync::Arc;
use std::time::Instant;

use super::device::{Buffer, Device, Product};
use super::ops::{self, Arithmetic, Part, Rows};
use super::prompt_trial::{Heads, PromptTrial};
use super::random::{RandomWeights, fill};
use super::trial::{Size, Trial, stack};
use super::weights::Kind;
use super::wgmma::{self, Terms};
use super::{Gpu, Plan};
use crate::config::ModelConfig;
use crate::error::EngineError;

/// Seconds that one product takes, or a layer's attention; `None` where such a kernel does not serve here.
#[derive(Clone, Debug)]
pub struct Duel {
    /// Which product.
    pub what: String,
    /// Floating-point operations of it.
    pub operations: f64,
    /// By the plain kernels; measured for attention alone.
    pub simt: Option<f64>,
    /// By the kernels for tensor cores that run everywhere, for attention with the rounding of expanded keys and values.
    pub mma: Option<f64>,
    /// By those for Hopper, the rounding of activations included.
    pub wgmma: Option<f64>,
    /// By cuBLAS: bf16 alone, and for experts one product of as many rows with one matrix, which reads fewer weights.
    pub library: Option<f64>,
    /// How far the result for attention by mma is from the plain one, of its size.
    pub apart: Option<f64>,
}

/// How often each is run.
const ROUNDS: usize = 20;

/// Times the experts of a layer, one dense projection and a layer's attention, for a prompt of so many tokens.
///
/// # Errors
/// `NoMemory` where a layer does not fit; `Device` where the device fails.
pub fn duels(gpu: &Gpu, config: &ModelConfig, weights: RandomWeights, tokens: usize) -> Result<Vec<Duel>, EngineError> {
    let kind = if weights == RandomWeights::Fp8 { Kind::F8 } else { Kind::Bf16 };
    let mut found = Vec::new();
    if let Some(e) = &config.experts {
        let size = Size { experts: e.count, chosen: e.chosen, hidden: config.hidden, width: e.width };
        found.push(experts(gpu, kind, size, tokens)?);
    }
    found.push(dense(gpu, kind, config.hidden, config.hidden, tokens)?);
    found.push(attention(gpu, Heads::of(config), tokens)?);
    Ok(found)
}

fn timed(device: &Arc<dyn Device>, mut start: impl FnMut() -> Result<(), EngineError>) -> Result<f64, EngineError> {
    // The first run loads code and finds buffers.
    for _ in 0..2 {
        start()?;
    }
    device.wait()?;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        start()?;
    }
    device.wait()?;
    Ok(began.elapsed().as_secs_f64() / ROUNDS as f64)
}

fn fits(gpu: &Gpu, weights: usize, activations: usize) -> Result<(), EngineError> {
    Plan { weights, cache: 0, activations }.check(gpu.device.memory()?.0)
}

fn attention(gpu: &Gpu, heads: Heads, tokens: usize) -> Result<Duel, EngineError> {
    let (number, dims, value) = heads.sizes();
    fits(gpu, 0, tokens * number * (10 * dims + 10 * value))?;
    let device = &gpu.device;
    let trial = PromptTrial::new(device, heads, 0, tokens)?;
    let serves = gpu.prompts.attention.serves && trial.suits();
    let seen = match heads {
        Heads::Grouped { window, .. } if window > 0 => (0..tokens).map(|at| (at + 1).min(window)).sum(),
        _ => tokens * (tokens + 1) / 2,
    };
    Ok(Duel {
        what: format!("attention, {number} heads of {dims} and {value}"),
        operations: 2.0 * (number * (dims + value)) as f64 * seen as f64,
        simt: Some(timed(device, || trial.plain())?),
        mma: if serves { Some(timed(device, || trial.tensor())?) } else { None },
        wgmma: None,
        library: None,
        apart: if serves { Some(trial.apart()?) } else { None },
    })
}

fn experts(gpu: &Gpu, kind: Kind, size: Size, tokens: usize) -> Result<Duel, EngineError> {
    let Size { experts, chosen, hidden, width } = size;
    let (pairs, numbers) = (tokens * chosen, 3 * experts * hidden * width);
    fits(gpu, numbers * kind.bytes(), pairs * (10 * hidden + 10 * width))?;
    let device = &gpu.device;
    // Each token's experts lie apart, and all experts get about as many.
    let expert = |at: usize| ((at / chosen * 7 + at % chosen * experts.div_ceil(chosen)) % experts) as u32;
    let routes: Vec<u32> = (0..pairs).map(expert).collect();
    let trial = Trial::new(device, kind, size, &routes)?;
    let wgmma = if gpu.prompts.products.serves { Some(timed(device, || trial.newer())?) } else { None };
    let (up, down) = (library(gpu, kind, hidden, width, pairs)?, library(gpu, kind, width, hidden, pairs)?);
    Ok(Duel {
        what: format!("{experts} experts, {chosen} of them, {hidden} to {width} and back"),
        operations: 6.0 * (pairs * hidden * width) as f64,
        simt: None,
        mma: Some(timed(device, || trial.older())?),
        wgmma,
        library: up.zip(down).map(|(up, down)| 2.0 * up + down),
        apart: None,
    })
}

fn dense(gpu: &Gpu, kind: Kind, columns: usize, rows: usize, tokens: usize) -> Result<Duel, EngineError> {
    let device = &gpu.device;
    let w = stack(device, kind, 1, rows, columns, 1)?;
    let x = Buffer::new(device, 4 * tokens * columns)?;
    fill(&**device, x.at(), tokens * columns, 2, 1.0, Kind::F32)?;
    let (narrow, y) = (Buffer::new(device, 2 * tokens * columns)?, Buffer::new(device, 4 * tokens * rows)?);
    let part = Part { first: 0, rows, of: rows, groups: 1 };
    let terms = Terms { at: [narrow.at(), 0, 0], rows: tokens, columns };
    let (from, to) = (Rows::whole(x.at(), columns), Rows::whole(y.at(), rows));
    let newer = || {
        wgmma::terms(&**device, x.at(), 0, 1, &terms)?;
        wgmma::product(&**device, &w, part, &terms, y.at(), None)
    };
    Ok(Duel {
        what: format!("dense, {columns} to {rows}"),
        operations: 2.0 * (tokens * rows * columns) as f64,
        simt: None,
        mma: Some(timed(device, || ops::product(&**device, &w, None, part, from, to, tokens, Arithmetic::Many))?),
        wgmma: if gpu.prompts.products.serves { Some(timed(device, newer)?) } else { None },
        library: library(gpu, kind, columns, rows, tokens)?,
        apart: None,
    })
}

/// One product of bf16 by cuBLAS.
fn library(gpu: &Gpu, kind: Kind, columns: usize, rows: usize, tokens: usize) -> Result<Option<f64>, EngineError> {
    if kind != Kind::Bf16 {
        return Ok(None);
    }
    let device = &gpu.device;
    let w = stack(device, kind, 1, rows, columns, 1)?;
    let (x, y) = (stack(device, kind, 1, tokens, columns, 2)?, Buffer::new(device, 4 * tokens * rows)?);
    let product = Product { x: x.data.at(), w: w.data.at(), y: y.at(), tokens, rows, columns };
    if !device.product(&product)? {
        return Ok(None);
    }
    timed(device, || device.product(&product).map(|_| ())).map(Some)
}
