//! Reading JSON from hosts. What serde says of a wrong value quotes the value; an error of ours never does, since it may
//! be a prompt or a key.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tierway::tree;

use crate::Failure;

/// Reads `text` as `T`; `what` names it in errors and `code` is theirs.
pub(crate) fn read<T: DeserializeOwned>(text: &str, what: &str, code: &'static str) -> Result<T, Failure> {
    match cfg!(feature = "quick") {
        true => serde_json::from_str(text).map_err(|error| wrong(&error, what, code)),
        false => take(value(text, what, code)?, what, code),
    }
}

/// Reads `text` as any JSON.
pub(crate) fn value(text: &str, what: &str, code: &'static str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| wrong(&error, what, code))
}

/// Reads a value as `T`.
pub(crate) fn take<T: DeserializeOwned>(value: Value, what: &str, code: &'static str) -> Result<T, Failure> {
    tree::read_json(value).map_err(|error| refused(&error.message, "", what, code))
}

/// Writes plain data.
pub(crate) fn write(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have text keys and finite numbers")
}

fn wrong(error: &serde_json::Error, what: &str, code: &'static str) -> Failure {
    let place = match error.line() {
        0 => String::new(),
        line => format!(" (line {line}, column {})", error.column()),
    };
    if !error.is_data() {
        return Failure::new(code, format!("{what}: it is not JSON{place}")).with_field(what);
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before);
    refused(text, &place, what, code)
}

/// What serde says of a value, without the value.
fn refused(said: &str, place: &str, what: &str, code: &'static str) -> Failure {
    let advice = match said.rsplit_once(", expected ") {
        Some((_, wanted)) if said.starts_with("unknown field") => {
            format!("it has a field that is not known: use {wanted}")
        }
        Some((_, wanted)) => format!("expected {wanted}"),
        None if said.starts_with("missing field") || said.starts_with("duplicate field") => said.to_owned(),
        // Names and amounts of ours say what is wrong with them, cut to 60 characters.
        None if said.contains(" is no ") => said.to_owned(),
        None => "it has a value of the wrong kind".to_owned(),
    };
    Failure::new(code, format!("{what}: {advice}{place}")).with_field(what)
}

#[cfg(test)]
mod tests {
    use tierway::RequestDraft;

    use super::*;

    #[test]
    fn errors_say_what_to_write_and_quote_nothing() {
        let check = |text: &str, says: &str| {
            let failure = read::<RequestDraft>(text, "request", "invalid_request").unwrap_err();
            assert_eq!(failure.code, "invalid_request");
            assert!(failure.message.contains(says), "{}", failure.message);
            assert!(!failure.message.contains("canary"), "{}", failure.message);
        };
        check(r#"{"messages": "canary"}"#, "expected a sequence");
        check(r#"{"messages": [{"role": "canary", "parts": []}]}"#, "expected one of");
        check(r#"{"messages": [{"parts": []}]}"#, "missing field `role`");
        check("canary", "it is not JSON");
    }
}
