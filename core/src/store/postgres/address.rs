//! Where a PostgreSQL ledger is: a URL, what of it is ours, and what of it may be shown.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::{Config, Host, SslMode};

use crate::ledger::LedgerError;

/// A server, a database and a schema.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) roots: Option<PathBuf>,
    /// The schema that the ledger's tables are in; what the server's `search_path` says where there is none.
    pub(super) schema: Option<String>,
    /// What errors name: the server and the database, never the user or the password.
    pub(super) place: String,
}

impl Address {
    /// Reads a URL as libpq does. `schema`, `sslmode` and `sslrootcert` are read here: the client knows them in part.
    ///
    /// # Errors
    /// `Invalid`, without the URL, which may hold a password.
    pub(super) fn parse(url: &str, connect: Duration) -> Result<Address, LedgerError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut kept, mut mode, mut roots, mut schema) = (Vec::new(), None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("sslmode", value) => mode = Some(value.to_owned()),
                ("sslrootcert", value) => roots = Some(PathBuf::from(decoded(value)?)),
                ("lease_folder", _) => {}
                ("schema", value) => schema = Some(checked_schema(decoded(value)?)?),
                _ => kept.push(pair),
            }
        }
        let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        let mut config = Config::from_str(&url).map_err(|error| {
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            LedgerError::invalid(format!("the ledger's URL cannot be read: {}", crate::error::one_line(&reason)))
        })?;
        if config.get_hosts().is_empty() {
            config.host("localhost");
        }
        if config.get_password().is_none()
            && let Some(password) = std::env::var("PGPASSWORD").ok().filter(|password| !password.is_empty())
        {
            config.password(password);
        }
        config.ssl_mode(ssl_mode(mode.as_deref(), config.get_hosts())?);
        config.connect_timeout(connect);
        if config.get_application_name().is_none() {
            config.application_name("tierway");
        }
        let place = place(&config, schema.as_deref());
        Ok(Address { config, roots, schema, place })
    }
}

/// The folder of leased entries that a URL names with `lease_folder`.
pub(super) fn lease_folder(url: &str) -> Result<Option<PathBuf>, LedgerError> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let folder = query.split('&').find_map(|pair| pair.strip_prefix("lease_folder=")).filter(|path| !path.is_empty());
    folder.map(|path| decoded(path).map(PathBuf::from)).transpose()
}

/// TLS is checked in full or not used: a connection that is encrypted to anybody protects from nobody.
fn ssl_mode(text: Option<&str>, hosts: &[Host]) -> Result<SslMode, LedgerError> {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    match text {
        Some("disable") => Ok(SslMode::Disable),
        Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
        None | Some("" | "prefer" | "allow") => {
            Ok(if hosts.iter().all(is_here) { SslMode::Disable } else { SslMode::Require })
        }
        Some(_) => {
            Err(LedgerError::invalid("the ledger's URL has an unknown sslmode: use disable, require or verify-full"))
        }
    }
}

fn checked_schema(name: String) -> Result<String, LedgerError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    match starts && name.len() <= 63 && name.chars().all(is_plain) && !name.starts_with("pg_") {
        true => Ok(name),
        false => Err(LedgerError::invalid(
            "the ledger's schema has lower-case letters, digits and underscores, 63 at most, and no pg_ in front",
        )),
    }
}

fn decoded(text: &str) -> Result<String, LedgerError> {
    let bad = || LedgerError::invalid("the ledger's URL has a broken % escape");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(bad)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

fn place(config: &Config, schema: Option<&str>) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    let hosts = hosts.collect::<Vec<_>>().join(",");
    let schema = schema.map(|schema| format!(" (schema {schema})")).unwrap_or_default();
    format!("postgres://{hosts}/{}{schema}", config.get_dbname().unwrap_or(""))
}

/// The place that a URL names, without its user and password; for errors and Debug.
pub(in crate::store) fn shown(url: &str) -> String {
    match Address::parse(url, Duration::from_secs(1)) {
        Ok(address) => address.place,
        Err(_) => "postgres://…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, LedgerError> {
        Address::parse(url, Duration::from_secs(1))
    }

    #[test]
    fn a_password_shows_nowhere() {
        let address = parse("postgresql://ann:s3cret@db.example:6432/books?schema=llm&sslmode=verify-full").unwrap();
        assert_eq!(address.place, "postgres://db.example:6432/books (schema llm)");
        assert_eq!(address.schema.as_deref(), Some("llm"));
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
        for url in [
            "postgres://ann:s3cret@h:port/db",
            "postgres://ann:s3cret@h/db?nothing=1",
            "postgres://a:s3cret@h?schema=A b",
        ] {
            let error = parse(url).err().unwrap().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert_eq!(shown("postgres://ann:s3cret@h:port/db"), "postgres://…");
    }

    #[test]
    fn tls_is_used_unless_the_server_is_here_or_it_is_said() {
        let mode = |url: &str| parse(url).unwrap().config.get_ssl_mode();
        assert_eq!(mode("postgres://db.example/x"), SslMode::Require);
        assert_eq!(mode("postgres://db.example/x?sslmode=prefer"), SslMode::Require);
        assert_eq!(mode("postgres://127.0.0.1/x"), SslMode::Disable);
        assert_eq!(mode("postgres://localhost/x?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://db.example/x?sslmode=disable"), SslMode::Disable);
        assert!(parse("postgres://db.example/x?sslmode=maybe").is_err());
    }

    #[test]
    fn hostile_schemas_are_refused() {
        for name in ["", "Public", "a b", "a%22", "pg_toast", "a;drop", "%", &"x".repeat(64)] {
            assert!(parse(&format!("postgres://h/x?schema={name}")).is_err(), "{name}");
        }
        assert!(parse("postgres://h/x?schema=tier%77ay").is_ok());
    }
}
