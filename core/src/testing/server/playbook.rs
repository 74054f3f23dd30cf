//! A script as data: rules that say which request gets which answer, so that tests in every language share one file.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Answer, Heard, Script};
use crate::model::Api;
use crate::wire::Mode;

/// Answers by rules: the first that fits and is not used up. A request that none fits gets a short text.
///
/// ```
/// use tierway::testing::server::Playbook;
///
/// let playbook = Playbook::parse(r#"[
///     {"when": {"endpoint": "openai"}, "times": 1, "answer": {"fault": {"kind": "status", "status": 429}}},
///     {"when": {"contains": "blue"}, "answer": {"reply": {"parts": [{"type": "text", "text": "Rayleigh."}]}}}
/// ]"#)?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug)]
pub struct Playbook(Mutex<Vec<Rule>>);

/// One rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests; left out, all.
    #[serde(default)]
    pub when: When,
    /// How often; left out, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What they get.
    pub answer: Answer,
}

/// Which requests a rule is for: those that fit every part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// The first part of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The model, as the vendor names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Whether a stream is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// A text that the body holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

impl When {
    fn fits(&self, heard: &Heard) -> bool {
        let holds = |text: &String| {
            let inner = serde_json::Value::from(text.as_str()).to_string();
            let body = String::from_utf8_lossy(&heard.body);
            body.contains(inner.trim_matches('"'))
        };
        self.endpoint.as_ref().is_none_or(|endpoint| *endpoint == heard.endpoint)
            && self.model.as_ref().is_none_or(|model| *model == heard.model)
            && self.api.is_none_or(|api| Some(api) == heard.api)
            && self.stream.is_none_or(|stream| stream == (heard.mode == Mode::Stream))
            && self.contains.as_ref().is_none_or(holds)
    }
}

impl Playbook {
    /// These rules, in order.
    pub fn new(rules: Vec<Rule>) -> Playbook {
        Playbook(Mutex::new(rules))
    }

    /// Reads rules from a JSON array.
    ///
    /// # Errors
    /// Where the text is no such array.
    pub fn parse(json: &str) -> Result<Playbook, serde_json::Error> {
        Ok(Playbook::new(serde_json::from_str(json)?))
    }
}

impl Script for Playbook {
    fn answer(&self, heard: &Heard) -> Answer {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |rule: &&mut Rule| rule.times != Some(0) && rule.when.fits(heard);
        match rules.iter_mut().find(fits) {
            None => Answer::text("Hello from the loopback server."),
            Some(rule) => {
                rule.times = rule.times.map(|left| left - 1);
                rule.answer.clone()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(path: &str, body: &str) -> Heard {
        Heard::new("POST".into(), path.into(), Vec::new(), body.into())
    }

    #[test]
    fn the_first_rule_that_fits_and_is_not_used_up_answers() {
        let text = |text: &str| format!("{{\"reply\": {{\"parts\": [{{\"type\": \"text\", \"text\": \"{text}\"}}]}}}}");
        let json = format!(
            "[{{\"when\": {{\"endpoint\": \"a\"}}, \"times\": 1, \"answer\": {}}}, \
              {{\"when\": {{\"contains\": \"Öl \\\"x\\\"\"}}, \"answer\": {}}}, {{\"when\": {{\"stream\": true}}, \"answer\": {}}}]",
            text("first"),
            text("oil"),
            text("stream")
        );
        let playbook = Playbook::parse(&json).unwrap();
        let ask = |path: &str, body: &str| playbook.answer(&heard(path, body)).reply.text();
        assert_eq!(ask("/a/chat/completions", "{}"), "first");
        assert_eq!(ask("/a/chat/completions", r#"{"stream":true}"#), "stream");
        assert_eq!(ask("/b/chat/completions", r#"{"messages":[{"content":"Öl \"x\""}]}"#), "oil");
        assert_eq!(ask("/b/chat/completions", "{}"), "Hello from the loopback server.");
        assert!(Playbook::parse(r#"[{"answr": {}}]"#).is_err());
    }
}
