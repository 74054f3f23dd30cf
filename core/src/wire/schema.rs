//! One JSON Schema, told in each vendor's dialect.
//!
//! A translation never widens what the schema admits, save that a property that may be absent becomes one that may be
//! null where a vendor wants every property present.

use serde_json::{Map, Value, json};

/// Keys whose value maps names to schemas.
const MAPS: [&str; 4] = ["properties", "$defs", "definitions", "patternProperties"];
/// Keys whose value is a schema.
const SINGLES: [&str; 5] = ["items", "additionalProperties", "not", "contains", "propertyNames"];
/// Keys whose value is a list of schemas.
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];

/// How deep a schema is followed: vendors stop at 10; a hostile one must not exhaust the stack.
const DEPTH_MAX: usize = 64;

/// The schema as OpenAI's strict mode wants it: no further properties, every property required, those that were not
/// made nullable. `None` where strict mode cannot say it (an object with free keys).
pub fn strict(schema: &Value) -> Option<Value> {
    let mut told = schema.clone();
    strict_at(&mut told, 0).then_some(told)
}

fn strict_at(schema: &mut Value, depth: usize) -> bool {
    let Value::Object(object) = schema else { return depth > 0 };
    if depth >= DEPTH_MAX || object.contains_key("patternProperties") {
        return false;
    }
    let typed = is_typed(object, "object") || object.contains_key("properties");
    if typed && !object.contains_key("$ref") {
        let free = object.get("additionalProperties").is_some_and(|more| *more == json!(true) || more.is_object());
        let named = object.get("properties").and_then(Value::as_object).map_or(0, Map::len);
        if free || (named == 0 && !object.contains_key("properties") && !object.contains_key("additionalProperties")) {
            return false;
        }
        close(object);
    }
    if let Some(several) = object.shift_remove("oneOf") {
        object.entry("anyOf").or_insert(several);
    }
    children(object).all(|child| strict_at(child, depth + 1))
}

/// Makes every property of an object required; those that were not may be null instead.
fn close(object: &mut Map<String, Value>) {
    let was: Vec<String> = object
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let mut names = was.clone();
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, property) in properties.iter_mut().filter(|(name, _)| !was.contains(name)) {
            nullable(property);
            names.push(name.clone());
        }
    }
    if object.contains_key("properties") {
        object.insert("required".to_owned(), json!(names));
    }
    object.insert("additionalProperties".to_owned(), json!(false));
}

/// Lets a schema also admit null.
fn nullable(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if is_typed(object, "null") {
        return;
    }
    if let Some(Value::Array(several)) = object.get_mut("anyOf") {
        if !several.iter().any(|one| one.get("type") == Some(&json!("null"))) {
            several.push(json!({"type": "null"}));
        }
        return;
    }
    match object.get_mut("type") {
        Some(Value::Array(types)) => types.push(json!("null")),
        Some(Value::String(one)) => {
            let both = json!([one, "null"]);
            object.insert("type".to_owned(), both);
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.push(Value::Null);
            }
        }
        _ => *schema = json!({"anyOf": [schema.clone(), {"type": "null"}]}),
    }
}

/// The schema in the subset of OpenAPI 3.0 that Gemini's `responseSchema` and `parameters` take: references inlined,
/// nullability as a flag, constants as one-value lists, unknown keys dropped. `None` where a reference is recursive.
pub fn gemini(schema: &Value) -> Option<Value> {
    gemini_at(schema, schema, &mut Vec::new())
}

/// Keys that Gemini's schema takes as they are.
const GEMINI_PLAIN: [&str; 15] = [
    "title",
    "description",
    "format",
    "required",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "nullable",
    "default",
    "example",
    "propertyOrdering",
];

fn gemini_at(schema: &Value, root: &Value, open: &mut Vec<String>) -> Option<Value> {
    let Value::Object(object) = schema else { return Some(json!({})) };
    if let Some(Value::String(path)) = object.get("$ref") {
        if open.contains(path) || open.len() >= DEPTH_MAX {
            return None;
        }
        let target = root.pointer(path.strip_prefix('#')?)?;
        open.push(path.clone());
        let mut told = gemini_at(target, root, open)?;
        open.pop();
        if let (Some(text), Some(told)) = (object.get("description"), told.as_object_mut()) {
            told.insert("description".to_owned(), text.clone());
        }
        return Some(told);
    }
    let mut told = Map::new();
    for (name, value) in object.iter().filter(|(name, _)| GEMINI_PLAIN.contains(&name.as_str())) {
        told.insert(name.clone(), value.clone());
    }
    gemini_types(object, &mut told);
    if let Some(properties) = object.get("properties").and_then(Value::as_object) {
        let each = properties.iter().map(|(name, property)| Some((name.clone(), gemini_at(property, root, open)?)));
        told.insert("properties".to_owned(), Value::Object(each.collect::<Option<_>>()?));
    }
    if let Some(items) = object.get("items") {
        told.insert("items".to_owned(), gemini_at(items, root, open)?);
    }
    let several = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| object.get(*name)?.as_array());
    if let Some(several) = several {
        gemini_several(several, root, open, &mut told)?;
    }
    Some(Value::Object(told))
}

/// Type, null and constants, as Gemini writes them.
fn gemini_types(object: &Map<String, Value>, told: &mut Map<String, Value>) {
    match object.get("type") {
        Some(Value::String(one)) => {
            told.insert("type".to_owned(), json!(one));
        }
        Some(Value::Array(types)) => {
            let rest: Vec<&Value> = types.iter().filter(|one| **one != json!("null")).collect();
            if rest.len() < types.len() {
                told.insert("nullable".to_owned(), json!(true));
            }
            match rest.as_slice() {
                [one] => drop(told.insert("type".to_owned(), (*one).clone())),
                many => {
                    let each: Vec<Value> = many.iter().map(|one| json!({ "type": one })).collect();
                    told.insert("anyOf".to_owned(), json!(each));
                }
            }
        }
        _ => {}
    }
    let constant = object.get("const").map(|one| vec![one.clone()]);
    let listed = object.get("enum").and_then(Value::as_array).cloned();
    if let Some(values) = listed.or(constant) {
        // The enum of this dialect holds texts alone.
        if values.iter().all(|value| value.is_string() || value.is_null()) {
            let texts: Vec<Value> = values.into_iter().filter(|value| !value.is_null()).collect();
            told.entry("type").or_insert(json!("string"));
            told.insert("enum".to_owned(), json!(texts));
        }
    }
}

fn gemini_several(
    several: &[Value],
    root: &Value,
    open: &mut Vec<String>,
    told: &mut Map<String, Value>,
) -> Option<()> {
    let is_null = |one: &&Value| one.get("type") == Some(&json!("null"));
    let rest: Vec<&Value> = several.iter().filter(|one| !is_null(one)).collect();
    if rest.len() < several.len() {
        told.insert("nullable".to_owned(), json!(true));
    }
    if let [one] = rest.as_slice() {
        if let Value::Object(inner) = gemini_at(one, root, open)? {
            for (name, value) in inner {
                told.entry(name).or_insert(value);
            }
        }
        return Some(());
    }
    let each: Option<Vec<Value>> = rest.iter().map(|one| gemini_at(one, root, open)).collect();
    told.insert("anyOf".to_owned(), Value::Array(each?));
    Some(())
}

fn is_typed(object: &Map<String, Value>, name: &str) -> bool {
    match object.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(types)) => types.iter().any(|one| one == name),
        _ => false,
    }
}

/// The schemas directly inside an object.
fn children(object: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    object.iter_mut().flat_map(|(name, value)| -> Vec<&mut Value> {
        let name = name.as_str();
        if SINGLES.contains(&name) {
            return vec![value];
        }
        match value {
            Value::Object(map) if MAPS.contains(&name) => map.values_mut().collect(),
            Value::Array(list) if LISTS.contains(&name) => list.iter_mut().collect(),
            _ => Vec::new(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_closes_objects_and_makes_optional_properties_nullable() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string"},
            "b": {"type": "integer"},
            "c": {"$ref": "#/$defs/C"},
            "d": {"oneOf": [{"type": "string"}, {"type": "number"}]}
        }, "$defs": {"C": {"type": "object", "properties": {"x": {"type": "string", "enum": ["u", "v"]}}}}});
        let want = json!({"type": "object", "required": ["a", "b", "c", "d"], "properties": {
            "a": {"type": "string"},
            "b": {"type": ["integer", "null"]},
            "c": {"anyOf": [{"$ref": "#/$defs/C"}, {"type": "null"}]},
            "d": {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "number"}]}, {"type": "null"}]}
        }, "$defs": {"C": {"type": "object", "additionalProperties": false, "required": ["x"],
            "properties": {"x": {"type": ["string", "null"], "enum": ["u", "v", null]}}}},
            "additionalProperties": false});
        assert_eq!(strict(&schema).unwrap(), want);
        assert_eq!(strict(&want).unwrap(), want, "a strict schema stays as it is");
    }

    #[test]
    fn objects_with_free_keys_cannot_be_strict() {
        for schema in [
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"m": {"type": "object", "additionalProperties": true}}}),
        ] {
            assert_eq!(strict(&schema), None, "{schema}");
        }
        let mut deep = json!({"type": "string"});
        for _ in 0..100 {
            deep = json!({"type": "array", "items": deep});
        }
        assert_eq!(strict(&deep), None);
    }

    #[test]
    fn gemini_gets_its_subset() {
        let schema = json!({"$schema": "x", "type": "object", "additionalProperties": false, "properties": {
            "a": {"type": ["string", "null"]},
            "b": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]},
            "c": {"const": "k"},
            "d": {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 1}}
        }, "$defs": {"B": {"type": "object", "properties": {"x": {"type": "number"}}}}});
        let want = json!({"type": "object", "properties": {
            "a": {"nullable": true, "type": "string"},
            "b": {"nullable": true, "type": "object", "properties": {"x": {"type": "number"}}},
            "c": {"type": "string", "enum": ["k"]},
            "d": {"type": "array", "items": {"type": "integer"}}
        }});
        assert_eq!(gemini(&schema).unwrap(), want);
        let recursive = json!({"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}}});
        assert_eq!(gemini(&recursive), None);
    }
}
