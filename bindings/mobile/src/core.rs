//! The client as it crosses the border.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tierway_bindings::{Carrier, Failure, ForeignCheck, ForeignProvider, Handle, Host};

use crate::host::Bridge;
use crate::offline::{is_unsent, local_body, local_request, with_rule};
use crate::outbox::Outbox;
use crate::stream::CoreStream;
use crate::work::run;
use crate::{
    CoreError, HostCheck, HostProvider, HostTransport, Letter, LetterState, OfflineMode, OfflinePlan, Stopper,
    Submitted,
};

/// A client. All methods may be called at once from any thread. `stop` cancels the call that it is given to.
#[derive(uniffi::Object)]
pub struct Core {
    inner: Arc<Inner>,
}

struct Inner {
    handle: Handle,
    mode: OfflineMode,
    is_online: AtomicBool,
    outbox: Option<Outbox>,
    /// Held while the outbox is delivered: by one caller at a time.
    delivery: tokio::sync::Mutex<()>,
}

#[uniffi::export]
impl Core {
    /// A client of these settings (JSON, as `Setup` says) with what the host brings: providers by endpoint, checks in their
    /// order, and a transport in place of the library's own.
    #[uniffi::constructor]
    pub fn new(
        settings: String,
        providers: HashMap<String, Arc<dyn HostProvider>>,
        checks: Vec<Arc<dyn HostCheck>>,
        transport: Option<Arc<dyn HostTransport>>,
        offline: OfflinePlan,
    ) -> Result<Arc<Core>, CoreError> {
        let provider = |(endpoint, provider)| -> (String, Arc<dyn ForeignProvider>) {
            let bridge: Bridge<dyn HostProvider> = Bridge(provider);
            (endpoint, Arc::new(bridge))
        };
        let check = |check| -> Arc<dyn ForeignCheck> {
            let bridge: Bridge<dyn HostCheck> = Bridge(check);
            Arc::new(bridge)
        };
        let carrier = |transport| -> Arc<Carrier> {
            let bridge: Bridge<dyn HostTransport> = Bridge(transport);
            Arc::new(Carrier::new(Arc::new(bridge)))
        };
        let host = Host {
            providers: providers.into_iter().map(provider).collect::<BTreeMap<_, _>>(),
            checks: checks.into_iter().map(check).collect(),
            transport: transport.map(|transport| carrier(transport) as _),
            reads_ahead: false,
        };
        let settings = if offline.mode == OfflineMode::Local { with_rule(settings) } else { settings };
        let outbox = match (&offline.outbox, offline.mode) {
            (Some(path), _) => Some(Outbox::open(Path::new(path))?),
            (None, OfflineMode::Queue) => {
                return Err(Failure::new("invalid_config", "offline: Queue needs a file for the outbox").into());
            }
            (None, _) => None,
        };
        let handle = Handle::new(&settings, host)?;
        let (is_online, delivery) = (AtomicBool::new(true), tokio::sync::Mutex::new(()));
        Ok(Arc::new(Core { inner: Arc::new(Inner { handle, mode: offline.mode, is_online, outbox, delivery }) }))
    }

    /// Asks for a whole answer to a request; brings a response.
    pub async fn send(&self, request: String, stop: Option<Arc<Stopper>>) -> Result<String, CoreError> {
        let inner = self.inner.clone();
        run(stop, async move { inner.handle.send(&inner.placed(request, local_request)?).await }).await
    }

    /// An answer to a request piece by piece, asked for by `open`.
    pub fn stream(&self, request: String) -> Arc<CoreStream> {
        let inner = self.inner.clone();
        CoreStream::new(Box::pin(async move { inner.handle.stream(&inner.placed(request, local_request)?).await }))
    }

    /// Asks for a whole answer to a body of OpenAI's chat completions; brings a completion.
    pub async fn chat(&self, body: String, stop: Option<Arc<Stopper>>) -> Result<String, CoreError> {
        let inner = self.inner.clone();
        run(stop, async move { inner.handle.chat(&inner.placed(body, local_body)?).await }).await
    }

    /// The same piece by piece, asked for by `open`.
    pub fn chat_stream(&self, body: String) -> Arc<CoreStream> {
        let inner = self.inner.clone();
        CoreStream::new(Box::pin(async move { inner.handle.chat_stream(&inner.placed(body, local_body)?).await }))
    }

    /// Decides who would answer a request, without a call; brings the explanation.
    pub fn route(&self, request: String) -> Result<String, CoreError> {
        let request = if self.inner.is_local() { local_request(request) } else { request };
        Ok(self.inner.handle.route(&request)?)
    }

    /// As `route`, for a body of OpenAI's chat completions.
    pub fn route_chat(&self, body: String) -> Result<String, CoreError> {
        let body = if self.inner.is_local() { local_body(body) } else { body };
        Ok(self.inner.handle.route_chat(&body)?)
    }

    /// The models on sale.
    pub fn models(&self) -> String {
        self.inner.handle.models()
    }

    /// What was spent, by a query.
    pub async fn report(&self, query: String) -> Result<String, CoreError> {
        let inner = self.inner.clone();
        run(None, async move { inner.handle.report(&query).await }).await
    }

    /// The account's attempts, by a query.
    pub async fn attempts(&self, query: String) -> Result<String, CoreError> {
        let inner = self.inner.clone();
        run(None, async move { inner.handle.attempts(&query).await }).await
    }

    /// Marks an answer: `{"id": "...", "mark": n}`, the response's own id and from 0, useless, to 1, right.
    pub async fn feedback(&self, marked: String) -> Result<(), CoreError> {
        let inner = self.inner.clone();
        run(None, async move { inner.handle.feedback(&marked).await }).await
    }

    /// What was learnt from marks.
    pub async fn experience(&self) -> Result<String, CoreError> {
        let inner = self.inner.clone();
        run(None, async move { Ok(inner.handle.experience().await) }).await
    }

    /// Puts another experience in place of what was learnt; `null` forgets.
    pub async fn set_experience(&self, experience: String) -> Result<(), CoreError> {
        let inner = self.inner.clone();
        run(None, async move { inner.handle.set_experience(&experience).await }).await
    }

    /// Writes what is queued to the ledger and closes it.
    pub async fn shut(&self) -> Result<(), CoreError> {
        let inner = self.inner.clone();
        run(None, async move { inner.handle.close().await }).await
    }

    /// Tells whether there is a network: the host knows.
    pub fn set_online(&self, is_online: bool) {
        self.inner.is_online.store(is_online, Ordering::Relaxed);
    }

    /// Asks for a whole answer, or keeps the request where there is no network.
    pub async fn submit(&self, request: String, stop: Option<Arc<Stopper>>) -> Result<Submitted, CoreError> {
        let inner = self.inner.clone();
        run(stop, async move { inner.submit(request).await }).await
    }

    /// Sends what waits in the outbox, in order, and stops where there is no network. Brings what was answered or failed
    /// just now; it is kept until it is forgotten.
    pub async fn deliver(&self, stop: Option<Arc<Stopper>>) -> Result<Vec<Letter>, CoreError> {
        let inner = self.inner.clone();
        run(stop, async move { inner.deliver().await }).await
    }

    /// What the outbox holds, oldest first.
    pub fn letters(&self) -> Result<Vec<Letter>, CoreError> {
        Ok(self.inner.outbox()?.letters())
    }

    /// Drops a kept request, or an answer that was fetched.
    pub fn forget(&self, id: u64) -> Result<(), CoreError> {
        Ok(self.inner.outbox()?.forget(id)?)
    }

    /// Lets a request be sent again whose fate is not known, or that failed. One that is on its way is refused.
    pub fn retry(&self, id: u64) -> Result<(), CoreError> {
        Ok(self.inner.outbox()?.retry(id)?)
    }
}

impl Inner {
    fn is_online(&self) -> bool {
        self.is_online.load(Ordering::Relaxed)
    }

    fn is_local(&self) -> bool {
        self.mode == OfflineMode::Local && !self.is_online()
    }

    /// The request as it may go out now.
    fn placed(&self, text: String, local: impl Fn(String) -> String) -> Result<String, Failure> {
        match self.mode {
            OfflineMode::Local if !self.is_online() => Ok(local(text)),
            OfflineMode::Queue if !self.is_online() => Err(Failure::new(
                "offline",
                "there is no network: use submit, which keeps the request until there is one",
            )),
            _ => Ok(text),
        }
    }

    fn outbox(&self) -> Result<&Outbox, Failure> {
        let none =
            || Failure::new("invalid_config", "this client has no outbox: name a file for it in the offline plan");
        self.outbox.as_ref().ok_or_else(none)
    }

    async fn submit(&self, request: String) -> Result<Submitted, Failure> {
        if self.mode != OfflineMode::Queue {
            let response = self.handle.send(&self.placed(request, local_request)?).await?;
            return Ok(Submitted::Answered { response });
        }
        // What can never be sent is refused now, and not in the outbox.
        self.handle.check(&request)?;
        if self.is_online() {
            match self.handle.send(&request).await {
                Ok(response) => return Ok(Submitted::Answered { response }),
                Err(failure) if is_unsent(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(Submitted::Queued { id: self.outbox()?.put(&request)? })
    }

    async fn deliver(&self) -> Result<Vec<Letter>, Failure> {
        let outbox = self.outbox()?;
        let _alone = self.delivery.lock().await;
        let (mut fresh, mut after) = (Vec::new(), 0);
        while self.is_online()
            && let Some(sending) = outbox.begin(after)?
        {
            after = sending.id;
            let outcome = self.handle.send(&sending.request).await;
            if outcome.as_ref().is_err_and(is_unsent) {
                sending.back()?;
                break;
            }
            sending.done(&outcome)?;
            fresh.push(after);
        }
        let is_fresh = |letter: &Letter| fresh.contains(&letter.id) && letter.state != LetterState::Waiting;
        Ok(outbox.letters().into_iter().filter(is_fresh).collect())
    }
}

#[cfg(test)]
mod tests;
