//! Attention of a prompt over random numbers that the plain kernels and those for tensor cores compute from the same input: to
//! be compared, and timed.

use std::sync::Arc;

use super::args::AttendArgs;
use super::attention;
use super::device::{Buffer, Device, Shape, launch};
use super::ops;
use super::random::fill;
use super::weights::Kind;
use crate::cache::PAGE;
use crate::config::{Attention, ModelConfig};
use crate::error::EngineError;

/// What kind of heads, and how large.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heads {
    /// Keys and values made from latents, `[position, head, nope + value]`; the keys' rotary part in the cache, for all heads.
    Latent { heads: usize, nope: usize, rotary: usize, value: usize },
    /// Keys and values in the cache, each for `share` heads; a query sees `window` keys, or all where that is 0.
    Grouped { heads: usize, share: usize, head: usize, window: usize },
}

impl Heads {
    pub(super) fn of(config: &ModelConfig) -> Heads {
        match &config.attention {
            Attention::Latent(a) => Heads::Latent { heads: a.heads, nope: a.nope, rotary: a.rotary, value: a.value },
            Attention::Grouped(a) => {
                let window = a.window.unwrap_or(0);
                Heads::Grouped { heads: a.heads, share: a.heads / a.kv_heads, head: a.head, window }
            }
        }
    }

    /// Heads, numbers of a query, and numbers of a value.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        match *self {
            Heads::Latent { heads, nope, rotary, value } => (heads, nope + rotary, value),
            Heads::Grouped { heads, head, .. } => (heads, head, head),
        }
    }

    /// Numbers of a position in the cache: here a latent is as short as may be.
    fn cache_width(&self) -> usize {
        match *self {
            Heads::Latent { rotary, .. } => 8 + rotary,
            Heads::Grouped { heads, share, head, .. } => 2 * heads / share * head,
        }
    }

    /// Numbers of a position's expanded keys and values.
    fn expanded_width(&self) -> usize {
        match *self {
            Heads::Latent { heads, nope, value, .. } => heads * (nope + value),
            Heads::Grouped { .. } => 0,
        }
    }
}

/// `count` queries at positions from `start` on, their keys and values, and room for the outcome.
pub(super) struct PromptTrial<'a> {
    device: &'a Arc<dyn Device>,
    heads: Heads,
    start: usize,
    count: usize,
    q: Buffer,
    cache: Buffer,
    expanded: Buffer,
    narrow: Buffer,
    table: Buffer,
    positions: Buffer,
    out: Buffer,
}

impl<'a> PromptTrial<'a> {
    pub(super) fn new(
        device: &'a Arc<dyn Device>,
        heads: Heads,
        start: usize,
        count: usize,
    ) -> Result<PromptTrial<'a>, EngineError> {
        let positions = start + count;
        let (number, dims, value) = heads.sizes();
        let random = |numbers: usize, seed, kind: Kind| {
            let buffer = Buffer::new(device, numbers * kind.bytes())?;
            fill(&**device, buffer.at(), numbers, seed, 1.0, kind)?;
            Ok::<_, EngineError>(buffer)
        };
        let whole = |numbers: &mut dyn Iterator<Item = usize>| -> Vec<u8> {
            numbers.flat_map(|number| (number as u32).to_le_bytes()).collect()
        };
        let pages = positions.div_ceil(PAGE);
        let expanded = positions * heads.expanded_width();
        Ok(PromptTrial {
            device,
            heads,
            start,
            count,
            q: random(count * number * dims, 21, Kind::F32)?,
            cache: random(pages * PAGE * heads.cache_width(), 22, Kind::Bf16)?,
            expanded: random(expanded, 23, Kind::F32)?,
            narrow: Buffer::new(device, 2 * expanded)?,
            // The last page first.
            table: Buffer::of(device, &whole(&mut (0..pages).rev()))?,
            positions: Buffer::of(device, &whole(&mut (start..positions)))?,
            out: Buffer::new(device, 4 * count * number * value)?,
        })
    }

    fn arguments(&self) -> AttendArgs {
        let (number, dims, value) = self.heads.sizes();
        let width = self.heads.cache_width();
        let common = AttendArgs {
            q: self.q.at(),
            out: self.out.at(),
            tables: self.table.at(),
            positions: self.positions.at(),
            q_token: (number * dims) as i64,
            out_token: (number * value) as i64,
            q_head: dims as i32,
            values: value as i32,
            heads: number as i32,
            splits: 1,
            split: ops::SPLIT as i32,
            tables_shared: 1,
            scale: 1.0 / (dims as f32).sqrt(),
            ..AttendArgs::default()
        };
        match self.heads {
            Heads::Latent { nope, rotary, value, .. } => AttendArgs {
                k: self.expanded.at(),
                v: self.expanded.at() + 4 * nope as u64,
                k1: self.cache.at() + 2 * 8,
                k_row: self.heads.expanded_width() as i64,
                v_row: self.heads.expanded_width() as i64,
                k1_row: width as i32,
                k_head: (nope + value) as i32,
                v_head: (nope + value) as i32,
                dims: nope as i32,
                dims1: rotary as i32,
                share: 1,
                ..common
            },
            Heads::Grouped { share, head, window, .. } => AttendArgs {
                k: self.cache.at(),
                v: self.cache.at() + width as u64,
                k_row: width as i64,
                v_row: width as i64,
                k_head: head as i32,
                v_head: head as i32,
                dims: head as i32,
                share: share as i32,
                paged: 1,
                window: window as i32,
                ..common
            },
        }
    }

    /// Whether tensor cores compute such heads.
    pub(super) fn suits(&self) -> bool {
        attention::suits(&self.arguments())
    }

    /// Starts the plain kernel.
    pub(super) fn plain(&self) -> Result<(), EngineError> {
        let args = self.arguments();
        let kernel = if self.narrow_numbers() == 0 { "attend_bf16_bf16" } else { "attend_f32_bf16" };
        let grid = [1, self.count, (args.heads as usize).div_ceil(4)];
        let shared_bytes = 16 * (args.dims + args.dims1) as usize;
        launch(&**self.device, kernel, Shape { grid, threads: 128, shared_bytes }, &args)
    }

    /// Starts the one for tensor cores, the rounding of expanded keys and values included.
    pub(super) fn tensor(&self) -> Result<(), EngineError> {
        let (device, mut args) = (&**self.device, self.arguments());
        if self.narrow_numbers() > 0 {
            ops::narrow_rows(device, self.expanded.at(), self.narrow.at(), self.narrow_numbers())?;
            (args.k, args.v) = (self.narrow.at(), self.narrow.at() + 2 * args.dims as u64);
        }
        attention::prompt(device, &args, self.start, self.count)
    }

    fn narrow_numbers(&self) -> usize {
        (self.start + self.count) * self.heads.expanded_width()
    }

    /// What came out of `start`: `[count, heads, value]`. What it does not write is no number.
    pub(super) fn outcome(&self, start: impl Fn(&Self) -> Result<(), EngineError>) -> Result<Vec<f32>, EngineError> {
        for buffer in [&self.out, &self.narrow] {
            self.device.upload(buffer.at(), &vec![0xff; buffer.bytes()])?;
        }
        start(self)?;
        self.device.wait()?;
        let (number, _, value) = self.heads.sizes();
        self.out.to_f32(self.count * number * value)
    }

    /// How far apart both are, by the root of their squares' sums.
    pub(super) fn apart(&self) -> Result<f64, EngineError> {
        Ok(super::sound::distance(&self.outcome(Self::plain)?, &self.outcome(Self::tensor)?))
    }
}
