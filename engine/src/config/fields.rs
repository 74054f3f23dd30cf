//! Reads fields of a JSON object by name, with a family's defaults behind them.

use serde_json::{Map, Value};

use crate::error::EngineError;

/// An object and the defaults behind it. A `null` counts as absent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub own: &'a Map<String, Value>,
    pub defaults: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The first of these fields that is there.
    pub(super) fn find(&self, names: &[&str]) -> Option<(&'a Value, String)> {
        let look = |map: &'a Map<String, Value>| {
            let found = names.iter().find_map(|name| map.get(*name).map(|value| (value, (*name).to_owned())));
            found.filter(|(value, _)| !value.is_null())
        };
        look(self.own).or_else(|| look(self.defaults))
    }

    /// A whole number that is not negative.
    pub(super) fn size(&self, names: &[&str]) -> Result<Option<usize>, EngineError> {
        let Some((value, name)) = self.find(names) else { return Ok(None) };
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= 1 << 40);
        size.map(Some).ok_or_else(|| EngineError::config(name, "must be a whole number that is not negative"))
    }

    /// The same, where there must be one.
    pub(super) fn size_of(&self, names: &[&str]) -> Result<usize, EngineError> {
        self.size(names)?.ok_or_else(|| EngineError::config(names[0], "is missing"))
    }

    /// A number.
    pub(super) fn number(&self, names: &[&str]) -> Result<Option<f64>, EngineError> {
        let Some((value, name)) = self.find(names) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| EngineError::config(name, "must be a number"))
    }

    /// Yes or no; absent is no.
    pub(super) fn flag(&self, names: &[&str]) -> Result<bool, EngineError> {
        let Some((value, name)) = self.find(names) else { return Ok(false) };
        value.as_bool().ok_or_else(|| EngineError::config(name, "must be true or false"))
    }

    /// A word.
    pub(super) fn word(&self, names: &[&str]) -> Result<Option<&'a str>, EngineError> {
        let Some((value, name)) = self.find(names) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| EngineError::config(name, "must be a text"))
    }

    /// An object within the object; it has no defaults.
    pub(super) fn object(&self, names: &[&str]) -> Result<Option<&'a Map<String, Value>>, EngineError> {
        let Some((value, name)) = self.find(names) else { return Ok(None) };
        value.as_object().map(Some).ok_or_else(|| EngineError::config(name, "must be an object"))
    }

    /// Token ids: one number or a list of them.
    pub(super) fn tokens(&self, names: &[&str]) -> Result<Vec<u32>, EngineError> {
        let Some((value, name)) = self.find(names) else { return Ok(Vec::new()) };
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = match value {
            Value::Array(list) => list.iter().take(256).map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        ids.ok_or_else(|| EngineError::config(name, "must be a token id or a list of them"))
    }
}
