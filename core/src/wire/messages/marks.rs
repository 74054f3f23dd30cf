//! Cache marks: at most four a request, and the vendor refuses more.

use serde_json::{Map, Value};

use crate::sorting::sort_by_key;
use crate::wire::json;

/// Cache marks that a request may carry.
const MARKS_MAX: usize = 4;

/// Takes away the first cache marks where there are more than the vendor takes: the last ones cover the longest prompt.
pub(super) fn limit(body: &mut Map<String, Value>) {
    let spare = usize::from(body.contains_key("cache_control"));
    let is_prompt = |name: &str| ["tools", "system", "messages"].contains(&name);
    let marks = |(name, value): (&String, &Value)| if is_prompt(name) { count_in(value) } else { 0 };
    let mut count = body.iter().map(marks).sum::<usize>() + spare;
    if count <= MARKS_MAX {
        return;
    }
    let mut fields: Vec<&mut Value> =
        body.iter_mut().filter(|(name, _)| is_prompt(name)).map(|(_, value)| value).collect();
    // In the order of the prompt: tools, system, messages.
    let rank = |value: &Value| match value.get(0) {
        Some(first) if first.get("role").is_some() => 2,
        Some(first) if first.get("text").is_some() => 1,
        _ => 0,
    };
    sort_by_key(&mut fields, |value| rank(value));
    for field in fields {
        strip(field, &mut count);
    }
}

fn count_in(value: &Value) -> usize {
    let count = |block: &Value| {
        usize::from(json::field(block, "cache_control").is_some_and(Value::is_object))
            + json::field(block, "content").map_or(0, count_in)
    };
    value.as_array().into_iter().flatten().map(count).sum()
}

fn strip(value: &mut Value, count: &mut usize) {
    for item in value.as_array_mut().into_iter().flatten() {
        if *count <= MARKS_MAX {
            return;
        }
        if let Some(object) = item.as_object_mut()
            && object.get("cache_control").is_some_and(Value::is_object)
        {
            object.shift_remove("cache_control");
            *count -= 1;
        }
        if let Some(content) = item.get_mut("content") {
            strip(content, count);
        }
    }
}
