//! Catalogue rows that a host gives as data, written as the TOML that the catalogue reads: so that faults are found and
//! named by the one parser.

use serde_json::Value;

use crate::Failure;

/// A file's text. Its lines follow the data: one a key, one a row.
pub(crate) fn file(rows: &Value) -> Result<String, Failure> {
    let refuse = || Failure::new("invalid_config", "rows: expected an object with `vendor`, `endpoints` and `models`");
    let mut text = String::new();
    for (key, value) in rows.as_object().ok_or_else(refuse)? {
        // No value stands for a key that is left out.
        if !value.is_null() {
            name(key, &mut text);
            text.push_str(" = ");
            write(value, &mut text);
            text.push('\n');
        }
    }
    Ok(text)
}

fn write(value: &Value, text: &mut String) {
    match value {
        // Only within lists, where TOML has no word for it: the parser then says that a text is not wanted there.
        Value::Null => text.push_str("\"\""),
        Value::Bool(yes) => text.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(words) => quote(words, text),
        Value::Array(items) => {
            text.push('[');
            let mut gap = "";
            for item in items {
                text.push_str(gap);
                write(item, text);
                gap = ", ";
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            let mut gap = " ";
            for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                text.push_str(gap);
                name(key, text);
                text.push_str(" = ");
                write(value, text);
                gap = ", ";
            }
            text.push_str(" }");
        }
    }
}

fn name(key: &str, text: &mut String) {
    quote(key, text);
}

/// JSON's escapes are TOML's; the one character that JSON leaves and TOML refuses is escaped besides.
fn quote(words: &str, text: &mut String) {
    text.push_str(&Value::from(words).to_string().replace('\u{7f}', "\\u007f"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tierway::catalog::Catalog;

    use super::*;

    #[test]
    fn rows_as_data_are_read_as_rows_of_a_file() {
        let rows = json!({
            "vendor": "house",
            "endpoints": [{
                "id": "house", "api": "engine", "base_url": "http://localhost", "region": "local", "auth": "none",
                "self_hosted": true, "key_env": null,
            }],
            "models": [{
                "id": "house/brain", "family": "brain-1", "tier": "local", "context_window": 8192,
                "max_output": 1024, "capabilities": ["streaming"], "source": "ours", "date": "2026-01-01",
                "prices": [{"rates": {"input": "0.1", "output": "0.2"}}],
            }],
        });
        let text = file(&rows).unwrap();
        let catalog = Catalog::parse(&text, "rows[0]").unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(catalog.cards()[0].family, "brain-1");
        let bad = file(&json!({"vendor": "house", "models": [{"id": 7}]})).unwrap();
        assert!(Catalog::parse(&bad, "rows[0]").unwrap_err().to_string().starts_with("rows[0]:"));
        assert!(file(&json!([])).is_err());
    }
}
