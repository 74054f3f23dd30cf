//! Tells the owner when a budget reaches a mark: by a function of theirs, and by posts to an address.
//!
//! A thread of its own does the telling, so that no call waits for it or fails by it. An alert is posted until it is
//! taken, with growing pauses. What was taken is noted beside the account; at the next start, marks that were reached and
//! whose alerts were not taken are posted again. So each arrives at least once, and its id says which are the same.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::ledger::{Alert, Rules};
use crate::limits::{ALERTS_TOLD_MAX, ALERTS_WAITING_MAX};
use crate::store::{Listener, Store};
use crate::time::Timestamp;
#[cfg(feature = "http")]
use crate::transport::Webhook;
use crate::tree;

/// The note that says which alerts were taken.
const NOTE: &str = "alerts/taken";
/// The pause after the first failure; each is twice the one before.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Attempts to post an alert: about an hour. After that the next start posts it.
const TRIES_MAX: u32 = 18;
/// How long a client that closes waits for what is to be posted.
const CLOSING_MAX: Duration = Duration::from_secs(6);

/// A function of the owner's.
#[derive(Clone)]
pub(super) struct Callback(pub(super) Arc<dyn Fn(&Alert) + Send + Sync>);

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

/// Whom to tell.
#[derive(Debug, Default)]
pub(super) struct Ears {
    pub(super) callback: Option<Callback>,
    #[cfg(feature = "http")]
    pub(super) webhook: Option<Webhook>,
}

impl Ears {
    fn is_empty(&self) -> bool {
        self.callback.is_none() && !self.posts()
    }

    #[cfg(feature = "http")]
    fn posts(&self) -> bool {
        self.webhook.is_some()
    }

    #[cfg(not(feature = "http"))]
    fn posts(&self) -> bool {
        false
    }

    #[cfg(feature = "http")]
    async fn post(&self, id: &str, body: String) -> Result<(), String> {
        match &self.webhook {
            Some(webhook) => webhook.deliver(id, body).await,
            None => Ok(()),
        }
    }

    #[cfg(not(feature = "http"))]
    async fn post(&self, _: &str, _: String) -> Result<(), String> {
        Ok(())
    }
}

enum Word {
    Alert(Box<Alert>),
    Flush(oneshot::Sender<()>),
}

/// Where calls leave their alerts.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    queue: Option<SyncSender<Word>>,
    told: Mutex<HashSet<String>>,
}

impl Alerts {
    /// Starts the thread that tells, where there is somebody to tell.
    pub(super) fn start(
        ears: Ears,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        rules: Option<Rules>,
    ) -> std::io::Result<Arc<Alerts>> {
        if ears.is_empty() {
            return Ok(Arc::new(Alerts::default()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, words) = sync_channel(ALERTS_WAITING_MAX);
        let teller =
            Teller { ears, store: store.clone(), clock, runtime, waiting: VecDeque::new(), posted: HashSet::new() };
        std::thread::Builder::new()
            .name("tierway-alerts".to_owned())
            .spawn(move || teller.run(&words, rules.as_ref()))?;
        let alerts = Arc::new(Alerts { queue: Some(queue), told: Mutex::default() });
        let ear = Arc::downgrade(&alerts);
        store.listen(Listener::new(move |told| {
            if let Some(alerts) = ear.upgrade() {
                alerts.tell(told);
            }
        }));
        Ok(alerts)
    }

    /// Leaves alerts to be told. Never waits; one that was told before is not told again.
    pub(super) fn tell(&self, alerts: Vec<Alert>) {
        let Some(queue) = &self.queue else { return };
        for alert in alerts {
            let id = alert.id();
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() >= ALERTS_TOLD_MAX {
                told.clear();
            }
            if !told.insert(id.clone()) {
                continue;
            }
            if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                queue.try_send(Word::Alert(Box::new(alert)))
            {
                told.remove(&id);
                tracing::warn!(alert = id, "too many alerts wait to be told: this one is left for the next start");
            }
        }
    }

    /// Waits until what is to be told was told, or could not be, for a few seconds at most.
    pub(super) async fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, told) = oneshot::channel();
        if queue.try_send(Word::Flush(done)).is_ok() {
            // A thread that does not answer in time goes on; its alerts are posted at the next start.
            let _ = tokio::time::timeout(CLOSING_MAX, told).await;
        }
    }
}

/// An alert that is to be posted.
struct Waiting {
    alert: Alert,
    tries: u32,
    due: Instant,
}

/// The thread that tells.
struct Teller {
    ears: Ears,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    runtime: tokio::runtime::Runtime,
    waiting: VecDeque<Waiting>,
    /// Ids of all that wait or waited: a mark reached while this thread started is found in the account, and heard too.
    posted: HashSet<String>,
}

impl Teller {
    fn run(mut self, words: &Receiver<Word>, rules: Option<&Rules>) {
        if let Some(rules) = rules.filter(|_| self.ears.posts()) {
            self.resume(rules);
        }
        loop {
            let due = self.waiting.iter().map(|waiting| waiting.due).min();
            let word = match due {
                None => words.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => words.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match word {
                Ok(Word::Alert(alert)) => self.hear(*alert),
                Ok(Word::Flush(done)) => {
                    self.post_all(Instant::now() + CLOSING_MAX, |_| true);
                    // Who asked may have gone away.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.post_all(Instant::now() + CLOSING_MAX, |_| true),
            }
            let now = Instant::now();
            self.post_all(now + CLOSING_MAX, |waiting| waiting.due <= now);
        }
    }

    fn hear(&mut self, alert: Alert) {
        if let Some(Callback(call)) = &self.ears.callback {
            let call = std::panic::AssertUnwindSafe(|| call(&alert));
            if std::panic::catch_unwind(call).is_err() {
                tracing::error!(budget = alert.budget, "the function that is told of alerts panicked");
            }
        }
        self.wait_to_post(alert);
    }

    fn wait_to_post(&mut self, alert: Alert) {
        if !self.ears.posts() {
            return;
        }
        if self.waiting.len() >= ALERTS_WAITING_MAX {
            return tracing::warn!(budget = alert.budget, "too many alerts wait to be posted");
        }
        if self.posted.len() >= ALERTS_TOLD_MAX {
            self.posted.clear();
        }
        if self.posted.insert(alert.id()) {
            self.waiting.push_back(Waiting { alert, tries: 0, due: Instant::now() });
        }
    }

    /// Tries to post those that are wanted, once each, until a time.
    fn post_all(&mut self, until: Instant, is_wanted: impl Fn(&Waiting) -> bool) {
        let mut taken = Vec::new();
        for _ in 0..self.waiting.len() {
            let Some(mut waiting) = self.waiting.pop_front() else { break };
            if !is_wanted(&waiting) || Instant::now() > until {
                self.waiting.push_back(waiting);
                continue;
            }
            let id = waiting.alert.id();
            let body = payload(&id, &waiting.alert, self.clock.now());
            match self.runtime.block_on(self.ears.post(&id, body)) {
                Ok(()) => taken.push((id, waiting.alert.resets_at)),
                Err(reason) => {
                    waiting.tries += 1;
                    tracing::warn!(alert = id, tries = waiting.tries, reason, "an alert was not taken");
                    let pause = PAUSE.saturating_mul(1 << waiting.tries.saturating_sub(1).min(12)).min(PAUSE_MAX);
                    waiting.due = Instant::now() + pause;
                    if waiting.tries < TRIES_MAX {
                        self.waiting.push_back(waiting);
                    }
                }
            }
        }
        if !taken.is_empty() {
            self.note(&taken);
        }
    }

    /// Posts marks that were reached and of which nobody took the alert: their process died, or the address was away.
    fn resume(&mut self, rules: &Rules) {
        let marked: Vec<_> = rules.budgets().iter().filter(|budget| !budget.alert_at.is_empty()).collect();
        if marked.is_empty() {
            return;
        }
        let now = self.clock.now();
        let read = async {
            let balances = self.store.balances().await?;
            let taken = match self.store.shelf() {
                Some(shelf) => shelf.get(NOTE).await?.map(|note| note.text),
                None => None,
            };
            Ok::<_, crate::ledger::LedgerError>((balances, taken))
        };
        match self.runtime.block_on(read) {
            Ok((balances, taken)) => {
                let taken = read_note(taken.as_deref());
                let reached = marked.iter().flat_map(|budget| budget.reached(&balances, now));
                let missed: Vec<Alert> = reached.filter(|alert| !taken.contains_key(&alert.id())).collect();
                missed.into_iter().for_each(|alert| self.wait_to_post(alert));
            }
            Err(error) => tracing::warn!(%error, "alerts of before could not be looked up"),
        }
    }

    /// Notes which alerts were taken, and forgets those of windows that are past.
    fn note(&self, taken: &[(String, Option<Timestamp>)]) {
        let Some(shelf) = self.store.shelf() else { return };
        let now = self.clock.now();
        let write = async {
            // Several processes may write at once: the slower reads again.
            for _ in 0..16 {
                let before = shelf.get(NOTE).await?;
                let mut known = read_note(before.as_ref().map(|note| note.text.as_str()));
                known.retain(|_, until| until.is_none_or(|until| until > now));
                known.extend(taken.iter().cloned());
                while known.len() > ALERTS_TOLD_MAX {
                    known.pop_first();
                }
                let text = serde_json::to_string(&known).expect("ids and times are plain data");
                if shelf.put(NOTE, before.map_or(0, |note| note.revision), text).await? {
                    return Ok(());
                }
            }
            Ok::<(), crate::ledger::LedgerError>(())
        };
        if let Err(error) = self.runtime.block_on(write) {
            tracing::warn!(%error, "that alerts were taken could not be noted: they may arrive again");
        }
    }
}

fn read_note(text: Option<&str>) -> BTreeMap<String, Option<Timestamp>> {
    text.and_then(|text| tree::read_text(text).ok()).unwrap_or_default()
}

/// What is posted: the alert, its id, and when it was posted.
fn payload(id: &str, alert: &Alert, now: Timestamp) -> String {
    let mut body = serde_json::to_value(alert).expect("an alert is plain data");
    body["id"] = id.into();
    body["type"] = "budget_alert".into();
    body["sent_at"] = now.ms().into();
    body.to_string()
}
