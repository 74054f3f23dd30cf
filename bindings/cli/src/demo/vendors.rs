//! The simulated vendors: they answer each request at about its plausible length, count tokens, and fail like vendors.
//!
//! Everything is drawn from the seed and from what is asked, so that the order in which requests arrive changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tierway::Usage;
use tierway::model::{Capability, ModelCard, Tier};
use tierway::reply::{Reply, StopReason};
use tierway::testing::server::{Answer, Ending, Fault, Heard, Pace, RetryAfter, Script};
use tierway::testing::{Draws, seed_of};
use tierway::time::Span;

use super::prose;
use super::workload::{Difficulty, Task, texts};

/// Share of the attempts that fail in each way.
const LIMITED: f64 = 0.030;
const BROKEN_INSIDE: f64 = 0.015;
const HUNG_UP: f64 = 0.008;
const CUT_STREAM: f64 = 0.008;
/// Requests during which one endpoint is out: the requests from this one on, and how many it refuses.
const OUTAGE_FROM: usize = 110;
const OUTAGE_LENGTH: u32 = 14;
/// Characters to a token of text, and tokens of a picture.
const TOKEN_CHARS: usize = 4;
const PICTURE_TOKENS: u64 = 765;

/// Every vendor at once.
pub(super) struct Vendors {
    seed: u64,
    tasks: Arc<Vec<Task>>,
    /// Tasks by a text of their last message.
    by_text: HashMap<String, Vec<usize>>,
    /// Models by the name that goes over the wire.
    cards: HashMap<String, Arc<ModelCard>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often each task was asked of each endpoint.
    asked: HashMap<(usize, String), u32>,
    /// Prompt tokens of the last turn, by session and endpoint: what the endpoint's cache holds.
    cached: HashMap<(String, String), u64>,
    /// The endpoint that is out, and how many it has refused.
    out: Option<(String, u32)>,
    unknown: u64,
}

impl Vendors {
    pub(super) fn new(seed: u64, tasks: Arc<Vec<Task>>, cards: impl Iterator<Item = Arc<ModelCard>>) -> Vendors {
        let mut by_text: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, task) in tasks.iter().enumerate() {
            for text in task.request.messages.last().map(texts).unwrap_or_default() {
                by_text.entry(spelling(text)).or_default().push(at);
            }
        }
        let cards = cards.map(|card| (card.wire_name.clone(), card)).collect();
        Vendors { seed, tasks, by_text, cards, state: Mutex::default() }
    }

    /// Requests that are none of the workload's: none, if all is well.
    pub(super) fn unknown(&self) -> u64 {
        self.lock().unknown
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which task a body asks: the one whose every text it holds, and of several the longest conversation.
    fn task_of(&self, body: &Value) -> Option<usize> {
        let mut strings = Vec::new();
        gather(body, &mut strings);
        let held: HashSet<&str> = strings.iter().map(String::as_str).collect();
        let holds = |text: &str| {
            let text = spelling(text);
            held.contains(text.as_str()) || strings.iter().any(|string| string.ends_with(&text))
        };
        let likely: HashSet<usize> =
            strings.iter().filter_map(|string| self.by_text.get(string)).flatten().copied().collect();
        let fits = |at: &usize| {
            let messages = self.tasks[*at].request.messages.iter();
            messages.filter(|message| message.role != tierway::Role::System).flat_map(texts).all(holds)
        };
        let longest = |at: &usize| self.tasks[*at].request.messages.len();
        let known = likely.into_iter().filter(fits).max_by_key(|at| (longest(at), *at));
        // A model without system messages gets their text before the user's own.
        known.or_else(|| (0..self.tasks.len()).filter(fits).max_by_key(longest))
    }

    /// What goes wrong with this attempt, if anything.
    fn fault(&self, at: usize, heard: &Heard, asked: u32, tokens: u64, draws: &mut Draws) -> Option<Fault> {
        if self.is_out(at, heard) {
            return Some(Fault::Status { status: 503, retry_after: None, message: None });
        }
        // The third attempt at a task is let through: vendors recover.
        if asked >= 2 {
            return None;
        }
        let mut share = draws.share();
        let mut falls = |part: f64| {
            share -= part;
            (-part..0.0).contains(&share)
        };
        if falls(LIMITED) {
            let wait = 80 + draws.below(400);
            let after = *draws.one_of(&[RetryAfter::Milliseconds(wait), RetryAfter::Seconds(0)]);
            return Some(Fault::Status { status: 429, retry_after: Some(after), message: None });
        }
        if falls(BROKEN_INSIDE) {
            let status = *draws.one_of(&[500, 502, 503, 529]);
            return Some(Fault::Status { status, retry_after: None, message: None });
        }
        if falls(HUNG_UP) {
            return Some(draws.one_of(&[Fault::HangUp, Fault::Reset, Fault::Html { status: 502 }]).clone());
        }
        let is_stream = heard.mode == tierway::wire::Mode::Stream;
        let after_bytes = 900 + (tokens as usize) * 20;
        (falls(CUT_STREAM) && is_stream).then_some(Fault::Cut { after_bytes, ending: Ending::Reset })
    }

    /// From the middle of the day on, the endpoint that is asked then refuses for a while.
    fn is_out(&self, at: usize, heard: &Heard) -> bool {
        let mut state = self.lock();
        if at >= OUTAGE_FROM && state.out.is_none() {
            state.out = Some((heard.endpoint.clone(), 0));
        }
        match &mut state.out {
            Some((endpoint, refused)) if *endpoint == heard.endpoint && *refused < OUTAGE_LENGTH => {
                *refused += 1;
                true
            }
            _ => false,
        }
    }

    /// The prompt's tokens, and how many of them the endpoint still holds from the conversation's last turn.
    fn count_prompt(&self, task: &Task, heard: &Heard, body: &Value) -> (u64, Option<u64>) {
        let input = prompt_tokens(body).max(1);
        let Some(session) = &task.session else { return (input, None) };
        let place = (session.clone(), format!("{}/{}", heard.endpoint, heard.model));
        let before = self.lock().cached.insert(place, input);
        // Vendors cache in blocks, and nothing below a thousand tokens.
        let cached = before.filter(|tokens| *tokens >= 1_024).map(|tokens| (tokens.min(input) / 128) * 128);
        (input, cached)
    }

    fn reply(&self, task: &Task, heard: &Heard, body: &Value, draws: &mut Draws) -> Reply {
        let card = self.cards.get(&heard.model);
        let tier = card.map_or(Tier::Standard, |card| card.tier);
        let thinks = card.is_some_and(|card| card.capabilities.contains(&Capability::Reasoning));
        let wordy = 0.8 + 0.5 * Draws::new(seed_of(self.seed, &[&heard.model])).share();
        let scaled = |tokens: u64, by: f64| (tokens as f64 * by).round() as u64;
        let reasoning = if thinks { scaled(task.reasoning_tokens, wordy) } else { 0 };
        let wanted = scaled(task.reply_tokens, wordy).max(1);
        let room = heard.max_tokens().unwrap_or(u64::MAX).saturating_sub(reasoning).max(1);
        let mut reply = prose::reply(task, wanted.min(room), draws);
        if wanted > room {
            reply.stop = Some(StopReason::MaxTokens);
        }
        if draws.happens(weakness(tier, task.difficulty)) {
            prose::spoil(&mut reply);
        }
        let (input, cached_read) = self.count_prompt(task, heard, body);
        let output = reasoning + prose::tokens(&reply);
        reply.usage = Usage { cached_read, ..Usage::of(input, output) };
        reply.usage.reasoning = (reasoning > 0).then_some(reasoning);
        reply
    }
}

/// How often a model of this tier answers such a request with nothing, or with JSON that is none.
fn weakness(tier: Tier, difficulty: Difficulty) -> f64 {
    let base = match tier {
        Tier::Local | Tier::Economy => 0.02,
        Tier::Standard => 0.008,
        Tier::Frontier => 0.002,
    };
    match difficulty {
        Difficulty::Easy => base / 2.0,
        Difficulty::Medium => base,
        Difficulty::Hard => base * 3.0,
    }
}

impl Script for Vendors {
    fn answer(&self, heard: &Heard) -> Answer {
        let body = heard.json();
        let Some(at) = self.task_of(&body) else {
            self.lock().unknown += 1;
            return Answer::text("This request is none of the demo's.");
        };
        let task = &self.tasks[at];
        let asked = {
            let mut state = self.lock();
            let count = state.asked.entry((at, heard.endpoint.clone())).or_insert(0);
            *count += 1;
            *count - 1
        };
        let seed = seed_of(self.seed, &[&task.id, &heard.endpoint, &heard.model, &asked.to_string()]);
        let mut draws = Draws::new(seed);
        let reply = self.reply(task, heard, &body, &mut draws);
        let fault = self.fault(at, heard, asked, prose::tokens(&reply), &mut draws);
        let before_ms = Span::from_ms(4 + draws.below(28));
        let pace = Pace { before_ms, piece_chars: 24, ..Pace::default() };
        Answer { reply, pace, fault }
    }
}

/// Every string of a body, and every object in it as JSON: formats differ in how they write a tool's result.
fn gather(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(spelling(text)),
        Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
        Value::Object(fields) => {
            into.push(value.to_string());
            fields.values().for_each(|item| gather(item, into));
        }
        _ => {}
    }
}

/// JSON in one spelling; other text as it is.
fn spelling(text: &str) -> String {
    if text.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        return value.to_string();
    }
    text.trim().to_owned()
}

/// Tokens of all that a body says, roughly.
fn prompt_tokens(body: &Value) -> u64 {
    match body {
        Value::String(text) if text.len() > 400 && is_picture(text) => PICTURE_TOKENS,
        Value::String(text) => text.chars().count().div_ceil(TOKEN_CHARS) as u64,
        Value::Array(items) => items.iter().map(prompt_tokens).sum(),
        Value::Object(fields) => fields.values().map(prompt_tokens).sum::<u64>() + fields.len() as u64 / 2,
        _ => 0,
    }
}

fn is_picture(text: &str) -> bool {
    text.starts_with("data:image/") || (!text.contains(' ') && text.starts_with("iVBORw0KGgo"))
}
