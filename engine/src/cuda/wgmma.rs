//! Products of many rows by Hopper's tensor cores (`kernels/wgmma.cu`): which weights suit, what the copy engine is told, launches.

use super::args::{TermsArgs, WgmmaArgs};
use super::device::{Boxed, Buffer, Device, Shape, TensorMap, launch, launch_large};
use super::ops::{Part, Tiles};
use super::weights::{Kind, Stack};
use crate::error::EngineError;

/// Tokens of a block.
pub(crate) const TILE: usize = 128;
/// Rows of a weight that four warps multiply together; a scale must hold for all of them.
const GROUP_ROWS: usize = 64;
/// Columns of an E4M3 weight in a stage; a scale must hold for all of them.
const STAGE_COLUMNS: usize = 128;
/// Stages of 192 KB, their barriers, and what aligning to 1,024 bytes may take.
const SHARED_BYTES: usize = (192 + 2) << 10;

/// Activations as bf16 rows: the rounded numbers, and twice what is left of them where all bits are kept (else 0).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub at: [u64; 3],
    pub rows: usize,
    pub columns: usize,
}

impl Terms {
    fn is_exact(&self) -> bool {
        self.at[1] != 0
    }

    fn boxed(&self, at: u64) -> Boxed {
        Boxed { at, element_bytes: 2, columns: self.columns, rows: self.rows, box_rows: TILE }
    }
}

/// All matrices of a stack, one below the other.
fn boxed(w: &Stack) -> Boxed {
    let rows = w.data.bytes() / (w.columns * w.kind.bytes()).max(1);
    Boxed { at: w.data.at(), element_bytes: w.kind.bytes(), columns: w.columns, rows, box_rows: GROUP_ROWS }
}

/// Whether these kernels multiply with this part of a weight.
pub(crate) fn suits(w: &Stack, part: &Part) -> bool {
    let scales_fit = w.scales.is_none()
        || (w.block[0].is_multiple_of(GROUP_ROWS)
            && w.block[1].is_multiple_of(STAGE_COLUMNS)
            && part.first.is_multiple_of(w.block[0]));
    let kind_fits = match w.kind {
        Kind::Bf16 => w.scales.is_none(),
        Kind::F8 => scales_fit,
        Kind::F32 | Kind::F16 => false,
    };
    // Rows of bf16 activations begin at multiples of 16 bytes, too.
    kind_fits && part.groups == 1 && w.columns.is_multiple_of(8) && boxed(w).suits()
}

/// Writes rows of `f32` activations as terms: row `order[i] / per_row`, or `i` where `order` is 0, becomes row `i`.
pub(crate) fn terms(device: &dyn Device, x: u64, order: u64, per_row: usize, to: &Terms) -> Result<(), EngineError> {
    let args = TermsArgs {
        x,
        order,
        to: to.at,
        x_stride: to.columns as i64,
        width: to.columns as i32,
        per_row: per_row as i32,
    };
    launch(device, "terms", Shape { grid: [to.rows, 1, 1], threads: 256, shared_bytes: 0 }, &args)
}

/// `y = x w^T`, `y` being `[tokens, part.rows]`; with `tiles`, rows of `x` are in their order, and each goes to its pair's row.
pub(crate) fn product(
    device: &dyn Device,
    w: &Stack,
    part: Part,
    x: &Terms,
    y: u64,
    tiles: Option<&Tiles>,
) -> Result<(), EngineError> {
    let mut args = arguments(device, w, None, &part, x, tiles)?;
    (args.y, args.y_stride) = (y, part.rows as i64);
    run(device, "matmul", w, &args, 2 * GROUP_ROWS, x, tiles)
}

/// `y = silu(x gate^T) * (x up^T)` as terms, rows in the order of `x`.
pub(crate) fn gated(
    device: &dyn Device,
    gate: &Stack,
    up: &Stack,
    x: &Terms,
    y: &Terms,
    tiles: Option<&Tiles>,
) -> Result<(), EngineError> {
    assert!(y.rows == x.rows && y.columns == gate.rows, "a gated pair makes a row of each");
    let part = Part { first: 0, rows: gate.rows, of: gate.rows, groups: 1 };
    let mut args = arguments(device, gate, Some(up), &part, x, tiles)?;
    args.to = y.at;
    run(device, "gated", gate, &args, GROUP_ROWS, x, tiles)
}

fn arguments(
    device: &dyn Device,
    w: &Stack,
    up: Option<&Stack>,
    part: &Part,
    x: &Terms,
    tiles: Option<&Tiles>,
) -> Result<WgmmaArgs, EngineError> {
    assert!(x.columns == w.columns, "rows are as wide as the weight");
    let map = |boxed: Boxed| device.tensor_map(&boxed);
    let mut maps = [TensorMap::default(); 3];
    for (map_to, at) in maps.iter_mut().zip(x.at).filter(|(_, at)| *at != 0) {
        *map_to = map(x.boxed(at))?;
    }
    let scales = |stack: &Stack| stack.scales.as_ref().map_or(0, Buffer::at);
    let mut args = WgmmaArgs {
        w: map(boxed(w))?,
        w2: up.map_or(Ok(TensorMap::default()), |up| map(boxed(up)))?,
        x: maps,
        rows: part.rows as i32,
        columns: w.columns as i32,
        tokens: x.rows as i32,
        w_first: part.first as i32,
        w_group: w.rows as i32,
        block_rows: w.block[0] as i32,
        block_columns: w.block[1] as i32,
        scale_group: w.scales_each as i64,
        ..WgmmaArgs::default()
    };
    // Scales of the part's first row: the rows before it fill whole blocks.
    let before = (4 * part.first / w.block[0].max(1) * w.columns.div_ceil(w.block[1].max(1))) as u64;
    let from = |stack: &Stack| if scales(stack) == 0 { 0 } else { scales(stack) + before };
    (args.scales, args.scales2) = (from(w), up.map_or(0, from));
    if let Some(tiles) = tiles {
        (args.tiles, args.order, args.tile_count) = (tiles.tiles, tiles.order, tiles.count);
    }
    Ok(args)
}

fn run(
    device: &dyn Device,
    kernel: &str,
    w: &Stack,
    args: &WgmmaArgs,
    block_rows: usize,
    x: &Terms,
    tiles: Option<&Tiles>,
) -> Result<(), EngineError> {
    debug_assert!(tiles.is_none_or(|tiles| tiles.tile == TILE), "tiles were cut for this kernel");
    let ending = if x.is_exact() { "_exact" } else { "" };
    let down = tiles.map_or(x.rows.div_ceil(TILE), |tiles| tiles.most);
    let shape =
        Shape { grid: [(args.rows as usize).div_ceil(block_rows), down, 1], threads: 384, shared_bytes: SHARED_BYTES };
    launch_large(device, &format!("wgmma_{kernel}_{}{ending}", w.kind.name()), shape, args)
}
