//! An endpoint that wants a key must have one.

use super::Facts;
use super::refusal::{RuleName, Sink};
use crate::model::Endpoint;

pub(super) fn check(facts: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    if !facts.snapshot.keys().has(&endpoint.id) {
        out.refuse(RuleName::Key, || match &endpoint.key_env {
            Some(name) => format!("no key for '{}': set {name}", endpoint.id),
            None => format!("no key for '{}'", endpoint.id),
        });
    }
}
