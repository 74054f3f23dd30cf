//! Data labels tie a request to where its data may go. A label without a rule goes nowhere.

use super::Facts;
use super::refusal::{RuleName, Sink};
use crate::model::Endpoint;

pub(super) fn check(facts: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    for label in &facts.request.labels {
        let rule = facts.policy.labels.get(label).or(facts.policy.other_labels.as_ref());
        match rule {
            Some(rule) if rule.admits(endpoint) => {}
            Some(rule) => out.refuse(RuleName::Sensitivity, || {
                format!(
                    "data labelled '{label}' may go {rule}, and this is '{}' of {}",
                    endpoint.region, endpoint.vendor
                )
            }),
            None => out.refuse(RuleName::Sensitivity, || {
                format!("no rule says where data labelled '{label}' may go: add policy.labels.{label}, or other_labels")
            }),
        }
    }
}
