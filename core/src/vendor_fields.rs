//! Fields that only one wire format knows, kept beside the common ones so that nothing a vendor can do is lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::Api;

/// Extra JSON fields by the wire format they belong to. A wire writes the fields of its own format only.
///
/// This is also where opaque state lives that must be echoed without loss: reasoning signatures, encrypted items,
/// thought signatures. A reply's parts carry them; sending the parts back sends them back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct VendorFields(BTreeMap<Api, Map<String, Value>>);

impl VendorFields {
    /// No fields.
    pub const fn new() -> VendorFields {
        VendorFields(BTreeMap::new())
    }

    /// Fields of one format.
    pub fn of(api: Api, fields: Map<String, Value>) -> VendorFields {
        let mut all = VendorFields::new();
        if !fields.is_empty() {
            all.0.insert(api, fields);
        }
        all
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields of `api`, if any.
    pub fn get(&self, api: Api) -> Option<&Map<String, Value>> {
        self.0.get(&api)
    }

    /// One field of `api`.
    pub fn field(&self, api: Api, name: &str) -> Option<&Value> {
        self.0.get(&api)?.get(name)
    }

    /// Sets one field of `api`, replacing an earlier one.
    pub fn set(&mut self, api: Api, name: impl Into<String>, value: Value) {
        self.0.entry(api).or_default().insert(name.into(), value);
    }

    /// Adds `other`'s fields, which replace earlier ones of the same name.
    pub fn extend(&mut self, other: VendorFields) {
        for (api, fields) in other.0 {
            self.0.entry(api).or_default().extend(fields);
        }
    }

    /// Copies the fields of `api` into a JSON object that a wire is writing, without replacing what it wrote. A name that
    /// starts with `$` is a wire's note to itself (that a text stood in a list) and is not copied.
    pub fn write_into(&self, api: Api, object: &mut Map<String, Value>) {
        for (name, value) in self.0.get(&api).into_iter().flatten() {
            if !name.starts_with('$') && !object.contains_key(name) {
                object.insert(name.clone(), value.clone());
            }
        }
    }
}
