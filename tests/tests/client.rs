//! The client from request to reply and account, on bad nights too: against scripted providers, without a socket.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::time::Duration;

use tierway::attempt::Rules;
use tierway::client::{Client, ClientBuilder};
use tierway::ledger::{Basis, Budget, Ending, Fate, Frame, Limit, Row, Rules as BookRules, Window};
use tierway::plan::Settings;
use tierway::policy::{LabelRule, Policy};
use tierway::request::ServiceTier;
use tierway::store::{MemoryStore, Store};
use tierway::testing::ScriptedProvider;
use tierway::testing::scripted::Turn;
use tierway::time::Span;
use tierway::{DataLabel, Delta, Error, Kind, Message, Part, ProviderError, Reply, Request, Retry};

#[path = "support/acme.rs"]
mod acme;

use acme::{answer, at, busy, easy, scripted};

/// A client whose two endpoints follow scripts, and its store.
struct World {
    client: Client,
    store: Arc<MemoryStore>,
    cheap: Arc<ScriptedProvider>,
    dear: Arc<ScriptedProvider>,
    rules: BookRules,
}

fn world(cheap: Vec<Turn>, dear: Vec<Turn>) -> World {
    world_with(cheap, dear, |builder| builder)
}

fn world_with(cheap: Vec<Turn>, dear: Vec<Turn>, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> World {
    let (cheap, dear) = (scripted("cheap", cheap), scripted("dear", dear));
    let store = Arc::new(MemoryStore::default());
    let rules = Rules { backoff: Span::from_ms(2), backoff_max: Span::from_ms(4), ..Rules::default() };
    let catalog = acme::catalog(&["cheap"], "dear", "chat_completions");
    let builder = Client::builder().catalog(catalog).rules(rules).store(store.clone());
    let builder = at(at(builder, "cheap", &cheap), "dear", &dear);
    World { client: change(builder).build().unwrap(), store, cheap, dear, rules: BookRules::default() }
}

impl World {
    async fn rows(&self) -> Vec<Row> {
        acme::rows(&self.store).await
    }

    async fn check_books(&self) {
        acme::check_books(&self.store, &self.rules).await;
    }
}

#[tokio::test]
async fn an_easy_question_goes_to_the_cheap_model_at_its_exact_cost() {
    let world = world(vec![answer("Paris.", 1_000, 500)], vec![]);
    let response = world.client.send(&easy()).await.unwrap();
    assert_eq!(response.text(), "Paris.");
    assert_eq!(response.route.model.as_str(), "acme/mini");
    assert_eq!(response.cost.to_string(), "0.002");
    assert_eq!(response.baseline_cost.unwrap().to_string(), "0.02");
    assert_eq!(response.saved.to_string(), "0.018");
    let rows = world.rows().await;
    assert_eq!(rows.len(), 1);
    let Fate::Settled(settle) = &rows[0].fate else { panic!("{rows:?}") };
    assert_eq!((settle.basis, settle.ending), (Basis::Reported, Ending::Answered));
    assert!(settle.cost <= rows[0].reserve.amount);
    world.check_books().await;
}

#[tokio::test]
async fn a_call_of_its_own_never_gets_the_price_of_a_batch() {
    let world = world(vec![answer("no", 10, 1)], Vec::new());
    let mut draft = easy().to_draft();
    draft.service_tier = Some(ServiceTier::Batch);
    let request = Request::try_from(draft).unwrap();
    let whole = world.client.send(&request).await.unwrap_err();
    let streamed = world.client.stream(&request).await.unwrap_err();
    for error in [whole, streamed] {
        assert_eq!(error.code(), "invalid_request");
        assert!(error.to_string().contains("Client::batch"), "{error}");
    }
    assert!(world.rows().await.is_empty());
}

#[tokio::test]
async fn a_failure_is_retried_and_every_attempt_is_in_the_account() {
    let world = world(vec![busy(), busy(), answer("Paris.", 10, 5)], vec![]);
    let response = world.client.send(&easy()).await.unwrap();
    let outcomes: Vec<&str> = response.route.attempts.iter().map(|line| line.outcome.as_str()).collect();
    assert_eq!(outcomes, ["overloaded", "overloaded", "answered"]);
    assert_eq!(world.rows().await.len(), 3);
    assert_eq!(response.cost.to_string(), "0.00002");
    world.check_books().await;
}

#[tokio::test]
async fn when_one_endpoint_is_down_the_other_stands_in() {
    let down = || Turn::Fail(ProviderError::new(Kind::Connect, Retry::Here(None), "refused").unsent());
    let world = world(vec![down(), down(), down()], vec![answer("Paris.", 10, 5)]);
    let response = world.client.send(&easy()).await.unwrap();
    assert_eq!(response.route.model.as_str(), "acme/grand");
    let voided = world.rows().await.iter().filter(|row| matches!(row.fate, Fate::Voided(_))).count();
    assert_eq!(voided, 3, "nothing was sent to the first");
    world.check_books().await;
}

#[tokio::test]
async fn when_all_fail_the_error_says_what_was_tried() {
    let key = || Turn::Fail(ProviderError::new(Kind::Auth, Retry::Elsewhere, "bad key").with_status(401));
    let world = world(vec![key()], vec![key()]);
    let error = world.client.send(&easy()).await.unwrap_err();
    assert_eq!((error.code(), error.status(), error.provider()), ("auth", Some(401), Some("dear")));
    assert!(error.to_string().contains("check the key"), "{error}");
    world.check_books().await;
}

#[tokio::test]
async fn a_stream_delivers_pieces_and_then_the_account() {
    let world = world(vec![answer("Paris is it.", 1_000, 500)], vec![]);
    let mut stream = world.client.stream(&easy()).await.unwrap();
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        if let Delta::Text { text: piece, .. } = delta.unwrap() {
            text += &piece;
        }
    }
    assert_eq!(text, "Paris is it.");
    let response = stream.response().unwrap();
    assert_eq!((response.cost.to_string(), response.text()), ("0.002".to_owned(), text));
    world.check_books().await;
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_piece_is_replaced_unseen() {
    let broken = || Turn::Break {
        reply: Reply { parts: vec![Part::text("Par")], ..Reply::default() },
        pieces: 1, // the start alone
        error: ProviderError::new(Kind::Network, Retry::Here(None), "reset"),
    };
    let world = world(vec![broken(), broken(), broken()], vec![answer("Paris.", 10, 5)]);
    let response = world.client.stream(&easy()).await.unwrap().finish().await.unwrap();
    assert_eq!((response.text().as_str(), response.route.model.as_str()), ("Paris.", "acme/grand"));
    world.check_books().await;
}

#[tokio::test]
async fn a_stream_that_breaks_later_keeps_what_came_and_is_charged_for_it() {
    let broken = Turn::Break {
        reply: Reply { parts: vec![Part::text("word ".repeat(40)), Part::text("more")], ..Reply::default() },
        pieces: 20,
        error: ProviderError::new(Kind::Network, Retry::Here(None), "reset"),
    };
    let world = world(vec![broken], vec![answer("never asked", 1, 1)]);
    let mut stream = world.client.stream(&easy()).await.unwrap();
    let mut last = None;
    while let Some(delta) = stream.next().await {
        last = Some(delta);
    }
    let Some(Err(Error::Incomplete(error))) = last else { panic!("{last:?}") };
    assert!(error.partial.unwrap().text().starts_with("word "));
    assert!(world.dear.asked().is_empty(), "nothing stands in after the first piece");
    let rows = world.rows().await;
    let Fate::Settled(settle) = &rows[0].fate else { panic!("{rows:?}") };
    assert_eq!((settle.basis, settle.ending), (Basis::Estimate, Ending::Cut));
    assert!(settle.usage.output.unwrap() > 0 && settle.cost <= rows[0].reserve.amount);
    world.check_books().await;
}

#[tokio::test]
async fn a_dropped_stream_and_a_dropped_call_settle_what_was_delivered() {
    let long = Turn::Break {
        reply: Reply { parts: vec![Part::text("word ".repeat(40)), Part::text("more")], ..Reply::default() },
        pieces: 20,
        error: ProviderError::new(Kind::Network, Retry::Here(None), "reset"),
    };
    let world = world(vec![long, Turn::Hang], vec![]);
    let mut stream = world.client.stream(&easy()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    let request = easy();
    let call = tokio::time::timeout(Duration::from_millis(20), world.client.send(&request));
    assert!(call.await.is_err());
    let endings: Vec<Ending> = world
        .rows()
        .await
        .iter()
        .map(|row| match &row.fate {
            Fate::Settled(settle) => settle.ending,
            fate => panic!("{fate:?}"),
        })
        .collect();
    assert_eq!(endings, [Ending::Cancelled, Ending::Cancelled]);
    world.check_books().await;
}

#[tokio::test]
async fn policy_is_a_wall_on_every_path() {
    let label = DataLabel::new("customer-pii").unwrap();
    let mut policy = Policy::default();
    let eu = LabelRule { regions: Some(["eu".parse().unwrap()].into()), ..LabelRule::default() };
    policy.labels.insert(label.clone(), eu);
    let busy_eu = vec![busy(), busy(), busy()];
    let world = world_with(vec![answer("leaked", 1, 1)], busy_eu, |builder| builder.policy(policy));
    let request = Request::builder().message(Message::user("Anna's address?")).label(label).build().unwrap();
    assert!(world.client.send(&request).await.is_err());
    assert!(world.cheap.asked().is_empty(), "the cheap endpoint is outside the EU");
    assert_eq!(world.dear.asked().len(), 3);

    let other = DataLabel::new("health").unwrap();
    let request = Request::builder().message(Message::user("x")).label(other).build().unwrap();
    let error = world.client.send(&request).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert!(error.to_string().contains("sensitivity"), "{error}");
    world.check_books().await;
}

#[tokio::test]
async fn a_budget_holds_before_anything_is_sent() {
    let mut world = world(vec![answer("Paris.", 10, 5)], vec![answer("Paris.", 10, 5)]);
    let limit = Limit::Money("0.001".parse().unwrap());
    let budget = Budget::new("team", limit, Window::new(Frame::Total, "UTC").unwrap());
    world.rules = BookRules::new(vec![budget], vec![]).unwrap();
    world.store.set_rules(world.rules.clone()).await.unwrap();
    let error = world.client.send(&easy()).await.unwrap_err();
    assert!(matches!(error, Error::OverBudget(_) | Error::Refused(_)), "{error}");
    assert!(error.to_string().contains("team"), "{error}");
    assert!(world.cheap.asked().is_empty() && world.dear.asked().is_empty());
    let small = Request::builder().message(Message::user("Hi")).max_tokens(50).build().unwrap();
    assert_eq!(world.client.send(&small).await.unwrap().text(), "Paris.");
    world.check_books().await;
}

#[tokio::test]
async fn an_answer_that_is_not_the_json_asked_for_is_asked_of_a_better_model() {
    let world =
        world_with(vec![answer("Sure! Here you go", 10, 5)], vec![answer("{\"city\": \"Paris\"}", 10, 5)], |builder| {
            builder.check_wellformed().settings(Settings { quality: 0.1, ..Settings::default() })
        });
    let format = tierway::request::ResponseFormat::JsonObject;
    let request =
        Request::builder().message(Message::user("Capital of France as JSON")).format(format).build().unwrap();
    let response = world.client.send(&request).await.unwrap();
    assert_eq!(response.route.model.as_str(), "acme/grand");
    assert_eq!(response.cost.to_string(), "0.00022", "both attempts are billed");
    let aims: Vec<&str> = response.route.attempts.iter().map(|line| line.aim).collect();
    assert_eq!(aims, ["first", "escalation"]);
    world.check_books().await;
}

#[tokio::test]
async fn an_unknown_model_is_named_with_its_neighbours() {
    let world = world(vec![], vec![]);
    let draft = tierway::RequestDraft {
        messages: vec![Message::user("hi")],
        model: tierway::request::ModelChoice::Only("acme/minni".parse().unwrap()),
        ..Default::default()
    };
    let error = world.client.send(&draft.try_into().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("did you mean acme/mini"), "{error}");
}

#[tokio::test]
async fn the_same_request_gives_the_same_plan() {
    let world = world(vec![], vec![]);
    let plan = |client: &Client| serde_json::to_value(client.route(&easy()).unwrap().explain()).unwrap();
    let mut first = plan(&world.client);
    let mut again = plan(&world.client);
    first["at"] = 0.into();
    again["at"] = 0.into();
    assert_eq!(first, again);
}

#[test]
fn without_an_async_runtime() {
    let world = world(vec![answer("Paris.", 10, 5)], vec![]);
    let client = tierway::client::blocking::Client::new(world.client.clone()).unwrap();
    assert_eq!(client.send(&easy()).unwrap().text(), "Paris.");
    let mut stream = client.stream(&easy()).unwrap();
    assert!(stream.by_ref().all(|delta| delta.is_ok()));
    assert_eq!(stream.response().unwrap().text(), "Paris.");
    client.close().unwrap();
    assert_eq!(client.send(&easy()).unwrap_err().code(), "ledger");
}
