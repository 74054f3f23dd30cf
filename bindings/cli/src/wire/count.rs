//! How many exchanges were read, and why the others were not: a table, and a page of the documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use tierway::testing::recorded::{Exchange, Outcome};

use crate::table::{Side, Table};

/// The heading of what was not made here.
const BY_HAND: &str = "## What else is shown";
/// The columns.
const COLUMNS: [(&str, Side); 7] = [
    ("provider", Side::Left),
    ("api", Side::Left),
    ("exchanges", Side::Right),
    ("decoded", Side::Right),
    ("typed error", Side::Right),
    ("refused", Side::Right),
    ("no chat call", Side::Right),
];

/// Counts by provider and format, with the reasons.
#[derive(Debug, Default)]
pub(super) struct Counts {
    rows: BTreeMap<(String, String), Row>,
    reasons: BTreeMap<(String, String), u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    decoded: u64,
    failed: u64,
    refused: u64,
    no_chat: u64,
}

impl Row {
    fn cells(self) -> [u64; 5] {
        let all = self.decoded + self.failed + self.refused + self.no_chat;
        [all, self.decoded, self.failed, self.refused, self.no_chat]
    }
}

impl Counts {
    pub(super) fn add(&mut self, exchange: &Exchange, outcome: &Outcome) {
        let row = self.rows.entry((exchange.provider.clone(), exchange.api.clone())).or_default();
        let (cell, what, why) = match outcome {
            Outcome::Reply(_) => (&mut row.decoded, "", String::new()),
            Outcome::Failed(error) => (&mut row.failed, "typed error", error.kind.as_str().replace('_', " ")),
            Outcome::Refused(error) => (&mut row.refused, "refused", error.message.clone()),
            Outcome::NoChat(what) => (&mut row.no_chat, "no chat call", what.clone()),
        };
        *cell += 1;
        if !what.is_empty() {
            *self.reasons.entry((what.to_owned(), why)).or_default() += 1;
        }
    }

    pub(super) fn broken(&mut self, path: &Path, number: usize, why: &str) {
        let row = self.rows.entry((path.display().to_string(), "broken line".to_owned())).or_default();
        row.refused += 1;
        *self.reasons.entry(("refused".to_owned(), format!("line {number}: {why}"))).or_default() += 1;
    }

    /// The rows as words, the total last.
    fn words(&self) -> Vec<Vec<String>> {
        let mut total = [0; 5];
        let line = |names: [&str; 2], cells: [u64; 5]| {
            names.into_iter().map(str::to_owned).chain(cells.iter().map(u64::to_string)).collect::<Vec<_>>()
        };
        let mut words = Vec::new();
        for ((provider, api), row) in &self.rows {
            let cells = row.cells();
            total.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
            words.push(line([provider, api], cells));
        }
        words.push(line(["all", ""], total));
        words
    }

    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = Table::new(&COLUMNS);
        self.words().into_iter().for_each(|row| table.row(row));
        table.print(out)?;
        writeln!(out)?;
        let mut table = Table::new(&[("count", Side::Right), ("what", Side::Left), ("why", Side::Left)]);
        for ((what, why), count) in &self.reasons {
            table.row([count.to_string(), what.clone(), why.clone()]);
        }
        table.print(out)
    }

    /// The page. What stands in `before` from the heading `BY_HAND` on is kept.
    pub(super) fn page(&self, before: &str) -> String {
        let mut page = String::from(
            "# Conformance\n\nWhat the wires make of recorded traffic, by provider and format. Made by `tierway wire decode \
             --exchanges FILE... --write-docs`; edit only what else is shown, at its end. The recordings come from the test suites of other projects \
             and are not part of this repository.\n\n- decoded: a reply, whole or streamed\n- typed error: the vendor's \
             error, or a stream that broke off, classified\n- refused: no wire speaks the format, or the bytes are not \
             of it\n- no chat call: embeddings, counts, lists and the like\n\n",
        );
        let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        let mut row = |cells: &[&str]| {
            // Writing to a String does not fail.
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        };
        row(&names);
        row(&COLUMNS.map(|(_, side)| if side == Side::Right { "---:" } else { "---" }));
        for cells in self.words() {
            row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
        }
        page.push_str("\n## Why\n\n| count | what | why |\n| ---: | --- | --- |\n");
        for ((what, why), count) in &self.reasons {
            let _ = writeln!(page, "| {count} | {what} | {} |", why.replace('|', "\\|"));
        }
        if let Some(at) = before.find(BY_HAND) {
            page.push('\n');
            page.push_str(&before[at..]);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_by_hand_is_kept() {
        let counts = Counts::default();
        let page = counts.page("");
        assert!(!page.contains(BY_HAND));
        let by_hand = format!("{BY_HAND}\n\nWords.\n");
        let kept = counts.page(&format!("# Old\n\n{by_hand}"));
        assert_eq!(kept, format!("{page}\n{by_hand}"));
        assert_eq!(counts.page(&kept), kept);
    }
}
