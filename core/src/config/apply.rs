//! From settings as they are written to what the client is made of.

use std::path::Path;

use crate::attempt;
use crate::catalog::{Catalog, CatalogFile};
use crate::model::Endpoint;
use crate::plan::Settings;
use crate::time::Span;

use super::{CatalogConfig, Config, ConfigError, RouterConfig};

impl RouterConfig {
    /// How models are chosen, with the defaults where nothing is said.
    pub fn settings(&self) -> Settings {
        let stock = Settings::default();
        Settings {
            quality: self.quality.unwrap_or(stock.quality),
            worth: self.worth,
            spend_max: self.spend_max,
            latency_max: self.latency_max_ms.map(Span::from_ms),
            baseline: self.baseline.clone(),
            models: self.models.clone(),
            ..stock
        }
    }
}

impl Config {
    /// How often and how long to try, with the defaults where nothing is said.
    pub fn rules(&self) -> attempt::Rules {
        let stock = attempt::Rules::default();
        attempt::Rules {
            attempts_here_max: self.retry.attempts_max.unwrap_or(stock.attempts_here_max),
            deadline: self.retry.deadline_ms.map_or(stock.deadline, Span::from_ms),
            hedge_percent: self.retry.hedge_percent,
            continue_broken: self.retry.continue_streams,
            timeouts: self.timeouts.limits(),
            ..stock
        }
    }

    /// Whether an endpoint that wants no key may be called without being asked for by name: the user's own rows may, and
    /// built-in ones that the settings list.
    pub fn uses(&self, endpoint: &Endpoint, builtin: &Catalog) -> bool {
        let is_builtin = builtin.endpoint(&endpoint.id).is_some_and(|known| **known == *endpoint);
        !is_builtin || self.router.endpoints.contains(&endpoint.id)
    }
}

#[cfg(feature = "http")]
impl Config {
    /// How to reach the network.
    ///
    /// # Errors
    /// Where a file of root certificates cannot be read.
    pub fn transport_options(&self) -> Result<crate::transport::TransportOptions, ConfigError> {
        use crate::transport::{Proxy, TransportOptions};
        let proxy = match self.transport.proxy.as_deref() {
            None => Proxy::Environment,
            Some("none") => Proxy::Direct,
            Some(url) => Proxy::Url(url.to_owned()),
        };
        let mut extra_roots_pem = Vec::new();
        for path in &self.transport.roots {
            let text = std::fs::read(path).map_err(|error| unreadable("transport.roots", path, &error))?;
            extra_roots_pem.push(text);
        }
        let connect_timeout = self.timeouts.connect_ms.map(Span::from_ms);
        Ok(TransportOptions { proxy, extra_roots_pem, connect_timeout, ..TransportOptions::default() })
    }
}

impl CatalogConfig {
    /// The built-in rows, or none, with those of the files.
    ///
    /// # Errors
    /// Where a file cannot be read, or a row in it is not valid: every fault with file, line and reason.
    pub fn load(&self, builtin: &Catalog) -> Result<Catalog, ConfigError> {
        let base = if self.only_files { Catalog::default() } else { builtin.clone() };
        if self.files.is_empty() {
            return Ok(base);
        }
        let mut texts = Vec::new();
        for path in &self.files {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable("catalog.files", path, &error))?;
            texts.push((path.display().to_string(), text));
        }
        let files: Vec<CatalogFile<'_>> = texts.iter().map(|(name, text)| CatalogFile { name, text }).collect();
        base.with_files(&files).map_err(|error| ConfigError::new("catalog.files", error.to_string()))
    }
}

fn unreadable(key: &str, path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::new(key, format!("{}: cannot be read: {error}", path.display()))
}
