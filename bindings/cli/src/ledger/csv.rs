//! Comma-separated values as RFC 4180 has them: quotes, quotes in quotes, line breaks in quotes.

/// Rows of fields. A file that starts with a byte-order mark, or uses semicolons or tabs, is read all the same.
pub(super) fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = text.lines().next().unwrap_or("");
    let count = |mark: char| head.matches(mark).count();
    let mark = [',', ';', '\t'].into_iter().max_by_key(|mark| (count(*mark), *mark == ',')).unwrap_or(',');
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            c if c == mark && !quoted => row.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    if quoted {
        return Err(format!("line {line}: a quote is not closed"));
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows.retain(|row: &Vec<String>| row.iter().any(|field| !field.trim().is_empty()));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quotes_and_other_marks() {
        let got = rows("\u{feff}a,b\r\n\"x, \"\"y\"\"\nz\",2\n\n").unwrap();
        assert_eq!(got, [vec!["a", "b"], vec!["x, \"y\"\nz", "2"]]);
        assert_eq!(rows("a;b\n1,5;2\n").unwrap(), [vec!["a", "b"], vec!["1,5", "2"]]);
        assert!(rows("a\n\"b").unwrap_err().contains("not closed"));
    }
}
