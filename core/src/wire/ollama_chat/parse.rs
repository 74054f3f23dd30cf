//! An Ollama body as our request. What our request has no field for stays whole in vendor fields.

use serde_json::{Map, Value};

use super::MADE_ID;
use crate::error::ProviderError;
use crate::message::{Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::Api;
use crate::request::{Effort, ReasoningAsk, RequestDraft, ResponseFormat, Tool};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{take, take_if};
use crate::wire::turns::{object, unreadable};
use crate::wire::{Mode, Parsed};

/// Reads a body of the chat or of the completion.
pub(super) fn request(body: Value, api: Api) -> Result<Parsed, ProviderError> {
    let mut body = object(body, "body")?;
    let mut draft = RequestDraft::default();
    let wire_model = take_text(&mut body, "model").unwrap_or_default();
    // A stream is what the vendor sends unless told otherwise.
    let mode = match take_if(&mut body, "stream", Value::as_bool) {
        Some(false) => Mode::Unary,
        _ => Mode::Stream,
    };
    match api {
        Api::OllamaGenerate => prompt(&mut body, &mut draft),
        _ => messages(&mut body, &mut draft)?,
    }
    draft.format = take_if(&mut body, "format", |format| match format {
        Value::String(word) if word == "json" => Some(ResponseFormat::JsonObject),
        Value::Object(_) => Some(ResponseFormat::JsonSchema {
            name: "answer".to_owned(),
            description: None,
            schema: format.clone(),
            strict: None,
        }),
        _ => None,
    });
    draft.reasoning = take_if(&mut body, "think", |think| match think {
        Value::Bool(true) => Some(ReasoningAsk::default()),
        Value::Bool(false) => Some(ReasoningAsk { budget_tokens: Some(0), ..ReasoningAsk::default() }),
        Value::String(word) => {
            let effort = match word.as_str() {
                "low" => Effort::Low,
                "medium" => Effort::Medium,
                "high" => Effort::High,
                _ => return None,
            };
            Some(ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() })
        }
        _ => None,
    });
    if body.get("logprobs") == Some(&Value::Bool(true)) {
        body.shift_remove("logprobs");
        let top = take_if(&mut body, "top_logprobs", |top| u8::try_from(top.as_u64()?).ok().filter(|top| *top > 0));
        draft.sampling.logprobs = Some(top.unwrap_or(0));
    }
    options(&mut body, &mut draft);
    draft.vendor.extend(VendorFields::of(api, body));
    Ok(Parsed { draft, wire_model, mode })
}

fn take_text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    take_if(object, name, |value| value.as_str().map(str::to_owned))
}

fn prompt(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    if let Some(system) =
        take_if(body, "system", |text| text.as_str().filter(|text| !text.is_empty()).map(str::to_owned))
    {
        draft.messages.push(Message::system(system));
    }
    let mut parts = vec![Part::text(take_text(body, "prompt").unwrap_or_default())];
    parts.extend(images(body));
    draft.messages.push(Message::new(Role::User, parts));
}

/// Takes pictures out; their type shows in their first bytes.
fn images(object: &mut Map<String, Value>) -> Vec<Part> {
    let read = take_if(object, "images", |images| {
        let each = images.as_array().filter(|images| !images.is_empty())?.iter();
        each.map(|data| data.as_str().map(picture)).collect::<Option<Vec<_>>>()
    });
    read.unwrap_or_default()
}

fn picture(data: &str) -> Part {
    let media_type = match data {
        data if data.starts_with("/9j/") => "image/jpeg",
        data if data.starts_with("R0lGOD") => "image/gif",
        data if data.starts_with("UklGR") => "image/webp",
        _ => "image/png",
    };
    let source = Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() };
    Part::new(Content::Image { source })
}

fn messages(body: &mut Map<String, Value>, draft: &mut RequestDraft) -> Result<(), ProviderError> {
    let Some(Value::Array(messages)) = take(body, "messages") else {
        return Err(unreadable("messages", "a list"));
    };
    let mut calls = Calls::default();
    for (at, message) in messages.into_iter().enumerate() {
        draft.messages.push(read_message(message, at, &mut calls)?);
    }
    if let Some(Value::Array(tools)) = body.get("tools").filter(|tools| tools.as_array().is_some_and(|t| !t.is_empty()))
    {
        let read = |(at, tool): (usize, &Value)| read_tool(tool.clone(), at);
        draft.tools = tools.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        body.shift_remove("tools");
    }
    Ok(())
}

/// Calls that wait for their results.
#[derive(Default)]
struct Calls(Vec<(String, String)>);

impl Calls {
    /// The id of the waiting call of this tool, or of the first where none is named.
    fn answered(&mut self, name: Option<&str>) -> Option<String> {
        let at = self.0.iter().position(|(_, called)| name.is_none_or(|name| name == called))?;
        Some(self.0.remove(at).0)
    }
}

fn read_message(message: Value, at: usize, calls: &mut Calls) -> Result<Message, ProviderError> {
    let path = format!("messages[{at}]");
    let mut message = object(message, &path)?;
    let api = Api::OllamaChat;
    let role = take_text(&mut message, "role").unwrap_or_default();
    let text = take_text(&mut message, "content");
    if role == "tool" {
        let name = take_text(&mut message, "tool_name");
        let waiting = calls.answered(name.as_deref());
        let own = take_text(&mut message, "tool_call_id");
        let has_id = own.is_some();
        let call_id = own.or(waiting).unwrap_or_else(|| format!("{MADE_ID}{at}"));
        let parts = text.map(Part::text).into_iter().collect();
        let mut part =
            Part::new(Content::ToolResult(ToolResult { call_id, name: name.clone(), parts, is_error: false }));
        part.vendor = VendorFields::of(api, message);
        if name.is_none() {
            part.vendor.set(api, "$no_name", true.into());
        }
        if !has_id {
            part.vendor.set(api, "$no_id", true.into());
        }
        return Ok(Message::new(Role::Tool, vec![part]));
    }
    let mut parts = Vec::new();
    if let Some(text) = take_text(&mut message, "thinking") {
        let mut thinking = Part::new(Content::Reasoning { text });
        thinking.vendor.set(api, "$thinking", true.into());
        parts.push(thinking);
    }
    parts.extend(text.filter(|text| !text.is_empty() || role != "assistant").map(Part::text));
    parts.extend(images(&mut message));
    parts.extend(take_calls(&mut message, at, calls));
    let role = match role.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return Err(unreadable(&format!("{path}.role"), "system, user, assistant or tool")),
    };
    Ok(Message { vendor: VendorFields::of(api, message), ..Message::new(role, parts) })
}

fn take_calls(message: &mut Map<String, Value>, at: usize, calls: &mut Calls) -> Vec<Part> {
    let read = take_if(message, "tool_calls", |list| {
        let each = list.as_array().filter(|list| !list.is_empty())?.iter().enumerate();
        each.map(|(place, call)| call_of(call, &format!("{at}_{place}"))).collect::<Option<Vec<_>>>()
    });
    let parts = read.unwrap_or_default();
    calls.0.extend(parts.iter().filter_map(Part::as_tool_call).map(|call| (call.id.clone(), call.name.clone())));
    parts
}

/// A call as a part; `place` makes its id where it has none.
pub(super) fn call_of(call: &Value, place: &str) -> Option<Part> {
    let mut call = call.as_object()?.clone();
    let Some(Value::Object(mut function)) = call.shift_remove("function") else { return None };
    let id = take_text(&mut call, "id").filter(|id| !id.is_empty()).unwrap_or_else(|| format!("{MADE_ID}{place}"));
    let name = take_text(&mut function, "name")?;
    let arguments = match function.shift_remove("arguments") {
        Some(Value::String(text)) => text,
        Some(arguments) => arguments.to_string(),
        None => "{}".to_owned(),
    };
    if !function.is_empty() {
        call.insert("function".to_owned(), function.into());
    }
    let vendor = VendorFields::of(Api::OllamaChat, call);
    Some(Part::new(Content::ToolCall(ToolCall { id, name, arguments })).with_vendor(vendor))
}

fn read_tool(tool: Value, at: usize) -> Result<Tool, ProviderError> {
    let mut tool = object(tool, &format!("tools[{at}]"))?;
    let mut function = object(take(&mut tool, "function").unwrap_or_default(), &format!("tools[{at}].function"))?;
    let name = take_text(&mut function, "name").unwrap_or_default();
    let description = take_text(&mut function, "description");
    let parameters = take_if(&mut function, "parameters", |schema| schema.is_object().then(|| schema.clone()));
    tool.shift_remove("type");
    if !function.is_empty() {
        tool.insert("function".to_owned(), function.into());
    }
    let vendor = VendorFields::of(Api::OllamaChat, tool);
    Ok(Tool { name, description, parameters, strict: None, cache: None, vendor })
}

fn options(body: &mut Map<String, Value>, draft: &mut RequestDraft) {
    let Some(Value::Object(options)) = body.get_mut("options") else { return };
    let sampling = &mut draft.sampling;
    draft.max_tokens = take_if(options, "num_predict", |value| value.as_u64().filter(|most| *most > 0));
    sampling.temperature = take_if(options, "temperature", Value::as_f64);
    sampling.top_p = take_if(options, "top_p", Value::as_f64);
    sampling.top_k = take_if(options, "top_k", |value| u32::try_from(value.as_u64()?).ok().filter(|top| *top > 0));
    sampling.min_p = take_if(options, "min_p", Value::as_f64);
    sampling.frequency_penalty = take_if(options, "frequency_penalty", Value::as_f64);
    sampling.presence_penalty = take_if(options, "presence_penalty", Value::as_f64);
    sampling.seed = take_if(options, "seed", Value::as_i64);
    let texts = take_if(options, "stop", |value| {
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    sampling.stop = texts.unwrap_or_default();
    if options.is_empty() {
        body.shift_remove("options");
    }
}
