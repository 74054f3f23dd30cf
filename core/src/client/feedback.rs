//! Marks of answers, and what the client learns from them of its own traffic.
//!
//! Of an answer that a mark may still come for, the kind of work, the model and what was expected are kept, in memory and
//! bounded; no text. What was learnt is kept beside the account, so that it outlives the process and is shared by all
//! that share a ledger. Decisions of a client that has not sent anything yet go by the score alone.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::RequestId;
use crate::learn::{BadMark, Experience};
use crate::ledger::LedgerError;
use crate::limits::ANSWERS_MARKABLE_MAX;
use crate::model::ModelCard;
use crate::score::Complexity;
use crate::store::{Shelf, Store};

/// Under this name the experience is kept beside the account.
const NOTE: &str = "experience";
/// How often a write is tried again where another process was faster.
const TRIES_MAX: usize = 16;

/// Why a mark was not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeedbackError {
    /// It is no mark.
    #[error(transparent)]
    BadMark(#[from] BadMark),
    /// No answer of this request awaits a mark.
    #[error(
        "no answer of request '{id}' awaits a mark: each is marked once, through the client that brought it, while it is \
         among its last {ANSWERS_MARKABLE_MAX}"
    )]
    Unknown {
        /// The request.
        id: RequestId,
    },
    /// Others wrote all the time: mark again.
    #[error("other processes wrote their marks at the same time again and again: mark once more")]
    Busy,
    /// It could not be kept; the answer still awaits its mark.
    #[error("the mark could not be kept: {0}")]
    Ledger(LedgerError),
}

/// What a client learnt, and what it may still learn from.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    answered: Mutex<Answered>,
    experience: Mutex<Arc<Experience>>,
    is_read: AtomicBool,
}

/// The last answers without a mark, the oldest first.
#[derive(Debug, Default)]
struct Answered {
    by_id: HashMap<RequestId, (Complexity, Arc<ModelCard>)>,
    order: VecDeque<RequestId>,
}

impl Answered {
    fn note(&mut self, id: RequestId, complexity: Complexity, card: Arc<ModelCard>) {
        if self.by_id.insert(id.clone(), (complexity, card)).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > ANSWERS_MARKABLE_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.by_id.remove(&oldest);
        }
    }
}

impl Lessons {
    /// What was learnt so far.
    pub(super) fn experience(&self) -> Arc<Experience> {
        self.experience.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, experience: Experience) {
        *self.experience.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(experience);
    }

    /// Reads what was learnt before, once. Where the store fails the score decides alone, and calls go on.
    pub(super) async fn read_once(&self, store: &dyn Store) {
        if self.is_read.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(shelf) = store.shelf() else { return };
        match read(shelf).await {
            Ok((_, experience)) => self.set(experience),
            Err(error) => tracing::warn!(%error, "what was learnt from marks could not be read"),
        }
    }

    /// An answer was given: a mark may come.
    pub(super) fn note(&self, id: &RequestId, complexity: Option<&Complexity>, card: &Arc<ModelCard>) {
        let Some(complexity) = complexity else { return };
        self.answered().note(id.clone(), complexity.clone(), card.clone());
    }

    fn answered(&self) -> std::sync::MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a mark.
    pub(super) async fn mark(&self, store: &dyn Store, id: &RequestId, mark: f64) -> Result<(), FeedbackError> {
        Experience::check(mark)?;
        // Taken out first, so that of two marks at once one counts.
        let found = self.answered().by_id.remove(id);
        let (complexity, card) = found.ok_or_else(|| FeedbackError::Unknown { id: id.clone() })?;
        let kept = self.learn(store, &complexity, &card, mark).await;
        if kept.is_err() {
            let mut answered = self.answered();
            answered.by_id.insert(id.clone(), (complexity, card));
        } else {
            self.answered().order.retain(|one| one != id);
        }
        kept
    }

    /// Learns a mark that nobody gave: a comparison told it.
    pub(super) async fn learn(
        &self,
        store: &dyn Store,
        complexity: &Complexity,
        card: &ModelCard,
        mark: f64,
    ) -> Result<(), FeedbackError> {
        let expected = complexity.rating(card).p_good;
        let teach = |mut experience: Experience| {
            experience.mark(complexity.kind(), &card.id, expected, mark).map(|()| experience)
        };
        self.change(store, teach).await
    }

    /// Puts another experience in place of what was learnt.
    pub(super) async fn replace(&self, store: &dyn Store, experience: Experience) -> Result<(), FeedbackError> {
        self.change(store, |_| Ok(experience.clone())).await
    }

    async fn change(
        &self,
        store: &dyn Store,
        change: impl Fn(Experience) -> Result<Experience, BadMark>,
    ) -> Result<(), FeedbackError> {
        self.is_read.store(true, Ordering::Relaxed);
        let Some(shelf) = store.shelf() else {
            self.set(change((*self.experience()).clone())?);
            return Ok(());
        };
        for _ in 0..TRIES_MAX {
            let (revision, before) = read(shelf).await.map_err(FeedbackError::Ledger)?;
            let after = change(before)?;
            let text = serde_json::to_string(&after).expect("counts and ids are plain data");
            if shelf.put(NOTE, revision, text).await.map_err(FeedbackError::Ledger)? {
                self.set(after);
                return Ok(());
            }
        }
        Err(FeedbackError::Busy)
    }
}

/// What is kept, and its revision. A text that is none of ours is taken for nothing.
async fn read(shelf: &dyn Shelf) -> Result<(u64, Experience), LedgerError> {
    let Some(note) = shelf.get(NOTE).await? else { return Ok((0, Experience::default())) };
    let experience = serde_json::from_str(&note.text).unwrap_or_else(|error| {
        tracing::warn!(%error, "what was learnt from marks could not be read, so it begins anew");
        Experience::default()
    });
    Ok((note.revision, experience))
}
