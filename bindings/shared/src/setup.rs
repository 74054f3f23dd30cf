//! A client's settings as JSON, and what the host brings besides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tierway::catalog::{Catalog, CatalogError, CatalogFile};
use tierway::client::{Client, ClientBuilder};
use tierway::config::{
    BudgetConfig, CascadeConfig, CatalogConfig, Config, FILE_NAME, LedgerConfig, PromiseConfig, RateConfig,
    RetryConfig, RouterConfig, ShadowConfig, TimeoutConfig, TransportConfig,
};
use tierway::id::{DataLabel, EndpointId, ProviderId};
use tierway::policy::{LabelRule, Policy};
use tierway::secrets::Secret;
#[cfg(feature = "http")]
use tierway::transport::HttpTransport;
use tierway::transport::Transport;

use crate::foreign::{Answerer, Judge};
use crate::{Failure, ForeignCheck, ForeignProvider, json};

const CODE: &str = "invalid_config";

/// A client's settings. Every field may be left out; one that is not known is an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// A `tierway.toml` to start from; an empty text looks for one in the working folder. What is said here besides
    /// takes the place of its sections.
    pub file: Option<PathBuf>,
    /// How models are chosen, as `[router]` in the file.
    pub router: Option<RouterConfig>,
    /// Which checks may be planned, as `[cascade]`.
    pub cascade: Option<CascadeConfig>,
    /// Which requests the better model is asked too, as `[shadow]`.
    pub shadow: Option<ShadowConfig>,
    /// What is promised of live answers, as `[promise]`.
    pub promise: Option<PromiseConfig>,
    /// What may go where, as `[policy]`.
    pub policy: Option<Policy>,
    /// Where the account is kept, as `[ledger]`: in memory where no path is said.
    pub ledger: Option<LedgerConfig>,
    /// Rules for kinds of data besides the policy's own, as `[policy.labels]`.
    pub labels: BTreeMap<DataLabel, LabelRule>,
    /// Limits on what may be spent, as `[[budgets]]`.
    pub budgets: Option<Vec<BudgetConfig>>,
    /// Limits on how fast, as `[[rates]]`.
    pub rates: Option<Vec<RateConfig>>,
    /// Time limits, as `[timeouts]`.
    pub timeouts: Option<TimeoutConfig>,
    /// How often to try, as `[retry]`.
    pub retry: Option<RetryConfig>,
    /// How to reach the network, as `[transport]`.
    pub transport: Option<TransportConfig>,
    /// Files of rows, as `[catalog]`.
    pub catalog: Option<CatalogConfig>,
    /// Rows as text, each in the format of a catalogue file, by a name for errors.
    pub catalog_texts: BTreeMap<String, String>,
    /// Rows as data: each has `vendor`, `endpoints` and `models` as a catalogue file does.
    pub rows: Vec<Value>,
    /// Whether to read keys from the environment.
    pub environment: bool,
    /// Folders that models of the native engine are looked for in, besides those of the environment.
    pub model_folders: Vec<PathBuf>,
    /// Environment variables that hold keys, by endpoint: in place of the catalogue's names.
    pub key_env: BTreeMap<String, String>,
    /// Other addresses, by endpoint.
    pub base_urls: BTreeMap<EndpointId, String>,
    /// Whether to decide as if every endpoint had its key.
    pub assume_keys: bool,
    /// Whether to check answers for what can be seen without knowing the subject.
    pub check_wellformed: bool,
    /// What tests script.
    #[cfg(feature = "testing")]
    pub testing: crate::testing::Script,
}

/// What a host brings that no JSON can say.
#[derive(Clone, Default)]
pub struct Host {
    /// Providers by the endpoint of the catalogue that they answer for.
    pub providers: BTreeMap<String, Arc<dyn ForeignProvider>>,
    /// Checks, in their order.
    pub checks: Vec<Arc<dyn ForeignCheck>>,
    /// How bytes are moved, in place of the library's own HTTP.
    pub transport: Option<Arc<dyn Transport>>,
    /// Whether answers over the library's own HTTP are read ahead on its thread: for a host that reads streams from another.
    pub reads_ahead: bool,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("providers", &self.providers.keys()).finish_non_exhaustive()
    }
}

/// A client and what it was made with.
pub(crate) struct Made {
    pub(crate) client: Client,
    pub(crate) catalog: Catalog,
    #[cfg(feature = "testing")]
    pub(crate) loopback: Option<crate::testing::Loopback>,
}

/// Makes a client of the settings' JSON: `{"keys": {"openai": "..."}, "router": {"quality": 0.9}, ...}`.
pub(crate) fn make(text: &str, host: Host) -> Result<Made, Failure> {
    let mut value = json::value(text, "settings", CODE)?;
    // Keys are taken out first: nothing that could quote them reads them.
    let keys = value.as_object_mut().and_then(|fields| fields.remove("keys"));
    let setup = read_setup(value)?;
    let config = config(&setup)?;
    let catalog = catalog(&setup, &config)?;
    let mut builder = Client::builder().catalog(catalog.clone());
    for (endpoint, key) in read_keys(keys, &catalog)? {
        builder = builder.key(endpoint, key);
    }
    for (endpoint, url) in &setup.base_urls {
        known(&catalog, endpoint.as_str(), "base_urls")?;
        builder = builder.base_url(endpoint.clone(), url.clone());
    }
    if setup.environment {
        builder = builder.environment().model_folders(setup.model_folders.iter().cloned());
    }
    if setup.assume_keys {
        builder = builder.assume_keys();
    }
    if setup.check_wellformed {
        builder = builder.check_wellformed();
    }
    #[cfg(feature = "http")]
    if host.transport.is_none() && host.reads_ahead {
        let options = config.transport_options()?;
        builder = builder.transport(Arc::new(crate::ahead::Ahead(HttpTransport::new(options))));
    }
    builder = bring(builder, host, &catalog)?;
    #[cfg(feature = "testing")]
    let (mut builder, loopback) = setup.testing.apply(builder, &catalog)?;
    builder = builder.config(config);
    Ok(Made {
        client: builder.build()?,
        catalog,
        #[cfg(feature = "testing")]
        loopback,
    })
}

/// Reads the settings. A fault is told by the section that it is in.
fn read_setup(value: Value) -> Result<Setup, Failure> {
    // A list would be taken for the fields in their order.
    if !value.is_object() {
        return Err(Failure::new(CODE, "settings: expected an object").with_field("settings"));
    }
    // The keys are out of it already.
    let whole = match json::take(value.clone(), "settings", CODE) {
        Ok(setup) => return Ok(setup),
        Err(failure) => failure,
    };
    const UNKNOWN: &str = "it has a field that is not known";
    for (name, section) in value.as_object().into_iter().flatten() {
        let alone = |section: &Value| Value::from_iter([(name.clone(), section.clone())]);
        let read = |section: &Value, place: &str| json::take::<Setup>(alone(section), place, CODE);
        let is_known = !read(&Value::Null, "settings").is_err_and(|failure| failure.message.contains(UNKNOWN));
        let place = if is_known { name.as_str() } else { "settings" };
        let Err(mut failure) = read(section, place) else { continue };
        if !is_known {
            failure.message = failure.message.replace(UNKNOWN, &format!("none is named '{name}'"));
        }
        return Err(failure);
    }
    Err(whole)
}

fn config(setup: &Setup) -> Result<Config, Failure> {
    let mut config = match &setup.file {
        None => Config::default(),
        Some(path) if !cfg!(feature = "toml") => {
            let is_named = !path.as_os_str().is_empty() || std::env::var_os("TIERWAY_CONFIG").is_some();
            if is_named || Path::new(FILE_NAME).exists() {
                return Err(no_toml("file", "the settings' own fields"));
            }
            Config::default()
        }
        Some(path) if path.as_os_str().is_empty() => Config::find()?,
        Some(path) => Config::load(path)?,
    };
    macro_rules! take_over {
        ($($section:ident),+) => {
            $(if let Some(section) = &setup.$section { config.$section = section.clone(); })+
        };
    }
    take_over!(router, cascade, shadow, promise, policy, ledger, budgets, rates, timeouts, retry, transport, catalog);
    config.policy.labels.extend(setup.labels.clone());
    config.keys.extend(setup.key_env.clone());
    Ok(config)
}

fn catalog(setup: &Setup, config: &Config) -> Result<Catalog, Failure> {
    let has_files = !setup.catalog_texts.is_empty() || config.catalog != CatalogConfig::default();
    if has_files && !cfg!(feature = "toml") {
        return Err(no_toml("catalog", "`rows`"));
    }
    let base = match cfg!(feature = "toml") {
        true => config.catalog.load(Catalog::builtin())?,
        false => Catalog::builtin().clone(),
    };
    #[cfg(all(feature = "engine", feature = "http"))]
    let base = match setup.environment {
        true => {
            let own = setup.model_folders.iter().cloned();
            let folders: Vec<PathBuf> = own.chain(tierway::local::model_folders()).collect();
            tierway::local::with_pulled(base, &folders)
        }
        false => base,
    };
    let refuse = |error: CatalogError| Failure::new(CODE, error.to_string()).with_field("catalog");
    let texts: Vec<CatalogFile<'_>> =
        setup.catalog_texts.iter().map(|(name, text)| CatalogFile { name, text }).collect();
    let base = match cfg!(feature = "toml") && !texts.is_empty() {
        true => base.with_files(&texts).map_err(refuse)?,
        false => base,
    };
    if let Some(bad) = setup.rows.iter().find(|rows| !rows.is_object()) {
        let found = if bad.is_array() { "a list" } else { "a single value" };
        let reason = format!("rows: expected an object with `vendor`, `endpoints` and `models`, not {found}");
        return Err(Failure::new(CODE, reason));
    }
    let named = |(at, rows): (usize, &Value)| (format!("rows[{at}]"), rows.clone());
    let rows: Vec<(String, Value)> = setup.rows.iter().enumerate().map(named).collect();
    match rows.is_empty() {
        true => Ok(base),
        false => base.with_rows(&rows).map_err(refuse),
    }
}

/// What is said where a build reads no TOML.
fn no_toml(field: &str, instead: &str) -> Failure {
    let reason = format!("{field}: this build reads no TOML: use {instead}, or build it with the feature `toml`");
    Failure::new(CODE, reason).with_field(field)
}

fn read_keys(keys: Option<Value>, catalog: &Catalog) -> Result<Vec<(EndpointId, Secret)>, Failure> {
    let wrong = |field: String, reason: String| Failure::new(CODE, format!("{field}: {reason}")).with_field(field);
    let keys = match keys {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(keys)) => keys,
        Some(_) => return Err(wrong("keys".to_owned(), "expected an object of keys by endpoint".to_owned())),
    };
    let mut found = Vec::with_capacity(keys.len());
    for (name, key) in keys {
        let field = format!("keys.{name}");
        let endpoint = known(catalog, &name, "keys")?;
        let Value::String(key) = key else { return Err(wrong(field, "expected the key as a text".to_owned())) };
        found.push((endpoint, Secret::new(key).map_err(|error| wrong(field, error.to_string()))?));
    }
    Ok(found)
}

/// The endpoint of the catalogue that is named.
fn known(catalog: &Catalog, name: &str, section: &str) -> Result<EndpointId, Failure> {
    let field = format!("{section}.{name}");
    let refuse = |reason: String| Failure::new(CODE, format!("{field}: {reason}")).with_field(field.clone());
    let id = EndpointId::new(name).map_err(|error| refuse(error.to_string()))?;
    match catalog.endpoint(&id) {
        Some(_) => Ok(id),
        None => Err(refuse("no endpoint of the catalogue has this id: correct it, or add its row".to_owned())),
    }
}

fn bring(mut builder: ClientBuilder, host: Host, catalog: &Catalog) -> Result<ClientBuilder, Failure> {
    for (name, provider) in host.providers {
        let endpoint = known(catalog, &name, "providers")?;
        let id = ProviderId::new(endpoint.as_str()).expect("an endpoint's id is a provider's");
        builder = builder.provider(endpoint, Arc::new(Answerer::new(id, provider)));
    }
    for check in host.checks {
        builder = builder.check(Arc::new(Judge(check)));
    }
    if let Some(transport) = host.transport {
        builder = builder.transport(transport);
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_as_data_are_read_as_rows_of_a_file() {
        let rows = json!({
            "vendor": "house",
            "endpoints": [{
                "id": "house", "api": "engine", "base_url": "http://localhost", "region": "local", "auth": "none",
                "self_hosted": true, "key_env": null,
            }],
            "models": [{
                "id": "house/brain", "family": "brain-1", "tier": "local", "context_window": 8192,
                "max_output": 1024, "capabilities": ["streaming"], "source": "ours", "date": "2026-01-01",
                "prices": [{"rates": {"input": "0.1", "output": "0.2"}}],
            }],
        });
        let made = |rows: Value| catalog(&Setup { rows: vec![rows], ..Setup::default() }, &Config::default());
        let cards = made(rows).unwrap_or_else(|failure| panic!("{}", failure.message));
        let card = cards.find(&"house/brain".parse().unwrap()).unwrap();
        assert_eq!(card.family, "brain-1");
        let bad = made(json!({"vendor": "house", "models": [{"id": 7}]})).unwrap_err();
        assert!(bad.message.starts_with("rows[0]:2: "), "{}", bad.message);
        assert!(made(json!([])).unwrap_err().message.contains("not a list"));
    }

    #[test]
    fn a_fault_is_told_by_its_section() {
        let check = |text: &str, field: &str, says: &str| {
            let failure = make(text, Host::default()).map(drop).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.field.as_deref()), (CODE, Some(field)), "{text}");
            assert!(failure.message.starts_with(field) && failure.message.contains(says), "{}", failure.message);
            assert!(!failure.message.contains("canary"), "{}", failure.message);
        };
        check(r#"{"routr": {"quality": 0.9}}"#, "settings", "none is named 'routr': use one of `file`, `router`");
        check(r#"{"router": {"qualty": 0.9}}"#, "router", "a field that is not known: use one of `quality`");
        check(r#"{"rows": [], "router": {"quality": "canary"}}"#, "router", "expected f64");
        check(r#"{"rows": 7}"#, "rows", "expected a sequence");
        check(r#"{"router": {"quality": 9}}"#, "router.quality", "9 is out of range: use above 0 to 1");
        check(r#"["canary"]"#, "settings", "expected");
    }
}
