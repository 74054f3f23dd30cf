//! The argument structures of the kernels, as `kernels/*.cu` declare them: addresses first, then long, then short numbers.

use super::device::TensorMap;

/// A `repr(C)` twin of a kernel's argument structure.
pub(crate) trait Args: Copy {}

macro_rules! args {
    ($($name:ident { $($field:ident: $kind:ty),* $(,)? })*) => {$(
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default)]
        pub(crate) struct $name { $(pub $field: $kind,)* }
        impl Args for $name {}
    )*};
}

args! {
    EmbedArgs { table: u64, tokens: u64, x: u64, hidden: i32, rows: i32 }
    NormArgs { x: u64, add: u64, weight: u64, y: u64, x_stride: i64, y_stride: i64, width: i32, eps: f32 }
    BiasArgs { y: u64, bias: u64, clip: f32, width: i32, count: i64 }
    RopeArgs {
        x: u64, positions: u64, frequencies: u64, token_stride: i64, heads: i32, head_stride: i32, offset: i32, half: i32,
        interleaved: i32, amplitude: f32,
    }
    LatentWriteArgs {
        c: u64, weight: u64, cache: u64, slots: u64, positions: u64, frequencies: u64, latent: i32, rotary: i32,
        interleaved: i32, eps: f32, amplitude: f32,
    }
    PairWriteArgs { k: u64, v: u64, cache: u64, slots: u64, width: i32 }
    GatherArgs { cache: u64, pages: u64, out: u64, width: i32, taken: i32 }
    CopyRowsArgs { x: u64, rows: u64, y: u64, width: i32 }
    CopyPartArgs { x: u64, y: u64, x_stride: i64, y_stride: i64, width: i32 }
    NarrowArgs { x: u64, y: u64, count: i64 }
    SiluArgs { gate: u64, up: u64, count: i64 }
    OpenArgs { y: u64, gates: u64, width: i32 }
    RandomArgs { out: u64, count: i64, seed: u32, scale: f32, kind: i32 }
    MatmulArgs {
        x: u64, w: u64, w2: u64, scales: u64, scales2: u64, y: u64, tiles: u64, order: u64, tile_count: u64, w_group: i64,
        scale_group: i64, x_stride: i64, y_stride: i64, x_group: i32, y_group: i32, rows: i32, columns: i32, tokens: i32,
        per_row: i32, block_rows: i32, block_columns: i32, scale_first: i32, scale_rows_group: i32, tile: i32,
    }
    TermsArgs { x: u64, order: u64, to: [u64; 3], x_stride: i64, width: i32, per_row: i32 }
    WgmmaArgs {
        w: TensorMap, w2: TensorMap, x: [TensorMap; 3], scales: u64, scales2: u64, y: u64, to: [u64; 3],
        tiles: u64, order: u64, tile_count: u64, scale_group: i64, y_stride: i64, rows: i32, columns: i32, tokens: i32,
        w_first: i32, w_group: i32, block_rows: i32, block_columns: i32, padding: i32,
    }
    RouteArgs {
        logits: u64, bias: u64, experts: u64, weights: u64, count: i32, chosen: i32, groups: i32, kept: i32, summed: i32,
        sigmoid: i32, normalise: i32, scale: f32,
    }
    GroupArgs { experts: u64, order: u64, tiles: u64, tile_count: u64, pairs: i32, count: i32, tile: i32 }
    CombineArgs { parts: u64, experts: u64, weights: u64, y: u64, hidden: i32, chosen: i32, add: i32 }
    LatentArgs {
        q: u64, cache: u64, tables: u64, positions: u64, mixed: u64, peaks: u64, table_stride: i32, heads: i32,
        heads_block: i32, latent: i32, rotary: i32, splits: i32, split: i32, scale: f32,
    }
    MergeArgs {
        parts: u64, peaks: u64, positions: u64, out: u64, splits: i32, split: i32, width: i32, heads: i32, window: i32,
    }
    AttendArgs {
        q: u64, k: u64, k1: u64, v: u64, out: u64, peaks: u64, tables: u64, positions: u64, q_token: i64, out_token: i64,
        k_row: i64, v_row: i64, k1_row: i32, k_head: i32, v_head: i32, q_head: i32, dims: i32, dims1: i32, values: i32,
        share: i32, paged: i32, table_stride: i32, splits: i32, split: i32, window: i32, scale: f32, tables_shared: i32,
        heads: i32,
    }
    PromptArgs {
        q: u64, k: u64, k1: u64, v: u64, out: u64, table: u64, q_token: i64, out_token: i64, k_row: i64, v_row: i64,
        k1_row: i32, k_head: i32, v_head: i32, q_head: i32, dims: i32, dims1: i32, values: i32, share: i32, paged: i32,
        start: i32, count: i32, window: i32, scale: f32,
    }
    ArgmaxArgs { logits: u64, tokens: u64, vocabulary: i32 }
    StepArgs { tokens: u64, next: u64, positions: u64, slots: u64, tables: u64, table_stride: i32, count: i32 }
}
