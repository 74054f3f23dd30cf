//! Launches of the kernels at the grain of the equations: which kernel fits a shape, its grid, its arguments.

use super::args::{
    BiasArgs, CombineArgs, EmbedArgs, GroupArgs, MatmulArgs, MergeArgs, NarrowArgs, NormArgs, OpenArgs, RouteArgs,
    SiluArgs,
};
use super::device::{Buffer, Device, Product, Shape, launch};
use super::weights::{Kind, Stack};
use crate::config::{Experts, Groups, Score};
use crate::error::EngineError;

/// Positions of one split of a long context.
pub(crate) const SPLIT: usize = 256;

/// Which arithmetic a product takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    /// For few rows: columns shared out over warps; 16 bits of each activation.
    Few,
    /// For many rows: activations rounded to bf16.
    Many,
    /// For many rows: 16 bits of each activation.
    ManyExact,
    /// One number after the other, in `f32`.
    Plain,
}

/// Rows of activations: where they start, and numbers from one to the next, and from one group to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub at: u64,
    pub stride: usize,
    pub group: usize,
}

impl Rows {
    /// Whole rows, one after the other.
    pub(crate) fn whole(at: u64, width: usize) -> Rows {
        Rows { at, stride: width, group: 0 }
    }
}

/// Part of a stack's matrices: rows `first..first + rows` of each group of `of` rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub first: usize,
    pub rows: usize,
    pub of: usize,
    pub groups: usize,
}

/// Pairs of token and expert, grouped by expert.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    pub tiles: u64,
    pub order: u64,
    pub count: u64,
    pub most: usize,
    pub arithmetic: Arithmetic,
    pub tile: usize,
    /// Pairs that share an input row.
    pub per_row: usize,
}

/// Whether tensor cores can multiply with this weight.
fn suits_tensor_cores(w: &Stack, part: &Part, x: &Rows) -> bool {
    let aligned = x.at.is_multiple_of(16) && x.stride.is_multiple_of(4) && x.group.is_multiple_of(4);
    aligned
        && match w.kind {
            Kind::Bf16 => w.columns.is_multiple_of(32),
            Kind::F8 => {
                let whole = w.block[1].is_multiple_of(64)
                    && [w.block[0], part.first, part.of].iter().all(|rows| rows.is_multiple_of(16));
                w.columns.is_multiple_of(64) && (w.scales.is_none() || whole)
            }
            Kind::F32 | Kind::F16 => false,
        }
}

/// The kernel's ending, tokens of a tile, rows of a block, and shared memory for each matrix.
fn variant(arithmetic: Arithmetic, tokens: usize) -> (&'static str, usize, usize, usize) {
    let few = |name, tile: usize| (name, 8 * tile, 16, 4_096 * tile);
    match arithmetic {
        Arithmetic::Few if tokens <= 8 => few("_few8", 1),
        Arithmetic::Few if tokens <= 16 => few("_few16", 2),
        Arithmetic::Few => few("_few32", 4),
        Arithmetic::Many => ("_many", 64, 128, 0),
        Arithmetic::ManyExact => ("_many_exact", 32, 128, 0),
        Arithmetic::Plain => ("", 8, 8, 0),
    }
}

/// `y = x w^T` for each group, or `silu(x w^T) * (x up^T)` with `up`.
#[allow(clippy::too_many_arguments, reason = "all are parts of one product")]
pub(crate) fn product(
    device: &dyn Device,
    w: &Stack,
    up: Option<&Stack>,
    part: Part,
    x: Rows,
    y: Rows,
    tokens: usize,
    arithmetic: Arithmetic,
) -> Result<(), EngineError> {
    let arithmetic = if suits_tensor_cores(w, &part, &x) { arithmetic } else { Arithmetic::Plain };
    let (ending, tile, block, shared) = variant(arithmetic, tokens);
    let mut args = arguments(w, up, &part, &x, &y);
    (args.tokens, args.tile) = (tokens as i32, tile as i32);
    let shared_bytes = shared * (1 + usize::from(up.is_some()));
    let grid = [part.rows.div_ceil(block), tokens.div_ceil(tile), part.groups];
    let kernel = format!("{}_{}{ending}", if up.is_some() { "gated" } else { "matmul" }, w.kind.name());
    launch(device, &kernel, Shape { grid, threads: 256, shared_bytes }, &args)
}

/// The same for pairs of token and expert.
pub(crate) fn grouped_product(
    device: &dyn Device,
    w: &Stack,
    up: Option<&Stack>,
    x: u64,
    y: u64,
    tiles: &Tiles,
) -> Result<(), EngineError> {
    let part = Part { first: 0, rows: w.rows, of: w.rows, groups: 1 };
    let (ending, tile, block, shared) = variant(tiles.arithmetic, tiles.tile);
    debug_assert_eq!(tile, tiles.tile, "tiles were cut for this kernel");
    let mut args = arguments(w, up, &part, &Rows::whole(x, w.columns), &Rows::whole(y, w.rows));
    (args.tiles, args.order, args.tile_count) = (tiles.tiles, tiles.order, tiles.count);
    (args.per_row, args.tile) = (if up.is_some() { tiles.per_row as i32 } else { 1 }, tile as i32);
    // Each expert has scales of its own.
    (args.scale_group, args.scale_rows_group) = (w.scales_each as i64, 0);
    let shared_bytes = shared * (1 + usize::from(up.is_some()));
    let grid = [w.rows.div_ceil(block), tiles.most, 1];
    let kernel = format!("{}_{}{ending}", if up.is_some() { "gated" } else { "matmul" }, w.kind.name());
    launch(device, &kernel, Shape { grid, threads: 256, shared_bytes }, &args)
}

fn arguments(w: &Stack, up: Option<&Stack>, part: &Part, x: &Rows, y: &Rows) -> MatmulArgs {
    let scales = |stack: &Stack| stack.scales.as_ref().map_or(0, Buffer::at);
    let first = (part.first * w.columns * w.kind.bytes()) as u64;
    MatmulArgs {
        x: x.at,
        w: w.data.at() + first,
        w2: up.map_or(0, |up| up.data.at() + first),
        scales: scales(w),
        scales2: up.map_or(0, scales),
        y: y.at,
        w_group: (part.of * w.columns) as i64,
        x_stride: x.stride as i64,
        y_stride: y.stride as i64,
        x_group: x.group as i32,
        y_group: y.group as i32,
        rows: part.rows as i32,
        columns: w.columns as i32,
        per_row: 1,
        block_rows: w.block[0] as i32,
        block_columns: w.block[1] as i32,
        scale_first: part.first as i32,
        scale_rows_group: part.of as i32,
        ..MatmulArgs::default()
    }
}

/// `y = x w^T` by the vendor's library: `x` is rounded to bf16 in `narrow`. `false` where there is no library, or the weight is
/// of another type.
pub(crate) fn library_product(
    device: &dyn Device,
    w: &Stack,
    x: u64,
    narrow: u64,
    y: u64,
    tokens: usize,
) -> Result<bool, EngineError> {
    if w.kind != Kind::Bf16 {
        return Ok(false);
    }
    narrow_rows(device, x, narrow, tokens * w.columns)?;
    device.product(&Product { x: narrow, w: w.data.at(), y, tokens, rows: w.rows, columns: w.columns })
}

/// `y = x`, rounded to bf16.
pub(crate) fn narrow_rows(device: &dyn Device, x: u64, y: u64, count: usize) -> Result<(), EngineError> {
    let shape = Shape { grid: [count.div_ceil(1024).min(1 << 16), 1, 1], threads: 256, shared_bytes: 0 };
    launch(device, "narrow_rows", shape, &NarrowArgs { x, y, count: count as i64 })
}

/// `gate = silu(gate) * up`
pub(crate) fn silu_multiply(device: &dyn Device, gate: u64, up: u64, count: usize) -> Result<(), EngineError> {
    let shape = Shape { grid: [count.div_ceil(1024).min(1 << 16), 1, 1], threads: 256, shared_bytes: 0 };
    launch(device, "silu_multiply", shape, &SiluArgs { gate, up, count: count as i64 })
}

/// `x = table[tokens]`
pub(crate) fn embed(device: &dyn Device, table: &Stack, tokens: u64, x: u64, rows: usize) -> Result<(), EngineError> {
    let args = EmbedArgs { table: table.data.at(), tokens, x, hidden: table.columns as i32, rows: rows as i32 };
    let shape = Shape { grid: [rows, 1, 1], threads: 256, shared_bytes: 0 };
    launch(device, &format!("embed_{}", table.kind.name()), shape, &args)
}

/// `x += add`, `y = norm(x) * weight` for each row.
#[allow(clippy::too_many_arguments, reason = "all are parts of one equation")]
pub(crate) fn norm(
    device: &dyn Device,
    x: u64,
    add: u64,
    weight: &Buffer,
    y: u64,
    rows: usize,
    width: usize,
    eps: f32,
) -> Result<(), EngineError> {
    assert!(weight.bytes() >= 4 * width, "a norm has a weight for each number");
    let stride = width as i64;
    let args =
        NormArgs { x, add, weight: weight.at(), y, x_stride: stride, y_stride: stride, width: width as i32, eps };
    let threads = if width <= 256 { 64 } else { 256 };
    launch(device, "rms_norm", Shape { grid: [rows, 1, 1], threads, shared_bytes: 0 }, &args)
}

/// Adds a bias and cuts to a size, where there are any.
pub(crate) fn bias_clip(
    device: &dyn Device,
    y: u64,
    bias: Option<&Buffer>,
    clip: Option<f32>,
    rows: usize,
    width: usize,
) -> Result<(), EngineError> {
    if bias.is_none() && clip.is_none() {
        return Ok(());
    }
    let count = rows * width;
    let args = BiasArgs {
        y,
        bias: bias.map_or(0, Buffer::at),
        clip: clip.unwrap_or(0.0),
        width: width as i32,
        count: count as i64,
    };
    let shape = Shape { grid: [count.div_ceil(256).min(1 << 16), 1, 1], threads: 256, shared_bytes: 0 };
    launch(device, "bias_clip", shape, &args)
}

/// Chooses experts for each token.
pub(crate) fn route(
    device: &dyn Device,
    shape: &Experts,
    logits: u64,
    bias: Option<&Buffer>,
    experts: u64,
    weights: u64,
    tokens: usize,
) -> Result<(), EngineError> {
    let (groups, kept, summed) = match shape.groups {
        Groups::All => (0, 0, 0),
        Groups::ByBest { count, kept } => (count, kept, 1),
        Groups::ByTwoBest { count, kept } => (count, kept, 2),
    };
    let args = RouteArgs {
        logits,
        bias: bias.map_or(0, Buffer::at),
        experts,
        weights,
        count: shape.count as i32,
        chosen: shape.chosen as i32,
        groups: groups as i32,
        kept: kept as i32,
        summed,
        sigmoid: i32::from(shape.score == Score::Sigmoid),
        normalise: i32::from(shape.normalise),
        scale: shape.scale,
    };
    let shared_bytes = 4 * (2 * shape.count + groups + 2 * shape.chosen);
    launch(device, "route", Shape { grid: [tokens, 1, 1], threads: 128, shared_bytes }, &args)
}

/// Which arithmetic an expert's tokens take, and how many of them a tile holds.
pub(crate) fn grouping(shape: &Experts, tokens: usize, few: bool, exact: bool, suits: bool) -> (Arithmetic, usize) {
    let arithmetic = match (suits, few, exact) {
        (false, ..) => Arithmetic::Plain,
        (true, true, _) => Arithmetic::Few,
        (true, false, true) => Arithmetic::ManyExact,
        (true, false, false) => Arithmetic::Many,
    };
    // An expert of few tokens is read once where its tokens fit one tile.
    let each = 2 * (tokens * shape.chosen).div_ceil(shape.count);
    (arithmetic, variant(arithmetic, each).1)
}

/// Groups pairs of token and expert by expert, in tiles of `tile`; the places lie in one buffer of whole numbers:
/// `[3 * most + 1 + pairs]`.
pub(crate) fn group_pairs(
    device: &dyn Device,
    shape: &Experts,
    experts: u64,
    out: u64,
    tokens: usize,
    arithmetic: Arithmetic,
    tile: usize,
) -> Result<Tiles, EngineError> {
    let pairs = tokens * shape.chosen;
    let most = pairs.min(shape.count) + pairs / tile;
    let (tiles, count, order) = (out, out + 12 * most as u64, out + 12 * most as u64 + 4);
    let args = GroupArgs {
        experts,
        order,
        tiles,
        tile_count: count,
        pairs: pairs as i32,
        count: shape.count as i32,
        tile: tile as i32,
    };
    let shared_bytes = 4 * (2 * shape.count + 2_048);
    launch(device, "group_pairs", Shape { grid: [1, 1, 1], threads: 1_024, shared_bytes }, &args)?;
    Ok(Tiles { tiles, order, count, most, arithmetic, tile, per_row: shape.chosen })
}

/// Whole numbers that the grouping of so many tokens takes.
pub(crate) fn group_numbers(shape: &Experts, tokens: usize) -> usize {
    let pairs = tokens * shape.chosen;
    3 * (pairs.min(shape.count) + pairs / 8) + 1 + pairs
}

/// Whether tensor cores can multiply with experts.
pub(crate) fn experts_suit(w: &Stack, x: u64) -> bool {
    let part = Part { first: 0, rows: w.rows, of: w.rows, groups: 1 };
    suits_tensor_cores(w, &Part { of: 0, ..part }, &Rows::whole(x, w.columns))
}

/// Adds what experts say, each with its weight.
pub(crate) fn combine(device: &dyn Device, args: &CombineArgs, tokens: usize) -> Result<(), EngineError> {
    launch(device, "combine", Shape { grid: [tokens, 1, 1], threads: 256, shared_bytes: 0 }, args)
}

/// `y *= sigmoid(gate)` for each row.
pub(crate) fn open_gate(device: &dyn Device, y: u64, gates: u64, rows: usize, width: usize) -> Result<(), EngineError> {
    let shape = Shape { grid: [rows, 1, 1], threads: 256, shared_bytes: 0 };
    launch(device, "open_gate", shape, &OpenArgs { y, gates, width: width as i32 })
}

/// Puts splits of heads together.
pub(crate) fn merge(device: &dyn Device, args: &MergeArgs, tokens: usize) -> Result<(), EngineError> {
    let grid = [tokens * args.heads as usize, 1, 1];
    launch(device, "merge", Shape { grid, threads: 128, shared_bytes: 0 }, args)
}
