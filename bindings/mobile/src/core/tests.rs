//! What a host sees: its own provider and transport are asked, and requests wait for a network.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tierway_bindings::runtime;

use super::*;
use crate::{HostFault, HostHeader, HostRequest, HostResponse};

/// A model of the host's behind a radio that may be off.
#[derive(Default)]
struct House {
    is_up: AtomicBool,
    asked: AtomicUsize,
}

fn no_route() -> HostFault {
    HostFault::Failed { facts: json!({"kind": "connect", "message": "no route", "sent": false}).to_string() }
}

#[async_trait]
impl HostProvider for House {
    async fn chat(&self, _: String) -> Result<String, HostFault> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = json!({"text": "hello", "usage": {"input": 9, "output": 1}});
        if self.is_up.load(Ordering::Relaxed) { Ok(answer.to_string()) } else { Err(no_route()) }
    }

    async fn begin(&self, _: u64, _: String) -> Result<(), HostFault> {
        Err(no_route())
    }

    async fn next(&self, _: u64) -> Result<Option<String>, HostFault> {
        Ok(None)
    }

    fn end(&self, _: u64) {}
}

const REQUEST: &str = r#"{"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]}"#;

fn code<T>(outcome: Result<T, CoreError>) -> String {
    let Err(CoreError::Failed { facts }) = outcome else { return "none".to_owned() };
    serde_json::from_str::<Value>(&facts).unwrap()["code"].as_str().unwrap().to_owned()
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    runtime::wait(work).unwrap()
}

#[test]
fn requests_wait_for_a_network_and_are_answered_in_order() {
    let folder = std::env::temp_dir().join(format!("tierway-core-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("outbox.jsonl").to_string_lossy().into_owned();
    let house = Arc::new(House::default());
    let open = || {
        let providers: HashMap<String, Arc<dyn HostProvider>> =
            HashMap::from([("ollama".to_owned(), house.clone() as _)]);
        let settings = json!({"keys": {}, "router": {"endpoints": ["ollama"]}, "retry": {"deadline_ms": 3_000}});
        let settings = settings.to_string();
        let plan = OfflinePlan { mode: OfflineMode::Queue, outbox: Some(file.clone()) };
        Core::new(settings, providers, Vec::new(), None, plan).map_err(|error| code::<()>(Err(error))).unwrap()
    };
    let core = open();
    core.set_online(false);
    assert_eq!(code(wait(core.send(REQUEST.to_owned(), None))), "offline");
    assert!(matches!(wait(core.submit(REQUEST.to_owned(), None)), Ok(Submitted::Queued { id: 1 })));
    assert_eq!(code(wait(core.submit("{\"messages\": 7}".to_owned(), None))), "invalid_request");
    assert_eq!(house.asked.load(Ordering::Relaxed), 0, "nothing is tried without a network");

    // The host thought that there was a network, and nothing left the device.
    core.set_online(true);
    assert!(matches!(wait(core.submit(REQUEST.to_owned(), None)), Ok(Submitted::Queued { id: 2 })));
    assert!(house.asked.load(Ordering::Relaxed) > 0);
    assert_eq!(wait(core.deliver(None)).map_err(|_| ()).unwrap().len(), 0);
    drop(core);

    let core = open();
    house.is_up.store(true, Ordering::Relaxed);
    let answered = wait(core.deliver(None)).map_err(|_| ()).unwrap();
    assert_eq!(answered.iter().map(|letter| letter.id).collect::<Vec<_>>(), [1, 2]);
    for letter in &answered {
        assert_eq!(letter.state, LetterState::Answered);
        assert!(letter.outcome.as_ref().unwrap().contains("hello"), "{:?}", letter.outcome);
    }
    assert!(matches!(wait(core.submit(REQUEST.to_owned(), None)), Ok(Submitted::Answered { .. })));
    core.forget(1).map_err(|_| ()).unwrap();
    assert_eq!(core.letters().map_err(|_| ()).unwrap().len(), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn without_a_network_only_the_device_sees_a_request() {
    let house = Arc::new(House { is_up: AtomicBool::new(true), ..House::default() });
    let open = |endpoint: &str| {
        let providers: HashMap<String, Arc<dyn HostProvider>> =
            HashMap::from([(endpoint.to_owned(), house.clone() as _)]);
        let settings = json!({"keys": {"openai": "sk-canary"}, "router": {"endpoints": [endpoint]}}).to_string();
        let plan = OfflinePlan { mode: OfflineMode::Local, outbox: None };
        let core =
            Core::new(settings, providers, Vec::new(), None, plan).map_err(|error| code::<()>(Err(error))).unwrap();
        core.set_online(false);
        core
    };
    assert!(wait(open("ollama").send(REQUEST.to_owned(), None)).is_ok());
    let asked = house.asked.load(Ordering::Relaxed);
    let vendors = open("openai");
    let null = REQUEST.replacen('{', "{\"labels\": null, ", 1);
    for request in [REQUEST.to_owned(), null] {
        assert_eq!(code(wait(vendors.send(request, None))), "refused");
    }
    assert_eq!(house.asked.load(Ordering::Relaxed), asked);
    vendors.set_online(true);
    assert!(wait(vendors.send(REQUEST.to_owned(), None)).is_ok());
}

/// A transport that answers as OpenAI does.
#[derive(Default)]
struct Wires {
    is_mute: bool,
    body: AtomicU64,
    heard: Mutex<Vec<HostRequest>>,
    read: AtomicUsize,
    ended: AtomicUsize,
}

#[async_trait]
impl HostTransport for Wires {
    async fn begin(&self, body: u64, request: HostRequest) -> Result<HostResponse, HostFault> {
        self.heard.lock().unwrap().push(request);
        self.body.store(body, Ordering::Relaxed);
        if self.is_mute {
            std::future::pending::<()>().await;
        }
        let kind = HostHeader { name: "Content-Type".to_owned(), value: "application/json".to_owned() };
        Ok(HostResponse { status: 200, headers: vec![kind] })
    }

    async fn read(&self, body: u64) -> Result<Option<Vec<u8>>, HostFault> {
        assert_eq!(body, self.body.load(Ordering::Relaxed));
        let answer = json!({"id": "c", "model": "gpt", "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "by the host's wires"}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4}});
        let is_first = self.read.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(is_first.then(|| answer.to_string().into_bytes()))
    }

    fn end(&self, body: u64) {
        assert_eq!(body, self.body.load(Ordering::Relaxed));
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

fn carried_by(wires: &Arc<Wires>) -> Arc<Core> {
    let settings = json!({"keys": {"openai": "sk-canary"}, "router": {"endpoints": ["openai"]}}).to_string();
    Core::new(settings, HashMap::new(), Vec::new(), Some(wires.clone()), OfflinePlan::default())
        .map_err(|error| code::<()>(Err(error)))
        .unwrap()
}

#[test]
fn the_hosts_transport_carries_a_call_with_its_key_and_is_let_go() {
    let wires = Arc::new(Wires::default());
    let core = carried_by(&wires);
    let response = wait(core.send(REQUEST.to_owned(), None)).map_err(|error| code::<()>(Err(error))).unwrap();
    assert!(response.contains("by the host's wires") && !response.contains("sk-canary"), "{response}");
    let heard = wires.heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].url.starts_with("https://api.openai.com/v1/"), "{}", heard[0].url);
    let key = heard[0].headers.iter().find(|header| header.name == "authorization");
    assert_eq!(key.map(|header| header.value.as_str()), Some("Bearer sk-canary"));
    assert_eq!(wires.ended.load(Ordering::Relaxed), 1);
}

#[test]
fn what_a_host_began_for_a_call_that_was_given_up_is_ended() {
    let wires = Arc::new(Wires { is_mute: true, ..Wires::default() });
    let core = carried_by(&wires);
    let begun = async {
        while wires.heard.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    wait(async {
        tokio::select! {
            _ = core.send(REQUEST.to_owned(), None) => panic!("nobody answers"),
            () = begun => {}
        }
    });
    until(|| wires.ended.load(Ordering::Relaxed) == 1);
}

#[test]
fn a_kept_request_is_retried_when_its_delivery_was_given_up_and_not_before() {
    let folder = std::env::temp_dir().join(format!("tierway-retry-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let wires = Arc::new(Wires { is_mute: true, ..Wires::default() });
    let settings = json!({"keys": {"openai": "sk-canary"}, "router": {"endpoints": ["openai"]}}).to_string();
    let file = folder.join("outbox.jsonl").to_string_lossy().into_owned();
    let plan = OfflinePlan { mode: OfflineMode::Queue, outbox: Some(file) };
    let core = Core::new(settings, HashMap::new(), Vec::new(), Some(wires.clone()), plan).map_err(|_| ()).unwrap();
    core.set_online(false);
    assert!(matches!(wait(core.submit(REQUEST.to_owned(), None)), Ok(Submitted::Queued { id: 1 })));
    core.set_online(true);

    let stop = Stopper::new();
    let delivers = std::thread::spawn({
        let (core, stop) = (core.clone(), stop.clone());
        move || code(wait(core.deliver(Some(stop))))
    });
    until(|| !wires.heard.lock().unwrap().is_empty());
    assert_eq!(code(core.retry(1)), "outbox", "it is on its way");
    stop.stop();
    assert_eq!(delivers.join().unwrap(), "cancelled");
    assert_eq!(core.letters().map_err(|_| ()).unwrap()[0].state, LetterState::Unknown);
    core.retry(1).map_err(|error| code::<()>(Err(error))).unwrap();
    assert_eq!(core.letters().map_err(|_| ()).unwrap()[0].state, LetterState::Waiting);
    std::fs::remove_dir_all(folder).unwrap();
}

fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("it did not come to pass within two seconds");
}

fn held(core: &Core) -> Value {
    let report: Value = serde_json::from_str(&wait(core.report("{}".to_owned())).map_err(|_| ()).unwrap()).unwrap();
    report["total"]["held"].clone()
}

/// What a host does that waits no longer, just when a stream was opened: it has nothing in hand but the stream.
#[test]
fn a_stream_is_ended_before_while_and_after_it_is_opened() {
    let house = || -> Arc<dyn HostProvider> { Arc::new(Slow) };
    let settings = json!({"keys": {}, "router": {"endpoints": ["ollama"]}, "retry": {"deadline_ms": 5000}}).to_string();
    let providers = HashMap::from([("ollama".to_owned(), house())]);
    let core = Core::new(settings, providers, Vec::new(), None, OfflinePlan::default())
        .map_err(|error| code::<()>(Err(error)))
        .unwrap();

    let early = core.stream(REQUEST.to_owned());
    early.end();
    assert_eq!(code(wait(early.open(None))), "cancelled");
    assert!(matches!(wait(early.next()), Ok(None)));

    let unopened = core.stream(REQUEST.to_owned());
    assert_eq!(code(wait(unopened.next())), "internal");
    assert_eq!((unopened.route(), unopened.response()), (None, None));

    for patience_ms in [0, 1, 5, 20, 40] {
        let stream = core.stream(REQUEST.to_owned());
        let _ = wait(async { tokio::time::timeout(Duration::from_millis(patience_ms), stream.open(None)).await });
        stream.end();
        until(|| held(&core) == 0);
    }

    let stream = core.stream(REQUEST.to_owned());
    wait(stream.open(None)).map_err(|_| ()).unwrap();
    assert_eq!(code(wait(stream.open(None))), "internal", "once for each stream");
    assert!(stream.route().is_some() && held(&core) != 0);
    drop(stream);
    until(|| held(&core) == 0);
}

/// A provider that is slow to begin, and never ends.
struct Slow;

#[async_trait]
impl HostProvider for Slow {
    async fn chat(&self, _: String) -> Result<String, HostFault> {
        Err(no_route())
    }

    async fn begin(&self, _: u64, _: String) -> Result<(), HostFault> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(())
    }

    async fn next(&self, _: u64) -> Result<Option<String>, HostFault> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(Some(r#""word ""#.to_owned()))
    }

    fn end(&self, _: u64) {}
}

/// A provider whose code is broken.
struct Broken;

#[async_trait]
impl HostProvider for Broken {
    async fn chat(&self, _: String) -> Result<String, HostFault> {
        panic!("on purpose")
    }

    async fn begin(&self, _: u64, _: String) -> Result<(), HostFault> {
        panic!("on purpose")
    }

    async fn next(&self, _: u64) -> Result<Option<String>, HostFault> {
        panic!("on purpose")
    }

    fn end(&self, _: u64) {
        panic!("on purpose")
    }
}

#[test]
fn a_panic_in_a_callback_is_an_error_and_the_client_lives_on() {
    let providers: HashMap<String, Arc<dyn HostProvider>> =
        HashMap::from([("ollama".to_owned(), Arc::new(Broken) as _)]);
    let settings =
        json!({"keys": {}, "router": {"endpoints": ["ollama"]}, "retry": {"deadline_ms": 60_000}}).to_string();
    let plan = OfflinePlan { mode: OfflineMode::Try, outbox: None };
    let core = Core::new(settings, providers, Vec::new(), None, plan).map_err(|error| code::<()>(Err(error))).unwrap();
    for _ in 0..2 {
        assert_eq!(code(wait(core.send(REQUEST.to_owned(), None))), "internal");
        assert_eq!(code(wait(core.stream(REQUEST.to_owned()).open(None))), "internal");
    }
    assert_eq!(held(&core), 0, "what was reserved is settled");
}
