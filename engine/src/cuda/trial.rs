//! A layer of experts with random weights that older and newer kernels compute from the same input: to be compared, and timed.

use std::sync::Arc;

use super::device::{Buffer, Device};
use super::ops::{self, Arithmetic, Part};
use super::random::fill;
use super::weights::{Kind, Stack};
use super::wgmma::{self, Terms};
use crate::config::{Experts, Groups, Score};
use crate::error::EngineError;

/// How large a layer is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub experts: usize,
    /// Experts of a token.
    pub chosen: usize,
    pub hidden: usize,
    /// Values inside an expert.
    pub width: usize,
}

/// The layer, its input, and room for all that lies between.
pub(super) struct Trial<'a> {
    device: &'a Arc<dyn Device>,
    shape: Experts,
    hidden: usize,
    tokens: usize,
    gate: Stack,
    up: Stack,
    down: Stack,
    x: Buffer,
    experts: Buffer,
    places: Buffer,
    inner: Buffer,
    terms: Buffer,
    inner_terms: Buffer,
    out: Buffer,
}

impl Trial<'_> {
    /// `routes`: the experts of each token, `size.chosen` of them.
    pub(super) fn new<'a>(
        device: &'a Arc<dyn Device>,
        kind: Kind,
        size: Size,
        routes: &[u32],
    ) -> Result<Trial<'a>, EngineError> {
        let Size { experts: count, chosen, hidden, width } = size;
        let (pairs, tokens) = (routes.len(), routes.len() / chosen);
        let (score, groups) = (Score::Softmax, Groups::All);
        let shape = Experts { count, chosen, width, shared: 0, score, groups, normalise: false, scale: 1.0 };
        let x = Buffer::new(device, 4 * tokens * hidden)?;
        fill(&**device, x.at(), tokens * hidden, 11, 1.0, Kind::F32)?;
        let bytes: Vec<u8> = routes.iter().flat_map(|expert| expert.to_le_bytes()).collect();
        Ok(Trial {
            device,
            shape,
            hidden,
            tokens,
            gate: stack(device, kind, count, width, hidden, 1)?,
            up: stack(device, kind, count, width, hidden, 2)?,
            down: stack(device, kind, count, hidden, width, 3)?,
            x,
            experts: Buffer::of(device, &bytes)?,
            places: Buffer::new(device, 4 * ops::group_numbers(&shape, tokens))?,
            inner: Buffer::new(device, 4 * pairs * width)?,
            terms: Buffer::new(device, 2 * pairs * hidden)?,
            inner_terms: Buffer::new(device, 2 * pairs * width)?,
            out: Buffer::new(device, 4 * pairs * hidden)?,
        })
    }

    /// Starts the kernels that run everywhere.
    pub(super) fn older(&self) -> Result<(), EngineError> {
        let (device, shape, at) = (&**self.device, &self.shape, self.experts.at());
        let (arithmetic, tile) = ops::grouping(shape, self.tokens, false, false, true);
        let tiles = ops::group_pairs(device, shape, at, self.places.at(), self.tokens, arithmetic, tile)?;
        ops::grouped_product(device, &self.gate, Some(&self.up), self.x.at(), self.inner.at(), &tiles)?;
        ops::grouped_product(device, &self.down, None, self.inner.at(), self.out.at(), &tiles)
    }

    /// Starts Hopper's.
    pub(super) fn newer(&self) -> Result<(), EngineError> {
        let (device, shape, at) = (&**self.device, &self.shape, self.experts.at());
        let many = Arithmetic::Many;
        let tiles = ops::group_pairs(device, shape, at, self.places.at(), self.tokens, many, wgmma::TILE)?;
        let rows = self.tokens * shape.chosen;
        let x = Terms { at: [self.terms.at(), 0, 0], rows, columns: self.hidden };
        let inner = Terms { at: [self.inner_terms.at(), 0, 0], rows, columns: shape.width };
        wgmma::terms(device, self.x.at(), tiles.order, shape.chosen, &x)?;
        wgmma::gated(device, &self.gate, &self.up, &x, &inner, Some(&tiles))?;
        let whole = Part { first: 0, rows: self.hidden, of: self.hidden, groups: 1 };
        wgmma::product(device, &self.down, whole, &inner, self.out.at(), Some(&tiles))
    }

    /// What came out of `start`: for each pair of token and expert, `hidden` numbers. What it does not write is no number.
    pub(super) fn outcome(&self, start: impl Fn(&Self) -> Result<(), EngineError>) -> Result<Vec<f32>, EngineError> {
        for buffer in [&self.out, &self.inner, &self.terms, &self.inner_terms] {
            self.device.upload(buffer.at(), &vec![0xff; buffer.bytes()])?;
        }
        start(self)?;
        self.device.wait()?;
        self.out.to_f32(self.tokens * self.shape.chosen * self.hidden)
    }
}

/// Random matrices, with scales that differ where they are E4M3.
pub(super) fn stack(
    device: &Arc<dyn Device>,
    kind: Kind,
    count: usize,
    rows: usize,
    columns: usize,
    seed: u32,
) -> Result<Stack, EngineError> {
    let numbers = count * rows * columns;
    let data = Buffer::new(device, numbers * kind.bytes())?;
    fill(&**device, data.at(), numbers, seed, 1.0 / (columns as f32).sqrt(), kind)?;
    let block = [128, 128];
    let scales_each = if kind == Kind::F8 { rows.div_ceil(block[0]) * columns.div_ceil(block[1]) } else { 0 };
    let scales: Vec<f32> = (0..count * scales_each).map(|at| 0.02 + 0.01 * (at % 7) as f32).collect();
    let scales = if scales.is_empty() { None } else { Some(Buffer::of_f32(device, &scales)?) };
    Ok(Stack { data, kind, rows, columns, scales, block, scales_each })
}
