//! Balances for stores: what `ledger::Book` keeps, with the budgets' windows at hand, so that a reservation costs well
//! under a microsecond.

use std::collections::{BTreeMap, HashMap};

use crate::ledger::{
    Alert, Balance, BalanceKey, Budget, Draw, Enforce, Fate, LedgerError, Limit, Period, RateState, Reserve, Row,
    Rules, Scope, Settle, Standing,
};
use crate::time::Timestamp;

/// Balances of one budget and scope.
type Buckets = BTreeMap<Timestamp, Balance>;

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
    /// Of a budget that keeps one balance, which most do.
    plain: Buckets,
    /// By scope, where there are several.
    scopes: HashMap<String, Buckets>,
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
        self.sum(scope, first, last)
    }

    /// The balances of a scope, where there are any.
    fn of(&self, scope: &str) -> Option<&Buckets> {
        if scope.is_empty() { Some(&self.plain) } else { self.scopes.get(scope) }
    }

    /// The balances of a scope, made where there are none.
    fn buckets(&mut self, scope: &str) -> &mut Buckets {
        if scope.is_empty() {
            return &mut self.plain;
        }
        if !self.scopes.contains_key(scope) {
            self.scopes.insert(scope.to_owned(), Buckets::new());
        }
        self.scopes.get_mut(scope).expect("it was made just now")
    }

    fn sum(&self, scope: &str, first: Timestamp, last: Timestamp) -> (Balance, Timestamp) {
        let mut sum = Balance::default();
        let mut oldest = None;
        for (bucket, balance) in self.of(scope).into_iter().flat_map(|buckets| buckets.range(first..=last)) {
            oldest = oldest.or(Some(*bucket).filter(|_| !balance.is_zero()));
            sum.add(balance);
        }
        (sum, oldest.unwrap_or(first))
    }
}

/// What an entry does to the balances of its attempt.
#[derive(Clone, Copy)]
pub(super) enum Change<'a> {
    Hold,
    Post(&'a Settle),
    Release,
}

/// A balance that changed: a store that keeps none elsewhere has no use for it.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "only what is kept elsewhere is told of it")
)]
pub(super) struct Delta<'a> {
    /// The budget's position in the rules.
    pub(super) budget: usize,
    pub(super) scope: &'a str,
    pub(super) bucket: Timestamp,
    /// By how much; only a store that others share cannot write the whole balance.
    #[cfg(feature = "postgres")]
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
    pub(super) fn set_clock(&mut self, ahead_ms: i64) {
        self.ahead_ms = ahead_ms;
    }

    /// Puts a balance in, in place of the one that is there.
    #[cfg(feature = "postgres")]
    pub(super) fn put(&mut self, budget: usize, scope: &str, bucket: Timestamp, balance: Balance) {
        self.budgets[budget].buckets(scope).insert(bucket, balance);
    }

    /// What a budget has left for one scope, in its unit; what others hold is taken off.
    #[cfg(feature = "postgres")]
    pub(super) fn left(&mut self, budget: usize, scope: &str, at: Timestamp) -> i128 {
        let rule = &self.rules.budgets()[budget];
        let (used, _) = self.budgets[budget].used(rule, scope, at);
        rule.limit.units(used.base) - used.used()
    }

    /// Puts other rules in force. Budgets and rates that stay the same keep what they counted; new ones count these rows.
    pub(super) fn set_rules<'a>(&mut self, rules: Rules, rows: impl Iterator<Item = &'a Row>) {
        let mut before = std::mem::replace(self, Tally::new(rules.clone()));
        let mut fresh = Vec::new();
        for (at, budget) in rules.budgets().iter().enumerate() {
            let same = |was: &Budget| was.name == budget.name && was.definition() == budget.definition();
            match before.rules.budgets().iter().position(same) {
                Some(was) => self.budgets[at] = std::mem::take(&mut before.budgets[was]),
                None => fresh.push(at),
            }
        }
        for (at, rate) in rules.rates().iter().enumerate() {
            if let Some(was) = before.rules.rates().iter().position(|was| was == rate) {
                self.rates[at] = std::mem::take(&mut before.rates[was]);
            }
        }
        let new = fresh.iter().map(|at| rules.budgets()[*at].clone()).collect();
        let mut counted = Tally::new(Rules::new(new, Vec::new()).expect("a part of checked rules passes the check"));
        rows.for_each(|row| counted.count(row));
        fresh.into_iter().zip(counted.budgets).for_each(|(at, kept)| self.budgets[at] = kept);
    }

    /// Counts an attempt that was made before, whatever the limits.
    pub(super) fn count(&mut self, row: &Row) {
        self.change(&row.reserve, Change::Hold, |_| {});
        match &row.fate {
            Fate::Settled(entry) => self.change(&row.reserve, Change::Post(entry), |_| {}),
            Fate::Voided(_) => self.change(&row.reserve, Change::Release, |_| {}),
            Fate::Open | Fate::Unknown { .. } => {}
        }
    }

    /// Forgets balances of windows that are past, with nothing held in them, and rates that are full again.
    pub(super) fn forget_past(&mut self, now: Timestamp) {
        for (budget, kept) in self.rules.budgets().iter().zip(&mut self.budgets) {
            let counts = |bucket: &Timestamp, balance: &mut Balance| {
                balance.held != 0 || budget.window.leaves(*bucket).is_none_or(|leaves| leaves > now)
            };
            kept.plain.retain(counts);
            kept.scopes.retain(|_, buckets| {
                buckets.retain(counts);
                !buckets.is_empty()
            });
        }
        let now_ns = now.ms().saturating_mul(1_000_000);
        for states in &mut self.rates {
            states.retain(|_, state| state.requests_full_ns.max(state.tokens_full_ns) > now_ns);
        }
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
                _ => alerts.push(budget.beyond(&used, entry, &refusal, oldest)),
            }
        }
        if !over.is_empty() {
            return Err(LedgerError::OverBudget(over));
        }
        self.take_rates(entry)?;
        Ok(alerts)
    }

    /// Changes the balances of an attempt, and says which.
    pub(super) fn change(&mut self, reserve: &Reserve, change: Change<'_>, mut changed: impl FnMut(Delta<'_>)) {
        for (at, budget) in self.rules.budgets().iter().enumerate() {
            let Some(draw) = budget.draw(&reserve.facts) else { continue };
            let by = delta(budget, draw, reserve, change);
            let kept = &mut self.budgets[at];
            let bucket = kept.bucket(budget, reserve.at);
            let scope = budget.scope(&reserve.facts);
            let balance = kept.buckets(&scope).entry(bucket).or_default();
            balance.add(&by);
            assert!(balance.held >= 0 && balance.base >= 0, "a reservation is released once");
            changed(Delta {
                budget: at,
                scope: &scope,
                bucket,
                #[cfg(feature = "postgres")]
                by,
            });
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
        self.marks(reserve, |budget, posted| (posted, posted + budget.limit.posted_by(reserve, entry)))
    }

    /// The marks that are reached in the budgets an attempt draws on, whoever reached them.
    #[cfg(feature = "postgres")]
    pub(super) fn reached(&mut self, reserve: &Reserve) -> Vec<Alert> {
        self.marks(reserve, |_, posted| (0, posted))
    }

    fn marks(&mut self, reserve: &Reserve, grows: impl Fn(&Budget, i128) -> (i128, i128)) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for (budget, kept) in self.rules.budgets().iter().zip(&mut self.budgets) {
            if budget.alert_at.is_empty() || budget.draw(&reserve.facts) != Some(Draw::Uses) {
                continue;
            }
            let scope = budget.scope(&reserve.facts);
            let (used, oldest) = kept.used(budget, &scope, reserve.at);
            let (before, after) = grows(budget, used.posted);
            let marks = budget.marks_between(before, after);
            alerts.extend(marks.map(|mark| budget.mark(mark, &scope, after, (reserve.at, oldest))));
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
            budget.tell(&kept.sum(&text, first, last).0, &mut standing);
        }
        standing
    }

    /// Every balance that is not zero.
    pub(super) fn balances(&self) -> BTreeMap<BalanceKey, Balance> {
        let mut all = BTreeMap::new();
        for (budget, kept) in self.rules.budgets().iter().zip(&self.budgets) {
            let plain = ("", &kept.plain);
            for (scope, buckets) in kept.scopes.iter().map(|(scope, buckets)| (scope.as_str(), buckets)).chain([plain])
            {
                for (bucket, balance) in buckets.iter().filter(|(_, balance)| !balance.is_zero()) {
                    let key = BalanceKey { budget: budget.name.clone(), scope: scope.to_owned(), bucket: *bucket };
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

/// What a store needs of it that keeps balances elsewhere.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl Tally {
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
        self.budgets[budget].buckets(scope).entry(bucket).or_insert(balance);
    }

    /// A balance as it stands.
    pub(super) fn balance(&self, budget: usize, scope: &str, bucket: Timestamp) -> Balance {
        let buckets = self.budgets[budget].of(scope);
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
