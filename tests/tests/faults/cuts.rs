//! Streams cut at every byte, through the real provider over a transport in memory: the bytes of a server's answer are
//! taken once over a socket and then replayed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use tierway::clock::SystemClock;
use tierway::id::ProviderId;
use tierway::message::ToolCall;
use tierway::reply::Reply;
use tierway::secrets::Secret;
use tierway::testing::server::{Answer, Pace, Server};
use tierway::transport::{HttpProvider, HttpTransport, Incoming, Outgoing, Transport};
use tierway::wire::Headers;
use tierway::{Call, Content, Kind, Part, ProviderError, Usage};
use tokio::sync::Mutex;

use super::rig::{Format, call, fold};

/// Passes a call on to HTTP and keeps the answer's head and bytes.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    http: HttpTransport,
    heard: Mutex<Option<Tape>>,
}

#[derive(Clone, Debug)]
pub(super) struct Tape {
    pub(super) headers: Headers,
    pub(super) body: Bytes,
}

impl Recorder {
    pub(super) async fn tape(&self) -> Tape {
        self.heard.lock().await.clone().expect("it was recorded")
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError> {
        let Incoming { status, headers, mut body } = self.http.post(outgoing).await?;
        let mut whole = Vec::new();
        while let Some(chunk) = body.next().await {
            whole.extend_from_slice(&chunk?);
        }
        let body = Bytes::from(whole);
        *self.heard.lock().await = Some(Tape { headers: headers.clone(), body: body.clone() });
        let chunks = futures_util::stream::iter([Ok(body)]);
        Ok(Incoming { status, headers, body: Box::pin(chunks) })
    }
}

/// Plays an answer in two pieces, or only the first.
#[derive(Debug)]
struct Player {
    tape: Tape,
    at: usize,
    goes_on: bool,
}

#[async_trait]
impl Transport for Player {
    async fn post(&self, _: Outgoing) -> Result<Incoming, ProviderError> {
        let (before, after) = (self.tape.body.slice(..self.at), self.tape.body.slice(self.at..));
        let pieces = if self.goes_on { vec![Ok(before), Ok(after)] } else { vec![Ok(before)] };
        let headers = self.tape.headers.clone();
        Ok(Incoming { status: 200, headers, body: Box::pin(futures_util::stream::iter(pieces)) })
    }
}

/// Three answers: a text, reasoning before a text, two tool calls.
fn answers() -> Vec<Answer> {
    let tool = |id: &str, arguments: &str| {
        Part::new(Content::ToolCall(ToolCall { id: id.into(), name: "look_up".into(), arguments: arguments.into() }))
    };
    let reasoning = Part::new(Content::Reasoning { text: "Erst überlegen, dann reden.".into() });
    let usage = Usage::of(31, 27);
    let of = |parts| Answer::of(Reply { parts, usage: usage.clone(), ..Reply::default() });
    vec![
        of(vec![Part::text("Größe: 12 µm; 漢字. \"Twice\".")]),
        of(vec![reasoning, Part::text("Ja: 漢字.")]),
        of(vec![tool("c1", "{\"w\":\"Öl\"}"), tool("c2", "{\"n\":2}")]),
    ]
}

/// An answer in a format, at an address where a server sends it in small pieces.
pub(super) struct Stage {
    pub(super) format: Format,
    pub(super) base: String,
    _server: Arc<Server>,
}

/// Every answer in every format.
pub(super) async fn stages() -> Vec<Stage> {
    let mut stages = Vec::new();
    for answer in answers() {
        let answer = answer.with_pace(Pace { piece_chars: 9, ..Pace::default() });
        let server = Arc::new(Server::start(answer).await.expect("a loopback port is free"));
        stages.extend(Format::all().into_iter().map(|format| {
            let base = format!("{}/x{}", server.url(), format.base);
            Stage { format, base, _server: server.clone() }
        }));
    }
    stages
}

async fn ask(format: &Format, call: &Call, transport: Arc<dyn Transport>) -> Result<Reply, ProviderError> {
    let wire = tierway::wire::for_api(format.api).expect("every format has a wire");
    let id = ProviderId::new("acme").expect("a plain word is an id");
    let key = Secret::new("canary-key").expect("it is plain text");
    fold(&HttpProvider::new(id, wire, transport, Arc::new(SystemClock), Some(key)), call).await
}

/// What must be the same, however the bytes are cut.
fn essence(reply: &Reply) -> String {
    let calls: Vec<_> = reply.tool_calls().map(|call| (&call.name, &call.arguments)).collect();
    format!("{:?} {:?} {calls:?} {:?} {:?}", reply.text(), reply.reasoning(), reply.stop, reply.usage)
}

#[tokio::test]
async fn a_stream_is_the_same_however_it_is_cut_and_never_whole_when_it_is_not() {
    let (mut streams, mut cuts) = (0, 0);
    for Stage { format, base, .. } in &stages().await {
        let recorder = Arc::new(Recorder::default());
        let call = call(format, base);
        let whole = ask(format, &call, recorder.clone()).await.expect("the stream is right");
        let tape = recorder.heard.lock().await.clone().expect("it was recorded");
        for at in 0..=tape.body.len() {
            let split = Player { tape: tape.clone(), at, goes_on: true };
            let again = ask(format, &call, Arc::new(split)).await;
            let again = again.unwrap_or_else(|error| panic!("{} split at {at}: {error}", format.api));
            assert_eq!(essence(&again), essence(&whole), "{} split at {at}", format.api);
            let cut = Player { tape: tape.clone(), at, goes_on: false };
            check_cut(format, at, &whole, ask(format, &call, Arc::new(cut)).await);
            cuts += 2;
        }
        streams += 1;
    }
    assert_eq!(streams, 3 * Format::all().len());
    println!("{streams} streams, {cuts} cuts");
}

/// A cut stream is an error, or whole but for what follows the answer's end: the count of tokens.
fn check_cut(format: &Format, at: usize, whole: &Reply, cut: Result<Reply, ProviderError>) {
    match cut {
        Ok(reply) => {
            let same = reply.text() == whole.text() && reply.stop == whole.stop;
            assert!(same && reply.parts.len() == whole.parts.len(), "{} cut at {at}: {}", format.api, essence(&reply));
        }
        Err(error) => {
            let kinds = [Kind::Incomplete, Kind::Protocol, Kind::Network];
            assert!(kinds.contains(&error.kind), "{} cut at {at}: {error}", format.api);
        }
    }
}

/// What broken text looks like: a lead byte alone, a byte that only goes on, one that never stands, a character without
/// its end, one with a letter in its midst, a code in more bytes than it takes, half of a pair, one beyond the last.
const BROKEN: [&[u8]; 8] =
    [b"\xf0", b"\x80", b"\xff", b"\xe6\xbc", b"\xe6a\xa2", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"];

/// The place of a character of the answer in its bytes, and how many bytes it has.
fn places(body: &[u8]) -> Vec<(usize, usize)> {
    let find = |word: &str| body.windows(word.len()).position(|at| at == word.as_bytes()).map(|at| (at, word.len()));
    ["ö", "字", "Ö", "ü"].iter().filter_map(|word| find(word)).collect()
}

#[tokio::test]
async fn broken_characters_come_to_the_same_however_their_bytes_are_cut() {
    let (mut streams, mut cuts, mut mended) = (0, 0, 0);
    for Stage { format, base, .. } in &stages().await {
        let recorder = Arc::new(Recorder::default());
        let call = call(format, base);
        ask(format, &call, recorder.clone()).await.expect("the stream is right");
        let tape = recorder.tape().await;
        let at = places(&tape.body);
        assert!(!at.is_empty(), "{}: no character to break", format.api);
        for (number, broken) in BROKEN.iter().enumerate() {
            let (place, length) = at[number % at.len()];
            let body = [&tape.body[..place], broken, &tape.body[place + length..]].concat();
            let spoilt = Tape { headers: tape.headers.clone(), body: Bytes::from(body) };
            let play = |at| Arc::new(Player { tape: spoilt.clone(), at, goes_on: true });
            let told = |outcome: Result<Reply, ProviderError>| match outcome {
                Ok(reply) => essence(&reply),
                Err(error) => format!("{:?} {:?}", error.kind, error.retry),
            };
            let whole = told(ask(format, &call, play(0)).await);
            mended += usize::from(whole.contains('\u{fffd}'));
            // Around the broken character at every byte, elsewhere at some: every byte is cut in the other tests.
            let near = place.saturating_sub(40)..(place + 40).min(spoilt.body.len());
            for at in (0..=spoilt.body.len()).filter(|at| near.contains(at) || at % 61 == 0) {
                let again = told(ask(format, &call, play(at)).await);
                assert_eq!(again, whole, "{} {broken:x?} split at {at}", format.api);
                cuts += 1;
            }
            streams += 1;
        }
    }
    assert!(mended > 0, "some format mends broken text");
    println!("{streams} streams with broken characters, {mended} mended, {cuts} cuts");
}
