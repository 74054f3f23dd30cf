//! Addresses parsed once: an endpoint has few, and each call would parse the same one again.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use reqwest::Url;

use crate::ledger::Seed;

/// Addresses kept; beyond that all are forgotten, for where an address names its caller none comes twice.
const KEPT_MAX: usize = 256;

/// Addresses that were parsed.
#[derive(Debug, Default)]
pub(super) struct Addresses(RwLock<HashMap<String, Url, Seed>>);

impl Addresses {
    /// The address that a text is; `None` where it is none.
    pub(super) fn parsed(&self, text: &str) -> Option<Url> {
        // What is kept stays whole whoever panicked while holding it.
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Some(known.clone());
        }
        let url = Url::parse(text).ok()?;
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(text.to_owned(), url.clone());
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_parsed_and_bounded() {
        let kept = Addresses::default();
        for round in 0..2 * KEPT_MAX {
            let text = format!("http://localhost:{}/v1/{round}?a=b", 1 + round % 3);
            assert_eq!(kept.parsed(&text), Url::parse(&text).ok());
            assert_eq!(kept.parsed(&text), Url::parse(&text).ok());
        }
        assert_eq!(kept.parsed("no address"), None);
        assert!(kept.0.read().unwrap().len() <= KEPT_MAX);
    }
}
