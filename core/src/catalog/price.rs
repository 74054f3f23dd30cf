//! Exact prices: what a call may cost at most, and what it cost.

use crate::money::Usd;
use crate::request::ServiceTier;
use crate::time::Timestamp;

/// A model's prices over time; empty means unpriced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceList {}

impl PriceList {
    /// The most that a call with these bounds can cost; `None` where no price bounds it.
    pub fn upper_bound(&self, _input: u64, _output: u64, _lane: Option<ServiceTier>, _at: Timestamp) -> Option<Usd> {
        None
    }
}
