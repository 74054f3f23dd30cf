//! `tierway.toml`: what a deployment decides once. Every key is optional; an unknown one is an error that names its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, ModelId};
use crate::money::Usd;
use crate::policy::Policy;
use crate::time::{Span, Timeouts};
use crate::tree::{self, TreeError};

mod apply;
mod budgets;
mod cascade;
mod watch;

pub use budgets::{BudgetConfig, EnforceConfig, OneOrMore, RateConfig};
pub use cascade::{CascadeConfig, CheckName, StreamConfig};
pub use watch::{PromiseConfig, ShadowConfig};

/// The name of the file that is looked for in the working folder.
pub const FILE_NAME: &str = "tierway.toml";

/// A deployment's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How models are chosen.
    pub router: RouterConfig,
    /// Which checks of cheap answers may be planned.
    #[serde(skip_serializing_if = "CascadeConfig::is_empty")]
    pub cascade: CascadeConfig,
    /// Which requests the better model is asked too, to compare.
    #[serde(skip_serializing_if = "ShadowConfig::is_empty")]
    pub shadow: ShadowConfig,
    /// What is promised of live answers.
    #[serde(skip_serializing_if = "PromiseConfig::is_empty")]
    pub promise: PromiseConfig,
    /// What may go where.
    pub policy: Policy,
    /// Where the account is kept.
    pub ledger: LedgerConfig,
    /// Limits on what may be spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetConfig>,
    /// Limits on how fast.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateConfig>,
    /// Who is told when a budget reaches a mark.
    #[serde(skip_serializing_if = "AlertConfig::is_empty")]
    pub alerts: AlertConfig,
    /// Time limits.
    pub timeouts: TimeoutConfig,
    /// How often to try.
    pub retry: RetryConfig,
    /// How to reach the network.
    pub transport: TransportConfig,
    /// Models, endpoints and prices beside the built-in ones.
    pub catalog: CatalogConfig,
    /// Environment variables that hold keys, by endpoint: in place of the catalogue's names.
    pub keys: BTreeMap<String, String>,
}

/// How models are chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouterConfig {
    /// Share of the frontier's quality to keep, above 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<f64>,
    /// The model against which savings are counted; the strongest admitted one where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ModelId>,
    /// The only models that `auto` chooses from; empty means every model with a key.
    pub models: Vec<ModelId>,
    /// What a good answer is worth, in dollars: in place of `quality`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worth: Option<Usd>,
    /// What an answer may be expected to cost, in dollars: in place of `quality`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend_max: Option<Usd>,
    /// Endpoints that are known to take longer, the wait for calls before this one included, are asked after the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_max_ms: Option<u64>,
    /// Built-in endpoints without a key that may be called, such as `ollama`: a server of your own that runs.
    pub endpoints: Vec<EndpointId>,
}

/// Where the account is kept.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerConfig {
    /// A SQLite file, or the `postgres://` URL of a fleet's ledger; the account is kept in memory where it is `:memory:`
    /// or not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl std::fmt::Debug for LedgerConfig {
    /// Without the password that a URL may hold.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.as_deref().map(crate::store::shown);
        f.debug_struct("LedgerConfig").field("path", &path).finish()
    }
}

/// Who is told when a budget reaches a mark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertConfig {
    /// The address that alerts are posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The environment's variable that holds the key that is sent there, as a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_key_env: Option<String>,
}

impl AlertConfig {
    fn is_empty(&self) -> bool {
        *self == AlertConfig::default()
    }
}

/// Time limits, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutConfig {
    /// To a connection, TLS included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u64>,
    /// To the first byte of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Between two pieces of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// For one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u64>,
}

impl TimeoutConfig {
    /// The limits, with the defaults where nothing is said.
    pub fn limits(&self) -> Timeouts {
        let stock = Timeouts::default();
        let or = |ms: Option<u64>, stock: Span| ms.map_or(stock, Span::from_ms);
        Timeouts {
            connect: or(self.connect_ms, stock.connect),
            first_byte: or(self.first_byte_ms, stock.first_byte),
            idle: or(self.idle_ms, stock.idle),
            total: or(self.total_ms, stock.total),
        }
    }
}

/// How often to try.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Most attempts at one endpoint, the first included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// For the whole request, fallbacks and waits included, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Sends a second attempt beside a call that takes longer than so many in a hundred of its endpoint's calls: 50 to
    /// 99. Both are billed. None are sent where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge_percent: Option<u8>,
    /// Whether another model writes the rest of a stream that broke off.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub continue_streams: bool,
}

/// How to reach the network.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransportConfig {
    /// `none`, or an address; what the environment says where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// PEM files of further root certificates.
    pub roots: Vec<PathBuf>,
}

impl std::fmt::Debug for TransportConfig {
    /// Shows the proxy without the name and the password that its address may hold.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let proxy = self.proxy.as_deref().map(crate::secrets::without_login);
        f.debug_struct("TransportConfig").field("proxy", &proxy).field("roots", &self.roots).finish()
    }
}

/// Models, endpoints and prices beside the built-in ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogConfig {
    /// Files of rows, which override the built-in rows of the same id. Paths are relative to this file.
    pub files: Vec<PathBuf>,
    /// Whether to leave the built-in rows out.
    pub only_files: bool,
}

/// Why a configuration was refused: where, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct ConfigError {
    /// The file, line and key as far as they are known: `tierway.toml:4: router.quality`.
    pub place: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl ConfigError {
    /// An error at a place.
    pub fn new(place: impl Into<String>, reason: impl Into<String>) -> ConfigError {
        ConfigError { place: place.into(), reason: reason.into() }
    }
}

impl Config {
    /// Reads settings from TOML text; `name` is the file's name for errors.
    ///
    /// # Errors
    /// The first fault with its line and key.
    pub fn parse(text: &str, name: &str) -> Result<Config, ConfigError> {
        let read = tree::parse(text).and_then(|tree| tree::read::<Config>(&tree));
        let config = read.map_err(|error| locate(&error, text, name))?;
        match config.fault() {
            None => Ok(config),
            Some((path, reason)) => Err(ConfigError::new(format!("{name}:{}: {path}", line_of(text, &path)), reason)),
        }
    }

    /// Refuses values that are out of range, wherever they come from.
    ///
    /// # Errors
    /// The first of them by its section and key.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.fault().map_or(Ok(()), |(path, reason)| Err(ConfigError::new(path, reason)))
    }

    /// The first value that is out of range: its section and key, and what to write.
    fn fault(&self) -> Option<(String, String)> {
        if let Some(quality) = self.router.quality.filter(|quality| !(*quality > 0.0 && *quality <= 1.0)) {
            let reason = format!("{quality} is out of range: use above 0 to 1, such as 0.95");
            return Some(("router.quality".to_owned(), reason));
        }
        if let Some(percent) = self.retry.hedge_percent.filter(|percent| !(50..=99).contains(percent)) {
            let reason = format!("{percent} is out of range: use 50 to 99, such as 95");
            return Some(("retry.hedge_percent".to_owned(), reason));
        }
        let named = |section: &'static str| move |(key, reason)| (format!("{section}.{key}"), reason);
        self.cascade.fault().map(named("cascade")).or_else(|| self.promise.fault().map(named("promise")))
    }

    /// Reads a file. Paths in it become relative to its folder.
    ///
    /// # Errors
    /// Where it cannot be read, or is not valid.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(&name, format!("cannot be read: {error}")))?;
        let mut config = Config::parse(&text, &name)?;
        if let Some(folder) = path.parent() {
            let inside = |file: &mut PathBuf| *file = folder.join(&*file);
            config.catalog.files.iter_mut().chain(&mut config.transport.roots).for_each(inside);
            if let Some(path) = config.ledger.path.as_mut().filter(|path| is_file(path)) {
                inside(path);
            }
        }
        Ok(config)
    }

    /// The file that `TIERWAY_CONFIG` names, else `tierway.toml` in the working folder, else the defaults. The ledger that
    /// `TIERWAY_LEDGER` names, a file or a URL, goes before the one in the file.
    ///
    /// # Errors
    /// Where the file is not valid, or the named one is not there.
    pub fn find() -> Result<Config, ConfigError> {
        let mut config = match std::env::var_os("TIERWAY_CONFIG") {
            Some(path) => Config::load(Path::new(&path)),
            None if Path::new(FILE_NAME).exists() => Config::load(Path::new(FILE_NAME)),
            None => Ok(Config::default()),
        }?;
        if let Some(ledger) = std::env::var_os("TIERWAY_LEDGER").filter(|ledger| !ledger.is_empty()) {
            config.ledger.path = Some(PathBuf::from(ledger));
        }
        Ok(config)
    }
}

/// Whether a ledger's place is a file, which lies beside the settings where it is relative.
fn is_file(path: &Path) -> bool {
    let is_url = |text: &str| text.starts_with("postgres://") || text.starts_with("postgresql://");
    path.as_os_str() != ":memory:" && !path.to_str().is_some_and(is_url)
}

/// Turns a TOML error into one with file, line and key.
fn locate(error: &TreeError, text: &str, name: &str) -> ConfigError {
    let Some(above) = (error.line as usize).checked_sub(1) else {
        return ConfigError::new(name, error.message.as_str());
    };
    let before: Vec<&str> = text.lines().take(above).collect();
    let written = text.lines().nth(above).unwrap_or("");
    let key = written.split('=').next().unwrap_or("").trim().trim_matches(['[', ']']);
    let section = match written.trim_start().starts_with('[') {
        true => None,
        false => before.iter().rev().find_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']')),
    };
    let path = section.map_or(key.to_owned(), |section| format!("{section}.{key}"));
    ConfigError::new(format!("{name}:{}: {path}", error.line), error.message.replace('\n', " "))
}

/// The line of a `section.key`, as it is mostly written; the first where it is written otherwise.
fn line_of(text: &str, path: &str) -> usize {
    let (section, key) = path.split_once('.').unwrap_or(("", path));
    let mut inside = "";
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.trim();
        } else if inside == section && line.split('=').next().is_some_and(|name| name.trim() == key) {
            return at + 1;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let error = Config::parse(text, "tierway.toml").unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn a_fault_is_named_with_its_line_and_key() {
        check("[router]\nqualty = 0.9\n", "tierway.toml:2: router.qualty: unknown field");
        check("[router]\nquality = 1.5\n", "tierway.toml:2: router.quality: 1.5 is out of range");
        check(
            "[promise]\nquality = 0.9\n[router]\n quality=nan\n",
            "tierway.toml:4: router.quality: NaN is out of range",
        );
        check("[promise]\nquality = 1.0\n", "tierway.toml:2: promise.quality: 1 is out of range");
        check("[promise]\nquality = 0.9\nconfidence = 95\n", "tierway.toml:3: promise.confidence: 95 is out of range");
        check("[retry]\nhedge_percent = 100\n", "tierway.toml:2: retry.hedge_percent: 100 is out of range");
        check("[router]\nquality = \"high\"\n", "tierway.toml:2: router.quality: invalid type");
        check("\n[router]\nmodels = [\"gpt\"]\n", "tierway.toml:3: router.models: 'gpt' is no model id");
        check("[nonsense]\n", "tierway.toml:1: nonsense: unknown field");
        check("[router\n", "tierway.toml:1");
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(Config::parse("", "x").unwrap(), Config::default());
        assert_eq!(Config::default().timeouts.limits(), Timeouts::default());
    }
}
