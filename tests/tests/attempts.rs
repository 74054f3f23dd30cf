//! The client on slow and broken nights: hedges, continuations, several endpoints of one model, budgets of retries.
//! Against scripted providers, without a socket; every night ends with its books in order.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tierway::attempt::Rules;
use tierway::client::{Client, ClientBuilder};
use tierway::clock::{Clock, SystemClock};
use tierway::id::ProviderId;
use tierway::ledger::{Basis, Budget, Ending, Fate, Frame, Limit, Purpose, Row, Rules as BookRules, Window};
use tierway::plan::Settings;
use tierway::policy::{LabelRule, Policy};
use tierway::provider::{Provider, ReplyStream};
use tierway::snapshot::HealthRules;
use tierway::store::{MemoryStore, Store};
use tierway::testing::ScriptedProvider;
use tierway::testing::scripted::Turn;
use tierway::time::Span;
use tierway::{
    Call, DataLabel, Delta, EndpointId, Error, Kind, Message, Part, ProviderError, Reply, Request, Retry, Usage,
};

#[path = "support/acme.rs"]
mod acme;

use acme::{at, busy, easy, scripted};

/// One model at two endpoints of its vendor, and a dearer one elsewhere, in the EU.
struct World {
    client: Client,
    store: Arc<MemoryStore>,
    east: Arc<ScriptedProvider>,
    west: Arc<ScriptedProvider>,
    north: Arc<ScriptedProvider>,
    rules: BookRules,
}

fn stock() -> Rules {
    Rules { backoff: Span::from_ms(1), backoff_max: Span::from_ms(1), ..Rules::default() }
}

fn world(turns: [Vec<Turn>; 3], rules: Rules, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> World {
    let [east, west, north] = turns;
    let (east, west, north) = (scripted("east", east), scripted("west", west), scripted("north", north));
    let store = Arc::new(MemoryStore::default());
    let builder = Client::builder()
        .catalog(acme::catalog(&["east", "west"], "north", "messages"))
        .rules(rules)
        .store(store.clone());
    let builder = at(at(at(builder, "east", &east), "west", &west), "north", &north);
    World { client: change(builder).build().unwrap(), store, east, west, north, rules: BookRules::default() }
}

impl World {
    async fn rows(&self) -> Vec<Row> {
        acme::rows(&self.store).await
    }

    async fn purposes(&self) -> Vec<Purpose> {
        self.rows().await.iter().map(|row| row.reserve.facts.purpose).collect()
    }

    async fn check_books(&self) {
        acme::check_books(&self.store, &self.rules).await;
    }
}

fn text(text: &str) -> Turn {
    Turn::text(text)
}

fn later(ms: u64, turn: Turn) -> Turn {
    Turn::Later(Span::from_ms(ms), Box::new(turn))
}

/// A stream that breaks after so many words of this text.
fn broken(words: usize, text: &str) -> Turn {
    Turn::Break {
        reply: Reply { parts: vec![Part::text(text)], usage: Usage::of(20, 9), ..Reply::default() },
        pieces: words + 1,
        error: ProviderError::new(Kind::Network, Retry::Here(None), "reset"),
    }
}

/// Answers quickly, but for what a mood that both endpoints of a model share has in store for the next calls.
#[derive(Debug)]
struct Moody {
    quick: ScriptedProvider,
    mood: Arc<Mutex<VecDeque<Turn>>>,
}

impl Moody {
    fn next(&self) -> Option<ScriptedProvider> {
        let turn = self.mood.lock().unwrap().pop_front()?;
        Some(ScriptedProvider::new(self.quick.id().clone(), [turn]))
    }
}

#[async_trait]
impl Provider for Moody {
    fn id(&self) -> &ProviderId {
        self.quick.id()
    }

    async fn send(&self, call: &Call) -> Result<Reply, ProviderError> {
        match self.next() {
            Some(other) => other.send(call).await,
            None => self.quick.send(call).await,
        }
    }

    async fn stream(&self, call: &Call) -> Result<ReplyStream, ProviderError> {
        match self.next() {
            Some(other) => other.stream(call).await,
            None => self.quick.stream(call).await,
        }
    }
}

/// A client whose endpoints have been quick often enough, and what comes over them next.
async fn taught(rules: Rules, is_stream: bool) -> (World, Arc<Mutex<VecDeque<Turn>>>) {
    let mood = Arc::new(Mutex::new(VecDeque::new()));
    let moody = |name: &str| {
        let quick = ScriptedProvider::new(ProviderId::new(name).unwrap(), [text("quick")]);
        Arc::new(Moody { quick, mood: mood.clone() })
    };
    let (east, west) = (moody("east"), moody("west"));
    let world = world([vec![], vec![], vec![]], rules, |builder| {
        builder.provider(EndpointId::new("east").unwrap(), east).provider(EndpointId::new("west").unwrap(), west)
    });
    for _ in 0..1_000 {
        let plan = world.client.route(&easy()).unwrap();
        let health = world.client.health();
        let known = health.of(&plan.choice().endpoint().id).map(|health| health.latencies(is_stream).calls());
        if known.is_some_and(|calls| calls >= if rules.hedge_percent.is_some() { 20 } else { 0 }) {
            return (world, mood);
        }
        match is_stream {
            true => drop(world.client.stream(&easy()).await.unwrap().finish().await.unwrap()),
            false => drop(world.client.send(&easy()).await.unwrap()),
        }
    }
    panic!("a thousand calls taught nothing");
}

fn hedging() -> Rules {
    Rules { hedge_percent: Some(95), ..stock() }
}

#[tokio::test]
async fn a_slow_call_is_hedged_and_both_attempts_are_in_the_account() {
    for is_stream in [false, true] {
        let (world, mood) = taught(hedging(), is_stream).await;
        mood.lock().unwrap().push_back(Turn::Hang);
        let before = world.rows().await.len();
        let response = match is_stream {
            true => world.client.stream(&easy()).await.unwrap().finish().await.unwrap(),
            false => world.client.send(&easy()).await.unwrap(),
        };
        assert_eq!(response.text(), "quick");
        let aims: Vec<(&str, &str)> =
            response.route.attempts.iter().map(|line| (line.aim, line.outcome.as_str())).collect();
        assert_eq!(aims, [("first", "outrun"), ("hedge", "answered")]);
        assert_eq!(response.route.attempts[0].model, response.route.attempts[1].model);
        assert_ne!(response.route.attempts[0].endpoint, response.route.attempts[1].endpoint);
        let rows = &world.rows().await[before..];
        let purposes: Vec<Purpose> = rows.iter().map(|row| row.reserve.facts.purpose).collect();
        assert_eq!(purposes, [Purpose::First, Purpose::Hedge]);
        let settled: Vec<_> = rows
            .iter()
            .map(|row| match &row.fate {
                Fate::Settled(settle) => (settle.ending, settle.basis, settle.cost),
                fate => panic!("{fate:?}"),
            })
            .collect();
        assert_eq!((settled[0].0, settled[0].1), (Ending::Cancelled, Basis::Estimate));
        assert_eq!((settled[1].0, settled[1].1), (Ending::Answered, Basis::Reported));
        assert_eq!(response.cost, settled[0].2.saturating_add(settled[1].2), "both are billed");
        let health = world.client.health();
        assert!(health.iter().all(|(_, health)| health.outstanding() == 0));
        world.check_books().await;
    }
}

#[tokio::test]
async fn no_hedge_without_being_asked_for() {
    let (world, mood) = taught(stock(), false).await;
    mood.lock().unwrap().push_back(later(120, text("late")));
    assert_eq!(world.client.send(&easy()).await.unwrap().text(), "late");
    assert!(world.purposes().await.iter().all(|purpose| *purpose == Purpose::First));
    world.check_books().await;
}

#[tokio::test]
async fn when_the_first_of_two_fails_the_other_still_answers() {
    let (world, mood) = taught(hedging(), false).await;
    mood.lock().unwrap().extend([later(2_000, busy()), later(3_000, text("second"))]);
    let response = world.client.send(&easy()).await.unwrap();
    assert_eq!(response.text(), "second");
    let lines: Vec<(&str, &str)> =
        response.route.attempts.iter().map(|line| (line.aim, line.outcome.as_str())).collect();
    assert_eq!(lines, [("first", "overloaded"), ("hedge", "answered")]);
    world.check_books().await;
}

#[tokio::test]
async fn a_budget_refuses_a_hedge_and_the_first_call_goes_on() {
    let (mut world, mood) = taught(hedging(), false).await;
    mood.lock().unwrap().push_back(later(2_000, text("late")));
    // Room for one more reservation, and not for two.
    let rows = world.rows().await;
    let one = rows[0].reserve.amount;
    let spent = rows.iter().map(|row| match &row.fate {
        Fate::Settled(settle) => settle.cost,
        fate => panic!("{fate:?}"),
    });
    let room = tierway::Usd::from_pico(one.pico() + one.pico() / 2);
    let limit = Limit::Money(spent.fold(room, tierway::Usd::saturating_add));
    let budget = Budget::new("tight", limit, Window::new(Frame::Total, "UTC").unwrap());
    world.rules = BookRules::new(vec![budget], vec![]).unwrap();
    world.store.set_rules(world.rules.clone()).await.unwrap();
    let response = world.client.send(&easy()).await.unwrap();
    assert_eq!(response.text(), "late");
    let outcomes: Vec<&str> = response.route.attempts.iter().map(|line| line.outcome.as_str()).collect();
    assert_eq!(outcomes, ["over_budget", "answered"]);
    assert_eq!((response.route.attempts[0].aim, response.route.attempts[1].aim), ("hedge", "first"));
    world.check_books().await;
}

fn continuing() -> Rules {
    Rules { continue_broken: true, attempts_here_max: 1, ..stock() }
}

const WHOLE: &str = "Paris is the capital of France and its largest city.";

#[tokio::test]
async fn a_broken_stream_is_continued_by_another_and_marked_as_such() {
    let rest = "the capital of France and its largest city.";
    let turns = [vec![broken(3, WHOLE)], vec![busy()], vec![text(rest)]];
    let world = world(turns, continuing(), |builder| builder.health_rules(HealthRules::default()));
    let mut stream = world.client.stream(&easy()).await.unwrap();
    let (mut text, mut marks) = (String::new(), Vec::new());
    while let Some(delta) = stream.next().await {
        match delta.unwrap() {
            Delta::Text { text: piece, .. } => text += &piece,
            Delta::Continued { model, .. } => marks.push((text.clone(), model.to_string())),
            _ => {}
        }
    }
    // The rest begins with three letters that the first model had said: too few to count as repeated.
    assert_eq!(marks, [("Paris is the ".to_owned(), "acme/grand".to_owned())]);
    assert_eq!(text, format!("Paris is the {rest}"));
    let response = stream.response().unwrap();
    assert_eq!((response.text(), response.route.model.as_str()), (text, "acme/grand"));
    assert_eq!(response.reply.continued.len(), 1);
    assert_eq!((response.reply.continued[0].part, response.reply.continued[0].model.as_str()), (1, "acme/grand"));
    let lines: Vec<(&str, &str)> =
        response.route.attempts.iter().map(|line| (line.aim, line.outcome.as_str())).collect();
    assert_eq!(lines, [("first", "network"), ("continuation", "overloaded"), ("continuation", "answered")]);
    assert_eq!(world.purposes().await, [Purpose::First, Purpose::Continuation, Purpose::Continuation]);
    let rows = world.rows().await;
    let cost = rows.iter().map(|row| match &row.fate {
        Fate::Settled(settle) => settle.cost,
        fate => panic!("{fate:?}"),
    });
    assert_eq!(response.cost, cost.fold(tierway::Usd::ZERO, tierway::Usd::saturating_add), "both are billed");
    let asked = &world.north.asked()[0].request;
    assert_eq!(asked.messages[1].joined_text(), "Paris is the ");
    assert!(asked.messages[2].joined_text().contains("cut off"));
    world.check_books().await;
}

#[tokio::test]
async fn what_the_second_model_repeats_is_left_out() {
    let turns = [vec![broken(5, WHOLE)], vec![busy()], vec![text("Paris is the capital of France, on the Seine.")]];
    let world = world(turns, continuing(), |builder| builder);
    let response = world.client.stream(&easy()).await.unwrap().finish().await.unwrap();
    assert_eq!(response.text(), "Paris is the capital of France, on the Seine.");
    world.check_books().await;
}

#[tokio::test]
async fn a_continuation_that_breaks_is_continued_too_and_then_the_break_stands() {
    let turns = [vec![broken(2, WHOLE)], vec![broken(2, "the capital of Fr")], vec![broken(1, "France and")]];
    let world = world(turns, continuing(), |builder| builder);
    let mut stream = world.client.stream(&easy()).await.unwrap();
    let mut last = None;
    while let Some(delta) = stream.next().await {
        last = Some(delta);
    }
    let Some(Err(Error::Incomplete(error))) = last else { panic!("{last:?}") };
    let partial = error.partial.unwrap();
    assert_eq!(partial.text(), "Paris is the capital France ");
    assert_eq!(partial.continued.len(), 2);
    assert_eq!(world.rows().await.len(), 3);
    world.check_books().await;
}

#[tokio::test]
async fn a_continuation_stays_inside_policy_and_needs_to_be_asked_for() {
    let label = DataLabel::new("customer-pii").unwrap();
    let mut policy = Policy::default();
    let us = LabelRule { regions: Some(["us".parse().unwrap()].into()), ..LabelRule::default() };
    policy.labels.insert(label.clone(), us);
    let turns = [vec![broken(3, WHOLE)], vec![broken(3, WHOLE)], vec![text("leaked")]];
    let world = world(turns, continuing(), |builder| builder.policy(policy));
    let request = Request::builder().message(Message::user("Anna's address?")).label(label).build().unwrap();
    let error = world.client.stream(&request).await.unwrap().finish().await.unwrap_err();
    assert!(matches!(error, Error::Incomplete(_)), "{error}");
    assert!(world.north.asked().is_empty(), "the other model is in another region");
    assert_eq!((world.east.asked().len(), world.west.asked().len()), (1, 1), "the same model elsewhere may go on");
    world.check_books().await;
}

#[tokio::test]
async fn a_burst_is_shared_by_the_endpoints_of_a_model_and_the_faster_one_gets_more() {
    let fast = vec![later(100, text("east"))];
    let slow = vec![later(300, text("west"))];
    let world = world([fast, slow, vec![]], stock(), |builder| builder);
    for _ in 0..10 {
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let client = world.client.clone();
                tokio::spawn(async move { client.send(&easy()).await.unwrap() })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    }
    let (east, west) = (world.east.asked().len(), world.west.asked().len());
    assert_eq!(east + west, 200);
    // At a load of latency times calls under way, three quarters go to the endpoint that is three times as fast.
    assert!((120..=180).contains(&east), "{east} to the fast one, {west} to the slow one");
    assert!(world.north.asked().is_empty(), "the dearer model is not needed");
    world.check_books().await;
}

/// A client whose only model is at a vendor that is dead.
fn dead_vendor(health: HealthRules, rules: Rules) -> World {
    let only = Settings { models: vec!["acme/grand".parse().unwrap()], ..Settings::default() };
    world([vec![], vec![], vec![busy()]], rules, |builder| builder.health_rules(health).settings(only))
}

/// So many calls at the same time, all of which fail.
async fn fail(world: &World, count: usize) {
    let ask = || {
        let client = world.client.clone();
        tokio::spawn(async move { client.send(&easy()).await.unwrap_err() })
    };
    let calls: Vec<_> = (0..count).map(|_| ask()).collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_vendor_gets_at_most_a_fifth_more_than_the_calls() {
    let never = HealthRules { failures_to_open: u32::MAX, ..HealthRules::default() };
    let world = dead_vendor(never, stock());
    for _ in 0..20 {
        fail(&world, 50).await;
    }
    let load = world.north.asked().len();
    assert!((1_000..=1_200).contains(&load), "{load} requests for 1,000 calls");
    world.check_books().await;
}

#[tokio::test]
async fn a_breaker_leaves_a_dead_vendor_alone_and_probes_it_with_one_call_at_a_time() {
    let health = HealthRules { open_ms: Span::from_ms(2_000), ..HealthRules::default() };
    let world = dead_vendor(health, Rules { deadline: Span::from_ms(40), ..stock() });
    for _ in 0..20 {
        fail(&world, 50).await;
    }
    let load = world.north.asked().len();
    assert!(load <= 100, "{load} requests for 1,000 calls");
    let north = EndpointId::new("north").unwrap();
    while !world.client.health().is_ready(&north, SystemClock.now()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let load = world.north.asked().len();
    fail(&world, 50).await;
    assert_eq!(world.north.asked().len(), load + 1, "one probe");
    world.check_books().await;
}
