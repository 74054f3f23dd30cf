//! Hostile text and numbers in every field of every entry: refused by name, or stored and given back as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cases::{reserve, settle, usd};
use super::{History, Make, wait};
use crate::id::{AttemptId, RequestId};
use crate::ledger::{
    Book, Budget, ChargeLine, Dimension, Enforce, Fate, Frame, LedgerError, Limit, Reserve, Rollup, Rules, Scope,
    Settle, Void, Window,
};
use crate::money::Usd;
use crate::store::{Page, Store, Stretch};
use crate::time::{Span, Timestamp};

/// Texts that have broken ledgers, pages, shells or terminals elsewhere; each is met alone, doubled, and amid others.
const TEXTS: [&str; 26] = [
    "'; DROP TABLE reservations; --",
    "\" OR \"\"=\"",
    "1); DELETE FROM endings; --",
    "' UNION SELECT * FROM owners --",
    "$1",
    "?1",
    ":at",
    "%s%n%x",
    "\\x00\\",
    "\\",
    "a,b=c",
    "{}",
    "{\"a\":[1,null]}",
    "[[budgets]]",
    "NULL",
    "NaN",
    "-1",
    "1e308",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "=HYPERLINK(\"http://x\")",
    "\u{202e}gnp.exe",
    "\u{feff}\u{200b}",
    "Z\u{0301}\u{0323}\u{035b}",
    "\u{1f9ea}\u{1f3fd}",
    "\u{0}nul",
];
const NUMBERS: [i64; 9] = [i64::MIN, i64::MIN + 1, -1, 0, 1, 1_000_000_000_000, i64::MAX / 2, i64::MAX - 1, i64::MAX];

/// What came of the cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostileCount {
    /// Entries that were refused, by their type or by the store.
    pub refused: usize,
    /// Entries that were stored and given back as they were.
    pub inert: usize,
}

fn text(random: &mut History) -> String {
    let one = TEXTS[random.below(TEXTS.len() as u64) as usize];
    match random.below(6) {
        0 => one.repeat(random.below(400) as usize + 1),
        1 => format!("{one}{}", TEXTS[random.below(TEXTS.len() as u64) as usize]),
        2 => format!("\n\t\u{1b}[31m{one}\r"),
        3 => String::new(),
        _ => one.to_owned(),
    }
}

fn number(random: &mut History) -> i64 {
    NUMBERS[random.below(NUMBERS.len() as u64) as usize]
}

/// A reservation with one hostile field; `None` where the field's own type refuses the value.
fn hostile_reserve(random: &mut History, case: usize) -> Option<Reserve> {
    let mut entry = reserve(&format!("case{case}"), "0.000001");
    let bad = text(random);
    let tag = |name: &str, value: &str| Arc::new(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    match random.below(13) {
        0 => entry.attempt = AttemptId::new(format!("{case}{bad}")).ok()?,
        1 => entry.request = RequestId::new(&bad).ok()?,
        2 => entry.facts.model = format!("acme/{bad}").parse().ok()?,
        3 => entry.facts.vendor = bad.parse().ok()?,
        4 => entry.facts.endpoint = bad.parse().ok()?,
        5 => entry.facts.key = Some(bad),
        6 => entry.facts.tags = tag("user", &bad),
        7 => entry.facts.tags = tag(&bad, "ann"),
        8 => entry.baseline = Some(format!("acme/{bad}").parse().ok()?),
        9 => entry.amount = Usd::from_pico(number(random)),
        10 => entry.tokens_max = number(random) as u64,
        11 => entry.at = Timestamp::from_ms(number(random)),
        _ => entry.facts.tags = Arc::new((0..random.below(80)).map(|n| (format!("{bad}{n}"), bad.clone())).collect()),
    }
    Some(entry)
}

fn hostile_settle(random: &mut History, attempt: &AttemptId) -> Settle {
    let mut entry = settle("x", "0.000001");
    entry.attempt = attempt.clone();
    let bad = text(random);
    match random.below(8) {
        0 => entry.cost = Usd::from_pico(number(random)),
        1 => entry.baseline_cost = Some(Usd::from_pico(number(random))),
        2 => entry.usage.input = Some(number(random) as u64),
        3 => entry.usage.output = Some(number(random) as u64),
        4 => entry.at = Timestamp::from_ms(number(random)),
        5 => {
            let line = ChargeLine { class: bad.into(), quantity: number(random) as u64, cost: usd("0.000001") };
            entry.lines = vec![line; random.below(100) as usize];
        }
        6 => entry.latency = Span::from_ms(number(random) as u64),
        _ => entry.first_token = Some(Span::from_ms(number(random) as u64)),
    }
    entry
}

fn rules(random: &mut History) -> Rules {
    let mut all = Budget::new("all", Limit::Money(Usd::MAX), Window::utc(Frame::Total));
    all.alert_at = vec![50];
    all.enforce = Enforce::Alert;
    let mut user = Budget::new("user", Limit::Tokens(u64::MAX), Window::utc(Frame::Day));
    user.enforce = Enforce::Alert;
    user.per = vec![Dimension::named("user"), Dimension::named(&text(random))];
    let budgets = [all, user, Budget::new(text(random), Limit::Requests(u64::MAX), Window::utc(Frame::Hour))];
    let safe = |budgets: Vec<Budget>| Rules::new(budgets, Vec::new());
    // A name that is refused is refused by name; the others are put in force.
    let fewer = (1..=budgets.len()).rev().find_map(|count| safe(budgets[..count].to_vec()).ok());
    fewer.expect("plain names make sense")
}

/// Writes `cases` hostile entries from `seed`.
///
/// # Panics
/// Where one is neither refused nor given back as it was, or where anything else suffers from it.
pub(super) fn hostile(make: Make<'_>, seed: u64, cases: usize) -> HostileCount {
    let mut random = History::new(seed);
    let mut count = HostileCount::default();
    let mut store = make(Rules::default());
    for case in 0..cases {
        if case % 100 == 0 {
            check_whole(&*store, seed);
            store = make(rules(&mut random));
        }
        match hostile_reserve(&mut random, case) {
            None => count.refused += 1,
            Some(entry) => match write(&*store, &mut random, entry, &format!("seed {seed}, case {case}")) {
                true => count.inert += 1,
                false => count.refused += 1,
            },
        }
    }
    check_whole(&*store, seed);
    count
}

/// Whether the entry was stored; then it and a hostile ending of it are what was written.
fn write(store: &dyn Store, random: &mut History, entry: Reserve, context: &str) -> bool {
    let refused = |error: &LedgerError| {
        let kinds =
            matches!(error, LedgerError::Invalid { .. } | LedgerError::OverBudget(_) | LedgerError::Conflict { .. });
        assert!(kinds, "{context}: {error}");
        assert!(!error.to_string().chars().any(char::is_control), "{context}: {error:?}");
    };
    match wait(store.reserve(entry.clone())) {
        Err(error) => {
            refused(&error);
            return false;
        }
        Ok(posted) if posted.duplicate => return false,
        Ok(_) => {}
    }
    let row = wait(store.row(&entry.attempt)).expect("it reads").expect("it was written");
    assert_eq!(*row.reserve, entry, "{context}");
    let scope = Scope { key: entry.facts.key.clone(), tags: entry.facts.tags.clone() };
    let _ = store.standing(&scope, entry.at);
    let end = hostile_settle(random, &entry.attempt);
    match wait(store.settle(end.clone())) {
        Ok(_) => {
            let row = wait(store.row(&entry.attempt)).expect("it reads").expect("it was written");
            let Fate::Settled(kept) = row.fate else { panic!("{context}: {:?}", row.fate) };
            assert_eq!(*kept, end, "{context}");
        }
        Err(error) => {
            refused(&error);
            let why = text(random);
            if let Err(error) = wait(store.void(Void { attempt: entry.attempt, at: entry.at, why })) {
                refused(&error);
            }
        }
    }
    true
}

/// The account is whole: it replays, and its sums are those of its rows.
fn check_whole(store: &dyn Store, seed: u64) {
    let journal = wait(store.journal(0, usize::MAX)).expect("journal");
    Book::replay(Rules::default(), &journal).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let rows = wait(store.rows(Page { limit: usize::MAX, ..Page::default() })).expect("rows");
    let mut sums = Rollup::default();
    rows.iter().for_each(|row| sums.row(row));
    let tags: std::collections::BTreeSet<String> = sums.tags.keys().map(|key| key.name.clone()).collect();
    let stretch = Stretch { tags: tags.into_iter().collect(), ..Stretch::default() };
    assert_eq!(wait(store.rollup(stretch)).expect("sums"), sums, "seed {seed}");
    wait(store.close()).expect("it closes");
}
