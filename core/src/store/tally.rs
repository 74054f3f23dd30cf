//! Balances for stores: what `ledger::Book` keeps, with the budgets' windows at hand, so that a reservation costs well
//! under a microsecond.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::ledger::{
    Alert, AlertKind, Amount, Balance, BalanceKey, Budget, Draw, Enforce, LedgerError, Limit, OverBudget, Period,
    RateState, Reserve, Rules, Scope, Settle, Standing,
};
use crate::time::Timestamp;

/// Balances of one budget, by scope and bucket.
type Scopes = HashMap<Arc<str>, BTreeMap<Timestamp, Balance>>;

/// The balances and rates of a store.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rules: Rules,
    budgets: Vec<Kept>,
    rates: Vec<HashMap<String, RateState>>,
    /// What the clock of a store that is shared shows beyond this process's, in milliseconds.
    ahead_ms: i64,
}

#[derive(Debug, Default)]
struct Kept {
    scopes: Scopes,
    /// The bucket of the last entry: most entries are in it.
    bucket: Option<Period>,
}

impl Kept {
    fn bucket(&mut self, budget: &Budget, at: Timestamp) -> Timestamp {
        match self.bucket {
            Some(bucket) if bucket.has(at) => bucket.start,
            _ => {
                let bucket = budget.window.bucket(at);
                self.bucket = Some(bucket);
                bucket.start
            }
        }
    }

    /// What counts at a time, and the oldest bucket that does.
    fn used(&mut self, budget: &Budget, scope: &str, at: Timestamp) -> (Balance, Timestamp) {
        let (first, last) = match budget.window.is_rolling() {
            true => budget.window.counted(at),
            false => {
                let start = self.bucket(budget, at);
                (start, start)
            }
        };
        sum(&self.scopes, scope, first, last)
    }
}

fn sum(scopes: &Scopes, scope: &str, first: Timestamp, last: Timestamp) -> (Balance, Timestamp) {
    let mut sum = Balance::default();
    let mut oldest = None;
    for (bucket, balance) in scopes.get(scope).into_iter().flat_map(|buckets| buckets.range(first..=last)) {
        oldest = oldest.or(Some(*bucket).filter(|_| !balance.is_zero()));
        sum.add(balance);
    }
    (sum, oldest.unwrap_or(first))
}

/// What an entry does to the balances of its attempt.
#[derive(Clone, Copy)]
pub(super) enum Change<'a> {
    Hold,
    Post(&'a Settle),
    Release,
}

/// A balance that changed, and by how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delta {
    /// The budget's position in the rules.
    pub(super) budget: usize,
    pub(super) scope: Arc<str>,
    pub(super) bucket: Timestamp,
    pub(super) by: Balance,
}

impl Tally {
    pub(super) fn new(rules: Rules) -> Tally {
        let budgets = rules.budgets().iter().map(|_| Kept::default()).collect();
        let rates = rules.rates().iter().map(|_| HashMap::new()).collect();
        Tally { rules, budgets, rates, ahead_ms: 0 }
    }

    /// Takes rates by the clock of a store that is shared, which is so far ahead of this process's.
    #[cfg(feature = "postgres")]
    pub(super) fn by_clock(mut self, ahead_ms: i64) -> Tally {
        self.ahead_ms = ahead_ms;
        self
    }

    /// Puts a balance in, in place of the one that is there.
    #[cfg(feature = "postgres")]
    pub(super) fn put(&mut self, budget: usize, scope: &str, bucket: Timestamp, balance: Balance) {
        self.budgets[budget].scopes.entry(scope.into()).or_default().insert(bucket, balance);
    }

    /// What a budget has left for one scope, in its unit; what others hold is taken off.
    #[cfg(feature = "postgres")]
    pub(super) fn left(&mut self, budget: usize, scope: &str, at: Timestamp) -> i128 {
        let rule = &self.rules.budgets()[budget];
        let (used, _) = self.budgets[budget].used(rule, scope, at);
        rule.limit.units(used.base) - used.used()
    }

    /// Which balances an attempt draws on: the budget's position, the scope, its own bucket, and the first that counts.
    pub(super) fn needs(&mut self, reserve: &Reserve) -> Vec<(usize, String, Timestamp, Timestamp)> {
        let mut needs = Vec::new();
        for (at, budget) in self.rules.budgets().iter().enumerate() {
            if budget.draw(&reserve.facts).is_some() {
                let bucket = self.budgets[at].bucket(budget, reserve.at);
                let first = if budget.window.is_rolling() { budget.window.counted(reserve.at).0 } else { bucket };
                needs.push((at, budget.scope(&reserve.facts), bucket, first.min(bucket)));
            }
        }
        needs
    }

    /// Which rates' buckets an attempt draws on: the rate's position and the scope.
    pub(super) fn rate_needs(&self, reserve: &Reserve) -> Vec<(usize, String)> {
        let rates = self.rules.rates().iter().enumerate().filter(|(_, rate)| rate.takes(&reserve.facts));
        rates.map(|(at, rate)| (at, rate.scope(&reserve.facts))).collect()
    }

    /// Puts a balance in from elsewhere, unless it is here already.
    pub(super) fn load(&mut self, budget: usize, scope: &str, bucket: Timestamp, balance: Balance) {
        self.budgets[budget].scopes.entry(scope.into()).or_default().entry(bucket).or_insert(balance);
    }

    /// A balance as it stands.
    pub(super) fn balance(&self, budget: usize, scope: &str, bucket: Timestamp) -> Balance {
        let buckets = self.budgets[budget].scopes.get(scope);
        buckets.and_then(|buckets| buckets.get(&bucket)).copied().unwrap_or_default()
    }

    /// A rate's state as it stands.
    pub(super) fn rate(&self, rate: usize, scope: &str) -> Option<RateState> {
        self.rates[rate].get(scope).copied()
    }

    /// Puts a rate's state in from elsewhere, unless it is here already.
    pub(super) fn load_rate(&mut self, rate: usize, scope: &str, state: RateState) {
        self.rates[rate].entry(scope.to_owned()).or_insert(state);
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether a reservation fits every hard budget and every rate; it takes the rates' places, and tells which soft
    /// budgets it goes beyond.
    pub(super) fn admit(&mut self, entry: &Reserve) -> Result<Vec<Alert>, LedgerError> {
        if self.rules.is_empty() {
            return Ok(Vec::new());
        }
        let mut over = Vec::new();
        let mut alerts = Vec::new();
        for (budget, kept) in self.rules.budgets().iter().zip(&mut self.budgets) {
            if budget.draw(&entry.facts) != Some(Draw::Uses) {
                continue;
            }
            let scope = budget.scope(&entry.facts);
            let (used, oldest) = kept.used(budget, &scope, entry.at);
            let Some(refusal) = budget.judge(&used, &scope, entry, oldest) else { continue };
            match budget.enforce {
                Enforce::Refuse => over.push(refusal),
                _ => alerts.push(beyond(budget, &used, refusal, entry)),
            }
        }
        if !over.is_empty() {
            return Err(LedgerError::OverBudget(over));
        }
        self.take_rates(entry)?;
        Ok(alerts)
    }

    /// Changes the balances of an attempt, and says which by how much.
    pub(super) fn change(&mut self, reserve: &Reserve, change: Change<'_>, deltas: &mut Vec<Delta>) {
        for (at, budget) in self.rules.budgets().iter().enumerate() {
            let Some(draw) = budget.draw(&reserve.facts) else { continue };
            let by = delta(budget, draw, reserve, change);
            let kept = &mut self.budgets[at];
            let bucket = kept.bucket(budget, reserve.at);
            let scope: Arc<str> = budget.scope(&reserve.facts).into();
            let balance = match kept.scopes.get_mut(&scope) {
                Some(buckets) => buckets.entry(bucket).or_default(),
                None => kept.scopes.entry(scope.clone()).or_default().entry(bucket).or_default(),
            };
            balance.add(&by);
            assert!(balance.held >= 0 && balance.base >= 0, "a reservation is released once");
            deltas.push(Delta { budget: at, scope, bucket, by });
        }
        match change {
            Change::Hold => {}
            Change::Post(settle) => {
                self.give_back(reserve, 0, reserve.tokens_max.saturating_sub(reserve.tokens_of(settle)));
            }
            Change::Release => self.give_back(reserve, 1, reserve.tokens_max),
        }
    }

    /// The marks that a settlement reaches; to be asked before the balances change.
    pub(super) fn alerts_of(&mut self, reserve: &Reserve, entry: &Settle) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for (budget, kept) in self.rules.budgets().iter().zip(&mut self.budgets) {
            if budget.alert_at.is_empty() || budget.draw(&reserve.facts) != Some(Draw::Uses) {
                continue;
            }
            let scope = budget.scope(&reserve.facts);
            let (used, oldest) = kept.used(budget, &scope, reserve.at);
            let after = used.posted + budget.limit.posted_by(reserve, entry);
            alerts.extend(budget.marks_between(used.posted, after).map(|mark| Alert {
                budget: budget.name.clone(),
                scope: Some(scope.clone()).filter(|scope| !scope.is_empty()),
                kind: AlertKind::Reached(mark),
                used: Amount::of(&budget.limit, after),
                limit: budget.full(),
                resets_at: budget.window.leaves(oldest),
            }));
        }
        alerts
    }

    /// What a decision should know of the budgets.
    pub(super) fn standing(&self, scope: &Scope, at: Timestamp) -> Standing {
        let mut standing = Standing::default();
        for (budget, kept) in self.rules.budgets().iter().zip(&self.budgets) {
            if !budget.concerns(scope) {
                continue;
            }
            let Some(text) = budget.scope_of_request(scope) else { continue };
            let (first, last) = match kept.bucket {
                Some(bucket) if !budget.window.is_rolling() && bucket.has(at) => (bucket.start, bucket.start),
                _ => budget.window.counted(at),
            };
            budget.tell(&sum(&kept.scopes, &text, first, last).0, &mut standing);
        }
        standing
    }

    /// Every balance that is not zero.
    pub(super) fn balances(&self) -> BTreeMap<BalanceKey, Balance> {
        let mut all = BTreeMap::new();
        for (budget, kept) in self.rules.budgets().iter().zip(&self.budgets) {
            for (scope, buckets) in &kept.scopes {
                for (bucket, balance) in buckets.iter().filter(|(_, balance)| !balance.is_zero()) {
                    let key = BalanceKey { budget: budget.name.clone(), scope: scope.to_string(), bucket: *bucket };
                    all.insert(key, *balance);
                }
            }
        }
        all
    }

    fn take_rates(&mut self, entry: &Reserve) -> Result<(), LedgerError> {
        let mut taken = Vec::new();
        let mut over = Vec::new();
        for (at, rate) in self.rules.rates().iter().enumerate().filter(|(_, rate)| rate.takes(&entry.facts)) {
            let scope = rate.scope(&entry.facts);
            let state = self.rates[at].get(&scope).copied().unwrap_or_default();
            let now = Timestamp::from_ms(entry.at.ms().saturating_add(self.ahead_ms));
            match rate.take(state, entry.tokens_max, now) {
                Ok(state) => taken.push((at, scope, state)),
                Err(refusal) => over.push(refusal),
            }
        }
        if !over.is_empty() {
            return Err(LedgerError::OverRate(over));
        }
        for (at, scope, state) in taken {
            self.rates[at].insert(scope, state);
        }
        Ok(())
    }

    /// Gives a rate's places back.
    pub(super) fn give_back(&mut self, reserve: &Reserve, requests: u64, tokens: u64) {
        for (at, rate) in self.rules.rates().iter().enumerate().filter(|(_, rate)| rate.takes(&reserve.facts)) {
            if let Some(state) = self.rates[at].get_mut(&rate.scope(&reserve.facts)) {
                *state = rate.give_back(*state, requests, tokens);
            }
        }
    }
}

fn beyond(budget: &Budget, used: &Balance, refusal: OverBudget, entry: &Reserve) -> Alert {
    Alert {
        budget: refusal.budget,
        scope: refusal.scope,
        kind: AlertKind::Beyond,
        used: Amount::of(&budget.limit, used.used() + budget.limit.held_by(entry)),
        limit: refusal.limit,
        resets_at: refusal.resets_at,
    }
}

fn delta(budget: &Budget, draw: Draw, reserve: &Reserve, change: Change<'_>) -> Balance {
    let held = budget.limit.held_by(reserve);
    let base = i128::from(matches!(budget.limit, Limit::Share(_)));
    let uses = draw == Draw::Uses;
    let (posted, held, base) = match change {
        Change::Hold => (0, held, base),
        Change::Release => (0, -held, -base),
        Change::Post(settle) => (budget.limit.posted_by(reserve, settle), -held, 0),
    };
    if uses { Balance { posted, held, base } } else { Balance { posted: 0, held: 0, base } }
}
