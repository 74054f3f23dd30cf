//! Names that were checked once: models, vendors, endpoints, regions, tags. One that exists is valid.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{BATCH_ID_BYTES_MAX, ID_BYTES_MAX, REQUEST_ID_BYTES_MAX};

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no {what}: {reason}")]
pub struct IdError {
    /// What the text was meant to name.
    pub what: &'static str,
    /// The refused text, cut to 60 characters and free of control characters.
    pub text: String,
    /// What is wrong with it and what to write instead.
    pub reason: &'static str,
}

fn refuse(what: &'static str, text: &str, reason: &'static str) -> IdError {
    let text = text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    IdError { what, text, reason }
}

fn check_token(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(refuse(what, text, "it is empty"));
    }
    if text.len() > ID_BYTES_MAX {
        return Err(refuse(what, text, "it is longer than 256 bytes"));
    }
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
    if !is_plain && text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(refuse(what, text, "it holds white space or control characters"));
    }
    Ok(())
}

fn check_model(what: &'static str, text: &str) -> Result<(), IdError> {
    check_token(what, text)?;
    match text.split_once('/') {
        Some((vendor, name)) if !vendor.is_empty() && !name.is_empty() => Ok(()),
        _ => Err(refuse(what, text, "write it as vendor/name, such as deepseek/deepseek-chat")),
    }
}

fn check_request(what: &'static str, text: &str) -> Result<(), IdError> {
    check_token(what, text)?;
    if text.len() > REQUEST_ID_BYTES_MAX {
        return Err(refuse(what, text, "it is longer than 240 bytes"));
    }
    Ok(())
}

fn check_batch(what: &'static str, text: &str) -> Result<(), IdError> {
    check_token(what, text)?;
    if text.len() > BATCH_ID_BYTES_MAX {
        return Err(refuse(what, text, "it is longer than 48 bytes"));
    }
    match text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        true => Ok(()),
        false => Err(refuse(what, text, "use letters, digits, - and _")),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and takes it as a name.
            ///
            /// # Errors
            /// `IdError` where the text is empty, longer than 256 bytes, or holds white space or control characters.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                $check($what, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// A model as a user names it: `vendor/name`, such as `deepseek/deepseek-chat`.
    ModelId, "model id", check_model
);
id!(
    /// A company, or a server of the user's own, that answers requests: `anthropic`, `bedrock`, `my-vllm`.
    VendorId, "vendor id", check_token
);
id!(
    /// One address that serves models: a vendor in a region, a deployment, a server of the user's own.
    EndpointId, "endpoint id", check_token
);
id!(
    /// A place where data is processed, coarse or fine: `eu`, `us`, `cn`, `eu-central-1`, `local`, `global` (anywhere).
    Region, "region", check_token
);
id!(
    /// A name for a kind of data that a request holds, such as `customer-pii`, to which policy ties where it may go.
    DataLabel, "data label", check_token
);
id!(
    /// A conversation whose requests belong together.
    SessionId, "session id", check_token
);
id!(
    /// What answers calls: the identity of a `Provider`.
    ProviderId, "provider id", check_token
);
id!(
    /// One attempt to get a reply, unique for ever: the ledger's idempotency key.
    AttemptId, "attempt id", check_token
);

id!(
    /// One request as the router handles it, unique for ever: its attempts' ids are made from it.
    RequestId, "request id", check_request
);

id!(
    /// A batch: letters, digits, `-` and `_`, so that every vendor takes the names of its items.
    BatchId, "batch id", check_batch
);

impl BatchId {
    /// The name of the item of this number, which is the request's id in the ledger as well.
    pub fn item(&self, number: usize) -> RequestId {
        RequestId(Arc::from(format!("{}-{number}", self.0)))
    }

    /// The number of the item of this name, where it is one of this batch.
    pub fn number_of(&self, name: &str) -> Option<usize> {
        let number = name.strip_prefix(&*self.0)?.strip_prefix('-')?;
        let is_plain = !number.is_empty() && (number == "0" || !number.starts_with('0'));
        number.parse().ok().filter(|_| is_plain && number.bytes().all(|b| b.is_ascii_digit()))
    }
}

impl RequestId {
    /// The id of this request's attempt of this number, counted from 1.
    pub fn attempt(&self, number: u32) -> AttemptId {
        // Nearly every attempt has one digit; the others go by the formatter.
        let one = [b'.', b'0' + (number % 10) as u8];
        let many;
        let end = match number {
            0..=9 => one.as_slice(),
            _ => {
                many = format!(".{number}");
                many.as_bytes()
            }
        };
        // An id has its length at most, so this always fits, and one allocation makes the whole.
        let mut text = [0; REQUEST_ID_BYTES_MAX + 11];
        let (length, whole) = (self.0.len(), self.0.len() + end.len());
        text[..length].copy_from_slice(self.0.as_bytes());
        text[length..whole].copy_from_slice(end);
        let text = std::str::from_utf8(&text[..whole]).expect("a text and digits are text");
        AttemptId(Arc::from(text))
    }
}

impl ModelId {
    /// The part before the first slash.
    pub fn vendor(&self) -> &str {
        self.0.split_once('/').map_or("", |(vendor, _)| vendor)
    }

    /// The part after the first slash.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl Region {
    /// Whether data allowed in `self` may be processed in `place`: equal, or a finer part of it (`eu` covers `eu-west-1`).
    pub fn covers(&self, place: &Region) -> bool {
        let rest = place.0.strip_prefix(&*self.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_name() {
        for text in ["", " ", "a b", "a\u{7}", &"x".repeat(300)] {
            assert!(VendorId::new(text).is_err(), "{text:?}");
        }
        assert!(ModelId::new("gpt-4o").unwrap_err().to_string().contains("vendor/name"));
        let model = ModelId::new("together/meta-llama/Llama-3.3-70B").unwrap();
        assert_eq!((model.vendor(), model.name()), ("together", "meta-llama/Llama-3.3-70B"));
    }

    #[test]
    fn a_region_covers_its_parts_and_no_namesake() {
        let eu = Region::new("eu").unwrap();
        assert!(eu.covers(&Region::new("eu-central-1").unwrap()));
        assert!(!eu.covers(&Region::new("europe").unwrap()));
        assert!(!Region::new("eu-central-1").unwrap().covers(&eu));
    }
}
