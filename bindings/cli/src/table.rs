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
        let names: Vec<String> = self.header.iter().map(|(name, _)| name.clone()).collect();
        let all = || std::iter::once(&names).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..names.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().enumerate().map(|(at, cell)| {
                let width = widths[at];
                match self.header[at].1 {
                    Side::Right => format!("{cell:>width$}"),
                    Side::Left => format!("{cell:<width$}"),
                }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        all().map(line).collect()
    }

    /// Prints the table, its header in bold on a terminal.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for (at, line) in self.lines().iter().enumerate() {
            match at == 0 && is_styled() {
                true => writeln!(out, "\x1b[1m{line}\x1b[0m")?,
                false => writeln!(out, "{line}")?,
            }
        }
        Ok(())
    }
}

/// Whether standard output is a terminal whose owner has not asked for no colour.
pub(crate) fn is_styled() -> bool {
    let plain = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !plain("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
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
}
