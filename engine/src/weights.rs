//! Weights as they lie in files: mapped, typed, named, and checked before anything reads them.
//!
//! `safetensors` and `gguf` read the two formats, `dtype` says how each type's blocks become numbers, `matrix` is a
//! weight of the equations. Nothing here copies a weight or knows what it is for.

use std::collections::BTreeMap;

use crate::error::EngineError;

pub mod dtype;
pub mod gguf;
pub mod map;
pub mod matrix;
pub mod safetensors;
pub(crate) mod whole;

pub use dtype::Dtype;
pub use map::Bytes;
pub use matrix::Matrix;

/// A named array in a file.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The type of its numbers.
    pub dtype: Dtype,
    /// Its sizes, the slowest-moving first.
    pub shape: Vec<usize>,
    /// Its bytes, as many as type and shape say.
    pub bytes: Bytes,
}

impl Tensor {
    /// How many numbers it has.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its numbers, row after row.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.count()];
        self.dtype.widen(&self.bytes, &mut values);
        values
    }

    /// Its numbers where they are whole, such as token ids.
    pub fn to_whole(&self) -> Option<Vec<i64>> {
        match self.dtype {
            Dtype::I64 => Some(
                self.bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes"))).collect(),
            ),
            Dtype::I32 => Some(
                self.bytes
                    .chunks_exact(4)
                    .map(|b| i64::from(i32::from_le_bytes(b.try_into().expect("four bytes"))))
                    .collect(),
            ),
            _ => None,
        }
    }
}

/// All tensors of a checkpoint, by name.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// Of these tensors.
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Checkpoint {
        Checkpoint { tensors }
    }

    /// The tensor of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// `Weight` where there is none.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, EngineError> {
        self.find(name).ok_or_else(|| EngineError::weight(name, "is missing"))
    }

    /// Every name, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Bytes of all tensors together.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.bytes.len() as u64).sum()
    }
}
