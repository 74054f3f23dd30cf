//! What is billed, and a rate for each: a table of prices that fall back on one another where a vendor names fewer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::money::{Usd, parse_decimal};

/// Something that vendors bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// Prompt tokens of no other class.
    Input,
    /// Prompt tokens read from the vendor's cache.
    CachedRead,
    /// Prompt tokens written to the cache for five minutes, or for the vendor's only lifetime.
    #[serde(rename = "cache_write_5m")]
    CacheWrite5m,
    /// Prompt tokens written to the cache for an hour.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    /// Output tokens of no other class.
    Output,
    /// Reasoning tokens.
    Reasoning,
    /// Audio tokens of the prompt.
    InputAudio,
    /// Audio tokens of the prompt, read from the cache.
    CachedAudio,
    /// Audio tokens of the answer.
    OutputAudio,
    /// Image tokens of the prompt.
    InputImage,
    /// Image tokens of the answer.
    OutputImage,
    /// The call itself.
    Request,
    /// A search that the vendor ran.
    Search,
    /// A picture made, where it is billed by the piece.
    Image,
}

/// How many classes there are.
pub(super) const CLASSES: usize = 14;

impl Class {
    /// Every class, in the order of charge lines.
    pub const ALL: [Class; CLASSES] = [
        Class::Input,
        Class::CachedRead,
        Class::CacheWrite5m,
        Class::CacheWrite1h,
        Class::InputAudio,
        Class::CachedAudio,
        Class::InputImage,
        Class::Output,
        Class::Reasoning,
        Class::OutputAudio,
        Class::OutputImage,
        Class::Request,
        Class::Search,
        Class::Image,
    ];

    /// Those that count the prompt's tokens.
    pub(super) const INPUT: [Class; 7] = [
        Class::Input,
        Class::CachedRead,
        Class::CacheWrite5m,
        Class::CacheWrite1h,
        Class::InputAudio,
        Class::CachedAudio,
        Class::InputImage,
    ];

    /// Those that count the answer's tokens.
    pub(super) const OUTPUT: [Class; 4] = [Class::Output, Class::Reasoning, Class::OutputAudio, Class::OutputImage];

    /// The name that data files use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Input => "input",
            Class::CachedRead => "cached_read",
            Class::CacheWrite5m => "cache_write_5m",
            Class::CacheWrite1h => "cache_write_1h",
            Class::Output => "output",
            Class::Reasoning => "reasoning",
            Class::InputAudio => "input_audio",
            Class::CachedAudio => "cached_audio",
            Class::OutputAudio => "output_audio",
            Class::InputImage => "input_image",
            Class::OutputImage => "output_image",
            Class::Request => "request",
            Class::Search => "search",
            Class::Image => "image",
        }
    }

    /// Whether the rate is for a million tokens; otherwise it is for one piece.
    pub const fn is_tokens(self) -> bool {
        !matches!(self, Class::Request | Class::Search | Class::Image)
    }

    /// The class whose rate counts where this one has none of its own.
    const fn otherwise(self) -> Option<Class> {
        match self {
            Class::CachedRead | Class::CacheWrite5m | Class::InputAudio | Class::InputImage => Some(Class::Input),
            Class::CacheWrite1h => Some(Class::CacheWrite5m),
            Class::CachedAudio => Some(Class::CachedRead),
            Class::Reasoning | Class::OutputAudio | Class::OutputImage => Some(Class::Output),
            Class::Input | Class::Output | Class::Request | Class::Search | Class::Image => None,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A rate for each class: dollars for a million tokens, or for one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates([Option<Usd>; CLASSES]);

impl Rates {
    /// The rates of these classes.
    pub(super) fn new(rates: impl IntoIterator<Item = (Class, Usd)>) -> Rates {
        let mut table = Rates::default();
        for (class, rate) in rates {
            table.0[class as usize] = Some(rate);
        }
        table
    }

    /// The rate written for this very class.
    pub fn own(&self, class: Class) -> Option<Usd> {
        self.0[class as usize]
    }

    /// The rate that counts for a class: its own, or that of the class it falls back on.
    pub fn of(&self, class: Class) -> Option<Usd> {
        self.own(class).or_else(|| class.otherwise().and_then(|other| self.of(other)))
    }

    /// This table with the rates of `over` in place of its own.
    pub(super) fn with(&self, over: &Rates) -> Rates {
        Rates(std::array::from_fn(|at| over.0[at].or(self.0[at])))
    }

    /// The dearer rate of each class, fallbacks included.
    pub(super) fn dearer(&self, other: &Rates) -> Rates {
        let dearer = |class: Class| (class as usize, self.of(class).max(other.of(class)));
        let mut table = Rates::default();
        for (at, rate) in Class::ALL.map(dearer) {
            table.0[at] = rate;
        }
        table
    }

    /// Token rates times `factor`; `None` where a product is no whole pico-dollar.
    pub(super) fn times(&self, factor: Factor) -> Option<Rates> {
        let mut table = *self;
        for class in Class::ALL.into_iter().filter(|class| class.is_tokens()) {
            if let Some(rate) = self.own(class) {
                table.0[class as usize] = Some(factor.exactly(rate)?);
            }
        }
        Some(table)
    }

    /// The classes of tokens that `base` prices and this table does not.
    pub(super) fn lacks(&self, base: &Rates) -> Option<Class> {
        Class::ALL
            .into_iter()
            .find(|class| class.is_tokens() && base.own(*class).is_some() && self.own(*class).is_none())
    }

    /// The dearest of these classes.
    pub(super) fn dearest(&self, classes: &[Class]) -> Usd {
        classes.iter().filter_map(|class| self.of(*class)).max().unwrap_or(Usd::ZERO)
    }
}

/// Decimal places of a factor.
const FACTOR_PLACES: usize = 6;
/// One, as a factor.
const ONE: i64 = 1_000_000;

/// A text is no factor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no factor: use above 0 to 100 with six decimals at most, such as 0.5")]
pub struct FactorError {
    /// The refused text, cut to 40 characters.
    pub text: String,
}

/// A multiplier of rates, exact to six decimals: `0.5` for a batch, `1.1` for a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor(i64);

impl Factor {
    /// No change.
    pub const ONE: Factor = Factor(ONE);

    /// Reads a factor above 0, up to 100, of six decimals at most.
    ///
    /// # Errors
    /// `FactorError` for any other text.
    pub fn parse(text: &str) -> Result<Factor, FactorError> {
        let micro = parse_decimal(text, FACTOR_PLACES).ok().and_then(|micro| i64::try_from(micro).ok());
        let micro = micro.filter(|micro| *micro > 0 && *micro <= 100 * ONE);
        micro.map(Factor).ok_or_else(|| FactorError { text: text.chars().take(40).collect() })
    }

    /// Millionths.
    pub(super) const fn micro(self) -> i64 {
        self.0
    }

    /// The product, where it is a whole pico-dollar.
    fn exactly(self, rate: Usd) -> Option<Usd> {
        let product = i128::from(rate.pico()) * i128::from(self.0);
        let whole = product % i128::from(ONE) == 0;
        if whole { Usd::try_from_pico(product / i128::from(ONE)).ok() } else { None }
    }
}

impl FromStr for Factor {
    type Err = FactorError;

    fn from_str(text: &str) -> Result<Factor, FactorError> {
        Factor::parse(text)
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Usd::from_pico(self.0 * ONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_listed_once_and_named_as_in_data() {
        let mut seen = [false; CLASSES];
        for class in Class::ALL {
            assert!(!std::mem::replace(&mut seen[class as usize], true), "{class} twice");
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        let parts = Class::INPUT.len() + Class::OUTPUT.len();
        assert_eq!(Class::ALL.iter().filter(|class| class.is_tokens()).count(), parts);
    }

    #[test]
    fn a_class_without_a_rate_takes_that_of_the_class_it_is_part_of() {
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let rates = Rates::new([(Class::Input, usd("2")), (Class::Output, usd("8")), (Class::CachedRead, usd("0.5"))]);
        assert_eq!(rates.of(Class::CacheWrite1h), Some(usd("2")));
        assert_eq!(rates.of(Class::CachedAudio), Some(usd("0.5")));
        assert_eq!(rates.of(Class::Reasoning), Some(usd("8")));
        assert_eq!(rates.of(Class::Search), None);
    }

    #[test]
    fn factors_are_exact_or_refused() {
        let half = Factor::parse("0.5").unwrap();
        assert_eq!(half.exactly(Usd::from_pico(3)), None);
        assert_eq!(half.exactly(Usd::from_pico(4)), Some(Usd::from_pico(2)));
        assert_eq!(Factor::parse("1.1").unwrap().to_string(), "1.1");
        for text in ["0", "-1", "NaN", "101", "1e-9"] {
            assert!(Factor::parse(text).is_err(), "{text}");
        }
    }
}
