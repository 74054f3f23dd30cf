//! What can be seen without knowing the subject: an empty, cut or refused answer, JSON that is none or breaks its schema.

use crate::reply::{Reply, StopReason, json_of};
use crate::request::{Request, ResponseFormat};

use super::{Verdict, schema};

/// Judges an answer by its form.
pub fn wellformed(request: &Request, reply: &Reply) -> Verdict {
    let why = match reply.stop {
        Some(StopReason::Refusal) => Some("the model declined"),
        Some(StopReason::BadToolCall) => Some("its tool call cannot be read"),
        Some(StopReason::ContentFilter) => Some("the vendor's filter cut it"),
        Some(StopReason::ContextFull) => Some("it was cut at the end of the context window"),
        // Where the caller set the length, a longer answer is not wanted.
        Some(StopReason::MaxTokens) if request.max_tokens.is_none() => Some("it was cut at its greatest length"),
        _ => None,
    };
    if let Some(why) = why {
        return Verdict::short(why);
    }
    for call in reply.tool_calls() {
        let Ok(arguments) = call.arguments_json() else {
            return Verdict::short("a tool call's arguments are not JSON");
        };
        let tool = request.tools.iter().find(|tool| tool.name == call.name);
        let wanted = tool.and_then(|tool| tool.parameters.as_ref());
        if let Some(fault) = wanted.and_then(|wanted| schema::fault(wanted, &arguments)) {
            return Verdict::Short(format!("a tool call's arguments break its schema: {fault}"));
        }
    }
    let has_calls = reply.tool_calls().next().is_some();
    if !has_calls && reply.text().trim().is_empty() {
        return Verdict::short("it is empty");
    }
    if has_calls { Verdict::Pass } else { shaped(request, reply) }
}

/// Whether the answer is the JSON that was asked for.
fn shaped(request: &Request, reply: &Reply) -> Verdict {
    let schema = match &request.format {
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
        _ => return Verdict::Pass,
    };
    let Ok(value) = json_of(reply) else { return Verdict::short("it is not JSON") };
    match schema.and_then(|schema| schema::fault(schema, &value)) {
        Some(fault) => Verdict::Short(format!("it breaks the schema: {fault}")),
        None => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, Part};

    fn reply(text: &str, stop: StopReason) -> Reply {
        Reply { parts: vec![Part::text(text)], stop: Some(stop), ..Reply::default() }
    }

    #[test]
    fn a_cut_answer_falls_short_unless_its_length_was_asked_for() {
        let open = Request::user("Tell me all.").unwrap();
        assert!(matches!(wellformed(&open, &reply("It", StopReason::MaxTokens)), Verdict::Short(_)));
        let brief = Request::builder().message(Message::user("Tell me all.")).max_tokens(5).build().unwrap();
        assert_eq!(wellformed(&brief, &reply("It", StopReason::MaxTokens)), Verdict::Pass);
        assert!(matches!(wellformed(&open, &reply(" ", StopReason::End)), Verdict::Short(_)));
    }

    #[test]
    fn json_is_held_to_its_schema() {
        let schema = serde_json::json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
        let format = ResponseFormat::JsonSchema { name: "n".into(), description: None, schema, strict: None };
        let request = Request::builder().message(Message::user("x")).format(format).build().unwrap();
        assert_eq!(wellformed(&request, &reply("{\"n\": 3}", StopReason::End)), Verdict::Pass);
        let Verdict::Short(why) = wellformed(&request, &reply("{\"n\": \"secret\"}", StopReason::End)) else {
            panic!()
        };
        assert!(why.contains("$.n") && !why.contains("secret"), "{why}");
    }
}
