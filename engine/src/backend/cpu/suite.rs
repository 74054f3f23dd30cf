//! Every operation of every backend against the reference, on seeded random numbers.

use std::ops::Range;

use super::{Fast, Reference};
use crate::backend::{Absorbed, Backend, Gated, GroupedShape, LatentShape, Placed, Projection, Routes};
use crate::cache::{CacheView, PAGE};
use crate::weights::{Dtype, Matrix, Tensor};

/// Every type that weights have, and how far a product may be off, relative to the largest: for whole numbers the
/// rounding of the other factor to 8 bits.
const TYPES: &[(Dtype, f32)] = &[
    (Dtype::F32, 1e-5),
    (Dtype::F16, 1e-5),
    (Dtype::BF16, 1e-5),
    (Dtype::F8E4M3, 1e-5),
    (Dtype::Q8_0, 2e-2),
    (Dtype::Q4_0, 2e-2),
    (Dtype::Q4_1, 2e-2),
    (Dtype::Q5_0, 2e-2),
    (Dtype::Q5_1, 2e-2),
    (Dtype::Q4K, 2e-2),
    (Dtype::Q5K, 2e-2),
    (Dtype::Q6K, 2e-2),
];

/// SplitMix64: small, seeded, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    /// A matrix of any type: random bits, but for the halves that are scales and for what is no number.
    fn matrix(&mut self, dtype: Dtype, rows: usize, columns: usize) -> Matrix {
        let size = dtype.bytes(rows * columns).unwrap();
        let mut bytes: Vec<u8> = (0..size).map(|_| self.next() as u8).collect();
        let one = [0x00, 0x2c];
        for block in bytes.chunks_exact_mut(dtype.block().1) {
            match dtype {
                Dtype::F32 => block.copy_from_slice(&self.floats(1)[0].to_le_bytes()),
                Dtype::F16 => block[1] = block[1] & 0x83 | 0x38,
                Dtype::BF16 => block[1] = block[1] & 0x80 | 0x3f,
                Dtype::F8E4M3 => block[0] &= 0xbf,
                Dtype::Q6K => block[208..].copy_from_slice(&one),
                Dtype::Q4_1 | Dtype::Q5_1 | Dtype::Q4K | Dtype::Q5K => block[..4].copy_from_slice(&[one, one].concat()),
                _ => block[..2].copy_from_slice(&one),
            }
        }
        let tensor = Tensor { dtype, shape: vec![rows, columns], bytes: bytes.into() };
        Matrix::new("random", &tensor, rows, columns).unwrap()
    }

    fn gated(&mut self, dtype: Dtype, hidden: usize, width: usize) -> Gated {
        Gated {
            gate: self.matrix(dtype, width, hidden),
            up: self.matrix(dtype, width, hidden),
            down: self.matrix(dtype, hidden, width),
        }
    }
}

fn backends() -> Vec<Fast> {
    [Fast::every(1), Fast::every(3)].into_iter().flatten().collect()
}

/// Fails where the difference is beyond the bound, relative to the largest number.
fn check(what: &str, expected: &[f32], computed: &[f32], bound: f32) {
    let most = expected.iter().fold(1e-6f32, |most, value| most.max(value.abs()));
    for (at, (a, b)) in expected.iter().zip(computed).enumerate() {
        let error = (a - b).abs() / most;
        assert!(error <= bound, "{what}: number {at} is {b} instead of {a}, off by {error} of {most}");
    }
    assert_eq!(expected.len(), computed.len(), "{what}");
}

/// Numbers of columns that are no round number of anything but the type's own blocks.
fn columns(dtype: Dtype) -> [usize; 2] {
    match dtype.block().0 {
        1 => [45, 131],
        32 => [288, 1_120],
        _ => [768, 1_280],
    }
}

/// Rows of a weight, and tokens: more than a panel has of either.
const ROWS: usize = 37;
const TOKENS: usize = 15;

fn project(backend: &dyn Backend, weight: &Matrix, x: &[f32], decode: usize) -> Vec<f32> {
    let mut y = vec![f32::NAN; x.len() / weight.columns() * weight.rows()];
    backend.project(x, &mut [Projection::new(weight, &mut y)], decode);
    y
}

#[test]
fn products_of_every_type_agree() {
    let mut random = Random(1);
    for ((dtype, bound), columns) in TYPES.iter().flat_map(|one| columns(one.0).map(|columns| (one, columns))) {
        let weight = random.matrix(*dtype, ROWS, columns);
        let x = random.floats(TOKENS * columns);
        let expected = project(&Reference, &weight, &x, 0);
        for backend in backends() {
            for decode in [0, 3, TOKENS] {
                let computed = project(&backend, &weight, &x, decode);
                // Rows that prefill are never rounded so that one would see it.
                let bound = if decode == 0 { bound.min(3e-5) } else { *bound };
                check(&format!("{dtype} {} decode {decode}", backend.describe()), &expected, &computed, bound);
            }
        }
    }
}

#[test]
fn rows_that_must_not_be_rounded_are_not() {
    let mut random = Random(7);
    for (dtype, columns) in TYPES.iter().flat_map(|(dtype, _)| columns(*dtype).map(|columns| (*dtype, columns))) {
        let weight = random.matrix(dtype, ROWS, columns);
        let x = random.floats(3 * columns);
        let expected = project(&Reference, &weight, &x, 0);
        for backend in backends() {
            let mut y = vec![f32::NAN; 3 * ROWS];
            backend.project(&x, &mut [Projection::exact(&weight, &mut y)], 3);
            check(&format!("exact {dtype}"), &expected, &y, 3e-5);
        }
    }
}

#[test]
fn scales_of_fp8_blocks_count() {
    let mut random = Random(2);
    let scales = Tensor { dtype: Dtype::F32, shape: vec![2, 3], bytes: bytes(&random.floats(6)) };
    let weight = random.matrix(Dtype::F8E4M3, 19, 40).with_scales("s", &scales, [16, 16]).unwrap();
    let x = random.floats(5 * 40);
    let slice = weight.slice(14..19);
    for weight in [&weight, &slice] {
        let expected = project(&Reference, weight, &x, 0);
        for backend in backends() {
            check("fp8 with scales", &expected, &project(&backend, weight, &x, 2), 1e-5);
        }
    }
}

#[test]
fn a_row_is_the_same_whatever_its_neighbours_and_the_threads() {
    let mut random = Random(3);
    for (dtype, _) in TYPES {
        let weight = random.matrix(*dtype, ROWS, 256);
        let x = random.floats(TOKENS * 256);
        for ((one, two), four) in Fast::every(1).iter().zip(&Fast::every(2)).zip(&Fast::every(4)) {
            for decode in [0, TOKENS] {
                let all = project(one, &weight, &x, decode);
                assert_eq!(all, project(four, &weight, &x, decode), "{dtype}");
                for (row, x) in x.chunks_exact(256).enumerate() {
                    let alone = project(two, &weight, x, decode.min(1));
                    assert_eq!(all[row * ROWS..(row + 1) * ROWS], alone, "{dtype} row {row} decode {decode}");
                }
            }
        }
    }
}

#[test]
fn feed_forward_and_experts_agree() {
    let mut random = Random(4);
    let (hidden, width, tokens) = (64, 96, 9);
    for (dtype, bound) in TYPES.iter().filter(|(dtype, _)| dtype.block().0 <= 32) {
        let experts: Vec<Gated> = (0..6).map(|_| random.gated(*dtype, hidden, width)).collect();
        let x = random.floats(tokens * hidden);
        let routes = Routes {
            chosen: 2,
            experts: (0..tokens as u32).flat_map(|token| [token % 3, 3 + token % 2]).collect(),
            weights: random.floats(tokens * 2),
        };
        let run = |backend: &dyn Backend, decode: usize| {
            let mut y = vec![0.5; tokens * hidden];
            backend.experts(&experts, &x, &routes, &mut y, decode);
            let mut dense = vec![f32::NAN; tokens * hidden];
            backend.feed_forward(&experts[0], &x, &mut dense, decode);
            (y, dense)
        };
        let expected = run(&Reference, 0);
        for backend in backends() {
            for decode in [0, 4, tokens] {
                let computed = run(&backend, decode);
                check(&format!("experts of {dtype}"), &expected.0, &computed.0, *bound * 3.0);
                check(&format!("feed-forward of {dtype}"), &expected.1, &computed.1, *bound * 3.0);
            }
        }
    }
}

fn bytes(values: &[f32]) -> crate::weights::Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
}

/// Two sequences: one that decodes at position 36, one that prefills 5 tokens from position 15 on.
const PAGES: [&[u32]; 2] = [&[5, 0, 3], &[1, 4]];

fn spans() -> [Placed<'static>; 2] {
    [Placed { pages: PAGES[0], start: 36, row: 0, count: 1 }, Placed { pages: PAGES[1], start: 15, row: 1, count: 5 }]
}

#[test]
fn grouped_attention_agrees() {
    let mut random = Random(5);
    for window in [None, Some(9)] {
        let shape = GroupedShape { heads: 6, kv_heads: 2, head: 20, window, scale: 0.3 };
        let rows = random.floats(6 * PAGE * 80);
        let cache = CacheView::new(&rows, 80);
        let q = random.floats(6 * 120);
        let run = |backend: &dyn Backend| {
            let mut out = vec![f32::NAN; 6 * 120];
            backend.grouped_attention(&shape, &cache, &spans(), &q, &mut out);
            out
        };
        let expected = run(&Reference);
        backends().iter().for_each(|backend| check("grouped attention", &expected, &run(backend), 1e-5));
    }
}

#[test]
fn long_grouped_attention_agrees_and_is_the_same_however_it_is_shared_out() {
    let mut random = Random(9);
    let pages: Vec<u32> = (0..50).map(|at| (at * 7 + 3) % 50).collect();
    let rows = random.floats(50 * PAGE * 64);
    let cache = CacheView::new(&rows, 64);
    let q = random.floats(40 * 64);
    for (window, scale) in [(None, 0.3), (Some(300), 8.0)] {
        let shape = GroupedShape { heads: 4, kv_heads: 2, head: 16, window, scale };
        let run = |backend: &dyn Backend, start: usize, rows: Range<usize>| {
            let mut out = vec![f32::NAN; rows.len() * 64];
            let span = Placed { pages: &pages, start: start + rows.start, row: 0, count: rows.len() };
            let q = &q[rows.start * 64..rows.end * 64];
            backend.grouped_attention(&shape, &cache, &[span], q, &mut out);
            out
        };
        for start in [0, 255, 256, 700] {
            let expected = run(&Reference, start, 0..40);
            for backend in backends() {
                let all = run(&backend, start, 0..40);
                check(&format!("{} from {start}", backend.describe()), &expected, &all, 2e-5);
                for row in [0, 1, 39] {
                    let alone = run(&backend, start, row..row + 1);
                    assert_eq!(alone, all[row * 64..(row + 1) * 64], "row {row} from {start}");
                }
            }
        }
    }
}

#[test]
fn latent_attention_agrees_absorbed_and_expanded() {
    let mut random = Random(6);
    let shape = LatentShape { heads: 3, latent: 24, nope: 10, rotary: 6, value: 12, scale: 0.25 };
    let rows = random.floats(6 * PAGE * 30);
    let cache = CacheView::new(&rows, 30);
    let q = random.floats(6 * 3 * 16);
    let up = random.floats(3 * 22 * 24);
    let turned: Vec<f32> = (0..3 * 24 * 10).map(|at| up[(at / 240 * 22 + at % 10) * 24 + at / 10 % 24]).collect();
    let (key_up, key_value_up) = (Matrix::from_f32(72, 10, &turned), Matrix::from_f32(66, 24, &up));
    let absorbed = Absorbed { key_up: &key_up, key_value_up: &key_value_up };
    let run = |backend: &dyn Backend| {
        let mut out = vec![f32::NAN; 6 * 36];
        backend.latent_attention(&shape, &absorbed, &cache, &spans(), &q, &mut out);
        out
    };
    let expand = |backend: &dyn Backend| {
        let mut out = vec![f32::NAN; 6 * 36];
        for span in spans() {
            let latents: Vec<f32> =
                (0..span.start + span.count).flat_map(|at| cache.row(span.pages, at)[..24].to_vec()).collect();
            for heads in [0..2, 2..3] {
                let weight = key_value_up.slice(heads.start * 22..heads.end * 22);
                let expanded = project(&Reference, &weight, &latents, 0);
                backend.expanded_attention(&shape, heads, &expanded, &cache, &span, &q, &mut out);
            }
        }
        out
    };
    let expected = run(&Reference);
    check("expanded reference", &expected, &expand(&Reference), 1e-5);
    for backend in backends() {
        check("absorbed", &expected, &run(&backend), 1e-5);
        check("expanded", &expected, &expand(&backend), 1e-5);
    }
}

#[test]
fn long_latent_attention_agrees_and_is_the_same_however_it_is_shared_out() {
    let mut random = Random(10);
    let pages: Vec<u32> = (0..80).map(|at| (at * 7 + 3) % 80).collect();
    let rows = random.floats(80 * PAGE * 40);
    let cache = CacheView::new(&rows, 40);
    let q = random.floats(20 * 5 * 16);
    let up = random.floats(5 * 22 * 32);
    let turned: Vec<f32> = (0..5 * 32 * 10).map(|at| up[(at / 320 * 22 + at % 10) * 32 + at / 10 % 32]).collect();
    let (key_up, key_value_up) = (Matrix::from_f32(160, 10, &turned), Matrix::from_f32(110, 32, &up));
    let absorbed = Absorbed { key_up: &key_up, key_value_up: &key_value_up };
    for scale in [0.05, 4.0] {
        let shape = LatentShape { heads: 5, latent: 32, nope: 10, rotary: 6, value: 12, scale };
        let run = |backend: &dyn Backend, start: usize, rows: Range<usize>| {
            let mut out = vec![f32::NAN; rows.len() * 60];
            let span = Placed { pages: &pages, start: start + rows.start, row: 0, count: rows.len() };
            backend.latent_attention(&shape, &absorbed, &cache, &[span], &q[rows.start * 80..rows.end * 80], &mut out);
            out
        };
        // Within the first pieces, about the greatest number of pieces, and where these grow.
        for start in [0, 31, 64, 1_015, 1_250] {
            let expected = run(&Reference, start, 0..20);
            for backend in backends() {
                let all = run(&backend, start, 0..20);
                check(&format!("{} from {start}", backend.describe()), &expected, &all, 5e-5);
                for row in [0, 1, 19] {
                    let alone = run(&backend, start, row..row + 1);
                    assert_eq!(alone, all[row * 60..(row + 1) * 60], "row {row} from {start}");
                }
            }
            for (one, three) in Fast::every(1).iter().zip(Fast::every(3)) {
                assert_eq!(run(one, start, 0..2), run(&three, start, 0..2), "{} from {start}", one.describe());
            }
        }
    }
}

#[test]
fn absorbed_queries_agree_whatever_type_the_rows_have() {
    let mut random = Random(8);
    let shape = LatentShape { heads: 3, latent: 64, nope: 10, rotary: 6, value: 12, scale: 0.05 };
    let rows = random.floats(6 * PAGE * 70);
    let cache = CacheView::new(&rows, 70);
    let q = random.floats(6 * 3 * 16);
    for dtype in
        [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F8E4M3, Dtype::Q8_0, Dtype::Q4_0, Dtype::Q4_1, Dtype::Q5_0]
    {
        let key_value_up = random.matrix(dtype, 66, 64);
        let up = key_value_up.to_f32();
        let turned: Vec<f32> = (0..3 * 64 * 10).map(|at| up[(at / 640 * 22 + at % 10) * 64 + at / 10 % 64]).collect();
        let absorbed = Absorbed { key_up: &Matrix::from_f32(192, 10, &turned), key_value_up: &key_value_up };
        let run = |backend: &dyn Backend| {
            let mut out = vec![f32::NAN; 6 * 36];
            backend.latent_attention(&shape, &absorbed, &cache, &spans(), &q, &mut out);
            out
        };
        let expected = run(&Reference);
        for backend in backends() {
            // Scores of rounded rows go through an exponential.
            check(&format!("absorbed {dtype} {}", backend.describe()), &expected, &run(&backend), 1e-4);
        }
    }
}
