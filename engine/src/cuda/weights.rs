//! Weights on the device: stacks of equal matrices, each of one layer, head or expert.

use std::sync::Arc;

use super::device::{Buffer, Device, bytes_of};
use crate::error::EngineError;
use crate::weights::{Dtype, Matrix};

/// Types that kernels read, numbered as in `kernels/common.cuh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    F32 = 0,
    F16 = 1,
    Bf16 = 2,
    F8 = 3,
}

impl Kind {
    /// As kernels' names have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::F32 => "f32",
            Kind::F16 => "f16",
            Kind::Bf16 => "bf16",
            Kind::F8 => "f8",
        }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Kind::F32 => 4,
            Kind::F16 | Kind::Bf16 => 2,
            Kind::F8 => 1,
        }
    }
}

/// Equal matrices one after the other, or one matrix that is read in groups of rows.
#[derive(Debug)]
pub(crate) struct Stack {
    pub data: Buffer,
    pub kind: Kind,
    /// Rows and columns of each.
    pub rows: usize,
    pub columns: usize,
    pub scales: Option<Buffer>,
    /// Rows and columns that share a scale.
    pub block: [usize; 2],
    /// Scales of each.
    pub scales_each: usize,
}

impl Stack {
    /// Of matrices that have the same shape and type. Types that kernels don't read become bf16 where `rounds`, else f32.
    ///
    /// # Errors
    /// `Unsupported` where they differ; `Device` where memory ends.
    pub(crate) fn of(
        device: &Arc<dyn Device>,
        matrices: &[&Matrix],
        block: [usize; 2],
        rounds: bool,
    ) -> Result<Stack, EngineError> {
        let first = matrices.first().ok_or_else(|| EngineError::config("n_routed_experts", "is zero"))?;
        let (rows, columns) = (first.rows(), first.columns());
        if matrices.iter().any(|m| (m.rows(), m.columns(), m.dtype()) != (rows, columns, first.dtype())) {
            return Err(EngineError::unsupported("experts of different shapes or types on a GPU"));
        }
        let grids: Option<Vec<Vec<f32>>> = matrices.iter().map(|m| grid(m, block)).collect();
        let direct = match first.dtype() {
            Dtype::F32 if !rounds && !matrices.iter().all(|m| is_bf16(m)) => Some(Kind::F32),
            Dtype::F16 => Some(Kind::F16),
            Dtype::BF16 => Some(Kind::Bf16),
            Dtype::F8E4M3 if grids.is_some() => Some(Kind::F8),
            _ => None,
        };
        let exact = first.dtype() == Dtype::F32 && matrices.iter().all(|m| is_bf16(m));
        let kind = direct.unwrap_or(if rounds || exact { Kind::Bf16 } else { Kind::F32 });
        let each = rows * columns * kind.bytes();
        let data = Buffer::new(device, each * matrices.len())?;
        for (at, matrix) in matrices.iter().enumerate() {
            let to = data.at() + (at * each) as u64;
            match (direct, kind) {
                (Some(_), _) => device.upload(to, matrix.data())?,
                (None, Kind::Bf16) => device.upload(to, &rounded(&matrix.to_f32()))?,
                (None, _) => device.upload(to, &bytes_of(&matrix.to_f32()))?,
            }
        }
        let grids = grids.filter(|grids| kind == Kind::F8 && grids.iter().any(|grid| !grid.is_empty()));
        let scales_each = grids.as_ref().map_or(0, |grids| grids[0].len());
        let scales = grids.map(|grids| Buffer::of_f32(device, &grids.concat())).transpose()?;
        Ok(Stack { data, kind, rows, columns, scales, block, scales_each })
    }

    /// The same of one.
    pub(crate) fn one(
        device: &Arc<dyn Device>,
        matrix: &Matrix,
        block: [usize; 2],
        rounds: bool,
    ) -> Result<Stack, EngineError> {
        Stack::of(device, &[matrix], block, rounds)
    }
}

/// The grid of an FP8 matrix' scales, empty where it has none; `None` where the scales of its rows do not form a grid.
fn grid(matrix: &Matrix, block: [usize; 2]) -> Option<Vec<f32>> {
    let mut grid = Vec::new();
    let mut current: &[f32] = &[];
    for row in 0..matrix.rows() {
        let Some((scales, across)) = matrix.row_scales(row) else { break };
        if row % block[0] == 0 {
            grid.extend_from_slice(scales);
            current = scales;
        }
        if across != block[1] || scales != current {
            return None;
        }
    }
    Some(grid)
}

/// Whether bf16 holds every number of an `f32` matrix.
fn is_bf16(matrix: &Matrix) -> bool {
    matrix.dtype() == Dtype::F32 && matrix.data().chunks_exact(4).all(|b| b[0] == 0 && b[1] == 0)
}

/// To nearest even, as bytes.
fn rounded(values: &[f32]) -> Vec<u8> {
    let one = |value: &f32| {
        let bits = value.to_bits();
        let up = if value.is_nan() { 0 } else { 0x7fff + (bits >> 16 & 1) };
        ((bits.wrapping_add(up) >> 16) as u16).to_le_bytes()
    };
    values.iter().flat_map(one).collect()
}
