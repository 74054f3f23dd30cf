//! Two cheap models of different vendors and a dear one, for tests of cascades against scripted providers.

#![allow(dead_code, reason = "each test program takes what it needs")]

use std::sync::Arc;

use tierway::catalog::Catalog;
use tierway::client::{Client, ClientBuilder};
use tierway::ledger::{Fate, Row, Rules as BookRules};
use tierway::plan::Settings;
use tierway::store::MemoryStore;
use tierway::testing::ScriptedProvider;
use tierway::testing::scripted::Turn;
use tierway::{Request, Usd};

use crate::acme::{self, at, scripted};

const ROWS: &str = r#"
[defaults]
source = "made up"
date = "2026-11-01"
capabilities = ["tools", "json_schema", "streaming", "logprobs"]

[[endpoints]]
id = "VENDOR"
vendor = "VENDOR"
api = "chat_completions"
base_url = "http://127.0.0.1:9"
region = "us"
auth = "none"
"#;

const MODELS: [(&str, &str, &str, &str, &str); 3] = [
    ("cheap", "mini", "economy", "1", "2"),
    ("other", "tiny", "economy", "0.8", "1.6"),
    ("dear", "grand", "frontier", "10", "20"),
];

/// `cheap/mini`, `other/tiny` and `dear/grand`, ten times as dear.
pub(crate) fn catalog() -> Catalog {
    let mut catalog: Option<Catalog> = None;
    for (vendor, model, tier, input, output) in MODELS {
        let rows = ROWS.replace("VENDOR", vendor);
        let rows = format!(
            "vendor = \"{vendor}\"\n{rows}\n[[models]]\nid = \"{vendor}/{model}\"\nfamily = \"{model}\"\ntier = \"{tier}\"\n\
             context_window = 32000\nmax_output = 4000\nprices = [{{ rates = {{ input = \"{input}\", output = \"{output}\" }} }}]\n"
        );
        let file = tierway::catalog::CatalogFile { name: "rows.toml", text: &rows };
        catalog = Some(match catalog {
            None => Catalog::parse(&rows, "rows.toml").unwrap(),
            Some(catalog) => catalog.with_files(&[file]).unwrap(),
        });
    }
    catalog.unwrap()
}

/// A client whose three endpoints follow scripts, and its store.
pub(crate) struct Trio {
    pub(crate) client: Client,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) cheap: Arc<ScriptedProvider>,
    pub(crate) other: Arc<ScriptedProvider>,
    pub(crate) dear: Arc<ScriptedProvider>,
    rules: BookRules,
}

/// Scripts of the three.
pub(crate) type Turns = (Vec<Turn>, Vec<Turn>, Vec<Turn>);

/// A client that keeps 99.5 % of the best model's quality, as `change` makes it.
pub(crate) fn trio(turns: Turns, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Trio {
    trio_in(turns, BookRules::default(), change)
}

/// The same within these budgets.
pub(crate) fn trio_in(turns: Turns, rules: BookRules, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Trio {
    let (cheap, other, dear) = (scripted("cheap", turns.0), scripted("other", turns.1), scripted("dear", turns.2));
    let store = Arc::new(MemoryStore::new(rules.clone()));
    let settings = Settings { quality: 0.995, ..Settings::default() };
    let builder = Client::builder().catalog(catalog()).settings(settings).store(store.clone());
    let builder = at(at(at(builder, "cheap", &cheap), "other", &other), "dear", &dear);
    Trio { client: change(builder).build().unwrap(), store, cheap, other, dear, rules }
}

impl Trio {
    pub(crate) async fn rows(&self) -> Vec<Row> {
        acme::rows(&self.store).await
    }

    /// Model and purpose of every attempt in the account.
    pub(crate) async fn purposes(&self) -> Vec<String> {
        let rows = self.rows().await;
        rows.iter().map(|row| format!("{} {}", row.reserve.facts.model, row.reserve.facts.purpose)).collect()
    }

    /// What all attempts cost, and how many are credited with a baseline.
    pub(crate) async fn sums(&self) -> (Usd, usize) {
        let (mut cost, mut credited) = (Usd::ZERO, 0);
        for row in self.rows().await {
            if let Fate::Settled(settle) = &row.fate {
                cost = cost.saturating_add(settle.cost);
                credited += usize::from(settle.baseline_cost.is_some());
            }
        }
        (cost, credited)
    }

    pub(crate) async fn check_books(&self) {
        acme::check_books(&self.store, &self.rules).await;
    }
}

/// A problem that the cheap models are not sure to solve, with a number for an answer.
pub(crate) fn problem() -> Request {
    Request::user("Solve for x: 3x + 7 = 22. How many whole numbers lie between x and 12? Calculate step by step.")
        .unwrap()
}
