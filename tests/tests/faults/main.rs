//! Every way in which a vendor fails, over real sockets on loopback, for each format, whole and streamed.
//!
//! Each case has a key of its own. It passes where the right answer comes or an error of the right kind, within the time
//! limits, saying rightly whether the request was sent, and with neither key nor prompt in what it prints.
#![allow(clippy::print_stdout)]

mod account;
mod canary;
mod cases;
mod connection;
mod cuts;
mod memory;
mod proxy;
mod rig;
mod tls;

use std::time::Duration;

use futures_util::StreamExt;
use tierway::testing::server::{Answer, Fault, Heard, Server};

use cases::{Case, cases};
use rig::{Format, Outcome, Rig, TEXT, answer};

/// Cases under way at the same time.
const AT_ONCE: usize = 24;

/// Held by those tests that would slow each other down past the time limits.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// One case in one format and mode.
#[derive(Clone, Debug)]
struct Trial {
    case: Case,
    format: Format,
    is_stream: bool,
}

impl Trial {
    fn name(&self) -> String {
        let mode = if self.is_stream { "stream" } else { "whole" };
        format!("{} / {} / {mode}", self.case.name, self.format.api)
    }
}

fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for format in Format::all() {
        for case in cases() {
            for is_stream in [false, true] {
                all.push(Trial { case: case.clone(), format: format.clone(), is_stream });
            }
        }
    }
    all
}

/// Answers what the trial named in the path says; where the fault's text is `ECHO`, it repeats the key.
fn script(trials: Vec<Trial>) -> impl Fn(&Heard) -> Answer {
    move |heard| {
        let number = heard.endpoint.strip_prefix("trial-").and_then(|number| number.parse::<usize>().ok());
        let Some(trial) = number.and_then(|number| trials.get(number)) else { return Answer::default() };
        let mut answer = answer();
        answer.pace = trial.case.pace;
        answer.fault = trial.case.fault.clone();
        if let Some(Fault::Status { message: Some(message), .. }) = &mut answer.fault
            && message == "ECHO"
        {
            let keys = ["authorization", "x-api-key", "x-goog-api-key"];
            let key = keys.iter().find_map(|name| heard.header(name)).unwrap_or_default();
            *message = format!("the key {key} is not known here");
        }
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_is_an_answer_or_a_typed_error() {
    let _alone = ALONE.lock().await;
    let trials = trials();
    let server = Server::start(script(trials.clone())).await.expect("a loopback port is free");
    let rig = Rig::new();
    let run = |(number, trial): (usize, Trial)| {
        let (rig, url) = (&rig, server.url());
        async move {
            let key = format!("canary{number:04}X7f3kQ");
            let base = format!("{url}/trial-{number}{}", trial.format.base);
            let want = if trial.is_stream { &trial.case.stream } else { &trial.case.whole };
            let outcome = rig.ask_for(want, &trial.format, &base, &key, trial.is_stream).await;
            let mut faults = outcome.breaches(want);
            faults.extend(outcome.leaks(&key));
            faults.into_iter().map(|fault| format!("{}: {fault}", trial.name())).collect::<Vec<_>>()
        }
    };
    let count = trials.len();
    let found: Vec<Vec<String>> =
        futures_util::stream::iter(trials.into_iter().enumerate().map(run)).buffer_unordered(AT_ONCE).collect().await;
    let found: Vec<String> = found.into_iter().flatten().collect();
    assert!(found.is_empty(), "{} of {count} cases:\n{}", found.len(), found.join("\n"));
    assert!(count >= 160 * Format::all().len(), "only {count} cases");
    println!("{count} cases held");
}

#[tokio::test]
async fn the_server_sees_the_key_in_its_header_and_the_most_tokens_in_the_body() {
    let server = Server::start(answer()).await.expect("a loopback port is free");
    let rig = Rig::new();
    for format in Format::all() {
        for is_stream in [false, true] {
            let base = format!("{}/x{}", server.url(), format.base);
            let outcome = rig.ask(&format, &base, "canary-key", is_stream).await;
            assert_eq!(outcome.text().as_deref(), Some(TEXT), "{}: {outcome:?}", format.api);
            let heard = server.heard().pop().expect("it was sent");
            let value = heard.header(format.key_header()).unwrap_or_default().to_owned();
            assert_eq!(value.trim_start_matches("Bearer "), "canary-key", "{}", format.api);
            assert_eq!(heard.max_tokens(), Some(rig::MAX_TOKENS), "{}: {}", format.api, heard.path);
            assert!(!heard.path.contains("canary"), "{}", heard.path);
        }
    }
}

/// A redirect to another host is refused, and the other host hears nothing.
#[tokio::test]
async fn no_redirect_is_followed() {
    let other = Server::start(answer()).await.expect("a loopback port is free");
    let rig = Rig::new();
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/stolen/chat/completions", other.url());
        let server = Server::start(Answer::failing(Fault::Redirect { status, to })).await.expect("a port is free");
        for format in Format::all() {
            let base = format!("{}/x{}", server.url(), format.base);
            for is_stream in [false, true] {
                let Outcome { result, .. } = rig.ask(&format, &base, "canary-key", is_stream).await;
                let error = result.expect_err("a redirect is no answer");
                assert!(error.to_string().contains("redirect"), "{error}");
                assert_eq!(error.status, Some(status));
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(other.requests(), 0);
}
