//! Marks of answers through the live client: they move later decisions, outlive the client, and are taken once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use serde_json::{Value, json};
use tierway::client::{Client, FeedbackError};
use tierway::learn::Experience;
use tierway::store::MemoryStore;
use tierway::{Error, Response};
use tierway_bindings::{Handle, Host};

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

/// The face that all bindings call: marks, what was learnt, and refusals as codes.
#[tokio::test]
async fn marks_go_through_the_face_of_the_bindings() {
    let rows = json!({"vendor": "house",
        "endpoints": [{"id": "house", "api": "chat_completions", "base_url": "http://localhost/v1", "region": "us", "auth": "bearer"}],
        "models": [{"id": "house/small", "family": "small", "tier": "economy", "context_window": 65_536, "max_output": 4_096,
            "source": "made up", "date": "2026-01-01", "prices": [{"rates": {"input": "1", "output": "4"}}]}]});
    let settings = json!({"keys": {"house": "sk-x"}, "catalog": {"only_files": true}, "rows": [rows],
        "testing": {"providers": {"house": [{"answer": {"text": "Paris.", "usage": {"input": 9, "output": 2}}}]}}});
    let handle = Handle::new(&settings.to_string(), Host::default()).unwrap();
    let body = json!({"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 50});
    let answer: Value = serde_json::from_str(&handle.chat(&body.to_string()).await.unwrap()).unwrap();
    let mark = |id: &Value, mark: Value| json!({"id": id, "mark": mark}).to_string();
    let id = &answer["tierway"]["id"];
    for (wrong, field) in [(json!(1.5), "mark"), (json!(-1), "mark"), (json!("good"), "feedback")] {
        let refused = handle.feedback(&mark(id, wrong)).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.field.as_deref()), ("invalid_request", Some(field)));
    }
    handle.feedback(&mark(id, json!(1))).await.unwrap();
    assert_eq!(handle.feedback(&mark(id, json!(1))).await.unwrap_err().code, "unknown_answer");
    assert_eq!(handle.feedback(&mark(&json!("n o n e"), json!(1))).await.unwrap_err().field.as_deref(), Some("id"));
    let learnt = handle.experience().await;
    assert!(learnt.contains("house/small") && !learnt.contains("Paris"), "{learnt}");
    handle.set_experience("null").await.unwrap();
    assert!(!handle.experience().await.contains("house/small"));
    handle.set_experience(&learnt).await.unwrap();
    // A number that is read and written again may move its last digit.
    let marks = |text: &str| serde_json::from_str::<Value>(text).unwrap()["overall"]["house/small"]["marks"].clone();
    assert_eq!(marks(&handle.experience().await), marks(&learnt));
    assert_eq!(handle.set_experience("[]").await.unwrap_err().code, "invalid_request");
}
