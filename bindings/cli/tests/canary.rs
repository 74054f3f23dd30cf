//! The command and a key: whatever a vendor does with it, no output shows it and no file that is written holds it.
//!
//! Each call has a key of its own, from the environment; a vendor of each format on loopback fails in each way, and says
//! the key back where it can. What is searched is all that is printed, in every form, and every file of the folder, the
//! ledger with its log of writes and the settings included.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and it says its counts"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use tierway::ledger::Rules;
use tierway::store::SqliteStore;
use tierway::testing::server::{Answer, Ending, Fault, Heard, Server};

/// What is part of every key, of the form that vendors give.
const CANARY: &str = "sk-canary";
/// What ends every key.
const TAIL: &str = "X7f3kQ";

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The formats, where their servers are addressed, and how they take a key.
const FORMATS: [(&str, &str, &str); 7] = [
    ("chat_completions", "/v1", "\"bearer\""),
    ("responses", "/v1", "\"bearer\""),
    ("messages", "/v1", "{ header = \"x-api-key\" }"),
    ("generateContent", "/v1beta", "{ header = \"x-goog-api-key\" }"),
    ("converse", "", "\"bearer\""),
    ("cohere_chat", "/v2", "\"bearer\""),
    ("ollama_chat", "", "\"bearer\""),
];

/// The ways to fail; none is an answer. `ECHO` says the key back.
fn faults() -> Vec<Option<Fault>> {
    let status = |status| Fault::Status { status, retry_after: None, message: Some("ECHO".to_owned()) };
    vec![
        None,
        Some(status(400)),
        Some(status(401)),
        Some(status(500)),
        Some(Fault::Html { status: 502 }),
        Some(Fault::BadJson),
        Some(Fault::ErrorInside { after_events: 1 }),
        Some(Fault::Cut { after_bytes: 60, ending: Ending::Reset }),
    ]
}

/// Answers by the fault that the path names.
fn script(heard: &Heard) -> Answer {
    let number = heard.endpoint.strip_prefix("fault-").and_then(|number| number.parse::<usize>().ok());
    let mut answer = Answer { fault: number.and_then(|number| faults()[number].clone()), ..Answer::text("A fox.") };
    if let Some(Fault::Status { message: Some(message), .. }) = &mut answer.fault {
        let keys = ["authorization", "x-api-key", "x-goog-api-key"];
        *message = format!("{} is not known", keys.iter().find_map(|name| heard.header(name)).unwrap_or_default());
    }
    answer
}

/// An endpoint and a model for each format and fault.
fn rows(url: &str) -> String {
    let mut text = "vendor = \"acme\"\n[defaults]\nsource = \"made up\"\ndate = \"2026-11-01\"\n\
        capabilities = [\"streaming\"]\n"
        .to_owned();
    for (api, base, auth) in FORMATS {
        for number in 0..faults().len() {
            let id = format!("acme-{}-{number}", api.to_ascii_lowercase().replace('_', "-"));
            text += &format!(
                "[[endpoints]]\nid = \"{id}\"\nvendor = \"acme\"\napi = \"{api}\"\nregion = \"us\"\nauth = {auth}\n\
                 base_url = \"{url}/fault-{number}{base}\"\nkey_env = \"ACME_API_KEY\"\n\
                 [[models]]\nid = \"acme/{id}\"\nendpoints = [\"{id}\"]\nfamily = \"fox\"\ntier = \"economy\"\n\
                 context_window = 32000\nmax_output = 4000\n\
                 prices = [{{ rates = {{ input = \"1\", output = \"2\" }} }}]\n"
            );
        }
    }
    text
}

/// Searches each output and file, and counts by what was searched.
#[derive(Default)]
struct Search {
    counts: BTreeMap<String, usize>,
    found: Vec<String>,
}

impl Search {
    fn look(&mut self, place: &str, bytes: &[u8]) {
        *self.counts.entry(place.to_owned()).or_default() += 1;
        let holds = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        for word in [CANARY, TAIL].into_iter().filter(|word| holds(word)) {
            self.found
                .push(format!("{place} shows {word}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(400)])));
        }
    }

    fn files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path().is_dir() {
                true => self.files(&entry.path()),
                false => self.look("file", &std::fs::read(entry.path()).unwrap_or_default()),
            }
        }
    }
}

fn command(folder: &Path, number: usize, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tierway"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("ACME_API_KEY", format!("{CANARY}{number:04}{TAIL}"))
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap()
}

#[test]
fn no_output_and_no_file_holds_a_key() {
    let folder = Folder(std::env::temp_dir().join(format!("tierway-cli-canary-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(script)).unwrap();
    std::fs::write(folder.0.join("rows.toml"), rows(&server.url())).unwrap();
    let settings = "[catalog]\nfiles = [\"rows.toml\"]\nonly_files = true\n[ledger]\npath = \"tierway.db\"\n\
        [retry]\nattempts_max = 1\ndeadline_ms = 8000\n";
    std::fs::write(folder.0.join("tierway.toml"), settings).unwrap();
    let (mut search, mut answered, mut number, began) = (Search::default(), 0, 0, Instant::now());
    for (api, ..) in FORMATS {
        for fault in 0..faults().len() {
            let model = format!("acme/acme-{}-{fault}", api.to_ascii_lowercase().replace('_', "-"));
            for form in [&[][..], &["--json"]] {
                let args =
                    [&["chat", "--model", &model, "--tag", "team=foxes", "Where does the fox rest?"], form].concat();
                let out = command(&folder.0, number, &args);
                number += 1;
                answered += usize::from(out.status.success());
                search.look("chat", &[out.stdout, out.stderr].concat());
            }
        }
    }
    assert!(answered >= 2 * FORMATS.len() && answered < number, "{answered} of {number} were answered");
    let reports: [&[&str]; 15] = [
        &["report"],
        &["report", "--json", "--by", "model", "--by", "endpoint", "--by", "ending", "--by", "team"],
        &["report", "--csv", "--by", "model"],
        &["report", "--html", "report.html", "--by", "model"],
        &["explain", "Where does the fox rest?"],
        &["explain", "--json", "Where does the fox rest?"],
        &["explain", "--model", "acme/acme-converse-0", "--all-keys", "x"],
        &["ledger", "unknown"],
        &["ledger", "check"],
        &["models"],
        &["models", "--json"],
        &["chat", "--model", "acme/none", "x"],
        &["chat", "--config", "rows.toml", "x"],
        &["price", "--model", "acme/acme-converse-0", "--input", "9", "--output", "9"],
        &["report", "--db", "rows.toml"],
    ];
    for args in reports {
        let out = command(&folder.0, number, args);
        search.look(&args[..2.min(args.len())].join(" "), &[out.stdout, out.stderr].concat());
    }
    // While somebody has it open, the ledger's log of writes lies beside it.
    let open = SqliteStore::open(folder.0.join("tierway.db"), Rules::default()).unwrap();
    search.files(&folder.0);
    assert!(folder.0.join("tierway.db-wal").exists());
    drop(open);
    assert!(folder.0.join("report.html").exists() && folder.0.join("tierway.db").exists());
    assert!(search.found.is_empty(), "{}", search.found.join("\n"));
    assert_eq!(search.counts["chat"], 2 * FORMATS.len() * faults().len(), "{:?}", search.counts);
    for (place, count) in &search.counts {
        println!("{count:>5} {place}");
    }
    println!("{answered} of {number} calls were answered, in {:?}", began.elapsed());
}
