//! A call whose arguments come value by value, as Vertex streams them where asked: each value with its path.

use serde_json::{Map, Value, json};

use crate::limits::REPLY_PARTS_MAX;
use crate::wire::json::{field, list, text};

/// Arguments that grow.
#[derive(Debug, Default)]
pub(super) struct Arguments(Value);

/// One step of a path.
#[derive(Debug, PartialEq)]
enum Step {
    Name(String),
    Place(usize),
}

/// Whether a call says that more of it follows, or brings values alone.
pub(super) fn is_partial(call: &Map<String, Value>) -> bool {
    call.get("willContinue") == Some(&Value::Bool(true)) || call.contains_key("partialArgs")
}

impl Arguments {
    /// Takes what a piece of the call brings.
    pub(super) fn take(&mut self, call: &Value) {
        if let Some(Value::Object(whole)) = field(call, "args") {
            match &mut self.0 {
                Value::Object(had) => had.extend(whole.clone()),
                had => *had = whole.clone().into(),
            }
        }
        for piece in list(call, "partialArgs") {
            let values = ["stringValue", "numberValue", "boolValue"];
            let value = values.iter().find_map(|name| field(piece, name)).cloned();
            let is_null = piece.get("nullValue").is_some();
            let (Some(path), true) = (text(piece, "jsonPath"), value.is_some() || is_null) else { continue };
            put(&mut self.0, &steps(path), value.unwrap_or_default());
        }
    }

    /// The arguments as JSON text.
    pub(super) fn finish(self) -> String {
        match self.0 {
            Value::Null => "{}".to_owned(),
            whole => whole.to_string(),
        }
    }
}

/// Sets what stands at a path; text is appended to text.
fn put(place: &mut Value, path: &[Step], value: Value) {
    match (path, place) {
        ([], Value::String(had)) if value.is_string() => had.push_str(value.as_str().unwrap_or_default()),
        ([], place) => *place = value,
        ([Step::Name(name), rest @ ..], place) => {
            if !place.is_object() {
                *place = json!({});
            }
            put(&mut place[name.as_str()], rest, value);
        }
        ([Step::Place(at), rest @ ..], place) => {
            if !place.is_array() {
                *place = json!([]);
            }
            if let Value::Array(all) = place {
                if all.len() <= *at {
                    all.resize(*at + 1, Value::Null);
                }
                put(&mut all[*at], rest, value);
            }
        }
    }
}

/// A path such as `$.places[0].name` or `$['a name']`. What is no path of this form ends it.
fn steps(path: &str) -> Vec<Step> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut found = Vec::new();
    while found.len() < 64 && !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let quote = inner.chars().next().filter(|first| ['\'', '"'].contains(first));
            let end = match quote {
                Some(quote) => inner[1..].find(quote).map(|end| end + 1),
                None => inner.find(']'),
            };
            let Some(end) = end else { break };
            match quote {
                Some(_) => found.push(Step::Name(inner[1..end].to_owned())),
                None => match inner[..end].parse::<usize>() {
                    Ok(at) if at < REPLY_PARTS_MAX => found.push(Step::Place(at)),
                    _ => break,
                },
            }
            rest = inner[end..].trim_start_matches(['\'', '"']).trim_start_matches(']');
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                break;
            }
            found.push(Step::Name(name[..end].to_owned()));
            rest = &name[end..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_find_their_places() {
        let mut arguments = Arguments::default();
        for piece in [
            json!({"partialArgs": [{"jsonPath": "$.city", "stringValue": "Abery", "willContinue": true}]}),
            json!({"partialArgs": [{"jsonPath": "$.city", "stringValue": "stwyth"},
                {"jsonPath": "$.days[1].hour", "numberValue": 7}, {"jsonPath": "$.days[0]", "boolValue": false}]}),
            json!({"partialArgs": [{"jsonPath": "$['a name']", "nullValue": "NULL_VALUE"}]}),
            json!({}),
        ] {
            arguments.take(&piece);
        }
        let want = json!({"city": "Aberystwyth", "days": [false, {"hour": 7}], "a name": null});
        assert_eq!(serde_json::from_str::<Value>(&arguments.finish()).unwrap(), want);
        assert_eq!(Arguments::default().finish(), "{}");
    }

    #[test]
    fn odd_paths_end_and_never_grow_without_bound() {
        for path in ["", "$", "$.", "$..a", "$[", "$['", "$[999999999999]", "$[-1]", "a.b[0", "$é.ü[0]"] {
            let mut arguments = Arguments::default();
            arguments.take(&json!({"partialArgs": [{"jsonPath": path, "numberValue": 1}]}));
            assert!(arguments.finish().len() < 64, "{path}");
        }
    }
}
