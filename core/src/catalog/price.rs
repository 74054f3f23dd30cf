//! Exact prices: what a call may cost at most, and what it cost.

use crate::money::Usd;
use crate::request::ServiceTier;
use crate::time::Timestamp;

/// A model's prices over time; empty means unpriced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceList {
    flat: Option<Flat>,
}

/// Dollars per million tokens, the same at all times and in all lanes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flat {
    input: Usd,
    cached: Usd,
    output: Usd,
}

impl PriceList {
    /// One price at all times and in all lanes, in dollars per million tokens: prompt, prompt read from the vendor's
    /// cache, output.
    pub fn per_million(input: Usd, cached: Usd, output: Usd) -> PriceList {
        PriceList { flat: Some(Flat { input, cached, output }) }
    }

    /// Whether there is no price.
    pub fn is_empty(&self) -> bool {
        self.flat.is_none()
    }

    /// The most that a call with these bounds can cost; `None` where no price bounds it.
    pub fn upper_bound(&self, input: u64, output: u64, _lane: Option<ServiceTier>, _at: Timestamp) -> Option<Usd> {
        let flat = self.flat?;
        sum(&[(input, flat.input.max(flat.cached)), (output, flat.output)])
    }

    /// What a call is expected to cost, `cached` of its `input` tokens read from the vendor's cache; `None` where there
    /// is no price.
    pub fn expected(
        &self,
        input: u64,
        cached: u64,
        output: u64,
        _lane: Option<ServiceTier>,
        _at: Timestamp,
    ) -> Option<Usd> {
        let flat = self.flat?;
        let cached = cached.min(input);
        sum(&[(input - cached, flat.input), (cached, flat.cached), (output, flat.output)])
    }
}

/// Each line rounded up to a whole pico-dollar.
fn sum(lines: &[(u64, Usd)]) -> Option<Usd> {
    let line = |(tokens, rate): &(u64, Usd)| (i128::from(*tokens) * i128::from(rate.pico()) + 999_999) / 1_000_000;
    Usd::try_from_pico(lines.iter().map(line).sum()).ok()
}
