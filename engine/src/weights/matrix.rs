//! A weight of the equations: rows of numbers of one type, with the scales of FP8 blocks where it has them.

use std::ops::Range;

use super::{Bytes, Dtype, Tensor};
use crate::error::EngineError;

/// A matrix `[rows, columns]`, row-major, as it lies in its file.
#[derive(Clone, Debug)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    dtype: Dtype,
    bytes: Bytes,
    scales: Option<BlockScales>,
}

/// Scales of FP8 weights: each block of rows and columns has one, and edge blocks are partial.
#[derive(Clone, Debug)]
struct BlockScales {
    block: [usize; 2],
    /// `[ceil(rows / block[0]), ceil(columns / block[1])]`
    values: std::sync::Arc<[f32]>,
    /// The matrix's first row within the tensor that the scales are of.
    first_row: usize,
}

impl Matrix {
    /// The tensor `name` as a matrix of this shape; more dimensions than two are taken together from the left.
    ///
    /// # Errors
    /// `Weight` where shape or type does not fit.
    pub fn new(name: &str, tensor: &Tensor, rows: usize, columns: usize) -> Result<Matrix, EngineError> {
        let fits = tensor.shape.last() == Some(&columns) && tensor.count() == rows * columns;
        if !fits {
            return Err(EngineError::weight(
                name,
                format!("has the shape {:?} instead of [{rows}, {columns}]", tensor.shape),
            ));
        }
        if !tensor.dtype.is_weight() || tensor.dtype.bytes(columns).is_none() {
            return Err(EngineError::weight(name, format!("rows of {columns} cannot be of type {}", tensor.dtype)));
        }
        Ok(Matrix { rows, columns, dtype: tensor.dtype, bytes: tensor.bytes.clone(), scales: None })
    }

    /// The same with scales for each `block` of rows and columns.
    ///
    /// # Errors
    /// `Weight` where there are not as many scales as blocks.
    pub fn with_scales(mut self, name: &str, scales: &Tensor, block: [usize; 2]) -> Result<Matrix, EngineError> {
        let expected = [self.rows.div_ceil(block[0]), self.columns.div_ceil(block[1])];
        if scales.shape != expected || scales.dtype.is_blocked() {
            return Err(EngineError::weight(name, format!("has the shape {:?} instead of {expected:?}", scales.shape)));
        }
        self.scales = Some(BlockScales { block, values: scales.to_f32().into(), first_row: 0 });
        Ok(self)
    }

    /// A matrix of these numbers, kept as `f32`.
    pub fn from_f32(rows: usize, columns: usize, values: &[f32]) -> Matrix {
        assert_eq!(values.len(), rows * columns, "a matrix has rows times columns numbers");
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Matrix { rows, columns, dtype: Dtype::F32, bytes: bytes.into(), scales: None }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The type of its numbers.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Bytes of its numbers.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Some of its rows as a matrix, without copying.
    pub fn slice(&self, rows: Range<usize>) -> Matrix {
        let stride = self.row_bytes();
        let bytes = self.bytes.slice(rows.start * stride..rows.end * stride);
        let shifted = |scales: &BlockScales| BlockScales { first_row: scales.first_row + rows.start, ..scales.clone() };
        let scales = self.scales.as_ref().map(shifted);
        Matrix { rows: rows.len(), columns: self.columns, dtype: self.dtype, bytes, scales }
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.dtype.bytes(self.columns).expect("checked when the matrix was made")
    }

    /// The bytes of one row.
    pub fn row(&self, row: usize) -> &[u8] {
        let stride = self.row_bytes();
        &self.bytes[row * stride..(row + 1) * stride]
    }

    /// The bytes of all rows.
    pub fn data(&self) -> &[u8] {
        &self.bytes
    }

    /// The scales along one row and the columns that share one; `None` where the type needs none.
    pub fn row_scales(&self, row: usize) -> Option<(&[f32], usize)> {
        let scales = self.scales.as_ref()?;
        let across = self.columns.div_ceil(scales.block[1]);
        let at = (scales.first_row + row) / scales.block[0] * across;
        Some((&scales.values[at..at + across], scales.block[1]))
    }

    /// Writes the numbers of one row to `out`: `[columns]`.
    pub fn widen_row(&self, row: usize, out: &mut [f32]) {
        self.dtype.widen(self.row(row), out);
        if let Some((scales, block)) = self.row_scales(row) {
            for (part, scale) in out.chunks_mut(block).zip(scales) {
                part.iter_mut().for_each(|value| *value *= scale);
            }
        }
    }

    /// All its numbers: `[rows, columns]`.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.rows * self.columns];
        for (row, out) in values.chunks_exact_mut(self.columns).enumerate() {
            self.widen_row(row, out);
        }
        values
    }
}
