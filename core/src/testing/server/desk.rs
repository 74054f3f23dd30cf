//! The vendors' batch APIs in memory, beside a script that answers the items: jobs are handed in, asked about, stopped
//! and fetched as from OpenAI, Anthropic, Gemini and Mistral. Jobs end when a test says so, and fail as vendors fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::say::say;
use super::spoil::spoil;
use super::{Answer, Heard, Script};

mod anthropic;
mod files;
mod gemini;
mod jobs;

/// An answer to a request that is not for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the connection ends without an answer, though what was asked is done.
    pub is_lost: bool,
}

impl Served {
    fn json(value: &Value) -> Served {
        Served { status: 200, body: value.to_string().into_bytes(), is_lost: false }
    }

    fn error(status: u16, text: &str) -> Served {
        let body = json!({"error": {"message": text, "type": "desk_error", "code": status}});
        Served { status, body: body.to_string().into_bytes(), is_lost: false }
    }
}

/// A step of a batch that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A file of requests.
    Upload,
    /// The making of a job.
    Create,
    /// A question about a job.
    Status,
    /// The list of jobs.
    List,
    /// The stopping of a job.
    Cancel,
    /// A file of results.
    Results,
}

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// With a status, and nothing is done.
    Status(u16),
    /// It is done, and its answer is lost.
    LostAnswer,
    /// Its answer ends after so many bytes.
    CutAfter(usize),
}

/// How jobs end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskEnd {
    /// In order.
    Done,
    /// By their time.
    Expired,
    /// By being stopped.
    Cancelled,
    /// By a failure of the vendor, before any answer.
    Failed,
}

/// What is wrong with results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mess {
    /// They come in another order.
    pub reversed: bool,
    /// The first comes twice.
    pub repeated: bool,
    /// One is for an item of somebody else.
    pub strange: bool,
    /// One line is no JSON.
    pub garbled: bool,
    /// The result of this item is not there.
    pub missing: Option<usize>,
    /// Gemini leaves out the names of items.
    pub nameless: bool,
}

/// What became of an item.
#[derive(Clone, Debug)]
enum Result {
    Answer(u16, Value),
    Expired,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    Openai,
    Anthropic,
    Gemini,
    Mistral,
}

#[derive(Clone, Debug)]
struct Job {
    id: String,
    vendor: Vendor,
    mark: Option<String>,
    model: String,
    items: Vec<(String, Heard)>,
    is_stopping: bool,
    end: Option<DeskEnd>,
    results: Vec<(String, Result)>,
    from_file: bool,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    jobs: Vec<Job>,
    troubles: BTreeMap<Step, Vec<Trouble>>,
    mess: Mess,
    count: u64,
}

impl State {
    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }
}

/// Keeps jobs; `items` answers each of their items.
pub struct BatchDesk<S> {
    items: S,
    state: Mutex<State>,
}

impl<S> std::fmt::Debug for BatchDesk<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchDesk").finish_non_exhaustive()
    }
}

impl<S: Script> BatchDesk<S> {
    /// A desk without jobs.
    pub fn new(items: S) -> Arc<BatchDesk<S>> {
        Arc::new(BatchDesk { items, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many jobs were made.
    pub fn jobs(&self) -> usize {
        self.state().jobs.len()
    }

    /// Makes the next steps of a kind fail, one after the other.
    pub fn trouble(&self, step: Step, troubles: impl IntoIterator<Item = Trouble>) {
        self.state().troubles.entry(step).or_default().extend(troubles);
    }

    /// Makes a mess of the results.
    pub fn mess(&self, mess: Mess) {
        self.state().mess = mess;
    }

    /// Ends every job that is under way, with the first `answered` of its items answered.
    pub fn finish(&self, end: DeskEnd, answered: usize) {
        let mut state = self.state();
        for job in state.jobs.iter_mut().filter(|job| job.end.is_none()) {
            job.end = Some(end);
            let most = if end == DeskEnd::Failed { 0 } else { answered };
            for (place, (key, heard)) in job.items.iter().enumerate() {
                let result = match end {
                    _ if place < most => self.answer_item(heard),
                    DeskEnd::Expired => Result::Expired,
                    DeskEnd::Cancelled => Result::Cancelled,
                    DeskEnd::Done | DeskEnd::Failed => continue,
                };
                job.results.push((key.clone(), result));
            }
        }
    }

    fn answer_item(&self, heard: &Heard) -> Result {
        let answer = self.items.answer(heard);
        let mut rendered = say(heard, &answer);
        if let Some(fault) = &answer.fault {
            spoil(&mut rendered, fault, heard);
        }
        let bytes: Vec<u8> = rendered.frames.iter().flat_map(|frame| frame.bytes.iter().copied()).collect();
        Result::Answer(rendered.status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn next_trouble(&self, step: Step) -> Option<Trouble> {
        let mut state = self.state();
        let troubles = state.troubles.get_mut(&step).filter(|troubles| !troubles.is_empty())?;
        Some(troubles.remove(0))
    }

    /// Does a step, unless it is to fail.
    fn step(&self, step: Step, work: impl FnOnce(&mut State) -> Served) -> Served {
        let trouble = self.next_trouble(step);
        if let Some(Trouble::Status(status)) = trouble {
            return Served::error(status, "the desk was told to fail");
        }
        let mut served = work(&mut self.state());
        match trouble {
            Some(Trouble::LostAnswer) => served.is_lost = true,
            Some(Trouble::CutAfter(bytes)) => served.body.truncate(bytes),
            _ => {}
        }
        served
    }
}

impl<S: Script> Script for Arc<BatchDesk<S>> {
    fn answer(&self, heard: &Heard) -> Answer {
        self.items.answer(heard)
    }

    fn serve(&self, heard: &Heard) -> Option<Served> {
        let (path, query) = heard.path.split_once('?').unwrap_or((&heard.path, ""));
        let path = path.strip_prefix('/')?.split_once('/')?.1;
        let is_post = heard.method == "POST";
        let place: Vec<&str> = path.split('/').collect();
        match (is_post, place.as_slice()) {
            (true, ["v1", "files"]) => Some(self.step(Step::Upload, |state| files::take(state, heard))),
            (false, ["v1", "files", id, "content"]) => Some(self.step(Step::Results, |state| jobs::file(state, id))),
            (_, ["v1", "batches", rest @ ..]) => Some(jobs::serve(self, Vendor::Openai, heard, rest, query)),
            (_, ["v1", "batch", "jobs", rest @ ..]) => Some(jobs::serve(self, Vendor::Mistral, heard, rest, query)),
            (_, ["v1", "messages", "batches", rest @ ..]) => Some(anthropic::serve(self, heard, rest)),
            (true, ["upload", "v1beta", "files"]) => Some(self.step(Step::Upload, |state| files::take(state, heard))),
            (false, ["download", "v1beta", "files", file]) => {
                Some(self.step(Step::Results, |state| gemini::file(state, file.split(':').next().unwrap_or_default())))
            }
            (true, ["v1beta", "models", model]) if gemini::is_batch(model) => {
                Some(self.step(Step::Create, |state| gemini::create(state, heard, model)))
            }
            (_, ["v1beta", "batches", rest @ ..]) => Some(gemini::serve(self, heard, rest)),
            _ => None,
        }
    }
}

/// Results as the mess has them.
fn messed(mess: Mess, mut lines: Vec<Value>, stranger: &Value) -> Vec<String> {
    if let Some(missing) = mess.missing.filter(|missing| *missing < lines.len()) {
        lines.remove(missing);
    }
    if mess.repeated {
        lines.extend(lines.first().cloned());
    }
    if mess.strange {
        lines.insert(0, stranger.clone());
    }
    if mess.reversed {
        lines.reverse();
    }
    let mut lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    if mess.garbled {
        lines.insert(lines.len() / 2, "{\"custom_id\": \"half a li".to_owned());
    }
    lines
}

fn lines_served(lines: &[String]) -> Served {
    let body = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
    Served { status: 200, body, is_lost: false }
}

fn item(heard: &Heard, key: &str, path: &str, body: &Value) -> (String, Heard) {
    let path = format!("/{}{path}", heard.endpoint);
    let item = Heard::new("POST".to_owned(), path, Vec::new(), body.to_string().into_bytes());
    (key.to_owned(), item)
}
