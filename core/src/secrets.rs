//! Keys: where they come from, and that they show nowhere. A `Secret` prints as dots and is only read by the transport.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::id::EndpointId;
use crate::model::Endpoint;

/// A key. It has no `Display`, its `Debug` shows nothing, and nothing serialises it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a key, without the white space around it.
    ///
    /// # Errors
    /// `SecretError` where it is empty or holds characters that no header can carry.
    pub fn new(text: impl AsRef<str>) -> Result<Secret, SecretError> {
        let text = text.as_ref().trim();
        match text {
            "" => Err(SecretError::Empty),
            text if text.chars().any(|c| c.is_control() || !c.is_ascii()) => Err(SecretError::NotHeaderText),
            text => Ok(Secret(Arc::from(text))),
        }
    }

    /// The key itself, for the one place that writes it into a header.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An address without the name and the password that it may hold before its host.
pub(crate) fn without_login(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let slash = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..slash].rfind('@').map_or(rest, |at| &rest[at + 1..]);
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

/// Why a key was refused. The key is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is nothing.
    #[error("the key is empty: set it, or unset its variable")]
    Empty,
    /// A header cannot carry it.
    #[error("the key holds control or non-ASCII characters: copy it again")]
    NotHeaderText,
}

/// The keys there are, each bound to the endpoint it was given for.
///
/// A key never travels to another host: it is found by the endpoint's id, and the endpoint's address comes from the
/// catalogue or the user's configuration, never from a request.
#[derive(Clone, Debug, Default)]
pub struct Keyring(HashMap<EndpointId, Secret>);

impl Keyring {
    /// No keys.
    pub fn new() -> Keyring {
        Keyring::default()
    }

    /// Reads each endpoint's variable through `read`, which is `std::env::var` outside tests. Unset and empty
    /// variables are skipped.
    ///
    /// # Errors
    /// The variable's name, where its value can be no key.
    pub fn from_variables<'a>(
        endpoints: impl IntoIterator<Item = &'a Arc<Endpoint>>,
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<Keyring, (String, SecretError)> {
        let mut ring = Keyring::new();
        for endpoint in endpoints {
            let Some(name) = &endpoint.key_env else { continue };
            match read(name).map(Secret::new) {
                None | Some(Err(SecretError::Empty)) => {}
                Some(Ok(secret)) => ring.insert(endpoint.id.clone(), secret),
                Some(Err(error)) => return Err((name.clone(), error)),
            }
        }
        Ok(ring)
    }

    /// Gives an endpoint its key.
    pub fn insert(&mut self, endpoint: EndpointId, key: Secret) {
        self.0.insert(endpoint, key);
    }

    /// The key of an endpoint.
    pub fn key(&self, endpoint: &EndpointId) -> Option<&Secret> {
        self.0.get(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_an_address_is_left_out() {
        for (url, want) in [
            ("http://user:pass@host:80/a@b", "http://host:80/a@b"),
            ("http://us@er:p@ss@host", "http://host"),
            ("socks5://host", "socks5://host"),
            ("user:pass@host:1", "host:1"),
        ] {
            assert_eq!(without_login(url), want);
        }
    }

    #[test]
    fn a_key_shows_nowhere() {
        let key = Secret::new(" sk-canary-123\n").unwrap();
        let mut ring = Keyring::new();
        ring.insert(EndpointId::new("x").unwrap(), key.clone());
        assert!(!format!("{key:?} {key:#?} {ring:?} {ring:#?}").contains("canary"));
        assert_eq!(key.expose(), "sk-canary-123");
    }

    #[test]
    fn what_no_header_carries_is_refused_unseen() {
        for text in ["", "  ", "a\nb", "schlüssel"] {
            let error = Secret::new(text).unwrap_err().to_string();
            assert!(!error.contains("schl"), "{error}");
        }
    }
}
