//! The native engine as one more provider: models on this machine, in this process, under the same ledger.
//!
//! One provider answers for every model of an endpoint. A model's wire name is the name of its file or folder, looked for
//! in the folders that the options list. It is loaded by the first call that asks for it, and stays.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use tierway_engine::EngineError;
use tierway_engine::backend::cpu::Fast;
use tierway_engine::chat::Chat;
use tierway_engine::engine::{Engine, Options, Speller, Summary};
use tierway_engine::model::Source;
use tokio::sync::{Mutex, OnceCell};

use crate::error::{Kind, ProviderError, Retry};
use crate::id::ProviderId;
use crate::provider::{Call, Provider, ReplyStream};
use crate::reply::{Assembler, Reply};
use crate::snapshot::Queue;

mod ask;
mod calls;
mod find;
#[cfg(feature = "http")]
pub mod pull;
mod tally;
mod tell;

use tally::Tally;

pub use find::model_folders;
#[cfg(feature = "http")]
pub use find::with_pulled;

/// How models on this machine run.
#[derive(Clone, Debug, Default)]
pub struct LocalOptions {
    /// Folders that models are looked for in, the first first. See `model_folders`.
    pub folders: Vec<PathBuf>,
    /// Threads; zero takes as many as there are cores.
    pub threads: usize,
    /// Tokens that each model's cache has room for; zero takes the model's context, up to 8,192.
    pub cache_tokens: usize,
}

/// Answers calls by models on this machine.
#[derive(Debug)]
pub struct LocalProvider {
    id: ProviderId,
    options: LocalOptions,
    loaded: Mutex<HashMap<String, Arc<OnceCell<Arc<Loaded>>>>>,
    tally: Arc<Tally>,
}

/// A model that runs.
#[derive(Debug)]
pub(crate) struct Loaded {
    engine: Engine,
    chat: Arc<Chat>,
    speed: std::sync::Mutex<Speed>,
}

/// What a model was measured to do, over all calls since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Prompt tokens that were computed, and how long calls waited for their first token.
    pub prompt: (u64, Duration),
    /// Tokens that were written after the first, and how long that took.
    pub answer: (u64, Duration),
}

impl Speed {
    /// Prompt tokens a second; `None` where none were computed.
    pub fn prompt_per_s(&self) -> Option<f64> {
        rate(self.prompt)
    }

    /// Tokens of answers a second, of one answer; `None` where none were written.
    pub fn answer_per_s(&self) -> Option<f64> {
        rate(self.answer)
    }

    fn add(&mut self, summary: &Summary) {
        self.prompt.0 += (summary.prompt - summary.reused) as u64;
        self.prompt.1 += summary.first;
        self.answer.0 += summary.output.saturating_sub(1) as u64;
        self.answer.1 += summary.total.saturating_sub(summary.first);
    }
}

fn rate((tokens, time): (u64, Duration)) -> Option<f64> {
    (tokens > 0 && !time.is_zero()).then(|| tokens as f64 / time.as_secs_f64())
}

impl LocalProvider {
    /// A provider of this name. Nothing is loaded yet.
    pub fn new(id: ProviderId, options: LocalOptions) -> LocalProvider {
        LocalProvider { id, options, loaded: Mutex::default(), tally: Arc::default() }
    }

    /// Where a model's file or folder is, if it is there.
    pub fn find(&self, wire_name: &str) -> Option<PathBuf> {
        find::find(&self.options.folders, wire_name)
    }

    /// What a model was measured to do; `None` where it is not loaded.
    pub async fn speed(&self, wire_name: &str) -> Option<Speed> {
        self.running(wire_name).await.map(|loaded| *loaded.lock_speed())
    }

    /// Calls that a model is answering or that wait for it; `None` where it is not loaded.
    pub async fn depth(&self, wire_name: &str) -> Option<usize> {
        self.running(wire_name).await.map(|loaded| loaded.engine.depth())
    }

    /// Loads a model, unless it is loaded.
    ///
    /// # Errors
    /// `NotFound` where it is in none of the folders; `Unsupported` or `Server` where the engine can't run it.
    pub async fn load(&self, wire_name: &str) -> Result<(), ProviderError> {
        self.loaded(wire_name).await.map(drop)
    }

    async fn running(&self, wire_name: &str) -> Option<Arc<Loaded>> {
        self.loaded.lock().await.get(wire_name)?.get().cloned()
    }

    async fn loaded(&self, wire_name: &str) -> Result<Arc<Loaded>, ProviderError> {
        let cell = self.loaded.lock().await.entry(wire_name.to_owned()).or_default().clone();
        let load = || async {
            let Some(path) = self.find(wire_name) else {
                let text = format!(
                    "no model '{wire_name}' on this machine: fetch it with `tierway models pull`, or put it into a folder that TIERWAY_MODELS names"
                );
                return Err(ProviderError::new(Kind::NotFound, Retry::Elsewhere, text).unsent());
            };
            let options = self.options.clone();
            let load = tokio::task::spawn_blocking(move || open(&path, &options));
            let opened = load.await.map_err(|_| tell::error(&EngineError::Stopped))?;
            opened.map(Arc::new).map_err(|error| tell::error(&error))
        };
        cell.get_or_try_init(load).await.cloned()
    }
}

impl Loaded {
    fn lock_speed(&self) -> std::sync::MutexGuard<'_, Speed> {
        // Two sums are added to at once: nothing is half-done in a poisoned lock.
        self.speed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn open(path: &std::path::Path, options: &LocalOptions) -> Result<Loaded, EngineError> {
    let source = Source::open(path)?;
    let chat = Arc::new(Chat::open(&source)?);
    let model = source.load(Arc::new(Fast::from_environment(options.threads)?))?;
    let engine_options = Options { cache_tokens: options.cache_tokens, ..Options::default() };
    let engine = Engine::start(model, Speller::of(chat.clone()), engine_options)?;
    Ok(Loaded { engine, chat, speed: std::sync::Mutex::default() })
}

#[async_trait]
impl Provider for LocalProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    async fn send(&self, call: &Call) -> Result<Reply, ProviderError> {
        let mut pieces = self.stream(call).await?;
        let mut reply = Assembler::new();
        while let Some(piece) = pieces.next().await {
            reply.push(piece?);
        }
        Ok(reply.finish())
    }

    async fn stream(&self, call: &Call) -> Result<ReplyStream, ProviderError> {
        let total = call.timeouts().total.to_duration();
        let late = |_| ProviderError::new(Kind::Timeout, Retry::Elsewhere, "the model took too long to load").unsent();
        let loaded = tokio::time::timeout(total, self.loaded(&call.card().wire_name)).await.map_err(late)??;
        let request = ask::request(call, &loaded.chat)?;
        tell::stream(loaded, request, call, self.tally.count())
    }

    fn queue(&self) -> Queue {
        self.tally.queue()
    }
}

#[cfg(test)]
mod tests;
