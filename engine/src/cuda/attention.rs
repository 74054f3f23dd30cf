//! Attention of prompts on tensor cores (`kernels/prompts.cu`): which heads suit, launches.

use super::args::{AttendArgs, PromptArgs};
use super::device::{Device, Shape, launch};
use crate::error::EngineError;

/// Queries of a block, and keys that it takes together.
const TILE: usize = 64;
/// Numbers of a head's keys and of its values that kernels are compiled for; smaller heads are filled up with zeros.
const SIZES: [(usize, usize); 3] = [(64, 64), (128, 128), (192, 128)];
/// Numbers of bf16 in the sixteen bytes that one copy brings.
const PIECE: usize = 8;

/// The smallest of the compiled sizes that has room.
fn size(args: &AttendArgs) -> Option<(usize, usize)> {
    let (dims, values) = ((args.dims + args.dims1) as usize, args.values as usize);
    SIZES.into_iter().find(|(most, most_values)| dims <= *most && values <= *most_values)
}

/// Whether tensor cores compute such heads, where keys and values are bf16.
pub(crate) fn suits(args: &AttendArgs) -> bool {
    let short = [args.dims, args.dims1, args.values, args.k1_row, args.k_head, args.v_head];
    let whole = |number: i64| number % PIECE as i64 == 0;
    let pieces = short.iter().all(|number| whole(i64::from(*number))) && whole(args.k_row) && whole(args.v_row);
    pieces && args.dims > 0 && args.k1.is_multiple_of(2 * PIECE as u64) && size(args).is_some()
}

/// Attention of `count` queries at positions from `start` on. Keys and values are bf16 and `suits` said yes; `args.positions`
/// and all that is about splits is not looked at.
pub(crate) fn prompt(device: &dyn Device, args: &AttendArgs, start: usize, count: usize) -> Result<(), EngineError> {
    let (dims, values) = size(args).expect("only heads that suit are computed here");
    assert!([args.k, args.v].iter().all(|at| at.is_multiple_of(2 * PIECE as u64)), "rows begin at whole pieces");
    let of = PromptArgs {
        q: args.q,
        k: args.k,
        k1: args.k1,
        v: args.v,
        out: args.out,
        table: args.tables,
        q_token: args.q_token,
        out_token: args.out_token,
        k_row: args.k_row,
        v_row: args.v_row,
        k1_row: args.k1_row,
        k_head: args.k_head,
        v_head: args.v_head,
        q_head: args.q_head,
        dims: args.dims,
        dims1: args.dims1,
        values: args.values,
        share: args.share,
        paged: args.paged,
        start: start as i32,
        count: count as i32,
        window: args.window,
        scale: args.scale,
    };
    let grid = [args.heads as usize, count.div_ceil(TILE), 1];
    let shape = Shape { grid, threads: 128, shared_bytes: 2 * TILE * (dims + values) };
    launch(device, &format!("attend_prompt_{dims}_{values}"), shape, &of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_do_not_suit_are_left_to_the_plain_kernels() {
        let whole = AttendArgs { dims: 128, dims1: 64, values: 128, k1_row: 576, ..AttendArgs::default() };
        for (args, fits) in [
            (whole, Some((192, 128))),
            (AttendArgs { dims: 16, dims1: 8, values: 16, ..whole }, Some((64, 64))),
            (AttendArgs { dims: 96, dims1: 0, values: 96, ..whole }, Some((128, 128))),
            (AttendArgs { dims: 48, dims1: 16, values: 72, ..whole }, Some((128, 128))),
            (AttendArgs { dims: 256, dims1: 0, values: 256, ..whole }, None),
            (AttendArgs { dims: 192, dims1: 0, values: 192, ..whole }, None),
            (AttendArgs { dims: 20, dims1: 12, values: 12, ..whole }, None),
            (AttendArgs { values: 12, ..whole }, None),
            (AttendArgs { k_row: 4, ..whole }, None),
            (AttendArgs { k1: 24, ..whole }, None),
        ] {
            assert_eq!(suits(&args).then(|| size(&args).unwrap()), fits, "{args:?}");
        }
    }
}
