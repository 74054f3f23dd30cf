//! The ledger in memory: for tests, for short programs, and where nothing need outlive the process.

use std::collections::{BTreeMap, HashMap, VecDeque, hash_map};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::tally::{Change, Tally};
use super::{Listener, Listeners, Note, Page, Shelf, Store, Stretch};
use crate::id::AttemptId;
use crate::ledger::{
    Balance, BalanceKey, End, Entry, Fate, LedgerError, Posted, Reserve, Rollup, Row, Rules, Running, Scope, Seed,
    Settle, Standing, TagKey, Void, conflict, ended,
};
use crate::limits::{MEMORY_ATTEMPTS_MAX, MEMORY_TAG_SUMS_MAX};
use crate::time::Timestamp;

/// Attempts that are forgotten at once, so that what is done besides is done seldom.
const FORGOTTEN_AT_ONCE: usize = 1_024;
/// The value of a tag under which the oldest values are summed where there are too many.
const OLDER: &str = "(older)";

/// A ledger in memory. It keeps the last ten thousand attempts one by one, and all that are open; of older ones it
/// keeps what they count in budgets and the sums by hour that reports are made of.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
    listeners: Listeners,
    opened_by: u32,
}

#[derive(Debug)]
struct Inner {
    tally: Tally,
    /// The last attempts, in order: side by side, so that the oldest are at hand when they are forgotten.
    rows: VecDeque<Slot>,
    /// The `seq` of the first of `rows`.
    first: u64,
    /// Attempts before `first` that are open.
    held: BTreeMap<u64, Slot>,
    places: HashMap<AttemptId, u64, Seed>,
    /// The journal's order: an attempt's reservation, or its ending.
    marks: VecDeque<(u64, Mark)>,
    /// Sums over all attempts that have ended.
    sums: Running,
    kept_max: usize,
    notes: BTreeMap<String, Note>,
    failed: Option<LedgerError>,
    is_closed: bool,
}

/// An attempt and what became of it.
#[derive(Debug)]
struct Slot {
    reserve: Reserve,
    ending: Ended,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are settled, and a box would be one more place to look")]
enum Ended {
    Not,
    Settled(Settle),
    Voided(Void),
}

impl Slot {
    fn row(&self, seq: u64) -> Row {
        let fate = match &self.ending {
            Ended::Not => Fate::Open,
            Ended::Settled(entry) => Fate::Settled(Arc::new(entry.clone())),
            Ended::Voided(entry) => Fate::Voided(entry.clone()),
        };
        Row { seq, reserve: Arc::new(self.reserve.clone()), fate }
    }
}

#[derive(Clone, Copy, Debug)]
enum Mark {
    Reserved,
    Ended,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new(Rules::default())
    }
}

impl MemoryStore {
    /// An empty ledger under these rules.
    pub fn new(rules: Rules) -> MemoryStore {
        MemoryStore::keeping(MEMORY_ATTEMPTS_MAX, rules)
    }

    /// The same, where so many of the last attempts are kept one by one.
    pub fn keeping(attempts: usize, rules: Rules) -> MemoryStore {
        let inner = Inner {
            tally: Tally::new(rules),
            rows: VecDeque::new(),
            first: 1,
            held: BTreeMap::new(),
            // The seed is the system's, as that of the standard library's own tables.
            places: HashMap::with_hasher(Seed(RandomState::new().hash_one(0u64))),
            marks: VecDeque::new(),
            sums: Running::default(),
            kept_max: attempts,
            notes: BTreeMap::new(),
            failed: None,
            is_closed: false,
        };
        MemoryStore { inner: Mutex::new(inner), listeners: Listeners::default(), opened_by: std::process::id() }
    }

    /// Sets aside the most that an attempt can cost, without a future.
    ///
    /// # Errors
    /// As `Store::reserve`.
    pub fn reserve_now(&self, entry: Reserve) -> Result<Posted, LedgerError> {
        self.open()?.reserve(entry)
    }

    /// Ends a reservation, without a future.
    ///
    /// # Errors
    /// As `Store::settle`.
    pub fn settle_now(&self, entry: Settle) -> Result<Posted, LedgerError> {
        self.open_here()?.settle(entry)
    }

    /// Ends a reservation of which no byte was sent, without a future.
    ///
    /// # Errors
    /// As `Store::void`.
    pub fn void_now(&self, entry: Void) -> Result<Posted, LedgerError> {
        self.open_here()?.void(entry)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is made whole before anything can panic, but for the assertions on money: then nothing goes on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Inner>, LedgerError> {
        super::same_process(self.opened_by)?;
        self.open_here()
    }

    /// The same without asking the system which process this is: for endings, which only follow on a reservation.
    fn open_here(&self) -> Result<MutexGuard<'_, Inner>, LedgerError> {
        let inner = self.lock();
        if inner.is_closed { Err(LedgerError::Closed) } else { Ok(inner) }
    }
}

impl Inner {
    fn reserve(&mut self, entry: Reserve) -> Result<Posted, LedgerError> {
        entry.check()?;
        let seq = self.first + self.rows.len() as u64;
        let place = match self.places.entry(entry.attempt.clone()) {
            hash_map::Entry::Vacant(place) => place,
            hash_map::Entry::Occupied(place) => {
                let seq = *place.get();
                return match self.kept(seq).is_some_and(|slot| slot.reserve == entry) {
                    true => Ok(Posted::duplicate()),
                    false => Err(conflict(&entry.attempt, "reservation")),
                };
            }
        };
        let alerts = self.tally.admit(&entry)?;
        place.insert(seq);
        self.tally.change(&entry, Change::Hold, |_| {});
        self.rows.push_back(Slot { reserve: entry, ending: Ended::Not });
        self.marks.push_back((seq, Mark::Reserved));
        if self.rows.len() >= self.kept_max + FORGOTTEN_AT_ONCE {
            self.forget();
        }
        Ok(Posted { alerts, ..Posted::default() })
    }

    fn settle(&mut self, entry: Settle) -> Result<Posted, LedgerError> {
        entry.check()?;
        let seq = self.place(&entry.attempt)?;
        let Inner { rows, held, tally, sums, .. } = self;
        let slot = slot(rows, held, self.first, seq);
        match &slot.ending {
            Ended::Settled(before) if *before == entry => return Ok(Posted::duplicate()),
            Ended::Settled(_) => return Err(conflict(&entry.attempt, "settlement")),
            Ended::Voided(_) => return Err(ended(&entry.attempt, "voided")),
            Ended::Not => {}
        }
        let reserve = &slot.reserve;
        let alerts = tally.alerts_of(reserve, &entry);
        tally.change(reserve, Change::Post(&entry), |_| {});
        sums.settle(reserve, &entry);
        let overrun = reserve.is_overrun_by(&entry);
        slot.ending = Ended::Settled(entry);
        self.ended(seq);
        Ok(Posted { overrun, duplicate: false, alerts })
    }

    fn void(&mut self, entry: Void) -> Result<Posted, LedgerError> {
        entry.check()?;
        let seq = self.place(&entry.attempt)?;
        let Inner { rows, held, tally, sums, .. } = self;
        let slot = slot(rows, held, self.first, seq);
        match &slot.ending {
            Ended::Voided(before) if *before == entry => return Ok(Posted::duplicate()),
            Ended::Voided(_) => return Err(conflict(&entry.attempt, "void")),
            Ended::Settled(_) => return Err(ended(&entry.attempt, "settled")),
            Ended::Not => {}
        }
        tally.change(&slot.reserve, Change::Release, |_| {});
        sums.void(&slot.reserve);
        slot.ending = Ended::Voided(entry);
        self.ended(seq);
        Ok(Posted::default())
    }

    /// The attempt has ended: it is written down, and forgotten where it is older than what is kept.
    fn ended(&mut self, seq: u64) {
        match self.held.remove(&seq) {
            None => self.marks.push_back((seq, Mark::Ended)),
            Some(slot) => drop(self.places.remove(&slot.reserve.attempt)),
        }
    }

    /// Keeps the oldest attempts as sums alone.
    fn forget(&mut self) {
        let mut now = Timestamp::EPOCH;
        let goal = self.first + FORGOTTEN_AT_ONCE as u64;
        while self.first < goal {
            let ended = self.rows.iter().take((goal - self.first) as usize);
            let ended = ended.take_while(|slot| !matches!(slot.ending, Ended::Not));
            let ended = ended.inspect(|slot| {
                self.places.remove(&slot.reserve.attempt);
            });
            let ended = ended.count();
            now = self.rows[ended.saturating_sub(1)].reserve.at;
            // They are dropped where they lie: moving them out costs more than all the rest.
            drop(self.rows.drain(..ended));
            self.first += ended as u64;
            if self.first < goal {
                self.held.extend(self.rows.pop_front().map(|slot| (self.first, slot)));
                self.first += 1;
            }
        }
        let (first, held) = (self.first, &self.held);
        let is_kept = |seq: &u64| *seq >= first || held.contains_key(seq);
        while self.marks.front().is_some_and(|(seq, _)| !is_kept(seq)) {
            self.marks.pop_front();
        }
        // An attempt that stays open for long keeps its mark, and those behind it.
        if self.marks.len() > 4 * (self.rows.len() + self.held.len()) {
            self.marks.retain(|(seq, _)| is_kept(seq));
        }
        self.tally.forget_past(now);
        if self.sums.tags_mut().len() > MEMORY_TAG_SUMS_MAX {
            self.sum_older_tags();
        }
    }

    /// Sums the values of tags in the older half of the hours.
    fn sum_older_tags(&mut self) {
        let tags = self.sums.tags_mut();
        let mut hours: Vec<Timestamp> = tags.keys().map(|key| key.hour).collect();
        hours.sort_unstable();
        let newest = hours[hours.len() / 2];
        for (key, sums) in std::mem::take(tags) {
            let key = if key.hour <= newest { TagKey { value: OLDER.to_owned(), ..key } } else { key };
            tags.entry(key).or_default().add(&sums);
        }
    }

    fn kept(&self, seq: u64) -> Option<&Slot> {
        match seq.checked_sub(self.first) {
            Some(place) => self.rows.get(usize::try_from(place).ok()?),
            None => self.held.get(&seq),
        }
    }

    fn place(&self, attempt: &AttemptId) -> Result<u64, LedgerError> {
        self.places.get(attempt).copied().ok_or_else(|| LedgerError::NoReservation { attempt: attempt.clone() })
    }

    /// Every attempt that is kept and comes after this one, oldest first.
    fn after(&self, seq: u64) -> impl Iterator<Item = Row> {
        let held = self.held.range(seq.saturating_add(1)..).map(|(seq, slot)| slot.row(*seq));
        let passed = usize::try_from(seq.saturating_add(1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let first = self.first;
        held.chain(self.rows.iter().enumerate().skip(passed).map(move |(at, slot)| slot.row(first + at as u64)))
    }

    fn entry(&self, seq: u64, mark: Mark) -> Option<Entry> {
        let slot = self.kept(seq)?;
        match (mark, &slot.ending) {
            (Mark::Reserved, _) => Some(Entry::Reserve(Arc::new(slot.reserve.clone()))),
            (Mark::Ended, Ended::Settled(entry)) => Some(Entry::Settle(Arc::new(entry.clone()))),
            (Mark::Ended, Ended::Voided(entry)) => Some(Entry::Void(entry.clone())),
            (Mark::Ended, Ended::Not) => None,
        }
    }
}

/// The attempt of this number, which has a place.
fn slot<'a>(rows: &'a mut VecDeque<Slot>, held: &'a mut BTreeMap<u64, Slot>, first: u64, seq: u64) -> &'a mut Slot {
    let slot = match seq.checked_sub(first) {
        Some(place) => rows.get_mut(place as usize),
        None => held.get_mut(&seq),
    };
    slot.expect("what has a place is kept")
}

#[async_trait]
impl Shelf for MemoryStore {
    async fn put(&self, name: &str, revision: u64, text: String) -> Result<bool, LedgerError> {
        let mut inner = self.open()?;
        if inner.notes.get(name).map_or(0, |note| note.revision) != revision {
            return Ok(false);
        }
        let note = Note { name: name.to_owned(), revision: revision + 1, text };
        inner.notes.insert(name.to_owned(), note);
        Ok(true)
    }

    async fn get(&self, name: &str) -> Result<Option<Note>, LedgerError> {
        Ok(self.open()?.notes.get(name).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Note>, LedgerError> {
        let inner = self.open()?;
        let from = inner.notes.range(prefix.to_owned()..);
        Ok(from.take_while(|(name, _)| name.starts_with(prefix)).map(|(_, note)| note.clone()).collect())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn reserve(&self, entry: Reserve) -> Result<Posted, LedgerError> {
        self.reserve_now(entry)
    }

    async fn settle(&self, entry: Settle) -> Result<Posted, LedgerError> {
        self.settle_now(entry)
    }

    async fn void(&self, entry: Void) -> Result<Posted, LedgerError> {
        self.void_now(entry)
    }

    fn end_detached(&self, end: End) {
        let ended = self.open().and_then(|mut inner| match end {
            End::Settle(entry) => inner.settle(*entry),
            End::Void(entry) => inner.void(entry),
        });
        match ended {
            Ok(posted) => self.listeners.tell(posted.alerts),
            Err(error) => drop(self.lock().failed.get_or_insert(error)),
        }
    }

    fn standing(&self, scope: &Scope, at: Timestamp) -> Standing {
        self.lock().tally.standing(scope, at)
    }

    fn is_unlimited(&self) -> bool {
        self.lock().tally.rules().budgets().is_empty()
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), LedgerError> {
        let mut inner = self.open()?;
        let rows: Vec<Row> = inner.after(0).collect();
        inner.tally.set_rules(rules, rows.iter());
        Ok(())
    }

    async fn rows(&self, page: Page) -> Result<Vec<Row>, LedgerError> {
        let inner = self.open()?;
        Ok(inner.after(page.after).filter(|row| page.takes(row)).take(page.limit).collect())
    }

    async fn row(&self, attempt: &AttemptId) -> Result<Option<Row>, LedgerError> {
        let inner = self.open()?;
        Ok(inner.places.get(attempt).and_then(|seq| inner.kept(*seq).map(|slot| slot.row(*seq))))
    }

    async fn journal(&self, skip: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let inner = self.open()?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let entries = inner.marks.iter().filter_map(|(seq, mark)| inner.entry(*seq, *mark));
        Ok(entries.skip(skip).take(limit).collect())
    }

    async fn balances(&self) -> Result<BTreeMap<BalanceKey, Balance>, LedgerError> {
        Ok(self.open()?.tally.balances())
    }

    async fn rollup(&self, stretch: Stretch) -> Result<Rollup, LedgerError> {
        let mut rollup = self.open()?.sums.rollup();
        rollup.cells.retain(|key, _| stretch.has(key.hour));
        rollup.classes.retain(|key, _| stretch.has(key.hour));
        rollup.tags.retain(|key, _| stretch.has(key.hour) && stretch.tags.contains(&key.name));
        Ok(rollup)
    }

    fn shelf(&self) -> Option<&dyn Shelf> {
        Some(self)
    }

    fn listen(&self, listener: Listener) {
        self.listeners.add(listener);
    }

    async fn close(&self) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        inner.is_closed = true;
        inner.failed.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Budget, Facts, Limit, Purpose, Window};
    use crate::usage::Usage;

    /// The store's futures are ready at once.
    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => unreachable!("nothing here waits"),
        }
    }

    fn reserve(attempt: &str, usd: &str) -> Reserve {
        let facts = Facts {
            model: "deepseek/deepseek-chat".parse().unwrap(),
            vendor: "deepseek".parse().unwrap(),
            endpoint: "deepseek".parse().unwrap(),
            tier: crate::model::Tier::Economy,
            purpose: Purpose::First,
            key: None,
            tags: Default::default(),
        };
        Reserve {
            attempt: attempt.parse().unwrap(),
            request: "r".parse().unwrap(),
            at: Timestamp::from_ms(1_700_000_000_000),
            facts,
            amount: usd.parse().unwrap(),
            tokens_max: 1_000,
            baseline: None,
        }
    }

    fn settle(attempt: &str, usd: &str) -> Settle {
        Settle {
            attempt: attempt.parse().unwrap(),
            at: Timestamp::from_ms(1_700_000_001_000),
            cost: usd.parse().unwrap(),
            lines: Vec::new(),
            usage: Usage::of(10, 20),
            basis: crate::ledger::Basis::Reported,
            ending: crate::ledger::Ending::Answered,
            latency: crate::time::Span::from_ms(900),
            first_token: None,
            baseline_cost: None,
        }
    }

    #[test]
    fn a_budget_refuses_before_spending_and_takes_what_was_freed() {
        let budget = Budget::new("team", Limit::Money("1".parse().unwrap()), Window::utc(crate::ledger::Frame::Day));
        let store = MemoryStore::new(Rules::new(vec![budget], Vec::new()).unwrap());
        assert!(!store.reserve_now(reserve("a", "0.7")).unwrap().duplicate);
        assert!(store.reserve_now(reserve("a", "0.7")).unwrap().duplicate);
        assert!(matches!(store.reserve_now(reserve("a", "0.6")), Err(LedgerError::Conflict { .. })));
        let refused = store.reserve_now(reserve("b", "0.4")).unwrap_err().to_string();
        assert!(refused.contains("budget 'team' has $0.3000 of $1.00 left and $0.4000 was asked for"), "{refused}");
        assert!(!store.settle_now(settle("a", "0.1")).unwrap().overrun);
        store.reserve_now(reserve("b", "0.4")).unwrap();
        assert!(store.settle_now(settle("b", "0.5")).unwrap().overrun);
        assert_eq!(
            store.standing(&Scope::default(), Timestamp::from_ms(1_700_000_002_000)).headroom[0].left,
            "0.4".parse().unwrap()
        );
    }

    #[test]
    fn what_is_forgotten_still_counts_in_budgets_and_sums() {
        let limit = Limit::Money("100".parse().unwrap());
        let rules = |name: &str| {
            let budget = Budget::new(name, limit, Window::utc(crate::ledger::Frame::Month));
            Rules::new(vec![budget], Vec::new()).unwrap()
        };
        let store = MemoryStore::keeping(100, rules("all"));
        store.reserve_now(reserve("open", "0.7")).unwrap();
        for n in 0..5_000 {
            store.reserve_now(reserve(&format!("a{n}"), "0.001")).unwrap();
            store.settle_now(settle(&format!("a{n}"), "0.0005")).unwrap();
        }
        let inner = store.lock();
        assert!(inner.rows.len() < 100 + FORGOTTEN_AT_ONCE && inner.places.len() == inner.rows.len() + 1);
        assert!(inner.marks.len() < 5_000, "{}", inner.marks.len());
        drop(inner);
        let sums = wait(store.rollup(Stretch::default())).unwrap();
        let total = sums.cells.values().fold((0, 0), |sum, cell| (sum.0 + cell.attempts, sum.1 + cell.cost));
        assert_eq!(total, (5_000, 2_500_000_000_000));
        let balance = |store: &MemoryStore| {
            let all = wait(store.balances()).unwrap();
            all.values().map(|balance| (balance.posted, balance.held)).collect::<Vec<_>>()
        };
        assert_eq!(balance(&store), [(2_500_000_000_000, 700_000_000_000)]);
        wait(store.set_rules(rules("all"))).unwrap();
        assert_eq!(balance(&store), [(2_500_000_000_000, 700_000_000_000)], "a budget that stays keeps its count");
        let rows = wait(store.rows(Page::default())).unwrap();
        assert_eq!(rows[0].reserve.attempt.as_str(), "open");
        store.settle_now(settle("open", "0.1")).unwrap();
        assert_eq!(balance(&store), [(2_600_000_000_000, 0)]);
        let journal = wait(store.journal(0, usize::MAX)).unwrap();
        assert!(crate::ledger::Book::replay(Rules::default(), &journal).is_ok(), "what is kept replays");
        assert_eq!(
            wait(store.rollup(Stretch::default())).unwrap().cells.values().map(|c| c.attempts).sum::<u64>(),
            5_001
        );
    }
}
