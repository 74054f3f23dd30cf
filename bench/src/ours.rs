//! The same calls with Tierway: decision, ledger in memory, HTTP, decoding.

use tierway::attempt::Rules;
use tierway::catalog::{Catalog, CatalogFile};
use tierway::id::EndpointId;
use tierway::ledger::Purpose;
use tierway::model::{Api, Auth};
use tierway::secrets::Secret;
use tierway::snapshot::HealthRules;
use tierway::store::Page;
use tierway::{Client, Message, Request};

use crate::peers::{Format, PROMPT};

/// One model at one endpoint, beside nothing else.
const ROWS: &str = r#"
vendor = "bench"

[[endpoints]]
id = "bench"
api = "API"
base_url = "http://127.0.0.1:1/v1"
region = "us"
auth = "bearer"
key_env = "BENCH_KEY"

[[models]]
id = "bench/bench-model"
family = "bench-model"
tier = "economy"
context_window = 128000
max_output = 16000
capabilities = ["tools", "json_mode", "json_schema", "streaming"]
source = "made up for the benchmark"
date = "2026-01-01"
[[models.prices]]
rates = { input = "0.10", output = "0.40" }
"#;

/// A client of ours.
pub struct Tierway {
    client: Client,
    request: Request,
}

impl Tierway {
    /// One model to choose from: what a call costs beside deciding.
    pub fn with_one_model(base_url: &str, format: Format) -> Tierway {
        let rows = ROWS.replace("API", api(format).as_str());
        let catalog = Catalog::parse(&rows, "bench").expect("the rows are valid");
        Tierway::new(catalog, base_url, format)
    }

    /// Every model of the built-in catalogue that is sold in the format that the server speaks.
    pub fn with_all_models(base_url: &str, format: Format) -> Tierway {
        Tierway::new(Catalog::builtin().clone(), base_url, format)
    }

    /// Two models at an endpoint each, the first at the first address, under these rules.
    pub fn with_two_models(base_urls: [&str; 2], format: Format, rules: Rules) -> Tierway {
        let rows = ROWS.replace("API", api(format).as_str());
        let second = rows.replace("\"bench", "\"other").replace("/bench-", "/other-").replace("\"0.10\"", "\"0.11\"");
        let files = [CatalogFile { name: "first", text: &rows }, CatalogFile { name: "second", text: &second }];
        let catalog = Catalog::default().with_files(&files).expect("the rows are valid");
        // Endpoints stay in use however often they fail: what is measured is the failing.
        let health = HealthRules { failures_to_open: u32::MAX, ..HealthRules::default() };
        let mut builder = Client::builder().catalog(catalog).rules(rules).health_rules(health);
        for (endpoint, base_url) in ["bench", "other"].into_iter().zip(base_urls) {
            let endpoint = EndpointId::new(endpoint).expect("a word");
            builder = builder.base_url(endpoint.clone(), base_url).key(endpoint, key());
        }
        Tierway { client: builder.build().expect("the settings are valid"), request: request(PROMPT) }
    }

    fn new(catalog: Catalog, base_url: &str, format: Format) -> Tierway {
        let usable: Vec<EndpointId> = catalog
            .endpoints()
            .iter()
            .filter(|endpoint| endpoint.api == api(format) && endpoint.auth != Auth::None)
            .map(|endpoint| endpoint.id.clone())
            .collect();
        let mut builder = Client::builder().catalog(catalog);
        for endpoint in usable {
            builder = builder.base_url(endpoint.clone(), base_url).key(endpoint, key());
        }
        Tierway { client: builder.build().expect("the settings are valid"), request: request(PROMPT) }
    }

    /// How many attempts the ledger holds, and how many of them were no first ones.
    pub async fn attempts(&self) -> (usize, usize) {
        let (mut after, mut all, mut more) = (0, 0, 0);
        loop {
            let page = Page { after, limit: 10_000, ..Page::default() };
            let rows = self.client.store().rows(page).await.expect("memory can be read");
            let Some(last) = rows.last() else { return (all, more) };
            after = last.seq;
            all += rows.len();
            more += rows.iter().filter(|row| row.reserve.facts.purpose != Purpose::First).count();
        }
    }

    pub async fn send(&self) -> usize {
        self.client.send(&self.request).await.expect("loopback answers").text().len()
    }

    pub async fn stream(&self) -> usize {
        let mut stream = self.client.stream(&self.request).await.expect("loopback answers");
        let mut length = 0;
        while let Some(delta) = stream.next().await {
            if let tierway::Delta::Text { text, .. } = delta.expect("the stream is whole") {
                length += text.len();
            }
        }
        length
    }

    /// Decides who would answer a prompt.
    pub fn decide(&self, request: &Request) -> usize {
        self.client.route(request).expect("some model may see it").candidates().len()
    }
}

fn key() -> Secret {
    Secret::new("sk-bench").expect("it is plain text")
}

fn api(format: Format) -> Api {
    match format {
        Format::Chat => Api::ChatCompletions,
        Format::Messages => Api::Messages,
    }
}

/// One message of a user, answered in at most 400 tokens.
pub fn request(text: &str) -> Request {
    Request::builder().message(Message::user(text)).max_tokens(400).build().expect("it is short")
}

/// A prompt of so many characters: the common one, repeated or cut.
pub fn prompt(chars: usize) -> String {
    PROMPT.chars().cycle().take(chars).collect()
}
