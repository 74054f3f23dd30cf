//! Marks of answers, and what the client learns from them of its own traffic.
//!
//! Of an answer that a mark may still come for, the request's gist, the model and what was expected are kept, in memory and
//! bounded; no text. What was learnt is kept beside the account, so that it outlives the process and is shared by all
//! that share a ledger. Decisions of a client that has not sent anything yet go by the score alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::attempt::{Attempt, Attempts};
use crate::id::{ModelId, RequestId};
use crate::learn::{BadMark, Experience};
use crate::ledger::LedgerError;
use crate::limits::ANSWERS_MARKABLE_MAX;
use crate::model::ModelCard;
use crate::score::{Complexity, Gist};
use crate::store::{Shelf, Store};
use crate::tree;

use super::READING_MAX;

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
    is_read: OnceCell<()>,
}

/// The last answers without a mark, the oldest first. They are looked for only when a mark comes.
#[derive(Debug, Default)]
struct Answered(VecDeque<Answer>);

/// An answer that a mark may come for. Small: each one kept is a touch of memory that no cache holds any more.
#[derive(Clone, Debug)]
struct Answer {
    id: RequestId,
    lesson: Lesson,
}

/// What a mark is about.
#[derive(Clone, Debug)]
struct Lesson {
    gist: Gist,
    model: ModelId,
    /// How likely the score took a good answer to be.
    expected: f64,
}

impl Lesson {
    fn of(complexity: &Complexity, card: &ModelCard) -> Lesson {
        Lesson { gist: *complexity.gist(), model: card.id.clone(), expected: complexity.rating(card).p_good }
    }
}

impl Answered {
    fn note(&mut self, answer: Answer) {
        if self.0.len() >= ANSWERS_MARKABLE_MAX {
            self.0.pop_front();
        }
        self.0.push_back(answer);
    }

    /// Takes out all that one request brought; the last counts, since it took the place of the others.
    fn take(&mut self, id: &RequestId) -> Option<Answer> {
        let last = self.0.iter().rev().find(|answer| answer.id == *id).cloned()?;
        self.0.retain(|answer| answer.id != *id);
        Some(last)
    }
}

impl Lessons {
    /// What was learnt so far.
    pub(super) fn experience(&self) -> Arc<Experience> {
        self.experience.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, experience: Experience) {
        experience.settle();
        *self.experience.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(experience);
    }

    /// Reads what was learnt before, once. Where the store fails or hangs the score decides alone, and calls go on.
    pub(super) async fn read_once(&self, store: &dyn Store) {
        // Where the first to come gives up in the midst of it, the next one reads.
        let reading = self.is_read.get_or_init(|| async {
            let Some(shelf) = store.shelf() else { return };
            let before = self.experience();
            match tokio::time::timeout(READING_MAX, read(shelf)).await {
                // What was changed meanwhile is newer.
                Ok(Ok((_, experience))) if Arc::ptr_eq(&before, &self.experience()) => self.set(experience),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "what was learnt from marks could not be read"),
                Err(_) => tracing::warn!("what was learnt from marks could not be read in time"),
            }
        });
        reading.await;
    }

    /// An answer was given: a mark may come.
    pub(super) fn note(&self, attempts: &Attempts, answered: Attempt) {
        let (plan, candidate) = (attempts.plan(), attempts.candidate(answered));
        let Some((complexity, expected)) = plan.complexity().zip(plan.scored(candidate)) else { return };
        let lesson = Lesson { gist: *complexity.gist(), model: candidate.model().clone(), expected };
        self.answered().note(Answer { id: attempts.request().clone(), lesson });
    }

    fn answered(&self) -> std::sync::MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a mark.
    pub(super) async fn mark(&self, store: &dyn Store, id: &RequestId, mark: f64) -> Result<(), FeedbackError> {
        Experience::check(mark)?;
        // Taken out first, so that of two marks at once one counts.
        let answer = self.answered().take(id).ok_or_else(|| FeedbackError::Unknown { id: id.clone() })?;
        let kept = self.teach(store, &answer.lesson, mark).await;
        if kept.is_err() {
            self.answered().note(answer);
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
        self.teach(store, &Lesson::of(complexity, card), mark).await
    }

    async fn teach(&self, store: &dyn Store, lesson: &Lesson, mark: f64) -> Result<(), FeedbackError> {
        let Lesson { gist, model, expected } = lesson;
        let teach = |mut experience: Experience| experience.mark(gist, model, *expected, mark).map(|()| experience);
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
        // Fails where it was read, or is read just now.
        let _ = self.is_read.set(());
        let Some(shelf) = store.shelf() else {
            self.set(change((*self.experience()).clone())?);
            return Ok(());
        };
        for _ in 0..TRIES_MAX {
            let (revision, before) = read(shelf).await.map_err(FeedbackError::Ledger)?;
            let after = change(before)?;
            let text = serde_json::to_string(&after).expect("counts, sums and ids are plain data");
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
    let experience = tree::read_text(&note.text).unwrap_or_else(|error| {
        tracing::warn!(%error, "what was learnt from marks could not be read, so it begins anew");
        Experience::default()
    });
    Ok((note.revision, experience))
}
