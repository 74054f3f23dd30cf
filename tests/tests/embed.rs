//! Embeddings of every vendor that makes them, from request to vectors and account, over loopback.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use tierway::attempt::Rules;
use tierway::catalog::Catalog;
use tierway::client::{Client, ClientBuilder, EmbedRequest};
use tierway::ledger::{Basis, Budget, Fate, Frame, Limit, Row, Rules as BookRules, Window};
use tierway::policy::{List, Policy};
use tierway::secrets::Secret;
use tierway::store::{MemoryStore, Page};
use tierway::testing::server::{Answer, Ending, Fault, Heard, Script, Server};
use tierway::time::Span;
use tierway::wire::embeddings::EmbedUse;
use tierway::{Error, ModelId, Request, Usage};

const KEY: &str = "canary-key-16180339";

fn builder(server: &Server) -> ClientBuilder {
    let catalog = Catalog::builtin();
    let rules = Rules { backoff: Span::from_ms(2), backoff_max: Span::from_ms(4), ..Rules::default() };
    let mut builder = Client::builder().rules(rules);
    for endpoint in catalog.endpoints() {
        let url = server.in_place_of(endpoint.id.as_str(), &endpoint.base_url);
        let key =
            if matches!(endpoint.auth, tierway::model::Auth::Sigv4(_)) { "AKIDEXAMPLE:secretsecret" } else { KEY };
        builder = builder.base_url(endpoint.id.clone(), url).key(endpoint.id.clone(), Secret::new(key).unwrap());
    }
    builder
}

struct World {
    server: Server,
    client: Client,
}

async fn world(script: impl Script) -> World {
    let server = Server::start(script).await.unwrap();
    let client = builder(&server).build().unwrap();
    World { server, client }
}

fn ask(model: &str, texts: &[&str]) -> EmbedRequest {
    EmbedRequest::new(ModelId::new(model).unwrap(), texts.iter().copied())
}

/// What the server makes of a text.
fn vector(text: &str) -> Vec<f32> {
    vec![text.len() as f32, text.bytes().map(u32::from).sum::<u32>() as f32, 1.0]
}

async fn rows(client: &Client) -> Vec<Row> {
    client.store().rows(Page::default()).await.unwrap()
}

fn counted(tokens: u64) -> Answer {
    Answer::text("vectors").with_usage(Usage { input: Some(tokens), ..Usage::default() })
}

const TEXTS: [&str; 3] = ["Where does the fox rest?", "Größe 12 µm", "漢字とかな"];

#[tokio::test]
async fn every_vendor_makes_a_vector_of_each_text_at_its_exact_price() {
    // Nine tokens a call, and the price of a million in millionths of a dollar.
    for (model, calls, price) in [
        ("openai/text-embedding-3-small", 1, 20_000),
        ("mistral/mistral-embed", 1, 100_000),
        ("cohere/embed-v4.0", 1, 120_000),
        ("google/gemini-embedding-001", 1, 150_000),
        ("voyage/voyage-4", 1, 60_000),
        ("ollama/nomic-embed-text", 1, 0),
        ("bedrock/amazon.titan-embed-text-v2:0", 3, 20_000),
    ] {
        let world = world(counted(9)).await;
        let mut request = ask(model, &TEXTS);
        request.purpose = Some(EmbedUse::Query);
        let made = world.client.embed(&request).await.unwrap_or_else(|error| panic!("{model}: {error}"));
        assert_eq!(made.vectors, TEXTS.map(vector), "{model}");
        assert_eq!((made.calls, made.usage.input), (calls, Some(9 * calls as u64)), "{model}");
        assert_eq!(made.cost.pico(), 9 * calls as i64 * price, "{model}");
        let rows = rows(&world.client).await;
        assert_eq!(rows.len(), calls, "{model}");
        for row in rows {
            let Fate::Settled(settle) = &row.fate else { panic!("{row:?}") };
            assert_eq!(settle.basis, Basis::Reported, "{model}");
            assert!(settle.cost <= row.reserve.amount, "{model}: the bound held");
        }
        let heard = world.server.heard();
        assert!(heard.iter().all(|one| !one.path.contains(KEY)), "{model}");
        let dims = heard[0].json();
        assert!(dims.get("dimensions").is_none() && dims.get("output_dimension").is_none(), "{model}: nobody asked");
    }
}

#[tokio::test]
async fn vectors_of_a_wanted_length_are_asked_for_in_each_vendors_words() {
    for (model, pointer) in [
        ("openai/text-embedding-3-small", "/dimensions"),
        ("mistral/codestral-embed", "/output_dimension"),
        ("cohere/embed-v4.0", "/output_dimension"),
        ("google/gemini-embedding-2", "/requests/0/outputDimensionality"),
        ("voyage/voyage-4", "/output_dimension"),
        ("ollama/nomic-embed-text", "/dimensions"),
        ("bedrock/amazon.titan-embed-text-v2:0", "/dimensions"),
    ] {
        let world = world(counted(3)).await;
        let mut request = ask(model, &["one"]);
        request.dimensions = Some(256);
        world.client.embed(&request).await.unwrap();
        assert_eq!(world.server.heard()[0].json().pointer(pointer), Some(&256.into()), "{model}");
    }
}

#[tokio::test]
async fn many_texts_are_several_calls_and_keep_their_order() {
    let world = world(counted(300)).await;
    let texts: Vec<String> = (0..200).map(|at| "x".repeat(at + 1)).collect();
    let request = EmbedRequest::new(ModelId::new("cohere/embed-v4.0").unwrap(), texts.clone());
    let made = world.client.embed(&request).await.unwrap();
    assert_eq!(made.vectors, texts.iter().map(|text| vector(text)).collect::<Vec<_>>());
    // 96 at a time.
    assert_eq!((made.calls, made.usage.input, world.server.requests()), (3, Some(900), 3));
    assert_eq!(rows(&world.client).await.len(), 3);
}

#[tokio::test]
async fn the_same_family_at_another_vendor_stands_in() {
    let script = |heard: &Heard| match heard.endpoint.as_str() {
        "cohere-embeddings" => Answer::failing(Fault::Status { status: 503, retry_after: None, message: None }),
        _ => counted(9),
    };
    let world = world(script).await;
    let made = world.client.embed(&ask("cohere/embed-english-v3.0", &TEXTS)).await.unwrap();
    assert_eq!((made.endpoint.as_str(), made.vectors.len()), ("bedrock-cohere-embed", 3));
    assert_eq!(made.usage.input, Some(9), "Bedrock's count stands in a header");
    assert!(rows(&world.client).await.iter().all(|row| !matches!(row.fate, Fate::Open)));
    let signed =
        world.server.heard().iter().any(|one| one.header("authorization").is_some_and(|it| it.starts_with("AWS4")));
    assert!(signed);
}

#[tokio::test]
async fn what_the_vendor_does_not_count_is_an_estimate() {
    let world = world(Answer::text("vectors").with_usage(Usage::default())).await;
    let made = world.client.embed(&ask("google/gemini-embedding-001", &TEXTS)).await.unwrap();
    assert!(made.usage.input.is_none() && made.cost.pico() > 0);
    let Fate::Settled(settle) = &rows(&world.client).await[0].fate else { panic!("it is settled") };
    assert_eq!(settle.basis, Basis::Estimate);
}

#[tokio::test]
async fn policy_budgets_and_kinds_of_models_hold() {
    let server = Server::start(counted(9)).await.unwrap();
    let policy = Policy {
        regions: List { allow: Some(["eu".parse().unwrap()].into()), ..List::default() },
        ..Policy::default()
    };
    let client = builder(&server).policy(policy).build().unwrap();
    let refused = client.embed(&ask("openai/text-embedding-3-small", &TEXTS)).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(_)), "{refused}");
    assert!(client.embed(&ask("mistral/mistral-embed", &TEXTS)).await.is_ok(), "it is in the European Union");
    let open = builder(&server).build().unwrap();
    let chat = open.embed(&ask("openai/gpt-5-mini", &TEXTS)).await.unwrap_err();
    assert!(chat.to_string().contains("embeddings"), "{chat}");
    let request = Request::builder().message(tierway::Message::user("hello"));
    let request = request.model(ModelId::new("openai/text-embedding-3-small").unwrap()).build().unwrap();
    assert!(matches!(open.send(&request).await.unwrap_err(), Error::Refused(_)), "it makes no answers");
    let long = "word ".repeat(20_000);
    let long = open.embed(&ask("openai/text-embedding-3-small", &[&long])).await.unwrap_err();
    assert!(long.to_string().contains("window"), "{long}");
    for (request, field) in
        [(ask("openai/text-embedding-3-small", &[]), "inputs"), (ask("voyage/voyage-4", &["a", " "]), "inputs[1]")]
    {
        let Error::Request(error) = open.embed(&request).await.unwrap_err() else { panic!("{field}") };
        assert_eq!(error.field, field);
    }
    let heard = server.requests();
    let budget = Budget::new("tight", Limit::Money("0.0000001".parse().unwrap()), Window::utc(Frame::Total));
    let store = Arc::new(MemoryStore::new(BookRules::new(vec![budget], Vec::new()).unwrap()));
    let poor = builder(&server).store(store).build().unwrap();
    let over = poor.embed(&ask("openai/text-embedding-3-large", &TEXTS)).await.unwrap_err();
    assert!(matches!(over, Error::OverBudget(_) | Error::Refused(_)), "{over:?}");
    assert_eq!(server.requests(), heard, "nothing was sent");
}

#[tokio::test]
async fn whatever_goes_wrong_is_a_typed_error_and_nothing_stays_held() {
    let cut = |after_bytes| Fault::Cut { after_bytes, ending: Ending::Close };
    let status = |status| Fault::Status { status, retry_after: None, message: None };
    let cases: Vec<(Fault, &[&str])> = vec![
        (status(400), &["invalid"]),
        (status(401), &["auth"]),
        (status(404), &["not_found"]),
        (status(429), &["rate_limited"]),
        (status(500), &["server"]),
        (status(529), &["overloaded"]),
        (Fault::HangUp, &["network"]),
        (Fault::Reset, &["network"]),
        (Fault::BadJson, &["protocol"]),
        (cut(40), &["network", "protocol"]),
        (cut(0), &["network", "protocol"]),
        (Fault::GzipBomb { bytes: 24 << 20 }, &["reply_too_large", "protocol"]),
    ];
    for model in
        ["openai/text-embedding-3-small", "cohere/embed-v4.0", "google/gemini-embedding-001", "ollama/nomic-embed-text"]
    {
        for (fault, codes) in &cases {
            let world = world(Answer::failing(fault.clone())).await;
            let error = world.client.embed(&ask(model, &["secretprompt"])).await.unwrap_err();
            assert!(codes.contains(&error.code()), "{model} {fault:?}: {} {error}", error.code());
            let said = format!("{error} {error:?}");
            assert!(!said.contains(KEY) && !said.contains("secretprompt"), "{model} {fault:?}: {said}");
            let rows = rows(&world.client).await;
            assert!(rows.iter().all(|row| !matches!(row.fate, Fate::Open)), "{model} {fault:?}");
        }
    }
}
