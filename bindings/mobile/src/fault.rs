//! The errors that cross the border, each as the JSON of its facts.

use std::fmt;

use tierway_bindings::Failure;

/// Why a call brought nothing: `facts` is a `Failure` as JSON, with its stable `code`.
#[derive(Clone, uniffi::Error)]
pub enum CoreError {
    /// What happened, as JSON.
    Failed {
        /// A `Failure` as JSON.
        facts: String,
    },
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call failed: see its facts")
    }
}

impl fmt::Debug for CoreError {
    /// Without the facts: a broken answer is among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CoreError")
    }
}

impl std::error::Error for CoreError {}

impl From<Failure> for CoreError {
    fn from(failure: Failure) -> CoreError {
        CoreError::Failed { facts: failure.to_json() }
    }
}

/// Why a provider, a check or a transport of the host failed: `facts` is JSON as `ForeignProvider` says.
#[derive(Clone, uniffi::Error)]
pub enum HostFault {
    /// What happened, as JSON or as a text.
    Failed {
        /// `{"kind", "message", ...}`.
        facts: String,
    },
}

impl HostFault {
    pub(crate) fn into_facts(self) -> String {
        match self {
            HostFault::Failed { facts } => facts,
        }
    }
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host failed: see its facts")
    }
}

impl fmt::Debug for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostFault")
    }
}

impl std::error::Error for HostFault {}

impl From<uniffi::UnexpectedUniFFICallbackError> for HostFault {
    /// An exception that the host's code let through. Its text may hold anything, so it is left out.
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> HostFault {
        HostFault::Failed {
            facts: r#"{"message": "the host's code threw an exception that it did not expect"}"#.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_display_hold_no_facts() {
        let error = CoreError::from(Failure::new("incomplete", "canary"));
        let host = HostFault::Failed { facts: "canary".to_owned() };
        assert!(!format!("{error:?} {error} {host:?} {host}").contains("canary"));
        let CoreError::Failed { facts } = error;
        assert!(facts.contains(r#""code":"incomplete""#), "{facts}");
    }
}
