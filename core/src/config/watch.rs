//! `[shadow]` and `[promise]`: how live answers are compared with the better model's, and what is promised of them.

use serde::{Deserialize, Serialize};

use crate::id::ModelId;
use crate::learn::{Pledge, ShadowSettings};
use crate::money::Usd;

/// Which requests get a shadow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShadowConfig {
    /// The share of requests, from 0 to 1.
    pub rate: f64,
    /// The most that shadows may cost in a day of UTC, in dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_max: Option<Usd>,
    /// Who says whether the answer is good, in place of comparing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<ModelId>,
}

impl ShadowConfig {
    pub(super) fn is_empty(&self) -> bool {
        *self == ShadowConfig::default()
    }

    /// The settings that it says.
    pub fn settings(&self) -> ShadowSettings {
        let daily_max = self.daily_max.unwrap_or(Usd::ZERO);
        ShadowSettings { rate: self.rate, daily_max, judge: self.judge.clone() }
    }
}

/// What is promised of live answers; nothing where `quality` is not said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromiseConfig {
    /// The share of the better model's quality to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<f64>,
    /// How sure an alarm is: 0.95 where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

impl PromiseConfig {
    pub(super) fn is_empty(&self) -> bool {
        *self == PromiseConfig::default()
    }

    /// A fault: the key, and what is wrong with it.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let outside = |value: Option<f64>| value.filter(|value| !(*value > 0.0 && *value < 1.0));
        let reason =
            |value: f64, such: &str| format!("{value} is out of range: use above 0 to below 1, such as {such}");
        if let Some(quality) = outside(self.quality) {
            return Some(("quality", reason(quality, "0.95")));
        }
        outside(self.confidence).map(|confidence| ("confidence", reason(confidence, "0.95")))
    }

    /// The promise that it says.
    pub fn pledge(&self) -> Option<Pledge> {
        self.quality.map(|quality| Pledge { quality, confidence: self.confidence.unwrap_or(0.95) })
    }
}
