//! Addresses of endpoints: checked once, with places for what only the user knows, such as `${AZURE_OPENAI_RESOURCE}`.

use crate::model::Endpoint;

/// Refuses what is no plain base address.
pub(super) fn check_address(url: &str) -> Result<(), String> {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        // The engine answers in this process and has no address.
        return if url.is_empty() { Ok(()) } else { Err("an address starts with https:// or http://".to_owned()) };
    };
    let host = rest.split('/').next().unwrap_or("");
    if host.is_empty() || url.len() > 1_000 {
        return Err("the address has no host, or is longer than 1,000 bytes".to_owned());
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '@' | '?' | '#' | '\\' | '"')) {
        return Err("an address holds no spaces, credentials, query or fragment".to_owned());
    }
    if url.ends_with('/') {
        return Err("an address ends without a slash: remove it".to_owned());
    }
    match pieces(url) {
        Some(_) => Ok(()),
        None => Err("a place in an address is written ${NAME}, the name in capitals".to_owned()),
    }
}

/// A text cut at its places: each piece with the name of the place after it.
fn pieces(url: &str) -> Option<Vec<(&str, Option<&str>)>> {
    let mut found = Vec::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}')?;
        let is_name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || !name.bytes().all(is_name) || before.contains(['{', '}']) {
            return None;
        }
        found.push((before, Some(name)));
        rest = after;
    }
    if rest.contains(['{', '}']) {
        return None;
    }
    found.push((rest, None));
    Some(found)
}

/// An address has a place that nothing fills.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("endpoint '{endpoint}' needs {name}: set the environment variable {name}")]
pub struct UnfilledAddress {
    /// The endpoint.
    pub endpoint: String,
    /// The place's name.
    pub name: String,
}

/// The endpoint with the places of its address filled, such as `${AZURE_OPENAI_RESOURCE}`. `value` gives what a name
/// stands for, usually an environment variable; only letters, digits, `-`, `_`, `.` and `:` are taken.
///
/// # Errors
/// The first name that has no value, or none that can stand in an address.
pub fn fill_address(endpoint: &Endpoint, value: impl Fn(&str) -> Option<String>) -> Result<Endpoint, UnfilledAddress> {
    let mut filled = endpoint.clone();
    filled.base_url.clear();
    for (text, name) in pieces(&endpoint.base_url).unwrap_or_default() {
        filled.base_url.push_str(text);
        let Some(name) = name else { continue };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        match value(name).filter(|value| !value.is_empty() && value.chars().all(is_plain)) {
            Some(value) => filled.base_url.push_str(&value),
            None => {
                return Err(UnfilledAddress { endpoint: endpoint.id.to_string(), name: name.to_owned() });
            }
        }
    }
    Ok(filled)
}

/// Whether an endpoint's address has places to fill.
pub fn has_places(endpoint: &Endpoint) -> bool {
    endpoint.base_url.contains("${")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain() {
        for good in ["https://api.acme.example/v1", "http://127.0.0.1:8000", "", "https://${NAME}.example/v1/${P2}/x"] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in [
            "ftp://x",
            "https://",
            "https:///v1",
            "https://user:pw@host",
            "https://x/?k=1",
            "https://x/",
            "https://x y",
            "https://${name}.x",
            "https://${",
            "https://{project}.x",
            "javascript:alert(1)",
        ] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }
}
