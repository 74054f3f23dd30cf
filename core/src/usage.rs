//! What a call used, in every class that vendors bill. An absent class is `None`; an explicit zero is zero.

use serde::{Deserialize, Serialize};

use crate::money::Usd;
use crate::request::ServiceTier;

/// Tokens and units of one call, normalised: parts lie inside their totals whatever the vendor's own convention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Usage {
    /// Every prompt token: cached reads, cache writes, audio and images included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// What the vendor bills as input, where that is another count than `input` (Cohere counts its own template and bills
    /// only the caller's words). All of it costs the input rate, whatever was read from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billed_input: Option<u64>,
    /// Of `input`: read from the vendor's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_read: Option<u64>,
    /// Of `input`: written to the cache for five minutes, or for the vendor's only lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<u64>,
    /// Of `input`: written to the cache for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Every billed output token: reasoning, audio and images included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Of `output`: reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// Of `input`: audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<u64>,
    /// Of `cached_read`: audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_audio: Option<u64>,
    /// Of `output`: audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_audio: Option<u64>,
    /// Of `input`: images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_image: Option<u64>,
    /// Of `output`: images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_image: Option<u64>,
    /// Searches that the vendor ran and bills by the piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searches: Option<u64>,
    /// What the vendor says the call cost, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_cost: Option<Usd>,
    /// The lane that the vendor says it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<ServiceTier>,
}

impl Usage {
    /// Input and output counts only.
    pub fn of(input: u64, output: u64) -> Usage {
        Usage { input: Some(input), output: Some(output), ..Usage::default() }
    }

    /// Whether the vendor reported nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Usage::default()
    }

    /// Takes over every class that `later` reports: vendors repeat usage in a stream, the last report counts.
    pub fn merge(&mut self, later: Usage) {
        macro_rules! take {
            ($($field:ident),+) => {{
                let Usage { $($field),+ } = later;
                $(if $field.is_some() { self.$field = $field; })+
            }};
        }
        take!(
            input,
            billed_input,
            cached_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            input_audio,
            cached_audio,
            output_audio,
            input_image,
            output_image,
            searches,
            stated_cost,
            service_tier
        );
    }

    /// What this and another call used together; a class that neither reports stays absent.
    pub fn plus(&self, other: &Usage) -> Usage {
        fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
            match (a, b) {
                (None, None) => None,
                (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
            }
        }
        Usage {
            input: sum(self.input, other.input),
            billed_input: match (self.billed_input, other.billed_input) {
                (None, None) => None,
                (a, b) => sum(a.or(self.input), b.or(other.input)),
            },
            cached_read: sum(self.cached_read, other.cached_read),
            cache_write_5m: sum(self.cache_write_5m, other.cache_write_5m),
            cache_write_1h: sum(self.cache_write_1h, other.cache_write_1h),
            output: sum(self.output, other.output),
            reasoning: sum(self.reasoning, other.reasoning),
            input_audio: sum(self.input_audio, other.input_audio),
            cached_audio: sum(self.cached_audio, other.cached_audio),
            output_audio: sum(self.output_audio, other.output_audio),
            input_image: sum(self.input_image, other.input_image),
            output_image: sum(self.output_image, other.output_image),
            searches: sum(self.searches, other.searches),
            stated_cost: match (self.stated_cost, other.stated_cost) {
                (None, None) => None,
                (a, b) => Some(a.unwrap_or(Usd::ZERO).saturating_add(b.unwrap_or(Usd::ZERO))),
            },
            service_tier: other.service_tier.or(self.service_tier),
        }
    }

    /// Tokens written to a cache of any lifetime.
    pub fn cache_write(&self) -> Option<u64> {
        match (self.cache_write_5m, self.cache_write_1h) {
            (None, None) => None,
            (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
        }
    }
}
