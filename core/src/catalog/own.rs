//! What a token costs on hardware of one's own: the price of the machine's hours over what it was measured to do in them.

use crate::money::Usd;

use super::rates::Factor;

/// A machine and its measured speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnHardware {
    /// What one accelerator costs an hour: rent, or depreciation and electricity.
    pub gpu_hour: Usd,
    /// How many of them serve the model.
    pub gpus: u32,
    /// Tokens a second that all of them together were measured to do.
    pub tokens_per_s: u64,
    /// The share of paid hours in which they do it, above 0 to 1.
    pub busy: Factor,
}

/// Why no price can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no cost per token from this hardware: {reason}")]
pub struct OwnHardwareError {
    /// What is wrong and what to write.
    pub reason: &'static str,
}

impl OwnHardware {
    /// Dollars for a million tokens, rounded up to a pico-dollar.
    ///
    /// `gpu_hour * gpus * 10^6 / (3,600 * tokens_per_s * busy)`.
    ///
    /// # Errors
    /// Where a figure is zero or negative, `busy` is above 1, or the price is beyond what `Usd` holds.
    pub fn per_million(&self) -> Result<Usd, OwnHardwareError> {
        let refuse = |reason| Err(OwnHardwareError { reason });
        if self.gpu_hour.is_negative() {
            return refuse("gpu_hour is below zero");
        }
        if self.gpus == 0 || self.tokens_per_s == 0 {
            return refuse("gpus and tokens_per_s must be at least 1");
        }
        if self.busy > Factor::ONE {
            return refuse("busy is the share of paid hours in use: at most 1");
        }
        let an_hour = i128::from(self.gpu_hour.pico()) * i128::from(self.gpus);
        let done = 3_600 * i128::from(self.tokens_per_s) * i128::from(self.busy.micro());
        let paid = an_hour.checked_mul(1_000_000 * 1_000_000);
        match paid.map(|paid| Usd::try_from_pico(paid / done + i128::from(paid % done != 0))) {
            Some(Ok(rate)) => Ok(rate),
            _ => refuse("a million tokens would cost beyond 9 million dollars"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_rented_cards_at_scale() {
        let hardware =
            OwnHardware { gpu_hour: "2".parse().unwrap(), gpus: 8, tokens_per_s: 180_000, busy: Factor::ONE };
        assert_eq!(hardware.per_million().unwrap().to_string(), "0.024691358025");
        let idle = OwnHardware { busy: Factor::parse("0.5").unwrap(), ..hardware };
        assert_eq!(idle.per_million().unwrap().to_string(), "0.04938271605");
    }

    #[test]
    fn nonsense_is_refused() {
        let good = OwnHardware { gpu_hour: Usd::from_pico(1), gpus: 1, tokens_per_s: 1, busy: Factor::ONE };
        assert!(good.per_million().is_ok());
        for bad in [
            OwnHardware { gpus: 0, ..good },
            OwnHardware { tokens_per_s: 0, ..good },
            OwnHardware { gpu_hour: Usd::from_pico(-1), ..good },
            OwnHardware { gpu_hour: Usd::MAX, gpus: u32::MAX, ..good },
            OwnHardware { busy: Factor::parse("1.5").unwrap(), ..good },
        ] {
            assert!(bad.per_million().is_err(), "{bad:?}");
        }
    }
}
