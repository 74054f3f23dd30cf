//! What a client does without a network: it keeps to the user's own servers and the device, or keeps requests for later.

use serde_json::{Map, Value, json};
use tierway_bindings::Failure;

/// The kind of data that every request is while there is no network; its rule admits self-hosted endpoints alone.
const LABEL: &str = "offline";

/// What to do while the host says that there is no network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, uniffi::Enum)]
pub enum OfflineMode {
    /// Try all the same.
    #[default]
    Try,
    /// Ask self-hosted endpoints alone: the device's own model, a provider of the host's.
    Local,
    /// Keep requests in the outbox until there is a network.
    Queue,
}

/// The mode, and where requests are kept.
#[derive(Clone, Default, uniffi::Record)]
pub struct OfflinePlan {
    /// What to do.
    pub mode: OfflineMode,
    /// The file in which requests are kept, prompts and answers included: only the app must be able to read it. Needed for
    /// `Queue`.
    pub outbox: Option<String>,
}

/// What became of a request that may be kept.
#[derive(Clone, uniffi::Enum)]
pub enum Submitted {
    /// It was answered.
    Answered {
        /// A response as JSON.
        response: String,
    },
    /// It is in the outbox.
    Queued {
        /// Under this number.
        id: u64,
    },
}

/// Settings with the rule for requests without a network; text that is no object is left for the reader to refuse.
pub(crate) fn with_rule(settings: String) -> String {
    let rule = json!({"self_hosted": true});
    edit(settings, |fields| {
        if let Some(labels) = filled(fields, "labels", json!({})).as_object_mut() {
            labels.insert(LABEL.to_owned(), rule);
        }
    })
}

/// A request that only self-hosted endpoints may see.
pub(crate) fn local_request(request: String) -> String {
    edit(request, mark)
}

/// A body of chat completions that only self-hosted endpoints may see.
pub(crate) fn local_body(body: String) -> String {
    edit(body, |fields| {
        if let Some(extras) = filled(fields, "tierway", json!({})).as_object_mut() {
            mark(extras);
        }
    })
}

/// Whether a call came to nothing for want of a network: every endpoint was tried, or rests after it was, and no connection
/// came about at any. Nothing of it can have reached anyone.
pub(crate) fn is_unsent(failure: &Failure) -> bool {
    match failure.attempts.as_slice() {
        [] => failure.code == "exhausted",
        attempts => attempts.iter().all(|attempt| attempt["outcome"] == "connect"),
    }
}

fn mark(fields: &mut Map<String, Value>) {
    if let Some(labels) = filled(fields, "labels", json!([])).as_array_mut() {
        labels.push(LABEL.into());
    }
}

/// A field, which is `empty` where it is absent or null. Of another type it stays, for the reader to refuse.
fn filled<'a>(fields: &'a mut Map<String, Value>, name: &str, empty: Value) -> &'a mut Value {
    let field = fields.entry(name).or_insert(Value::Null);
    if field.is_null() {
        *field = empty;
    }
    field
}

fn edit(text: String, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    match serde_json::from_str::<Map<String, Value>>(&text) {
        Ok(mut fields) => {
            change(&mut fields);
            Value::Object(fields).to_string()
        }
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_added_and_nothing_else_is_touched() {
        let check = |made: String, want: &str| assert_eq!(made, want);
        check(local_request(r#"{"messages":[]}"#.into()), r#"{"messages":[],"labels":["offline"]}"#);
        check(local_request(r#"{"labels":["pii"]}"#.into()), r#"{"labels":["pii","offline"]}"#);
        check(local_request(r#"{"labels":null}"#.into()), r#"{"labels":["offline"]}"#);
        check(local_body(r#"{"tierway":{"labels":null}}"#.into()), r#"{"tierway":{"labels":["offline"]}}"#);
        check(local_body(r#"{"model":"auto"}"#.into()), r#"{"model":"auto","tierway":{"labels":["offline"]}}"#);
        check(local_body("no JSON".into()), "no JSON");
        check(with_rule(r#"{"keys":{}}"#.into()), r#"{"keys":{},"labels":{"offline":{"self_hosted":true}}}"#);
    }

    #[test]
    fn a_call_is_unsent_only_where_no_attempt_connected() {
        let failed = |outcomes: &[&str]| {
            let mut failure = Failure::new("exhausted", "nothing answered");
            failure.attempts = outcomes.iter().map(|outcome| json!({"outcome": outcome})).collect();
            is_unsent(&failure)
        };
        assert!(failed(&["connect", "connect"]) && failed(&[]));
        assert!(!failed(&["connect", "network"]) && !is_unsent(&Failure::new("refused", "no model may see it")));
    }
}
