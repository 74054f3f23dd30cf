//! Budgets in the live client: soft ones step down, shares hold, and their owner is told, whatever becomes of the telling.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tierway::client::{Client, ClientBuilder};
use tierway::clock::{Clock, SystemClock};
use tierway::config::Config;
use tierway::ledger::{Alert, AlertKind};
use tierway::model::Tier;
use tierway::plan::Settings;
use tierway::store::Page;
use tierway::time::Timestamp;
use tierway::{Error, Message, Request};

#[path = "support/acme.rs"]
mod acme;

use acme::{answer, at, scripted};

/// A builder with these settings, whose endpoints answer `calls` times; the frontier's model is wanted.
fn builder(settings: &str, calls: usize) -> ClientBuilder {
    let provider = |name: &str| scripted(name, (0..calls).map(|_| answer("Paris.", 1_000, 500)).collect());
    let builder = Client::builder()
        .config(Config::parse(settings, "tierway.toml").unwrap())
        .catalog(acme::catalog(&["cheap"], "dear", "chat_completions"))
        .settings(Settings { quality: 1.0, ..Settings::default() });
    at(at(builder, "cheap", &provider("cheap")), "dear", &provider("dear"))
}

fn ask(tags: &[(&str, &str)]) -> Request {
    let mut builder = Request::builder().message(Message::user("Prove the four colour theorem.")).max_tokens(1_000);
    for (name, value) in tags {
        builder = builder.tag(*name, *value);
    }
    builder.build().unwrap()
}

async fn tiers(client: &Client) -> BTreeMap<Tier, usize> {
    let rows = client.store().rows(Page { limit: usize::MAX, ..Page::default() }).await.unwrap();
    let mut tiers = BTreeMap::new();
    rows.iter().for_each(|row| *tiers.entry(row.reserve.facts.tier).or_default() += 1);
    tiers
}

#[tokio::test]
async fn a_soft_budget_tells_and_cheaper_tiers_answer() {
    let settings = "[[budgets]]\nname = \"soft\"\nusd = \"0.05\"\nenforce = \"step_down\"\n\
                    tags = { team = [\"search\", \"ads\"] }\n";
    let client = builder(settings, 20).build().unwrap();
    let mut models = Vec::new();
    for _ in 0..6 {
        models.push(client.send(&ask(&[("team", "ads")])).await.unwrap().route.model.to_string());
    }
    // Each answer of the frontier costs two cents: the third goes beyond five cents, and what follows is cheaper.
    assert_eq!(models, ["acme/grand", "acme/grand", "acme/grand", "acme/mini", "acme/mini", "acme/mini"]);
    let other = client.send(&ask(&[("team", "legal")])).await.unwrap();
    assert_eq!(other.route.model.as_str(), "acme/grand", "the budget is of other teams");
    let plan = client.route(&ask(&[("team", "search")])).unwrap();
    let told = serde_json::to_string(&plan.explain()).unwrap();
    assert!(told.contains("soft"), "the plan says why: {told}");
}

#[tokio::test]
async fn the_frontier_takes_no_more_than_its_share() {
    let settings = "[[budgets]]\nname = \"frontier\"\nshare = 0.1\ntiers = [\"frontier\"]\nwindow = \"day\"\n";
    let client = builder(settings, 300).build().unwrap();
    for sent in 1..=200usize {
        client.send(&ask(&[])).await.unwrap();
        let tiers = tiers(&client).await;
        let frontier = tiers.get(&Tier::Frontier).copied().unwrap_or(0);
        assert!(frontier <= sent.div_ceil(10), "{frontier} of {sent}");
    }
    assert_eq!(tiers(&client).await.get(&Tier::Frontier), Some(&20), "and takes the whole of it");
}

#[tokio::test]
async fn tokens_and_requests_hold_for_any_combination_of_tags() {
    let settings = "[[budgets]]\nname = \"calls\"\nrequests = 2\nper = [\"user\", \"project\"]\nwindow = \"hour\"\n\
                    [[budgets]]\nname = \"tokens\"\ntokens = 12000\nper = [\"team\", \"model\"]\nzone = \"Asia/Tokyo\"\nwindow = \"month\"\n\
                    [[budgets]]\nname = \"ann\"\nusd = \"0.03\"\ntags = { user = \"ann\", project = \"p2\" }\nwindow = \"rolling 24h\"\n";
    let client = builder(settings, 100).build().unwrap();
    let outcomes = |user: &'static str, project: &'static str, team: &'static str, calls: usize| {
        let client = &client;
        async move {
            let mut budgets = Vec::new();
            for _ in 0..calls {
                match client.send(&ask(&[("user", user), ("project", project), ("team", team)])).await {
                    Ok(_) => budgets.push("ok".to_owned()),
                    Err(error @ (Error::OverBudget(_) | Error::Refused(_))) => {
                        let text = error.to_string();
                        let names = ["calls", "tokens", "ann"].into_iter().filter(|name| text.contains(*name));
                        budgets.push(names.collect::<Vec<_>>().join("+"));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            budgets
        }
    };
    assert_eq!(outcomes("bob", "p1", "a", 3).await, ["ok", "ok", "calls"]);
    assert_eq!(outcomes("bob", "p2", "b", 3).await, ["ok", "ok", "calls"]);
    // Ann's first call takes two cents of three; the reservation of the second does not fit, so the cheap model answers.
    assert_eq!(outcomes("ann", "p2", "c", 2).await, ["ok", "ok"]);
    // A team's tokens count by model: each call uses 1,500 and sets aside more.
    let mut last = Vec::new();
    for user in ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9"] {
        last = outcomes(user, "p1", "d", 2).await;
    }
    assert!(last.iter().all(|outcome| outcome == "tokens"), "{last:?}");
    let rows = client.store().rows(Page::default()).await.unwrap();
    let team_d: u64 =
        rows.iter().filter(|row| row.reserve.facts.tags.get("team").is_some_and(|t| t == "d")).count() as u64;
    assert!(team_d * 1_500 <= 2 * 12_000, "two models, each within its tokens: {team_d}");
}

/// What a function was told, by kind.
type Told = Arc<Mutex<Vec<Alert>>>;

fn listener() -> (Told, impl Fn(&Alert) + Send + Sync + 'static) {
    let told: Told = Told::default();
    let heard = told.clone();
    (told, move |alert: &Alert| heard.lock().unwrap().push(alert.clone()))
}

const MARKS: &str =
    "[[budgets]]\nname = \"team\"\nusd = \"0.1\"\nenforce = \"alert\"\nalert_at = [20, 50, 100]\nwindow = \"total\"\n";

#[tokio::test]
async fn a_function_is_told_of_each_mark_once_however_calls_end() {
    let (told, tell) = listener();
    let client = builder(MARKS, 20).on_alert(tell).build().unwrap();
    client.send(&ask(&[])).await.unwrap();
    // A stream that is read, and two that are dropped: they are charged for what came.
    client.stream(&ask(&[])).await.unwrap().finish().await.unwrap();
    for _ in 0..4 {
        client.send(&ask(&[])).await.unwrap();
    }
    client.close().await.unwrap();
    let kinds: Vec<AlertKind> = told.lock().unwrap().iter().map(|alert| alert.kind).collect();
    let reached = |mark| AlertKind::Reached(mark);
    for mark in [20, 50, 100] {
        assert_eq!(kinds.iter().filter(|kind| **kind == reached(mark)).count(), 1, "{kinds:?}");
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == AlertKind::Beyond).count(), 1, "{kinds:?}");
    assert!(told.lock().unwrap().iter().all(|alert| alert.budget == "team"));
}

#[tokio::test]
async fn a_dropped_stream_tells_too_and_a_function_that_panics_harms_nobody() {
    let (told, tell) = listener();
    let panicking = move |alert: &Alert| {
        tell(alert);
        panic!("a fault of the owner's");
    };
    let settings = "[[budgets]]\nname = \"tiny\"\nusd = \"0.001\"\nenforce = \"alert\"\nalert_at = [1]\n";
    let client = builder(settings, 5).on_alert(panicking).build().unwrap();
    let mut stream = client.stream(&ask(&[])).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    client.send(&ask(&[])).await.unwrap();
    client.close().await.unwrap();
    let kinds: Vec<AlertKind> = told.lock().unwrap().iter().map(|alert| alert.kind).collect();
    assert!(kinds.contains(&AlertKind::Reached(1)), "{kinds:?}");
}

#[tokio::test]
async fn a_client_that_closes_tells_of_streams_that_were_just_dropped() {
    let folder = Folder::new("dropped");
    let path = folder.0.join("ledger.db");
    let settings = format!(
        "[ledger]\npath = \"{}\"\n[[budgets]]\nname = \"tiny\"\nusd = \"0.001\"\nenforce = \"alert\"\nalert_at = [1]\n",
        path.display()
    );
    for _ in 0..20 {
        let _ = std::fs::remove_file(&path);
        let (told, tell) = listener();
        let client = builder(&settings, 5).on_alert(tell).build().unwrap();
        let mut stream = client.stream(&ask(&[])).await.unwrap();
        stream.next().await.unwrap().unwrap();
        drop(stream);
        client.close().await.unwrap();
        let kinds: Vec<AlertKind> = told.lock().unwrap().iter().map(|alert| alert.kind).collect();
        assert!(kinds.contains(&AlertKind::Reached(1)), "{kinds:?}");
    }
}

/// A post that came: its head and its body.
#[derive(Clone, Debug)]
struct Post {
    head: String,
    body: serde_json::Value,
}

/// A server of one's own that takes posts, after it has refused so many; where it hangs, it never answers.
struct Hook {
    url: String,
    posts: Arc<Mutex<Vec<Post>>>,
    held: Receiver<TcpStream>,
    connections: Arc<AtomicUsize>,
}

impl Hook {
    fn start(refusals: usize, hangs: bool) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/alerts?token=canary-query", listener.local_addr().unwrap());
        let posts = Arc::new(Mutex::new(Vec::new()));
        let heard = posts.clone();
        let (keep, held) = channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                count.fetch_add(1, Ordering::SeqCst);
                if hangs {
                    // The test may be over.
                    let _ = keep.send(stream);
                    continue;
                }
                take(stream, if number < refusals { "503 Busy" } else { "204 Taken" }, &heard);
            }
        });
        Hook { url, posts, held, connections }
    }

    /// The first connection that it never answers.
    fn held(&self) -> TcpStream {
        self.held.recv().unwrap()
    }

    fn taken(&self, refusals: usize) -> Vec<Post> {
        self.posts.lock().unwrap().iter().skip(refusals).cloned().collect()
    }

    fn wait_for(&self, count: usize) -> Vec<Post> {
        let began = Instant::now();
        while self.posts.lock().unwrap().len() < count && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.posts.lock().unwrap().clone()
    }
}

fn take(mut stream: TcpStream, status: &str, heard: &Mutex<Vec<Post>>) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (mut text, mut piece) = (Vec::new(), [0u8; 4_096]);
    let body = loop {
        let Ok(count @ 1..) = stream.read(&mut piece) else { return };
        text.extend_from_slice(&piece[..count]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n")
            && let Ok(value) = serde_json::from_str::<serde_json::Value>(body)
        {
            break Post { head: head.to_lowercase(), body: value };
        }
    };
    heard.lock().unwrap().push(body);
    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tierway-budgets-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(hook: &Hook) -> String {
    let url = &hook.url;
    format!("[transport]\nproxy = \"none\"\n[alerts]\nwebhook = \"{url}\"\nwebhook_key_env = \"PATH\"\n{MARKS}")
}

fn with_hook(hook: &Hook, folder: &Folder) -> String {
    format!("[ledger]\npath = \"{}\"\n{}", folder.0.join("ledger.db").display(), settings(hook))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_posted_until_it_is_taken() {
    let (folder, hook) = (Folder::new("taken"), Hook::start(2, false));
    let client = builder(&with_hook(&hook, &folder), 20).build().unwrap();
    for _ in 0..3 {
        client.send(&ask(&[])).await.unwrap();
    }
    let posts = tokio::task::block_in_place(|| hook.wait_for(4));
    client.close().await.unwrap();
    let ids: Vec<&str> = posts.iter().map(|post| post.body["id"].as_str().unwrap()).collect();
    // Two marks, each refused once: the same ids come again.
    assert_eq!(ids.len(), 4, "{posts:?}");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 2, "{ids:?}");
    let body = &posts[0].body;
    assert_eq!(
        (&body["type"], &body["budget"], &body["limit"]["usd"]),
        (&"budget_alert".into(), &"team".into(), &"0.1".into())
    );
    assert_eq!(body["kind"]["reached"], 20);
    assert!(posts[0].head.contains("authorization: bearer ") && posts[0].head.contains("tierway-alert-id: "));
    assert!(!format!("{posts:?}").contains("four colour"), "no prompt is posted");
}

/// A clock at which the thread that tells of alerts stops when it first looks, until it is let go.
#[derive(Debug)]
struct LateThread(Mutex<Option<Receiver<()>>>);

impl Clock for LateThread {
    fn now(&self) -> Timestamp {
        if std::thread::current().name() == Some("tierway-alerts")
            && let Some(gate) = self.0.lock().unwrap().take()
        {
            gate.recv().unwrap();
        }
        SystemClock.now()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_reached_while_the_thread_of_alerts_starts_is_posted_once() {
    let (folder, hook) = (Folder::new("late"), Hook::start(0, false));
    let (go, gate) = channel();
    let clock = Arc::new(LateThread(Mutex::new(Some(gate))));
    let client = builder(&with_hook(&hook, &folder), 20).clock(clock).build().unwrap();
    for _ in 0..3 {
        client.send(&ask(&[])).await.unwrap();
    }
    // Now it finds both marks in the account, and hears of both.
    go.send(()).unwrap();
    client.close().await.unwrap();
    let posts = hook.taken(0);
    let ids: BTreeSet<&str> = posts.iter().map(|post| post.body["id"].as_str().unwrap()).collect();
    assert_eq!((posts.len(), ids.len()), (2, 2), "{posts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_hangs_delays_no_call() {
    let hook = Hook::start(0, true);
    let client = builder(&settings(&hook), 20).build().unwrap();
    client.send(&ask(&[])).await.unwrap();
    let mut held = tokio::task::block_in_place(|| hook.held());
    for _ in 0..5 {
        client.send(&ask(&[])).await.unwrap();
    }
    // A call that had waited for the post would have seen it given up: its connection would be closed by now.
    held.set_nonblocking(true).unwrap();
    let (mut piece, mut state) = ([0u8; 4_096], held.read(&mut [0u8; 1]));
    while matches!(state, Ok(1..)) {
        state = held.read(&mut piece);
    }
    assert!(state.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "the post still waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_hangs_holds_up_no_function() {
    let hook = Hook::start(0, true);
    let (told, tell) = listener();
    let connections = hook.connections.clone();
    let before = Arc::new(Mutex::new(Vec::new()));
    let seen = before.clone();
    let tell = move |alert: &Alert| {
        seen.lock().unwrap().push(connections.load(Ordering::SeqCst));
        tell(alert);
    };
    let client = builder(&settings(&hook), 20).on_alert(tell).build().unwrap();
    client.send(&ask(&[])).await.unwrap();
    let _held = tokio::task::block_in_place(|| hook.held());
    for _ in 0..5 {
        client.send(&ask(&[])).await.unwrap();
    }
    for _ in 0..12_000 {
        if told.lock().unwrap().len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // While the first is given up, three more marks are reached: they are told before the next is posted.
    assert_eq!((told.lock().unwrap().len(), before.lock().unwrap().iter().max()), (4, Some(&1)), "{before:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_took_is_posted_at_the_next_start_and_what_was_taken_is_not() {
    let folder = Folder::new("again");
    let away = Hook::start(usize::MAX, false);
    let client = builder(&with_hook(&away, &folder), 20).build().unwrap();
    for _ in 0..3 {
        client.send(&ask(&[])).await.unwrap();
    }
    client.close().await.unwrap();
    let refused: BTreeSet<String> =
        away.taken(0).iter().map(|post| post.body["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(refused.len(), 2, "20 and 50 percent");
    drop(client);
    let back = Hook::start(0, false);
    let client = builder(&with_hook(&back, &folder), 20).build().unwrap();
    let posts = tokio::task::block_in_place(|| back.wait_for(2));
    let taken: BTreeSet<String> = posts.iter().map(|post| post.body["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(taken, refused, "the same ids");
    client.close().await.unwrap();
    drop(client);
    let third = Hook::start(0, false);
    let client = builder(&with_hook(&third, &folder), 20).build().unwrap();
    client.send(&ask(&[])).await.unwrap();
    client.close().await.unwrap();
    assert!(third.taken(0).is_empty(), "{:?}", third.taken(0));
}

#[test]
fn an_address_that_cannot_be_one_is_refused_at_once() {
    for (url, want) in
        [("ftp://host/x", "https"), ("nonsense", "https"), ("http://example.com/x", "a key travels over https")]
    {
        let settings = format!("[alerts]\nwebhook = \"{url}\"\nwebhook_key_env = \"PATH\"\n");
        let error = builder(&settings, 1).build().unwrap_err().to_string();
        assert!(error.contains("alerts.webhook") && error.contains(want), "{error}");
    }
    let unset = builder("[alerts]\nwebhook = \"https://example.com\"\nwebhook_key_env = \"TIERWAY_NO_SUCH_KEY\"\n", 1);
    assert!(unset.build().unwrap_err().to_string().contains("TIERWAY_NO_SUCH_KEY"));
}
