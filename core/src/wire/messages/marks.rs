//! Cache marks: at most four a request, and the vendor refuses more.

use serde_json::{Map, Value};

/// Cache marks that a request may carry.
const MARKS_MAX: usize = 4;

/// Takes away the first cache marks where there are more than the vendor takes: the last ones cover the longest prompt.
pub(super) fn limit(body: &mut Map<String, Value>) {
    let spare = usize::from(body.contains_key("cache_control"));
    let mut fields: Vec<&mut Value> = body
        .iter_mut()
        .filter(|(name, _)| ["tools", "system", "messages"].contains(&name.as_str()))
        .map(|(_, value)| value)
        .collect();
    // In the order of the prompt: tools, system, messages.
    let rank = |value: &Value| match value.get(0) {
        Some(first) if first.get("role").is_some() => 2,
        Some(first) if first.get("text").is_some() => 1,
        _ => 0,
    };
    fields.sort_by_key(|value| rank(value));
    let mut count = fields.iter().map(|value| count_in(value)).sum::<usize>() + spare;
    for field in fields {
        strip(field, &mut count);
    }
}

fn count_in(value: &Value) -> usize {
    each_block(value).map(|block| usize::from(block.get("cache_control").is_some_and(Value::is_object))).sum()
}

fn each_block(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    Box::new(list.iter().flat_map(|item| {
        let inner: Box<dyn Iterator<Item = &Value>> = match item.get("content") {
            Some(content) => each_block(content),
            None => Box::new(std::iter::empty()),
        };
        std::iter::once(item).chain(inner)
    }))
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
