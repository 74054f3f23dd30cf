//! Rows of prompts where Hopper's kernels serve: activations become bf16 terms once, and stay so between gate and down.
//!
//! Which rows these are depends on the kind of their pass alone, not on how many there are: a batch's size is its neighbours'
//! doing, and a row's numbers must not depend on it. Few rows cost no more than the reading of the weights, as before.

use super::Pass;
use crate::cuda::layers::{DeviceExperts, DeviceGated};
use crate::cuda::ops::{self, Arithmetic, Part};
use crate::cuda::weights::Stack;
use crate::cuda::wgmma::{self, Terms};
use crate::error::EngineError;

/// Buffers of terms.
type Names = [&'static str; 3];
const TERMS: Names = ["terms", "second terms", "third terms"];
const INNER: Names = ["inner terms", "inner second terms", "inner third terms"];

fn whole(w: &Stack) -> Part {
    Part { first: 0, rows: w.rows, of: w.rows, groups: 1 }
}

fn all_suit(w: &DeviceGated) -> bool {
    [&w.gate, &w.up, &w.down].iter().all(|stack| wgmma::suits(stack, &whole(stack)))
}

impl Pass<'_> {
    /// Room for so many rows of terms.
    fn room(&mut self, names: &Names, rows: usize, columns: usize, exact: bool) -> Result<Terms, EngineError> {
        let mut at = [0; 3];
        for (at, name) in at.iter_mut().zip(names).take(if exact { 3 } else { 1 }) {
            *at = self.buffer(name, (rows * columns).div_ceil(2))?;
        }
        Ok(Terms { at, rows, columns })
    }

    /// `y = x w^T` for `rows` rows; `false` where these kernels do not serve.
    pub(super) fn many_product(
        &mut self,
        w: &Stack,
        part: Part,
        x: u64,
        y: u64,
        rows: usize,
        exact: bool,
    ) -> Result<bool, EngineError> {
        if !self.model.wgmma || !wgmma::suits(w, &part) {
            return Ok(false);
        }
        let terms = self.room(&TERMS, rows, w.columns, exact)?;
        wgmma::terms(&*self.model.device, x, 0, 1, &terms)?;
        wgmma::product(&*self.model.device, w, part, &terms, y, None)?;
        Ok(true)
    }

    /// `y = down(silu(gate(x)) * up(x))` for `rows` rows; `false` where these kernels do not serve.
    pub(super) fn many_gated(&mut self, w: &DeviceGated, x: u64, y: u64, rows: usize) -> Result<bool, EngineError> {
        if !self.model.wgmma || !all_suit(w) {
            return Ok(false);
        }
        let (model, exact) = (self.model, self.model.exact);
        let terms = self.room(&TERMS, rows, w.gate.columns, exact)?;
        let inner = self.room(&INNER, rows, w.gate.rows, exact)?;
        wgmma::terms(&*model.device, x, 0, 1, &terms)?;
        wgmma::gated(&*model.device, &w.gate, &w.up, &terms, &inner, None)?;
        wgmma::product(&*model.device, &w.down, whole(&w.down), &inner, y, None)?;
        Ok(true)
    }

    /// What each row's experts say, `[rows * chosen, hidden]`; `false` where these kernels do not serve.
    pub(super) fn many_experts(
        &mut self,
        w: &DeviceExperts,
        x: u64,
        chosen: u64,
        out: u64,
        rows: usize,
    ) -> Result<bool, EngineError> {
        if !self.model.wgmma || !all_suit(&w.routed) {
            return Ok(false);
        }
        let (model, exact, routed) = (self.model, self.model.exact, &w.routed);
        let shape = model.config.experts.as_ref().expect("layers with experts were checked to have their sizes");
        let device = &*model.device;
        let places = self.buffer("places", ops::group_numbers(shape, rows))?;
        let tiles = ops::group_pairs(device, shape, chosen, places, rows, Arithmetic::Many, wgmma::TILE)?;
        let pairs = rows * shape.chosen;
        let terms = self.room(&TERMS, pairs, routed.gate.columns, exact)?;
        let inner = self.room(&INNER, pairs, routed.gate.rows, exact)?;
        wgmma::terms(device, x, tiles.order, shape.chosen, &terms)?;
        wgmma::gated(device, &routed.gate, &routed.up, &terms, &inner, Some(&tiles))?;
        wgmma::product(device, &routed.down, whole(&routed.down), &inner, out, Some(&tiles))?;
        Ok(true)
    }
}
