//! The rows of a data file as they are written. What one value can say wrong is refused here, so that the parser names
//! its line; what only shows between rows is for `build`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, ModelId, Region, VendorId};
use crate::limits::{CONTEXT_TOKENS_MAX, RATE_USD_MAX};
use crate::model::{Accepts, Api, Auth, Capability, Dialect, Tier};
use crate::money::{PICO_PER_USD, Usd};
use crate::request::ServiceTier;
use crate::time::Timestamp;
use crate::tree::At;

use super::hours::{Day, minute_of_day};
use super::rates::{Class, Factor, Rates};
use super::when::parse_time;

/// A file: a vendor's endpoints and models.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRow {
    /// Whose the endpoints are that name no vendor.
    pub vendor: Option<VendorId>,
    /// Other names under which people and catalogues know the vendor.
    #[serde(default)]
    pub vendor_aliases: Vec<Word>,
    /// Whether the vendor sells other makers' models: a bare name then means the maker's own first.
    #[serde(default)]
    pub resells: bool,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default)]
    pub endpoints: Vec<At<EndpointRow>>,
    #[serde(default)]
    pub models: Vec<At<ModelRow>>,
}

/// What counts for every model of the file that says nothing else.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Defaults {
    pub capabilities: Vec<Capability>,
    pub accepts: Option<Accepts>,
    pub endpoints: Vec<EndpointId>,
    pub self_hostable: bool,
    pub source: Option<Prose>,
    pub date: Option<Date>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointRow {
    pub id: At<EndpointId>,
    pub vendor: Option<VendorId>,
    pub api: Api,
    pub base_url: At<String>,
    pub region: Region,
    #[serde(default)]
    pub self_hosted: bool,
    pub auth: Auth,
    pub key_env: Option<Word>,
    #[serde(default)]
    pub headers: BTreeMap<Word, Word>,
    #[serde(default)]
    pub dialect: Dialect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelRow {
    pub id: At<ModelId>,
    pub wire_name: Option<Word>,
    #[serde(default)]
    pub aliases: Vec<At<Word>>,
    pub family: Word,
    pub tier: Tier,
    pub context_window: Tokens,
    pub max_output: Tokens,
    pub capabilities: Option<Vec<Capability>>,
    pub accepts: Option<Accepts>,
    pub self_hostable: Option<bool>,
    #[serde(default)]
    pub endpoints: Vec<At<EndpointId>>,
    pub prices: Vec<At<PriceRow>>,
    pub source: Option<Prose>,
    pub date: Option<Date>,
    #[serde(default)]
    pub retired: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceRow {
    pub from: Option<Instant>,
    pub until: Option<Instant>,
    /// Absent where `own` says what the hardware does.
    pub rates: Option<RatesRow>,
    pub own: Option<OwnRow>,
    #[serde(default)]
    pub above: Vec<AboveRow>,
    #[serde(default)]
    pub lanes: BTreeMap<Lane, LaneRow>,
    #[serde(default)]
    pub hours: Vec<HoursRow>,
    #[serde(default)]
    pub uplift: BTreeMap<EndpointId, FactorRow>,
}

/// Hardware of one's own, as in `OwnHardware`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRow {
    pub gpu_hour: Rate,
    pub gpus: u32,
    /// Prompt tokens a second, measured with all cards busy.
    pub input_tokens_per_s: u64,
    /// Output tokens a second, measured likewise.
    pub output_tokens_per_s: u64,
    pub busy: Option<FactorRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AboveRow {
    pub tokens: Tokens,
    pub rates: RatesRow,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoursRow {
    #[serde(default)]
    pub days: Vec<Day>,
    pub from: TimeOfDay,
    pub until: TimeOfDay,
    pub times: Option<FactorRow>,
    pub rates: Option<RatesRow>,
}

/// A lane that may have rates of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lane {
    Batch,
    Flex,
    Priority,
}

impl Lane {
    pub(super) fn tier(self) -> ServiceTier {
        match self {
            Lane::Batch => ServiceTier::Batch,
            Lane::Flex => ServiceTier::Flex,
            Lane::Priority => ServiceTier::Priority,
        }
    }
}

/// `"0.5"`, or rates of its own.
#[derive(Debug)]
pub(super) enum LaneRow {
    Times(Factor),
    To { rates: RatesRow, above: Vec<AboveRow> },
}

impl<'de> Deserialize<'de> for LaneRow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<LaneRow, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Own {
            rates: RatesRow,
            #[serde(default)]
            above: Vec<AboveRow>,
        }
        struct Row;
        impl<'de> Visitor<'de> for Row {
            type Value = LaneRow;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a factor such as \"0.5\", or { rates = { ... } }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<LaneRow, E> {
                Factor::parse(text).map(LaneRow::Times).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<LaneRow, E> {
                self.visit_str(&decimal(number)?)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<LaneRow, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<LaneRow, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LaneRow, A::Error> {
                let own = Own::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(LaneRow::To { rates: own.rates, above: own.above })
            }
        }
        from.deserialize_any(Row)
    }
}

/// Rates by class.
#[derive(Debug, Deserialize)]
pub(super) struct RatesRow(BTreeMap<Class, Rate>);

impl RatesRow {
    pub(super) fn rates(&self) -> Rates {
        Rates::new(self.0.iter().map(|(class, rate)| (*class, rate.0)))
    }
}

/// A float as the decimal that was written, where it is short enough to say.
fn decimal<E: de::Error>(number: f64) -> Result<String, E> {
    if !number.is_finite() {
        return Err(E::custom(format!("{number} is no amount")));
    }
    let text = number.to_string();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits > 15 {
        return Err(E::custom(format!("{number} has too many digits for a number: write it as a text, \"0.25\"")));
    }
    Ok(text)
}

/// Declares a type that is read from a text or a number through one function.
macro_rules! from_text {
    ($name:ident, $value:ty, $expecting:literal, $parse:expr) => {
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub $value);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                struct Row;
                impl Visitor<'_> for Row {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        let parse: fn(&str) -> Result<$value, String> = $parse;
                        parse(text).map($name).map_err(E::custom)
                    }
                    fn visit_f64<E: de::Error>(self, number: f64) -> Result<$name, E> {
                        self.visit_str(&decimal(number)?)
                    }
                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$name, E> {
                        self.visit_str(&number.to_string())
                    }
                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$name, E> {
                        self.visit_str(&number.to_string())
                    }
                }
                from.deserialize_any(Row)
            }
        }
    };
}

from_text!(Rate, Usd, "dollars, such as \"0.25\"", |text| {
    let rate: Usd = text.parse().map_err(|error: crate::money::MoneyError| error.to_string())?;
    match rate.pico() {
        pico if pico < 0 => Err(format!("a price of {text} is below zero")),
        pico if pico > RATE_USD_MAX * PICO_PER_USD => {
            Err(format!("a price of {text} is above {RATE_USD_MAX} dollars: prices are for a million tokens"))
        }
        _ => Ok(rate),
    }
});

from_text!(FactorRow, Factor, "a factor, such as \"1.1\"", |text| Factor::parse(text).map_err(|e| e.to_string()));

from_text!(Tokens, u64, "a count of tokens", |text| {
    match text.parse::<u64>() {
        Ok(tokens) if tokens <= CONTEXT_TOKENS_MAX => Ok(tokens),
        _ => Err(format!("{text} is no count of tokens: use 0 to {CONTEXT_TOKENS_MAX}")),
    }
});

from_text!(Instant, Timestamp, "a date, such as \"2026-08-21\"", |text| {
    parse_time(text).ok_or_else(|| format!("'{}' is no date: write it as 2026-08-21 or 2026-08-21T16:30Z", short(text)))
});

from_text!(Date, String, "a date, such as \"2026-08-21\"", |text| {
    let is_day = text.len() == 10 && parse_time(text).is_some();
    if is_day { Ok(text.to_owned()) } else { Err(format!("'{}' is no date: write it as 2026-08-21", short(text))) }
});

from_text!(TimeOfDay, u32, "a time of day in UTC, such as \"16:30\"", |text| {
    minute_of_day(text).ok_or_else(|| format!("'{}' is no time of day: write it as 16:30, in UTC", short(text)))
});

from_text!(Prose, String, "a text", |text| {
    match text {
        "" => Err("it is empty: say where the facts were read".to_owned()),
        _ if text.len() > 1_000 => Err("it is longer than 1,000 bytes".to_owned()),
        _ if text.chars().any(char::is_control) => Err("it holds control characters".to_owned()),
        _ => Ok(text.to_owned()),
    }
});

/// A name without spaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Word(pub String);

impl TryFrom<String> for Word {
    type Error = String;

    fn try_from(text: String) -> Result<Word, String> {
        match text {
            text if text.is_empty() => Err("it is empty".to_owned()),
            text if text.len() > 256 => Err("it is longer than 256 bytes".to_owned()),
            text if text.chars().any(|c| c.is_control() || c.is_whitespace()) => {
                Err("it holds white space or control characters".to_owned())
            }
            text => Ok(Word(text)),
        }
    }
}

impl From<Word> for String {
    fn from(word: Word) -> String {
        word.0
    }
}

/// A text cut short and free of control characters, for errors.
pub(super) fn short(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
