//! A JSON Schema as this vendor's structured output takes it.
//!
//! Objects are closed. Bounds that the vendor does not hold answers to are said in the description instead, where the
//! model reads them.

use serde_json::{Map, Value};

/// How deep a schema is followed.
const DEPTH_MAX: usize = 64;

/// Bounds that are refused in a schema.
const BOUNDS: [&str; 13] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "contains",
    "propertyNames",
];

/// The schema that answers can be held to; `None` where it wants objects with free keys, or refers to itself.
pub(in crate::wire) fn held_to(schema: &Value) -> Option<Value> {
    let mut held = schema.clone();
    close(&mut held, 0).then_some(held)
}

fn close(schema: &mut Value, depth: usize) -> bool {
    let Value::Object(object) = schema else { return schema.is_boolean() };
    if depth >= DEPTH_MAX || object.contains_key("patternProperties") {
        return false;
    }
    let is_object = match object.get("type") {
        Some(Value::String(name)) => name == "object",
        Some(Value::Array(names)) => names.iter().any(|name| name == "object"),
        _ => object.contains_key("properties"),
    };
    if is_object {
        let is_free = match object.get("additionalProperties") {
            Some(Value::Bool(free)) => *free,
            Some(_) => true,
            None => !object.contains_key("properties"),
        };
        if is_free {
            return false;
        }
        object.insert("additionalProperties".to_owned(), false.into());
    }
    tell_bounds(object);
    if let Some(several) = object.shift_remove("oneOf") {
        object.entry("anyOf").or_insert(several);
    }
    object.iter_mut().all(|(name, value)| match (name.as_str(), value) {
        ("properties" | "$defs" | "definitions", Value::Object(named)) => {
            named.values_mut().all(|inner| close(inner, depth + 1))
        }
        ("anyOf" | "allOf" | "prefixItems", Value::Array(list)) => list.iter_mut().all(|inner| close(inner, depth + 1)),
        ("items", inner) => close(inner, depth + 1),
        ("$ref", Value::String(target)) => target != "#",
        _ => true,
    })
}

/// Moves bounds into the description.
fn tell_bounds(object: &mut Map<String, Value>) {
    let mut told = Vec::new();
    for bound in BOUNDS {
        if let Some(value) = object.shift_remove(bound) {
            told.push(format!("{bound}: {value}"));
        }
    }
    // Fewest items may be none or one, and no more.
    if object.get("minItems").and_then(Value::as_u64).is_some_and(|least| least > 1)
        && let Some(value) = object.shift_remove("minItems")
    {
        told.push(format!("minItems: {value}"));
    }
    if told.is_empty() {
        return;
    }
    let told = format!("({})", told.join(", "));
    let text = match object.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text} {told}"),
        None => told,
    };
    object.insert("description".to_owned(), text.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_closed_and_bounds_are_told() {
        let schema = json!({"type": "object", "properties": {
            "age": {"type": "integer", "minimum": 0, "description": "In years."},
            "tags": {"type": "array", "minItems": 2, "items": {"type": "string", "maxLength": 5}},
            "who": {"oneOf": [{"type": "object", "properties": {}}, {"type": "null"}]}
        }});
        let want = json!({"type": "object", "properties": {
            "age": {"type": "integer", "description": "In years. (minimum: 0)"},
            "tags": {"type": "array", "items": {"type": "string", "description": "(maxLength: 5)"},
                "description": "(minItems: 2)"},
            "who": {"anyOf": [{"type": "object", "properties": {}, "additionalProperties": false}, {"type": "null"}]}
        }, "additionalProperties": false});
        assert_eq!(held_to(&schema).unwrap(), want);
        assert_eq!(held_to(&want).unwrap(), want);
    }

    #[test]
    fn free_keys_cannot_be_held() {
        for schema in [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}),
            json!({"type": "array", "items": {"type": "object", "additionalProperties": true}}),
            json!({"$ref": "#"}),
        ] {
            assert_eq!(held_to(&schema), None, "{schema}");
        }
    }
}
