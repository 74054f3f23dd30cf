//! The promise that live traffic is held to: its monitor is kept beside the account and shared by all on that ledger.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::learn::{Monitor, Pledge, STEPS_MAX, Source};
use crate::ledger::LedgerError;
use crate::money::Usd;
use crate::plan::Settings;
use crate::store::{Shelf, Store};
use crate::tree;

use super::{Inner, READING_MAX};

/// How often a write is tried again where another process was faster.
const TRIES_MAX: usize = 16;

/// The monitor of a client's promise, if it made one.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pledge: Option<Pledge>,
    monitor: Mutex<Option<Arc<Monitor>>>,
    is_read: OnceCell<()>,
}

impl Watch {
    pub(super) fn new(pledge: Option<Pledge>) -> Watch {
        let monitor = pledge.map(|pledge| Arc::new(Monitor::new(pledge)));
        Watch { pledge, monitor: Mutex::new(monitor), is_read: OnceCell::new() }
    }

    pub(super) fn monitor(&self) -> Option<Arc<Monitor>> {
        self.pledge?;
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, monitor: Monitor) {
        *self.monitor.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(monitor));
    }

    /// Reads what was seen before, once.
    pub(super) async fn read_once(&self, store: &dyn Store) {
        let Some(pledge) = self.pledge else { return };
        // Where the first to come gives up in the midst of it, the next one reads.
        let reading = self.is_read.get_or_init(|| async {
            let (Some(shelf), Some(before)) = (store.shelf(), self.monitor()) else { return };
            match tokio::time::timeout(READING_MAX, read(shelf, pledge)).await {
                // What was changed meanwhile is newer.
                Ok(Ok((_, monitor))) if self.monitor().is_some_and(|now| Arc::ptr_eq(&before, &now)) => {
                    self.set(monitor);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "what was seen of the promise could not be read"),
                Err(_) => tracing::warn!("what was seen of the promise could not be read in time"),
            }
        });
        reading.await;
    }

    /// Changes the monitor, over whatever other processes wrote.
    pub(super) async fn change(
        &self,
        store: &dyn Store,
        change: impl Fn(&mut Monitor) -> bool,
    ) -> Result<bool, LedgerError> {
        let Some(pledge) = self.pledge else { return Ok(false) };
        // Fails where it was read, or is read just now.
        let _ = self.is_read.set(());
        let Some(shelf) = store.shelf() else {
            let mut monitor = self.monitor().map_or_else(|| Monitor::new(pledge), |known| (*known).clone());
            let failed = change(&mut monitor);
            self.set(monitor);
            return Ok(failed);
        };
        for _ in 0..TRIES_MAX {
            let (revision, mut monitor) = read(shelf, pledge).await?;
            let failed = change(&mut monitor);
            let text = serde_json::to_string(&monitor).expect("figures are plain data");
            if shelf.put(Monitor::NOTE, revision, text).await? {
                self.set(monitor);
                return Ok(failed);
            }
        }
        tracing::warn!("others wrote of the promise all the time: one observation was left out");
        Ok(false)
    }
}

/// What is kept, and its revision. A monitor of another promise begins anew.
async fn read(shelf: &dyn Shelf, pledge: Pledge) -> Result<(u64, Monitor), LedgerError> {
    let Some(note) = shelf.get(Monitor::NOTE).await? else { return Ok((0, Monitor::new(pledge))) };
    let known = tree::read_text::<Monitor>(&note.text).ok().filter(|known| known.pledge() == pledge);
    Ok((note.revision, known.unwrap_or_else(|| Monitor::new(pledge))))
}

impl Inner {
    /// A loss was seen; where the promise failed by it, decisions aim a step higher from now on.
    pub(super) async fn pledged(&self, source: Source, loss: f64) {
        match self.watch.change(&*self.store, |monitor| monitor.see(source, loss)).await {
            Ok(true) => {
                let state = self.watch.monitor().map(|monitor| monitor.state());
                let steps = state.map_or(0, |state| state.steps);
                tracing::warn!(steps, "the promise of quality failed: decisions aim a step higher");
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "what was seen of the promise could not be kept"),
        }
    }

    /// The settings as the promise holds them; `None` where they stand as they are.
    pub(super) fn held(&self, settings: &Settings) -> Option<Settings> {
        let monitor = self.watch.monitor()?;
        let (steps, state) = (monitor.steps(), Some(monitor.state()));
        let worth = settings.worth.map(|worth| Usd::from_pico(worth.pico().saturating_mul(1 << steps.min(STEPS_MAX))));
        Some(Settings { quality: monitor.held_at(settings.quality), worth, promise: state, ..settings.clone() })
    }
}
