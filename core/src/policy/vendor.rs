//! Vendors and models that the operator allows.

use super::refusal::{RuleName, Sink};
use super::rules::{List, ModelPattern, listed};
use super::{Facts, Model};
use crate::id::VendorId;
use crate::model::Endpoint;

/// The vendor that sells the model, and the model itself.
#[inline]
pub(super) fn check_model(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    if facts.policy.vendors.is_open() && facts.policy.models.is_open() {
        return;
    }
    check_lists(facts, model, out);
}

fn check_lists(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    check_vendor(&facts.policy.vendors, &model.card.vendor, out);
    let List { allow, deny } = &facts.policy.models;
    if let Some(pattern) = deny.iter().find(|pattern| pattern.matches(model.card)) {
        out.refuse(RuleName::Model, || format!("models.deny holds '{pattern}'"));
    }
    if let Some(allow) = allow
        && !allow.iter().any(|pattern: &ModelPattern| pattern.matches(model.card))
    {
        out.refuse(RuleName::Model, || format!("models.allow holds {}", listed(allow)));
    }
}

/// The vendor that runs the endpoint; where it sells the model too, one refusal says it.
pub(super) fn check_endpoint(facts: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    check_vendor(&facts.policy.vendors, &endpoint.vendor, out);
}

fn check_vendor(vendors: &List<VendorId>, vendor: &VendorId, out: &mut impl Sink) {
    if vendors.deny.contains(vendor) {
        out.refuse(RuleName::Vendor, || format!("vendors.deny holds '{vendor}'"));
    }
    if let Some(allow) = &vendors.allow
        && !allow.contains(vendor)
    {
        out.refuse(RuleName::Vendor, || format!("vendors.allow holds {}, not '{vendor}'", listed(allow)));
    }
}
