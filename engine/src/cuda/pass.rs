//! One forward pass on the device: the same equations as `model`, launch by launch.
//!
//! Rows that decode come first and take the arithmetic for few rows; the rows of each prefilling span take that for many. So
//! a row's numbers depend on its own request alone, as everywhere in the engine.

use super::args::{
    AttendArgs, CombineArgs, CopyPartArgs, CopyRowsArgs, LatentArgs, LatentWriteArgs, MergeArgs, PairWriteArgs,
    RopeArgs,
};
use super::device::{Shape, launch};
use super::layers::{DeviceAttend, DeviceExperts, DeviceFeed, DeviceGated, DeviceGrouped, DeviceLatent, DeviceLinear};
use super::ops::{self, Arithmetic, Part, Rows, SPLIT};
use super::weights::Stack;
use super::{DeviceState, OnDevice, SHARED_BYTES_MAX, Work};
use crate::backend::Routes;
use crate::config::{Attention, Grouped, Latent, Pairing};
use crate::error::EngineError;
use crate::model::Trace;

mod many;
mod prompts;

/// Rows of activations and who computes them: few rows first, then many.
#[derive(Clone, Copy)]
struct Parts {
    few: usize,
    all: usize,
}

/// A pass over the rows of one batch.
pub(super) struct Pass<'a> {
    pub model: &'a OnDevice,
    pub state: &'a mut DeviceState,
    pub work: &'a Work,
}

impl Pass<'_> {
    /// Launches everything from the tokens to the wanted logits, which end in the buffer `logits`.
    pub(super) fn run(&mut self, mut trace: Option<&mut Trace>) -> Result<(), EngineError> {
        let (model, n) = (self.model, self.work.rows);
        let hidden = model.config.hidden;
        let x = self.buffer("x", n * hidden)?;
        let h = self.buffer("h", n * hidden)?;
        ops::embed(&*model.device, &model.embedding, self.work.tokens(), x, n)?;
        let mut pending = 0;
        for (at, layer) in model.layers.iter().enumerate() {
            ops::norm(&*model.device, x, pending, &layer.attention_norm, h, n, hidden, model.config.norm_eps)?;
            if let Some(trace) = trace.as_deref_mut() {
                trace.hidden.push(self.read("x", n * hidden)?);
            }
            let attended = match (&layer.attention, &model.config.attention) {
                (DeviceAttend::Latent(weights), Attention::Latent(shape)) => self.latent(at, weights, shape, h)?,
                (DeviceAttend::Grouped(weights), Attention::Grouped(shape)) => self.grouped(at, weights, shape, h)?,
                _ => unreachable!("weights are loaded by the description"),
            };
            ops::norm(&*model.device, x, attended, &layer.feed_norm, h, n, hidden, model.config.norm_eps)?;
            pending = self.feed(at, &layer.feed, h)?;
        }
        ops::norm(&*model.device, x, pending, &model.norm, h, n, hidden, model.config.norm_eps)?;
        if let Some(trace) = trace {
            trace.hidden.push(self.read("h", n * hidden)?);
            trace.routes = self.routes()?;
        }
        self.logits(h)
    }

    fn parts(&self) -> Parts {
        Parts { few: self.work.decode, all: self.work.rows }
    }

    fn buffer(&mut self, name: &'static str, numbers: usize) -> Result<u64, EngineError> {
        self.state.buffer(&self.model.device, name, 4 * numbers)
    }

    fn read(&self, name: &'static str, numbers: usize) -> Result<Vec<f32>, EngineError> {
        self.state.buffers.get(name).map_or(Ok(Vec::new()), |buffer| buffer.to_f32(numbers))
    }

    /// Each layer's routes; empty for dense layers.
    pub(super) fn routes(&self) -> Result<Vec<Routes>, EngineError> {
        let chosen = self.model.config.experts.map_or(0, |experts| experts.chosen);
        let pairs = self.work.rows * chosen;
        let dense = |layer: &super::layers::DeviceLayer| matches!(layer.feed, DeviceFeed::Dense(_));
        let routed = self.model.layers.iter().filter(|layer| !dense(layer)).count();
        if routed == 0 {
            return Ok(vec![Routes::default(); self.model.layers.len()]);
        }
        let all = |name| self.state.buffers.get(name).expect("layers with experts were computed");
        let experts = all("routed experts").to_u32(routed * pairs)?;
        let weights = all("routed weights").to_f32(routed * pairs)?;
        let mut at = 0;
        let one = |layer: &super::layers::DeviceLayer| {
            if dense(layer) {
                return Routes::default();
            }
            let part = at..at + self.work.rows * chosen;
            at += pairs;
            Routes { chosen, experts: experts[part.clone()].to_vec(), weights: weights[part].to_vec() }
        };
        Ok(self.model.layers.iter().map(one).collect())
    }

    /// `y = x w^T` for all rows.
    fn product(&mut self, w: &Stack, x: u64, y: u64, parts: Parts, exact: bool) -> Result<(), EngineError> {
        let part = Part { first: 0, rows: w.rows, of: w.rows, groups: 1 };
        let device = &*self.model.device;
        let (rows_x, rows_y) = (Rows::whole(x, w.columns), Rows::whole(y, w.rows));
        if parts.few > 0 {
            ops::product(device, w, None, part, rows_x, rows_y, parts.few, Arithmetic::Few)?;
        }
        let many = parts.all - parts.few;
        if many == 0 {
            return Ok(());
        }
        let (x, y) = (x + (4 * parts.few * w.columns) as u64, y + (4 * parts.few * w.rows) as u64);
        if !exact && !self.model.exact {
            let narrow = self.buffer("narrow", (many * w.columns).div_ceil(2))?;
            if ops::library_product(device, w, x, narrow, y, many)? {
                return Ok(());
            }
        }
        if self.many_product(w, part, x, y, many, exact || self.model.exact)? {
            return Ok(());
        }
        let arithmetic = if exact || self.model.exact { Arithmetic::ManyExact } else { Arithmetic::Many };
        ops::product(device, w, None, part, Rows::whole(x, w.columns), Rows::whole(y, w.rows), many, arithmetic)
    }

    fn linear(&mut self, linear: &DeviceLinear, x: u64, y: u64) -> Result<(), EngineError> {
        self.product(&linear.weight, x, y, self.parts(), false)?;
        ops::bias_clip(&*self.model.device, y, linear.bias.as_ref(), None, self.work.rows, linear.weight.rows)
    }

    fn rope(&self, x: u64, heads: usize, stride: usize, offset: usize) -> Result<(), EngineError> {
        let half = self.model.config.rotary() / 2;
        let args = RopeArgs {
            x,
            positions: self.work.positions(),
            frequencies: self.model.frequencies.at(),
            token_stride: (heads * stride) as i64,
            heads: heads as i32,
            head_stride: stride as i32,
            offset: offset as i32,
            half: half as i32,
            interleaved: i32::from(self.model.config.rope.pairing == Pairing::Interleaved),
            amplitude: self.model.config.rope.amplitude,
        };
        launch(&*self.model.device, "rope", rows_shape(self.work.rows), &args)
    }

    fn latent(&mut self, at: usize, w: &DeviceLatent, shape: &Latent, h: u64) -> Result<u64, EngineError> {
        let (n, device) = (self.work.rows, &*self.model.device);
        let head = shape.nope + shape.rotary;
        let q = self.buffer("q", n * shape.heads * head)?;
        match &w.query_down {
            None => self.linear(&w.query, h, q)?,
            Some((down, norm)) => {
                let rank = down.weight.rows;
                let low = self.buffer("low", n * rank)?;
                self.linear(down, h, low)?;
                ops::norm(device, low, 0, norm, low, n, rank, shape.latent_eps)?;
                self.linear(&w.query, low, q)?;
            }
        }
        let c = self.buffer("c", n * (shape.latent + shape.rotary))?;
        self.linear(&w.latent, h, c)?;
        self.rope(q, shape.heads, head, shape.nope)?;
        let write = LatentWriteArgs {
            c,
            weight: w.latent_norm.at(),
            cache: self.state.cache_of(at),
            slots: self.work.slots(),
            positions: self.work.positions(),
            frequencies: self.model.frequencies.at(),
            latent: shape.latent as i32,
            rotary: shape.rotary as i32,
            interleaved: i32::from(self.model.config.rope.pairing == Pairing::Interleaved),
            eps: shape.latent_eps,
            amplitude: self.model.config.rope.amplitude,
        };
        launch(device, &self.model.cached("latent_write"), rows_shape(n), &write)?;
        let mixed = self.buffer("mixed", n * shape.heads * shape.value)?;
        if self.work.decode > 0 {
            self.latent_absorbed(at, w, shape, q, mixed)?;
        }
        for span in 0..self.work.spans.len() {
            self.latent_expanded(at, w, shape, span, q, mixed)?;
        }
        let out = self.buffer("attended", n * self.model.config.hidden)?;
        self.linear(&w.output, mixed, out)?;
        Ok(out)
    }

    /// The decoding rows: keys' and values' projections absorbed, the cache read once for all heads of a block.
    fn latent_absorbed(
        &mut self,
        at: usize,
        w: &DeviceLatent,
        shape: &Latent,
        q: u64,
        mixed: u64,
    ) -> Result<(), EngineError> {
        let (n, device) = (self.work.decode, &*self.model.device);
        let Latent { heads, latent, nope, rotary, value, .. } = *shape;
        let (head, width, splits) = (nope + rotary, latent + rotary, self.work.splits);
        let absorbed = self.buffer("absorbed", n * heads * width)?;
        let keys = Part { first: 0, rows: latent, of: latent, groups: heads };
        let from = Rows { at: q, stride: heads * head, group: head };
        let to = Rows { at: absorbed, stride: heads * width, group: width };
        ops::product(device, &w.key_up, None, keys, from, to, n, Arithmetic::Few)?;
        let copy = CopyPartArgs {
            x: q + 4 * nope as u64,
            y: absorbed + 4 * latent as u64,
            x_stride: head as i64,
            y_stride: width as i64,
            width: rotary as i32,
        };
        launch(device, "copy_part", Shape { grid: [n * heads, 1, 1], threads: 32, shared_bytes: 0 }, &copy)?;
        let parts = self.buffer("parts", n * heads * splits * latent)?;
        let peaks = self.buffer("peaks", n * heads * splits * 2)?;
        let heads_block = (SHARED_BYTES_MAX / 4 / (width + SPLIT)).clamp(1, 16).min(heads);
        let args = LatentArgs {
            q: absorbed,
            cache: self.state.cache_of(at),
            tables: self.work.tables(),
            positions: self.work.positions(),
            mixed: parts,
            peaks,
            table_stride: self.work.table_stride as i32,
            heads: heads as i32,
            heads_block: heads_block as i32,
            latent: latent as i32,
            rotary: rotary as i32,
            splits: splits as i32,
            split: SPLIT as i32,
            scale: self.model.config.softmax_scale(),
        };
        let shared_bytes = 4 * heads_block * (width + SPLIT);
        let grid = [splits, heads.div_ceil(heads_block), n];
        launch(device, &self.model.cached("latent_decode"), Shape { grid, threads: 256, shared_bytes }, &args)?;
        let merged = self.buffer("merged", n * heads * latent)?;
        self.merge(parts, peaks, merged, latent, heads, 0)?;
        let values = Part { first: nope, rows: value, of: nope + value, groups: heads };
        let from = Rows { at: merged, stride: heads * latent, group: latent };
        let to = Rows { at: mixed, stride: heads * value, group: value };
        ops::product(device, &w.key_value_up, None, values, from, to, n, Arithmetic::Few)
    }

    fn merge(
        &self,
        parts: u64,
        peaks: u64,
        out: u64,
        width: usize,
        heads: usize,
        window: usize,
    ) -> Result<(), EngineError> {
        let args = MergeArgs {
            parts,
            peaks,
            positions: self.work.positions(),
            out,
            splits: self.work.splits as i32,
            split: SPLIT as i32,
            width: width as i32,
            heads: heads as i32,
            window: window as i32,
        };
        ops::merge(&*self.model.device, &args, self.work.decode)
    }

    fn grouped(&mut self, at: usize, w: &DeviceGrouped, shape: &Grouped, h: u64) -> Result<u64, EngineError> {
        let (n, model) = (self.work.rows, self.model);
        let device = &*model.device;
        let (wide, narrow) = (shape.heads * shape.head, shape.kv_heads * shape.head);
        let q = self.buffer("q", n * wide)?;
        let k = self.buffer("k", n * narrow)?;
        let v = self.buffer("v", n * narrow)?;
        for (linear, y) in [(&w.query, q), (&w.key, k), (&w.value, v)] {
            self.product(&linear.weight, h, y, self.parts(), false)?;
            ops::bias_clip(device, y, linear.bias.as_ref(), shape.clip, n, linear.weight.rows)?;
        }
        for (norm, y, width) in [(&w.query_norm, q, wide), (&w.key_norm, k, narrow)] {
            if let Some((weight, spans)) = norm {
                ops::norm(device, y, 0, weight, y, n * width / spans, *spans, model.config.norm_eps)?;
            }
        }
        self.rope(q, shape.heads, shape.head, 0)?;
        self.rope(k, shape.kv_heads, shape.head, 0)?;
        let cache = self.state.cache_of(at);
        let write = PairWriteArgs { k, v, cache, slots: self.work.slots(), width: narrow as i32 };
        launch(device, &model.cached("pair_write"), rows_shape(n), &write)?;
        let mixed = self.buffer("mixed", n * wide)?;
        self.grouped_attention(cache, shape, q, mixed)?;
        let out = self.buffer("attended", n * model.config.hidden)?;
        self.linear(&w.output, mixed, out)?;
        Ok(out)
    }

    fn grouped_attention(&mut self, cache: u64, shape: &Grouped, q: u64, mixed: u64) -> Result<(), EngineError> {
        let (model, splits) = (self.model, self.work.splits);
        let Grouped { heads, kv_heads, head, .. } = *shape;
        let (wide, narrow) = (heads * head, kv_heads * head);
        let window = shape.window.unwrap_or(0);
        let args = AttendArgs {
            q,
            k: cache,
            v: cache + (narrow * model.cache_bytes()) as u64,
            out: mixed,
            tables: self.work.tables(),
            positions: self.work.positions(),
            q_token: wide as i64,
            out_token: wide as i64,
            k_row: 2 * narrow as i64,
            v_row: 2 * narrow as i64,
            k_head: head as i32,
            v_head: head as i32,
            q_head: head as i32,
            dims: head as i32,
            values: head as i32,
            share: (heads / kv_heads) as i32,
            paged: 1,
            table_stride: self.work.table_stride as i32,
            splits: 1,
            split: SPLIT as i32,
            window: i32::try_from(window).unwrap_or(i32::MAX),
            scale: model.config.softmax_scale(),
            heads: heads as i32,
            ..AttendArgs::default()
        };
        let kernel = if model.exact { "attend_f32_f32" } else { "attend_bf16_bf16" };
        let shape_of =
            |splits, tokens| Shape { grid: [splits, tokens, heads.div_ceil(4)], threads: 128, shared_bytes: 16 * head };
        if self.work.decode > 0 {
            let n = self.work.decode;
            let parts = self.buffer("parts", n * heads * splits * head)?;
            let peaks = self.buffer("peaks", n * heads * splits * 2)?;
            let (out, out_token) = if splits == 1 { (mixed, wide) } else { (parts, wide * splits) };
            let args = AttendArgs { out, peaks, out_token: out_token as i64, splits: splits as i32, ..args };
            launch(&*model.device, kernel, shape_of(splits, n), &args)?;
            if splits > 1 {
                self.merge(parts, peaks, mixed, head, heads, window)?;
            }
        }
        self.grouped_prompts(args)
    }

    fn feed(&mut self, at: usize, feed: &DeviceFeed, h: u64) -> Result<u64, EngineError> {
        let (n, hidden) = (self.work.rows, self.model.config.hidden);
        let y = self.buffer("fed", n * hidden)?;
        match feed {
            DeviceFeed::Dense(weights) => self.gated(weights, h, y)?,
            DeviceFeed::Experts(experts) => self.experts(at, experts, h, y)?,
        }
        Ok(y)
    }

    /// `y = down(silu(gate(x)) * up(x))`
    fn gated(&mut self, w: &DeviceGated, x: u64, y: u64) -> Result<(), EngineError> {
        let (parts, device) = (self.parts(), &*self.model.device);
        let width = w.gate.rows;
        let inner = self.buffer("inner", parts.all * width)?;
        let part = Part { first: 0, rows: width, of: width, groups: 1 };
        if parts.few > 0 {
            let (from, to) = (Rows::whole(x, w.gate.columns), Rows::whole(inner, width));
            ops::product(device, &w.gate, Some(&w.up), part, from, to, parts.few, Arithmetic::Few)?;
        }
        let many = parts.all - parts.few;
        if many > 0 {
            let from = x + (4 * parts.few * w.gate.columns) as u64;
            let to = inner + (4 * parts.few * width) as u64;
            if !self.model.exact {
                let narrow = self.buffer("narrow", (many * w.gate.columns).div_ceil(2))?;
                let other = self.buffer("inner up", many * width)?;
                if ops::library_product(device, &w.gate, from, narrow, to, many)?
                    && ops::library_product(device, &w.up, from, narrow, other, many)?
                {
                    ops::silu_multiply(device, to, other, many * width)?;
                    return self.product(&w.down, inner, y, parts, false);
                }
            }
            if self.many_gated(w, from, y + (4 * parts.few * w.down.rows) as u64, many)? {
                return self.product(&w.down, inner, y, Parts { all: parts.few, ..parts }, false);
            }
            let arithmetic = if self.model.exact { Arithmetic::ManyExact } else { Arithmetic::Many };
            let (from, to) = (Rows::whole(from, w.gate.columns), Rows::whole(to, width));
            ops::product(device, &w.gate, Some(&w.up), part, from, to, many, arithmetic)?;
        }
        self.product(&w.down, inner, y, parts, false)
    }

    fn experts(&mut self, at: usize, w: &DeviceExperts, h: u64, y: u64) -> Result<(), EngineError> {
        let (n, model) = (self.work.rows, self.model);
        let (device, hidden) = (&*model.device, model.config.hidden);
        let shape = model.config.experts.as_ref().expect("layers with experts were checked to have their sizes");
        let scores = self.buffer("scores", n * shape.count)?;
        let all = Part { first: 0, rows: shape.count, of: shape.count, groups: 1 };
        let (from, to) = (Rows::whole(h, hidden), Rows::whole(scores, shape.count));
        ops::product(device, &w.router, None, all, from, to, n, Arithmetic::Plain)?;
        let nth = model.layers[..at].iter().filter(|layer| matches!(layer.feed, DeviceFeed::Experts(_))).count();
        let pairs = n * shape.chosen;
        let routed = model.layers.iter().filter(|layer| matches!(layer.feed, DeviceFeed::Experts(_))).count();
        let experts = self.buffer("routed experts", routed * pairs)? + 4 * (nth * pairs) as u64;
        let weights = self.buffer("routed weights", routed * pairs)? + 4 * (nth * pairs) as u64;
        ops::route(device, shape, scores, w.bias.as_ref(), experts, weights, n)?;
        if let Some(shared) = &w.shared {
            self.gated(shared, h, y)?;
            if let Some(gate) = &w.shared_gate {
                let gates = self.buffer("gates", n)?;
                self.product(gate, h, gates, self.parts(), false)?;
                ops::open_gate(device, y, gates, n, hidden)?;
            }
        }
        let said = self.buffer("said", n * shape.chosen * hidden)?;
        let parts = self.parts();
        for (first, count, few) in [(0, parts.few, true), (parts.few, parts.all - parts.few, false)] {
            if count == 0 {
                continue;
            }
            let x = h + 4 * (first * hidden) as u64;
            let chosen = experts + 4 * (first * shape.chosen) as u64;
            let out = said + 4 * (first * shape.chosen * hidden) as u64;
            if !few && self.many_experts(w, x, chosen, out, count)? {
                continue;
            }
            let places = self.buffer("places", ops::group_numbers(shape, count))?;
            let inner = self.buffer("inner", count * shape.chosen * shape.width)?;
            let suits = ops::experts_suit(&w.routed.gate, x) && ops::experts_suit(&w.routed.down, inner);
            let (arithmetic, tile) = ops::grouping(shape, count, few, model.exact, suits);
            let tiles = ops::group_pairs(device, shape, chosen, places, count, arithmetic, tile)?;
            ops::grouped_product(device, &w.routed.gate, Some(&w.routed.up), x, inner, &tiles)?;
            ops::grouped_product(device, &w.routed.down, None, inner, out, &tiles)?;
        }
        let args = CombineArgs {
            parts: said,
            experts,
            weights,
            y,
            hidden: hidden as i32,
            chosen: shape.chosen as i32,
            add: i32::from(w.shared.is_some()),
        };
        ops::combine(device, &args, n)
    }

    fn logits(&mut self, h: u64) -> Result<(), EngineError> {
        let (wanted, hidden) = (self.work.wanted, self.model.config.hidden);
        if wanted == 0 {
            return Ok(());
        }
        let last = self.buffer("last", wanted * hidden)?;
        let copy = CopyRowsArgs { x: h, rows: self.work.wanted_rows(), y: last, width: hidden as i32 };
        launch(&*self.model.device, "copy_rows", rows_shape(wanted), &copy)?;
        let logits = self.buffer("logits", wanted * self.model.config.vocabulary)?;
        let parts = Parts { few: self.work.wanted_few, all: wanted };
        let model = self.model;
        self.product(model.output.as_ref().unwrap_or(&model.embedding), last, logits, parts, true)
    }
}

fn rows_shape(rows: usize) -> Shape {
    Shape { grid: [rows, 1, 1], threads: 256, shared_bytes: 0 }
}
