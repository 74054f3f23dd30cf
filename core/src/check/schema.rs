//! Holds a JSON value to a JSON Schema, as far as vendors' structured outputs use it.
//!
//! Understood: `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `anyOf`,
//! `oneOf`, `allOf`, `not`, `$ref` within the schema, and the limits on lengths, counts and numbers. Everything else,
//! `pattern` and `format` among it, is taken to hold: a check must not fail an answer for what it cannot read.

use serde_json::Value;

/// How deep values and references are followed; deeper ones are taken to hold.
const DEPTH_MAX: usize = 64;

/// The first fault as `path: what`, without the value's text; `None` where the value keeps to the schema.
pub fn fault(schema: &Value, value: &Value) -> Option<String> {
    Holder { root: schema }.fault(schema, value, "$", 0)
}

struct Holder<'a> {
    root: &'a Value,
}

impl Holder<'_> {
    fn fault(&self, schema: &Value, value: &Value, path: &str, depth: usize) -> Option<String> {
        if depth >= DEPTH_MAX {
            return None;
        }
        let Value::Object(rules) = schema else {
            return (*schema == Value::Bool(false)).then(|| format!("{path}: nothing may stand here"));
        };
        if let Some(target) = rules.get("$ref").and_then(Value::as_str).and_then(|name| self.find(name))
            && let Some(fault) = self.fault(target, value, path, depth + 1)
        {
            return Some(fault);
        }
        let get = |name: &str| rules.get(name);
        type_fault(get("type"), value, path)
            .or_else(|| choice_fault(get("enum"), get("const"), value, path))
            .or_else(|| self.combination_fault(schema, value, path, depth))
            .or_else(|| match value {
                Value::Object(_) => self.object_fault(schema, value, path, depth),
                Value::Array(_) => self.array_fault(schema, value, path, depth),
                Value::String(text) => text_fault(schema, text, path),
                Value::Number(_) => number_fault(schema, value, path),
                _ => None,
            })
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.root.pointer(name.strip_prefix('#')?)
    }

    fn combination_fault(&self, schema: &Value, value: &Value, path: &str, depth: usize) -> Option<String> {
        let list = |name: &str| schema.get(name).and_then(Value::as_array);
        let holds = |one: &Value| self.fault(one, value, path, depth + 1).is_none();
        if let Some(fault) =
            list("allOf").and_then(|all| all.iter().find_map(|one| self.fault(one, value, path, depth + 1)))
        {
            return Some(fault);
        }
        if list("anyOf").is_some_and(|any| !any.iter().any(holds)) {
            return Some(format!("{path}: none of the allowed forms"));
        }
        if list("oneOf").is_some_and(|one| one.iter().filter(|one| holds(one)).count() != 1) {
            return Some(format!("{path}: not exactly one of the allowed forms"));
        }
        let is_forbidden = schema.get("not").is_some_and(holds);
        is_forbidden.then(|| format!("{path}: a forbidden form"))
    }

    fn object_fault(&self, schema: &Value, value: &Value, path: &str, depth: usize) -> Option<String> {
        let object = value.as_object()?;
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        if let Some(missing) = required.filter_map(Value::as_str).find(|name| !object.contains_key(*name)) {
            return Some(format!("{path}: '{missing}' is missing"));
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let more = schema.get("additionalProperties").filter(|_| schema.get("patternProperties").is_none());
        for (name, field) in object {
            let known = properties.and_then(|properties| properties.get(name));
            let fault = match known {
                Some(rules) => self.fault(rules, field, &format!("{path}.{name}"), depth + 1),
                // The name of a field that was not asked for is the answer's text.
                None => match more {
                    Some(Value::Bool(false)) => Some(format!("{path}: a field that was not asked for")),
                    Some(rules) => self.fault(rules, field, &format!("{path}.*"), depth + 1),
                    None => None,
                },
            };
            if fault.is_some() {
                return fault;
            }
        }
        count_fault(schema, ("minProperties", "maxProperties"), object.len(), path, "fields")
    }

    fn array_fault(&self, schema: &Value, value: &Value, path: &str, depth: usize) -> Option<String> {
        let items = value.as_array()?;
        let first = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (at, item) in items.iter().enumerate() {
            let rules = first.get(at).or_else(|| schema.get("items"));
            if let Some(fault) = rules.and_then(|rules| self.fault(rules, item, &format!("{path}[{at}]"), depth + 1)) {
                return Some(fault);
            }
        }
        let is_unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        if is_unique && items.iter().enumerate().any(|(at, item)| items[..at].contains(item)) {
            return Some(format!("{path}: an item stands there twice"));
        }
        count_fault(schema, ("minItems", "maxItems"), items.len(), path, "items")
    }
}

fn type_fault(wanted: Option<&Value>, value: &Value, path: &str) -> Option<String> {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    };
    let names: Vec<&str> = match wanted? {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = names.is_empty() || names.iter().any(|name| is(name));
    (!fits).then(|| format!("{path}: not of type {}", names.join(" or ")))
}

fn choice_fault(choices: Option<&Value>, only: Option<&Value>, value: &Value, path: &str) -> Option<String> {
    let is_among = choices.and_then(Value::as_array).is_none_or(|choices| choices.contains(value));
    let is_it = only.is_none_or(|only| only == value);
    (!is_among || !is_it).then(|| format!("{path}: not among the allowed values"))
}

fn text_fault(schema: &Value, text: &str, path: &str) -> Option<String> {
    count_fault(schema, ("minLength", "maxLength"), text.chars().count(), path, "characters")
}

fn count_fault(schema: &Value, (least, most): (&str, &str), count: usize, path: &str, what: &str) -> Option<String> {
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    if limit(least).is_some_and(|least| (count as u64) < least) {
        return Some(format!("{path}: too few {what}"));
    }
    limit(most).is_some_and(|most| count as u64 > most).then(|| format!("{path}: too many {what}"))
}

fn number_fault(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let number = value.as_f64()?;
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let is_low = limit("minimum").is_some_and(|least| number < least)
        || limit("exclusiveMinimum").is_some_and(|least| number <= least);
    let is_high = limit("maximum").is_some_and(|most| number > most)
        || limit("exclusiveMaximum").is_some_and(|most| number >= most);
    let step = limit("multipleOf").filter(|step| *step > 0.0);
    let is_off = step.is_some_and(|step| ((number / step).round() - number / step).abs() > 1e-9);
    (is_low || is_high || is_off).then(|| format!("{path}: outside its bounds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(schema: &Value, value: Value, want: &str) {
        let fault = fault(schema, &value).unwrap_or_default();
        assert_eq!(fault, want, "{value}");
    }

    #[test]
    fn each_rule_holds_and_breaks() {
        let schema = json!({
            "type": "object", "required": ["kind"], "additionalProperties": false,
            "properties": {
                "kind": {"enum": ["a", "b"]}, "count": {"type": ["integer", "null"], "minimum": 1, "multipleOf": 2},
                "names": {"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 1, "uniqueItems": true},
                "tree": {"$ref": "#/$defs/node"},
                "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
            },
            "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "number"}}}},
        });
        check(&schema, json!({"kind": "a", "count": 4, "names": ["x"], "either": true}), "");
        check(&schema, json!({"kind": "a", "count": null, "tree": {"next": {"v": 1.5}}}), "");
        check(&schema, json!([]), "$: not of type object");
        check(&schema, json!({}), "$: 'kind' is missing");
        check(&schema, json!({"kind": "c"}), "$.kind: not among the allowed values");
        check(&schema, json!({"kind": "a", "more": 1}), "$: a field that was not asked for");
        check(&schema, json!({"kind": "a", "count": 1.5}), "$.count: not of type integer or null");
        check(&schema, json!({"kind": "a", "count": 3}), "$.count: outside its bounds");
        check(&schema, json!({"kind": "a", "names": []}), "$.names: too few items");
        check(&schema, json!({"kind": "a", "names": ["x", "x"]}), "$.names: an item stands there twice");
        check(&schema, json!({"kind": "a", "names": ["long"]}), "$.names[0]: too many characters");
        check(&schema, json!({"kind": "a", "tree": {"next": {"v": "1"}}}), "$.tree.next.v: not of type number");
        check(&schema, json!({"kind": "a", "either": 3}), "$.either: none of the allowed forms");
    }

    #[test]
    fn what_is_not_understood_holds_and_nothing_runs_without_end() {
        check(&json!({"type": "string", "pattern": "^a"}), json!("b"), "");
        check(&json!({"$ref": "#"}), json!(1), "");
        check(&json!({"$ref": "elsewhere.json"}), json!(1), "");
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        check(
            &json!({"$ref": "#/$defs/l", "$defs": {"l": {"type": "array", "items": {"$ref": "#/$defs/l"}}}}),
            deep,
            "",
        );
    }
}
