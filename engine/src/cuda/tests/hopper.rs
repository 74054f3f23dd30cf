//! Hopper's kernels over the shim: against sums in `f64` on ragged shapes, whole models, and the check that chooses them.

use std::sync::Arc;

use super::broken::Broken;
use super::{BF16_CACHE_MAX, assert_golden, batches_agree, gpu_by, gpu_with, kernels, shim};
use crate::config::{Attention, Experts, Groups, Score};
use crate::cuda::choice::Prompts;
use crate::cuda::device::{Buffer, Device};
use crate::cuda::ops::{self, Arithmetic, Part};
use crate::cuda::sound;
use crate::cuda::verdict::Verdict;
use crate::cuda::weights::{Kind, Stack};
use crate::cuda::wgmma::{self, Terms};
use crate::cuda::{RandomWeights, duels};
use crate::weights::Dtype;

/// Activations in one bf16 term lose the ninth bit; in three they lose nothing, and `f32` sums remain.
const ONE_TERM_MAX: f64 = 4e-3;
const ALL_TERMS_MAX: f64 = 1e-6;

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let one = |at: u32| {
        let bits = (at ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(2_654_435_761);
        (bits ^ bits >> 15).wrapping_mul(2_246_822_519) as f32 / (1u64 << 31) as f32 - 1.0
    };
    (0..count as u32).map(one).collect()
}

/// Equal matrices on the device, and their numbers as the device has them.
struct Weights {
    stack: Stack,
    values: Vec<f32>,
}

fn weights(device: &Arc<dyn Device>, kind: Kind, count: usize, rows: usize, columns: usize, seed: u32) -> Weights {
    let total = count * rows * columns;
    let (block, [down, across]) = ([128, 128], [rows.div_ceil(128), columns.div_ceil(128)]);
    let (bytes, dtype): (Vec<u8>, _) = match kind {
        Kind::F8 => {
            // Every E4M3 number but the largest and those that are none, subnormal ones too.
            let one = |value: &f32| ((value.abs() * 110.0) as u8) | if *value < 0.0 { 0x80 } else { 0 };
            (numbers(total, seed).iter().map(one).collect(), Dtype::F8E4M3)
        }
        _ => (
            numbers(total, seed).iter().flat_map(|v| ((v.to_bits() >> 16) as u16).to_le_bytes()).collect(),
            Dtype::BF16,
        ),
    };
    let mut values = vec![0.0; total];
    dtype.widen(&bytes, &mut values);
    let scales_each = if kind == Kind::F8 { down * across } else { 0 };
    let scales: Vec<f32> = (0..count * scales_each).map(|at| 0.001 * (1 + at % 5) as f32).collect();
    for (at, value) in values.iter_mut().enumerate().filter(|_| kind == Kind::F8) {
        let (group, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
        *value *= scales[group * scales_each + row / 128 * across + column / 128];
    }
    let data = Buffer::of(device, &bytes).unwrap();
    let scales = (kind == Kind::F8).then(|| Buffer::of_f32(device, &scales).unwrap());
    Weights { stack: Stack { data, kind, rows, columns, scales, block, scales_each }, values }
}

/// `x w^T` of one row with rows `first..` of matrix `group`.
fn multiply(w: &Weights, group: usize, first: usize, rows: usize, x: &[f64]) -> Vec<f64> {
    let columns = w.stack.columns;
    let start = (group * w.stack.rows + first) * columns;
    let row = |row: usize| &w.values[start + row * columns..start + (row + 1) * columns];
    (0..rows).map(|at| row(at).iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum()).collect()
}

fn distance(found: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let apart: f64 = found.iter().zip(wanted).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    (apart / wanted.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

fn none(device: &Arc<dyn Device>, bytes: usize) -> Buffer {
    Buffer::of(device, &vec![0xff; bytes]).unwrap()
}

/// Room for terms, which lives as long as the buffers.
fn room(device: &Arc<dyn Device>, rows: usize, columns: usize, exact: bool) -> (Terms, [Buffer; 3]) {
    let buffers = [0; 3].map(|_| none(device, 2 * rows * columns));
    let at = if exact { [0, 1, 2].map(|term| buffers[term].at()) } else { [buffers[0].at(), 0, 0] };
    (Terms { at, rows, columns }, buffers)
}

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// A part of a matrix times some rows.
fn dense(kind: Kind, rows: usize, columns: usize, first: usize, tokens: usize, exact: bool) -> Option<Vec<f32>> {
    let device = shim::device()?;
    let w = weights(&device, kind, 1, rows, columns, 5);
    let part = Part { first, rows: rows - first, of: 0, groups: 1 };
    assert!(wgmma::suits(&w.stack, &part));
    let x = numbers(tokens * columns, 6);
    let from = Buffer::of_f32(&device, &x).unwrap();
    let (terms, _terms) = room(&device, tokens, columns, exact);
    let out = none(&device, 4 * tokens * part.rows);
    wgmma::terms(&*device, from.at(), 0, 1, &terms).unwrap();
    wgmma::product(&*device, &w.stack, part, &terms, out.at(), None).unwrap();
    let found = out.to_f32(tokens * part.rows).unwrap();
    let wanted: Vec<f64> = x.chunks(columns).flat_map(|x| multiply(&w, 0, first, part.rows, &doubles(x))).collect();
    let (apart, most) = (distance(&found, &wanted), if exact { ALL_TERMS_MAX } else { ONE_TERM_MAX });
    assert!(apart <= most, "{kind:?} {rows} x {columns} from {first}, {tokens} rows, exact {exact}: {apart:.1e}");
    Some(found)
}

#[test]
fn dense_products_at_every_edge() {
    for (rows, columns, first, tokens) in
        [(128, 64, 0, 128), (1, 8, 0, 1), (63, 72, 0, 127), (65, 192, 0, 129), (200, 520, 0, 5), (300, 136, 64, 130)]
    {
        for exact in [false, true] {
            dense(Kind::Bf16, rows, columns, first, tokens, exact);
        }
    }
    for (rows, columns, first, tokens) in
        [(128, 128, 0, 128), (1, 16, 0, 1), (63, 144, 0, 127), (200, 784, 0, 129), (300, 272, 128, 6)]
    {
        for exact in [false, true] {
            dense(Kind::F8, rows, columns, first, tokens, exact);
        }
    }
}

/// A row's numbers are the same whatever lies beside it.
#[test]
fn a_row_does_not_see_its_tile() {
    for kind in [Kind::Bf16, Kind::F8] {
        let Some(all) = dense(kind, 72, 208, 0, 140, false) else { return };
        let alone = dense(kind, 72, 208, 0, 1, false).unwrap();
        assert_eq!(all[..72], alone[..]);
    }
}

/// Pairs of each expert.
const COUNTS: [usize; 6] = [0, 1, 63, 64, 65, 200];

/// A token goes to one expert, the experts' tokens mixed.
fn routes() -> Vec<u32> {
    let mut left = COUNTS;
    let mut routes = Vec::new();
    while left.iter().any(|count| *count > 0) {
        for (expert, count) in left.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            routes.push(expert as u32);
            *count -= 1;
        }
    }
    routes
}

fn grouped(kind: Kind, hidden: usize, width: usize, exact: bool) {
    let Some(device) = shim::device() else { return };
    let routes = routes();
    let tokens = routes.len();
    let shape = Experts {
        count: COUNTS.len(),
        chosen: 1,
        width,
        shared: 0,
        score: Score::Softmax,
        groups: Groups::All,
        normalise: false,
        scale: 1.0,
    };
    let count = COUNTS.len();
    let (gate, up) = (weights(&device, kind, count, width, hidden, 1), weights(&device, kind, count, width, hidden, 2));
    let down = weights(&device, kind, count, hidden, width, 3);
    let x = numbers(tokens * hidden, 4);
    let from = Buffer::of_f32(&device, &x).unwrap();
    let chosen = Buffer::of(&device, &routes.iter().flat_map(|e| e.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    let places = none(&device, 4 * ops::group_numbers(&shape, tokens));
    let tiles =
        ops::group_pairs(&*device, &shape, chosen.at(), places.at(), tokens, Arithmetic::Many, wgmma::TILE).unwrap();
    let (terms, _terms) = room(&device, tokens, hidden, exact);
    let (inner, _inner) = room(&device, tokens, width, exact);
    let out = none(&device, 4 * tokens * hidden);
    wgmma::terms(&*device, from.at(), tiles.order, 1, &terms).unwrap();
    wgmma::gated(&*device, &gate.stack, &up.stack, &terms, &inner, Some(&tiles)).unwrap();
    let whole = Part { first: 0, rows: hidden, of: hidden, groups: 1 };
    wgmma::product(&*device, &down.stack, whole, &inner, out.at(), Some(&tiles)).unwrap();
    let found = out.to_f32(tokens * hidden).unwrap();
    for (token, expert) in routes.iter().enumerate() {
        let (expert, x) = (*expert as usize, doubles(&x[token * hidden..(token + 1) * hidden]));
        let gates = multiply(&gate, expert, 0, width, &x);
        let ups = multiply(&up, expert, 0, width, &x);
        let inner: Vec<f64> = gates.iter().zip(ups).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
        let wanted = multiply(&down, expert, 0, hidden, &inner);
        let apart = distance(&found[token * hidden..(token + 1) * hidden], &wanted);
        let most = if exact { 2.0 * ALL_TERMS_MAX } else { 4.0 * ONE_TERM_MAX };
        assert!(apart <= most, "{kind:?}, exact {exact}, token {token} of expert {expert}: {apart:.1e}");
    }
}

#[test]
fn experts_of_bf16_with_ragged_numbers_of_rows() {
    grouped(Kind::Bf16, 200, 72, false);
    grouped(Kind::Bf16, 72, 136, true);
}

#[test]
fn experts_of_e4m3_with_ragged_numbers_of_rows() {
    grouped(Kind::F8, 272, 80, false);
    grouped(Kind::F8, 144, 208, true);
}

#[test]
fn weights_that_do_not_suit_are_left_to_the_older_kernels() {
    let Some(device) = shim::device() else { return };
    let whole = |w: &Weights| Part { first: 0, rows: w.stack.rows, of: w.stack.rows, groups: 1 };
    for (kind, columns, suits) in
        [(Kind::Bf16, 72, true), (Kind::Bf16, 76, false), (Kind::F8, 80, true), (Kind::F8, 72, false)]
    {
        let w = weights(&device, kind, 1, 64, columns, 1);
        assert_eq!(wgmma::suits(&w.stack, &whole(&w)), suits, "{kind:?} {columns}");
    }
    let mut w = weights(&device, Kind::F8, 1, 64, 128, 1);
    w.stack.block = [128, 64];
    assert!(!wgmma::suits(&w.stack, &whole(&w)), "two scales within a stage");
}

/// Whole models: rows of prompts by Hopper's kernels, all bits of activations kept.
#[test]
fn golden_v3_fp8_by_wgmma() {
    assert_golden("v3-fp8-block", true);
}

#[test]
fn golden_v3_bf16_by_wgmma() {
    assert_golden("v3-norope-scaling-bf16", true);
}

#[test]
fn a_sequence_is_the_same_whatever_its_neighbours_by_wgmma() {
    for attention in ["latent", "grouped"] {
        let Some(gpu) = gpu_with(false, true) else { return };
        assert!(batches_agree(attention, gpu) < BF16_CACHE_MAX, "{attention}");
    }
}

#[test]
fn the_check_passes_where_the_kernels_are_right() {
    let Some(device) = shim::device() else { return };
    assert_eq!(sound::check(&device), Ok(()));
}

#[test]
fn the_check_fails_where_a_kernel_does() {
    let Some(inner) = shim::device() else { return };
    for kernel in ["wgmma_gated_bf16", "wgmma_matmul_bf16", "wgmma_gated_f8", "wgmma_matmul_f8", "terms"] {
        for (fails, why) in [(false, "apart"), (true, "a launch failed")] {
            let device: Arc<dyn Device> = Arc::new(Broken { inner: inner.clone(), kernel, fails });
            let told = sound::check(&device).unwrap_err();
            assert!(told.contains(why), "{kernel}: {told}");
        }
    }
}

/// The benchmark's shapes, small: every kernel runs, and cuBLAS is not here.
#[test]
fn products_are_timed_by_each_kind_of_kernel() {
    let Some(gpu) = gpu_by(false, true, true) else { return };
    let mut config = crate::config::ModelConfig::from_json(include_str!("../../../scripts/v2-lite.json")).unwrap();
    config.hidden = 64;
    if let Attention::Latent(latent) = &mut config.attention {
        latent.heads = 1;
    }
    if let Some(experts) = &mut config.experts {
        (experts.count, experts.chosen, experts.width) = (4, 2, 64);
    }
    for weights in [RandomWeights::Bf16, RandomWeights::Fp8] {
        let found = duels(&gpu, &config, weights, 5).unwrap();
        assert_eq!(found.len(), 3);
        for duel in &found[..2] {
            assert!(duel.mma.unwrap() > 0.0 && duel.wgmma.unwrap() > 0.0 && duel.library.is_none(), "{duel:?}");
        }
        assert!(found[2].mma.unwrap() > 0.0 && found[2].simt.unwrap() > 0.0, "{:?}", found[2]);
        assert!(found[2].apart.unwrap() < 8e-3, "{:?}", found[2]);
    }
}

#[test]
fn a_report_says_which_kernels_serve() {
    let Some(mut gpu) = gpu_with(false, false) else { return };
    let products = Verdict::no("sm_80; wgmma is of compute capability 9.0");
    gpu.prompts = Prompts { products, ..kernels(false, true) };
    assert_eq!((gpu.prompts().kernels(), gpu.prompts().attention()), ("mma", "mma"));
    assert!(
        gpu.describe().ends_with(
            "prompts by mma (sm_80; wgmma is of compute capability 9.0), their attention by mma (asked for)"
        ),
        "{}",
        gpu.describe()
    );
}
