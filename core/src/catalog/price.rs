//! Exact prices: what a call may cost at most, and what it cost.

/// A model's prices over time; empty means unpriced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceList {}
