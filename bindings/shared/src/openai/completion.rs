//! A response as a `chat.completion`.

use serde::Serialize;
use serde_json::{Value, json};
use tierway::client::{Route, Timing};
use tierway::id::RequestId;
use tierway::ledger::ChargeLine;
use tierway::money::Usd;
use tierway::reply::TokenLogprob;
use tierway::{Content, ModelId, Part, Response, StopReason};

use super::{finish_reason, has_state, usage};

/// A completion as it is written, with the route and the cost under `tierway`.
#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a ModelId,
    choices: Vec<Choice<'a>>,
    usage: Value,
    tierway: Account<'a>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    finish_reason: &'static str,
    logprobs: Value,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning_content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tierway: Option<State<'a>>,
}

#[derive(Serialize)]
struct State<'a> {
    parts: &'a [Part],
}

/// A call of a tool.
#[derive(Serialize)]
pub(super) struct Call<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) function: Function<'a>,
}

/// Which tool, and with what.
#[derive(Serialize)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
}

/// What no field of OpenAI's holds.
#[derive(Serialize)]
pub(super) struct Account<'a> {
    id: &'a RequestId,
    route: &'a Route,
    cost: Usd,
    lines: &'a [ChargeLine],
    baseline_cost: Option<Usd>,
    saved: Usd,
    stop: Option<&'a str>,
    timing: Timing,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<&'a [Part]>,
}

impl<'a> Account<'a> {
    pub(super) fn of(response: &'a Response) -> Account<'a> {
        Account {
            id: &response.id,
            route: &response.route,
            cost: response.cost,
            lines: &response.lines,
            baseline_cost: response.baseline_cost,
            saved: response.saved,
            stop: response.reply.stop.as_ref().map(StopReason::as_str),
            timing: response.timing,
            parts: None,
        }
    }

    /// Parts that a vendor wants back, where no message carries them.
    pub(super) fn with_parts(mut self, parts: Option<&'a Vec<Part>>) -> Account<'a> {
        self.parts = parts.map(Vec::as_slice);
        self
    }
}

/// The completion's JSON.
pub(crate) fn completion(response: &Response) -> String {
    let reply = &response.reply;
    let mut choices = vec![choice(0, &reply.parts, reply.stop.as_ref(), &reply.logprobs)];
    for (at, more) in reply.alternatives.iter().enumerate() {
        choices.push(choice(at + 1, &more.parts, more.stop.as_ref(), &more.logprobs));
    }
    crate::json::write(&Completion {
        id: id(reply.id.as_deref(), response),
        object: "chat.completion",
        created: created(response),
        model: &response.route.model,
        choices,
        usage: usage(&reply.usage),
        tierway: Account::of(response),
    })
}

/// The vendor's id of the answer, else one made of the request's.
fn id(own: Option<&str>, response: &Response) -> String {
    own.map_or_else(|| format!("chatcmpl-{}", response.id), str::to_owned)
}

/// When it was decided, in seconds.
pub(super) fn created(response: &Response) -> i64 {
    response.route.plan.at().ms().div_euclid(1_000)
}

fn choice<'a>(index: usize, parts: &'a [Part], stop: Option<&StopReason>, logprobs: &[TokenLogprob]) -> Choice<'a> {
    let (message, finish_reason) = (message(parts), finish_reason(stop));
    Choice { index, message, finish_reason, logprobs: logprobs_of(logprobs) }
}

/// Log-probabilities in OpenAI's words; `null` where there are none.
pub(super) fn logprobs_of(tokens: &[TokenLogprob]) -> Value {
    let token = |text: &str, logprob: f64| json!({"token": text, "logprob": logprob, "bytes": text.as_bytes()});
    let line = |drawn: &TokenLogprob| {
        let mut line = token(&drawn.token, drawn.logprob);
        line["top_logprobs"] = drawn.top.iter().map(|(text, logprob)| token(text, *logprob)).collect();
        line
    };
    match tokens {
        [] => Value::Null,
        tokens => json!({"content": tokens.iter().map(line).collect::<Vec<Value>>(), "refusal": null}),
    }
}

fn message(parts: &[Part]) -> Message<'_> {
    let mut message = Message {
        role: "assistant",
        content: None,
        refusal: None,
        reasoning_content: String::new(),
        tool_calls: Vec::new(),
        tierway: None,
    };
    for part in parts {
        match &part.content {
            Content::Text { text } => message.content.get_or_insert_default().push_str(text),
            Content::Refusal { text } => message.refusal.get_or_insert_default().push_str(text),
            Content::Reasoning { text } => message.reasoning_content.push_str(text),
            Content::ToolCall(call) => {
                let function = Function { name: &call.name, arguments: &call.arguments };
                message.tool_calls.push(Call { id: &call.id, kind: "function", function });
            }
            _ => {}
        }
    }
    if has_state(parts) || parts.iter().any(has_no_word) {
        message.tierway = Some(State { parts });
    }
    message
}

/// Whether OpenAI's messages cannot say this part at all.
fn has_no_word(part: &Part) -> bool {
    !matches!(
        part.content,
        Content::Text { .. } | Content::Refusal { .. } | Content::Reasoning { .. } | Content::ToolCall(_)
    )
}
