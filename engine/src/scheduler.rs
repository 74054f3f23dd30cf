//! What the next forward pass computes: pure, told everything, touching no numbers.
//!
//! Every pass takes one token of each sequence that decodes, then as many prompt tokens as the budget still allows, first
//! come, first served; a long prompt is computed in chunks over several passes. A sequence is let in only when the pages
//! that it can need at most are there, so that no sequence is ever thrown out half-way.

use std::collections::VecDeque;

use crate::cache::PAGE;
use crate::error::EngineError;
use crate::model::{Pass, Span, Wanted};
use crate::pages::Pages;

/// Names a sequence.
pub type SequenceId = u64;

/// Bounds of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Tokens of a pass.
    pub tokens: usize,
    /// Sequences that run at the same time.
    pub sequences: usize,
    /// Sequences that wait.
    pub waiting: usize,
}

/// Sequences that wait and run, and the account of their pages.
#[derive(Debug)]
pub struct Scheduler {
    limits: Limits,
    pages: Pages,
    waiting: VecDeque<Sequence>,
    running: Vec<Sequence>,
    next: SequenceId,
    /// Pages that running sequences may still take.
    promised: usize,
}

/// A sequence: its prompt, then what was drawn.
#[derive(Debug)]
struct Sequence {
    id: SequenceId,
    tokens: Vec<u32>,
    prompt: usize,
    /// Tokens whose cache rows are there.
    computed: usize,
    pages: Vec<u32>,
    /// Pages that it can need at most.
    pages_most: usize,
    /// Tokens whose rows were there when it was let in.
    reused: usize,
}

/// A sequence's part in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Which sequence.
    pub id: SequenceId,
    /// Where it is among the running.
    slot: usize,
    /// The first token to compute.
    pub start: usize,
    /// How many.
    pub count: usize,
    /// By which arithmetic: prompts by that for many rows even where only one is left, since a request's tokens must not
    /// depend on how it was cut.
    pub pass: Pass,
    /// Whether its last token's logits are asked for.
    pub wanted: bool,
}

impl Scheduler {
    /// With a cache of so many pages.
    pub fn new(pages: usize, limits: Limits) -> Scheduler {
        let pages = Pages::new(pages);
        Scheduler { limits, pages, waiting: VecDeque::new(), running: Vec::new(), next: 1, promised: 0 }
    }

    /// Lets a sequence wait for its turn.
    ///
    /// # Errors
    /// `NoRoom` where prompt and answer can't fit even alone, `Busy` where too many wait, `Request` where there is no
    /// prompt.
    pub fn submit(&mut self, prompt: Vec<u32>, answer_most: usize) -> Result<SequenceId, EngineError> {
        if prompt.is_empty() {
            return Err(EngineError::request("there is no prompt"));
        }
        let needed = prompt.len().saturating_add(answer_most);
        if needed.div_ceil(PAGE) > self.pages.count() {
            let next = "shorten the prompt, ask for fewer tokens, or give the engine a larger cache";
            return Err(EngineError::NoRoom { needed, available: self.pages.count() * PAGE, next });
        }
        if self.waiting.len() >= self.limits.waiting {
            return Err(EngineError::Busy { waiting: self.waiting.len() });
        }
        let id = self.next;
        self.next += 1;
        let (length, pages_most) = (prompt.len(), needed.div_ceil(PAGE));
        let sequence =
            Sequence { id, tokens: prompt, prompt: length, computed: 0, pages: Vec::new(), pages_most, reused: 0 };
        self.waiting.push_back(sequence);
        Ok(id)
    }

    /// The next pass; empty where there is nothing to compute. Pages for it are taken.
    pub fn plan(&mut self) -> Vec<Work> {
        self.let_in();
        let mut left = self.limits.tokens;
        let mut works = Vec::new();
        for (slot, sequence) in self.running.iter().enumerate() {
            if sequence.computed >= sequence.prompt && left > 0 {
                works.push(sequence.work(slot, 1));
                left -= 1;
            }
        }
        for (slot, sequence) in self.running.iter().enumerate() {
            if sequence.computed < sequence.prompt && left > 0 {
                let count = (sequence.prompt - sequence.computed).min(left);
                works.push(sequence.work(slot, count));
                left -= count;
            }
        }
        for work in &works {
            let sequence = &mut self.running[work.slot];
            while sequence.pages.len() * PAGE < work.start + work.count {
                sequence.pages.push(self.pages.take().expect("pages were promised when the sequence was let in"));
                self.promised -= 1;
            }
        }
        works
    }

    /// The spans of a plan, for the model.
    pub fn spans(&self, works: &[Work]) -> Vec<Span<'_>> {
        let span = |work: &Work| {
            let sequence = &self.running[work.slot];
            Span {
                tokens: &sequence.tokens[work.start..work.start + work.count],
                start: work.start,
                pages: &sequence.pages,
                pass: work.pass,
                wanted: if work.wanted { Wanted::Last } else { Wanted::None },
            }
        };
        works.iter().map(span).collect()
    }

    /// Says that a plan's tokens were computed. Full pages of prompts are published.
    pub fn computed(&mut self, works: &[Work]) {
        for work in works {
            let sequence = &mut self.running[work.slot];
            sequence.computed += work.count;
            if work.pass == Pass::Prefill {
                self.pages.publish(&sequence.pages, &sequence.tokens[..sequence.computed]);
            }
        }
    }

    /// Appends a drawn token.
    pub fn push(&mut self, id: SequenceId, token: u32) {
        if let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.id == id) {
            sequence.tokens.push(token);
        }
    }

    /// Ends a sequence, whether it waits or runs; its pages can be had at once.
    pub fn end(&mut self, id: SequenceId) {
        self.waiting.retain(|sequence| sequence.id != id);
        if let Some(slot) = self.running.iter().position(|sequence| sequence.id == id) {
            let sequence = self.running.remove(slot);
            self.promised -= sequence.pages_most - sequence.pages.len();
            self.pages.release(&sequence.pages);
        }
    }

    /// Tokens of a running sequence that were not computed, since an earlier prompt began alike.
    pub fn reused(&self, id: SequenceId) -> usize {
        self.running.iter().find(|sequence| sequence.id == id).map_or(0, |sequence| sequence.reused)
    }

    /// Sequences that wait, and that run.
    pub fn depth(&self) -> (usize, usize) {
        (self.waiting.len(), self.running.len())
    }

    /// Pages in use, and in all.
    pub fn pages(&self) -> (usize, usize) {
        (self.pages.count() - self.pages.available(), self.pages.count())
    }

    fn let_in(&mut self) {
        while self.running.len() < self.limits.sequences {
            let Some(first) = self.waiting.front_mut() else { return };
            let reused = self.pages.reuse(&first.tokens);
            let needed = first.pages_most - reused.len();
            if self.pages.available() < self.promised + needed {
                self.pages.release(&reused);
                return;
            }
            let mut sequence = self.waiting.pop_front().expect("it was just seen");
            sequence.reused = reused.len() * PAGE;
            sequence.computed = sequence.reused;
            sequence.pages = reused;
            self.promised += needed;
            self.running.push(sequence);
        }
    }
}

impl Sequence {
    fn work(&self, slot: usize, count: usize) -> Work {
        let decodes = self.computed >= self.prompt;
        let pass = if decodes { Pass::Decode } else { Pass::Prefill };
        let wanted = self.computed + count == self.tokens.len();
        Work { id: self.id, slot, start: self.computed, count, pass, wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { tokens: 24, sequences: 3, waiting: 4 };

    fn scheduler(pages: usize) -> Scheduler {
        Scheduler::new(pages, LIMITS)
    }

    /// Runs a pass; every sequence whose logits were asked for gets a token.
    fn pass(scheduler: &mut Scheduler) -> Vec<(SequenceId, usize, usize)> {
        let works = scheduler.plan();
        assert!(works.iter().map(|work| work.count).sum::<usize>() <= LIMITS.tokens);
        assert!(works.windows(2).all(|pair| pair[0].pass <= pair[1].pass), "decoding comes first");
        for (work, span) in works.iter().zip(scheduler.spans(&works)) {
            assert!(span.pages.len() * PAGE >= work.start + work.count);
        }
        scheduler.computed(&works);
        for work in works.iter().filter(|work| work.wanted) {
            scheduler.push(work.id, 9);
        }
        works.iter().map(|work| (work.id, work.start, work.count)).collect()
    }

    #[test]
    fn decoding_and_a_chunked_prompt_share_a_pass() {
        let mut all = scheduler(16);
        let a = all.submit((0..5).collect(), 10).unwrap();
        assert_eq!(pass(&mut all), [(a, 0, 5)]);
        let b = all.submit((0..60).collect(), 4).unwrap();
        assert_eq!(pass(&mut all), [(a, 5, 1), (b, 0, 23)]);
        assert_eq!(pass(&mut all), [(a, 6, 1), (b, 23, 23)]);
        assert_eq!(pass(&mut all), [(a, 7, 1), (b, 46, 14)]);
        assert_eq!(pass(&mut all), [(a, 8, 1), (b, 60, 1)]);
    }

    #[test]
    fn a_second_prompt_with_the_same_beginning_computes_the_rest_alone() {
        let mut all = scheduler(16);
        let prompt: Vec<u32> = (0..40).collect();
        let a = all.submit(prompt.clone(), 1).unwrap();
        pass(&mut all);
        pass(&mut all);
        all.end(a);
        let b = all.submit(prompt, 1).unwrap();
        assert_eq!(pass(&mut all), [(b, 32, 8)]);
        assert_eq!(all.reused(b), 32);
    }

    #[test]
    fn what_cannot_fit_is_refused_and_what_cannot_fit_now_waits() {
        let mut all = scheduler(4);
        assert!(matches!(all.submit((0..60).collect(), 5), Err(EngineError::NoRoom { needed: 65, available: 64, .. })));
        assert!(matches!(all.submit(vec![], 5), Err(EngineError::Request { .. })));
        assert!(matches!(all.submit(vec![1], usize::MAX), Err(EngineError::NoRoom { .. })));
        let a = all.submit(vec![1; 20], 28).unwrap();
        let b = all.submit(vec![2; 20], 12).unwrap();
        assert_eq!(pass(&mut all), [(a, 0, 20)]);
        assert_eq!(pass(&mut all), [(a, 20, 1)], "b waits for pages that a may need");
        all.end(a);
        assert_eq!(pass(&mut all), [(b, 0, 20)]);
    }

    #[test]
    fn too_many_waiting_are_refused() {
        let mut all = scheduler(4);
        for _ in 0..LIMITS.waiting {
            all.submit(vec![1], 1).unwrap();
        }
        assert!(matches!(all.submit(vec![1], 1), Err(EngineError::Busy { waiting: 4 })));
    }

    #[test]
    fn an_ended_sequence_frees_its_pages_at_once() {
        let mut all = scheduler(8);
        let a = all.submit((0..50).collect(), 50).unwrap();
        pass(&mut all);
        assert!(all.pages().0 > 0);
        all.end(a);
        all.end(a);
        assert_eq!((all.pages().0, all.promised, all.depth()), (0, 0, (0, 0)));
    }

    #[test]
    fn seeded_histories_leave_nothing_behind() {
        for seed in 0..40u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut draw = |below: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % below
            };
            let mut all = scheduler(12);
            let mut alive = Vec::new();
            for _ in 0..200 {
                match draw(4) {
                    0 => {
                        let length = draw(70) as u32 + 1;
                        let alike = draw(2) as u32;
                        alive.extend(all.submit((0..length).map(|at| at * alike).collect(), draw(40) as usize + 1));
                    }
                    1 if !alive.is_empty() => all.end(alive.swap_remove(draw(alive.len() as u64) as usize)),
                    _ => {
                        let most = all.running.iter().map(|s| (s.id, s.pages_most)).collect::<Vec<_>>();
                        for (id, _, _) in pass(&mut all) {
                            let full = all.running.iter().any(|s| s.id == id && s.tokens.len() >= s.pages_most * PAGE);
                            if full {
                                all.end(id);
                                alive.retain(|other| *other != id);
                            }
                        }
                        assert!(most.len() <= LIMITS.sequences);
                    }
                }
            }
            alive.drain(..).for_each(|id| all.end(id));
            assert_eq!((all.pages().0, all.promised), (0, 0), "seed {seed}");
        }
    }
}
