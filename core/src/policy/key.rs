//! An endpoint that wants a key must have one.

use super::refusal::{RuleName, Sink};
use crate::model::Endpoint;

pub(super) fn check(endpoint: &Endpoint, has_key: bool, out: &mut impl Sink) {
    if !has_key {
        out.refuse(RuleName::Key, || match &endpoint.key_env {
            Some(name) => format!("no key for '{}': set {name}", endpoint.id),
            None => format!("no key for '{}'", endpoint.id),
        });
    }
}
