//! The task that writes: all entries that wait, in one transaction, on one connection that it makes again when it is lost.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::batch::Work;
use super::failure::Trouble;
use super::lease::Leases;
use super::link::{Link, Server};
use super::start::Shared;
use super::transact::{Known, transact};
use super::{notes, open, tend};
use crate::ledger::{LedgerError, Posted, Rules};
use crate::store::listener::answer;
use crate::store::tally::Tally;
use crate::time::Timestamp;

/// Most entries in one transaction: enough to share its round trips among, few enough to answer within milliseconds.
const BATCH_MAX: usize = 1_024;
/// How often a transaction is tried again that another one was in the way of.
const TRIES_MAX: u32 = 30;
/// Most balances that are remembered for decisions.
const REMEMBERED_MAX: usize = 100_000;

pub(super) type Answer<T> = oneshot::Sender<Result<T, LedgerError>>;

/// An entry to write, and who waits for it. One that nobody waits for is kept until it is written.
pub(super) struct Item {
    pub(super) work: Work,
    pub(super) answer: Option<Answer<Posted>>,
}

/// What the writer is asked to do. The queue is bounded by those who wait for an answer and by open reservations.
pub(super) enum Command {
    Write(Item),
    Rules(Rules, Answer<()>),
    Note(notes::Writing, Answer<bool>),
    Flush(Answer<()>),
    Close(Answer<()>),
}

pub(super) struct Writer {
    pub(super) server: Server,
    pub(super) link: Option<Link>,
    pub(super) known: Known,
    pub(super) leases: Arc<Leases>,
    pub(super) standing_size: usize,
    pub(super) shared: Shared,
    /// How long those who wait are kept waiting for a server that does not answer.
    pub(super) patience: Duration,
    /// Entries that nobody waits for and that could not be written yet.
    pub(super) kept: VecDeque<Work>,
    pub(super) failed: Option<LedgerError>,
}

impl Writer {
    /// Works until the store is closed or dropped.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let pause = Duration::from_secs_f64(self.known.alive_secs / 4.0);
        let mut tick = tokio::time::interval(pause.max(Duration::from_millis(50)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick.tick().await;
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                biased;
                count = commands.recv_many(&mut waiting, BATCH_MAX) => if count == 0 { return },
                _ = tick.tick() => {
                    self.write(Vec::new()).await;
                    tend::tend(&mut self, false).await;
                    continue;
                }
            }
            let mut items = Vec::new();
            for command in waiting.drain(..) {
                let Command::Write(item) = command else {
                    self.write(std::mem::take(&mut items)).await;
                    if self.attend(command).await {
                        return;
                    }
                    continue;
                };
                items.push(item);
            }
            self.write(items).await;
        }
    }

    /// Does what is no entry; `true` where the store is closed.
    async fn attend(&mut self, command: Command) -> bool {
        match command {
            Command::Write(_) => {}
            // Who asked may have gone away.
            Command::Rules(rules, answer) => drop(answer.send(self.adopt(rules).await)),
            Command::Note(writing, answer) => drop(answer.send(self.note(&writing).await)),
            Command::Flush(answer) => drop(answer.send(self.unwritten())),
            Command::Close(answer) => {
                tend::tend(self, true).await;
                let failed = self.failed.take().map_or_else(|| self.unwritten(), Err);
                self.link = None;
                drop(answer.send(failed));
                return true;
            }
        }
        false
    }

    /// That entries are kept which the server has not taken.
    fn unwritten(&self) -> Result<(), LedgerError> {
        match self.kept.len() {
            0 => Ok(()),
            count => Err(LedgerError::Io {
                place: self.server.address.place.clone(),
                doing: "writing what was kept",
                reason: format!("{count} entries are not on the server yet: see whether it is up and reachable"),
            }),
        }
    }

    async fn adopt(&mut self, rules: Rules) -> Result<(), LedgerError> {
        tend::give_back(self, true).await?;
        let server = self.server.clone();
        let link = self.link().await.map_err(Trouble::into_error)?;
        let doing = "putting budgets in force";
        let adopted = server.within(doing, open::adopt(&server, link, &rules)).await;
        let ids = adopted.map_err(|trouble| {
            self.link = None;
            trouble.into_error()
        })?;
        self.leases.begin(rules.clone(), ids.clone());
        *self.shared.standing.lock().unwrap_or_else(PoisonError::into_inner) = Tally::new(rules.clone());
        self.known.adopt(rules, ids);
        tend::look(self).await.map_err(Trouble::into_error)
    }

    async fn note(&mut self, writing: &notes::Writing) -> Result<bool, LedgerError> {
        let server = self.server.clone();
        let link = self.link().await.map_err(Trouble::into_error)?;
        let written = server.within("writing a note", notes::write(&server, link, writing)).await;
        written.map_err(|trouble| {
            self.link = None;
            trouble.into_error()
        })
    }

    /// The connection, made where there is none.
    pub(super) async fn link(&mut self) -> Result<&Link, Trouble> {
        if self.link.as_ref().is_none_or(|link| !link.is_open()) {
            self.link = Some(self.server.connect().await?);
        }
        Ok(self.link.as_ref().expect("it was just made"))
    }

    /// Writes entries, those that were kept before them, and answers those who wait.
    pub(super) async fn write(&mut self, items: Vec<Item>) {
        let kept = std::mem::take(&mut self.kept).into_iter().map(|work| Item { work, answer: None });
        let mut items: VecDeque<Item> = kept.chain(items).collect();
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(BATCH_MAX));
            let (works, answers): (Vec<Work>, Vec<_>) =
                std::mem::replace(&mut items, rest).into_iter().map(|item| (item.work, item.answer)).unzip();
            match self.transact(&works).await {
                Ok(results) => works.into_iter().zip(answers).zip(results).for_each(|((_, answer), result)| {
                    self.answer(answer, result);
                }),
                Err(Trouble::Refused(error)) if works.len() == 1 => {
                    answers.into_iter().for_each(|answer| self.answer(answer, Err(error.clone())));
                }
                // One of them is refused: the others are not to suffer for it.
                Err(Trouble::Refused(error)) => self.one_by_one(works, answers, &error).await,
                Err(Trouble::Again(error) | Trouble::Lost(error)) => {
                    self.keep(works, answers, &error);
                    let rest = items.drain(..).map(|item| (item.work, item.answer));
                    let (works, answers) = rest.unzip();
                    self.keep(works, answers, &error);
                }
            }
        }
    }

    async fn one_by_one(&mut self, works: Vec<Work>, answers: Vec<Option<Answer<Posted>>>, refused: &LedgerError) {
        if matches!(refused, LedgerError::Denied { .. } | LedgerError::Full { .. }) {
            return self.keep(works, answers, refused);
        }
        for (work, answer) in works.into_iter().zip(answers) {
            match self.transact(std::slice::from_ref(&work)).await {
                Ok(results) => {
                    results.into_iter().zip([answer]).for_each(|(result, answer)| self.answer(answer, result))
                }
                Err(Trouble::Refused(error)) => self.answer(answer, Err(error)),
                Err(Trouble::Again(error) | Trouble::Lost(error)) => self.keep(vec![work], vec![answer], &error),
            }
        }
    }

    fn answer(&mut self, answer: Option<Answer<Posted>>, result: Result<Posted, LedgerError>) {
        match (answer, result) {
            (Some(answer), result) => answer::give(answer, result, &self.shared.listeners),
            (None, result) => {
                self.shared.shipped.fetch_add(1, Ordering::Release);
                match result {
                    Ok(posted) => self.shared.listeners.tell(posted.alerts),
                    Err(error) => drop(self.failed.get_or_insert(error)),
                }
            }
        }
    }

    /// Tells those who wait, and keeps what must not be lost: endings, and what was answered under a lease.
    fn keep(&mut self, works: Vec<Work>, answers: Vec<Option<Answer<Posted>>>, error: &LedgerError) {
        for (work, answer) in works.into_iter().zip(answers) {
            match (work, answer) {
                (Work::Reserve(_), answer) => self.answer(answer, Err(error.clone())),
                (work, answer) => {
                    if let Some(answer) = answer {
                        // It is written later without an answer, and so counts as shipped then: not twice.
                        self.shared.shipped.fetch_sub(1, Ordering::Release);
                        drop(answer.send(Err(error.clone())));
                    }
                    self.kept.push_back(work);
                }
            }
        }
    }

    /// One transaction, tried again where that can help, as long as patience lasts.
    async fn transact(&mut self, works: &[Work]) -> Result<Vec<Result<Posted, LedgerError>>, Trouble> {
        let deadline = Instant::now() + self.patience;
        let mut tries = 0;
        let mut pause = Duration::from_millis(20);
        loop {
            let trouble = match self.try_once(works).await {
                Ok(results) => return Ok(results),
                Err(trouble) => trouble,
            };
            self.known.must_look = true;
            tries += 1;
            match &trouble {
                Trouble::Again(_) if tries < TRIES_MAX => {
                    let link = self.link.take();
                    let Some(link) = link.filter(Link::is_open) else { continue };
                    let rolled = self.server.within("rolling back", link.simple("rolling back", "ROLLBACK")).await;
                    self.link = rolled.is_ok().then_some(link);
                }
                Trouble::Lost(_) if Instant::now() + pause < deadline => {
                    self.link = None;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                _ => {
                    self.link = None;
                    return Err(trouble);
                }
            }
        }
    }

    async fn try_once(&mut self, works: &[Work]) -> Result<Vec<Result<Posted, LedgerError>>, Trouble> {
        self.link().await?;
        let Writer { server, link, known, leases, .. } = self;
        let link = link.as_ref().expect("it was just made");
        let (results, standing) =
            server.within("writing entries", transact(server, link, known, leases, works)).await?;
        let mut tally = self.shared.standing.lock().unwrap_or_else(PoisonError::into_inner);
        self.standing_size += standing.len();
        if self.standing_size > REMEMBERED_MAX {
            *tally = Tally::new(tally.rules().clone());
            self.standing_size = standing.len();
        }
        for (budget, key, balance) in standing {
            tally.put(budget, &key.scope, Timestamp::from_ms(key.bucket_ms), balance);
        }
        Ok(results)
    }
}
