//! Prompts' attention on tensor cores over the shim: against sums in `f64` on ragged shapes, cut anywhere, in whole models, and the
//! check that chooses it.

#![allow(clippy::print_stdout, reason = "tests say what they measure")]

use std::sync::Arc;

use super::broken::Broken;
use super::{batches_agree, gpu_by, shim};
use crate::cuda::args::AttendArgs;
use crate::cuda::attention;
use crate::cuda::device::{Buffer, Device};
use crate::cuda::sound;
use crate::model::{Pass, Span, Wanted};
use crate::testing::small_model;

/// Weights are rounded to bf16, by at most 2^-9 of each; sums are in `f32`. Measured: at most 1.3e-3.
const DISTANCE_MAX: f64 = 2.5e-3;

/// A head's sizes, and where keys come from.
#[derive(Clone, Copy, Debug)]
struct Shape {
    heads: usize,
    /// Query heads that share keys and values.
    share: usize,
    dims: usize,
    /// Numbers of a key that all heads share and that lie in the cache.
    dims1: usize,
    values: usize,
    /// Whether keys and values lie in pages.
    paged: bool,
    window: usize,
}

/// Heads that share keys, in pages.
fn grouped(heads: usize, share: usize, head: usize) -> Shape {
    Shape { heads, share, dims: head, dims1: 0, values: head, paged: true, window: 0 }
}

/// Heads with keys of two parts.
fn latent(heads: usize, dims: usize, dims1: usize, values: usize) -> Shape {
    Shape { heads, share: 1, dims, dims1, values, paged: false, window: 0 }
}

/// Random numbers that bf16 has, so that nothing is rounded before the products.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let one = |at: u32| {
        let bits = (at ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(2_654_435_761);
        let value = ((bits ^ bits >> 15).wrapping_mul(2_246_822_519) as f32 / (1u64 << 31) as f32 - 1.0) * 1.7;
        f32::from_bits(value.to_bits() & 0xffff_0000)
    };
    (0..count as u32).map(one).collect()
}

fn narrow(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect()
}

/// A sequence's keys and values, and the queries of all its positions.
struct Sequence {
    shape: Shape,
    length: usize,
    q: Vec<f32>,
    keys: Vec<f32>,
    shared_keys: Vec<f32>,
    values: Vec<f32>,
    pages: Vec<u32>,
}

impl Sequence {
    fn new(shape: Shape, length: usize) -> Sequence {
        let of = shape.heads / shape.share;
        let pages = length.div_ceil(16) as u32;
        Sequence {
            q: numbers(length * shape.heads * (shape.dims + shape.dims1), 1),
            keys: numbers(length * of * shape.dims, 2),
            shared_keys: numbers(length * shape.dims1, 3),
            values: numbers(length * of * shape.values, 4),
            // Every second page, the last first.
            pages: (0..pages).rev().map(|page| 2 * page + 1).collect(),
            shape,
            length,
        }
    }

    fn slot(&self, position: usize) -> usize {
        self.pages[position / 16] as usize * 16 + position % 16
    }

    /// Rows of `width` numbers, one a position, where `paged` says; what nobody wrote is no number.
    fn rows(&self, paged: bool, width: usize, row: impl Fn(usize) -> Vec<f32>) -> Vec<u8> {
        let count = if paged { 16 * (2 * self.pages.len() + 1) } else { self.length };
        let mut bytes = vec![0xff; 2 * count * width];
        for position in 0..self.length {
            let at = if paged { self.slot(position) } else { position };
            bytes[2 * at * width..2 * (at + 1) * width].copy_from_slice(&narrow(&row(position)));
        }
        bytes
    }

    /// By the kernel: `count` queries from `start` on, of a sequence that ends there.
    fn computed(&self, device: &Arc<dyn Device>, start: usize, count: usize) -> Vec<f32> {
        let Shape { heads, share, dims, dims1, values, paged, window } = self.shape;
        let (of, head) = (heads / share, dims + dims1);
        // Each position's keys and values beside each other, all heads' keys first.
        let width = of * (dims + values);
        let row = |position: usize| {
            let keys = &self.keys[position * of * dims..(position + 1) * of * dims];
            [keys, &self.values[position * of * values..(position + 1) * of * values]].concat()
        };
        let both = Buffer::of(device, &self.rows(paged, width, row)).unwrap();
        let part = |position: usize| self.shared_keys[position * dims1..(position + 1) * dims1].to_vec();
        let shared = Buffer::of(device, &self.rows(true, dims1, part)).unwrap();
        let q = Buffer::of_f32(device, &self.q[start * heads * head..(start + count) * heads * head]).unwrap();
        let table: Vec<u8> = self.pages.iter().flat_map(|page| page.to_le_bytes()).collect();
        let table = Buffer::of(device, &table).unwrap();
        let out = Buffer::of(device, &vec![0xff; 4 * count * heads * values]).unwrap();
        let args = AttendArgs {
            q: q.at(),
            k: both.at(),
            k1: shared.at(),
            v: both.at() + (2 * of * dims) as u64,
            out: out.at(),
            tables: table.at(),
            q_token: (heads * head) as i64,
            out_token: (heads * values) as i64,
            k_row: width as i64,
            v_row: width as i64,
            k1_row: dims1 as i32,
            k_head: dims as i32,
            v_head: values as i32,
            q_head: head as i32,
            dims: dims as i32,
            dims1: dims1 as i32,
            values: values as i32,
            share: share as i32,
            paged: i32::from(paged),
            window: window as i32,
            scale: self.scale(),
            heads: heads as i32,
            ..AttendArgs::default()
        };
        assert!(attention::suits(&args), "{:?}", self.shape);
        attention::prompt(&**device, &args, start, count).unwrap();
        out.to_f32(count * heads * values).unwrap()
    }

    fn scale(&self) -> f32 {
        1.3 / ((self.shape.dims + self.shape.dims1) as f32).sqrt()
    }

    /// By the equation.
    fn expected(&self, position: usize, head: usize) -> Vec<f64> {
        let Shape { heads, share, dims, dims1, values, window, .. } = self.shape;
        let (of, kv) = (heads / share, head / share);
        let q = &self.q[(position * heads + head) * (dims + dims1)..][..dims + dims1];
        let first = if window > 0 { (position + 1).saturating_sub(window) } else { 0 };
        let score = |key: usize| {
            let k = self.keys[(key * of + kv) * dims..][..dims].iter().chain(&self.shared_keys[key * dims1..][..dims1]);
            q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>() * f64::from(self.scale())
        };
        let scores: Vec<f64> = (first..=position).map(score).collect();
        let peak = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - peak).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let mixed = |i: usize| {
            let of_key =
                |(at, weight): (usize, &f64)| weight * f64::from(self.values[((first + at) * of + kv) * values + i]);
            weights.iter().enumerate().map(of_key).sum::<f64>() / sum
        };
        (0..values).map(mixed).collect()
    }
}

fn check(shape: Shape, start: usize, count: usize) {
    let Some(device) = shim::device() else { return };
    let sequence = Sequence::new(shape, start + count);
    let found = sequence.computed(&device, start, count);
    let (mut apart, mut size) = (0.0, 0.0);
    for (at, row) in found.chunks(shape.values).enumerate() {
        let expected = sequence.expected(start + at / shape.heads, at % shape.heads);
        let squares: f64 = row.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
        let all: f64 = expected.iter().map(|b| b * b).sum();
        assert!(
            squares.sqrt() <= 4.0 * DISTANCE_MAX * all.sqrt(),
            "{shape:?} from {start}, query {} of {count}, head {}: {:.1e}",
            at / shape.heads,
            at % shape.heads,
            (squares / all).sqrt()
        );
        apart += squares;
        size += all;
    }
    let apart = (apart / size).sqrt();
    println!("{shape:?} from {start}, {count} queries: {apart:.1e}");
    assert!(apart <= DISTANCE_MAX, "{shape:?} from {start}, {count} queries: {apart:.1e}");
}

#[test]
fn lengths_and_starts_at_every_edge() {
    for (start, count) in
        [(0, 1), (0, 63), (0, 64), (0, 65), (1, 1), (62, 5), (63, 1), (63, 2), (64, 64), (65, 130), (15, 17), (200, 3)]
    {
        check(grouped(2, 2, 64), start, count);
        check(latent(2, 16, 8, 16), start, count);
    }
}

#[test]
fn heads_share_keys() {
    for share in [1, 2, 3, 4, 8] {
        check(grouped(share * 2, share, 32), 21, 50);
    }
}

/// Sizes that kernels are compiled for, some between, and those of the golden folders.
#[test]
fn heads_of_every_size() {
    for head in [8, 16, 24, 64, 72, 96, 128] {
        check(grouped(2, 1, head), 30, 70);
    }
    for (dims, dims1, values) in [(128, 64, 128), (16, 8, 16), (32, 16, 32), (64, 64, 128), (120, 64, 56), (8, 8, 72)] {
        check(latent(2, dims, dims1, values), 70, 67);
    }
}

#[test]
fn windows_hide_what_is_before() {
    for (window, start, count) in [(1, 0, 70), (16, 60, 80), (63, 100, 65), (64, 128, 64), (65, 127, 70), (500, 3, 80)]
    {
        check(Shape { window, ..grouped(2, 2, 16) }, start, count);
    }
}

/// A row's numbers do not depend on where a prompt is cut, bit for bit.
#[test]
fn a_row_does_not_see_where_its_prompt_is_cut() {
    let Some(device) = shim::device() else { return };
    for shape in [latent(2, 16, 8, 16), Shape { window: 70, ..grouped(2, 1, 32) }] {
        let sequence = Sequence::new(shape, 170);
        let whole = sequence.computed(&device, 0, 170);
        let row = shape.heads * shape.values;
        for (start, count) in [(0, 1), (5, 64), (63, 66), (100, 70), (169, 1)] {
            let part = sequence.computed(&device, start, count);
            assert_eq!(part, whole[start * row..(start + count) * row], "{shape:?} from {start}, {count} queries");
        }
    }
}

/// The same numbers in any batch; and little is lost beside what a bf16 cache loses.
#[test]
fn a_sequence_is_the_same_whatever_its_neighbours_by_tensor_attention() {
    for attention in ["wide latent", "grouped"] {
        let apart = |tensor| gpu_by(false, false, tensor).map(|gpu| batches_agree(attention, gpu));
        let (Some(plain), Some(tensor)) = (apart(false), apart(true)) else { return };
        println!("{attention}: logits off by {plain:.2e} with plain attention, {tensor:.2e} on tensor cores");
        assert!(tensor < 1.25 * plain, "{attention}: {tensor} and {plain}");
    }
}

/// In one piece and in chunks, a prompt gives the same numbers; and the kernel is the one that gives them.
#[test]
fn a_model_reads_prompts_by_it() {
    for attention in ["wide latent", "grouped"] {
        let run = |tensor: bool, cuts: &[usize]| {
            let model = small_model(attention).load(Arc::new(gpu_by(false, false, tensor)?)).unwrap();
            let tokens: Vec<u32> = (0..150).map(|at| (at * 11 + 3) % 96).collect();
            let (mut cache, pages, mut last) = (model.cache(10), (0..10).rev().collect::<Vec<u32>>(), Vec::new());
            for (start, end) in cuts.iter().zip(&cuts[1..]) {
                let tokens = &tokens[*start..*end];
                let span = Span { tokens, start: *start, pages: &pages, pass: Pass::Prefill, wanted: Wanted::Last };
                last = model.forward(&[span], &mut cache, None).unwrap();
            }
            Some(last)
        };
        let Some(whole) = run(true, &[0, 150]) else { return };
        assert_eq!(whole, run(true, &[0, 7, 71, 72, 150]).unwrap(), "{attention}");
        let plain = run(false, &[0, 150]).unwrap();
        assert_ne!(whole, plain, "{attention}: the plain kernels were used");
        for (a, b) in whole.iter().zip(&plain) {
            assert!((a - b).abs() < 0.1, "{attention}: {a} and {b} are farther apart than bf16 makes them");
        }
    }
}

#[test]
fn the_check_passes_where_attention_is_right() {
    let Some(device) = shim::device() else { return };
    assert_eq!(sound::check_attention(&device), Ok(()));
}

#[test]
fn the_check_fails_where_attention_does() {
    let Some(inner) = shim::device() else { return };
    for kernel in ["attend_prompt_192_128", "attend_prompt_128_128", "attend_prompt_64_64", "narrow_rows"] {
        for (fails, why) in [(false, "apart"), (true, "a launch failed")] {
            let device: Arc<dyn Device> = Arc::new(Broken { inner: inner.clone(), kernel, fails });
            let told = sound::check_attention(&device).unwrap_err();
            assert!(told.contains(why), "{kernel}: {told}");
        }
    }
}
