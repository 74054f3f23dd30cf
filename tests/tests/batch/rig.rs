//! Four vendors at a desk on loopback, and clients whose account is in one file.

use std::path::PathBuf;
use std::sync::Arc;

use tierway::catalog::Catalog;
use tierway::client::{Client, ClientBuilder};
use tierway::id::BatchId;
use tierway::ledger::{Book, Fate, Row, Rules};
use tierway::secrets::Secret;
use tierway::store::{Page, SqliteStore};
use tierway::testing::server::{Answer, BatchDesk, Fault, Heard, Server};
use tierway::{EndpointId, ModelId, Request, Usage};

const ROWS: &str = r#"
[defaults]
source = "made up"
date = "2026-11-01"
capabilities = ["json_mode", "streaming"]

[[endpoints]]
id = "openai"
vendor = "openai"
api = "chat_completions"
base_url = "https://openai.example/v1"
region = "us"
auth = "bearer"
dialect = { batch = "openai" }

[[endpoints]]
id = "anthropic"
vendor = "anthropic"
api = "messages"
base_url = "https://anthropic.example/v1"
region = "us"
auth = { header = "x-api-key" }
headers = { anthropic-version = "2023-06-01" }
dialect = { batch = "anthropic" }

[[endpoints]]
id = "google"
vendor = "google"
api = "generateContent"
base_url = "https://google.example/v1beta"
region = "us"
auth = { header = "x-goog-api-key" }
dialect = { batch = "gemini" }

[[endpoints]]
id = "mistral"
vendor = "mistral"
api = "chat_completions"
base_url = "https://mistral.example/v1"
region = "eu"
auth = "bearer"
dialect = { batch = "mistral" }

[[endpoints]]
id = "slow"
vendor = "slow"
api = "chat_completions"
base_url = "https://slow.example/v1"
region = "us"
auth = "bearer"
"#;

/// The vendors with a batch API. Each has a model `VENDOR/m` at 2 and 8 dollars a million tokens, half in a batch.
pub(crate) const VENDORS: [&str; 4] = ["openai", "anthropic", "google", "mistral"];
/// The key of every endpoint: it must show nowhere.
pub(crate) const KEY: &str = "canary-key-48151623";

fn catalog() -> Catalog {
    let mut rows = ROWS.to_owned();
    for (vendor, lanes) in VENDORS.iter().map(|vendor| (*vendor, "lanes = { batch = \"0.5\" },")).chain([("slow", "")])
    {
        for model in ["m", "n"] {
            rows.push_str(&format!(
                "[[models]]\nid = \"{vendor}/{model}\"\nfamily = \"f\"\ntier = \"economy\"\ncontext_window = 32000\nmax_output = 4000\nendpoints = [\"{vendor}\"]\n\
                 prices = [{{ {lanes} rates = {{ input = \"2\", output = \"8\" }} }}]\n\n"
            ));
        }
    }
    Catalog::parse(&rows, "rows.toml").unwrap()
}

/// The item is at fault.
pub(crate) fn refused() -> Answer {
    Answer::failing(Fault::Status { status: 400, retry_after: None, message: Some("no such thing".into()) })
}

/// Answers each item with its own question; `refuse` in it is refused.
pub(crate) fn echo(heard: &Heard) -> Answer {
    let body = String::from_utf8_lossy(&heard.body);
    if body.contains("refuse") {
        return refused();
    }
    let number = body.split("item ").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("none").to_owned();
    Answer::text(format!("answer {number}")).with_usage(Usage::of(10, 500))
}

pub(crate) type Desk = Arc<BatchDesk<fn(&Heard) -> Answer>>;

/// A desk, its server, and a file for the account.
pub(crate) struct Rig {
    pub(crate) desk: Desk,
    pub(crate) server: Server,
    folder: PathBuf,
}

impl Rig {
    pub(crate) async fn new(name: &str) -> Rig {
        let desk = BatchDesk::new(echo as fn(&Heard) -> Answer);
        let server = Server::start(desk.clone()).await.unwrap();
        let folder = std::env::temp_dir().join(format!("tierway-batch-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Rig { desk, server, folder }
    }

    /// A client as a new process would make it.
    pub(crate) fn client(&self, rules: Rules) -> Client {
        self.builder(rules).build().unwrap()
    }

    pub(crate) fn builder(&self, rules: Rules) -> ClientBuilder {
        let store = SqliteStore::open(self.folder.join("ledger.db"), rules).unwrap();
        let catalog = catalog();
        let mut builder = Client::builder().store(Arc::new(store));
        for endpoint in catalog.endpoints() {
            let url = self.server.in_place_of(endpoint.id.as_str(), &endpoint.base_url);
            builder = builder.base_url(endpoint.id.clone(), url).key(endpoint.id.clone(), Secret::new(KEY).unwrap());
        }
        builder.catalog(catalog)
    }

    /// Every byte of the account's files.
    pub(crate) fn bytes_on_disk(&self) -> Vec<u8> {
        let files = std::fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn id(text: &str) -> BatchId {
    BatchId::new(text).unwrap()
}

pub(crate) fn endpoint(text: &str) -> EndpointId {
    EndpointId::new(text).unwrap()
}

/// `count` questions for a vendor's model.
pub(crate) fn requests(vendor: &str, count: usize) -> Vec<Request> {
    (0..count).map(|at| request(vendor, &format!("item {at}"))).collect()
}

pub(crate) fn request(vendor: &str, text: &str) -> Request {
    let mut draft = Request::user(text).unwrap().to_draft();
    draft.model = tierway::request::ModelChoice::Only(ModelId::new(format!("{vendor}/m")).unwrap());
    draft.max_tokens = Some(600);
    Request::try_from(draft).unwrap()
}

pub(crate) async fn rows(client: &Client) -> Vec<Row> {
    client.store().rows(Page { limit: 100_000, ..Page::default() }).await.unwrap()
}

/// How many attempts were settled, voided, and are held.
pub(crate) async fn fates(client: &Client) -> (usize, usize, usize) {
    let rows = rows(client).await;
    let settled = rows.iter().filter(|row| matches!(row.fate, Fate::Settled(_))).count();
    let voided = rows.iter().filter(|row| matches!(row.fate, Fate::Voided(_))).count();
    (settled, voided, rows.len() - settled - voided)
}

/// Balances are what a replay of the journal gives.
pub(crate) async fn check_books(client: &Client, rules: Rules) {
    let journal = client.store().journal(0, 1_000_000).await.unwrap();
    let book = Book::replay(rules, &journal).unwrap();
    assert_eq!(book.balances(), client.store().balances().await.unwrap());
}
