//! The client: drives a request through decision, attempts, providers and ledger, and hands back the answer with its
//! route and its exact cost.
//!
//! What happens next is decided by `attempt`, what may be asked by `policy` and `plan`; this module moves bytes, time and
//! money between them and the world. Every attempt is reserved before it is sent and ended after, also where the caller
//! drops the future or the stream half-way.
//!
//! ```no_run
//! use tierway::{Client, Request};
//!
//! # async fn example() -> Result<(), tierway::Error> {
//! let client = Client::from_env()?;
//! let response = client.send(&Request::user("Why is the sky blue? One sentence.")?).await?;
//! println!("{} ({} for {})", response.text(), response.route.model, response.cost.short());
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::attempt::{self, Attempts};
use crate::clock::Clock;
use crate::id::{EndpointId, RequestId};
use crate::learn::{Experience, Monitor, ShadowSettings, Source};
use crate::ledger::{Scope, tags_of};
use crate::model::ModelCard;
use crate::plan::{self, Candidate, CheckKind, Plan, PlannedCheck, PromiseState, Settings, StreamChecks, World};
use crate::policy::{Needs, Policy};
use crate::provider::Provider;
use crate::request::{Request, ServiceTier};
use crate::score::{Gist, Scorer};
use crate::snapshot::{HealthBook, Keys, Offers, Snapshot, Usable};
use crate::store::Store;
use crate::time::Timestamp;
use crate::wire::Mode;

mod account;
mod alerts;
mod batch;
mod beside;
pub mod blocking;
mod builder;
mod check;
mod drive;
mod embed;
mod error;
mod feedback;
mod hedge;
mod hit;
mod ids;
mod moment;
mod pledge;
mod providers;
mod response;
mod rest;
mod sessions;
mod shadow;
mod stream;

pub use batch::{BatchError, BatchHandle, BatchItem, BatchView, Collected, ItemOutcome, JobState, JobView};
pub use builder::ClientBuilder;
pub use check::{Check, Verdict};
pub use embed::{EmbedRequest, Embeddings};
pub use error::Error;
pub use feedback::FeedbackError;
pub use hit::CacheHit;
pub use response::{AttemptLine, Response, Route, Timing};
pub use stream::ResponseStream;

use alerts::Alerts;
use feedback::Lessons;
use ids::Ids;
use moment::Moment;
use pledge::Watch;
use providers::Providers;
use sessions::Sessions;
use shadow::Shadows;

/// How long the first calls wait for what was learnt before to be read.
const READING_MAX: Duration = Duration::from_secs(3);
/// How long a client that closes waits for shadows under way, and for what streams left to the store.
const CLOSING_MAX: Duration = Duration::from_secs(6);

/// Sends each request to the cheapest model that is good enough. Cheap to clone; all clones share one state.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    offers: Arc<Offers>,
    policy: Arc<Policy>,
    settings: Arc<Settings>,
    /// The same for a request that is asked directly: its answer is not to be checked, or checks another.
    direct: Arc<Settings>,
    rules: attempt::Rules,
    scorer: Scorer,
    keys: Arc<Keys>,
    /// What they open of the offers.
    usable: Arc<Usable>,
    providers: Providers,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    checks: Vec<Arc<dyn Check>>,
    named_checks: BTreeMap<String, Arc<dyn Check>>,
    health: Mutex<Arc<HealthBook>>,
    sessions: Mutex<Sessions>,
    lessons: Lessons,
    shadow: ShadowSettings,
    shadows: Shadows,
    watch: Watch,
    ids: Ids,
    alerts: Arc<Alerts>,
    owner: u32,
}

impl Client {
    /// Starts to set up a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client from `tierway.toml`, if there is one, and the environment's keys, with its ledger in `tierway.db`.
    ///
    /// # Errors
    /// `Error::Config` where the file, a key or the catalogue is not valid, `Error::Ledger` where the ledger cannot be
    /// opened.
    #[cfg(all(feature = "http", feature = "sqlite"))]
    pub fn from_env() -> Result<Client, Error> {
        ClientBuilder::from_env()?.build()
    }

    /// Asks for a whole answer.
    ///
    /// # Errors
    /// `Refused` where policy lets no model see the request, `OverBudget` where no budget holds, `Exhausted` where every
    /// candidate failed, `Ledger` where the account cannot be kept.
    pub async fn send(&self, request: &Request) -> Result<Response, Error> {
        self.inner.read_once().await;
        drive::send(self, request).await
    }

    /// Asks for an answer piece by piece. It returns when the first piece has come: until then, failures are retried
    /// and other candidates stand in.
    ///
    /// # Errors
    /// As `send`; after the first piece, an error is an item of the stream.
    pub async fn stream(&self, request: &Request) -> Result<ResponseStream, Error> {
        self.inner.read_once().await;
        stream::open(self, request).await
    }

    /// Makes a vector of each text, by the model that is named: at whichever endpoint policy admits, or another vendor's
    /// row of the same family, whose vectors are the same.
    ///
    /// Many texts are several calls, each reserved and settled by itself.
    ///
    /// # Errors
    /// As `send`; `Request` where there is no text, or an empty one.
    pub async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, Error> {
        embed::embed(self, request).await
    }

    /// Decides who would answer, without a call.
    ///
    /// # Errors
    /// `Refused` with every reason of every model.
    pub fn route(&self, request: &Request) -> Result<Plan, Error> {
        self.inner.check_fork()?;
        self.inner.decide(request)
    }

    /// Takes a mark of an answer, from 0 (useless) to 1 (as good as wanted). Later decisions weigh its model at this kind of
    /// work by it; what was learnt is kept in the ledger's database, as counts without text.
    ///
    /// `id` is that of the `Response`.
    ///
    /// # Errors
    /// `FeedbackError`, where nothing was learnt.
    pub async fn feedback(&self, id: &RequestId, mark: f64) -> Result<(), FeedbackError> {
        self.inner.lessons.mark(&*self.inner.store, id, mark).await?;
        self.inner.pledged(Source::Feedback, 1.0 - mark).await;
        Ok(())
    }

    /// Where the promise of quality stands, where one was made: what was compared and marked, and how often it failed.
    pub async fn promise(&self) -> Option<PromiseState> {
        self.inner.read_once().await;
        self.inner.watch.monitor().map(|monitor| monitor.state())
    }

    /// Begins the promise of quality anew, for all who share the ledger: after a new calibration, say.
    ///
    /// # Errors
    /// `Error::Ledger` where it could not be kept.
    pub async fn renew_promise(&self) -> Result<(), Error> {
        let renew = |monitor: &mut Monitor| {
            *monitor = Monitor::new(monitor.pledge());
            false
        };
        self.inner.watch.change(&*self.inner.store, renew).await.map(|_| ()).map_err(Error::Ledger)
    }

    /// Waits until the shadows under way have ended. No answer waits for them; `close` does.
    pub async fn settle_shadows(&self) {
        self.inner.shadows.wait().await;
    }

    /// What was learnt from marks, to look at or to take elsewhere: it is plain data for serde.
    pub async fn experience(&self) -> Arc<Experience> {
        self.inner.lessons.read_once(&*self.inner.store).await;
        self.inner.lessons.experience()
    }

    /// Puts another experience in place of what was learnt, for all who share the ledger; an empty one forgets.
    ///
    /// # Errors
    /// `FeedbackError`, where it could not be kept.
    pub async fn set_experience(&self, experience: Experience) -> Result<(), FeedbackError> {
        self.inner.lessons.replace(&*self.inner.store, experience).await
    }

    /// The account.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// What is on sale.
    pub fn offers(&self) -> &Arc<Offers> {
        &self.inner.offers
    }

    /// Which endpoints can be called.
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// How the endpoints fare, as of now.
    pub fn health(&self) -> Arc<HealthBook> {
        self.inner.health()
    }

    /// Tells what is to be told of budgets, writes what is queued to the ledger and closes it. Later calls fail with `Ledger(Closed)`.
    ///
    /// # Errors
    /// `Error::Ledger` where the last entries could not be written.
    pub async fn close(&self) -> Result<(), Error> {
        let _ = tokio::time::timeout(CLOSING_MAX, self.inner.shadows.wait()).await;
        // What streams left to the store may reach marks. Whether it could be written is said by `close`.
        let _ = tokio::time::timeout(CLOSING_MAX, self.inner.store.flush()).await;
        self.inner.alerts.flush().await;
        self.inner.store.close().await.map_err(Error::Ledger)
    }
}

/// One request under way.
struct Course {
    attempts: Attempts,
    needs: Needs,
    began: Instant,
    /// The time when it began by the wall clock, and when it was decided by the other.
    decided: Moment,
    decided_in: Duration,
}

impl Inner {
    /// A fork shares the parent's sockets and threads in name only: using them hangs, so it is refused.
    fn check_fork(&self) -> Result<(), Error> {
        match std::process::id() {
            id if id == self.owner => Ok(()),
            id => Err(Error::Forked { opened_by: self.owner, used_by: id }),
        }
    }

    /// Reads what was learnt and seen before, once.
    async fn read_once(&self) {
        self.lessons.read_once(&*self.store).await;
        self.watch.read_once(&*self.store).await;
    }

    /// The time, by both clocks.
    fn moment(&self) -> Moment {
        Moment::of(&*self.clock)
    }

    fn health(&self) -> Arc<HealthBook> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is known of the endpoints' health.
    fn with_health<T>(&self, change: impl FnOnce(&mut HealthBook) -> T) -> T {
        let mut book = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut book))
    }

    fn decide(&self, request: &Request) -> Result<Plan, Error> {
        let needs = Needs::of(request);
        self.decide_with(request, &needs, &self.settings)
    }

    /// What happens to checks of this client's streams.
    fn stream_checks(&self) -> StreamChecks {
        let wanted = &self.settings.cascade;
        if wanted.checks.is_empty() { StreamChecks::Off } else { wanted.streams }
    }

    fn decide_with(&self, request: &Request, needs: &Needs, settings: &Arc<Settings>) -> Result<Plan, Error> {
        self.decide_at(self.clock.now(), request, needs, settings)
    }

    fn decide_at(
        &self,
        now: Timestamp,
        request: &Request,
        needs: &Needs,
        settings: &Arc<Settings>,
    ) -> Result<Plan, Error> {
        let mut snapshot = Snapshot::new(self.offers.clone(), now)
            .with_health(self.health())
            .with_queues(self.providers.queues())
            .with_usable(self.keys.clone(), self.usable.clone());
        if !self.store.is_unlimited() {
            let scope = Scope { key: None, tags: tags_of(&request.tags) };
            let standing = self.store.standing(&scope, now);
            snapshot = snapshot.with_headroom(standing.headroom).with_tier_cap(standing.tier_cap);
        }
        if let Some(session) = &request.session {
            let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(pin) = sessions.pin(session, now) {
                snapshot = snapshot.with_pin(pin);
            }
        }
        let settings = self.held(settings).map_or_else(|| settings.clone(), Arc::new);
        let experience = self.lessons.experience();
        let learnt = |gist: &Gist, card: &ModelCard, rating| match experience.is_empty() {
            true => rating,
            false => experience.adjust(gist, &card.id, rating),
        };
        let world = World { policy: self.policy.clone(), snapshot, settings };
        plan::decide_in(world, request, needs, (&self.scorer, learnt))
            .map_err(|refused| Error::Refused(Box::new(refused)))
    }

    /// Decides, and makes ready to try.
    fn begin(&self, request: &Request, mode: Mode) -> Result<Course, Error> {
        let Moment { now, at: began } = self.moment();
        self.check_fork()?;
        if request.service_tier == Some(ServiceTier::Batch) {
            return Err(BatchError::AskedAlone.into());
        }
        let needs = Needs::of(request);
        let is_direct = mode == Mode::Stream && self.stream_checks() == StreamChecks::Off;
        let settings = if is_direct { &self.direct } else { &self.settings };
        let plan = self.decide_at(now, request, &needs, settings)?;
        let decided = Moment { now, at: Instant::now() };
        let decided_in = decided.at.duration_since(began);
        let mut rules = self.rules;
        // `Confidence` needs a call of its own: it is made where it is planned.
        let is_free = |check: &PlannedCheck| check.kind.is_free() && !matches!(check.kind, CheckKind::Confidence(_));
        let has_free = !self.checks.is_empty() || settings.cascade.checks.iter().any(is_free);
        rules.check = !is_direct && (rules.check || has_free);
        rules.is_stream = mode == Mode::Stream;
        let (id, seed) = self.ids.next(now);
        let attempts = Attempts::new(id, plan, rules, now, seed);
        Ok(Course { attempts, needs, began, decided, decided_in })
    }

    fn provider(&self, endpoint: &EndpointId) -> Option<Arc<dyn Provider>> {
        self.providers.of(endpoint)
    }

    fn note_session(&self, request: &Request, candidate: &Candidate, cached_tokens: u64, now: Timestamp) {
        if let Some(session) = &request.session {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.note(session, candidate.model(), &candidate.endpoint().id, cached_tokens, now);
        }
    }
}
