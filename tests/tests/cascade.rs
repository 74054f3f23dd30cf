//! Cascades through the live client: a cheap answer is checked, each check is an attempt in the account, and a better
//! model answers where it falls short. Against scripted providers, the books replayed after each case.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use async_trait::async_trait;
use tierway::client::{Check, ClientBuilder, Verdict};
use tierway::ledger::{Budget, Frame, Limit, Rules as BookRules, Window};
use tierway::plan::{CascadeSettings, CheckKind, PlannedCheck, Settings, Sight, StreamChecks};
use tierway::policy::{List, Policy};
use tierway::reply::TokenLogprob;
use tierway::testing::scripted::Turn;
use tierway::{Delta, Kind, Part, ProviderError, Reply, Request, Response, Retry, StopReason, Usage};

#[path = "support/acme.rs"]
mod acme;
#[path = "support/trio.rs"]
mod trio;

use acme::answer;
use trio::{Trio, problem, trio, trio_in};

fn with(kind: CheckKind) -> impl FnOnce(ClientBuilder) -> ClientBuilder {
    |builder| builder.cascade(CascadeSettings::of([kind]))
}

fn says(text: &str) -> Vec<Turn> {
    vec![answer(text, 100, 50)]
}

fn judge() -> CheckKind {
    CheckKind::Judge("other/tiny".parse().unwrap())
}

fn down() -> Vec<Turn> {
    vec![Turn::Fail(ProviderError::new(Kind::Server, Retry::Elsewhere, "down").with_status(500))]
}

/// What each attempt was for and what came of it.
fn course(response: &Response) -> Vec<String> {
    let line = |line: &tierway::client::AttemptLine| format!("{} {} {}", line.model, line.aim, line.outcome);
    response.route.attempts.iter().map(line).collect()
}

/// Sends the problem, and checks that the response's cost is what the account says and the books hold.
async fn sent(world: &Trio) -> Response {
    let response = world.client.send(&problem()).await.unwrap();
    let (cost, credited) = world.sums().await;
    assert_eq!((response.cost, credited), (cost, 1), "{:?}", course(&response));
    world.check_books().await;
    response
}

#[tokio::test]
async fn an_answer_that_a_second_model_confirms_is_delivered() {
    let world = trio((says("x = 5.\nThe answer is 6."), says("It is\n#### 6"), vec![]), with(CheckKind::Agreement));
    let response = sent(&world).await;
    assert_eq!(course(&response), ["other/tiny first answered", "cheap/mini check answered"]);
    assert_eq!(world.purposes().await, ["other/tiny first", "cheap/mini check"]);
    assert!(world.dear.asked().is_empty());
    assert!(response.baseline_cost.unwrap() > response.cost, "the baseline would have cost more");
}

#[tokio::test]
async fn where_the_second_model_disagrees_a_better_one_answers() {
    let world = trio((says("The answer is 6."), says("The answer is 7."), says("6")), with(CheckKind::Agreement));
    let response = sent(&world).await;
    assert_eq!(response.route.model.as_str(), "dear/grand");
    let wanted = ["other/tiny first fell_short", "cheap/mini check answered", "dear/grand escalation answered"];
    assert_eq!(course(&response), wanted);
    assert_eq!(world.purposes().await, ["other/tiny first", "cheap/mini check", "dear/grand escalation"]);
}

#[tokio::test]
async fn a_check_that_cannot_be_made_falls_short() {
    let world = trio((down(), says("The answer is 6."), says("6")), with(CheckKind::Agreement));
    let response = sent(&world).await;
    assert_eq!(course(&response)[1..], ["cheap/mini check server", "dear/grand escalation answered"]);
    // A budget that lets the vendor of the second opinion have nothing.
    let budget = Budget {
        only: tierway::ledger::Selector { vendors: ["cheap".parse().unwrap()].into(), ..Default::default() },
        ..Budget::new("no opinions", Limit::Money(tierway::Usd::from_pico(1)), Window::utc(Frame::Total))
    };
    let rules = BookRules::new(vec![budget], vec![]).unwrap();
    let world = trio_in((says("6"), says("The answer is 6."), says("6")), rules, with(CheckKind::Agreement));
    // The planner sees the budget and asks nobody at `cheap`: whatever it does, nothing of it is spent there.
    world.client.send(&problem()).await.unwrap();
    assert!(world.cheap.asked().is_empty());
    world.check_books().await;
}

#[tokio::test]
async fn a_judge_sees_the_answer_and_is_paid_for() {
    for (verdict, model) in [("VERDICT-GOOD", "cheap/mini"), ("VERDICT-BAD", "dear/grand")] {
        let world = trio((says("The answer is 6."), says(verdict), says("6")), |builder| {
            let settings = Settings {
                models: vec!["cheap/mini".parse().unwrap(), "dear/grand".parse().unwrap()],
                ..Settings::default()
            };
            builder.settings(Settings { quality: 0.97, ..settings }).cascade(CascadeSettings::of([judge()]))
        });
        let response = sent(&world).await;
        assert_eq!(response.route.model.as_str(), model, "{verdict}: {}", response.explain());
        let asked = world.other.asked();
        assert_eq!(asked[0].request.messages[1].joined_text(), "The answer is 6.");
        assert_eq!(world.purposes().await[..2], ["cheap/mini first", "other/tiny check"]);
    }
}

#[tokio::test]
async fn side_by_side_both_are_asked_at_once() {
    let slow = |text: &str| vec![Turn::Later(tierway::time::Span::from_ms(20), Box::new(answer(text, 100, 50)))];
    let world = trio((slow("The answer is 6."), slow("The answer is 6."), vec![]), |builder| {
        let both = CascadeSettings { side_by_side: true, ..CascadeSettings::of([CheckKind::Agreement]) };
        builder.cascade(both)
    });
    let response = sent(&world).await;
    assert_eq!(course(&response), ["other/tiny first answered", "cheap/mini check answered"]);
}

#[tokio::test]
async fn the_models_own_probabilities_decide_and_are_not_shown() {
    let sure = |p: f64| {
        let tokens = vec![TokenLogprob { token: "6".into(), logprob: p.ln(), top: Vec::new() }];
        let usage = Usage::of(100, 50);
        vec![Turn::Answer(Reply {
            parts: vec![Part::text("6")],
            logprobs: tokens,
            stop: Some(StopReason::End),
            usage,
            ..Reply::default()
        })]
    };
    for (p, model) in [(0.95, "other/tiny"), (0.5, "dear/grand")] {
        let world = trio((sure(p), sure(p), says("6")), |builder| {
            let sight = Some(Sight { catches: 0.9, false_alarms: 0.05 });
            let check = PlannedCheck { kind: CheckKind::Confidence(0.8), sight };
            builder.cascade(CascadeSettings { checks: vec![check], ..CascadeSettings::default() })
        });
        let response = sent(&world).await;
        assert_eq!(response.route.model.as_str(), model, "{}", response.explain());
        assert_eq!(world.other.asked()[0].request.sampling.logprobs, Some(0));
        assert!(response.reply.logprobs.is_empty(), "nobody asked for them");
    }
}

/// A caller's own test of an answer.
#[derive(Debug)]
struct Even;

#[async_trait]
impl Check for Even {
    async fn judge(&self, _: &Request, reply: &Reply) -> Verdict {
        let last = reply.text().trim().chars().last();
        match last.and_then(|digit| digit.to_digit(10)).is_some_and(|digit| digit % 2 == 0) {
            true => Verdict::Pass,
            false => Verdict::Short("it is odd".to_owned()),
        }
    }
}

#[tokio::test]
async fn a_callers_own_check_is_planned_by_its_name() {
    let own = |sight| CascadeSettings {
        checks: vec![PlannedCheck { kind: CheckKind::Own("even".to_owned()), sight: Some(sight) }],
        ..CascadeSettings::default()
    };
    let sharp = Sight { catches: 0.95, false_alarms: 0.0 };
    for (text, model) in [("6", "other/tiny"), ("7", "dear/grand")] {
        let world = trio((says(text), says(text), says("8")), |builder| {
            builder.cascade(own(sharp)).named_check("even", Arc::new(Even))
        });
        assert_eq!(sent(&world).await.route.model.as_str(), model);
    }
    // A check that sees nothing is not worth a cheap answer.
    let blind = Sight { catches: 0.0, false_alarms: 0.0 };
    let world = trio((says("6"), says("6"), says("8")), |builder| {
        builder.cascade(own(blind)).named_check("even", Arc::new(Even))
    });
    assert_eq!(sent(&world).await.route.model.as_str(), "dear/grand");
    let unknown = tierway::Client::builder().catalog(trio::catalog()).cascade(own(sharp)).build().unwrap_err();
    assert!(unknown.to_string().contains("no check is named 'even'"), "{unknown}");
}

#[tokio::test]
async fn the_plan_says_which_path_it_takes_and_why_not() {
    let world = trio((vec![], vec![], vec![]), with(CheckKind::Agreement));
    let plan = world.client.route(&problem()).unwrap();
    let cascade = plan.cascade().unwrap();
    assert!(
        cascade.expected_cost < cascade.direct_cost && cascade.p_short > 0.0 && cascade.p_short < 0.5,
        "{cascade:?}"
    );
    assert!(cascade.p_good >= 0.99 * plan.explain().candidates.iter().map(|line| line.p_good).fold(0.0, f64::max));
    let screen = plan.explain().to_string();
    assert!(screen.contains("path      other/tiny, agreement with cheap/mini; dear/grand in"), "{screen}");
    assert_eq!(
        plan.explain().saving.unwrap().amount,
        plan.baseline().unwrap().expected_cost.checked_sub(cascade.expected_cost).unwrap()
    );
    // Prose has no answer to compare, and a cheap model that is good enough needs no check.
    let poem = Request::user("Write a long poem about the sea in the style of the romantics.").unwrap();
    assert!(world.client.route(&poem).unwrap().cascade().is_none());
    let easy = world.client.route(&acme::easy()).unwrap();
    assert!(
        easy.cascade().is_none() || easy.cascade().unwrap().expected_cost < easy.explain().cascade.unwrap().direct_cost
    );
}

#[tokio::test]
async fn policy_holds_for_opinions_and_judges_too() {
    let closed =
        || Policy { vendors: List { deny: ["other".parse().unwrap()].into(), ..List::default() }, ..Policy::default() };
    for kind in [CheckKind::Agreement, judge()] {
        let world = trio((says("6"), says("VERDICT-GOOD"), says("6")), |builder| {
            builder.policy(closed()).cascade(CascadeSettings::of([kind]))
        });
        assert_eq!(sent(&world).await.route.model.as_str(), "dear/grand");
        assert!(world.other.asked().is_empty());
    }
}

/// A stream's text piece by piece, with a mark where the answer is replaced, and the response.
async fn streamed(world: &Trio) -> (String, Response) {
    let mut stream = world.client.stream(&problem()).await.unwrap();
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        match delta.unwrap() {
            Delta::Text { text: piece, .. } => text += &piece,
            Delta::Replaced { model } => text += &format!("[{model}]"),
            _ => {}
        }
    }
    let response = stream.response().unwrap().clone();
    let (cost, credited) = world.sums().await;
    assert_eq!((response.cost, credited), (cost, 1), "{:?}", course(&response));
    world.check_books().await;
    (text, response)
}

fn streaming(streams: StreamChecks) -> impl FnOnce(ClientBuilder) -> ClientBuilder {
    move |builder| builder.cascade(CascadeSettings { streams, ..CascadeSettings::of([CheckKind::Agreement]) })
}

#[tokio::test]
async fn a_stream_is_held_back_until_it_has_passed() {
    let turns = || (says("The answer is 6."), says("The answer is 6."), says("not asked"));
    let (text, response) = streamed(&trio(turns(), streaming(StreamChecks::HoldBack))).await;
    assert_eq!((text.as_str(), response.text().as_str()), ("The answer is 6.", "The answer is 6."));
    let turns = (says("The answer is 6."), says("The answer is 7."), says("It is 6."));
    let (text, response) = streamed(&trio(turns, streaming(StreamChecks::HoldBack))).await;
    assert_eq!((text.as_str(), response.text().as_str()), ("It is 6.", "It is 6."));
    assert_eq!(course(&response).len(), 3);
}

#[tokio::test]
async fn a_stream_is_shown_and_replaced() {
    let turns = || (says("The answer is 6."), says("The answer is 6."), says("not asked"));
    let (text, response) = streamed(&trio(turns(), streaming(StreamChecks::Replace))).await;
    assert_eq!((text.as_str(), response.text().as_str()), ("The answer is 6.", "The answer is 6."));
    assert_eq!(course(&response), ["other/tiny first answered", "cheap/mini check answered"]);
    let turns = (says("The answer is 6."), says("The answer is 7."), says("It is 6."));
    let (text, response) = streamed(&trio(turns, streaming(StreamChecks::Replace))).await;
    assert_eq!((text.as_str(), response.text().as_str()), ("The answer is 7.[dear/grand]It is 6.", "It is 6."));
    assert_eq!(response.route.model.as_str(), "dear/grand");
}

#[tokio::test]
async fn streams_that_are_not_to_be_checked_are_asked_directly() {
    let turns = (says("6"), says("6"), says("It is 6."));
    let world = trio(turns, streaming(StreamChecks::Off));
    let (text, response) = streamed(&world).await;
    assert_eq!((text.as_str(), response.route.model.as_str()), ("It is 6.", "dear/grand"));
    assert!(world.cheap.asked().is_empty() && world.other.asked().is_empty());
}

#[tokio::test]
async fn where_nobody_better_answers_the_first_answer_stands() {
    for streams in [None, Some(StreamChecks::HoldBack), Some(StreamChecks::Replace)] {
        let turns = (says("The answer is 6."), says("The answer is 7."), down());
        let world = trio(turns, streaming(streams.unwrap_or_default()));
        let response = match streams {
            None => sent(&world).await,
            Some(_) => streamed(&world).await.1,
        };
        assert_eq!(response.text(), "The answer is 7.");
        assert!(response.route.fell_short.unwrap().contains("a second answer says something else"));
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_during_its_check_is_settled() {
    for side_by_side in [false, true] {
        let world = trio((vec![Turn::Hang], says("The answer is 6."), vec![]), |builder| {
            builder.cascade(CascadeSettings { side_by_side, ..CascadeSettings::of([CheckKind::Agreement]) })
        });
        let sending = world.client.clone();
        let task = tokio::spawn(async move { sending.send(&problem()).await.map(|_| ()) });
        while world.cheap.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(world.rows().await.len(), 2);
        world.check_books().await;
    }
}
