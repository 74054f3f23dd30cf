//! The engine's thread: passes, one after the other.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::active::{Active, Over};
use super::{Arrival, Event, Shared, Speller};
use crate::cache::Cache;
use crate::error::EngineError;
use crate::model::Model;
use crate::scheduler::{Limits, Scheduler, Work};

pub(super) struct Worker {
    model: Arc<Model>,
    speller: Speller,
    shared: Arc<Shared>,
    scheduler: Scheduler,
    cache: Cache,
    active: Vec<Active>,
}

impl Worker {
    pub(super) fn new(
        model: Arc<Model>,
        speller: Speller,
        shared: Arc<Shared>,
        pages: usize,
        limits: Limits,
    ) -> Worker {
        let cache = model.cache(pages);
        Worker { model, speller, shared, scheduler: Scheduler::new(pages, limits), cache, active: Vec::new() }
    }

    /// Runs until the engine is dropped.
    pub(super) fn run(&mut self) {
        while let Some(arrived) = self.arrivals() {
            arrived.into_iter().for_each(|arrival| self.let_in(arrival));
            self.drop_cancelled();
            let works = self.scheduler.plan();
            if works.is_empty() {
                continue;
            }
            let spans = self.scheduler.spans(&works);
            match self.model.forward(&spans, &mut self.cache, None) {
                Ok(logits) => {
                    self.scheduler.computed(&works);
                    self.draw(&works, logits);
                }
                Err(error) => self.fail(&works, &error),
            }
            self.shared.pages_used.store(self.scheduler.pages().0, Ordering::Relaxed);
        }
    }

    /// New requests; waits for one where nothing else is to do. `None` where the engine is dropped.
    fn arrivals(&self) -> Option<Vec<Arrival>> {
        let mut inbox = self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        while inbox.arrived.is_empty() && self.active.is_empty() && !inbox.is_over {
            inbox = self.shared.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        if inbox.is_over { None } else { Some(std::mem::take(&mut inbox.arrived)) }
    }

    fn let_in(&mut self, mut arrival: Arrival) {
        match self.scheduler.submit(arrival.request.prompt.clone(), arrival.answer_most) {
            Ok(id) => self.active.push(Active::new(id, arrival)),
            Err(error) => {
                self.shared.open.fetch_sub(1, Ordering::Relaxed);
                (arrival.sink)(Event::Failed(error));
            }
        }
    }

    fn drop_cancelled(&mut self) {
        let (gone, left): (Vec<Active>, Vec<Active>) = self.active.drain(..).partition(Active::is_cancelled);
        self.active = left;
        gone.iter().for_each(|active| self.forget(active.id));
    }

    fn draw(&mut self, works: &[Work], mut logits: Vec<f32>) {
        let wanted = works.iter().filter(|work| work.wanted);
        for (work, logits) in wanted.zip(logits.chunks_exact_mut(self.model.config().vocabulary)) {
            let Some(at) = self.active.iter().position(|active| active.id == work.id) else { continue };
            let reused = self.scheduler.reused(work.id);
            match self.active[at].draw(logits, &self.speller, reused) {
                Ok(token) => self.scheduler.push(work.id, token),
                Err(ended) => {
                    let active = self.active.swap_remove(at);
                    self.forget(work.id);
                    match ended {
                        Over::Done(summary) => active.end(Event::Done(summary)),
                        Over::Failed(error) => active.end(Event::Failed(error)),
                        Over::Left => {}
                    }
                }
            }
        }
    }

    /// A pass that failed fails every request in it, for the same reason.
    fn fail(&mut self, works: &[Work], error: &EngineError) {
        for work in works {
            if let Some(at) = self.active.iter().position(|active| active.id == work.id) {
                let active = self.active.swap_remove(at);
                self.forget(work.id);
                active.end(Event::Failed(EngineError::request(error.to_string())));
            }
        }
    }

    fn forget(&mut self, id: crate::scheduler::SequenceId) {
        self.scheduler.end(id);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.shared.pages_used.store(self.scheduler.pages().0, Ordering::Relaxed);
    }
}
