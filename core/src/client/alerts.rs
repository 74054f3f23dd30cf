//! Tells the owner when a budget reaches a mark: by a function of theirs, and by posts to an address.
//!
//! A thread of its own does the telling, so that no call waits for it or fails by it. An alert is posted until it is
//! taken, with growing pauses. What was taken is noted beside the account; at the next start, marks that were reached and
//! whose alerts were not taken are posted again. So each arrives at least once, and its id says which are the same.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
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
/// How often it is tried to note that an alert was taken, while other processes note theirs.
const NOTE_TRIES_MAX: usize = 16;
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
        let (queue, words) = sync_channel(ALERTS_WAITING_MAX);
        let account = store.clone();
        // The runtime is made and dropped on that thread: where a client is built may be inside another.
        let (is_ready, ready) = sync_channel(1);
        std::thread::Builder::new().name("tierway-alerts".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let (runtime, made) = runtime.map_or_else(|error| (None, Err(error)), |runtime| (Some(runtime), Ok(())));
            // Who builds waits for this word.
            let _ = is_ready.send(made);
            if let Some(runtime) = runtime {
                Teller::new(ears, account, clock, runtime).run(&words, rules.as_ref());
            }
        })?;
        ready.recv().map_err(std::io::Error::other)??;
        let alerts = Arc::new(Alerts { queue: Some(queue), told: Mutex::default() });
        store.listen(Listener::new(&alerts, |alerts: &Alerts, told| alerts.tell(told)));
        Ok(alerts)
    }

    /// Leaves alerts to be told. Never waits; one that was told before is not told again.
    pub(super) fn tell(&self, alerts: Vec<Alert>) {
        let Some(queue) = &self.queue else { return };
        for alert in alerts {
            let id = alert.id.clone();
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
    /// When it was tried last.
    tried: Option<Instant>,
    due: Instant,
}

/// Who waits until all was told, from when and until when.
struct Flush {
    asked: Vec<oneshot::Sender<()>>,
    since: Instant,
}

impl Flush {
    fn until(&self) -> Instant {
        self.since + CLOSING_MAX
    }
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
    flush: Option<Flush>,
    /// Whether the client is gone.
    is_closing: bool,
}

impl Teller {
    fn new(ears: Ears, store: Arc<dyn Store>, clock: Arc<dyn Clock>, runtime: tokio::runtime::Runtime) -> Teller {
        let (waiting, posted) = (VecDeque::new(), HashSet::new());
        Teller { ears, store, clock, runtime, waiting, posted, flush: None, is_closing: false }
    }

    /// Hears all that was left here before each post: an address that hangs holds up no function, and no queue.
    fn run(mut self, words: &Receiver<Word>, rules: Option<&Rules>) {
        if let Some(rules) = rules.filter(|_| self.ears.posts()) {
            self.resume(rules);
        }
        loop {
            let is_last = self.listen(words);
            if let Some(at) = self.next_to_post(Instant::now()) {
                self.post(at);
                continue;
            }
            for done in self.flush.take().into_iter().flat_map(|flush| flush.asked) {
                // Who asked may have gone away.
                let _ = done.send(());
            }
            if is_last {
                return;
            }
            let due = self.waiting.iter().map(|waiting| waiting.due).min();
            let word = match due {
                None => words.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => words.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            word.into_iter().for_each(|word| self.take(word));
        }
    }

    /// Takes what waits in the queue. Whether its last was taken: the client is gone.
    fn listen(&mut self, words: &Receiver<Word>) -> bool {
        loop {
            match words.try_recv() {
                Ok(word) => self.take(word),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => {
                    let since = Instant::now();
                    let flush = self.flush.get_or_insert_with(|| Flush { asked: Vec::new(), since });
                    // What came after somebody asked is tried as well.
                    if !std::mem::replace(&mut self.is_closing, true) {
                        flush.since = since;
                    }
                    return true;
                }
            }
        }
    }

    fn take(&mut self, word: Word) {
        match word {
            Word::Alert(alert) => self.hear(*alert),
            Word::Flush(done) => {
                let since = Instant::now();
                let flush = self.flush.get_or_insert_with(|| Flush { asked: Vec::new(), since });
                flush.since = since;
                flush.asked.push(done);
            }
        }
    }

    /// The place of the one that is to be posted now: it is due, or somebody waits for all to be tried once more.
    fn next_to_post(&self, now: Instant) -> Option<usize> {
        let since = self.flush.as_ref().filter(|flush| now < flush.until()).map(|flush| flush.since);
        let is_wanted = |waiting: &Waiting| {
            let is_flushed = since.is_some_and(|since| waiting.tried.is_none_or(|tried| tried < since));
            is_flushed || (waiting.due <= now && self.flush.is_none())
        };
        self.waiting.iter().position(is_wanted)
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
        if self.posted.insert(alert.id.clone()) {
            self.waiting.push_back(Waiting { alert, tries: 0, tried: None, due: Instant::now() });
        }
    }

    /// Tries to post one that waits.
    fn post(&mut self, at: usize) {
        let Some(mut waiting) = self.waiting.remove(at) else { return };
        waiting.tried = Some(Instant::now());
        let body = payload(&waiting.alert, self.clock.now());
        match self.runtime.block_on(self.ears.post(&waiting.alert.id, body)) {
            Ok(()) => self.note(&waiting.alert),
            Err(reason) => {
                waiting.tries += 1;
                tracing::warn!(alert = waiting.alert.id, tries = waiting.tries, reason, "an alert was not taken");
                let pause = PAUSE.saturating_mul(1 << waiting.tries.saturating_sub(1).min(12)).min(PAUSE_MAX);
                waiting.due = Instant::now() + pause;
                if waiting.tries < TRIES_MAX {
                    self.waiting.push_back(waiting);
                }
            }
        }
    }

    /// Posts marks that were reached and of which nobody took the alert: their process died, or the address was away. What
    /// was taken is not posted again.
    fn resume(&mut self, rules: &Rules) {
        let now = self.clock.now();
        let marked: Vec<_> = rules.budgets().iter().filter(|budget| !budget.alert_at.is_empty()).collect();
        let read = async {
            let balances = if marked.is_empty() { BTreeMap::new() } else { self.store.balances().await? };
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
                reached.filter(|alert| !taken.contains_key(&alert.id)).for_each(|alert| self.wait_to_post(alert));
                self.posted.extend(taken.into_keys());
            }
            Err(error) => tracing::warn!(%error, "alerts of before could not be looked up"),
        }
    }

    /// Notes that an alert was taken, and forgets those of windows that are past.
    fn note(&self, alert: &Alert) {
        let Some(shelf) = self.store.shelf() else { return };
        let now = self.clock.now();
        let write = async {
            // Several processes may write at once: the slower reads again.
            for _ in 0..NOTE_TRIES_MAX {
                let before = shelf.get(NOTE).await?;
                let mut known = read_note(before.as_ref().map(|note| note.text.as_str()));
                known.insert(alert.id.clone(), alert.told_until);
                forget(&mut known, now);
                let text = serde_json::to_string(&known).expect("ids and times are plain data");
                if shelf.put(NOTE, before.map_or(0, |note| note.revision), text).await? {
                    return Ok(true);
                }
            }
            Ok::<bool, crate::ledger::LedgerError>(false)
        };
        match self.runtime.block_on(write) {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("that an alert was taken could not be noted beside others: it may arrive again")
            }
            Err(error) => tracing::warn!(%error, "that an alert was taken could not be noted: it may arrive again"),
        }
    }
}

/// What was taken: ids, and until when they count.
type Taken = BTreeMap<String, Option<Timestamp>>;

/// Forgets ids that count no more; of too many, those that would soonest.
fn forget(taken: &mut Taken, now: Timestamp) {
    taken.retain(|_, until| until.is_none_or(|until| until > now));
    let mut ends: Vec<_> =
        taken.iter().map(|(id, until)| (until.map_or(i64::MAX, Timestamp::ms), id.clone())).collect();
    ends.sort_unstable();
    let too_many = ends.len().saturating_sub(ALERTS_TOLD_MAX);
    for (_, id) in ends.iter().take(too_many) {
        taken.remove(id);
    }
}

fn read_note(text: Option<&str>) -> Taken {
    text.and_then(|text| tree::read_text(text).ok()).unwrap_or_default()
}

/// What is posted: the alert, and when it was posted.
fn payload(alert: &Alert, now: Timestamp) -> String {
    let mut body = serde_json::to_value(alert).expect("an alert is plain data");
    body["type"] = "budget_alert".into();
    body["sent_at"] = now.ms().into();
    body.to_string()
}
