//! Requests that wait for a network, in a file on the device: kept through a crash, sent in order, answers kept until they
//! are fetched.
//!
//! Each change is a line of JSON, written through to the disk before anything is sent on the strength of it. A request is
//! marked before it is sent. One that was marked when the app died may have been sent and paid, so it is never sent again
//! by itself: it shows as `Unknown` until the app says `retry` or `forget`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tierway_bindings::Failure;

/// Most requests that are kept: beyond, the app is told, since a user no longer waits for so many.
const LETTERS_MAX: usize = 1_000;
/// Most bytes of requests and answers that are kept: what a phone reads in well under a second.
const BYTES_MAX: u64 = 64 << 20;

/// How far a kept request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LetterState {
    /// Not sent yet.
    Waiting,
    /// On its way; after a restart, it may have been sent and nobody knows.
    Unknown,
    /// Answered: the outcome is `{"value": response}`.
    Answered,
    /// Failed for good: the outcome is `{"error": facts}`.
    Failed,
}

/// A kept request.
#[derive(Clone, uniffi::Record)]
pub struct Letter {
    /// Its number.
    pub id: u64,
    /// How far it is.
    pub state: LetterState,
    /// What came of it, as JSON.
    pub outcome: Option<String>,
}

/// A line of the file. Requests and outcomes are JSON within its texts, so that they come back as they were given.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Put {
        id: u64,
        request: String,
    },
    Begin {
        id: u64,
    },
    Back {
        id: u64,
    },
    Done {
        id: u64,
        failed: bool,
        outcome: String,
    },
    Forget {
        id: u64,
    },
    /// The last number that was given: none is used twice.
    Last {
        id: u64,
    },
}

struct Kept {
    request: String,
    state: LetterState,
    outcome: Option<String>,
    /// Whether this process waits for its answer just now; never in the file.
    is_under_way: bool,
}

struct State {
    file: File,
    bytes: u64,
    next: u64,
    kept: BTreeMap<u64, Kept>,
    /// Whether half a line may stand at the end, which could not be taken back: nothing may be written after it.
    is_torn: bool,
}

/// The requests of one app.
pub(crate) struct Outbox {
    path: PathBuf,
    state: Mutex<State>,
}

/// A request that is on its way. Dropped without a word of what came of it, it stays `Unknown`.
pub(crate) struct Sending<'a> {
    outbox: &'a Outbox,
    pub(crate) id: u64,
    pub(crate) request: String,
}

impl Sending<'_> {
    /// Records that it was not sent after all.
    pub(crate) fn back(self) -> Result<(), Failure> {
        self.outbox.write(&mut self.outbox.lock(), Line::Back { id: self.id })
    }

    /// Records what came of it.
    pub(crate) fn done(self, outcome: &Result<String, Failure>) -> Result<(), Failure> {
        let text = match outcome {
            Ok(response) => format!("{{\"value\":{response}}}"),
            Err(failure) => format!("{{\"error\":{}}}", failure.to_json()),
        };
        let line = Line::Done { id: self.id, failed: outcome.is_err(), outcome: text };
        self.outbox.write(&mut self.outbox.lock(), line)
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(kept) = self.outbox.lock().kept.get_mut(&self.id) {
            kept.is_under_way = false;
        }
    }
}

impl Outbox {
    /// Opens the file, or makes it. A line that a crash tore is dropped; what was forgotten is swept out.
    pub(crate) fn open(path: &Path) -> Result<Outbox, Failure> {
        let failed = |error: io::Error| unusable(path, &error.kind().to_string());
        let mut text = String::new();
        match File::open(path) {
            Ok(mut file) => drop(file.read_to_string(&mut text).map_err(failed)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut kept = BTreeMap::new();
        let mut next = 1;
        // What follows the last end of a line was torn; any other line must be whole.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let line: Line = serde_json::from_str(line).map_err(|_| unusable(path, "it is no outbox"))?;
            next = next.max(line.id().saturating_add(1));
            line.apply(&mut kept);
        }
        let (file, bytes) = rewrite(path, next, &kept).map_err(failed)?;
        Ok(Outbox { path: path.to_owned(), state: Mutex::new(State { file, bytes, next, kept, is_torn: false }) })
    }

    /// Keeps a request.
    pub(crate) fn put(&self, request: &str) -> Result<u64, Failure> {
        serde_json::from_str::<IgnoredAny>(request)
            .map_err(|_| Failure::new("invalid_request", "request: it is not JSON"))?;
        let request = request.to_owned();
        let mut state = self.lock();
        if state.kept.len() >= LETTERS_MAX || state.bytes >= BYTES_MAX {
            let text = format!("the outbox holds {} requests: deliver them, or forget some", state.kept.len());
            return Err(Failure::new("outbox_full", text));
        }
        let id = state.next;
        self.write(&mut state, Line::Put { id, request })?;
        state.next += 1;
        Ok(id)
    }

    /// The next request to send after number `after`, marked as sent from now on.
    pub(crate) fn begin(&self, after: u64) -> Result<Option<Sending<'_>>, Failure> {
        let mut state = self.lock();
        let waits = state.kept.range(after + 1..).find(|(_, kept)| kept.state == LetterState::Waiting);
        let Some((id, request)) = waits.map(|(id, kept)| (*id, kept.request.clone())) else { return Ok(None) };
        self.write(&mut state, Line::Begin { id })?;
        state.kept.get_mut(&id).expect("what was found is kept while the lock is held").is_under_way = true;
        Ok(Some(Sending { outbox: self, id, request }))
    }

    /// Sends a request again whose fate is not known, or that failed. One that is on its way is refused: its answer is
    /// still to come, and would be lost and paid twice.
    pub(crate) fn retry(&self, id: u64) -> Result<(), Failure> {
        let mut state = self.lock();
        let reason = match state.kept.get(&id) {
            None => return Err(none(id)),
            Some(kept) if kept.state == LetterState::Failed => None,
            Some(kept) if kept.state != LetterState::Unknown => Some("waits or is answered: nothing to retry"),
            Some(kept) => kept.is_under_way.then_some("is on its way: wait until it is delivered"),
        };
        match reason {
            Some(reason) => Err(Failure::new("outbox", format!("request {id} {reason}"))),
            None => self.write(&mut state, Line::Back { id }),
        }
    }

    /// Drops a request, or the answer that was fetched.
    pub(crate) fn forget(&self, id: u64) -> Result<(), Failure> {
        let mut state = self.lock();
        if !state.kept.contains_key(&id) {
            return Err(none(id));
        }
        self.write(&mut state, Line::Forget { id })
    }

    /// All that is kept, oldest first.
    pub(crate) fn letters(&self) -> Vec<Letter> {
        let letter = |(id, kept): (&u64, &Kept)| Letter { id: *id, state: kept.state, outcome: kept.outcome.clone() };
        self.lock().kept.iter().map(letter).collect()
    }

    /// Writes a line through to the disk, then takes it in.
    fn write(&self, state: &mut State, line: Line) -> Result<(), Failure> {
        if state.is_torn {
            return Err(unusable(&self.path, "a write failed half-way: open it again"));
        }
        let text = text_of(&line);
        let written = state.file.write_all(text.as_bytes()).and_then(|()| state.file.sync_data());
        if let Err(error) = written {
            // Half a line must not stand before the next one.
            let taken_back = state.file.set_len(state.bytes).and_then(|()| state.file.seek(SeekFrom::End(0)));
            state.is_torn = taken_back.is_err();
            return Err(unusable(&self.path, &error.kind().to_string()));
        }
        state.bytes += text.len() as u64;
        line.apply(&mut state.kept);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn id(&self) -> u64 {
        match self {
            Line::Put { id, .. }
            | Line::Begin { id }
            | Line::Back { id }
            | Line::Done { id, .. }
            | Line::Forget { id }
            | Line::Last { id } => *id,
        }
    }

    /// Lines about what is not there are of no effect.
    fn apply(self, kept: &mut BTreeMap<u64, Kept>) {
        let mut set = |id: u64, state: LetterState, outcome: Option<String>| {
            if let Some(kept) = kept.get_mut(&id) {
                kept.state = state;
                kept.outcome = outcome;
            }
        };
        match self {
            Line::Put { id, request } => {
                kept.insert(id, Kept { request, state: LetterState::Waiting, outcome: None, is_under_way: false });
            }
            Line::Begin { id } => set(id, LetterState::Unknown, None),
            Line::Back { id } => set(id, LetterState::Waiting, None),
            Line::Done { id, failed: true, outcome } => set(id, LetterState::Failed, Some(outcome)),
            Line::Done { id, failed: false, outcome } => set(id, LetterState::Answered, Some(outcome)),
            Line::Forget { id } => {
                kept.remove(&id);
            }
            Line::Last { .. } => {}
        }
    }
}

fn text_of(line: &Line) -> String {
    let mut text = serde_json::to_string(line).expect("a line has text keys");
    text.push('\n');
    text
}

/// Writes what is kept to a new file in the old one's place.
fn rewrite(path: &Path, next: u64, kept: &BTreeMap<u64, Kept>) -> io::Result<(File, u64)> {
    let fresh = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    let mut text = String::new();
    for (id, kept) in kept {
        text += &text_of(&Line::Put { id: *id, request: kept.request.clone() });
        if let Some(outcome) = &kept.outcome {
            let failed = kept.state == LetterState::Failed;
            text += &text_of(&Line::Done { id: *id, failed, outcome: outcome.clone() });
        } else if kept.state == LetterState::Unknown {
            text += &text_of(&Line::Begin { id: *id });
        }
    }
    text += &text_of(&Line::Last { id: next.saturating_sub(1) });
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    sync_folder(path)?;
    Ok((file, text.len() as u64))
}

/// Writes the new name through to the disk: without that a power cut brings the old file back, and what was written to the
/// new one is gone.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn none(id: u64) -> Failure {
    Failure::new("outbox", format!("the outbox holds no request {id}"))
}

fn unusable(path: &Path, reason: &str) -> Failure {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Failure::new("outbox", format!("the outbox {name} cannot be used: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("tierway-outbox-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("outbox.jsonl")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn states(outbox: &Outbox) -> Vec<(u64, LetterState)> {
        outbox.letters().iter().map(|letter| (letter.id, letter.state)).collect()
    }

    #[test]
    fn requests_survive_a_restart_and_a_torn_line() {
        let folder = Folder::new("restart");
        let outbox = Outbox::open(&folder.file()).unwrap();
        for text in [r#"{"n":1}"#, "{\n \"n\": 2}", r#"{"n":3}"#, r#"{"n":4}"#] {
            outbox.put(text).unwrap();
        }
        let first = outbox.begin(0).unwrap().unwrap();
        assert_eq!((first.id, first.request.as_str()), (1, r#"{"n":1}"#));
        first.done(&Ok("{}".to_owned())).unwrap();
        assert_eq!(outbox.begin(1).unwrap().unwrap().id, 2);
        outbox.forget(4).unwrap();
        drop(outbox);
        let mut file = OpenOptions::new().append(true).open(folder.file()).unwrap();
        file.write_all(br#"{"put":{"id":9,"req"#).unwrap();
        for _ in 0..2 {
            let outbox = Outbox::open(&folder.file()).unwrap();
            let want = [(1, LetterState::Answered), (2, LetterState::Unknown), (3, LetterState::Waiting)];
            assert_eq!(states(&outbox), want);
            assert_eq!(outbox.letters()[0].outcome.as_deref(), Some(r#"{"value":{}}"#));
        }
        let outbox = Outbox::open(&folder.file()).unwrap();
        assert_eq!(outbox.put("{}").unwrap(), 5, "numbers are not used twice");
    }

    #[test]
    fn what_may_have_been_sent_is_sent_again_only_when_told() {
        let folder = Folder::new("unknown");
        let outbox = Outbox::open(&folder.file()).unwrap();
        let id = outbox.put("{}").unwrap();
        drop(outbox.begin(0).unwrap());
        assert!(outbox.begin(0).unwrap().is_none());
        outbox.retry(id).unwrap();
        assert!(outbox.retry(id).is_err(), "it waits already");
        let sending = outbox.begin(0).unwrap().unwrap();
        assert_eq!(sending.id, id);
        sending.done(&Err(Failure::new("refused", "no model"))).unwrap();
        assert_eq!(states(&outbox), [(id, LetterState::Failed)]);
        outbox.forget(id).unwrap();
        assert!(outbox.forget(id).is_err() && outbox.letters().is_empty());
    }

    #[test]
    fn what_is_on_its_way_is_not_retried_and_its_answer_is_kept() {
        let folder = Folder::new("under-way");
        let outbox = Outbox::open(&folder.file()).unwrap();
        let id = outbox.put("{}").unwrap();
        let sending = outbox.begin(0).unwrap().unwrap();
        let refused = outbox.retry(id).unwrap_err();
        assert_eq!(refused.message, "request 1 is on its way: wait until it is delivered");
        std::fs::copy(folder.file(), folder.0.join("crashed.jsonl")).unwrap();
        let crashed = Outbox::open(&folder.0.join("crashed.jsonl")).unwrap();
        assert_eq!(states(&crashed), [(id, LetterState::Unknown)], "the app died: it may have been sent");
        crashed.retry(id).unwrap();
        sending.done(&Ok("{}".to_owned())).unwrap();
        assert!(outbox.retry(id).is_err() && outbox.begin(0).unwrap().is_none(), "it was answered");
        assert_eq!(outbox.letters()[0].outcome.as_deref(), Some(r#"{"value":{}}"#));
    }

    #[test]
    fn what_is_no_outbox_is_left_alone() {
        let folder = Folder::new("other");
        std::fs::write(folder.file(), "a diary\nof mine\n").unwrap();
        let refused = Outbox::open(&folder.file()).err().unwrap();
        assert!(refused.message.contains("it is no outbox"), "{refused}");
        assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), "a diary\nof mine\n");
        assert_eq!(Outbox::open(&folder.0).err().unwrap().code, "outbox");
    }

    #[test]
    fn it_is_bounded() {
        let folder = Folder::new("bounds");
        let outbox = Outbox::open(&folder.file()).unwrap();
        outbox.lock().bytes = BYTES_MAX;
        assert_eq!(outbox.put("{}").unwrap_err().code, "outbox_full");
        assert_eq!(outbox.put("canary").unwrap_err().message, "request: it is not JSON");
    }
}
