//! What each batch API is sent and what is read of it, as documented; and ids that lead elsewhere.

use serde_json::{Value, json};

use super::*;

fn items() -> Vec<Item> {
    let body = |text: &str| json!({"model": "m", "stream": false, "q": text}).to_string().into_bytes();
    vec![Item { key: "b-0".into(), body: body("one") }, Item { key: "b-1".into(), body: body("two") }]
}

fn with_ask<T>(api: Api, work: impl FnOnce(&JobAsk<'_>) -> T) -> T {
    let (items, headers) = (items(), [header("anthropic-beta", "x")]);
    work(&JobAsk { mark: "b.0", model: "m", api, headers: &headers, items: &items })
}

fn body_of(over: &HandOver) -> Value {
    serde_json::from_slice(&over.body).unwrap()
}

fn read(api: BatchApi, body: &Value) -> Result<Job, ProviderError> {
    let body = body.to_string();
    for_batch(api).job(HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() })
}

#[test]
fn openai_takes_a_file_and_a_batch_of_it() {
    let wire = for_batch(BatchApi::Openai);
    let upload = with_ask(Api::ChatCompletions, |ask| wire.upload(ask).unwrap());
    let text = String::from_utf8(upload.body.clone()).unwrap();
    let line = r#"{"custom_id":"b-0","method":"POST","url":"/v1/chat/completions","body":{"model":"m","q":"one"}}"#;
    assert!(
        text.contains("name=\"purpose\"\r\n\r\nbatch\r\n") && text.contains(&format!("\r\n\r\n{line}\n")),
        "{text}"
    );
    let create = with_ask(Api::Responses, |ask| wire.create(ask, Some("file-1")));
    let wanted = json!({"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h",
        "metadata": {"tierway": "b.0"}});
    assert_eq!((create.url("https://h/v1"), body_of(&create)), ("https://h/v1/batches".to_owned(), wanted));
    let job = read(
        BatchApi::Openai,
        &json!({"id": "batch_1", "status": "expired", "metadata": {"tierway": "b.0"},
        "created_at": 7, "request_counts": {"total": 3, "completed": 1, "failed": 2}, "output_file_id": "o", "error_file_id": null}),
    );
    let job = job.unwrap();
    assert_eq!(
        (job.stage, job.mark.as_deref(), job.answered, job.failed),
        (Stage::Expired, Some("b.0"), Some(1), Some(2))
    );
    assert_eq!(wire.results(&job).unwrap()[0].url("https://h/v1"), "https://h/v1/files/o/content");
}

#[test]
fn anthropic_takes_all_in_one_body() {
    let wire = for_batch(BatchApi::Anthropic);
    assert!(with_ask(Api::Messages, |ask| wire.upload(ask)).is_none());
    let create = with_ask(Api::Messages, |ask| wire.create(ask, None));
    assert_eq!(body_of(&create)["requests"][1], json!({"custom_id": "b-1", "params": {"model": "m", "q": "two"}}));
    assert!(create.headers.contains(&header("anthropic-beta", "x")));
    let job = read(
        BatchApi::Anthropic,
        &json!({"id": "msgbatch_1", "processing_status": "ended", "results_url":
        "https://elsewhere.example/steal", "created_at": "2026-09-21T14:13:20Z", "cancel_initiated_at": null,
        "request_counts": {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 1}}),
    );
    let job = job.unwrap();
    assert_eq!((job.stage, job.total, job.answered, job.failed), (Stage::Expired, Some(3), Some(1), Some(2)));
    assert_eq!(job.made_at.unwrap().ms(), 1_790_000_000_000);
    let results = wire.results(&job).unwrap();
    assert_eq!(results[0].url("https://h/v1"), "https://h/v1/messages/batches/msgbatch_1/results");
}

#[test]
fn gemini_takes_a_body_or_a_file() {
    let wire = for_batch(BatchApi::Gemini);
    let create = with_ask(Api::GenerateContent, |ask| wire.create(ask, None));
    assert_eq!(create.url("https://h/v1beta"), "https://h/v1beta/models/m:batchGenerateContent");
    let one = &body_of(&create)["batch"]["inputConfig"]["requests"]["requests"][0];
    assert_eq!(one["metadata"], json!({"key": "b-0"}));
    let big = vec![Item { key: "b-0".into(), body: vec![b' '; 19_000_000] }];
    let ask = JobAsk { mark: "b.0", model: "m", api: Api::GenerateContent, headers: &[], items: &big };
    assert_eq!(
        wire.upload(&ask).unwrap().url("https://h/v1beta"),
        "https://h/upload/v1beta/files?uploadType=multipart"
    );
    let file = body_of(&wire.create(&ask, Some("files/f")));
    assert_eq!(file["batch"]["inputConfig"], json!({"fileName": "files/f"}));
    let job = read(
        BatchApi::Gemini,
        &json!({"name": "batches/1", "done": true, "metadata": {"state": "BATCH_STATE_SUCCEEDED",
        "displayName": "b.0", "batchStats": {"requestCount": "2", "successfulRequestCount": "2"}},
        "response": {"responsesFile": "files/r"}}),
    );
    let job = job.unwrap();
    assert_eq!((job.stage, job.total, job.mark.as_deref()), (Stage::Done, Some(2), Some("b.0")));
    assert_eq!(
        wire.results(&job).unwrap()[0].url("https://h/v1beta"),
        "https://h/download/v1beta/files/r:download?alt=media"
    );
    let result = wire
        .result(&json!({"key": "b-1", "error": {"code": 8, "message": "exhausted", "status": "RESOURCE_EXHAUSTED"}}));
    let Fate::Failed(error) = result.unwrap().fate else { panic!("an error is one") };
    assert_eq!((error.kind, error.status), (Kind::RateLimited, Some(400)));
}

#[test]
fn mistral_takes_a_file_and_a_job_for_one_model() {
    let wire = for_batch(BatchApi::Mistral);
    let upload = with_ask(Api::ChatCompletions, |ask| wire.upload(ask).unwrap());
    assert!(String::from_utf8(upload.body).unwrap().contains(r#"{"custom_id":"b-1","body":{"q":"two"}}"#));
    let create = body_of(&with_ask(Api::ChatCompletions, |ask| wire.create(ask, Some("f"))));
    assert_eq!((&create["input_files"], &create["model"]), (&json!(["f"]), &json!("m")));
    let page =
        json!({"data": (0..100).map(|at| json!({"id": format!("j{at}"), "status": "RUNNING"})).collect::<Vec<_>>()});
    let page = page.to_string();
    let response = HttpResponse { status: 200, headers: Headers::NONE, body: page.as_bytes() };
    assert_eq!(wire.listed(response, Some("4")).unwrap().next.as_deref(), Some("5"));
    assert_eq!(wire.list(Some("5")).url("https://h/v1"), "https://h/v1/batch/jobs?page_size=100&page=5");
}

#[test]
fn ids_that_lead_elsewhere_are_refused() {
    for id in ["", "../x", "a//b", "/abs", "a?b", "a#b", "a b", "a\\b", "a@b", "a%2e"] {
        for (api, body) in [
            (BatchApi::Openai, json!({"id": id, "status": "completed"})),
            (BatchApi::Openai, json!({"id": "b", "status": "completed", "output_file_id": id})),
            (BatchApi::Anthropic, json!({"id": id, "processing_status": "ended"})),
            (BatchApi::Gemini, json!({"name": id})),
            (BatchApi::Mistral, json!({"id": id, "status": "SUCCESS"})),
        ] {
            assert_eq!(read(api, &body).unwrap_err().kind, Kind::Protocol, "{api:?} {body}");
        }
    }
}

#[test]
fn a_vendors_refusal_is_its_error_and_nonsense_is_none_of_it() {
    for api in BatchApi::ALL {
        let wire = for_batch(api);
        let limited =
            HttpResponse { status: 429, headers: Headers::NONE, body: br#"{"error": {"message": "slow down"}}"# };
        assert_eq!(wire.job(limited).unwrap_err().kind, Kind::RateLimited);
        assert_eq!(wire.uploaded(limited).unwrap_err().kind, Kind::RateLimited);
        for body in ["", "[]", "{}", "<html>", "3"] {
            let response = HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() };
            assert_eq!(wire.job(response).unwrap_err().kind, Kind::Protocol, "{api:?} {body}");
        }
        for line in
            [json!({}), json!(3), json!({"custom_id": "x"}), json!({"custom_id": "x", "result": {"type": "new"}})]
        {
            assert_eq!(wire.result(&line).unwrap_err().kind, Kind::Protocol, "{api:?} {line}");
        }
    }
}

#[test]
fn vectors_are_asked_for_at_their_own_address() {
    let body =
        |api: BatchApi, file: Option<&str>| body_of(&with_ask(Api::Embeddings, |ask| for_batch(api).create(ask, file)));
    assert_eq!(body(BatchApi::Openai, Some("f"))["endpoint"], "/v1/embeddings");
    assert_eq!(body(BatchApi::Mistral, Some("f"))["endpoint"], "/v1/embeddings");
    let gemini = for_batch(BatchApi::Gemini);
    let create = with_ask(Api::Embeddings, |ask| gemini.create(ask, None));
    assert_eq!(create.url("https://h/v1beta"), "https://h/v1beta/models/m:asyncBatchEmbedContent");
    // In a file of results a line is the answer itself, without a name.
    let line = json!({"embedding": {"values": [1.0]}, "tokenCount": 3});
    let outcome = gemini.result(&line).unwrap();
    assert_eq!((outcome.key, outcome.fate), (None, Fate::Answer { status: 200, body: line }));
    assert!(gemini.result(&json!({"metadata": {}})).is_err());
}
