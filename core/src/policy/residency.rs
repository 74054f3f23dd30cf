//! Where the request is processed.

use super::Facts;
use super::refusal::{RuleName, Sink};
use super::rules::listed;
use crate::id::Region;
use crate::model::Endpoint;

/// A place that may be anywhere.
const GLOBAL: &str = "global";
/// The machine that this process runs on.
const LOCAL: &str = "local";

pub(super) fn check(facts: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    if facts.policy.self_hosted_only && !endpoint.self_hosted {
        out.refuse(RuleName::SelfHosted, || "self_hosted_only is set, and this server is a vendor's".to_owned());
    }
    let place = &endpoint.region;
    let regions = &facts.policy.regions;
    if let Some(denied) = regions.deny.iter().find(|denied| may_lie_in(place, denied)) {
        out.refuse(RuleName::Residency, || match place.as_str() {
            GLOBAL => format!("region 'global' may be anywhere, and regions.deny holds '{denied}'"),
            _ => format!("region '{place}' may lie in '{denied}', which regions.deny holds"),
        });
    }
    let here = endpoint.self_hosted && place.as_str() == LOCAL;
    if let Some(allow) = &regions.allow
        && !here
        && !allow.iter().any(|allowed| allowed.covers(place))
    {
        out.refuse(RuleName::Residency, || format!("region '{place}' is not in {}", listed(allow)));
    }
}

/// Whether data at `place` may be in `region`: the one is a part of the other, or the place is anywhere.
fn may_lie_in(place: &Region, region: &Region) -> bool {
    let anywhere = place.as_str() == GLOBAL && region.as_str() != LOCAL;
    anywhere || region.covers(place) || place.covers(region)
}
