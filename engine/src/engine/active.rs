//! A request while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{Arrival, Event, Finish, Logprob, Request, Sink, Speller, Summary};
use crate::error::EngineError;
use crate::sampler::{Drawn, Sampler};
use crate::scheduler::SequenceId;
use crate::shape::Shape;
use crate::writer::{Shown, Writer};

/// How a request ended.
pub(super) enum Over {
    Done(Summary),
    Failed(EngineError),
    /// Nobody listens any more.
    Left,
}

/// A request that the scheduler knows.
pub(super) struct Active {
    pub id: SequenceId,
    request: Request,
    answer_most: usize,
    ends_context: bool,
    sampler: Sampler,
    writer: Writer,
    sink: Sink,
    cancelled: Arc<AtomicBool>,
    at: Instant,
    first: Option<Instant>,
    output: usize,
    thinking: usize,
    is_thinking: bool,
}

impl Active {
    pub(super) fn new(id: SequenceId, arrival: Arrival) -> Active {
        let Arrival { request, answer_most, ends_context, writer, sink, cancelled, at } = arrival;
        let sampler = Sampler::new(request.sampling.clone(), &request.prompt);
        let is_thinking = request.thinking == crate::writer::Thinking::Opened;
        Active {
            id,
            request,
            answer_most,
            ends_context,
            sampler,
            writer,
            sink,
            cancelled,
            at,
            first: None,
            output: 0,
            thinking: 0,
            is_thinking,
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Draws a token and shows what may be shown; returns the token, or how the answer ended.
    pub(super) fn draw(&mut self, logits: &mut [f32], speller: &Speller, reused: usize) -> Result<u32, Over> {
        let drawn = self.draw_token(logits).map_err(Over::Failed)?;
        self.first.get_or_insert_with(Instant::now);
        self.output += 1;
        let is_end = self.request.stop_tokens.contains(&drawn.token);
        if !is_end {
            self.show_logprob(&drawn, speller)?;
            let shown = self.writer.push(&(speller.shown)(drawn.token));
            self.show(shown)?;
        }
        self.thinking += usize::from(self.is_thinking);
        let is_whole = self.request.shape.as_ref().is_some_and(Shape::is_done);
        let finish = if is_end || is_whole {
            Finish::End
        } else if self.writer.is_stopped() {
            Finish::StopText
        } else if self.output >= self.answer_most {
            if self.ends_context { Finish::ContextFull } else { Finish::MaxTokens }
        } else {
            return Ok(drawn.token);
        };
        let rest = self.writer.finish();
        self.show(rest)?;
        Err(Over::Done(self.summary(finish, reused)))
    }

    /// Thinking is free; the answer is held to its shape.
    fn draw_token(&mut self, logits: &mut [f32]) -> Result<Drawn, EngineError> {
        let Some(shape) = self.request.shape.as_mut().filter(|_| !self.writer.is_thinking()) else {
            return Ok(self.sampler.draw(logits));
        };
        let drawn = self.sampler.draw_held(logits, |logits| shape.hold(logits))?;
        shape.take(drawn.token)?;
        Ok(drawn)
    }

    /// Tells the last event.
    pub(super) fn end(mut self, event: Event) {
        (self.sink)(event);
    }

    fn summary(&self, finish: Finish, reused: usize) -> Summary {
        let now = Instant::now();
        Summary {
            finish,
            prompt: self.request.prompt.len(),
            reused,
            output: self.output,
            thinking: self.thinking,
            first: self.first.unwrap_or(now) - self.at,
            total: now - self.at,
        }
    }

    fn show_logprob(&mut self, drawn: &Drawn, speller: &Speller) -> Result<(), Over> {
        let Some(logprob) = drawn.logprob else { return Ok(()) };
        let text = |token: u32| String::from_utf8_lossy(&(speller.shown)(token)).into_owned();
        let top = drawn.top.iter().map(|(token, logprob)| (text(*token), *logprob)).collect();
        self.tell(Event::Logprob(Logprob { text: text(drawn.token), logprob, top }))
    }

    fn show(&mut self, shown: Vec<Shown>) -> Result<(), Over> {
        for piece in shown {
            self.is_thinking = matches!(piece, Shown::Thinking(_));
            self.tell(match piece {
                Shown::Answer(text) => Event::Text(text),
                Shown::Thinking(text) => Event::Thinking(text),
            })?;
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) -> Result<(), Over> {
        if (self.sink)(event) { Ok(()) } else { Err(Over::Left) }
    }
}
