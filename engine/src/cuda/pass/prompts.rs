//! Attention of rows that are read: on tensor cores where they serve and the heads suit, else plain.
//!
//! Which of both a span meets depends on the model alone, so that a row's numbers do not depend on how a prompt is cut.

use super::{Pass, rows_shape};
use crate::config::Latent;
use crate::cuda::EXPANDED_MAX;
use crate::cuda::args::{AttendArgs, GatherArgs};
use crate::cuda::attention;
use crate::cuda::device::{Device, Shape, launch};
use crate::cuda::layers::DeviceLatent;
use crate::cuda::ops::{self, Arithmetic, Part, Rows, SPLIT};
use crate::cuda::work::SpanAt;
use crate::error::EngineError;

/// By the plain kernels: a warp a query and head.
fn plain(device: &dyn Device, kernel: &str, args: &AttendArgs, count: usize) -> Result<(), EngineError> {
    let grid = [1, count, (args.heads as usize).div_ceil(4)];
    let shared_bytes = 16 * (args.dims + args.dims1) as usize;
    launch(device, kernel, Shape { grid, threads: 128, shared_bytes }, args)
}

impl Pass<'_> {
    /// A prefilling span: keys and values are made from its sequence's latents, for some heads at a time.
    pub(super) fn latent_expanded(
        &mut self,
        at: usize,
        w: &DeviceLatent,
        shape: &Latent,
        span: usize,
        q: u64,
        mixed: u64,
    ) -> Result<(), EngineError> {
        let (device, span) = (&*self.model.device, self.work.spans[span]);
        let Latent { heads, latent, nope, rotary, value, .. } = *shape;
        let (head, width, each) = (nope + rotary, latent + rotary, nope + value);
        let positions = span.start + span.count;
        let latents = self.buffer("latents", positions * latent)?;
        let table = self.work.span_table(&span);
        let gather = GatherArgs {
            cache: self.state.cache_of(at),
            pages: table,
            out: latents,
            width: width as i32,
            taken: latent as i32,
        };
        launch(device, &self.model.cached("gather"), rows_shape(positions), &gather)?;
        let at_once = (EXPANDED_MAX / (positions * each)).clamp(1, heads);
        let expanded = self.buffer("expanded", positions * at_once * each)?;
        let arithmetic = if self.model.exact { Arithmetic::ManyExact } else { Arithmetic::Many };
        for first in (0..heads).step_by(at_once) {
            let some = at_once.min(heads - first);
            let part = Part { first: first * each, rows: some * each, of: 0, groups: 1 };
            if !self.many_product(&w.key_value_up, part, latents, expanded, positions, self.model.exact)? {
                let (from, to) = (Rows::whole(latents, latent), Rows::whole(expanded, some * each));
                ops::product(device, &w.key_value_up, None, part, from, to, positions, arithmetic)?;
            }
            let args = AttendArgs {
                q: q + 4 * ((span.row * heads + first) * head) as u64,
                k: expanded,
                k1: self.state.cache_of(at) + (latent * self.model.cache_bytes()) as u64,
                v: expanded + 4 * nope as u64,
                out: mixed + 4 * ((span.row * heads + first) * value) as u64,
                tables: table,
                positions: self.work.positions() + 4 * span.row as u64,
                q_token: (heads * head) as i64,
                out_token: (heads * value) as i64,
                k_row: (some * each) as i64,
                v_row: (some * each) as i64,
                k1_row: width as i32,
                k_head: each as i32,
                v_head: each as i32,
                q_head: head as i32,
                dims: nope as i32,
                dims1: rotary as i32,
                values: value as i32,
                share: 1,
                splits: 1,
                split: SPLIT as i32,
                scale: self.model.config.softmax_scale(),
                tables_shared: 1,
                heads: some as i32,
                ..AttendArgs::default()
            };
            self.expanded_attention(&args, positions * some * each, &span)?;
        }
        Ok(())
    }

    /// Attention over so many numbers of expanded keys and values, which `args` has in `f32`.
    fn expanded_attention(&mut self, args: &AttendArgs, numbers: usize, span: &SpanAt) -> Result<(), EngineError> {
        let model = self.model;
        let device = &*model.device;
        if !model.tensor_attention || !attention::suits(args) {
            let kernel = if model.exact { "attend_f32_f32" } else { "attend_f32_bf16" };
            return plain(device, kernel, args, span.count);
        }
        let narrow = self.buffer("narrow keys and values", numbers.div_ceil(2))?;
        ops::narrow_rows(device, args.k, narrow, numbers)?;
        let args = AttendArgs { k: narrow, v: narrow + (args.v - args.k) / 2, ..*args };
        attention::prompt(device, &args, span.start, span.count)
    }

    /// The prefilling spans of grouped heads, whose keys and values lie in the cache. `of_all`: as for the pass' first row.
    pub(super) fn grouped_prompts(&self, of_all: AttendArgs) -> Result<(), EngineError> {
        let (model, device) = (self.model, &*self.model.device);
        for span in &self.work.spans {
            let args = AttendArgs {
                q: of_all.q + 4 * span.row as u64 * of_all.q_token as u64,
                out: of_all.out + 4 * span.row as u64 * of_all.out_token as u64,
                positions: self.work.positions() + 4 * span.row as u64,
                tables: self.work.span_table(span),
                tables_shared: 1,
                ..of_all
            };
            if model.tensor_attention && attention::suits(&args) {
                attention::prompt(device, &args, span.start, span.count)?;
            } else {
                plain(device, if model.exact { "attend_f32_f32" } else { "attend_bf16_bf16" }, &args, span.count)?;
            }
        }
        Ok(())
    }
}
