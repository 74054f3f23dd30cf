//! `[cascade]`: which checks the router may plan, and what happens to streams.

use serde::{Deserialize, Serialize};

use crate::id::ModelId;
use crate::plan::{CascadeSettings, CheckKind, StreamChecks};
use crate::time::Span;

use super::Config;

/// Which checks the router may plan. None are where it names none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CascadeConfig {
    /// `wellformed`, `agreement`, `sample`, `confidence`, `judge`.
    pub checks: Vec<CheckName>,
    /// The least probability of a token, as a geometric mean from 0 to 1, for `confidence`: 0.8 where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_min: Option<f64>,
    /// The model that judges, for `judge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<ModelId>,
    /// Whether a second opinion is asked at the same time as the answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub side_by_side: bool,
    /// What happens to streams: `hold_back` where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamConfig>,
    /// The longest that a whole path may be known to take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_max_ms: Option<u64>,
}

/// A check by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// What can be seen without knowing the subject.
    Wellformed,
    /// A second cheap model must say the same.
    Agreement,
    /// The same model must say the same again.
    Sample,
    /// The model must have been sure.
    Confidence,
    /// A judge must find it good.
    Judge,
}

/// What happens to checks of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamConfig {
    /// Streams are asked directly.
    Off,
    /// The cheap answer is held back until it has passed.
    HoldBack,
    /// It is shown, and replaced where it falls short.
    Replace,
}

impl CascadeConfig {
    pub(super) fn is_empty(&self) -> bool {
        *self == CascadeConfig::default()
    }

    /// A fault: the key, and what is wrong with it.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if let Some(least) = self.confidence_min.filter(|least| !(0.0..=1.0).contains(least)) {
            return Some(("confidence_min", format!("{least} is out of range: use 0 to 1, such as 0.8")));
        }
        let judges = self.checks.contains(&CheckName::Judge);
        (judges && self.judge.is_none())
            .then(|| ("checks", "'judge' is named and no model for it: add judge = \"VENDOR/MODEL\"".to_owned()))
    }

    /// The settings that it says. A judge without a model is left out; `Config::check` refuses it.
    pub fn settings(&self) -> CascadeSettings {
        let kind = |name: &CheckName| match name {
            CheckName::Wellformed => Some(CheckKind::Wellformed),
            CheckName::Agreement => Some(CheckKind::Agreement),
            CheckName::Sample => Some(CheckKind::Sample),
            CheckName::Confidence => Some(CheckKind::Confidence(self.confidence_min.unwrap_or(0.8))),
            CheckName::Judge => self.judge.clone().map(CheckKind::Judge),
        };
        CascadeSettings {
            side_by_side: self.side_by_side,
            streams: match self.streams {
                Some(StreamConfig::Off) => StreamChecks::Off,
                Some(StreamConfig::Replace) => StreamChecks::Replace,
                Some(StreamConfig::HoldBack) | None => StreamChecks::HoldBack,
            },
            latency_max: self.latency_max_ms.map(Span::from_ms),
            ..CascadeSettings::of(self.checks.iter().filter_map(kind))
        }
    }
}

impl Config {
    /// How models are chosen, cascades included, with the defaults where nothing is said.
    pub fn settings(&self) -> crate::plan::Settings {
        crate::plan::Settings { cascade: self.cascade.settings(), ..self.router.settings() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_named_and_faults_have_their_line() {
        let text = "[cascade]\nchecks = [\"agreement\", \"judge\"]\njudge = \"acme/grand\"\nstreams = \"replace\"\n";
        let settings = Config::parse(text, "x").unwrap().settings().cascade;
        assert_eq!(settings.checks[1].kind, CheckKind::Judge("acme/grand".parse().unwrap()));
        assert_eq!(settings.streams, StreamChecks::Replace);
        let fault = |text: &str| Config::parse(text, "x").unwrap_err().to_string();
        assert!(fault("[cascade]\nchecks = [\"judge\"]\n").starts_with("x:2: cascade.checks: 'judge' is named"));
        assert!(fault("[cascade]\nconfidence_min = 2\n").contains("x:2: cascade.confidence_min"));
        assert!(fault("[cascade]\nchecks = [\"luck\"]\n").contains("x:2: cascade.checks"));
    }
}
