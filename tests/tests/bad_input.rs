//! What users get wrong, and what the world does to them: each a typed error that says what to do.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use tierway::attempt::Rules;
use tierway::catalog::Catalog;
use tierway::config::Config;
use tierway::secrets::Secret;
use tierway::testing::server::{Answer, Fault, Server, refused_url};
use tierway::time::{Span, Timeouts};
use tierway::{Client, EndpointId, Error, Kind, Message, Request, RequestDraft};

const ROWS: &str = r#"
vendor = "acme"
[[endpoints]]
id = "acme"
api = "chat_completions"
base_url = "https://acme.example/v1"
region = "us"
auth = "bearer"
key_env = "ACME_API_KEY"

[[models]]
id = "acme/mini"
family = "mini"
tier = "economy"
context_window = 32000
max_output = 4000
source = "made up"
date = "2026-11-01"
prices = [{ rates = { input = "1", output = "2" } }]
"#;

/// A client of one model at this address.
fn client_at(url: &str) -> Client {
    hurried(url, Timeouts::default())
}

fn hurried(url: &str, timeouts: Timeouts) -> Client {
    let acme = EndpointId::new("acme").unwrap();
    let rules = Rules { attempts_here_max: 1, timeouts, ..Rules::default() };
    Client::builder()
        .catalog(Catalog::parse(ROWS, "rows.toml").unwrap())
        .base_url(acme.clone(), url)
        .key(acme, Secret::new("sk-canary-0123456789").unwrap())
        .rules(rules)
        .build()
        .unwrap()
}

#[track_caller]
fn check_row(change: (&str, &str), want: &[&str]) {
    let text = ROWS.replace(change.0, change.1);
    let error = Catalog::parse(&text, "mine.toml").unwrap_err().to_string();
    for part in want {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn bad_rows_are_refused_with_file_line_and_reason() {
    check_row(("input = \"1\"", "input = \"NaN\""), &["mine.toml:19", "NaN"]);
    check_row(("input = \"1\"", "input = nan"), &["mine.toml:19"]);
    check_row(("input = \"1\"", "input = \"-1\""), &["mine.toml:19", "-1"]);
    check_row(("source = \"made up\"\n", ""), &["mine.toml:", "source"]);
    check_row(("tier = \"economy\"", "tier = \"cheap\""), &["mine.toml:14", "cheap"]);
    check_row(("id = \"acme/mini\"", "id = \"mini\""), &["mine.toml:12", "vendor/name"]);
    check_row(("max_output", "max_outputs"), &["mine.toml:16", "max_outputs"]);
}

#[test]
fn a_broken_config_is_named_by_line_and_key() {
    let text = "[router]\nquality = 0.9\n\n[policy]\nregoins = { allow = [\"eu\"] }\n";
    let error = Config::parse(text, "tierway.toml").unwrap_err().to_string();
    assert!(error.starts_with("tierway.toml:5: policy.regoins: unknown field"), "{error}");
}

#[test]
fn a_config_that_names_an_unknown_model_says_which_are_near() {
    let config = Config::parse("[router]\nbaseline = \"acme/minni\"\n", "tierway.toml").unwrap();
    let catalog = Catalog::parse(ROWS, "rows.toml").unwrap();
    let error = Client::builder().config(config).catalog(catalog).build().unwrap_err();
    assert_eq!(error.code(), "invalid_config");
    assert!(error.to_string().contains("did you mean acme/mini?"), "{error}");
}

#[test]
fn requests_that_cannot_be_meant_are_refused_at_the_edge() {
    let refused = |draft: RequestDraft| Request::try_from(draft).unwrap_err().to_string();
    assert!(refused(RequestDraft::default()).contains("at least one user message"));
    let mut draft = RequestDraft { messages: vec![Message::user("x".repeat(10 << 20))], ..RequestDraft::default() };
    assert!(refused(draft.clone()).contains("bytes of text"));
    draft.messages = vec![Message::user("hi")];
    for (field, value) in [("temperature", f64::INFINITY), ("top_p", -0.1), ("min_p", 7.0)] {
        let mut draft = draft.clone();
        match field {
            "temperature" => draft.sampling.temperature = Some(value),
            "top_p" => draft.sampling.top_p = Some(value),
            _ => draft.sampling.min_p = Some(value),
        }
        assert!(refused(draft).contains(field), "{field}");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_named_and_nothing_is_charged() {
    let error = client_at(&refused_url().unwrap()).send(&Request::user("hi").unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "connect");
    let text = error.to_string();
    assert!(text.contains("acme") && text.contains("check the network"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_server_that_answers_html_is_named_as_no_api() {
    let server = Server::start(Answer::failing(Fault::Html { status: 200 })).await.unwrap();
    let client = client_at(&server.in_place_of("acme", "https://acme.example/v1"));
    let error = client.send(&Request::user("hi").unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "protocol", "{error}");
    assert!(error.to_string().to_lowercase().contains("html") && !error.to_string().contains('<'), "{error}");
}

#[tokio::test]
async fn a_server_that_is_silent_is_given_up_in_time() {
    let server = Server::start(Answer::failing(Fault::NoHead)).await.unwrap();
    let soon = Timeouts { first_byte: Span::from_ms(300), ..Timeouts::default() };
    let client = hurried(&server.in_place_of("acme", "https://acme.example/v1"), soon);
    let error = client.send(&Request::user("hi").unwrap()).await.unwrap_err();
    assert_eq!(error.provider_error().unwrap().kind, Kind::Timeout, "{error}");
}

#[tokio::test]
async fn without_a_key_the_variable_to_set_is_named() {
    let catalog = Catalog::parse(ROWS, "rows.toml").unwrap();
    let client = Client::builder().catalog(catalog).build().unwrap();
    let error = client.send(&Request::user("hi").unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert!(error.to_string().contains("set ACME_API_KEY"), "{error}");
}
