//! Keys through the whole client: whatever a vendor does, its key is in no error, reply, explanation, log line, Debug
//! print, panic, ledger file or report of it, nor in what other languages are shown, and no reservation is left open.
//!
//! Each case has a client, a key and a vendor of its own; all share one ledger in a file and one log that hears
//! everything, traces included. What is searched for are the keys and the words of the prompt. Each place that is
//! searched is counted: `docs/wire.md` has the table. What the command prints and writes is searched in its own tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tierway::attempt::Rules;
use tierway::catalog::Catalog;
use tierway::client::{Client, Response};
use tierway::ledger::{Fate, Rules as BookRules};
use tierway::secrets::Secret;
use tierway::store::{Page, SqliteStore, Store};
use tierway::testing::server::Server;
use tierway::time::Span;
use tierway::{EndpointId, Error, Request};
use tierway_bindings::{Failure, Handle, Host};

use super::cases::Case;
use super::rig::{Format, LIMITS, PROMPT, Rig};
use super::{ALONE, AT_ONCE, Trial, script};

/// How a panic that a case wants begins.
const MEANT: &str = "meant: ";
/// What is part of every key, of the form that vendors give.
const CANARY: &str = "sk-canary";

/// A vendor with this format at this address.
fn rows(format: &Format, base: &str) -> String {
    let auth = match format.key_header() {
        "authorization" => "\"bearer\"".to_owned(),
        name => format!("{{ header = \"{name}\" }}"),
    };
    let api = format.api.as_str();
    format!(
        r#"
vendor = "acme"
[defaults]
source = "made up"
date = "2026-11-01"
capabilities = ["streaming"]

[[endpoints]]
id = "acme"
vendor = "acme"
api = "{api}"
base_url = "{base}"
region = "us"
auth = {auth}
key_env = "ACME_API_KEY"

[[models]]
id = "acme/fox"
family = "fox"
tier = "economy"
context_window = 32000
max_output = 4000
endpoints = ["acme"]
prices = [{{ rates = {{ input = "1", output = "2" }} }}]
"#
    )
}

/// Everything that was logged, by our own crates and those below.
#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl tracing::Subscriber for &'static Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Words(&self.0));
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Words(&self.0));
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Words(&self.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// What crates below log by the older way.
impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut text = self.0.lock().expect("nobody panics with it");
        let _ = writeln!(text, "{} {}", record.target(), record.args());
    }

    fn flush(&self) {}
}

/// Writes down the fields of a log line.
struct Words<'a>(&'a Mutex<String>);

impl tracing::field::Visit for Words<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let mut text = self.0.lock().expect("nobody panics with it");
        let _ = writeln!(text, "{field}={value:?}");
    }
}

/// What was logged, and what panicked.
fn log() -> &'static Log {
    static START: Once = Once::new();
    static LOG: std::sync::LazyLock<Log> = std::sync::LazyLock::new(Log::default);
    START.call_once(|| {
        // Another test's subscriber would hear instead of this one, and there is none.
        let _ = tracing::subscriber::set_global_default(&*LOG);
        let _ = log::set_logger(&*LOG);
        log::set_max_level(log::LevelFilter::Trace);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let mut text = LOG.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = writeln!(text, "panic: {panic} {panic:?}");
            drop(text);
            let said = panic.payload().downcast_ref::<String>();
            if !said.is_some_and(|said| said.starts_with(MEANT)) {
                before(panic);
            }
        }));
    });
    &LOG
}

/// The cases that do not wait for a limit: the others are the same for a key.
fn quick(case: &Case) -> bool {
    !["no head", "stalls", "trickles", "bomb"].iter().any(|slow| case.name.contains(slow))
}

/// A place where something is shown.
type Place = &'static str;

/// All that can be seen of an outcome, by place.
fn shown(client: &Client, request: &Request, outcome: &Result<Response, Error>) -> Vec<(Place, String)> {
    let mut seen = vec![("Debug of a client", format!("{client:?}{:?}{:?}", client.health(), client.keys()))];
    match outcome {
        Ok(response) => {
            let json = serde_json::to_string(response).expect("a response is JSON");
            let explained = serde_json::to_string(&response.explain()).expect("an explanation is JSON");
            seen.push((
                "response and its explanation",
                format!("{:?}{}{json}{explained}", response.route, response.explain()),
            ));
        }
        Err(error) => {
            seen.push(("error", causes(error, |inner| inner.to_string()) + error.code()));
            seen.push(("Debug of an error", causes(error, |inner| format!("{inner:?}{inner:#?}"))));
        }
    }
    let plan = client.route(request).expect("the model is admitted");
    seen.push(("plan and its explanation", format!("{plan:?}{}{:?}", plan.explain(), plan.explain())));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panic!("{MEANT}{client:?} {outcome:?}")));
    let said = panicked.expect_err("it panics");
    seen.push(("panic", said.downcast_ref::<String>().cloned().unwrap_or_default()));
    seen
}

/// An error and what caused it.
fn causes(error: &Error, print: impl Fn(&dyn std::error::Error) -> String) -> String {
    let mut text = print(error);
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text += &print(inner);
        cause = inner.source();
    }
    text
}

/// What other languages are shown of an outcome.
fn shown_elsewhere(outcome: Result<Response, Error>) -> (Place, String) {
    match outcome {
        Ok(response) => ("response to a binding", serde_json::to_string(&response).expect("a response is JSON")),
        Err(error) => {
            let failure = Failure::from(error);
            ("error to a binding", format!("{}{failure}{failure:?}", failure.to_json()))
        }
    }
}

/// Settings that are wrong, with a key in them where somebody may have put one: what a binding says of them.
fn wrong_settings(key: &str) -> Vec<String> {
    let wrong = [
        json!({"keys": {"nowhere": key}}),
        json!({"keys": {"openai": [key]}}),
        json!({"keys": {"openai": format!("{key}\n{key}")}}),
        json!({"keys": {"openai": {"key": key}}}),
        json!({"keys": [key]}),
        json!({"keys": {"openai": key}, "router": {"quality": "much"}}),
        json!({"keys": {"openai": key}, "base_urls": {"openai": "not an address"}}),
        json!({"keys": {"openai": key}, "transport": {"proxy": "not an address"}}),
        json!({"keys": {"openai": key}, "ledger": {"path": "/proc/none/ledger.db"}}),
        json!({"keys": {"openai": key}, "no_such_field": 1}),
    ];
    let said = |settings: &Value| match Handle::new(&settings.to_string(), Host::default()) {
        Ok(handle) => format!("{handle:?}"),
        Err(failure) => format!("{}{failure}{failure:?}", failure.to_json()),
    };
    wrong.iter().map(said).collect()
}

/// Searches each place, and counts.
#[derive(Debug, Default)]
struct Search {
    counts: BTreeMap<Place, usize>,
    found: Vec<String>,
}

impl Search {
    fn look(&mut self, place: Place, name: &str, text: &str) {
        *self.counts.entry(place).or_default() += 1;
        let words = [CANARY, "X7f3kQ", "promptcanary"].into_iter().filter(|word| text.contains(word));
        self.found.extend(words.map(|word| format!("{name}: {place} shows {word}")));
    }

    /// Fails where anything was found, or too little was searched in `count` cases; prints what was.
    fn conclude(&self, count: usize) {
        for (place, count) in &self.counts {
            println!("{count:>7} {place}");
        }
        assert!(self.found.is_empty(), "{} of {count} cases:\n{}", self.found.len(), self.found.join("\n"));
        let searched = |place: Place| self.counts.get(place).copied().unwrap_or_default();
        assert!(count >= 500, "only {count} cases");
        for place in ["Debug of a client", "plan and its explanation", "panic"] {
            assert_eq!(searched(place), count, "{place}");
        }
        assert!(searched("error") >= 500 && searched("error") == searched("error to a binding"));
        assert_eq!(searched("error") + searched("response to a binding"), count);
        assert!(searched("line of the log, traces included") >= count, "the log heard little");
    }
}

async fn ask(client: &Client, request: &Request, is_stream: bool) -> Result<Response, Error> {
    match is_stream {
        false => client.send(request).await,
        true => client.stream(request).await?.finish().await,
    }
}

/// A folder that goes away with its test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every file in a folder and below it: its name, and its bytes.
fn bytes_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => all.extend(bytes_below(&path)),
            false => all.push((path.to_string_lossy().into_owned(), std::fs::read(&path).unwrap_or_default())),
        }
    }
    all
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_shows_anywhere_whatever_a_vendor_does() {
    let _alone = ALONE.lock().await;
    let log = log();
    let folder = Folder(std::env::temp_dir().join(format!("tierway-canary-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("a folder can be made");
    let opened = SqliteStore::open(folder.0.join("ledger.db"), BookRules::default()).expect("it opens");
    let store: Arc<dyn Store> = Arc::new(opened);
    let trials: Vec<Trial> = super::trials().into_iter().filter(|trial| quick(&trial.case)).collect();
    let server = Server::start(script(trials.clone())).await.expect("a loopback port is free");
    let rig = Rig::new();
    let request = Request::user(PROMPT).expect("it is short");
    let count = trials.len();
    let run = |(number, trial): (usize, Trial)| {
        let (store, url, transport, request) = (store.clone(), server.url(), rig.transport(), &request);
        async move {
            let key = format!("{CANARY}{number:04}X7f3kQ");
            let base = format!("{url}/trial-{number}{}", trial.format.base);
            let once = Rules { attempts_here_max: 1, timeouts: LIMITS, ..Rules::default() };
            let client = Client::builder()
                .catalog(Catalog::parse(&rows(&trial.format, &base), "rows.toml").expect("the rows are right"))
                .key(EndpointId::new("acme").expect("it is an id"), Secret::new(&key).expect("it is plain"))
                .rules(Rules { deadline: Span::from_secs(20), ..once })
                .store(store)
                .transport(transport)
                .build()
                .expect("the client can be built");
            let outcome = ask(&client, request, trial.is_stream).await;
            let mut seen = shown(&client, request, &outcome);
            seen.push(shown_elsewhere(outcome));
            (trial.name(), seen)
        }
    };
    let mut search = Search::default();
    let mut outcomes = futures_util::stream::iter(trials.into_iter().enumerate().map(run)).buffer_unordered(AT_ONCE);
    while let Some((name, seen)) = outcomes.next().await {
        seen.into_iter().for_each(|(place, text)| search.look(place, &name, &text));
    }
    drop(outcomes);
    for said in wrong_settings(&format!("{CANARY}0000X7f3kQ")) {
        search.look("wrong settings to a binding", "settings", &said);
    }

    let rows = store.rows(Page { limit: 100_000, ..Page::default() }).await.expect("the ledger can be read");
    assert!(rows.len() >= count, "{} rows of {count} cases", rows.len());
    assert!(rows.iter().all(|row| !matches!(row.fate, Fate::Open)), "a reservation was left open");
    let journal = store.journal(0, 1_000_000).await.expect("the journal can be read");
    search.look(
        "rows and journal",
        "ledger",
        &format!("{store:?}{rows:?}{journal:?}{}", serde_json::to_string(&rows).expect("rows are JSON")),
    );
    let ledger = json!({"ledger": {"path": folder.0.join("ledger.db")}});
    for (place, text) in reports(&ledger).await {
        search.look(place, "ledger", &text);
    }
    let before = bytes_below(&folder.0);
    store.close().await.expect("it closes");
    let after = bytes_below(&folder.0);
    for (name, bytes) in before.iter().chain(&after) {
        // What is no text is searched as it stands: keys are plain letters.
        search.look("bytes of the ledger's files", name, &String::from_utf8_lossy(bytes));
    }
    let names: Vec<&String> = before.iter().map(|(name, _)| name).collect();
    assert!(names.iter().any(|name| name.ends_with("-wal")), "the log of writes is among the files: {names:?}");
    assert!(after.iter().any(|(_, bytes)| holds(bytes, "acme/fox")), "the file is the one that was written");
    let log = log.0.lock().expect("nobody panics with it").clone();
    log.lines().for_each(|line| search.look("line of the log, traces included", "log", line));

    search.conclude(count);
}

/// What a binding reports of a ledger, and its attempts.
async fn reports(settings: &Value) -> Vec<(Place, String)> {
    let handle = Handle::new(&settings.to_string(), Host::default()).expect("the ledger can be opened");
    let by = r#"{"by": ["model", "vendor", "endpoint", "ending", "purpose", "day"]}"#;
    let report = handle.report(by).await.expect("it can be added up");
    let attempts = handle.attempts(r#"{"limit": 10000}"#).await.expect("it can be read");
    vec![
        ("report to a binding", report),
        ("attempts to a binding", attempts),
        ("Debug of a handle", format!("{handle:?}")),
    ]
}
