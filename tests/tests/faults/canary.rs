//! Keys through the whole client: whatever a vendor does, its key is in no error, reply, explanation, log line, Debug
//! print, panic, ledger file or report of it, and no reservation is left open.
//!
//! Each case has a client, a key and a vendor of its own; all share one ledger in a file and one log that hears
//! everything. What is searched for are the keys and the words of the prompt.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};

use futures_util::StreamExt;
use tierway::attempt::Rules;
use tierway::catalog::Catalog;
use tierway::client::{Client, Response};
use tierway::ledger::{Fate, Rules as BookRules};
use tierway::secrets::Secret;
use tierway::store::{Page, SqliteStore, Store};
use tierway::testing::server::Server;
use tierway::time::Span;
use tierway::{EndpointId, Error, Request};

use super::cases::Case;
use super::rig::{Format, LIMITS, PROMPT, Rig};
use super::{ALONE, AT_ONCE, Trial, script};

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
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let mut text = LOG.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = writeln!(text, "panic: {panic} {panic:?}");
            drop(text);
            before(panic);
        }));
    });
    &LOG
}

/// The cases that do not wait for a limit: the others are the same for a key.
fn quick(case: &Case) -> bool {
    !["no head", "stalls", "trickles", "bomb"].iter().any(|slow| case.name.contains(slow))
}

/// All that can be seen of an outcome.
fn shown(client: &Client, request: &Request, outcome: &Result<Response, Error>) -> String {
    let mut text = format!("{client:?}{:?}{:?}", client.health(), client.keys());
    match outcome {
        Ok(response) => {
            let json = serde_json::to_string(response).expect("a response is JSON");
            let explained = serde_json::to_string(&response.explain()).expect("an explanation is JSON");
            // The reply may say anything: it is the vendor's.
            let _ = write!(text, "{:?}{}{json}{explained}", response.route, response.explain());
        }
        Err(error) => {
            let _ = write!(text, "{error}{error:?}{error:#?}{}", error.code());
            let mut cause = std::error::Error::source(error);
            while let Some(inner) = cause {
                let _ = write!(text, "{inner}{inner:?}");
                cause = inner.source();
            }
        }
    }
    let plan = client.route(request).expect("the model is admitted");
    let _ = write!(text, "{plan:?}{}{:?}", plan.explain(), plan.explain());
    text
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

/// The bytes of every file in a folder and below it.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => all.extend(bytes_below(&path)),
            false => all.extend(std::fs::read(&path).unwrap_or_default()),
        }
        all.extend(path.to_string_lossy().into_owned().into_bytes());
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
            let text = shown(&client, request, &outcome);
            let words: Vec<&str> = [CANARY, "promptcanary"].into_iter().filter(|word| text.contains(word)).collect();
            words.into_iter().map(|word| format!("{}: shows {word}", trial.name())).collect::<Vec<_>>()
        }
    };
    let found: Vec<Vec<String>> =
        futures_util::stream::iter(trials.into_iter().enumerate().map(run)).buffer_unordered(AT_ONCE).collect().await;
    let found: Vec<String> = found.into_iter().flatten().collect();
    assert!(found.is_empty(), "{} of {count} cases:\n{}", found.len(), found.join("\n"));
    assert!(count >= 500, "only {count} cases");

    let rows = store.rows(Page { limit: 100_000, ..Page::default() }).await.expect("the ledger can be read");
    assert!(rows.len() >= count, "{} rows of {count} cases", rows.len());
    assert!(rows.iter().all(|row| !matches!(row.fate, Fate::Open)), "a reservation was left open");
    let journal = store.journal(0, 1_000_000).await.expect("the journal can be read");
    let ledger = format!("{store:?}{rows:?}{journal:?}{}", serde_json::to_string(&rows).expect("rows are JSON"));
    let before = bytes_below(&folder.0);
    store.close().await.expect("it closes");
    let after = bytes_below(&folder.0);
    let log = log.0.lock().expect("nobody panics with it").clone();
    for word in [CANARY, "X7f3kQ", "promptcanary"] {
        assert!(!ledger.contains(word), "the ledger's rows show {word}");
        assert!(!holds(&before, word) && !holds(&after, word), "the ledger's file holds {word}");
        assert!(!log.contains(word), "the log shows {word}");
    }
    assert!(holds(&after, "acme/fox"), "the file is the one that was written");
    println!("{count} cases held, {} bytes of log", log.len());
}
