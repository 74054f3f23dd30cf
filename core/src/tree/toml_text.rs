//! TOML as a tree with its lines.

use std::ops::Range;

use toml::de::{DeInteger, DeTable, DeValue, Error};

use super::{Data, Node, TreeError};

/// Parses a file.
///
/// # Errors
/// Where the text is not TOML, with the line.
pub(crate) fn parse(text: &str) -> Result<Node, TreeError> {
    let lines = Lines::new(text);
    let wrong =
        |error: Error| TreeError { line: lines.of(error.span().unwrap_or(0..0)), message: error.message().to_owned() };
    let table = DeTable::parse(text).map_err(wrong)?;
    let line = lines.of(table.span());
    Ok(Node { line, data: lines.table(table.into_inner())? })
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Lines {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines(std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect())
    }

    fn of(&self, span: Range<usize>) -> u32 {
        self.0.partition_point(|start| *start <= span.start) as u32
    }

    fn table(&self, table: DeTable<'_>) -> Result<Data, TreeError> {
        let field = |(key, value): (toml::Spanned<_>, toml::Spanned<_>)| {
            let line = self.of(key.span());
            Ok((String::from(key.into_inner()), line, self.node(value)?))
        };
        table.into_iter().map(field).collect::<Result<_, _>>().map(Data::Table)
    }

    fn node(&self, value: toml::Spanned<DeValue<'_>>) -> Result<Node, TreeError> {
        let line = self.of(value.span());
        let data = match value.into_inner() {
            DeValue::String(text) => Data::Text(text.into_owned()),
            DeValue::Boolean(yes) => Data::Bool(yes),
            DeValue::Integer(number) => integer(&number).ok_or_else(|| too_large(line, number.as_str()))?,
            DeValue::Float(number) => float(number.as_str()).ok_or_else(|| too_large(line, number.as_str()))?,
            DeValue::Datetime(time) => Data::Text(time.to_string()),
            DeValue::Array(items) => {
                Data::List(items.into_iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table)?,
        };
        Ok(Node { line, data })
    }
}

fn too_large(line: u32, number: &str) -> TreeError {
    TreeError { line, message: format!("the number {number} is too large") }
}

fn float(text: &str) -> Option<Data> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() || text.contains("inf") || text.contains("nan")).then_some(Data::Float(number))
}

fn integer(number: &DeInteger<'_>) -> Option<Data> {
    let (digits, radix) = (number.as_str(), number.radix());
    let int = i64::from_str_radix(digits, radix).ok().map(Data::Int);
    int.or_else(|| u64::from_str_radix(digits, radix).ok().map(Data::Count))
}
