//! Posts a small JSON text to an address of the owner's: alerts. It carries no prompt, no answer and no vendor's key.

use std::time::Duration;

use super::http::{Proxy, TransportOptions, build};
use crate::secrets::Secret;

/// For one delivery, connection and answer included.
const DELIVERY_MAX: Duration = Duration::from_secs(5);

/// An address and its key.
#[derive(Debug)]
pub(crate) struct Webhook {
    url: reqwest::Url,
    key: Option<Secret>,
    client: reqwest::Client,
}

impl Webhook {
    /// Checks the address; nothing is opened yet.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub(crate) fn new(url: &str, key: Option<Secret>, options: &TransportOptions) -> Result<Webhook, String> {
        let refused = || "it is no address: write it as https://host/path".to_owned();
        let url = reqwest::Url::parse(url).map_err(|_| refused())?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => {}
            "http" if key.is_none() || is_here => {}
            "http" => return Err("a key travels over https alone: write the address with https".to_owned()),
            _ => return Err(refused()),
        }
        if url.host_str().is_none() {
            return Err(refused());
        }
        let mut options = options.clone();
        if is_here {
            // What is for this machine goes through nobody: in the clear, a proxy would read the key.
            options.proxy = Proxy::Direct;
        }
        Ok(Webhook { url, key, client: build(&options)? })
    }

    /// Posts a text. Redirects are not followed.
    ///
    /// # Errors
    /// Why it was not taken, in a line without the address.
    pub(crate) async fn deliver(&self, id: &str, body: String) -> Result<(), String> {
        let mut request = self.client.post(self.url.clone()).timeout(DELIVERY_MAX);
        request = request.header("content-type", "application/json").header("tierway-alert-id", id);
        if let Some(key) = &self.key {
            let value = reqwest::header::HeaderValue::from_str(&format!("Bearer {}", key.expose()));
            let mut value = value.map_err(|_| "the key cannot stand in a header".to_owned())?;
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        let answer = request.body(body).send().await.map_err(|error| error.without_url().to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answered with status {}", status.as_u16())),
        }
    }
}
