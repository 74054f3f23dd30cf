//! Asks the hub, and follows where it points.
//!
//! Hubs keep large files with other hosts and redirect there. Each step of that is decided here: the key goes to the
//! hub's own origin and to nobody else, no step goes from TLS to plain text, and none from the open network into a
//! private one. Nothing is asked for that would be compressed: what comes is what was summed.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Response, StatusCode, Url};

use super::{PullError, PullOptions};
use crate::secrets::Secret;

/// Steps to another place; hubs take one or two.
const REDIRECTS_MAX: usize = 5;
/// Bytes of a hub's list of files; the longest have two megabytes.
const LIST_BYTES_MAX: usize = 16 << 20;

/// Asks one hub.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: reqwest::Client,
    hub: Url,
    key: Option<Secret>,
    pub(super) patience: Duration,
}

/// An answer, and what the hub itself said of the file before it pointed elsewhere.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    /// The file's checksum by the hub, or by the host of a plain address.
    pub(super) etag: Option<String>,
}

impl Fetcher {
    pub(super) fn new(options: &PullOptions) -> Result<Fetcher, PullError> {
        let hub = Url::parse(&options.hub).ok().filter(|hub| hub.has_host() && is_web(hub));
        let hub = hub.ok_or_else(|| PullError::Name { what: "the hub's address must begin with https://".into() })?;
        if options.key.is_some() && hub.scheme() == "http" && !is_private(&hub) {
            let what = "a key is not sent without TLS: the hub's address must begin with https://";
            return Err(PullError::Name { what: what.into() });
        }
        let client = crate::transport::http_client(&Default::default()).map_err(PullError::network)?;
        Ok(Fetcher { client, hub, key: options.key.clone(), patience: options.patience })
    }

    /// Whether an address is one of the hub's own.
    pub(super) fn is_hub(&self, url: &Url) -> bool {
        url.origin() == self.hub.origin()
    }

    /// An address of the hub.
    pub(super) fn address(&self, parts: &[&str]) -> Url {
        let mut url = self.hub.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// The answer's head, from byte `from` of the content on, after every redirection.
    pub(super) async fn get(&self, url: &Url, from: u64) -> Result<Answer, PullError> {
        let (mut url, mut etag) = (url.clone(), None);
        for _ in 0..=REDIRECTS_MAX {
            let response = self.ask(&url, from).await?;
            // The first to name the checksum is the hub; a host that it points to has no say.
            etag = etag.or_else(|| checksum_header(response.headers()));
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok(Answer { response, etag });
            }
            url = next(&url, response.headers())?;
        }
        Err(PullError::Redirect { what: format!("there were more than {REDIRECTS_MAX}") })
    }

    async fn ask(&self, url: &Url, from: u64) -> Result<Response, PullError> {
        let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        if let Some(key) = self.key.as_ref().filter(|_| self.is_hub(url)) {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
            let mut value = value.map_err(|_| PullError::Name { what: "the key cannot stand in a header".into() })?;
            value.set_sensitive(true);
            request = request.header(reqwest::header::AUTHORIZATION, value);
        }
        match tokio::time::timeout(self.patience, request.send()).await {
            Err(_) => Err(PullError::network("no answer came in time")),
            Ok(Err(error)) => Err(PullError::network(why(&error))),
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// A list of the hub's, as text.
    pub(super) async fn list(&self, url: &Url, what: &str) -> Result<Vec<u8>, PullError> {
        let Answer { mut response, .. } = self.get(url, 0).await?;
        check_status(&response, what)?;
        let mut text = Vec::new();
        while let Some(piece) = self.piece(&mut response).await? {
            text.extend_from_slice(&piece);
            if text.len() > LIST_BYTES_MAX {
                return Err(PullError::answer(format!("its list has more than {LIST_BYTES_MAX} bytes")));
            }
        }
        Ok(text)
    }

    /// The next piece of a body.
    pub(super) async fn piece(&self, response: &mut Response) -> Result<Option<bytes::Bytes>, PullError> {
        match tokio::time::timeout(self.patience, response.chunk()).await {
            Err(_) => Err(PullError::network("nothing more came in time")),
            Ok(piece) => piece.map_err(|error| PullError::network(why(&error))),
        }
    }
}

/// Where a redirection leads, if it may be followed.
fn next(from: &Url, headers: &HeaderMap) -> Result<Url, PullError> {
    let refused = |what: &str| PullError::Redirect { what: what.to_owned() };
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok());
    let to = to.filter(|to| to.has_host() && is_web(to)).ok_or_else(|| refused("it leads to no address of the web"))?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(refused("it leads from an encrypted connection to one that is not"));
    }
    if is_private(&to) && !is_private(from) {
        return Err(refused("it leads from the open network into a private one"));
    }
    Ok(to)
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Whether an address is of this machine or of a private network, as far as it says so itself.
fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => {
            let inner = ip.to_ipv4_mapped().is_some_and(|ip| ip.is_private() || ip.is_loopback() || ip.is_link_local());
            inner || ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn checksum_header(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-linked-etag").or_else(|| headers.get("etag"))?.to_str().ok()?;
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    super::digest::is_hex(text, 64).then(|| text.to_ascii_lowercase())
}

/// What a status that is no success means.
pub(super) fn check_status(response: &Response, what: &str) -> Result<(), PullError> {
    let status = response.status();
    let what = || what.to_owned();
    match status.as_u16() {
        200..=299 => Ok(()),
        401 | 403 => Err(PullError::Denied { what: what() }),
        404 | 410 => Err(PullError::NotFound { what: what() }),
        408 | 429 | 500..=599 => {
            let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            Err(PullError::Network { what: format!("the server answered {status}"), wait_s: wait })
        }
        _ => Err(PullError::answer(format!("its status is {status}"))),
    }
}

/// The innermost reason, without the address, which may hold a signature.
fn why(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let kind = if error.is_connect() { "no connection" } else { "the connection broke" };
    if std::ptr::addr_eq(inner, error) { kind.to_owned() } else { format!("{kind} ({inner})") }
}
