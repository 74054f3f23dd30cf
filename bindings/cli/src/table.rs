//! Tables for terminals and pipes: aligned columns, a plain look wherever colour is not wanted.

use std::io::{self, IsTerminal, Write};

/// Which side a column's words keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows under a header.
#[derive(Debug, Default)]
pub(crate) struct Table {
    header: Vec<(String, Side)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[(&str, Side)]) -> Table {
        Table { header: columns.iter().map(|(name, side)| ((*name).to_owned(), *side)).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.header.len(), String::new());
        self.rows.push(cells);
    }

    /// The table as lines of text. The last column is not padded.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines_with(|_, padded| padded)
    }

    /// The same, each cell's padded text as `paint` makes it.
    fn lines_with(&self, paint: impl Fn(&str, String) -> String) -> Vec<String> {
        let names: Vec<String> = self.header.iter().map(|(name, _)| name.clone()).collect();
        let all = || std::iter::once(&names).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..names.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().enumerate().map(|(at, cell)| {
                let width = widths[at];
                let padded = match self.header[at].1 {
                    Side::Right => format!("{cell:>width$}"),
                    Side::Left if at + 1 == row.len() => cell.clone(),
                    Side::Left => format!("{cell:<width$}"),
                };
                paint(cell, padded)
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        all().map(line).collect()
    }

    /// Prints the table; on a terminal its header is bold, and words that tell good from bad and tier from tier are coloured.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let lines = match is_styled() {
            true => self.styled(),
            false => self.lines(),
        };
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }

    fn styled(&self) -> Vec<String> {
        let mut lines = self.lines_with(|cell, padded| match colour(cell) {
            Some(code) => format!("\x1b[{code}m{padded}\x1b[0m"),
            None => padded,
        });
        if let Some((head, plain)) = lines.first_mut().zip(self.lines().first()) {
            *head = format!("\x1b[1m{plain}\x1b[0m");
        }
        lines
    }
}

/// The colour of a word that stands alone in its cell: tiers from cheap to dear, and endings from good to bad.
fn colour(cell: &str) -> Option<u8> {
    match cell {
        "local" | "economy" | "answered" => Some(32),
        "standard" | "open" | "unknown" => Some(33),
        "frontier" => Some(35),
        "refused" | "failed" | "overrun" => Some(31),
        // A dearer way than the baseline.
        cell if cell.starts_with("-$") => Some(31),
        _ => None,
    }
}

/// Whether standard output is to be styled: it is a terminal or `CLICOLOR_FORCE` is set, and nobody has asked for no colour.
pub(crate) fn is_styled() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    let is_dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !set("NO_COLOR") && (set("CLICOLOR_FORCE") || (io::stdout().is_terminal() && !is_dumb()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_to_their_sides() {
        let mut table = Table::new(&[("model", Side::Left), ("price", Side::Right), ("note", Side::Left)]);
        table.row(["a".to_owned(), "$1.00".to_owned()]);
        table.row(["longer".to_owned(), "$12.00".to_owned(), "x".to_owned()]);
        assert_eq!(table.lines(), ["model    price  note", "a        $1.00", "longer  $12.00  x"]);
    }

    #[test]
    fn colours_change_no_width() {
        let mut table = Table::new(&[("tier", Side::Left), ("saved", Side::Right)]);
        table.row(["economy".to_owned(), "-$1.00".to_owned()]);
        table.row(["other".to_owned(), "$12.00".to_owned()]);
        let styled = table.styled();
        assert_eq!(styled[1], "\x1b[32meconomy\x1b[0m  \x1b[31m-$1.00\x1b[0m");
        let bare = |line: &String| {
            line.split('\x1b')
                .map(|part| part.split_once('m').filter(|_| part.starts_with('[')).map_or(part, |(_, rest)| rest))
                .collect::<String>()
        };
        assert_eq!(styled.iter().map(bare).collect::<Vec<_>>(), table.lines());
    }
}
