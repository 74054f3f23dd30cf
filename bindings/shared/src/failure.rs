//! The one error that every language maps to its own classes.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde_json::{Value, json};
use tierway::attempt::{Exhausted, Setback};
use tierway::client::FeedbackError;
use tierway::config::ConfigError;
use tierway::{Error, ProviderError, Reply, RequestError, Retry};

/// Why a call brought nothing: a stable code and all that an exception wants to show.
///
/// It serialises to the JSON of its `Facts`. `Display` and `Debug` hold no prompt and no answer.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Failure(Box<Facts>);

/// What is known of a failure. JSON holds every field, absent ones as `null`.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Facts {
    /// A stable name in snake case: `rate_limited`, `refused`, `over_budget`, `invalid_request`, `cancelled` ...
    pub code: String,
    /// One line for people: what was attempted, on what, and what to do.
    pub message: String,
    /// The last HTTP status, if there was one.
    pub status: Option<u16>,
    /// How long the last vendor asked to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The endpoint that failed last.
    pub provider: Option<String>,
    /// The vendor's own error code.
    pub vendor_code: Option<String>,
    /// The vendor's id of the failed request, for its support.
    pub request_id: Option<String>,
    /// Which field of the request or the settings is wrong.
    pub field: Option<String>,
    /// What was tried, in order.
    pub attempts: Vec<Value>,
    /// Every model and every reason against it, where policy refused the request.
    pub refused: Option<Value>,
    /// What had been delivered before the answer broke off.
    pub partial: Option<Box<Reply>>,
}

impl Failure {
    /// A failure of this code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure(Box::new(Facts {
            code: code.into(),
            message: message.into(),
            status: None,
            retry_after_ms: None,
            provider: None,
            vendor_code: None,
            request_id: None,
            field: None,
            attempts: Vec::new(),
            refused: None,
            partial: None,
        }))
    }

    /// The caller gave up.
    pub fn cancelled() -> Failure {
        Failure::new("cancelled", "the caller gave up; what was delivered until then is settled")
    }

    /// A call panicked.
    pub fn broken() -> Failure {
        Failure::new("internal", "a call broke within the library: please report it")
    }

    /// The JSON of all fields.
    pub fn to_json(&self) -> String {
        crate::json::write(self)
    }

    pub(crate) fn with_field(mut self, field: impl Into<String>) -> Failure {
        self.field = Some(field.into());
        self
    }

    /// Names the endpoint where the error itself does not.
    pub(crate) fn at(mut self, endpoint: &str) -> Failure {
        self.provider.get_or_insert_with(|| endpoint.to_owned());
        self
    }

    fn with_vendor(mut self, error: &ProviderError) -> Failure {
        self.status = error.status;
        self.vendor_code = error.code.clone();
        self.request_id = error.request_id.clone();
        if let Retry::Here(Some(after)) = error.retry {
            self.retry_after_ms = Some(after.ms());
        }
        self.partial = error.partial.clone();
        self
    }
}

impl Deref for Failure {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Facts {
        &mut self.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({}: {})", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let mut failure = Failure::new(error.code(), error.to_string());
        failure.provider = error.provider().map(str::to_owned);
        match error {
            Error::Request(fault) => failure.with_field(fault.field),
            Error::Config(fault) => failure.with_field(fault.place),
            Error::Refused(refused) => {
                failure.refused = serde_json::to_value(&*refused).ok();
                failure
            }
            Error::OverBudget(exhausted) | Error::Exhausted(exhausted) => {
                failure.attempts = tried(&exhausted);
                match exhausted.last_error() {
                    Some(last) => failure.with_vendor(last),
                    None => failure,
                }
            }
            Error::Incomplete(broken) => failure.with_vendor(&broken),
            _ => failure,
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Failure {
        Error::from(error).into()
    }
}

impl From<FeedbackError> for Failure {
    fn from(error: FeedbackError) -> Failure {
        let (code, field) = match &error {
            FeedbackError::BadMark(_) => ("invalid_request", Some("mark")),
            FeedbackError::Unknown { .. } => ("unknown_answer", Some("id")),
            FeedbackError::Busy => ("busy", None),
            _ => ("ledger", None),
        };
        let failure = Failure::new(code, error.to_string());
        match field {
            Some(field) => failure.with_field(field),
            None => failure,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Error::from(error).into()
    }
}

fn tried(exhausted: &Exhausted) -> Vec<Value> {
    let line = |tried: &tierway::attempt::Tried| {
        let (outcome, status) = match &tried.setback {
            Setback::Failed(error) => (error.kind.as_str(), error.status),
            Setback::Rejected(_) => ("over_budget", None),
            Setback::FellShort(_) => ("fell_short", None),
            _ => ("other", None),
        };
        json!({
            "number": tried.number,
            "model": tried.model,
            "endpoint": tried.endpoint,
            "aim": tried.aim.as_str(),
            "outcome": outcome,
            "status": status,
            "error": tried.setback.to_string(),
        })
    };
    exhausted.tried.iter().map(line).collect()
}
