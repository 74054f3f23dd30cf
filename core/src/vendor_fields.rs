//! Fields that only one wire format knows, kept beside the common ones so that nothing a vendor can do is lost.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::Api;

/// Extra JSON fields by the wire format they belong to. A wire writes the fields of its own format only.
///
/// This is also where opaque state lives that must be echoed without loss: reasoning signatures, encrypted items,
/// thought signatures. A reply's parts carry them; sending the parts back sends them back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct VendorFields(
    // In order. Nearly always of one format: a tree would take room for eleven.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<Api, Map<String, Value>>"))]
    Vec<OfApi>,
);

/// The fields of one format.
type OfApi = (Api, Fields);

fn write<S: Serializer>(all: &[OfApi], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(all.iter().map(|(api, fields)| (api, fields.read())))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OfApi>, D::Error> {
    let all: BTreeMap<Api, Map<String, Value>> = BTreeMap::deserialize(deserializer)?;
    Ok(all.into_iter().map(|(api, fields)| (api, fields.into())).collect())
}

/// Fields as they are asked for, or as they came. What an answer brings is seldom looked at, so it is read when it is.
#[derive(Clone)]
struct Fields {
    /// A JSON object that can be read.
    text: String,
    read: OnceLock<Map<String, Value>>,
}

impl From<Map<String, Value>> for Fields {
    fn from(fields: Map<String, Value>) -> Fields {
        Fields { text: String::new(), read: fields.into() }
    }
}

impl Fields {
    fn read(&self) -> &Map<String, Value> {
        self.read.get_or_init(|| serde_json::from_str(&self.text).unwrap_or_default())
    }

    fn read_mut(&mut self) -> &mut Map<String, Value> {
        self.read();
        self.read.get_mut().expect("it was read just now")
    }

    fn into_read(mut self) -> Map<String, Value> {
        std::mem::take(self.read_mut())
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Fields) -> bool {
        self.read() == other.read()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

impl VendorFields {
    /// No fields.
    pub const fn new() -> VendorFields {
        VendorFields(Vec::new())
    }

    /// Fields of one format.
    pub fn of(api: Api, fields: Map<String, Value>) -> VendorFields {
        if fields.is_empty() { VendorFields::new() } else { VendorFields(vec![(api, fields.into())]) }
    }

    /// Fields of one format as they came: the text of a JSON object that is not empty and can be read.
    pub(crate) fn unread(api: Api, object: String) -> VendorFields {
        debug_assert!(serde_json::from_str::<Map<String, Value>>(&object).is_ok_and(|fields| !fields.is_empty()));
        VendorFields(vec![(api, Fields { text: object, read: OnceLock::new() })])
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields of `api`, if any.
    pub fn get(&self, api: Api) -> Option<&Map<String, Value>> {
        self.0.iter().find(|(own, _)| *own == api).map(|(_, fields)| fields.read())
    }

    /// One field of `api`.
    pub fn field(&self, api: Api, name: &str) -> Option<&Value> {
        self.get(api)?.get(name)
    }

    /// Sets one field of `api`, replacing an earlier one.
    pub fn set(&mut self, api: Api, name: impl Into<String>, value: Value) {
        self.of_mut(api).insert(name.into(), value);
    }

    /// Adds `other`'s fields, which replace earlier ones of the same name.
    pub fn extend(&mut self, other: VendorFields) {
        for (api, fields) in other.0 {
            self.of_mut(api).extend(fields.into_read());
        }
    }

    /// The fields of `api`, where there are none yet in a new place.
    fn of_mut(&mut self, api: Api) -> &mut Map<String, Value> {
        let at = match self.0.binary_search_by_key(&api, |(own, _)| *own) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (api, Map::new().into()));
                at
            }
        };
        self.0[at].1.read_mut()
    }

    /// Copies the fields of `api` into a JSON object that a wire is writing, without replacing what it wrote. A name that
    /// starts with `$` is a wire's note to itself (that a text stood in a list) and is not copied.
    pub fn write_into(&self, api: Api, object: &mut Map<String, Value>) {
        for (name, value) in self.get(api).into_iter().flatten() {
            if !name.starts_with('$') && !object.contains_key(name) {
                object.insert(name.clone(), value.clone());
            }
        }
    }
}
