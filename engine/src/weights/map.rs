//! Bytes that are shared without copying: a mapped file, or a vector.
#![allow(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use crate::error::EngineError;

/// A range of shared bytes. Cloning and slicing copy nothing.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<Owner>,
    range: Range<usize>,
}

enum Owner {
    Mapped(memmap2::Mmap),
    Held(Vec<u8>),
}

impl Bytes {
    /// A whole file, mapped read-only: its pages are read when they are first touched, and shared between processes.
    ///
    /// Do not change the file while it is mapped: the weights would change, and a file cut short ends the process.
    ///
    /// # Errors
    /// `File` where it cannot be opened or mapped.
    pub fn map(path: &Path) -> Result<Bytes, EngineError> {
        let file = File::open(path).map_err(|error| EngineError::file(path, error))?;
        let size = file.metadata().map_err(|error| EngineError::file(path, error))?.len();
        if size == 0 {
            return Ok(Bytes::from(Vec::new()));
        }
        // SAFETY: the map is read-only and private to `Owner`, which keeps it alive for as long as any slice of it. The
        // one thing Rust cannot rule out is that another process changes the file, which the documentation forbids.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|error| EngineError::file(path, error))?;
        let range = 0..map.len();
        Ok(Bytes { owner: Arc::new(Owner::Mapped(map)), range })
    }

    /// The bytes of `range` within these.
    ///
    /// # Panics
    /// Where `range` is not within these: readers of files check before they slice.
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        assert!(range.start <= range.end && range.end <= self.len(), "a slice lies within its bytes");
        let start = self.range.start;
        Bytes { owner: self.owner.clone(), range: start + range.start..start + range.end }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(held: Vec<u8>) -> Bytes {
        let range = 0..held.len();
        Bytes { owner: Arc::new(Owner::Held(held)), range }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let whole: &[u8] = match &*self.owner {
            Owner::Mapped(map) => map,
            Owner::Held(held) => held,
        };
        &whole[self.range.clone()]
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.range.len())
    }
}
