//! Which requests get a shadow: the better model is asked too, after the answer, and the two are compared.

use crate::id::{ModelId, RequestId};
use crate::money::Usd;

/// Which requests get a shadow, and what all of them may cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShadowSettings {
    /// The share of requests, from 0 to 1. None where it is 0.
    pub rate: f64,
    /// The most that shadows may cost in a day of UTC, their judges included, by the ledger's account.
    pub daily_max: Usd,
    /// Who says whether the delivered answer is good, in place of comparing it with the better model's. Without a judge,
    /// shadows are made where two good answers look alike.
    pub judge: Option<ModelId>,
}

impl ShadowSettings {
    /// Whether a request gets one. Its id decides: the same requests are drawn in every replay.
    pub fn draws(&self, request: &RequestId) -> bool {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in request.as_str().bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // The low bits of such a hash are weak.
        hash = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((hash >> 11) as f64) < self.rate * (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_wanted_share_is_drawn() {
        let of = |rate| ShadowSettings { rate, ..ShadowSettings::default() };
        let ids = (0..20_000).map(|n| RequestId::new(format!("00000000123-00000000000000a0-{n:x}")).unwrap());
        let drawn = ids.filter(|id| of(0.1).draws(id)).count();
        assert!((1_800..2_200).contains(&drawn), "{drawn}");
        let id = RequestId::new("x").unwrap();
        assert!(of(1.0).draws(&id) && !of(0.0).draws(&id));
    }
}
