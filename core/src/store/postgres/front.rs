//! What answers under a lease: a thread that draws on leases, syncs entries to the spool, and passes all on in order.
//!
//! What it cannot answer by itself goes to the server: reservations beyond what is left, under rates, shares, rolling
//! windows or alerts, and any id that was seen before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::batch::Work;
use super::lease::Leases;
use super::spool::Spool;
use super::writer::{Answer, Command, Item};
use crate::id::AttemptId;
use crate::ledger::{End, Entry, LedgerError, Posted, Reserve};

/// Most entries between two syncs.
const GROUP_MAX: usize = 512;
/// Ids that are remembered, so that one which comes again is judged by the server: enough for hours of replays.
const REMEMBERED_MAX: usize = 200_000;

pub(super) struct Front {
    pub(super) spool: Spool,
    pub(super) leases: Arc<Leases>,
    pub(super) back: UnboundedSender<Command>,
    /// How many of the entries that were passed on are on the server.
    pub(super) shipped: Arc<AtomicU64>,
    passed: u64,
    /// Reservations that are open and were answered here or passed on.
    open: HashMap<AttemptId, Arc<Reserve>>,
    seen: HashSet<AttemptId>,
    order: VecDeque<AttemptId>,
}

/// Entries of a group: what to sync, what to answer after it, and what to pass on, in order.
#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    answers: Vec<(Answer<Posted>, Posted)>,
    passed: Vec<Command>,
}

impl Front {
    pub(super) fn new(
        spool: Spool,
        leases: Arc<Leases>,
        back: UnboundedSender<Command>,
        shipped: Arc<AtomicU64>,
    ) -> Front {
        let (open, seen, order) = (HashMap::new(), HashSet::new(), VecDeque::new());
        Front { spool, leases, back, shipped, passed: 0, open, seen, order }
    }

    /// Works until the store is closed or dropped. The spool is removed where all of it came to the server.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        while let Ok(first) = commands.recv() {
            let mut group = Group::default();
            let mut close = self.take(first, &mut group);
            while close.is_none()
                && group.passed.len() < GROUP_MAX
                && let Ok(next) = commands.try_recv()
            {
                close = self.take(next, &mut group);
            }
            self.finish(group);
            if let Some(answer) = close {
                self.close(answer);
                return;
            }
        }
    }

    fn take(&mut self, command: Command, group: &mut Group) -> Option<Answer<()>> {
        match command {
            Command::Write(item) => self.write(item, group),
            Command::Close(answer) => return Some(answer),
            other => group.passed.push(other),
        }
        None
    }

    fn write(&mut self, item: Item, group: &mut Group) {
        let Item { work, answer } = item;
        let local = match &work {
            Work::Reserve(entry) => self.reserve(entry),
            Work::End(end) => self.end(end),
            Work::Granted(_) => None,
        };
        let Some((entry, work, posted)) = local else {
            group.passed.push(Command::Write(Item { work, answer }));
            return;
        };
        group.entries.push(entry);
        group.passed.push(Command::Write(Item { work, answer: None }));
        if let Some(answer) = answer {
            group.answers.push((answer, posted));
        }
    }

    fn reserve(&mut self, entry: &Arc<Reserve>) -> Option<(Entry, Work, Posted)> {
        if entry.check().is_err() || !self.remember(&entry.attempt) {
            return None;
        }
        if !self.leases.draw(entry) {
            return None;
        }
        self.open.insert(entry.attempt.clone(), entry.clone());
        Some((Entry::Reserve(entry.clone()), Work::Granted(entry.clone()), Posted::default()))
    }

    /// Notes an id; `false` where it was seen before.
    fn remember(&mut self, attempt: &AttemptId) -> bool {
        if !self.seen.insert(attempt.clone()) {
            return false;
        }
        self.order.push_back(attempt.clone());
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }

    fn end(&mut self, end: &End) -> Option<(Entry, Work, Posted)> {
        end.check().ok()?;
        let reserve = self.open.remove(end.attempt())?;
        self.leases.needs(&reserve)?;
        let (entry, overrun) = match end {
            End::Settle(entry) => (Entry::Settle(Arc::new((**entry).clone())), reserve.is_overrun_by(entry)),
            End::Void(entry) => (Entry::Void(entry.clone()), false),
        };
        if overrun {
            self.leases.revoke(&reserve);
        }
        Some((entry, Work::End(end.clone()), Posted { overrun, ..Posted::default() }))
    }

    /// Syncs, passes on and answers. Where the disk fails, those who would have been answered are told, and what they
    /// drew stays with the lease, which the server counts as used.
    fn finish(&mut self, group: Group) {
        let Group { entries, answers, passed } = group;
        if self.shipped.load(Ordering::Acquire) == self.passed {
            self.spool.emptied();
        }
        let synced = if entries.is_empty() { Ok(()) } else { self.spool.add(&entries) };
        let failed = synced.as_ref().err().cloned();
        for command in passed {
            let is_local = matches!(&command, Command::Write(Item { answer: None, .. }));
            if is_local && failed.is_some() && !entries.is_empty() {
                // Detached endings go on: the server keeps them where this disk does not.
                if matches!(&command, Command::Write(Item { work: Work::Granted(_), .. })) {
                    continue;
                }
            }
            self.passed += u64::from(is_local);
            // The other side ends after this one.
            drop(self.back.send(command));
        }
        for (answer, posted) in answers {
            drop(answer.send(failed.clone().map_or(Ok(posted), Err)));
        }
    }

    fn close(self, answer: Answer<()>) {
        let (closed, told) = oneshot::channel();
        let sent = self.back.send(Command::Close(closed)).is_ok();
        let outcome = if sent { told.blocking_recv().unwrap_or(Err(LedgerError::Closed)) } else { Ok(()) };
        if self.shipped.load(Ordering::Acquire) == self.passed {
            self.spool.remove();
        } else {
            drop(self.spool);
        }
        drop(answer.send(outcome));
    }
}
