//! Embeddings in batches: handed in at OpenAI, Mistral and Gemini with the catalogue's own rows, collected, and billed at
//! the batch price; refused, with a reason, where there is no batch API that makes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tierway::catalog::Catalog;
use tierway::client::{BatchError, Client, EmbedRequest, ItemOutcome, JobState};
use tierway::ledger::{Basis, Fate, Rules};
use tierway::secrets::Secret;
use tierway::store::SqliteStore;
use tierway::testing::server::{Answer, BatchDesk, DeskEnd, Heard, Mess, Server, Step, Trouble};
use tierway::wire::embeddings::EmbedUse;
use tierway::{Error, ModelId, Usage};

use crate::rig::{KEY, check_books, fates, id, refused, rows};

/// Models, how many texts an item may have, and the batch price of a token in millionths of a millionth of a dollar.
const MODELS: [(&str, usize, i64); 4] = [
    ("openai/text-embedding-3-small", 3, 10_000),
    ("openai/text-embedding-3-large", 3, 65_000),
    ("mistral/mistral-embed", 3, 50_000),
    ("google/gemini-embedding-001", 1, 75_000),
];

type Desk = Arc<BatchDesk<fn(&Heard) -> Answer>>;

struct Place {
    desk: Desk,
    server: Server,
    folder: std::path::PathBuf,
}

fn nine_tokens(heard: &Heard) -> Answer {
    let body = String::from_utf8_lossy(&heard.body);
    if body.contains("refuse") {
        return refused();
    }
    let usage = if body.contains("uncounted") { None } else { Some(9) };
    Answer::text("vectors").with_usage(Usage { input: usage, ..Usage::default() })
}

impl Place {
    async fn new(name: &str) -> Place {
        let desk = BatchDesk::new(nine_tokens as fn(&Heard) -> Answer);
        let server = Server::start(desk.clone()).await.unwrap();
        // A folder each, also for the same name: an earlier client may still be closing its ledger.
        static PLACES: AtomicUsize = AtomicUsize::new(0);
        let (name, number) = (name.replace(['/', '.'], "-"), PLACES.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("tierway-vectors-{}-{number}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Place { desk, server, folder }
    }

    /// A client as a new process would make it.
    fn client(&self) -> Client {
        let store = SqliteStore::open(self.folder.join("ledger.db"), Rules::default()).unwrap();
        let mut builder = Client::builder().store(Arc::new(store));
        for endpoint in Catalog::builtin().endpoints() {
            let url = self.server.in_place_of(endpoint.id.as_str(), &endpoint.base_url);
            builder = builder.base_url(endpoint.id.clone(), url).key(endpoint.id.clone(), Secret::new(KEY).unwrap());
        }
        builder.build().unwrap()
    }

    fn bytes_on_disk(&self) -> Vec<u8> {
        let files = std::fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn wanted(model: &str, texts: &[String]) -> EmbedRequest {
    EmbedRequest::new(ModelId::new(model).unwrap(), texts)
}

/// `count` items of so many texts.
fn items(model: &str, count: usize, texts: usize) -> Vec<EmbedRequest> {
    let text = |item: usize, at: usize| format!("vectorprompt {item} {}", "x".repeat(at));
    (0..count).map(|item| wanted(model, &(0..texts).map(|at| text(item, at)).collect::<Vec<_>>())).collect()
}

/// What the server makes of a text.
fn vector(text: &str) -> Vec<f32> {
    vec![text.len() as f32, text.bytes().map(u32::from).sum::<u32>() as f32, 1.0]
}

#[tokio::test]
async fn every_item_has_its_vectors_at_half_the_price_and_after_a_restart() {
    for (model, texts, price) in MODELS {
        let place = Place::new(model).await;
        let asked = items(model, 4, texts);
        let first = place.client();
        let batch =
            first.batch_embed_as(id("v"), asked.clone()).await.unwrap_or_else(|error| panic!("{model}: {error}"));
        assert_eq!((batch.jobs.len(), batch.jobs[0].state), (1, JobState::Running), "{model}");
        assert_eq!(fates(&first).await, (0, 0, 4), "{model}: set aside before it is sent");
        drop((batch, first));
        let client = place.client();
        place.desk.finish(DeskEnd::Done, 4);
        place.desk.mess(Mess { reversed: true, ..Mess::default() });
        let mut batch = client.resume(&id("v")).await.unwrap();
        let collected = batch.collect().await.unwrap();
        assert_eq!((collected.answered(), collected.strange_lines), (4, 0), "{model}: {collected:?}");
        for (item, asked) in collected.items.iter().zip(&asked) {
            let want: Vec<Vec<f32>> = asked.inputs.iter().map(|text| vector(text)).collect();
            assert_eq!(item.vectors().unwrap(), want, "{model}");
            assert_eq!((item.cost.pico(), item.outcome.as_str()), (9 * price, "answered"), "{model}");
            assert!(item.reply().is_none());
        }
        assert_eq!(collected.cost.pico(), 4 * 9 * price, "{model}");
        for row in rows(&client).await {
            let Fate::Settled(settle) = &row.fate else { panic!("{row:?}") };
            assert_eq!(settle.basis, Basis::Reported, "{model}");
            assert!(settle.cost <= row.reserve.amount, "{model}: the bound held");
        }
        assert_eq!(batch.collect().await.unwrap(), collected, "{model}: collecting twice has one effect");
        check_books(&client, Rules::default()).await;
        let disk = place.bytes_on_disk();
        let holds = |word: &str| disk.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!holds("vectorprompt") && !holds(KEY), "{model}");
    }
}

#[tokio::test]
async fn what_is_wanted_is_said_in_each_vendors_words_at_its_own_address() {
    for (model, path, pointer) in [
        ("openai/text-embedding-3-small", "/v1/files", "\"url\":\"/v1/embeddings\""),
        ("openai/text-embedding-3-small", "/v1/batches", "\"endpoint\":\"/v1/embeddings\""),
        ("openai/text-embedding-3-small", "/v1/files", "\"dimensions\":256"),
        ("mistral/codestral-embed", "/v1/batch/jobs", "\"endpoint\":\"/v1/embeddings\""),
        ("mistral/codestral-embed", "/v1/files", "\"output_dimension\":256"),
        ("google/gemini-embedding-2", ":asyncBatchEmbedContent", "\"outputDimensionality\":256"),
        ("google/gemini-embedding-2", ":asyncBatchEmbedContent", "\"taskType\":\"RETRIEVAL_QUERY\""),
    ] {
        let place = Place::new(&format!("words-{model}")).await;
        let mut asked = items(model, 1, 1);
        (asked[0].dimensions, asked[0].purpose) = (Some(256), Some(EmbedUse::Query));
        place.client().batch_embed(asked).await.unwrap();
        let heard = place.server.heard();
        let sent = heard.iter().find(|one| one.path.ends_with(path)).unwrap_or_else(|| panic!("{model}: {path}"));
        let body = String::from_utf8_lossy(&sent.body);
        assert!(body.contains(pointer), "{model}: {body}");
    }
}

#[tokio::test]
async fn vendors_without_such_batches_are_refused_and_nothing_is_sent() {
    let place = Place::new("refused").await;
    let client = place.client();
    let refusal = async |asked: Vec<EmbedRequest>| match client.batch_embed(asked).await.unwrap_err() {
        Error::Batch(error) => *error,
        other => panic!("{other:?}"),
    };
    for model in
        ["cohere/embed-v4.0", "voyage/voyage-4", "ollama/nomic-embed-text", "bedrock/amazon.titan-embed-text-v2:0"]
    {
        let error = refusal(items(model, 1, 1)).await;
        let BatchError::Item { number: 0, error } = &error else { panic!("{model}: {error:?}") };
        let Error::Refused(_) = &**error else { panic!("{model}: {error:?}") };
        assert!(error.to_string().contains("batches"), "{model}: {error}");
    }
    let chat = refusal(items("openai/gpt-5-mini", 1, 1)).await;
    assert!(chat.to_string().contains("embeddings"), "{chat}");
    let two = refusal(items("google/gemini-embedding-001", 1, 2)).await;
    assert!(two.to_string().contains("takes 1: hand in several items"), "{two}");
    let many = refusal(items("mistral/mistral-embed", 1, 129)).await;
    assert!(many.to_string().contains("takes 128"), "{many}");
    let empty = refusal(vec![wanted("mistral/mistral-embed", &[])]).await;
    assert!(empty.to_string().contains("inputs"), "{empty}");
    assert!(matches!(refusal(Vec::new()).await, BatchError::Empty));
    assert_eq!((place.server.requests(), rows(&client).await.len()), (0, 0));
}

#[tokio::test]
async fn items_that_fail_expire_or_are_not_counted_are_settled_as_answers_are() {
    for (model, ..) in MODELS {
        let place = Place::new(&format!("fail-{model}")).await;
        let client = place.client();
        let one = |text: &str| wanted(model, &[text.to_owned()]);
        let asked = vec![one("a"), one("refuse this"), one("uncounted"), one("late")];
        let mut batch = client.batch_embed(asked).await.unwrap();
        place.desk.finish(DeskEnd::Expired, 3);
        let collected = batch.collect().await.unwrap();
        let outcomes: Vec<&str> = collected.items.iter().map(|item| item.outcome.as_str()).collect();
        assert_eq!(outcomes, ["answered", "failed", "answered", "expired"], "{model}");
        let ItemOutcome::Failed(error) = &collected.items[1].outcome else { panic!("{model}") };
        assert!(error.status.is_some_and(|status| status >= 400) && collected.items[1].cost.pico() == 0, "{model}");
        assert_eq!(fates(&client).await, (3, 1, 0), "{model}");
        let all = rows(&client).await;
        let estimated =
            all.iter().filter(|row| matches!(&row.fate, Fate::Settled(one) if one.basis == Basis::Estimate));
        assert!(estimated.count() >= 1, "{model}: what the vendor does not count is an estimate");
        check_books(&client, Rules::default()).await;
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_for_and_nothing_is_made_twice() {
    for (model, texts, _) in MODELS {
        let place = Place::new(&format!("lost-{model}")).await;
        let client = place.client();
        place.desk.trouble(Step::Create, [Trouble::LostAnswer]);
        let mut batch = client.batch_embed_as(id("v"), items(model, 2, texts)).await.unwrap();
        client.batch_embed_as(id("v"), items(model, 2, texts)).await.unwrap();
        batch.poll().await.unwrap();
        assert_eq!((place.desk.jobs(), batch.jobs[0].state), (1, JobState::Running), "{model}");
        place.desk.finish(DeskEnd::Done, 2);
        assert_eq!(batch.collect().await.unwrap().answered(), 2, "{model}");
    }
}
