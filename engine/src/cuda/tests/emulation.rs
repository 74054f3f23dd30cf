//! Ampere's and Hopper's instructions as the shim runs them, against plain definitions; and each way to misuse them is an error.

use std::sync::Arc;

use super::shim;
use crate::cuda::args::Args;
use crate::cuda::device::{Boxed, Buffer, Device, Shape, TensorMap, launch};

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct ProbeArgs {
    map: TensorMap,
    from: u64,
    out: u64,
    bytes: i32,
    x: i32,
    y: i32,
    fault: i32,
    a: i32,
    b: i32,
    shift: i32,
}
impl Args for ProbeArgs {}

/// As `probes.cu` numbers them.
const NO_EXPECT: i32 = 1;
const TOO_FEW_BYTES: i32 = 2;
const WRONG_PARITY: i32 = 3;
const NO_INIT_FENCE: i32 = 4;
const NO_PRODUCT_FENCE: i32 = 5;
const NO_PRODUCT_WAIT: i32 = 6;
const NO_COPY_WAIT: i32 = 7;
const TWO_ARRIVALS: i32 = 8;
const MISALIGNED: i32 = 9;
const NO_BARRIER: i32 = 10;
const OTHER_PRODUCTS: i32 = 11;
const NO_COMMIT: i32 = 12;
const ONE_GROUP_LESS: i32 = 13;
const PLACE_GIVEN_BACK: i32 = 14;
const OUTSIDE: i32 = 15;

/// Columns and rows of the matrix that boxes are copied from.
const COLUMNS: usize = 136;
const ROWS: usize = 21;

fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The bytes of shared memory after a copy of a box of bf16 numbers, or what went wrong.
fn copied(device: &Arc<dyn Device>, x: i32, y: i32, box_rows: usize, fault: i32) -> Result<Vec<u8>, String> {
    let from = Buffer::of(device, &bytes(2 * COLUMNS * ROWS)).unwrap();
    let matrix = Boxed { at: from.at(), element_bytes: 2, columns: COLUMNS, rows: ROWS, box_rows };
    let map = device.tensor_map(&matrix).unwrap();
    let count = 128 * box_rows;
    let out = Buffer::new(device, 4 * count).unwrap();
    let args = ProbeArgs { map, out: out.at(), bytes: count as i32, x, y, fault, ..ProbeArgs::default() };
    let shape = Shape { grid: [1, 1, 1], threads: 32, shared_bytes: 18 << 10 };
    launch(&**device, "probe_copy", shape, &args).map_err(|error| error.to_string())?;
    Ok(out.to_f32(count).unwrap().iter().map(|byte| *byte as u8).collect())
}

/// Row `r` of a box takes 128 bytes, and its piece `p` of 16 bytes lies where piece `p ^ (r % 8)` would; zeros stand for what is outside.
#[test]
fn copies_swizzle_and_fill_with_zeros() {
    let Some(device) = shim::device() else { return };
    let all = bytes(2 * COLUMNS * ROWS);
    for (x, y, box_rows) in [(0, 0, 16), (64, 5, 16), (128, 0, 8), (100, 18, 16), (-8, -3, 16), (0, 40, 8)] {
        let found = copied(&device, x, y, box_rows, 0).unwrap();
        for row in 0..box_rows {
            for byte in 0..128 {
                let (column, line) = (x + byte as i32 / 2, y + row as i32);
                let inside = (0..COLUMNS as i32).contains(&column) && (0..ROWS as i32).contains(&line);
                let wanted = if inside { all[2 * (line as usize * COLUMNS + column as usize) + byte % 2] } else { 0 };
                let piece = (byte / 16) ^ (row % 8);
                assert_eq!(found[row * 128 + piece * 16 + byte % 16], wanted, "({x}, {y}), row {row}, byte {byte}");
            }
        }
    }
}

#[test]
fn a_copy_used_wrongly_is_an_error() {
    let Some(device) = shim::device() else { return };
    for (fault, why) in [
        (NO_EXPECT, "ends before its copies"),
        (TOO_FEW_BYTES, "waits for itself forever"),
        (WRONG_PARITY, "waits for itself forever"),
        (NO_INIT_FENCE, "without a fence after its barrier"),
        (NO_COPY_WAIT, "ends before its copies"),
        (TWO_ARRIVALS, "more arrive at a barrier"),
        (MISALIGNED, "no multiple of 128 bytes"),
        (NO_BARRIER, "that was not made"),
    ] {
        let error = copied(&device, 0, 0, 16, fault).unwrap_err();
        assert!(error.contains(why), "fault {fault}: {error}");
    }
}

#[test]
fn maps_that_the_driver_would_refuse_are_refused() {
    let Some(device) = shim::device() else { return };
    let matrix = Boxed { at: 4_096, element_bytes: 2, columns: 64, rows: 8, box_rows: 8 };
    assert!(matrix.suits() && device.tensor_map(&matrix).is_ok());
    for wrong in [Boxed { at: 4_104, ..matrix }, Boxed { columns: 60, ..matrix }, Boxed { columns: 0, ..matrix }] {
        assert!(!wrong.suits() && device.tensor_map(&wrong).is_err(), "{wrong:?}");
    }
    assert!(device.tensor_map(&Boxed { box_rows: 257, ..matrix }).is_err());
}

/// Small whole numbers, whose products and sums are exact, as bf16.
fn factors(rows: usize, seed: u32) -> Vec<f32> {
    (0..rows as u32 * 16).map(|at| ((at + seed).wrapping_mul(2_654_435_761) >> 28) as f32 - 8.0).collect()
}

fn bf16(value: f32) -> [u8; 2] {
    ((value.to_bits() >> 16) as u16).to_le_bytes()
}

/// Puts 16 columns of a factor, from column `first` of a row of 64, where the 128-byte swizzle has them.
fn lay(into: &mut [u8], factor: &[f32], first: usize) {
    for (at, value) in factor.iter().enumerate() {
        let (row, byte) = (at / 16, 2 * (first + at % 16));
        let to = row * 128 + ((byte / 16) ^ (row % 8)) * 16 + byte % 16;
        into[to..to + 2].copy_from_slice(&bf16(*value));
    }
}

fn multiplied(device: &Arc<dyn Device>, kernel: &str, memory: &[u8], args: ProbeArgs) -> Result<Vec<f32>, String> {
    let (from, out) = (Buffer::of(device, memory).unwrap(), Buffer::new(device, 4 * 128 * 64).unwrap());
    let args = ProbeArgs { from: from.at(), out: out.at(), bytes: memory.len() as i32, ..args };
    let shape = Shape { grid: [1, 1, 1], threads: 128, shared_bytes: 26 << 10 };
    launch(&**device, kernel, shape, &args).map_err(|error| error.to_string())?;
    Ok(out.to_f32(128 * 64).unwrap())
}

/// Compares a thread's sums with `scale * a b^T + more`. Thread `32 w + 4 g + t` holds rows `16 w + g` and eight below, and in
/// each group of eight columns the columns `2 t` and `2 t + 1`: both of the upper row first.
fn assert_products(found: &[f32], a: &[f32], b: &[f32], scale: f32, more: f32) {
    for thread in 0..128 {
        let (w, g, t) = (thread / 32, thread % 32 / 4, thread % 4);
        for eight in 0..16 {
            for (nth, (down, right)) in [(0, 0), (0, 1), (8, 0), (8, 1)].into_iter().enumerate() {
                let (row, column) = (16 * w + g + down, 8 * eight + 2 * t + right);
                let sum: f32 = (0..16).map(|k| a[row * 16 + k] * b[column * 16 + k]).sum();
                let got = found[thread * 64 + eight * 4 + nth];
                assert_eq!(got, scale * sum + more, "thread {thread}, row {row}, column {column}");
            }
        }
    }
}

#[test]
fn products_read_by_descriptor() {
    let Some(device) = shim::device() else { return };
    let (a, b) = (factors(64, 1), factors(128, 9));
    for k in 0..4 {
        let mut memory = vec![0x55; 24 << 10];
        lay(&mut memory[..8 << 10], &a, 16 * k);
        lay(&mut memory[8 << 10..], &b, 16 * k);
        let place = (32 * k) as i32;
        let args = ProbeArgs { a: place, b: (8 << 10) + place, ..ProbeArgs::default() };
        let found = multiplied(&device, "probe_product", &memory, args).unwrap();
        assert_products(&found, &a, &b, 1.0, 1.0);
        let found = multiplied(&device, "probe_product", &memory, ProbeArgs { x: 1, ..args }).unwrap();
        assert_products(&found, &a, &b, 2.0, 1.0);
    }
}

/// Lane `4 g + t` of warp `w` gives rows `16 w + g` and eight below, columns `2 t` and `2 t + 1`, then the same of columns 8 to 15.
#[test]
fn products_read_fragments_from_registers() {
    let Some(device) = shim::device() else { return };
    let (a, b) = (factors(64, 5), factors(128, 3));
    let mut memory = vec![0x55; 24 << 10];
    for thread in 0..128 {
        let (w, g, t) = (thread / 32, thread % 32 / 4, thread % 4);
        for (word, (down, right)) in [(0, 0), (8, 0), (0, 8), (8, 8)].into_iter().enumerate() {
            for half in 0..2 {
                let value = a[(16 * w + g + down) * 16 + 2 * t + right + half];
                let to = thread * 16 + word * 4 + half * 2;
                memory[to..to + 2].copy_from_slice(&bf16(value));
            }
        }
    }
    lay(&mut memory[8 << 10..], &b, 0);
    let args = ProbeArgs { a: 0, b: 8 << 10, ..ProbeArgs::default() };
    let found = multiplied(&device, "probe_registers", &memory, args).unwrap();
    assert_products(&found, &a, &b, 1.0, 0.0);
}

#[test]
fn a_product_used_wrongly_is_an_error() {
    let Some(device) = shim::device() else { return };
    let memory = vec![0; 24 << 10];
    for (fault, shift, why) in [
        (NO_PRODUCT_FENCE, 0, "without a fence"),
        (NO_PRODUCT_WAIT, 0, "ends before its products"),
        (OTHER_PRODUCTS, 0, "different products"),
        (0, 128, "does not begin where the swizzle's pattern does"),
        (0, 200 << 10, "outside of the block's shared memory"),
    ] {
        let args = ProbeArgs { b: 8 << 10, fault, shift, ..ProbeArgs::default() };
        let error = multiplied(&device, "probe_product", &memory, args).unwrap_err();
        assert!(error.contains(why), "fault {fault}: {error}");
    }
}

/// What a probe of one warp shows of so much shared memory, or what went wrong.
fn shown(kernel: &str, memory: &[u8], numbers: usize, x: i32, fault: i32) -> Option<Result<Vec<f32>, String>> {
    let device = shim::device()?;
    let (from, out) = (Buffer::of(&device, memory).unwrap(), Buffer::new(&device, 4 * numbers).unwrap());
    let args = ProbeArgs { from: from.at(), out: out.at(), x, fault, ..ProbeArgs::default() };
    let shape = Shape { grid: [1, 1, 1], threads: 32, shared_bytes: memory.len() };
    let run = launch(&*device, kernel, shape, &args).map_err(|error| error.to_string());
    Some(run.map(|()| out.to_f32(numbers).unwrap()))
}

/// Lanes read what their neighbours copied: all bytes are there, and zeros stand for those that nothing was copied to.
#[test]
fn pieces_come_when_they_are_waited_for() {
    let memory = bytes(1024);
    let Some(found) = shown("probe_pieces", &memory, 1024, 20, 0) else { return };
    let found = found.unwrap();
    for lane in 0..32 {
        let of = (lane + 1) % 32;
        for i in 0..32 {
            let wanted = if of < 20 { memory[512 * (i / 16) + 16 * of + i % 16] } else { 0 };
            assert_eq!(found[32 * lane + i], f32::from(wanted), "lane {lane}, byte {i}");
        }
    }
}

#[test]
fn a_piece_used_wrongly_is_an_error_or_no_number() {
    let memory = vec![0; 1024];
    for (fault, why) in [(NO_COMMIT, "ends before its copies"), (MISALIGNED, "is not aligned")] {
        let Some(found) = shown("probe_pieces", &memory, 1024, 32, fault) else { return };
        let error = found.unwrap_err();
        assert!(error.contains(why), "fault {fault}: {error}");
    }
    // A byte that has not come is 0xff: as bf16, no number.
    let lane = 3;
    for (fault, group) in [(NO_COPY_WAIT, 0), (NO_COPY_WAIT, 1), (ONE_GROUP_LESS, 1), (PLACE_GIVEN_BACK, 0)] {
        let found = shown("probe_pieces", &memory, 1024, 32, fault).unwrap().unwrap();
        let of_group = &found[32 * lane + 16 * group..32 * lane + 16 * group + 16];
        assert!(of_group.iter().all(|byte| *byte == 255.0), "fault {fault}, group {group}: {of_group:?}");
    }
    let found = shown("probe_pieces", &memory, 1024, 32, ONE_GROUP_LESS).unwrap().unwrap();
    assert!(found[..16].iter().all(|byte| *byte == 0.0), "the older group has come");
}

/// Lane `4 g + t` gets of each matrix numbers `2 t` and `2 t + 1` of row `g`, or of rows `2 t` and `2 t + 1` those of column `g`.
#[test]
fn matrices_are_read_as_fragments() {
    let memory = bytes(512);
    let number = |matrix: usize, row: usize, column: usize| {
        let at = 128 * matrix + 16 * row + 2 * column;
        f32::from(u16::from_le_bytes([memory[at], memory[at + 1]]))
    };
    for transposed in [false, true] {
        let Some(found) = shown("probe_matrices", &memory, 256, i32::from(transposed), 0) else { return };
        let found = found.unwrap();
        for (at, value) in found.iter().enumerate() {
            let (lane, matrix, half) = (at / 8, at % 8 / 2, at % 2);
            let (one, other) = (lane / 4, lane % 4 * 2 + half);
            let wanted = if transposed { number(matrix, other, one) } else { number(matrix, one, other) };
            assert_eq!(*value, wanted, "lane {lane}, matrix {matrix}, half {half}, transposed {transposed}");
        }
    }
    for (fault, why) in
        [(MISALIGNED, "does not begin at a multiple"), (OUTSIDE, "outside of the block's shared memory")]
    {
        let error = shown("probe_matrices", &memory, 256, 0, fault).unwrap().unwrap_err();
        assert!(error.contains(why), "fault {fault}: {error}");
    }
}
