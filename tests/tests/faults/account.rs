//! The account of streams that break off or are given up at every byte, through the client: a row is always written,
//! ended, and within its reservation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use tierway::attempt::Rules;
use tierway::catalog::Catalog;
use tierway::client::{Client, Response};
use tierway::ledger::{Basis, Ending, Fate, Row};
use tierway::model::Auth;
use tierway::secrets::Secret;
use tierway::snapshot::HealthRules;
use tierway::store::{MemoryStore, Page, Store};
use tierway::time::Span;
use tierway::transport::{Incoming, Outgoing, Transport};
use tierway::{EndpointId, Message, ProviderError, Request, Usd};

use super::cuts::{Recorder, Stage, Tape, stages};
use super::rig::Format;

/// Plays the first bytes of an answer, and then ends or falls silent.
#[derive(Debug)]
struct Player {
    tape: Tape,
    at: AtomicUsize,
    falls_silent: bool,
}

#[async_trait]
impl Transport for Player {
    async fn post(&self, _: Outgoing) -> Result<Incoming, ProviderError> {
        let at = self.at.load(Ordering::Relaxed);
        let first = futures_util::stream::iter([Ok(self.tape.body.slice(..at))]);
        let body = match self.falls_silent {
            true => first.chain(futures_util::stream::pending()).boxed(),
            false => first.boxed(),
        };
        Ok(Incoming { status: 200, headers: self.tape.headers.clone(), body })
    }
}

/// A client whose only endpoint speaks a format, at a dollar for a thousand prompt tokens and two for the answer's.
fn client(format: &Format, base: &str, transport: Arc<dyn Transport>) -> (Client, Arc<MemoryStore>) {
    let auth = match &format.auth {
        Auth::Header(name) => format!("{{ header = \"{name}\" }}"),
        _ => "\"bearer\"".to_owned(),
    };
    let rows = format!(
        "vendor = \"acme\"\n[defaults]\nsource = \"made up\"\ndate = \"2026-11-01\"\n\
         capabilities = [\"tools\", \"streaming\", \"reasoning\"]\n\
         [[endpoints]]\nid = \"acme\"\napi = \"{}\"\nbase_url = \"{base}\"\nregion = \"eu\"\nauth = {auth}\n\
         [[models]]\nid = \"acme/fox-1\"\nfamily = \"fox\"\ntier = \"standard\"\ncontext_window = 100000\n\
         max_output = 1000\nprices = [{{ rates = {{ input = \"1000\", output = \"2000\" }} }}]\n",
        format.api
    );
    let store = Arc::new(MemoryStore::default());
    let rules = Rules { attempts_here_max: 1, attempts_max: 1, ..Rules::default() };
    let health = HealthRules { failures_to_open: u32::MAX, open_ms: Span::ZERO, open_ms_max: Span::ZERO };
    let built = Client::builder()
        .catalog(Catalog::parse(&rows, "rows.toml").unwrap_or_else(|error| panic!("{error}")))
        .rules(rules)
        .health_rules(health)
        .key(EndpointId::new("acme").expect("a name"), Secret::new("canary-key").expect("plain text"))
        .store(store.clone())
        .transport(transport)
        .build();
    (built.expect("it is whole"), store)
}

fn request() -> Request {
    let asked = Request::builder().message(Message::user("Where does the fox rest?")).max_tokens(400).build();
    asked.expect("it is short")
}

/// The whole answer, and its bytes.
async fn recorded(format: &Format, base: &str) -> (Response, Tape) {
    let recorder = Arc::new(Recorder::default());
    let (client, _) = client(format, base, recorder.clone());
    let whole = client.stream(&request()).await.expect("it answers").finish().await.expect("it is whole");
    (whole, recorder.tape().await)
}

/// Reads a stream as far as it comes, and drops it where it falls silent. Whether anything was shown.
async fn read(client: &Client) -> bool {
    let request = request();
    let mut opening = Box::pin(client.stream(&request));
    // Everything that will come is there: what is still pending after a few turns stays so.
    for _ in 0..8 {
        if let Some(opened) = opening.as_mut().now_or_never() {
            let Ok(mut stream) = opened else { return false };
            let mut shown = false;
            while let Some(Some(piece)) = stream.next().now_or_never() {
                shown |= piece.is_ok();
            }
            return shown;
        }
        tokio::task::yield_now().await;
    }
    false
}

fn check(row: &Row, shown: bool, context: &str) -> Usd {
    match &row.fate {
        Fate::Settled(entry) => {
            assert!(entry.cost <= row.reserve.amount, "{context}: {} of {}", entry.cost, row.reserve.amount);
            assert!(!shown || entry.cost > Usd::ZERO, "{context}: what was shown costs something: {entry:?}");
            let is_whole = entry.ending == Ending::Answered;
            assert!(is_whole || entry.basis != Basis::Stated, "{context}: {entry:?}");
            entry.cost
        }
        Fate::Voided(_) => {
            assert!(!shown, "{context}: what was shown was sent");
            Usd::ZERO
        }
        fate => panic!("{context}: the row has not ended: {fate:?}"),
    }
}

#[tokio::test]
async fn a_stream_cut_or_given_up_at_any_byte_has_a_row_within_its_reservation() {
    let (mut streams, mut cases) = (0, 0);
    for Stage { format, base, .. } in &stages().await {
        let (whole, tape) = recorded(format, base).await;
        for falls_silent in [false, true] {
            let length = tape.body.len();
            let player = Arc::new(Player { tape: tape.clone(), at: AtomicUsize::new(0), falls_silent });
            let (client, store) = client(format, base, player.clone());
            let mut last = Usd::ZERO;
            for at in 0..=length {
                player.at.store(at, Ordering::Relaxed);
                let shown = tokio::time::timeout(Duration::from_secs(60), read(&client)).await.expect("it never hangs");
                let page = Page { after: at as u64, ..Page::default() };
                let rows = store.rows(page).await.expect("it reads");
                let context = format!("{} at byte {at} of {length}, silent: {falls_silent}", format.api);
                assert_eq!(rows.len(), 1, "{context}: one row");
                last = check(&rows[0], shown, &context);
                cases += 1;
            }
            // Given up before its end was seen, an answer counts at the larger of the vendor's figure and our own.
            let is_right = if falls_silent { last >= whole.cost } else { last == whole.cost };
            assert!(is_right, "{}: all bytes came, {last} and not {}", format.api, whole.cost);
            assert!(store.balances().await.expect("it reads").is_empty());
        }
        streams += 1;
    }
    assert!(streams >= 20, "{streams}");
    println!("{streams} streams, {cases} cases");
}

/// Vendors count after the answer's end. Where the connection breaks in between, or in the midst of the count, the answer
/// is whole: it is delivered and settled at our own count, within what was set aside.
#[tokio::test]
async fn a_count_that_is_cut_off_after_the_end_costs_our_own_count_and_not_the_answer() {
    let mut late = std::collections::BTreeMap::new();
    for Stage { format, base, .. } in &stages().await {
        let (whole, tape) = recorded(format, base).await;
        let player = Arc::new(Player { tape: tape.clone(), at: AtomicUsize::new(0), falls_silent: false });
        let (client, store) = client(format, base, player.clone());
        for at in 0..tape.body.len() {
            player.at.store(at, Ordering::Relaxed);
            let Ok(stream) = client.stream(&request()).await else { continue };
            let Ok(response) = stream.finish().await else { continue };
            let context = format!("{} cut at {at}", format.api);
            let (had, has) = (&whole.reply, &response.reply);
            assert_eq!((had.text(), &had.stop, had.parts.len()), (has.text(), &has.stop, has.parts.len()), "{context}");
            if has.usage.output.is_some() {
                continue;
            }
            let rows = store.rows(Page { after: at as u64, ..Page::default() }).await.expect("it reads");
            let Fate::Settled(entry) = &rows[0].fate else { panic!("{context}: {:?}", rows[0].fate) };
            assert_eq!((entry.ending, entry.basis), (Ending::Answered, Basis::Estimate), "{context}");
            assert!(entry.cost > Usd::ZERO && entry.cost <= rows[0].reserve.amount, "{context}: {}", entry.cost);
            *late.entry(format.api.as_str()).or_insert(0) += 1;
        }
        assert!(store.balances().await.expect("it reads").is_empty());
    }
    // The formats whose last event is the count.
    for api in ["chat_completions", "converse"] {
        assert!(late.get(api).is_some_and(|cuts| *cuts > 20), "{api}: {late:?}");
    }
    println!("answers without their count, by format: {late:?}");
}
