//! Reads the ledger after the demo: what was spent on what, and whether the balances are those of a replay.

use std::collections::BTreeMap;

use serde::Serialize;
use tierway::ledger::{Book, Entry, Fate, LedgerError, Row, Rules};
use tierway::store::{Page, Store};
use tierway::{Usage, Usd};

/// Rows and entries read at a time.
const PAGE: usize = 2_000;

/// What the ledger holds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Account {
    pub(super) attempts: u64,
    pub(super) settled: u64,
    pub(super) voided: u64,
    /// Attempts that never ended: none, if all is well.
    pub(super) open: u64,
    /// Attempts that cost more than was reserved for them.
    pub(super) overruns: u64,
    pub(super) spent: Usd,
    /// Of what was spent: on attempts that brought no answer.
    pub(super) spent_on_failures: Usd,
    /// What the same answers would have cost on the baseline models.
    pub(super) baseline: Usd,
    pub(super) usage: Tokens,
    pub(super) by_model: BTreeMap<String, Line>,
    pub(super) endings: BTreeMap<&'static str, u64>,
    pub(super) bases: BTreeMap<&'static str, u64>,
    pub(super) journal: u64,
    pub(super) balances: usize,
    /// Whether the balances that the store keeps are those that the journal makes.
    pub(super) balances_replay: bool,
}

/// Tokens in all.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

/// One model's part.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Line {
    pub(super) tier: String,
    pub(super) answers: u64,
    pub(super) attempts: u64,
    pub(super) spent: Usd,
}

/// Reads the whole ledger; the rows for which `is_ours` holds are summed.
pub(super) async fn read(
    store: &dyn Store,
    rules: Rules,
    is_ours: impl Fn(&Row) -> bool,
) -> Result<Account, LedgerError> {
    let mut account = Account::default();
    let mut after = 0;
    loop {
        let rows = store.rows(Page { after, limit: PAGE, ..Page::default() }).await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        rows.iter().filter(|row| is_ours(row)).for_each(|row| account.add(row));
    }
    let mut journal: Vec<Entry> = Vec::new();
    loop {
        let more = store.journal(journal.len() as u64, PAGE).await?;
        if more.is_empty() {
            break;
        }
        journal.extend(more);
    }
    let kept = store.balances().await?;
    account.journal = journal.len() as u64;
    account.balances = kept.len();
    account.balances_replay = Book::replay(rules, &journal)?.balances() == kept;
    Ok(account)
}

impl Account {
    fn add(&mut self, row: &Row) {
        self.attempts += 1;
        let facts = &row.reserve.facts;
        let line = self.by_model.entry(facts.model.to_string()).or_default();
        line.tier = facts.tier.to_string();
        line.attempts += 1;
        match &row.fate {
            Fate::Settled(settle) => {
                self.settled += 1;
                self.overruns += u64::from(settle.cost > row.reserve.amount);
                line.spent = add(line.spent, settle.cost);
                line.answers += u64::from(!settle.ending.is_failure());
                self.spent = add(self.spent, settle.cost);
                if settle.ending.is_failure() {
                    self.spent_on_failures = add(self.spent_on_failures, settle.cost);
                }
                self.baseline = add(self.baseline, settle.baseline_cost.unwrap_or(Usd::ZERO));
                self.usage.add(&settle.usage);
                *self.endings.entry(settle.ending.as_str()).or_default() += 1;
                *self.bases.entry(settle.basis.as_str()).or_default() += 1;
            }
            Fate::Voided(_) => self.voided += 1,
            Fate::Open | Fate::Unknown { .. } => self.open += 1,
        }
    }

    /// What routing saved, as a share of the baseline's cost.
    pub(super) fn saved_share(&self) -> f64 {
        let baseline = self.baseline.to_f64_lossy();
        if baseline > 0.0 { 1.0 - self.spent.to_f64_lossy() / baseline } else { 0.0 }
    }
}

impl Tokens {
    fn add(&mut self, usage: &Usage) {
        self.input += usage.input.unwrap_or(0);
        self.cached += usage.cached_read.unwrap_or(0);
        self.output += usage.output.unwrap_or(0);
        self.reasoning += usage.reasoning.unwrap_or(0);
    }
}

/// The demo spends cents: its sums are far from the largest amount.
fn add(a: Usd, b: Usd) -> Usd {
    a.checked_add(b).expect("a demo's spending fits")
}
