//! What the engine says, as pieces of a reply.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream;
use tierway_engine::EngineError;
use tierway_engine::engine::{Event, Finish, Logprob, Request, Summary, Ticket};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::Loaded;
use super::calls::Calls;
use super::tally::Counted;
use crate::error::{Kind, ProviderError, Retry};
use crate::provider::{Call, ReplyStream};
use crate::reply::{Delta, StopReason, TokenLogprob};
use crate::time::{Span, Timeouts};
use crate::usage::Usage;

/// The numbers of a reply's parts.
const THINKING: u32 = 0;
const ANSWER: u32 = 1;
const FIRST_CALL: u32 = 2;

/// An engine's error as a provider's. None of the request has left this process, and none of it was billed.
pub(super) fn error(error: &EngineError) -> ProviderError {
    let (kind, retry) = match error {
        EngineError::NoRoom { .. } => (Kind::ContextTooLong, Retry::Elsewhere),
        EngineError::Busy { .. } => (Kind::Overloaded, Retry::Here(Some(Span::from_secs(1)))),
        EngineError::Request { .. } => (Kind::Invalid, Retry::Never),
        EngineError::Unsupported { .. } => (Kind::Unsupported, Retry::Elsewhere),
        EngineError::File { .. } => (Kind::NotFound, Retry::Elsewhere),
        _ => (Kind::Server, Retry::Elsewhere),
    };
    ProviderError::new(kind, retry, error.to_string()).unsent()
}

/// Asks, and streams what comes. Dropping the stream cancels the request; it is counted until the
/// engine lets go of it.
pub(super) fn stream(
    loaded: Arc<Loaded>,
    request: Request,
    call: &Call,
    counted: Counted,
) -> Result<ReplyStream, ProviderError> {
    // Bounded by the tokens that are asked for: a token makes a few events at most.
    let (send, events) = unbounded_channel();
    let sink = move |event| {
        let _ = &counted;
        send.send(event).is_ok()
    };
    let ticket = loaded.engine.submit(request, Box::new(sink)).map_err(|e| error(&e))?;
    let (timeouts, now) = (call.timeouts(), Instant::now());
    let mut ready = VecDeque::new();
    let model = Some(call.card().wire_name.clone());
    ready.push_back(Delta::Start { id: Some(call.attempt().to_string()), model });
    let end = now + timeouts.total.to_duration();
    let offers_tools = !call.request().tools.is_empty();
    let telling = Telling {
        events,
        _ticket: ticket,
        loaded,
        timeouts,
        ready,
        end,
        calls: offers_tools.then(|| Calls::new(format!("call-{}", call.attempt()), ANSWER, FIRST_CALL)),
        is_begun: false,
        is_over: false,
        empty: true,
    };
    let pieces = stream::unfold(telling, |mut telling| async move {
        let piece = telling.next().await?;
        Some((piece, telling))
    });
    Ok(Box::pin(pieces))
}

struct Telling {
    events: UnboundedReceiver<Event>,
    /// Cancels when it is dropped.
    _ticket: Ticket,
    loaded: Arc<Loaded>,
    timeouts: Timeouts,
    ready: VecDeque<Delta>,
    end: Instant,
    /// Finds tool calls in the text, where tools are offered.
    calls: Option<Calls>,
    is_begun: bool,
    is_over: bool,
    /// Whether no text was told yet.
    empty: bool,
}

fn too_long() -> ProviderError {
    ProviderError::new(Kind::Timeout, Retry::Elsewhere, "the model took too long")
}

impl Telling {
    async fn next(&mut self) -> Option<Result<Delta, ProviderError>> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Some(Ok(delta));
            }
            if self.is_over {
                return None;
            }
            if Instant::now() >= self.end {
                self.is_over = true;
                return Some(Err(too_long()));
            }
            let patience = if self.is_begun { self.timeouts.idle } else { self.timeouts.first_byte };
            let until = self.end.min(Instant::now() + patience.to_duration());
            let failed = match timeout_at(until, self.events.recv()).await {
                Err(_) => too_long(),
                Ok(None) => error(&EngineError::Stopped),
                Ok(Some(Event::Failed(failed))) => error(&failed),
                Ok(Some(event)) => {
                    self.is_begun = true;
                    self.take(event);
                    continue;
                }
            };
            self.is_over = true;
            return Some(Err(failed));
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Text(text) => {
                let told = match &mut self.calls {
                    Some(calls) => calls.push(&text),
                    None => vec![Delta::Text { part: ANSWER, text }],
                };
                self.show(told);
            }
            Event::Thinking(text) => self.ready.push_back(Delta::Reasoning { part: THINKING, text }),
            Event::Logprob(token) => self.ready.push_back(Delta::Logprobs { tokens: vec![logprob(token)] }),
            Event::Done(summary) => self.finish(&summary),
            _ => {}
        }
    }

    fn show(&mut self, told: Vec<Delta>) {
        self.empty &= told.is_empty();
        self.ready.extend(told);
    }

    fn finish(&mut self, summary: &Summary) {
        self.loaded.lock_speed().add(summary);
        let rest = self.calls.as_mut().map(Calls::finish).unwrap_or_default();
        self.show(rest);
        if self.empty {
            // An answer of no words is still an answer.
            self.ready.push_back(Delta::Text { part: ANSWER, text: String::new() });
        }
        self.ready.push_back(Delta::Usage { usage: usage(summary) });
        let reason = match summary.finish {
            Finish::End if self.calls.as_ref().is_some_and(Calls::any) => StopReason::ToolUse,
            Finish::End => StopReason::End,
            Finish::StopText => StopReason::StopText,
            Finish::MaxTokens => StopReason::MaxTokens,
            Finish::ContextFull => StopReason::ContextFull,
            _ => StopReason::Other("unknown".to_owned()),
        };
        self.ready.push_back(Delta::Stop { reason });
        self.is_over = true;
    }
}

fn usage(summary: &Summary) -> Usage {
    let thinking = summary.thinking as u64;
    Usage {
        cached_read: (summary.reused > 0).then_some(summary.reused as u64),
        reasoning: (thinking > 0).then_some(thinking),
        ..Usage::of(summary.prompt as u64, summary.output as u64)
    }
}

fn logprob(token: Logprob) -> TokenLogprob {
    let top = token.top.into_iter().map(|(text, logprob)| (text, f64::from(logprob))).collect();
    TokenLogprob { token: token.text, logprob: f64::from(token.logprob), top }
}
