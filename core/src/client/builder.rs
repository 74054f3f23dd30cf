//! Setting up a client: what is on sale, what may go where, which keys there are, where the account is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::attempt;
use crate::catalog::{Catalog, fill_address, has_places};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::id::EndpointId;
use crate::learn::{Pledge, ShadowSettings};
use crate::ledger::{Alert, Rules};
use crate::model::{Auth, Endpoint};
use crate::plan::{CascadeSettings, CheckKind, Settings};
use crate::policy::Policy;
use crate::provider::Provider;
use crate::score::Scorer;
use crate::secrets::{Keyring, Secret};
use crate::snapshot::{HealthBook, HealthRules, Keys, Offers, Usable};
use crate::store::Store;
use crate::transport::Transport;

use super::alerts::{Alerts, Callback, Ears};
use super::check::{Check, Wellformed};
use super::ids::Ids;
use super::pledge::Watch;
use super::providers::Providers;
use super::sessions::Sessions;
use super::{Client, Error, Inner};

#[cfg(feature = "engine")]
mod local;

/// Collects what a client is made of. Everything has a default; keys and providers decide what can be called.
#[derive(Clone, Debug, Default)]
pub struct ClientBuilder {
    config: Config,
    catalog: Option<Catalog>,
    policy: Option<Policy>,
    settings: Option<Settings>,
    rules: Option<attempt::Rules>,
    health_rules: HealthRules,
    keyring: Keyring,
    addresses: BTreeMap<EndpointId, String>,
    read_environment: bool,
    #[cfg_attr(not(feature = "engine"), allow(dead_code, reason = "the engine alone looks for models"))]
    model_folders: Vec<std::path::PathBuf>,
    assume_keys: bool,
    providers: Providers,
    store: Option<Arc<dyn Store>>,
    transport: Option<Arc<dyn Transport>>,
    clock: Option<Arc<dyn Clock>>,
    checks: Vec<Arc<dyn Check>>,
    named_checks: BTreeMap<String, Arc<dyn Check>>,
    cascade: Option<CascadeSettings>,
    shadow: Option<ShadowSettings>,
    pledge: Option<Pledge>,
    on_alert: Option<Callback>,
}

impl ClientBuilder {
    /// Takes settings from `tierway.toml`, if there is one, keys from the environment, and keeps the ledger in
    /// `tierway.db` or where the settings say.
    ///
    /// # Errors
    /// Where the file is not valid, or the ledger cannot be opened.
    #[cfg(all(feature = "http", feature = "sqlite"))]
    pub fn from_env() -> Result<ClientBuilder, Error> {
        Ok(ClientBuilder::default().config(Config::find()?).environment())
    }

    /// Takes these settings. What is set one by one on the builder wins over them.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// What is on sale, in place of the built-in catalogue and the files that the settings name.
    pub fn catalog(mut self, catalog: Catalog) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// What may go where.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// How models are chosen.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// How often and how long to try.
    pub fn rules(mut self, rules: attempt::Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// When an endpoint that fails is left alone.
    pub fn health_rules(mut self, rules: HealthRules) -> Self {
        self.health_rules = rules;
        self
    }

    /// Gives an endpoint its key.
    pub fn key(mut self, endpoint: EndpointId, key: Secret) -> Self {
        self.keyring.insert(endpoint, key);
        self
    }

    /// Gives an endpoint another address, such as a proxy's or a test server's. Its key goes there too, so only you can
    /// say it: no request can.
    pub fn base_url(mut self, endpoint: EndpointId, url: impl Into<String>) -> Self {
        self.addresses.insert(endpoint, url.into().trim_end_matches('/').to_owned());
        self
    }

    /// Reads keys from the environment's variables that the catalogue and the settings name.
    pub fn environment(mut self) -> Self {
        self.read_environment = true;
        self
    }

    /// Looks for models of the native engine in these folders, before those that the environment names. They are looked
    /// for where `environment` was asked for; without the engine they are not used.
    pub fn model_folders(mut self, folders: impl IntoIterator<Item = std::path::PathBuf>) -> Self {
        self.model_folders.extend(folders);
        self
    }

    /// Decides as if every endpoint that wants a key had it: to explain decisions. A call without a key still fails.
    pub fn assume_keys(mut self) -> Self {
        self.assume_keys = true;
        self
    }

    /// Answers calls to an endpoint of the catalogue by code of your own.
    pub fn provider(mut self, endpoint: EndpointId, provider: Arc<dyn Provider>) -> Self {
        self.providers.insert(endpoint, provider);
        self
    }

    /// Where the account is kept; in memory by default.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// How bytes are moved; over HTTP by default.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// What tells the time; the system's clock by default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Calls this function when a budget reaches a mark, or a limit that does not refuse is passed. It is called on a
    /// thread of its own, once for each: no call waits for it.
    pub fn on_alert(mut self, tell: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.on_alert = Some(Callback(Arc::new(tell)));
        self
    }

    /// Checks whole answers, and asks a better model where one falls short.
    pub fn check(mut self, check: Arc<dyn Check>) -> Self {
        self.checks.push(check);
        self
    }

    /// Checks whole answers for what can be seen without knowing the subject: empty, refused, or not the JSON asked for.
    pub fn check_wellformed(self) -> Self {
        self.check(Arc::new(Wellformed))
    }

    /// Lets the router plan cascades: a cheap model first, its answer checked, a better one where it falls short.
    pub fn cascade(mut self, cascade: CascadeSettings) -> Self {
        self.cascade = Some(cascade);
        self
    }

    /// Asks the better model too for some requests, after the answer, and learns from the comparison.
    pub fn shadow(mut self, shadow: ShadowSettings) -> Self {
        self.shadow = Some(shadow);
        self
    }

    /// Tests this promise of quality on live traffic, by shadows and marks, and aims higher where it fails.
    pub fn promise(mut self, pledge: Pledge) -> Self {
        self.pledge = Some(pledge);
        self
    }

    /// Gives the check of this name, which `CheckKind::Own` plans by.
    pub fn named_check(mut self, name: impl Into<String>, check: Arc<dyn Check>) -> Self {
        self.named_checks.insert(name.into(), check);
        self
    }

    /// Makes the client. No connection is opened yet: the first call does that. Where the settings name a ledger file
    /// and no store was given, the file is opened; without either, the account is kept in memory.
    ///
    /// # Errors
    /// `Error::Ledger` where the ledger cannot be opened.
    /// `Error::Config` where a value, a key or a catalogue file is not valid, or a model in the settings is unknown.
    pub fn build(self) -> Result<Client, Error> {
        self.config.check()?;
        let builtin = Catalog::builtin();
        let loaded = || self.config.catalog.load(builtin);
        let catalog = self.catalog.map_or_else(loaded, Ok)?;
        #[cfg(all(feature = "engine", feature = "http"))]
        let catalog = match self.read_environment {
            true => crate::local::with_pulled(catalog, &local::folders(&self.model_folders)),
            false => catalog,
        };
        let read = |name: &str| if self.read_environment { std::env::var(name).ok() } else { None };
        let endpoints = catalog.endpoints().iter().map(|endpoint| address(endpoint, &self.addresses, read));
        let offers = Arc::new(Offers::new(catalog.cards().iter().cloned(), endpoints));
        let mut keyring = self.keyring;
        if self.read_environment {
            read_keys(&self.config, offers.endpoints(), &mut keyring)?;
        }
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let mut providers = self.providers;
        #[cfg(feature = "engine")]
        let offers = match self.read_environment {
            true => local::connect(offers, &mut providers, &self.model_folders),
            false => offers,
        };
        let own = |endpoint: &&Arc<Endpoint>| providers.has(&endpoint.id);
        let own: Vec<EndpointId> = offers.endpoints().iter().filter(own).map(|endpoint| endpoint.id.clone()).collect();
        if let Some(transport) = self.transport.map_or_else(|| stock_transport(&self.config), |own| Ok(Some(own)))? {
            providers.connect(offers.endpoints(), &keyring, &transport, &clock);
        }
        let mut settings = self.settings.unwrap_or_else(|| self.config.settings());
        settings.cascade = self.cascade.unwrap_or(settings.cascade);
        check_settings(&settings, &offers, &self.named_checks)?;
        let shadow = self.shadow.unwrap_or_else(|| self.config.shadow.settings());
        let pledge = self.pledge.or_else(|| self.config.promise.pledge());
        check_watch(&shadow, pledge, &offers)?;
        let is_usable = |endpoint: &Endpoint| {
            own.contains(&endpoint.id)
                || (self.assume_keys && endpoint.auth != Auth::None)
                || (!has_places(endpoint) && keyring.key(&endpoint.id).is_some())
                || (endpoint.auth == Auth::None && self.config.uses(endpoint, builtin))
        };
        let keys = Keys::of(&offers, is_usable);
        let (store, rules) = open_store(self.store, &self.config)?;
        let alerts = start_alerts(ears(self.on_alert, &self.config)?, &store, &clock, rules)?;
        let inner = Inner {
            usable: Arc::new(Usable::of(&keys, &offers)),
            keys: Arc::new(keys),
            policy: Arc::new(self.policy.unwrap_or(self.config.policy.clone())),
            direct: Arc::new(direct(&settings)),
            settings: Arc::new(settings),
            rules: self.rules.unwrap_or_else(|| self.config.rules()),
            scorer: Scorer::builtin().ready_for(&offers),
            providers,
            store,
            alerts,
            clock,
            checks: self.checks,
            named_checks: self.named_checks,
            health: Mutex::new(Arc::new(HealthBook::new(self.health_rules))),
            sessions: Mutex::new(Sessions::default()),
            lessons: Default::default(),
            shadow,
            shadows: Default::default(),
            watch: Watch::new(pledge),
            ids: Ids::new(),
            owner: std::process::id(),
            offers,
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}

/// The same settings without checks.
fn direct(settings: &Settings) -> Settings {
    Settings { cascade: CascadeSettings::default(), ..settings.clone() }
}

/// The store that was given; else that of the settings, and its rules.
fn open_store(own: Option<Arc<dyn Store>>, config: &Config) -> Result<(Arc<dyn Store>, Option<Rules>), Error> {
    if let Some(own) = own {
        return Ok((own, None));
    }
    let rules = config.ledger_rules()?;
    let store = crate::store::open(config.ledger.path.as_deref(), rules.clone()).map_err(Error::Ledger)?;
    Ok((store, Some(rules)))
}

fn start_alerts(
    ears: Ears,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    rules: Option<Rules>,
) -> Result<Arc<Alerts>, ConfigError> {
    let started = Alerts::start(ears, store.clone(), clock.clone(), rules);
    started.map_err(|error| ConfigError::new("alerts", format!("no thread for them: {error}")))
}

/// Whom the settings and the caller want told of alerts.
fn ears(callback: Option<Callback>, config: &Config) -> Result<Ears, Error> {
    let ears = Ears {
        callback,
        #[cfg(feature = "http")]
        webhook: None,
    };
    let Some(url) = &config.alerts.webhook else { return Ok(ears) };
    let key = config.alerts.webhook_key_env.as_ref().map(|name| {
        let text = std::env::var(name).unwrap_or_default();
        Secret::new(text)
            .map_err(|error| ConfigError::new(format!("alerts.webhook_key_env: {name}"), error.to_string()))
    });
    with_webhook(ears, url, key.transpose()?, config)
}

#[cfg(feature = "http")]
fn with_webhook(ears: Ears, url: &str, key: Option<Secret>, config: &Config) -> Result<Ears, Error> {
    let webhook = crate::transport::Webhook::new(url, key, &config.transport_options()?);
    let webhook = webhook.map_err(|reason| ConfigError::new("alerts.webhook", reason))?;
    Ok(Ears { webhook: Some(webhook), ..ears })
}

#[cfg(not(feature = "http"))]
fn with_webhook(_: Ears, _: &str, _: Option<Secret>, _: &Config) -> Result<Ears, Error> {
    Err(ConfigError::new("alerts.webhook", "this build posts nothing: turn on the feature `http`").into())
}

/// The endpoint at the address that was set for it, else with the places of its own address filled, as far as the
/// environment fills them.
fn address(
    endpoint: &Arc<Endpoint>,
    addresses: &BTreeMap<EndpointId, String>,
    read: impl Fn(&str) -> Option<String>,
) -> Arc<Endpoint> {
    if let Some(url) = addresses.get(&endpoint.id) {
        return Arc::new(Endpoint { base_url: url.clone(), ..(**endpoint).clone() });
    }
    match has_places(endpoint) {
        true => fill_address(endpoint, read).map_or_else(|_| endpoint.clone(), Arc::new),
        false => endpoint.clone(),
    }
}

/// Reads each endpoint's key from the variable that the settings name for it, else the catalogue.
fn read_keys(config: &Config, endpoints: &[Arc<Endpoint>], keyring: &mut Keyring) -> Result<(), Error> {
    for endpoint in endpoints {
        let named = config.keys.get(endpoint.id.as_str()).or(endpoint.key_env.as_ref());
        let Some(name) = named.filter(|_| keyring.key(&endpoint.id).is_none()) else { continue };
        let read = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        let Some(text) = read(name).and_then(|text| whole_key(endpoint, text, read)) else { continue };
        let key = Secret::new(text).map_err(|error| ConfigError::new(name, error.to_string()))?;
        keyring.insert(endpoint.id.clone(), key);
    }
    for endpoint in config.keys.keys() {
        if !endpoints.iter().any(|known| known.id.as_str() == endpoint) {
            let reason = "no endpoint has this id: see `tierway models --endpoints`";
            return Err(ConfigError::new(format!("keys.{endpoint}"), reason).into());
        }
    }
    Ok(())
}

/// The key as the endpoint's scheme takes it: AWS hands out an access key, its secret and perhaps a session's token in
/// three variables, and signs with all of them. `None` where the secret is not there.
fn whole_key(endpoint: &Endpoint, text: String, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    if !matches!(endpoint.auth, Auth::Sigv4(_)) || text.contains(':') {
        return Some(text);
    }
    let secret = read("AWS_SECRET_ACCESS_KEY")?;
    let both = format!("{}:{}", text.trim(), secret.trim());
    Some(match read("AWS_SESSION_TOKEN") {
        Some(token) => format!("{both}:{}", token.trim()),
        None => both,
    })
}

/// A model in the settings that nothing sells would never be chosen: better said at once. Cascades are checked too.
fn check_settings(
    settings: &Settings,
    offers: &Offers,
    named_checks: &BTreeMap<String, Arc<dyn Check>>,
) -> Result<(), Error> {
    let named = settings.models.iter().map(|model| ("router.models", model));
    let baseline = settings.baseline.iter().map(|model| ("router.baseline", model));
    for (key, model) in named.chain(baseline) {
        if offers.find(model).is_none() {
            let like: Vec<String> = offers.like(model, 3).iter().map(|id| id.to_string()).collect();
            let advice = match like.is_empty() {
                true => "see `tierway models`".to_owned(),
                false => format!("did you mean {}?", like.join(", ")),
            };
            return Err(ConfigError::new(key, format!("no model is named '{model}': {advice}")).into());
        }
    }
    check_cascade(&settings.cascade, offers, named_checks)
}

/// Checks that judges are on sale, and that named checks were given.
fn check_cascade(
    wanted: &CascadeSettings,
    offers: &Offers,
    named: &BTreeMap<String, Arc<dyn Check>>,
) -> Result<(), Error> {
    for check in &wanted.checks {
        let (key, reason) = match &check.kind {
            CheckKind::Judge(model) if offers.find(model).is_none() => {
                ("cascade.judge", format!("no model is named '{model}': see `tierway models`"))
            }
            CheckKind::Own(name) if !named.contains_key(name) => {
                ("cascade.checks", format!("no check is named '{name}': give it with `named_check`"))
            }
            _ => continue,
        };
        return Err(ConfigError::new(key, reason).into());
    }
    Ok(())
}

/// Checks the figures of shadows and of the promise, and that the judge is on sale.
fn check_watch(shadow: &ShadowSettings, pledge: Option<Pledge>, offers: &Offers) -> Result<(), Error> {
    let within = |share: f64| share > 0.0 && share < 1.0;
    if !(0.0..=1.0).contains(&shadow.rate) {
        return Err(ConfigError::new("shadow.rate", format!("{} is out of range: use 0 to 1", shadow.rate)).into());
    }
    if let Some(model) = shadow.judge.as_ref().filter(|model| offers.find(model).is_none()) {
        let reason = format!("no model is named '{model}': see `tierway models`");
        return Err(ConfigError::new("shadow.judge", reason).into());
    }
    match pledge.filter(|pledge| !within(pledge.quality) || !within(pledge.confidence)) {
        Some(_) => Err(ConfigError::new("promise", "quality and confidence lie between 0 and 1, such as 0.95").into()),
        None => Ok(()),
    }
}

#[cfg(feature = "http")]
fn stock_transport(config: &Config) -> Result<Option<Arc<dyn Transport>>, Error> {
    let options = config.transport_options()?;
    Ok(Some(Arc::new(crate::transport::HttpTransport::new(options))))
}

#[cfg(not(feature = "http"))]
fn stock_transport(_: &Config) -> Result<Option<Arc<dyn Transport>>, Error> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_keys_are_put_together() {
        let bedrock = Catalog::builtin().endpoint(&EndpointId::new("bedrock-eu-central-1").unwrap()).unwrap();
        let none = |_: &str| None;
        let secret = |name: &str| (name == "AWS_SECRET_ACCESS_KEY").then(|| "secret".to_owned());
        let all = |name: &str| Some(if name == "AWS_SESSION_TOKEN" { "token" } else { "secret" }.to_owned());
        assert_eq!(whole_key(bedrock, "AKIA".to_owned(), none), None);
        assert_eq!(whole_key(bedrock, "AKIA".to_owned(), secret).as_deref(), Some("AKIA:secret"));
        assert_eq!(whole_key(bedrock, "AKIA".to_owned(), all).as_deref(), Some("AKIA:secret:token"));
        assert_eq!(whole_key(bedrock, "AKIA:s".to_owned(), none).as_deref(), Some("AKIA:s"));
    }
}
