//! Who hears of the marks that entries reach where nobody waits for their answer.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::ledger::Alert;

/// Who is told of alerts, as long as its owner is there. It must not wait: it is called between entries.
#[derive(Clone)]
pub struct Listener {
    owner: Weak<dyn Any + Send + Sync>,
    tell: Arc<dyn Fn(Vec<Alert>) + Send + Sync>,
}

impl Listener {
    /// Calls this function with the owner; never again once the owner is gone.
    pub fn new<T: Any + Send + Sync>(
        owner: &Arc<T>,
        tell: impl Fn(&T, Vec<Alert>) + Send + Sync + 'static,
    ) -> Listener {
        let ear = Arc::downgrade(owner);
        let owner: Weak<dyn Any + Send + Sync> = ear.clone();
        let tell = Arc::new(move |alerts| {
            if let Some(owner) = ear.upgrade() {
                tell(&owner, alerts);
            }
        });
        Listener { owner, tell }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// The listeners of a store. Clients that share a store share its budgets, and each tells of its own entries: what has no
/// caller any more is told to one of them alone, the first that is still there.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<Vec<Listener>>);

impl Listeners {
    /// Takes one more.
    pub fn add(&self, listener: Listener) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|listener| listener.owner.strong_count() > 0);
        all.push(listener);
    }

    /// Tells, where there is something to tell and somebody to hear it.
    pub fn tell(&self, alerts: Vec<Alert>) {
        if alerts.is_empty() {
            return;
        }
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(listener) = all.iter().find(|listener| listener.owner.strong_count() > 0) {
            (listener.tell)(alerts);
        }
    }
}

/// The answer to an entry, as a writer gives it and a caller waits for it. Whoever gives up meanwhile does not hear of the
/// entry's marks: a listener does.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) mod answer {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::Listeners;
    use crate::ledger::{LedgerError, Posted};

    type Outcome = Result<Posted, LedgerError>;

    /// Answers who asked.
    pub(in crate::store) fn give(to: oneshot::Sender<Outcome>, outcome: Outcome, listeners: &Listeners) {
        if let Err(Ok(posted)) = to.send(outcome) {
            listeners.tell(posted.alerts);
        }
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// What is answered; `Closed` where nobody answers any more.
    pub(in crate::store) async fn wait(from: oneshot::Receiver<Outcome>, listeners: &Arc<Listeners>) -> Outcome {
        let mut awaited = Awaited { from, listeners };
        (&mut awaited.from).await.map_err(|_| LedgerError::Closed)?
    }

    struct Awaited<'a> {
        from: oneshot::Receiver<Outcome>,
        listeners: &'a Listeners,
    }

    impl Drop for Awaited<'_> {
        fn drop(&mut self) {
            self.from.close();
            if let Ok(Ok(posted)) = self.from.try_recv() {
                self.listeners.tell(posted.alerts);
            }
        }
    }
}
