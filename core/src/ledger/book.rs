//! The reference ledger: every rule in its plainest form. Stores are faster and must agree with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::AttemptId;
use crate::ledger::budget::Draw;
use crate::ledger::{
    Alert, Balance, BalanceKey, Budget, End, Enforce, Entry, Fate, LedgerError, Limit, Posted, RateState, Reserve, Row,
    Rules, Scope, Settle, Standing, Void,
};
use crate::time::Timestamp;

/// Reservations, their endings and the balances that follow from them.
#[derive(Clone, Debug, Default)]
pub struct Book {
    rules: Rules,
    journal: Vec<Entry>,
    rows: Vec<Row>,
    places: BTreeMap<AttemptId, usize>,
    balances: BTreeMap<BalanceKey, Balance>,
    rates: BTreeMap<(String, String), RateState>,
}

/// What an entry does to the balances of its attempt.
#[derive(Clone, Copy)]
enum Change<'a> {
    Hold,
    Post(&'a Settle),
    Release,
}

impl Book {
    /// An empty book under these rules.
    pub fn new(rules: Rules) -> Book {
        Book { rules, ..Book::default() }
    }

    /// The book that a journal makes. Limits are not asked again: what was written is written.
    ///
    /// # Errors
    /// Where an entry cannot follow those before it.
    pub fn replay<'a>(rules: Rules, journal: impl IntoIterator<Item = &'a Entry>) -> Result<Book, LedgerError> {
        let mut book = Book::new(rules);
        for entry in journal {
            match entry {
                Entry::Reserve(entry) => match book.find_same(entry)? {
                    true => return Err(conflict(&entry.attempt, "reservation")),
                    false => book.hold(entry.clone()),
                },
                Entry::Settle(entry) => drop(book.settle(entry)?),
                Entry::Void(entry) => drop(book.void(entry)?),
                Entry::Unknown { attempt, at } => book.mark_unknown(attempt, *at)?,
            }
        }
        Ok(book)
    }

    /// Sets aside the most that an attempt can cost.
    ///
    /// # Errors
    /// `OverBudget` with every budget that refuses, `OverRate` with every rate, `Conflict`, `Invalid`.
    pub fn reserve(&mut self, entry: &Reserve) -> Result<Posted, LedgerError> {
        entry.check()?;
        if self.find_same(entry)? {
            return Ok(Posted::duplicate());
        }
        let mut over = Vec::new();
        let mut alerts = Vec::new();
        for budget in self.rules.budgets() {
            if budget.draw(&entry.facts) != Some(Draw::Uses) {
                continue;
            }
            let scope = budget.scope(&entry.facts);
            let (used, oldest) = self.used(budget, &scope, entry.at);
            let Some(refusal) = budget.judge(&used, &scope, entry, oldest) else { continue };
            match budget.enforce {
                Enforce::Refuse => over.push(refusal),
                _ => alerts.push(budget.beyond(&used, entry, &refusal, oldest)),
            }
        }
        if !over.is_empty() {
            return Err(LedgerError::OverBudget(over));
        }
        self.take_rates(entry)?;
        self.hold(Arc::new(entry.clone()));
        Ok(Posted { alerts, ..Posted::default() })
    }

    /// Ends a reservation at what the attempt cost.
    ///
    /// # Errors
    /// `NoReservation`, `Conflict`, `AlreadyEnded`, `Invalid`.
    pub fn settle(&mut self, entry: &Settle) -> Result<Posted, LedgerError> {
        entry.check()?;
        let place = self.place(&entry.attempt)?;
        match &self.rows[place].fate {
            Fate::Settled(before) if **before == *entry => return Ok(Posted::duplicate()),
            Fate::Settled(_) => return Err(conflict(&entry.attempt, "settlement")),
            Fate::Voided(_) => return Err(ended(&entry.attempt, "voided")),
            Fate::Open | Fate::Unknown { .. } => {}
        }
        let reserve = self.rows[place].reserve.clone();
        let alerts = self.alerts_of(&reserve, entry);
        self.change(&reserve, Change::Post(entry));
        self.give_back(&reserve, 0, reserve.tokens_max.saturating_sub(reserve.tokens_of(entry)));
        let entry = Arc::new(entry.clone());
        self.rows[place].fate = Fate::Settled(entry.clone());
        self.journal.push(Entry::Settle(entry.clone()));
        Ok(Posted { overrun: reserve.is_overrun_by(&entry), duplicate: false, alerts })
    }

    /// Ends a reservation of which no byte was sent.
    ///
    /// # Errors
    /// `NoReservation`, `Conflict`, `AlreadyEnded`, `Invalid`.
    pub fn void(&mut self, entry: &Void) -> Result<Posted, LedgerError> {
        entry.check()?;
        let place = self.place(&entry.attempt)?;
        match &self.rows[place].fate {
            Fate::Voided(before) if before == entry => return Ok(Posted::duplicate()),
            Fate::Voided(_) => return Err(conflict(&entry.attempt, "void")),
            Fate::Settled(_) => return Err(ended(&entry.attempt, "settled")),
            Fate::Open | Fate::Unknown { .. } => {}
        }
        let reserve = self.rows[place].reserve.clone();
        self.change(&reserve, Change::Release);
        self.give_back(&reserve, 1, reserve.tokens_max);
        self.rows[place].fate = Fate::Voided(entry.clone());
        self.journal.push(Entry::Void(entry.clone()));
        Ok(Posted::default())
    }

    /// Ends a reservation in either way.
    ///
    /// # Errors
    /// As `settle` and `void`.
    pub fn end(&mut self, end: &End) -> Result<Posted, LedgerError> {
        match end {
            End::Settle(entry) => self.settle(entry),
            End::Void(entry) => self.void(entry),
        }
    }

    /// Notes that the owner of an open reservation died. It stays held; one that has ended stays as it is.
    ///
    /// # Errors
    /// `NoReservation`.
    pub fn mark_unknown(&mut self, attempt: &AttemptId, at: Timestamp) -> Result<(), LedgerError> {
        let place = self.place(attempt)?;
        if self.rows[place].fate == Fate::Open {
            self.rows[place].fate = Fate::Unknown { at };
            self.journal.push(Entry::Unknown { attempt: attempt.clone(), at });
        }
        Ok(())
    }

    /// What a decision about this request should know of the budgets.
    pub fn standing(&self, scope: &Scope, at: Timestamp) -> Standing {
        let mut standing = Standing::default();
        for budget in self.rules.budgets().iter().filter(|budget| budget.concerns(scope)) {
            if let Some(text) = budget.scope_of_request(scope) {
                budget.tell(&self.used(budget, &text, at).0, &mut standing);
            }
        }
        standing
    }

    /// Every entry, oldest first.
    pub fn journal(&self) -> &[Entry] {
        &self.journal
    }

    /// Every attempt, oldest first.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Every balance that is not zero.
    pub fn balances(&self) -> BTreeMap<BalanceKey, Balance> {
        self.balances.iter().filter(|(_, balance)| !balance.is_zero()).map(|(k, b)| (k.clone(), *b)).collect()
    }

    /// What counts now, and the oldest bucket that does.
    fn used(&self, budget: &Budget, scope: &str, at: Timestamp) -> (Balance, Timestamp) {
        let (first, last) = budget.window.counted(at);
        let mut sum = Balance::default();
        let mut oldest = None;
        for (key, balance) in self.balances.range(key(budget, scope, first)..=key(budget, scope, last)) {
            oldest = oldest.or(Some(key.bucket).filter(|_| !balance.is_zero()));
            sum.add(balance);
        }
        (sum, oldest.unwrap_or(first))
    }

    fn hold(&mut self, entry: Arc<Reserve>) {
        self.change(&entry, Change::Hold);
        self.places.insert(entry.attempt.clone(), self.rows.len());
        let seq = self.rows.len() as u64 + 1;
        self.rows.push(Row { seq, reserve: entry.clone(), fate: Fate::Open });
        self.journal.push(Entry::Reserve(entry));
    }

    fn change(&mut self, reserve: &Reserve, change: Change<'_>) {
        for budget in self.rules.budgets() {
            let Some(draw) = budget.draw(&reserve.facts) else { continue };
            let bucket = budget.window.bucket(reserve.at).start;
            let balance = self.balances.entry(key(budget, &budget.scope(&reserve.facts), bucket)).or_default();
            let held = budget.limit.held_by(reserve);
            let counts_base = matches!(budget.limit, Limit::Share(_));
            match change {
                Change::Hold => balance.base += i128::from(counts_base),
                Change::Release => balance.base -= i128::from(counts_base),
                Change::Post(_) => {}
            }
            if draw == Draw::Uses {
                match change {
                    Change::Hold => balance.held += held,
                    Change::Release => balance.held -= held,
                    Change::Post(settle) => {
                        balance.held -= held;
                        balance.posted += budget.limit.posted_by(reserve, settle);
                    }
                }
            }
            assert!(balance.held >= 0 && balance.base >= 0, "a reservation is released once");
        }
    }

    fn alerts_of(&self, reserve: &Reserve, entry: &Settle) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for budget in self.rules.budgets().iter().filter(|b| b.draw(&reserve.facts) == Some(Draw::Uses)) {
            let scope = budget.scope(&reserve.facts);
            let (used, oldest) = self.used(budget, &scope, reserve.at);
            let after = used.posted + budget.limit.posted_by(reserve, entry);
            alerts.extend(
                budget
                    .marks_between(used.posted, after)
                    .map(|mark| budget.mark(mark, &scope, after, (reserve.at, oldest))),
            );
        }
        alerts
    }

    fn take_rates(&mut self, entry: &Reserve) -> Result<(), LedgerError> {
        let mut taken = Vec::new();
        let mut over = Vec::new();
        for rate in self.rules.rates().iter().filter(|rate| rate.takes(&entry.facts)) {
            let bucket = (rate.name.clone(), rate.scope(&entry.facts));
            let state = self.rates.get(&bucket).copied().unwrap_or_default();
            match rate.take(state, entry.tokens_max, entry.at) {
                Ok(state) => taken.push((bucket, state)),
                Err(refusal) => over.push(refusal),
            }
        }
        match over.is_empty() {
            true => self.rates.extend(taken),
            false => return Err(LedgerError::OverRate(over)),
        }
        Ok(())
    }

    fn give_back(&mut self, reserve: &Reserve, requests: u64, tokens: u64) {
        for rate in self.rules.rates().iter().filter(|rate| rate.takes(&reserve.facts)) {
            if let Some(state) = self.rates.get_mut(&(rate.name.clone(), rate.scope(&reserve.facts))) {
                *state = rate.give_back(*state, requests, tokens);
            }
        }
    }

    fn place(&self, attempt: &AttemptId) -> Result<usize, LedgerError> {
        self.places.get(attempt).copied().ok_or_else(|| LedgerError::NoReservation { attempt: attempt.clone() })
    }

    fn find_same(&self, entry: &Reserve) -> Result<bool, LedgerError> {
        match self.places.get(&entry.attempt) {
            None => Ok(false),
            Some(place) if *self.rows[*place].reserve == *entry => Ok(true),
            Some(_) => Err(conflict(&entry.attempt, "reservation")),
        }
    }
}

fn key(budget: &Budget, scope: &str, bucket: Timestamp) -> BalanceKey {
    BalanceKey { budget: budget.name.clone(), scope: scope.to_owned(), bucket }
}

#[cold]
pub(crate) fn conflict(attempt: &AttemptId, what: &'static str) -> LedgerError {
    LedgerError::Conflict { attempt: attempt.clone(), what }
}

#[cold]
pub(crate) fn ended(attempt: &AttemptId, how: &'static str) -> LedgerError {
    LedgerError::AlreadyEnded { attempt: attempt.clone(), how }
}
