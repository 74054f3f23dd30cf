//! A loaded model that answers many requests at the same time, on a thread of its own.
//!
//! The thread asks the scheduler for a pass, computes it, draws a token for every sequence that is due, and tells each
//! request what may be shown. A request's tokens do not depend on its neighbours: every row's arithmetic depends on the
//! request alone, and so does every draw.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cache::PAGE;
use crate::error::EngineError;
use crate::limits::QUEUE_MAX;
use crate::model::Model;
use crate::sampler::Sampling;
use crate::scheduler::Limits;
use crate::shape::Shape;
use crate::writer::{Thinking, Writer};

mod active;
mod worker;

use worker::Worker;

/// What to ask for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The prompt.
    pub prompt: Vec<u32>,
    /// Most tokens of the answer, thinking included.
    pub tokens_most: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop_texts: Vec<String>,
    /// Tokens that end it.
    pub stop_tokens: BTreeSet<u32>,
    /// Where thinking stands at the prompt's end.
    pub thinking: Thinking,
    /// What the answer is held to; its thinking is not.
    pub shape: Option<Shape>,
}

/// What comes back, piece by piece.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// More of the answer.
    Text(String),
    /// More of the thinking before it.
    Thinking(String),
    /// A drawn token and how likely it was, where asked for.
    Logprob(Logprob),
    /// The answer is whole; the last event.
    Done(Summary),
    /// It failed; the last event.
    Failed(EngineError),
}

/// A drawn token and how likely it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprob {
    /// The token's text.
    pub text: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// The likeliest tokens with theirs.
    pub top: Vec<(String, f32)>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// The model was done.
    End,
    /// A stop text was met.
    StopText,
    /// As many tokens as were asked for.
    MaxTokens,
    /// The model's context is full.
    ContextFull,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Those that an earlier prompt had computed.
    pub reused: usize,
    /// Tokens of the answer, thinking and the one that ended it included.
    pub output: usize,
    /// Those of the thinking.
    pub thinking: usize,
    /// From the request to the first token.
    pub first: Duration,
    /// From the request to the end.
    pub total: Duration,
}

/// How an engine runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Tokens that the cache has room for; zero takes the model's context, up to 8,192.
    pub cache_tokens: usize,
    /// Tokens of a pass.
    pub pass_tokens: usize,
    /// Sequences that run at the same time.
    pub sequences: usize,
}

impl Default for Options {
    /// A pass of 512 tokens keeps others waiting for at most as long as a prompt of that length takes.
    fn default() -> Options {
        Options { cache_tokens: 0, pass_tokens: 512, sequences: 32 }
    }
}

/// Called with every event, on the engine's thread: it must not wait. `false` cancels the request.
pub type Sink = Box<dyn FnMut(Event) -> bool + Send>;

/// A running engine. Dropping it returns at once; its thread ends by itself after the pass that is being computed, and
/// frees the model then.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    model: Arc<Model>,
    thread: JoinHandle<()>,
    cache_tokens: usize,
    strips_first_space: bool,
}

/// A request that was let in. Dropping it cancels the request; its pages can be had at once.
#[derive(Debug)]
pub struct Ticket {
    cancelled: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

/// What callers and the thread share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    /// Requests that were let in and have not ended.
    open: AtomicUsize,
    pages_used: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inbox {
    arrived: Vec<Arrival>,
    is_over: bool,
}

/// A request on its way to the thread.
pub(crate) struct Arrival {
    request: Request,
    answer_most: usize,
    ends_context: bool,
    writer: Writer,
    sink: Sink,
    cancelled: Arc<AtomicBool>,
    at: std::time::Instant,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arrival({} tokens)", self.request.prompt.len())
    }
}

impl Engine {
    /// Starts an engine for a model. `spell` gives a token's bytes as they are shown.
    ///
    /// # Errors
    /// `CacheMemory` where the machine cannot hold the cache, `File` where no thread can be had.
    pub fn start(model: Model, spell: Speller, options: Options) -> Result<Engine, EngineError> {
        let wanted =
            if options.cache_tokens == 0 { model.config().context_max.min(8_192) } else { options.cache_tokens };
        let pages = wanted.div_ceil(PAGE).max(1);
        let limits =
            Limits { tokens: options.pass_tokens.max(1), sequences: options.sequences.max(1), waiting: QUEUE_MAX };
        model.check_cache(pages)?;
        let (model, shared) = (Arc::new(model), Arc::new(Shared::default()));
        let strips_first_space = spell.strips_first_space;
        let mut worker = Worker::new(model.clone(), spell, shared.clone(), pages, limits);
        let thread = std::thread::Builder::new().name("tierway-engine".into()).spawn(move || worker.run());
        let thread = thread.map_err(|error| EngineError::file(std::path::Path::new("a thread"), error))?;
        Ok(Engine { shared, model, thread, cache_tokens: pages * PAGE, strips_first_space })
    }

    /// Asks for an answer; events go to `sink`.
    ///
    /// # Errors
    /// `Request` where a setting or a token is out of range, `NoRoom` where prompt and answer can't fit, `Busy` where too
    /// many requests are open.
    pub fn submit(&self, request: Request, sink: Sink) -> Result<Ticket, EngineError> {
        request.sampling.check()?;
        let config = self.model.config();
        if request.prompt.iter().any(|token| *token as usize >= config.vocabulary) {
            return Err(EngineError::request("a token is not in the model's vocabulary"));
        }
        if request.prompt.is_empty() || request.tokens_most == 0 {
            return Err(EngineError::request("a prompt and at least one token of answer are needed"));
        }
        let length = request.prompt.len();
        if length >= config.context_max {
            let next = "shorten the prompt to less than the model's context";
            return Err(EngineError::NoRoom { needed: length + 1, available: config.context_max, next });
        }
        let answer_most = request.tokens_most.min(config.context_max - length);
        if length + answer_most > self.cache_tokens {
            let next = "shorten the prompt, ask for fewer tokens, or give the engine a larger cache";
            return Err(EngineError::NoRoom { needed: length + answer_most, available: self.cache_tokens, next });
        }
        let writer = Writer::new(&request.stop_texts, request.thinking, self.strips_first_space)?;
        if self.shared.open.fetch_add(1, Ordering::Relaxed) >= QUEUE_MAX {
            self.shared.open.fetch_sub(1, Ordering::Relaxed);
            return Err(EngineError::Busy { waiting: QUEUE_MAX });
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        let ends_context = answer_most < request.tokens_most;
        let arrival = Arrival {
            request,
            answer_most,
            ends_context,
            writer,
            sink,
            cancelled: cancelled.clone(),
            at: std::time::Instant::now(),
        };
        self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner).arrived.push(arrival);
        self.shared.wake.notify_all();
        Ok(Ticket { cancelled, shared: self.shared.clone() })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Requests that were let in and have not ended.
    pub fn depth(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Tokens of cache that running requests hold, and that there are.
    pub fn cache_tokens(&self) -> (usize, usize) {
        (self.shared.pages_used.load(Ordering::Relaxed) * PAGE, self.cache_tokens)
    }

    /// Whether the engine's thread runs.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.shared.wake.notify_all();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Release);
        self.shared.wake.notify_all();
    }
}

/// How tokens are shown.
pub struct Speller {
    /// A token's bytes as they are shown; none for special tokens.
    pub shown: Box<dyn Fn(u32) -> Vec<u8> + Send>,
    /// Whether an answer's first space is not part of it.
    pub strips_first_space: bool,
}

impl Speller {
    /// By a model's tokenizer.
    pub fn of(chat: Arc<crate::chat::Chat>) -> Speller {
        let strips_first_space = chat.tokenizer().strips_first_space();
        Speller { shown: Box::new(move |token| chat.tokenizer().bytes(token).to_vec()), strips_first_space }
    }
}

impl std::fmt::Debug for Speller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Speller")
    }
}

#[cfg(test)]
mod tests;
