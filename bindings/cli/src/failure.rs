//! Why the command failed, and the exit status that says so to scripts.

use std::io::{self, Write};
use std::process::ExitCode;

use tierway::client::BatchError;

/// The exit codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "Exit status:
  0  done
  1  it failed: a vendor, the network, a check that did not hold
  2  the command or its input is wrong
  3  policy or a budget refused the request
  4  a file could not be read or written

With --json, standard error gets {\"error\": {\"kind\", \"status\", \"message\"}} in place of the line.";

/// A failure: one line for people and a status for scripts.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It ran and failed, or a check did not hold.
    Failed(String),
    /// The input is wrong.
    Input(String),
    /// Policy or a budget refused.
    Refused(String),
    /// A file could not be read or written.
    File(String),
    /// The reader of our output went away: not an error.
    Pipe,
}

impl Failure {
    /// A file that could not be read or written.
    pub(crate) fn file(path: impl AsRef<std::path::Path>, error: &io::Error) -> Failure {
        Failure::File(format!("{}: {error}", path.as_ref().display()))
    }

    /// Prints the line, or JSON where that was asked for, and returns the status.
    pub(crate) fn report(self, as_json: bool) -> ExitCode {
        let (kind, text, code) = match self {
            Failure::Failed(text) => ("failed", text, 1),
            Failure::Input(text) => ("input", text, 2),
            Failure::Refused(text) => ("refused", text, 3),
            Failure::File(text) => ("file", text, 4),
            Failure::Pipe => return ExitCode::SUCCESS,
        };
        // Standard error may be closed as well: then there is nobody to tell.
        let _ = match as_json {
            true => {
                let told = serde_json::json!({"error": {"kind": kind, "status": code, "message": text}});
                writeln!(io::stderr(), "{told}")
            }
            false => writeln!(io::stderr(), "tierway: {text}"),
        };
        ExitCode::from(code)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Pipe,
            _ => Failure::File(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::Input(format!("not the JSON that was expected: {error}"))
    }
}

/// What a client's error means for the exit status.
pub(crate) fn of_client(error: tierway::Error) -> Failure {
    let text = error.to_string();
    match error {
        tierway::Error::Request(_) | tierway::Error::Config(_) => Failure::Input(text),
        tierway::Error::Refused(_) | tierway::Error::OverBudget(_) => Failure::Refused(text),
        tierway::Error::Ledger(_) => Failure::File(text),
        tierway::Error::Batch(error) => match *error {
            BatchError::OverBudget { .. } => Failure::Refused(text),
            BatchError::Item { error, .. } => match of_client(*error) {
                Failure::Refused(_) => Failure::Refused(text),
                Failure::Input(_) => Failure::Input(text),
                _ => Failure::Failed(text),
            },
            BatchError::Empty
            | BatchError::TooMany { .. }
            | BatchError::Unknown { .. }
            | BatchError::Written { .. } => Failure::Input(text),
            _ => Failure::Failed(text),
        },
        _ => Failure::Failed(text),
    }
}
