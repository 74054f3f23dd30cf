//! Marks of answers through the live client: they move later decisions, outlive the client, and are taken once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use tierway::client::{Client, FeedbackError};
use tierway::learn::Experience;
use tierway::store::MemoryStore;
use tierway::{Error, Response};

#[path = "support/acme.rs"]
mod acme;

use acme::{answer, at, easy, scripted};

const CALLS: usize = 60;

fn client(store: &Arc<MemoryStore>) -> Client {
    let answers = || (0..CALLS + 2).map(|_| answer("Paris.", 100, 50)).collect();
    let builder = Client::builder().catalog(acme::catalog(&["cheap"], "dear", "chat_completions"));
    let builder = at(builder.store(store.clone()), "cheap", &scripted("cheap", answers()));
    at(builder, "dear", &scripted("dear", answers())).build().unwrap()
}

fn model(response: &Result<Response, Error>) -> &str {
    response.as_ref().unwrap().route.model.as_str()
}

/// Sends easy questions and marks each answer; the models that answered.
async fn marked(client: &Client, mark: f64) -> Vec<String> {
    let mut models = Vec::new();
    for _ in 0..CALLS {
        let response = client.send(&easy()).await;
        models.push(model(&response).to_owned());
        client.feedback(&response.unwrap().id, mark).await.unwrap();
    }
    models
}

#[tokio::test]
async fn bad_marks_move_traffic_away_and_outlive_the_client() {
    let store = Arc::new(MemoryStore::default());
    let first = client(&store);
    let models = marked(&first, 0.0).await;
    assert_eq!(models[0], "acme/mini");
    assert!(models.contains(&"acme/grand".to_owned()), "{models:?}");
    // Another client on the same ledger begins where the first one is.
    let second = client(&store);
    assert_eq!(second.experience().await, first.experience().await);
    let plain = client(&Arc::new(MemoryStore::default()));
    let p_good = |client: &Client| client.route(&easy()).unwrap();
    let of_mini = |plan: &tierway::plan::Plan| {
        plan.candidates().iter().find(|one| one.model().as_str() == "acme/mini").map(|one| one.p_good)
    };
    let (before, after) = (of_mini(&p_good(&plain)).unwrap(), of_mini(&p_good(&second)));
    assert!(after.is_none_or(|after| after < before - 0.2), "{before} {after:?}");
    // Forgotten, it decides as at first; taken elsewhere, it decides as here.
    let learnt = (*second.experience().await).clone();
    second.set_experience(Experience::default()).await.unwrap();
    assert_eq!(of_mini(&p_good(&second)), Some(before));
    let text = serde_json::to_string(&learnt).unwrap();
    assert!(!text.contains("capital") && !text.contains("Paris"), "no text is kept");
    plain.set_experience(serde_json::from_str(&text).unwrap()).await.unwrap();
    assert_eq!(of_mini(&p_good(&plain)), after);
}

#[tokio::test]
async fn good_marks_leave_the_cheap_model_where_it_is() {
    let client = client(&Arc::new(MemoryStore::default()));
    assert!(marked(&client, 1.0).await.iter().all(|model| model == "acme/mini"));
}

#[tokio::test]
async fn a_mark_is_taken_once_and_only_for_an_answer() {
    let client = client(&Arc::new(MemoryStore::default()));
    let id = client.send(&easy()).await.unwrap().id;
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(client.feedback(&id, bad).await, Err(FeedbackError::BadMark(_))));
    }
    client.feedback(&id, 1.0).await.unwrap();
    assert_eq!(client.feedback(&id, 0.0).await, Err(FeedbackError::Unknown { id: id.clone() }));
    assert_eq!(client.experience().await.marks(&"acme/mini".parse().unwrap()), 1.0);
    let mut stream = client.stream(&easy()).await.unwrap();
    while let Some(delta) = stream.next().await {
        delta.unwrap();
    }
    let id = stream.response().unwrap().id.clone();
    client.feedback(&id, 0.5).await.unwrap();
}
