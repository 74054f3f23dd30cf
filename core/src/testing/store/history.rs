//! Random histories: the same entries to a store and to the reference book, every answer compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Make, wait};
use crate::id::AttemptId;
use crate::ledger::{
    Basis, Book, Budget, ChargeLine, Dimension, End, Ending, Enforce, Facts, Fate, Frame, Limit, Posted, Purpose, Rate,
    Reserve, Rollup, Row, Rules, Scope, Selector, Settle, Thousandths, Void, Window,
};
use crate::model::Tier;
use crate::money::Usd;
use crate::store::{Only, Page, Store, Stretch};
use crate::time::{Span, Timestamp};
use crate::usage::Usage;

/// An entry to write, or a question.
#[derive(Clone, Debug)]
pub enum Op {
    /// Set aside.
    Reserve(Reserve),
    /// Settle or void.
    End(End),
}

/// Entries from a seed: new ones, repeated ones, wrong ones, in a time that mostly goes forward.
#[derive(Clone, Debug)]
pub struct History {
    state: u64,
    now: i64,
    count: u64,
    open: Vec<Reserve>,
    past: Vec<Op>,
}

const MODELS: [(&str, Tier); 4] = [
    ("deepseek/deepseek-chat", Tier::Economy),
    ("anthropic/claude", Tier::Frontier),
    ("openai/gpt", Tier::Standard),
    ("local/moe", Tier::Local),
];

impl History {
    /// The history of this seed.
    pub fn new(seed: u64) -> History {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        History { state, now: 1_780_000_000_000, count: 0, open: Vec::new(), past: Vec::new() }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*: plain, seeded, good enough to wander about.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    /// Budgets and rates of every kind.
    pub fn rules() -> Rules {
        let money = |text: &str| Limit::Money(text.parse().expect("a decimal"));
        let berlin = |frame| Window::new(frame, "Europe/Berlin").expect("it is in the database");
        let mut all = Budget::new("all", money("4"), berlin(Frame::Day));
        all.alert_at = vec![50, 80, 100];
        let mut user = Budget::new("user", money("1.5"), Window::utc(Frame::Rolling(Span::from_secs(7_200))));
        user.per = vec![Dimension::named("user")];
        let mut tokens = Budget::new("tokens", Limit::Tokens(60_000), berlin(Frame::Hour));
        tokens.per = vec![Dimension::Vendor, Dimension::Tier];
        let mut soft = Budget::new("soft", money("0.8"), berlin(Frame::Week));
        soft.enforce = Enforce::StepDown(Tier::Economy);
        soft.only.tags.insert("team".to_owned(), ["search".to_owned()].into());
        let mut share = Budget::new("frontier", Limit::Share(Thousandths(200)), berlin(Frame::Day));
        share.only.tiers = [Tier::Frontier].into();
        let mut calls = Budget::new("calls", Limit::Requests(400), Window::utc(Frame::Month));
        calls.only.vendors = ["deepseek".parse().expect("a name")].into();
        let rate = Rate {
            name: "openai".to_owned(),
            only: Selector { vendors: ["openai".parse().expect("a name")].into(), ..Selector::default() },
            requests: Some(120),
            tokens: Some(100_000),
            ..Rate::default()
        };
        Rules::new(vec![all, user, tokens, soft, share, calls], vec![rate]).expect("they make sense")
    }

    /// The next entry.
    pub fn step(&mut self) -> Op {
        self.now += self.below(40_000) as i64;
        let op = match self.below(100) {
            0..45 => Op::Reserve(self.reserve()),
            45..88 => self.end(),
            88..94 => self.repeat(),
            _ => self.wrong(),
        };
        if self.past.len() < 64 {
            self.past.push(op.clone());
        } else {
            let at = self.below(64) as usize;
            self.past[at] = op.clone();
        }
        op
    }

    fn reserve(&mut self) -> Reserve {
        self.count += 1;
        let (model, tier) = MODELS[self.below(4) as usize];
        let mut tags = BTreeMap::new();
        if self.below(4) > 0 {
            tags.insert("user".to_owned(), ["ann", "bob, \\ = x", "çå", ""][self.below(4) as usize].to_owned());
        }
        if self.below(2) == 0 {
            tags.insert(
                "team".to_owned(),
                ["search", "ads'); DROP TABLE endings; --"][self.below(2) as usize].to_owned(),
            );
        }
        let vendor = model.split('/').next().expect("a vendor").parse().expect("a name");
        let back = if self.below(50) == 0 { self.below(90_000_000) as i64 } else { 0 };
        let facts = Facts {
            model: model.parse().expect("a name"),
            vendor,
            endpoint: "main".parse().expect("a name"),
            tier,
            purpose: Purpose::ALL[self.below(Purpose::ALL.len() as u64) as usize],
            key: Some("k1".to_owned()).filter(|_| self.count.is_multiple_of(3)),
            tags: Arc::new(tags),
        };
        let is_free = facts.purpose == Purpose::Cached;
        let (amount, tokens_max) = (self.below(90_000_000_000) as i64 + 1, self.below(9_000));
        let reserve = Reserve {
            attempt: format!("a{}", self.count).parse().expect("a name"),
            request: format!("r{}", self.count / 2).parse().expect("a name"),
            at: Timestamp::from_ms(self.now - back),
            facts,
            amount: if is_free { Usd::ZERO } else { Usd::from_pico(amount) },
            tokens_max: if is_free { 0 } else { tokens_max },
            baseline: Some("anthropic/claude".parse().expect("a name")).filter(|_| self.count.is_multiple_of(2)),
        };
        self.open.push(reserve.clone());
        reserve
    }

    fn end(&mut self) -> Op {
        if self.open.is_empty() {
            return Op::Reserve(self.reserve());
        }
        let at = self.below(self.open.len() as u64) as usize;
        let reserve = self.open.swap_remove(at);
        if self.below(6) == 0 {
            let why = "no connection".to_owned();
            return Op::End(End::Void(Void { attempt: reserve.attempt, at: Timestamp::from_ms(self.now), why }));
        }
        let share = self.below(105) as i64;
        let cost = Usd::from_pico(reserve.amount.pico() / 100 * share);
        let endings =
            [Ending::Answered, Ending::Cut, Ending::Cancelled, Ending::Failed(crate::error::Kind::Overloaded)];
        let settle = Settle {
            attempt: reserve.attempt,
            at: Timestamp::from_ms(self.now),
            cost,
            lines: vec![ChargeLine { class: "output".into(), quantity: 3, cost }],
            usage: Usage::of(self.below(5_000), self.below(5_000)),
            basis: Basis::ALL[self.below(Basis::ALL.len() as u64) as usize],
            ending: endings[self.below(4) as usize],
            latency: Span::from_ms(self.below(30_000)),
            first_token: Some(Span::from_ms(self.below(3_000))).filter(|_| self.count.is_multiple_of(2)),
            baseline_cost: Some(Usd::from_pico(self.below(200_000_000_000) as i64))
                .filter(|_| !self.count.is_multiple_of(5)),
        };
        Op::End(End::Settle(Box::new(settle)))
    }

    /// An entry that was there before.
    fn repeat(&mut self) -> Op {
        match self.past.len() as u64 {
            0 => Op::Reserve(self.reserve()),
            count => {
                let at = self.below(count) as usize;
                self.past[at].clone()
            }
        }
    }

    /// An entry that cannot be: of nobody, with other contents, negative.
    fn wrong(&mut self) -> Op {
        let mut op = self.repeat();
        match (&mut op, self.below(3)) {
            (Op::Reserve(entry), 0) => entry.amount = Usd::from_pico(-1),
            (Op::Reserve(entry), _) => entry.tokens_max += 1,
            (Op::End(End::Settle(entry)), 0) => entry.attempt = "nobody".parse().expect("a name"),
            (Op::End(End::Settle(entry)), _) => entry.latency = Span::from_ms(entry.latency.ms() + 1),
            (Op::End(End::Void(entry)), _) => entry.why.push('!'),
        }
        op
    }
}

pub(super) fn write(store: &dyn Store, op: Op) -> Result<Posted, crate::ledger::LedgerError> {
    match op {
        Op::Reserve(entry) => wait(store.reserve(entry)),
        Op::End(End::Settle(entry)) => wait(store.settle(*entry)),
        Op::End(End::Void(entry)) => wait(store.void(entry)),
    }
}

fn judge(book: &mut Book, op: &Op) -> Result<Posted, crate::ledger::LedgerError> {
    match op {
        Op::Reserve(entry) => book.reserve(entry),
        Op::End(end) => book.end(end),
    }
}

pub(super) fn agrees(make: Make<'_>, rules: &Rules, seed: u64, ops: usize) {
    let store = make(rules.clone());
    let mut book = Book::new(rules.clone());
    let mut history = History::new(seed);
    for at in 0..ops {
        let op = history.step();
        let want = judge(&mut book, &op);
        let got = write(&*store, op.clone());
        assert_eq!(got, want, "seed {seed}, entry {at}: {op:?}");
        if at % 16 == 0 {
            let scope = Scope { key: None, tags: Arc::new([("user".to_owned(), "ann".to_owned())].into()) };
            let now = Timestamp::from_ms(history.now);
            // A store on disk may know less of the budgets that it was not asked about yet, never more is spent.
            let (got, want) = (store.standing(&scope, now), book.standing(&scope, now));
            assert_eq!(got.tier_cap, want.tier_cap, "seed {seed}, entry {at}");
        }
    }
    compare(&*store, &book, rules, seed);
    wait(store.close()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

/// Everything that a store can tell, against the book.
fn compare(store: &dyn Store, book: &Book, rules: &Rules, seed: u64) {
    let told = |what: &str| format!("seed {seed}: {what}");
    assert_eq!(wait(store.balances()).expect("balances"), book.balances(), "{}", told("balances"));
    let journal = wait(store.journal(0, usize::MAX)).expect("journal");
    assert_eq!(journal, book.journal(), "{}", told("journal"));
    let replayed = Book::replay(rules.clone(), &journal).expect("the journal replays");
    assert_eq!(replayed.balances(), book.balances(), "{}", told("replay"));
    let page = |only| Page { limit: usize::MAX, only, ..Page::default() };
    let plain = |rows: &[Row]| rows.iter().map(|row| (row.reserve.clone(), row.fate.clone())).collect::<Vec<_>>();
    let rows = wait(store.rows(page(Only::All))).expect("rows");
    assert_eq!(plain(&rows), plain(book.rows()), "{}", told("rows"));
    assert!(rows.windows(2).all(|two| two[0].seq < two[1].seq), "{}", told("rows in order"));
    let held: Vec<Row> = book.rows().iter().filter(|row| row.fate == Fate::Open).cloned().collect();
    assert_eq!(plain(&wait(store.rows(page(Only::Held))).expect("held")), plain(&held), "{}", told("held"));
    let mut sums = Rollup::default();
    book.rows().iter().for_each(|row| sums.row(row));
    let tags = vec!["user".to_owned(), "team".to_owned()];
    let got = wait(store.rollup(Stretch { tags, ..Stretch::default() })).expect("sums");
    assert_eq!(got, sums, "{}", told("sums"));
    for row in book.rows().iter().step_by(97) {
        let found = wait(store.row(&row.reserve.attempt)).expect("row").expect("it was written");
        assert_eq!(found.fate, row.fate, "{}", told("row"));
    }
    let nobody: AttemptId = "nobody".parse().expect("a name");
    assert_eq!(wait(store.row(&nobody)).expect("row"), None);
}
