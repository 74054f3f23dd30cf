//! What the simulated vendors say: plausible in length and form, and plainly no answer.

use serde_json::{Map, Value, json};
use tierway::message::ToolCall;
use tierway::reply::Reply;
use tierway::request::{ResponseFormat, Tool, ToolChoice};
use tierway::testing::Draws;
use tierway::{Content, Part, Role};

use super::workload::Task;

const OPENING: &str = "This is a simulated reply of plausible length. ";
const SENTENCES: [&str; 8] = [
    "The first point follows from what the request says, and the second from the first. ",
    "Where the figures differ, the later one counts, since it was checked against the order. ",
    "Two things remain open: who confirms the date, and by when the goods must leave. ",
    "In short, the cheaper way does the same work, as long as the assumptions hold. ",
    "A short example makes the difference visible and leaves the details to the reader. ",
    "The exception is rare, yet it deserves a line of its own in the summary. ",
    "None of this needs a change to what was agreed in the spring. ",
    "The next step is small, and it can be taken back if it proves wrong. ",
];
/// How deep a schema is followed: deeper ones refer to themselves.
const DEPTH_MAX: usize = 8;

/// A reply of about so many tokens, in the form that the request asks for.
pub(super) fn reply(task: &Task, tokens: u64, draws: &mut Draws) -> Reply {
    let request = &task.request;
    let is_answered = request.messages.last().is_some_and(|message| message.role == Role::Tool);
    let may_call = !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None) && !is_answered;
    if may_call {
        let named = |tool: &&Tool| request.tool_choice == Some(ToolChoice::Named(tool.name.clone()));
        let tool = request.tools.iter().find(named).unwrap_or_else(|| draws.one_of(&request.tools));
        let arguments = tool.parameters.as_ref().map_or(json!({}), |schema| sample(schema, schema, draws, 0));
        let id = format!("call_{:08x}", draws.draw() as u32);
        let call = ToolCall { id, name: tool.name.clone(), arguments: arguments.to_string() };
        return Reply { parts: vec![Part::new(Content::ToolCall(call))], ..Reply::default() };
    }
    let text = match &request.format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => sample(schema, schema, draws, 0).to_string(),
        Some(ResponseFormat::JsonObject) => json!({"simulated": true, "text": prose(tokens, draws)}).to_string(),
        _ => prose(tokens, draws),
    };
    Reply { parts: vec![Part::text(text)], ..Reply::default() }
}

fn prose(tokens: u64, draws: &mut Draws) -> String {
    let length = tokens as usize * 4;
    let mut text = OPENING.to_owned();
    while text.len() < length {
        text.push_str(draws.one_of::<&str>(&SENTENCES));
    }
    text.truncate(length.max(1));
    text
}

/// Makes a reply fall short: JSON that breaks off, a text that says nothing.
pub(super) fn spoil(reply: &mut Reply) {
    for part in &mut reply.parts {
        match &mut part.content {
            Content::Text { text } if text.starts_with('{') => text.truncate(text.len() / 2),
            Content::Text { text } => text.clear(),
            Content::ToolCall(call) => call.arguments.truncate(call.arguments.len() / 2),
            _ => {}
        }
    }
}

/// Tokens of what a reply says, at four characters each.
pub(super) fn tokens(reply: &Reply) -> u64 {
    let length = |part: &Part| match &part.content {
        Content::Text { text } => text.chars().count(),
        Content::ToolCall(call) => call.name.len() + call.arguments.chars().count(),
        _ => 0,
    };
    (reply.parts.iter().map(length).sum::<usize>() as u64).div_ceil(4).max(1)
}

/// A value that keeps to a schema.
fn sample(schema: &Value, root: &Value, draws: &mut Draws, depth: usize) -> Value {
    if let Some(target) = schema["$ref"].as_str().and_then(|place| root.pointer(place.trim_start_matches('#'))) {
        return if depth > DEPTH_MAX { Value::Null } else { sample(target, root, draws, depth + 1) };
    }
    if let Some(choices) = schema["enum"].as_array().filter(|choices| !choices.is_empty()) {
        return draws.one_of(choices).clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|name| schema[*name].as_array()) {
        return choices.first().map_or(Value::Null, |first| sample(first, root, draws, depth + 1));
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    match kind {
        "object" if depth <= DEPTH_MAX => {
            let fields = schema["properties"].as_object();
            let value = |(name, inner): (&String, &Value)| (name.clone(), sample(inner, root, draws, depth + 1));
            Value::Object(fields.into_iter().flatten().map(value).collect::<Map<_, _>>())
        }
        "array" if depth <= DEPTH_MAX => {
            let count = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 4);
            (0..count).map(|_| sample(&schema["items"], root, draws, depth + 1)).collect()
        }
        "integer" => json!(schema["minimum"].as_i64().unwrap_or(1) + draws.below(9) as i64),
        "number" => json!(schema["minimum"].as_f64().unwrap_or(0.0) + draws.below(100) as f64 / 100.0),
        "boolean" => json!(draws.happens(0.5)),
        "string" => json!("simulated"),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_to_its_schema() {
        let schema = json!({"type": "object", "properties": {
            "kind": {"enum": ["a", "b"]}, "count": {"type": "integer", "minimum": 5},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}}, "note": {"type": ["string", "null"]}},
            "$defs": {"item": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}});
        let value = sample(&schema, &schema, &mut Draws::new(1), 0);
        assert!(["a", "b"].contains(&value["kind"].as_str().unwrap()));
        assert!(value["count"].as_i64().unwrap() >= 5 && value["items"][0]["ok"].is_boolean());
        assert!(value["note"].is_string());
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(sample(&schema, &schema, &mut Draws::new(1), 0)["next"].is_object());
    }

    #[test]
    fn prose_is_as_long_as_asked() {
        assert_eq!(prose(100, &mut Draws::new(2)).len(), 400);
        assert!(OPENING.contains("simulated"));
    }
}
