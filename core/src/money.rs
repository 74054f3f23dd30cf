//! Exact money: whole pico-dollars (10^-12 $) in an `i64`, with one way in and no floats.
//!
//! One pico-dollar per token is a millionth of a dollar per million tokens, which holds 99.95 % of published token
//! prices exactly. The largest amount is about 9.2 million dollars; sums are checked and never wrap.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Pico-dollars in one dollar.
pub const PICO_PER_USD: i64 = 1_000_000_000_000;

/// Decimal places that an amount can hold.
const PLACES: usize = 12;

/// An exact amount of US dollars, in pico-dollars. JSON carries it as a decimal string.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
pub struct Usd(i64);

impl Usd {
    /// Nothing.
    pub const ZERO: Usd = Usd(0);
    /// The largest amount that can be held.
    pub const MAX: Usd = Usd(i64::MAX);

    /// An amount of whole pico-dollars.
    pub const fn from_pico(pico: i64) -> Usd {
        Usd(pico)
    }

    /// An amount of whole pico-dollars, or `Overflow` where an `i64` cannot hold it.
    pub fn try_from_pico(pico: i128) -> Result<Usd, MoneyError> {
        i64::try_from(pico).map(Usd).map_err(|_| MoneyError::Overflow)
    }

    /// The amount in whole pico-dollars.
    pub const fn pico(self) -> i64 {
        self.0
    }

    /// The sum, or `None` on overflow.
    pub const fn checked_add(self, other: Usd) -> Option<Usd> {
        match self.0.checked_add(other.0) {
            Some(pico) => Some(Usd(pico)),
            None => None,
        }
    }

    /// The difference, or `None` on overflow.
    pub const fn checked_sub(self, other: Usd) -> Option<Usd> {
        match self.0.checked_sub(other.0) {
            Some(pico) => Some(Usd(pico)),
            None => None,
        }
    }

    /// The sum, held at the largest amount on overflow: for bounds, where more is safe, never for accounts.
    pub const fn saturating_add(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }

    /// Whether the amount is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The amount as a float of dollars, for plots and utilities only, never for accounts.
    pub fn to_f64_lossy(self) -> f64 {
        self.0 as f64 / PICO_PER_USD as f64
    }

    /// The amount for people: at least two decimals, as many as four significant digits need.
    ///
    /// ```
    /// # use tierway::money::Usd;
    /// assert_eq!("0.0001234567".parse::<Usd>()?.short(), "$0.0001235");
    /// assert_eq!("12.5".parse::<Usd>()?.short(), "$12.50");
    /// # Ok::<(), tierway::money::MoneyError>(())
    /// ```
    pub fn short(self) -> String {
        let dollars = self.0.unsigned_abs() as f64 / PICO_PER_USD as f64;
        let places = if dollars == 0.0 || dollars >= 1.0 {
            2
        } else {
            let leading = (-dollars.log10()).floor().max(0.0) as usize;
            (leading + 4).clamp(2, PLACES)
        };
        let sign = if self.0 < 0 { "-" } else { "" };
        format!("{sign}${dollars:.places$}")
    }
}

impl fmt::Display for Usd {
    /// Writes the exact decimal, without a currency sign and without trailing zeros: `0.0000035`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let whole = magnitude / PICO_PER_USD as u64;
        let fraction = magnitude % PICO_PER_USD as u64;
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:012}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usd({self})")
    }
}

impl FromStr for Usd {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Usd, MoneyError> {
        Usd::try_from_pico(parse_decimal(text, PLACES)?)
    }
}

impl TryFrom<String> for Usd {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Usd, MoneyError> {
        text.parse()
    }
}

impl From<Usd> for String {
    fn from(amount: Usd) -> String {
        amount.to_string()
    }
}

/// Reads a plain decimal (`-12.345`, `1.5e-7`) as an integer of `places` decimal places, exactly.
pub fn parse_decimal(text: &str, places: usize) -> Result<i128, MoneyError> {
    let bad = || MoneyError::NotDecimal { text: text.chars().take(40).collect() };
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| bad())?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || digits.len() > 36 || !digits.bytes().all(|b| b.is_ascii_digit()) || exponent.abs() > 30 {
        return Err(bad());
    }
    let value: i128 = digits.parse().map_err(|_| bad())?;
    let shift = places as i32 + exponent - fraction.len() as i32;
    let scale = 10i128.checked_pow(shift.unsigned_abs()).ok_or(MoneyError::Overflow)?;
    if shift >= 0 {
        return value.checked_mul(scale).map(|v| sign * v).ok_or(MoneyError::Overflow);
    }
    if value % scale != 0 {
        return Err(MoneyError::TooPrecise { text: text.chars().take(40).collect(), places });
    }
    Ok(sign * (value / scale))
}

/// Why an amount was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// The text is no decimal number.
    #[error("'{text}' is not a decimal amount: write dollars such as 0.25")]
    NotDecimal {
        /// The refused text, cut to 40 characters.
        text: String,
    },
    /// The text has more decimals than can be held exactly.
    #[error("'{text}' has more than {places} decimal places: round it to a pico-dollar")]
    TooPrecise {
        /// The refused text, cut to 40 characters.
        text: String,
        /// The decimal places there are.
        places: usize,
    },
    /// The amount is beyond about 9.2 million dollars.
    #[error("the amount is beyond 9.2 million dollars: split it")]
    Overflow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pico: Result<i64, &str>) {
        match (text.parse::<Usd>(), pico) {
            (Ok(amount), Ok(pico)) => {
                assert_eq!(amount.pico(), pico);
                assert_eq!(amount.to_string().parse::<Usd>().unwrap(), amount);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn reads_exact_decimals_and_refuses_the_rest() {
        check("0.07", Ok(70_000_000_000));
        check("-1.5", Ok(-1_500_000_000_000));
        check("1.25e-07", Ok(125_000));
        check("1e-12", Ok(1));
        check("1e-13", Err("more than 12"));
        check("0.5000000000000", Ok(500_000_000_000));
        check("9300000", Err("9.2 million"));
        for text in ["", "-", ".", "NaN", "inf", "1,5", "0x10", " 1", "1e99", "--1", "1.2.3", "$1"] {
            check(text, Err("not a decimal"));
        }
    }

    #[test]
    fn shows_amounts_exactly_and_shortly() {
        assert_eq!(Usd::from_pico(-3_500_000).to_string(), "-0.0000035");
        assert_eq!(Usd::from_pico(PICO_PER_USD).to_string(), "1");
        assert_eq!(Usd::ZERO.short(), "$0.00");
        assert_eq!(serde_json::to_string(&Usd::from_pico(1)).unwrap(), "\"0.000000000001\"");
    }
}
