//! Whether what came out is what was expected: fields that are not named are free, lists are compared whole, and one
//! key of a few names stands for a looser rule.

use serde_json::Value;

/// What is wrong, where something is; `null` fits what is absent.
pub(crate) fn mismatch(want: &Value, found: &Value) -> Option<String> {
    compare(want, found, "$")
}

fn compare(want: &Value, found: &Value, place: &str) -> Option<String> {
    let differs = || Some(format!("{place}: expected {want}, found {}", shortened(found)));
    match want {
        Value::Object(fields) => {
            if fields.len() == 1
                && let Some((rule, argument)) = fields.iter().next()
                && let Some(holds) = loosely(rule, argument, found, place)
            {
                return holds;
            }
            fields.iter().find_map(|(key, want)| compare(want, &found[key], &format!("{place}.{key}")))
        }
        Value::Array(items) => match found.as_array() {
            Some(others) if others.len() == items.len() => all(items, others, place),
            _ => differs(),
        },
        _ if want == found => None,
        _ => differs(),
    }
}

fn all(items: &[Value], others: &[Value], place: &str) -> Option<String> {
    let mut pairs = items.iter().zip(others).enumerate();
    pairs.find_map(|(at, (want, found))| compare(want, found, &format!("{place}[{at}]")))
}

/// The rule of this name, if there is one.
fn loosely(rule: &str, argument: &Value, found: &Value, place: &str) -> Option<Option<String>> {
    let fails = || Some(format!("{place}: expected {rule} {argument}, found {}", shortened(found)));
    let check = |holds: bool| if holds { None } else { fails() };
    Some(match rule {
        "has" => check(found.as_str().is_some_and(|text| text.contains(argument.as_str().unwrap_or("\u{0}")))),
        "at_least" => check(found.as_u64() >= argument.as_u64()),
        "one_of" => check(argument.as_array().is_some_and(|choices| choices.contains(found))),
        "json" => match found.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            Some(inner) => check(inner == *argument),
            None => fails(),
        },
        "begins" => match (argument.as_array(), found.as_array()) {
            (Some(items), Some(others)) if others.len() >= items.len() => all(items, others, place),
            _ => fails(),
        },
        _ => return None,
    })
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(400) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_and_what_is_free_is_free() {
        let check = |want: Value, found: Value, fits: bool| {
            assert_eq!(mismatch(&want, &found).is_none(), fits, "{want} against {found}");
        };
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), true);
        check(json!({"a": null}), json!({}), true);
        check(json!({"a": 1}), json!(null), false);
        check(json!([1, 2]), json!([1]), false);
        check(json!([{"a": 1}]), json!([{"a": 1, "b": 2}]), true);
        check(json!({"begins": [1]}), json!([1, 2]), true);
        check(json!({"begins": [1, 2]}), json!([1]), false);
        check(json!({"has": "sky"}), json!("the sky"), true);
        check(json!({"has": "sky"}), json!(null), false);
        check(json!({"at_least": 1}), json!(null), false);
        check(json!({"json": {"a": 1}}), json!("{\"a\": 1}"), true);
    }
}
