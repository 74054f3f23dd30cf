//! The GGUF format, versions 2 and 3: typed metadata, a list of tensors, the numbers.
//!
//! Every length and offset in the file is a claim: it is checked against what is left of the file, with arithmetic that
//! cannot overflow, before anything is reserved or read.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Bytes, Checkpoint, Dtype, Tensor};
use crate::error::EngineError;
use crate::limits::{
    GGUF_ENTRIES_MAX, GGUF_HEADER_BYTES_MAX, GGUF_KEYS_MAX, GGUF_LIST_MAX, GGUF_TEXT_BYTES_MAX, TENSORS_MAX,
};

const FORMAT: &str = "GGUF";

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Any whole number.
    Whole(i128),
    /// Any other number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A text.
    Text(String),
    /// Whole numbers and flags.
    Wholes(Vec<i64>),
    /// Other numbers.
    Numbers(Vec<f32>),
    /// Texts.
    Texts(Vec<String>),
}

/// The metadata by key.
pub type Metadata = BTreeMap<String, Value>;

/// A file's metadata and tensors.
#[derive(Clone, Debug)]
pub struct Gguf {
    /// The metadata.
    pub metadata: Metadata,
    /// The tensors; shapes have the slowest-moving size first, against the file's order.
    pub checkpoint: Checkpoint,
}

/// Maps a file and reads its metadata and list of tensors.
///
/// # Errors
/// `File` where it cannot be read, `Malformed` where a claim in it does not hold.
pub fn open(path: &Path) -> Result<Gguf, EngineError> {
    read(path, &Bytes::map(path)?)
}

/// Reads a file that is in memory; `path` names it in errors.
///
/// # Errors
/// `Malformed` where a claim in it does not hold.
pub fn read(path: &Path, file: &Bytes) -> Result<Gguf, EngineError> {
    Reader { file, at: 0, entries: 0 }.gguf().map_err(|what| EngineError::malformed(path, FORMAT, what))
}

struct Reader<'a> {
    file: &'a Bytes,
    at: usize,
    /// Entries of lists so far.
    entries: u64,
}

/// Where a tensor lies, before the place of the numbers is known.
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    offset: u64,
    size: usize,
}

impl Reader<'_> {
    fn gguf(mut self) -> Result<Gguf, String> {
        if self.take(4)? != b"GGUF" {
            return Err("it does not begin with GGUF".into());
        }
        let version = self.u32()?;
        if version != 2 && version != 3 {
            return Err(format!("its version is {version}, and 2 and 3 are known"));
        }
        let (tensors, keys) = (self.u64()?, self.u64()?);
        if tensors > TENSORS_MAX as u64 || keys > GGUF_KEYS_MAX as u64 {
            return Err(format!("it claims {tensors} tensors and {keys} keys"));
        }
        let mut metadata = Metadata::new();
        for _ in 0..keys {
            let key = self.text()?;
            let kind = self.u32()?;
            let value = self.value(kind)?;
            if metadata.insert(key, value).is_some() {
                return Err("two metadata entries have one key".into());
            }
        }
        let entries = (0..tensors).map(|_| self.entry()).collect::<Result<Vec<_>, _>>()?;
        let checkpoint = self.place(&metadata, entries)?;
        Ok(Gguf { metadata, checkpoint })
    }

    fn place(&self, metadata: &Metadata, entries: Vec<Entry>) -> Result<Checkpoint, String> {
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(Value::Whole(size)) if (1..=1 << 16).contains(size) && (*size as u64).is_power_of_two() => {
                *size as usize
            }
            Some(_) => return Err("its alignment is no power of two up to 65536".into()),
        };
        let start = self.at.next_multiple_of(alignment);
        let mut tensors = BTreeMap::new();
        let mut places = Vec::with_capacity(entries.len());
        for entry in entries {
            let begin = usize::try_from(entry.offset).ok().and_then(|offset| start.checked_add(offset));
            let end = begin.and_then(|begin| begin.checked_add(entry.size));
            let (Some(begin), Some(end)) = (begin, end) else { return Err("a tensor's place overflows".into()) };
            if end > self.file.len() || !entry.offset.is_multiple_of(alignment as u64) {
                return Err(format!("a tensor lies at {begin} to {end} of {} bytes", self.file.len()));
            }
            places.push((begin, end));
            let tensor = Tensor { dtype: entry.dtype, shape: entry.shape, bytes: self.file.slice(begin..end) };
            if tensors.insert(entry.name, tensor).is_some() {
                return Err("two tensors have one name".into());
            }
        }
        places.sort_unstable();
        if places.windows(2).any(|two| two[1].0 < two[0].1) {
            return Err("two tensors lie in one place".into());
        }
        Ok(Checkpoint::new(tensors))
    }

    fn entry(&mut self) -> Result<Entry, String> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions == 0 || dimensions > 4 {
            return Err(format!("a tensor has {dimensions} dimensions"));
        }
        let mut shape = Vec::with_capacity(4);
        for _ in 0..dimensions {
            shape.push(usize::try_from(self.u64()?).map_err(|_| "a tensor's size overflows")?);
        }
        let dtype = dtype(self.u32()?)?;
        let count = shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
        let whole_rows = dtype.bytes(shape[0]).is_some();
        let size = count.filter(|_| whole_rows).and_then(|count| dtype.bytes(count));
        let size = size.ok_or("a tensor's shape overflows or does not fill whole blocks")?;
        shape.reverse();
        Ok(Entry { name, dtype, shape, offset: self.u64()?, size })
    }

    fn value(&mut self, kind: u32) -> Result<Value, String> {
        Ok(match kind {
            0 => Value::Whole(i128::from(self.bytes::<1>()?[0])),
            1 => Value::Whole(i128::from(self.bytes::<1>()?[0] as i8)),
            2 => Value::Whole(i128::from(u16::from_le_bytes(self.bytes()?))),
            3 => Value::Whole(i128::from(i16::from_le_bytes(self.bytes()?))),
            4 => Value::Whole(i128::from(self.u32()?)),
            5 => Value::Whole(i128::from(i32::from_le_bytes(self.bytes()?))),
            6 => Value::Number(f64::from(f32::from_le_bytes(self.bytes()?))),
            7 => Value::Flag(self.bytes::<1>()?[0] != 0),
            8 => Value::Text(self.text()?),
            9 => self.list()?,
            10 => Value::Whole(i128::from(self.u64()?)),
            11 => Value::Whole(i128::from(i64::from_le_bytes(self.bytes()?))),
            12 => Value::Number(f64::from_le_bytes(self.bytes()?)),
            _ => return Err(format!("a metadata value has the unknown type {kind}")),
        })
    }

    fn list(&mut self) -> Result<Value, String> {
        let (kind, count) = (self.u32()?, self.u64()?);
        // The smallest element takes a byte, so a count beyond the rest of the file is a lie.
        if count > GGUF_LIST_MAX || count > (self.file.len() - self.at) as u64 {
            return Err(format!("a list claims {count} entries"));
        }
        self.entries += count;
        if self.entries > GGUF_ENTRIES_MAX {
            return Err(format!("its lists have more than {GGUF_ENTRIES_MAX} entries"));
        }
        match kind {
            6 | 12 => {
                let mut list = Vec::new();
                for _ in 0..count {
                    let Value::Number(number) = self.value(kind)? else { unreachable!("types 6 and 12 are numbers") };
                    list.push(number as f32);
                }
                Ok(Value::Numbers(list))
            }
            8 => (0..count).map(|_| self.text()).collect::<Result<_, _>>().map(Value::Texts),
            9 => Err("a list of lists".into()),
            _ => {
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(match self.value(kind)? {
                        Value::Flag(flag) => i64::from(flag),
                        Value::Whole(whole) => i64::try_from(whole).map_err(|_| "a number in a list overflows")?,
                        _ => return Err("a list mixes types".into()),
                    });
                }
                Ok(Value::Wholes(list))
            }
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.u64()?;
        if length > GGUF_TEXT_BYTES_MAX {
            return Err(format!("a text claims {length} bytes"));
        }
        let bytes = self.take(length as usize)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were taken"))
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.file.len());
        let end = end.ok_or_else(|| format!("it ends at byte {} within a value", self.file.len()))?;
        if end > GGUF_HEADER_BYTES_MAX {
            return Err("its metadata is larger than any model's".into());
        }
        let taken = &self.file[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

/// A type by its number in this format.
fn dtype(code: u32) -> Result<Dtype, String> {
    Ok(match code {
        0 => Dtype::F32,
        1 => Dtype::F16,
        2 => Dtype::Q4_0,
        3 => Dtype::Q4_1,
        6 => Dtype::Q5_0,
        7 => Dtype::Q5_1,
        8 => Dtype::Q8_0,
        12 => Dtype::Q4K,
        13 => Dtype::Q5K,
        14 => Dtype::Q6K,
        26 => Dtype::I32,
        27 => Dtype::I64,
        30 => Dtype::BF16,
        _ => {
            return Err(format!(
                "a tensor has the type {code}; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K are read"
            ));
        }
    })
}

#[cfg(test)]
mod tests;
