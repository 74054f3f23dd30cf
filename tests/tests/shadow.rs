//! Shadows and the promise of quality through the live client: what is asked after an answer, within which budget, what
//! it teaches, and that a promise that fails raises the aim. Against scripted providers, the books replayed.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use tierway::client::ClientBuilder;
use tierway::learn::{Pledge, ShadowSettings};
use tierway::ledger::{Budget, Frame, Limit, Purpose, Rules as BookRules, Window};
use tierway::plan::Settings;
use tierway::testing::scripted::Turn;
use tierway::{Error, Usd};

#[path = "support/acme.rs"]
mod acme;
#[path = "support/trio.rs"]
mod trio;

use acme::answer;
use trio::{Trio, problem, trio, trio_in};

/// A cheap model is good enough, and every request gets a shadow within this day's budget.
fn shadowed(daily_max: &str) -> impl FnOnce(ClientBuilder) -> ClientBuilder {
    let shadow = ShadowSettings { rate: 1.0, daily_max: daily_max.parse().unwrap(), judge: None };
    |builder| builder.settings(Settings { quality: 0.5, ..Settings::default() }).shadow(shadow)
}

fn says(text: &str) -> Vec<Turn> {
    vec![answer(text, 100, 50)]
}

async fn shadows(world: &Trio) -> usize {
    let rows = world.rows().await;
    rows.iter().filter(|row| row.reserve.facts.purpose == Purpose::Shadow).count()
}

#[tokio::test]
async fn a_shadow_asks_the_better_model_after_the_answer_and_teaches() {
    for (better, is_up) in [("The answer is 6.", true), ("The answer is 7.", false)] {
        let world = trio((vec![], says("So it is 6.\nThe answer is 6."), says(better)), shadowed("1"));
        let before = world.client.route(&problem()).unwrap().choice().p_good;
        let mut draft = problem().to_draft();
        draft.tags.insert("team".to_owned(), "search".to_owned());
        let response = world.client.send(&draft.try_into().unwrap()).await.unwrap();
        assert_eq!(response.text(), "So it is 6.\nThe answer is 6.", "the answer is never another");
        world.client.settle_shadows().await;
        assert_eq!(world.purposes().await, ["other/tiny first", "dear/grand shadow"]);
        assert_eq!(response.cost, Usd::from_pico(100 * 800_000 + 50 * 1_600_000), "a shadow is not the answer's cost");
        let plan = world.client.route(&problem()).unwrap();
        let after = plan.candidates().iter().find(|one| one.model().as_str() == "other/tiny").unwrap().p_good;
        assert_eq!(after > before, is_up, "{before} {after}");
        let row = &world.rows().await[1];
        assert!(row.reserve.facts.tags.is_empty() && row.reserve.baseline.is_none());
        world.check_books().await;
    }
}

#[tokio::test]
async fn a_slow_or_failing_shadow_delays_and_changes_nothing() {
    let world = trio((vec![], says("The answer is 6."), vec![Turn::Hang]), shadowed("1"));
    let response = tokio::time::timeout(std::time::Duration::from_secs(60), world.client.send(&problem())).await;
    assert_eq!(response.unwrap().unwrap().text(), "The answer is 6.");
    let down = tierway::ProviderError::new(tierway::Kind::Server, tierway::Retry::Elsewhere, "down").with_status(500);
    let world = trio((vec![], says("The answer is 6."), vec![Turn::Fail(down)]), shadowed("1"));
    world.client.send(&problem()).await.unwrap();
    world.client.settle_shadows().await;
    assert!(world.client.experience().await.is_empty(), "nothing was compared");
    world.check_books().await;
}

#[tokio::test]
async fn shadows_keep_to_their_own_budget_and_leave_others_alone() {
    // One reservation of dear/grand is about 0.08 dollars; its answer costs 0.002.
    let world = trio((vec![], says("The answer is 6."), says("The answer is 6.")), shadowed("0.085"));
    for _ in 0..12 {
        world.client.send(&problem()).await.unwrap();
        world.client.settle_shadows().await;
    }
    let made = shadows(&world).await;
    assert!((1..=5).contains(&made), "{made} of 12 fit");
    world.check_books().await;
    // Where a budget of all attempts is nearly used up, none is made.
    let budget = Budget::new("all", Limit::Money("0.5".parse().unwrap()), Window::utc(Frame::Total));
    let rules = BookRules::new(vec![budget], vec![]).unwrap();
    let world = trio_in((vec![], says("The answer is 6."), says("The answer is 6.")), rules, shadowed("1"));
    world.client.send(&problem()).await.unwrap();
    world.client.settle_shadows().await;
    assert_eq!(shadows(&world).await, 0);
}

#[tokio::test]
async fn none_is_made_unless_it_is_asked_for() {
    let world = trio((says("6"), says("6"), says("6")), |builder| {
        builder.settings(Settings { quality: 0.5, ..Settings::default() })
    });
    world.client.send(&problem()).await.unwrap();
    world.client.settle_shadows().await;
    assert_eq!((shadows(&world).await, world.client.promise().await), (0, None));
    let bad = ShadowSettings { rate: 1.5, ..ShadowSettings::default() };
    let error = tierway::Client::builder().catalog(trio::catalog()).shadow(bad).build().unwrap_err();
    assert!(error.to_string().contains("shadow.rate"), "{error}");
}

#[tokio::test]
async fn a_judge_marks_shadows_where_answers_cannot_be_compared() {
    let poem = tierway::Request::user("Write a long poem about the sea in the style of the romantics.").unwrap();
    let settings = || Settings { quality: 0.5, ..Settings::default() };
    let world = trio((says("VERDICT-BAD"), says("O sea."), vec![]), |builder| {
        let judge = Some("cheap/mini".parse().unwrap());
        builder.settings(settings()).shadow(ShadowSettings { rate: 1.0, daily_max: "1".parse().unwrap(), judge })
    });
    world.client.send(&poem).await.unwrap();
    world.client.settle_shadows().await;
    assert_eq!(world.purposes().await, ["other/tiny first", "cheap/mini shadow"]);
    assert_eq!(world.client.experience().await.marks(&"other/tiny".parse().unwrap()), 1.0);
    // Without a judge nothing is asked, since it could not be compared.
    let world = trio((vec![], says("O sea."), vec![]), shadowed("1"));
    world.client.send(&poem).await.unwrap();
    world.client.settle_shadows().await;
    assert_eq!(shadows(&world).await, 0);
}

#[tokio::test]
async fn streams_get_shadows_too() {
    let world = trio((vec![], says("The answer is 6."), says("The answer is 6.")), shadowed("1"));
    world.client.stream(&problem()).await.unwrap().finish().await.unwrap();
    world.client.settle_shadows().await;
    assert_eq!(world.purposes().await, ["other/tiny first", "dear/grand shadow"]);
    world.check_books().await;
}

fn promised(builder: ClientBuilder) -> ClientBuilder {
    let pledge = Pledge { quality: 0.9, confidence: 0.95 };
    shadowed("1000")(builder).promise(pledge)
}

#[tokio::test]
async fn a_promise_that_fails_raises_the_aim_for_all_on_the_ledger() -> Result<(), Error> {
    let world = trio((says("The answer is 8."), says("The answer is 7."), says("The answer is 6.")), promised);
    let quality = |plan: &tierway::plan::Plan| match plan.explain().aim {
        tierway::plan::Aim::Quality { quality, .. } => quality,
        aim => panic!("{aim:?}"),
    };
    assert_eq!(quality(&world.client.route(&problem())?), 0.5);
    let mut calls = 0;
    while world.client.promise().await.unwrap().steps == 0 {
        world.client.send(&problem()).await?;
        world.client.settle_shadows().await;
        calls += 1;
        assert!(calls < 60, "{:?}", world.client.promise().await);
    }
    assert!(calls >= 3, "{calls} disagreements are no proof");
    let plan = world.client.route(&problem())?;
    assert_eq!(quality(&plan), 0.75);
    let screen = plan.explain().to_string();
    assert!(screen.contains("promise   90.0 % kept") && screen.contains("failed 1 time"), "{screen}");
    // Another client on the same ledger begins where the first one is.
    let second = {
        let builder = tierway::Client::builder().catalog(trio::catalog()).store(world.store.clone());
        let builder = acme::at(acme::at(builder, "other", &world.other), "dear", &world.dear);
        promised(builder).build()?
    };
    assert_eq!(second.promise().await.unwrap().steps, 1);
    second.renew_promise().await?;
    assert_eq!(second.promise().await.unwrap().steps, 0);
    world.check_books().await;
    Ok(())
}

#[tokio::test]
async fn a_promise_that_holds_stays_and_marks_count_too() -> Result<(), Error> {
    let world = trio((vec![], says("The answer is 6."), says("The answer is 6.")), promised);
    for _ in 0..40 {
        let id = world.client.send(&problem()).await?.id;
        world.client.settle_shadows().await;
        world.client.feedback(&id, 1.0).await.unwrap();
    }
    let state = world.client.promise().await.unwrap();
    assert_eq!((state.steps, state.comparisons, state.marks), (0, 40, 40));
    assert!(state.loss_max < 0.3 && state.evidence <= 1.0, "{state:?}");
    let store = Arc::clone(&world.store);
    drop(world);
    drop(store);
    Ok(())
}
