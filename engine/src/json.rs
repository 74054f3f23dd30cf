//! JSON of files from outside as a tree, its size in memory bounded.

use serde_json::Value;

use crate::limits::JSON_VALUES_MAX;

/// Reads a text whose tree cannot take many times its own bytes: `[0,0,0` has a value for every two.
pub(crate) fn tree(text: &str) -> Result<Value, String> {
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > JSON_VALUES_MAX {
        return Err(format!("it has more than {JSON_VALUES_MAX} values"));
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}
