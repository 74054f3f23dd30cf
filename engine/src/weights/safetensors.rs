//! The safetensors format: eight bytes with the header's length, the header in JSON, the numbers.
//!
//! A header is believed only after every claim in it was checked: its length, each tensor's type, shape and place, that
//! places neither overlap nor leave holes, and that no name comes twice. A shard's name may not leave the folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Bytes, Checkpoint, Dtype, Tensor};
use crate::error::EngineError;
use crate::limits::{CONFIG_BYTES_MAX, DIMENSIONS_MAX, HEADER_BYTES_MAX, SHARDS_MAX, TENSORS_MAX};

const FORMAT: &str = "safetensors";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Maps one file and reads its header.
///
/// # Errors
/// `File` where it cannot be read, `Malformed` where the header's claims do not hold.
pub fn open(path: &Path) -> Result<Checkpoint, EngineError> {
    read(path, Bytes::map(path)?)
}

/// Reads the header of a file that is in memory; `path` names it in errors.
///
/// # Errors
/// `Malformed` where the header's claims do not hold.
pub fn read(path: &Path, file: Bytes) -> Result<Checkpoint, EngineError> {
    let bad = |what: String| EngineError::malformed(path, FORMAT, what);
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return Err(bad("it is shorter than eight bytes".into()));
    };
    let length = u64::from_le_bytes(*length);
    if length > HEADER_BYTES_MAX || length > rest.len() as u64 {
        return Err(bad(format!("its header claims {length} bytes, of a file with {}", file.len())));
    }
    let start = 8 + length as usize;
    let Header(entries) =
        serde_json::from_slice(&file[8..start]).map_err(|error| bad(format!("its header: {error}")))?;
    let data = file.slice(start..file.len());
    check_places(&entries, data.len()).map_err(bad)?;
    let tensors = entries.into_iter().map(|(name, entry)| {
        let bytes = data.slice(entry.data_offsets[0]..entry.data_offsets[1]);
        (name, Tensor { dtype: entry.dtype.0, shape: entry.shape, bytes })
    });
    Ok(Checkpoint::new(tensors.collect()))
}

/// Opens the checkpoint in a folder: one file, or shards with an index.
///
/// # Errors
/// As `open`; `Malformed` also where the index names a file outside the folder or a tensor that its shard lacks.
pub fn open_folder(folder: &Path) -> Result<Checkpoint, EngineError> {
    let index = folder.join(INDEX);
    if !index.exists() {
        return open(&folder.join(SINGLE));
    }
    let bad = |what: String| EngineError::malformed(&index, FORMAT, what);
    let size = std::fs::metadata(&index).map_err(|error| EngineError::file(&index, error))?.len();
    if size > 32 * CONFIG_BYTES_MAX {
        return Err(bad(format!("its {size} bytes are more than an index has")));
    }
    let text = std::fs::read(&index).map_err(|error| EngineError::file(&index, error))?;
    let Index { weight_map } = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    let mut shards: BTreeMap<PathBuf, Checkpoint> = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    for (name, file) in weight_map {
        if !is_plain_name(&file) {
            return Err(bad("it names a file outside its folder".into()));
        }
        let path = folder.join(&file);
        if !shards.contains_key(&path) {
            if shards.len() == SHARDS_MAX {
                return Err(bad(format!("it names more than {SHARDS_MAX} files")));
            }
            shards.insert(path.clone(), open(&path)?);
        }
        let Some(tensor) = shards[&path].find(&name) else {
            return Err(bad("it names a tensor that its file does not have".into()));
        };
        tensors.insert(name, tensor.clone());
    }
    Ok(Checkpoint::new(tensors))
}

/// Whether a name is of a file in the same folder.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\', '\0', ':']) && name != "." && name != ".."
}

fn check_places(entries: &BTreeMap<String, Entry>, data: usize) -> Result<(), String> {
    let mut places = Vec::with_capacity(entries.len());
    for entry in entries.values() {
        let [start, end] = entry.data_offsets;
        if start > end || end > data {
            return Err(format!("a tensor lies at {start} to {end} of {data} bytes"));
        }
        if entry.shape.len() > DIMENSIONS_MAX {
            return Err(format!("a tensor has {} dimensions", entry.shape.len()));
        }
        let count = entry.shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
        if count.and_then(|count| entry.dtype.0.bytes(count)) != Some(end - start) {
            return Err("a tensor's shape and type do not take the bytes that it has".into());
        }
        places.push((start, end));
    }
    places.sort_unstable();
    let mut reached = 0;
    for (start, end) in places {
        if start != reached {
            return Err(format!("its tensors overlap or leave a hole at byte {reached}"));
        }
        reached = end;
    }
    if reached != data {
        return Err(format!("{} bytes belong to no tensor", data - reached));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: Named,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// A type by its name in this format.
struct Named(Dtype);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
        let name = String::deserialize(deserializer)?;
        let dtype = match name.as_str() {
            "F32" => Dtype::F32,
            "F16" => Dtype::F16,
            "BF16" => Dtype::BF16,
            "F8_E4M3" => Dtype::F8E4M3,
            "I64" => Dtype::I64,
            "I32" => Dtype::I32,
            "U8" | "I8" | "BOOL" => Dtype::U8,
            _ => return Err(serde::de::Error::custom("a tensor of a type that weights do not have")),
        };
        Ok(Named(dtype))
    }
}

/// The header's tensors by name; `__metadata__` is skipped, a name that comes twice is refused.
struct Header(BTreeMap<String, Entry>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if entries.len() == TENSORS_MAX {
                return Err(serde::de::Error::custom("more tensors than any model has"));
            }
            if entries.insert(name, map.next_value()?).is_some() {
                return Err(serde::de::Error::custom("two tensors have one name"));
            }
        }
        Ok(Header(entries))
    }
}

#[cfg(test)]
mod tests;
