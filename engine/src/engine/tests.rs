//! Requests beside each other, cut short, refused: on small models that are made here.

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::backend::cpu::Fast;
use crate::testing::small_model;

/// A speller for vocabularies without texts: each token is a letter.
fn letters() -> Speller {
    Speller { shown: Box::new(|token| vec![b'a' + (token % 26) as u8]), strips_first_space: false }
}

fn start(attention: &str, options: Options) -> Engine {
    let model = small_model(attention).load(Arc::new(Fast::new(2))).unwrap();
    Engine::start(model, letters(), options).unwrap()
}

fn request(prompt: Vec<u32>, tokens_most: usize, seed: u64) -> Request {
    let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
    let (stop_texts, stop_tokens) = (Vec::new(), BTreeSet::new());
    Request { prompt, tokens_most, sampling, stop_texts, stop_tokens, thinking: Thinking::Never, shape: None }
}

fn ask(engine: &Engine, request: Request) -> (Ticket, Receiver<Event>) {
    let (send, receive) = channel();
    let ticket = engine.submit(request, Box::new(move |event| send.send(event).is_ok())).unwrap();
    (ticket, receive)
}

/// The text and how it ended.
fn answer(events: Receiver<Event>) -> (String, Summary) {
    let mut text = String::new();
    for event in events {
        match event {
            Event::Text(more) => text.push_str(&more),
            Event::Done(summary) => return (text, summary),
            other => panic!("{other:?}"),
        }
    }
    panic!("the events ended before the answer did");
}

fn prompt(length: u32, seed: u32) -> Vec<u32> {
    (0..length).map(|at| (at * 31 + seed * 7) % 96).collect()
}

#[test]
fn a_request_gets_the_same_tokens_whatever_else_runs() {
    for attention in ["latent", "grouped"] {
        let engine = start(attention, Options { pass_tokens: 24, ..Options::default() });
        let asked = |seed: u64| request(prompt(5 + 17 * seed as u32, seed as u32), 20, seed);
        let alone: Vec<String> = (0..5).map(|seed| answer(ask(&engine, asked(seed)).1).0).collect();
        let engine = start(attention, Options { pass_tokens: 37, ..Options::default() });
        let together: Vec<_> = (0..5).map(|seed| ask(&engine, asked(seed))).collect();
        let together: Vec<String> = together
            .into_iter()
            .map(|(ticket, events)| {
                let text = answer(events).0;
                drop(ticket);
                text
            })
            .collect();
        assert_eq!(alone, together, "{attention}");
        assert!(alone.iter().all(|text| text.len() == 20));
    }
}

#[test]
fn a_beginning_that_was_computed_before_changes_nothing_but_the_work() {
    for attention in ["latent", "grouped"] {
        let engine = start(attention, Options::default());
        let first = answer(ask(&engine, request(prompt(70, 1), 12, 3)).1);
        let second = answer(ask(&engine, request(prompt(70, 1), 12, 3)).1);
        assert_eq!(first.0, second.0);
        assert_eq!((first.1.reused, second.1.reused), (0, 64));
    }
}

#[test]
fn a_dropped_ticket_frees_its_pages() {
    let engine = start("grouped", Options { cache_tokens: 256, ..Options::default() });
    let (ticket, events) = ask(&engine, request(prompt(100, 1), 150, 1));
    assert!(matches!(events.recv().unwrap(), Event::Text(_)));
    drop(ticket);
    // The next one needs the same pages, and is let in only when they are free.
    let (_, summary) = answer(ask(&engine, request(prompt(100, 2), 150, 1)).1);
    assert_eq!(summary.output, 150);
    assert_eq!(engine.depth(), 0);
}

#[test]
fn a_sink_that_wants_no_more_ends_its_request() {
    let engine = start("grouped", Options::default());
    let (send, receive) = channel();
    let ticket = engine.submit(request(prompt(4, 1), 5_00, 1), Box::new(move |event| send.send(event).is_err()));
    assert!(matches!(receive.recv().unwrap(), Event::Text(_)));
    assert!(receive.recv().is_err());
    drop(ticket);
}

/// A sink that never comes back would keep a drop that joins its thread for ever.
#[test]
fn a_dropped_engine_keeps_nobody_and_ends_by_itself() {
    let engine = start("grouped", Options::default());
    let (send, events) = channel();
    let (release, held) = channel::<()>();
    let sink = move |event| {
        let is_heard = send.send(event).is_ok();
        // Until this test lets go, long after the drop.
        let _ = held.recv();
        is_heard
    };
    let ticket = engine.submit(request(prompt(4, 1), 500, 1), Box::new(sink)).unwrap();
    assert!(matches!(events.recv().unwrap(), Event::Text(_)));
    let model = Arc::downgrade(&engine.model);
    let (dropped, seen) = channel();
    let dropping = std::thread::spawn(move || {
        drop(engine);
        dropped.send(()).unwrap();
    });
    seen.recv_timeout(Duration::from_secs(60)).expect("the drop waits for the engine's thread");
    dropping.join().unwrap();
    assert!(model.strong_count() > 0, "the thread holds what it computes with");
    drop(release);
    // The thread ends, its request's sink with it, and the model's memory is free.
    assert!(events.iter().count() < 500, "no more is computed than the pass that was under way");
    let most = std::time::Instant::now() + Duration::from_secs(30);
    while model.strong_count() > 0 {
        assert!(std::time::Instant::now() < most, "the thread of a dropped engine still runs");
        std::thread::yield_now();
    }
    drop(ticket);
}

#[test]
fn what_cannot_run_is_refused_with_its_reason() {
    let engine = start("grouped", Options { cache_tokens: 64, ..Options::default() });
    let refused = |request: Request| engine.submit(request, Box::new(|_| true)).map(drop).unwrap_err();
    assert!(matches!(refused(request(prompt(60, 1), 30, 0)), EngineError::NoRoom { needed: 90, available: 64, .. }));
    assert!(matches!(refused(request(prompt(5_000, 1), 1, 0)), EngineError::NoRoom { .. }));
    assert!(matches!(refused(request(vec![96], 1, 0)), EngineError::Request { .. }));
    assert!(matches!(refused(request(vec![], 1, 0)), EngineError::Request { .. }));
    let mut cold = request(vec![1], 1, 0);
    cold.sampling.top_p = 0.0;
    assert!(matches!(refused(cold), EngineError::Request { .. }));
}

#[test]
fn stop_texts_and_stop_tokens_end_an_answer() {
    let engine = start("latent", Options::default());
    let (whole, _) = answer(ask(&engine, request(prompt(9, 4), 30, 5)).1);
    let mut asked = request(prompt(9, 4), 30, 5);
    asked.stop_texts = vec![whole[10..13].to_owned()];
    let (text, summary) = answer(ask(&engine, asked).1);
    assert_eq!((text.as_str(), summary.finish), (&whole[..whole.find(&whole[10..13]).unwrap()], Finish::StopText));
    let mut asked = request(prompt(9, 4), 30, 5);
    asked.stop_tokens = (0..96).filter(|token| whole.as_bytes()[5] == b'a' + (token % 26) as u8).collect();
    let (text, summary) = answer(ask(&engine, asked).1);
    assert!(text.len() <= 5 && whole.starts_with(&text));
    assert_eq!(summary.finish, Finish::End);
}

#[test]
fn log_probabilities_come_with_each_token() {
    let engine = start("grouped", Options::default());
    let mut asked = request(prompt(9, 4), 6, 5);
    asked.sampling.logprobs = Some(3);
    let (_ticket, events) = ask(&engine, asked);
    let reported: Vec<Logprob> = events
        .into_iter()
        .filter_map(|event| match event {
            Event::Logprob(logprob) => Some(logprob),
            _ => None,
        })
        .collect();
    assert_eq!(reported.len(), 6);
    assert!(reported.iter().all(|token| token.top.len() == 3 && token.logprob <= token.top[0].1));
}
