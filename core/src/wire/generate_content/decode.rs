//! Gemini's answers: one object whole, or many in a stream, each in the same form.

use serde_json::{Map, Value};

use super::parse::{camel, media, take_media};
use super::usage::usage;
use super::write::note_thought;
use super::{MADE_ID, partial};
use crate::error::{Kind, ProviderError, Retry};
use crate::message::{Content, Part, ToolCall};
use crate::model::Api;
use crate::reply::{Assembler, Delta, Reply, StopReason, TokenLogprob};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{self, field, list, take_if, text};
use crate::wire::sse::SseParser;
use crate::wire::{Headers, HttpResponse, StreamDecoder, errors};

const API: Api = Api::GenerateContent;
/// Most answers to one request that are read.
const CANDIDATES_MAX: usize = 16;

/// Reads a whole answer, an error included. A list of pieces, as a stream without events sends, is read too.
pub(super) fn answer(response: HttpResponse<'_>) -> Result<Reply, ProviderError> {
    if response.status >= 400 {
        return Err(errors::of_response(&response));
    }
    let body = json::body(response.body)?;
    let (mut chunks, mut out) = (Chunks { merges: body.is_array(), ..Chunks::default() }, Vec::new());
    chunks.take_all(&body, response.status, response.headers, &mut out)?;
    chunks.release(&mut out);
    if !chunks.is_answer {
        return Err(ProviderError::protocol("the answer has neither candidates nor usage"));
    }
    let mut whole = Assembler::new();
    out.into_iter().for_each(|delta| whole.push(delta));
    Ok(whole.finish())
}

/// Reads server-sent events.
#[derive(Debug)]
pub(super) struct Decoder {
    sse: SseParser,
    chunks: Chunks,
    /// The last piece that ended the answer: some proxies send it twice.
    last: String,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder { sse: SseParser::new(), chunks: Chunks { merges: true, ..Chunks::default() }, last: String::new() }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { sse, chunks, last } = self;
        sse.feed(bytes, |event| chunks.event(event.data, last, out))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { sse, chunks, last } = self;
        sse.finish(|event| chunks.event(event.data, last, out))?;
        if sse.events() == 0 && !sse.stray().is_empty() {
            chunks.take_all(&json::body(sse.stray())?, 200, Headers::NONE, out)?;
        }
        chunks.release(out);
        if chunks.has_ended { Ok(()) } else { Err(errors::incomplete()) }
    }
}

/// Folds objects into pieces.
#[derive(Debug, Default)]
struct Chunks {
    /// Whether neighbouring texts are one part: they are in a stream.
    merges: bool,
    is_answer: bool,
    has_ended: bool,
    id: Option<String>,
    answers: Vec<Answer>,
}

/// One candidate as far as it came.
#[derive(Debug, Default)]
struct Answer {
    next: u32,
    /// Whether the last part is text that may grow, and of which kind.
    open: Option<Kin>,
    calls: u32,
    /// Whether the vendor runs tools of its own for this answer, after which a stream may end its turn and go on.
    runs_tools: bool,
    /// The end of such an answer, held back until the stream is over.
    held: Option<StopReason>,
    /// The call whose arguments still come: its part and what came.
    growing: Option<(u32, partial::Arguments)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kin {
    Text,
    Thought,
}

impl Chunks {
    fn event(&mut self, data: &str, last: &mut String, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if self.has_ended && (data == last || data.trim() == "[DONE]") {
            return Ok(());
        }
        self.take_all(&json::event(data)?, 200, Headers::NONE, out)?;
        if self.has_ended {
            data.clone_into(last);
        }
        Ok(())
    }

    fn take_all(
        &mut self,
        body: &Value,
        status: u16,
        headers: &Headers,
        out: &mut Vec<Delta>,
    ) -> Result<(), ProviderError> {
        match body {
            Value::Array(all) => all.iter().try_for_each(|one| self.take(one, status, headers, out)),
            one => self.take(one, status, headers, out),
        }
    }

    fn take(
        &mut self,
        chunk: &Value,
        status: u16,
        headers: &Headers,
        out: &mut Vec<Delta>,
    ) -> Result<(), ProviderError> {
        if let Some(error) = errors::of_body(chunk, status, headers) {
            return Err(error);
        }
        // Vertex's and some proxies' pieces stand inside `response`.
        let chunk = field(chunk, "response").filter(|inner| inner.get("candidates").is_some()).unwrap_or(chunk);
        let Some(object) = chunk.as_object() else {
            return Err(ProviderError::protocol("a piece of the answer is no object"));
        };
        self.start(chunk, out);
        let used = field(chunk, "usageMetadata").map(usage);
        if let Some(usage) = used.clone() {
            self.is_answer = true;
            out.push(Delta::Usage { usage });
        }
        let known = ["candidates", "modelVersion", "responseId"];
        let others = object.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let mut rest: Map<String, Value> = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        for (at, candidate) in list(chunk, "candidates").iter().take(CANDIDATES_MAX).enumerate() {
            self.is_answer = true;
            let index = json::count(candidate, &["index"]).and_then(|index| usize::try_from(index).ok()).unwrap_or(at);
            self.candidate(index.min(CANDIDATES_MAX - 1), candidate, &mut rest, out);
        }
        rest.retain(|_, value| !value.is_null());
        if !rest.is_empty() {
            out.push(Delta::Vendor { fields: VendorFields::of(API, rest) });
        }
        match json::at(chunk, &["promptFeedback", "blockReason"]).and_then(Value::as_str) {
            Some(reason) if self.answers.is_empty() => {
                let said = json::at(chunk, &["promptFeedback", "blockReasonMessage"]).and_then(Value::as_str);
                let text = said.unwrap_or("the vendor's filter refused the prompt: change it, or ask another model");
                let mut error = ProviderError::new(Kind::ContentFiltered, Retry::Elsewhere, text).with_code(reason);
                error.usage = used.map(Box::new);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Gives out the ends that were held back.
    fn release(&mut self, out: &mut Vec<Delta>) {
        for (at, answer) in self.answers.iter_mut().enumerate() {
            let Some(reason) = answer.held.take() else { continue };
            let stop = Delta::Stop { reason };
            out.push(match u32::try_from(at) {
                Ok(0) | Err(_) => stop,
                Ok(index) => Delta::Alternative { index, delta: Box::new(stop) },
            });
        }
    }

    fn start(&mut self, chunk: &Value, out: &mut Vec<Delta>) {
        let id = text(chunk, "responseId").map(str::to_owned);
        if self.id.is_none() && (id.is_some() || text(chunk, "modelVersion").is_some()) {
            self.id = Some(id.clone().unwrap_or_default());
            out.push(Delta::Start { id, model: text(chunk, "modelVersion").map(str::to_owned) });
        }
    }

    fn candidate(&mut self, index: usize, candidate: &Value, rest: &mut Map<String, Value>, out: &mut Vec<Delta>) {
        if self.answers.len() <= index {
            self.answers.resize_with(index + 1, Answer::default);
        }
        let id = self.id.clone().unwrap_or_default();
        let answer = &mut self.answers[index];
        let mut pieces = Vec::new();
        let parts = json::at(candidate, &["content", "parts"]).and_then(Value::as_array);
        for part in parts.into_iter().flatten().filter_map(Value::as_object) {
            answer.part(camel(part.clone()), self.merges, &id, index, &mut pieces);
        }
        if let Some(found) = field(candidate, "logprobsResult") {
            pieces.push(Delta::Logprobs { tokens: logprobs(found) });
        }
        if let Some(word) = field(candidate, "finishReason").and_then(stop_reason) {
            answer.end_growing(&mut pieces);
            self.has_ended = true;
            let reason = if word == StopReason::End && answer.calls > 0 { StopReason::ToolUse } else { word };
            match answer.runs_tools && self.merges {
                true => answer.held = Some(reason),
                false => pieces.push(Delta::Stop { reason }),
            }
        }
        if index == 0 {
            let more = candidate.as_object().into_iter().flatten();
            let known = ["content", "finishReason", "index", "logprobsResult"];
            for (name, value) in more.filter(|(name, _)| !known.contains(&name.as_str())) {
                rest.insert(name.clone(), value.clone());
            }
            out.append(&mut pieces);
        } else {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            out.extend(pieces.into_iter().map(|delta| Delta::Alternative { index, delta: Box::new(delta) }));
        }
    }
}

impl Answer {
    fn part(&mut self, mut part: Map<String, Value>, merges: bool, id: &str, answer: usize, out: &mut Vec<Delta>) {
        part.retain(|_, value| !value.is_null());
        if part.get("text").is_some_and(Value::is_string) {
            return self.text(part, merges, out);
        }
        self.open = None;
        let mut whole = Part::new(Content::Vendor);
        if let Some((name, source, rest)) = take_media(&mut part) {
            whole.content = media(source);
            if !rest.is_empty() {
                whole.vendor.set(API, name, rest.into());
            }
        } else if let Some(Value::Object(call)) = part.shift_remove("functionCall") {
            let mut call = camel(call);
            if self.growing.is_some() && !call.get("name").is_some_and(|name| name.is_string() && *name != "") {
                return self.grow(call, out);
            }
            self.end_growing(out);
            if partial::is_partial(&call) {
                let mut arguments = partial::Arguments::default();
                arguments.take(&Value::Object(call.clone()));
                self.growing = Some((self.next, arguments));
                ["args", "partialArgs", "willContinue"].iter().for_each(|name| drop(call.shift_remove(*name)));
            }
            let own = take_if(&mut call, "id", |id| id.as_str().filter(|id| !id.is_empty()).map(str::to_owned));
            let made = || match answer {
                0 => format!("{MADE_ID}{id}_{}", self.calls),
                more => format!("{MADE_ID}{id}_{more}_{}", self.calls),
            };
            let id = own.unwrap_or_else(made);
            let name = take_if(&mut call, "name", |name| name.as_str().map(str::to_owned)).unwrap_or_default();
            let arguments = match call.shift_remove("args") {
                Some(args @ Value::Object(_)) => args.to_string(),
                _ => "{}".to_owned(),
            };
            self.calls += 1;
            whole.content = Content::ToolCall(ToolCall { id, name, arguments });
            if !call.is_empty() {
                whole.vendor.set(API, "functionCall", call.into());
            }
        }
        self.runs_tools |= whole.content == Content::Vendor;
        let whole = whole.with_vendor(VendorFields::of(API, part));
        self.give(whole, out);
    }

    /// A tool call as its pieces, other parts whole.
    fn give(&mut self, whole: Part, out: &mut Vec<Delta>) {
        let part = self.next;
        self.next += 1;
        match whole.content {
            Content::ToolCall(ToolCall { id, name, arguments }) => {
                out.push(Delta::ToolCall { part, id, name });
                if self.growing.is_none() {
                    out.push(Delta::Arguments { part, text: arguments });
                }
                if !whole.vendor.is_empty() {
                    out.push(Delta::PartVendor { part, fields: whole.vendor });
                }
            }
            _ => out.push(Delta::Part { part, whole }),
        }
    }

    /// More of the call whose arguments still come; a piece that promises no more ends it.
    fn grow(&mut self, call: Map<String, Value>, out: &mut Vec<Delta>) {
        let is_last = call.get("willContinue") != Some(&Value::Bool(true));
        if let Some((_, arguments)) = &mut self.growing {
            arguments.take(&Value::Object(call));
        }
        if is_last {
            self.end_growing(out);
        }
    }

    fn end_growing(&mut self, out: &mut Vec<Delta>) {
        if let Some((part, arguments)) = self.growing.take() {
            out.push(Delta::Arguments { part, text: arguments.finish() });
        }
    }

    /// Text and thoughts grow; one with a signature stands alone, so that it goes back as it came.
    fn text(&mut self, mut part: Map<String, Value>, merges: bool, out: &mut Vec<Delta>) {
        let Some(Value::String(text)) = part.shift_remove("text") else { return };
        let kin = if part.shift_remove("thought") == Some(Value::Bool(true)) { Kin::Thought } else { Kin::Text };
        let is_plain = part.is_empty();
        let is_same = merges && is_plain && self.open == Some(kin);
        if !is_same {
            self.next += 1;
        }
        let place = self.next.saturating_sub(1);
        self.open = is_plain.then_some(kin);
        let mut noted = Part::new(Content::Vendor).with_vendor(VendorFields::of(API, part));
        match kin {
            Kin::Text => out.push(Delta::Text { part: place, text }),
            Kin::Thought => {
                if !is_same {
                    note_thought(&mut noted);
                }
                out.push(Delta::Reasoning { part: place, text });
            }
        }
        if !noted.vendor.is_empty() {
            out.push(Delta::PartVendor { part: place, fields: noted.vendor });
        }
    }
}

fn logprobs(found: &Value) -> Vec<TokenLogprob> {
    let pair = |one: &Value| Some((text(one, "token")?.to_owned(), field(one, "logProbability")?.as_f64()?));
    let tops = list(found, "topCandidates");
    let chosen = list(found, "chosenCandidates").iter().enumerate();
    let read = chosen.filter_map(|(at, one)| {
        let (token, logprob) = pair(one)?;
        let top = tops.get(at).map_or(&[][..], |top| list(top, "candidates"));
        Some(TokenLogprob { token, logprob, top: top.iter().filter_map(pair).collect() })
    });
    read.collect()
}

/// The reason in our words; some recordings carry the vendor's numbers.
fn stop_reason(reason: &Value) -> Option<StopReason> {
    const NUMBERED: [&str; 11] = [
        "FINISH_REASON_UNSPECIFIED",
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
        "RECITATION",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MALFORMED_FUNCTION_CALL",
        "MODEL_ARMOR",
    ];
    let word = match reason {
        Value::String(word) => word.as_str(),
        Value::Number(number) => NUMBERED.get(usize::try_from(number.as_u64()?).ok()?).copied()?,
        _ => return None,
    };
    Some(match word {
        "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => StopReason::End,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => StopReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => StopReason::BadToolCall,
        other => StopReason::Other(other.to_ascii_lowercase()),
    })
}
