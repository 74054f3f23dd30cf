//! Asks a server through the real path below the client: wire, key, transport; and judges what came.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tierway::clock::SystemClock;
use tierway::id::ProviderId;
use tierway::model::{Api, Auth};
use tierway::reply::{Assembler, Reply};
use tierway::secrets::Secret;
use tierway::testing::server::Answer;
use tierway::testing::world;
use tierway::time::{Span, Timeouts};
use tierway::transport::{HttpProvider, HttpTransport, TransportOptions};
use tierway::{Call, Kind, Provider, ProviderError, Retry, Usage};

/// What the server says where it says it rightly.
pub(crate) const TEXT: &str = "Größe: 12 µm; 漢字とかな. The quick brown fox jumps over the lazy dog, \"twice\", and then \\ rests \
                        for a while under the old oak tree by the river.";
/// What is asked: its words must show in no error.
pub(crate) const PROMPT: &str = "promptcanary: where does the fox rest?";
/// The most tokens of an answer.
pub(crate) const MAX_TOKENS: u64 = 321;
/// The time limits, where a case may run into them.
pub(crate) const LIMITS: Timeouts = Timeouts {
    connect: Span::from_ms(5_000),
    first_byte: Span::from_ms(2_500),
    idle: Span::from_ms(2_500),
    total: Span::from_ms(6_000),
};
/// The limits of cases that never may: a busy machine is no failure.
const ROOMY: Timeouts = Timeouts {
    connect: Span::from_secs(60),
    first_byte: Span::from_secs(60),
    idle: Span::from_secs(60),
    total: Span::from_secs(120),
};
/// How long past its limit a case may take on a busy machine.
const GRACE: Duration = Duration::from_secs(20);

/// The right answer.
pub(crate) fn answer() -> Answer {
    Answer::text(TEXT).with_usage(Usage::of(31, 27))
}

/// A format and how its vendor is addressed.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) api: Api,
    pub(crate) base: &'static str,
    pub(crate) auth: Auth,
}

impl Format {
    /// Every format with a chat.
    pub(crate) fn all() -> Vec<Format> {
        let header = |name: &str| Auth::Header(name.to_owned());
        [
            (Api::ChatCompletions, "/v1", Auth::Bearer),
            (Api::Responses, "/v1", Auth::Bearer),
            (Api::Messages, "/v1", header("x-api-key")),
            (Api::GenerateContent, "/v1beta", header("x-goog-api-key")),
            (Api::Converse, "", Auth::Bearer),
            (Api::CohereChat, "/v2", Auth::Bearer),
            (Api::OllamaChat, "", Auth::Bearer),
        ]
        .into_iter()
        .map(|(api, base, auth)| Format { api, base, auth })
        .collect()
    }

    /// The header that carries the key.
    pub(crate) fn key_header(&self) -> &str {
        match &self.auth {
            Auth::Header(name) => name,
            _ => "authorization",
        }
    }
}

/// The transport that all cases share, as all calls of a client do.
pub(crate) struct Rig {
    transport: Arc<HttpTransport>,
}

/// What came of a case.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<Reply, Box<ProviderError>>,
    pub(crate) took: Duration,
}

impl Rig {
    pub(crate) fn new() -> Rig {
        Rig::with(TransportOptions::default())
    }

    /// With a network of its own.
    pub(crate) fn with(options: TransportOptions) -> Rig {
        Rig { transport: Arc::new(HttpTransport::new(options)) }
    }

    /// What moves the bytes.
    pub(crate) fn transport(&self) -> Arc<HttpTransport> {
        self.transport.clone()
    }

    /// Asks in a format at an address with a key.
    pub(crate) async fn ask(&self, format: &Format, base: &str, key: &str, is_stream: bool) -> Outcome {
        self.send(format, call(format, base), key, is_stream).await
    }

    /// The same under the limits that suit what is wanted.
    pub(crate) async fn ask_for(
        &self,
        want: &Want,
        format: &Format,
        base: &str,
        key: &str,
        is_stream: bool,
    ) -> Outcome {
        self.send(format, call(format, base).with_timeouts(want.limits()), key, is_stream).await
    }

    async fn send(&self, format: &Format, call: Call, key: &str, is_stream: bool) -> Outcome {
        let wire = tierway::wire::for_api(format.api).unwrap_or_else(|| panic!("no wire speaks {}", format.api));
        let id = ProviderId::new("acme").expect("a plain word is an id");
        let key = Secret::new(key).expect("it is plain text");
        let provider = HttpProvider::new(id, wire, self.transport.clone(), Arc::new(SystemClock), Some(key));
        let began = Instant::now();
        let result = match is_stream {
            false => provider.send(&call).await,
            true => fold(&provider, &call).await,
        };
        Outcome { result: result.map_err(Box::new), took: began.elapsed() }
    }
}

/// The call that every case makes.
pub(crate) fn call(format: &Format, base: &str) -> Call {
    let mut endpoint = world::endpoint("acme", format.api, base).expect("a plain word is an id");
    endpoint.auth = format.auth.clone();
    let request = world::ask(PROMPT).expect("it is short");
    let card = world::card("acme/fox-1").expect("it is a model id");
    let call = world::call(&request, card, endpoint, MAX_TOKENS).expect("an open policy admits it");
    call.with_timeouts(ROOMY)
}

/// A stream's pieces as one reply; nothing may follow an error.
pub(crate) async fn fold(provider: &HttpProvider, call: &Call) -> Result<Reply, ProviderError> {
    let mut pieces = provider.stream(call).await?;
    let mut assembler = Assembler::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(delta) => assembler.push(delta),
            Err(error) => {
                assert!(pieces.next().await.is_none(), "the stream went on after {error}");
                return Err(error);
            }
        }
    }
    Ok(assembler.finish())
}

/// What a case must come to.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// The whole answer with its counts.
    Answer,
    /// The whole answer, of which nothing was counted.
    Uncounted,
    /// An error of one of these kinds, with this advice.
    Error(&'static [Kind], Again),
    /// The whole answer, or an error of one of these kinds: the bytes allow both.
    Either(&'static [Kind]),
    /// No word of an answer, which some formats allow, or an error of one of these kinds.
    Nothing(&'static [Kind]),
    /// The answer, with the sign for a broken character where it was in the text, or an error of one of these kinds.
    Mended(&'static [Kind]),
}

impl Want {
    fn limits(&self) -> Timeouts {
        let kinds = match self {
            Want::Answer | Want::Uncounted => &[],
            Want::Error(kinds, _) | Want::Either(kinds) | Want::Nothing(kinds) | Want::Mended(kinds) => *kinds,
        };
        if kinds.contains(&Kind::Timeout) { LIMITS } else { ROOMY }
    }
}

/// Whether trying again is advised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Here, after this many milliseconds, give or take one second where a date was read.
    After(u64),
    /// Here, after a backoff.
    Here,
    /// Only elsewhere.
    Elsewhere,
    /// Any advice but never: the request is not at fault.
    Somewhere,
    /// Any advice.
    Any,
}

impl Again {
    fn fits(self, retry: Retry) -> bool {
        match (self, retry) {
            (Again::After(want), Retry::Here(Some(span))) => span.ms() <= want && span.ms() + 1_100 >= want,
            (Again::Here, Retry::Here(None)) | (Again::Elsewhere, Retry::Elsewhere) | (Again::Any, _) => true,
            (Again::Somewhere, retry) => retry != Retry::Never,
            _ => false,
        }
    }
}

impl Outcome {
    pub(crate) fn text(&self) -> Option<String> {
        self.result.as_ref().ok().map(Reply::text)
    }

    /// What is wrong with it, each in a line.
    pub(crate) fn breaches(&self, want: &Want) -> Vec<String> {
        let mut found = Vec::new();
        let limit = want.limits().total.to_duration() + GRACE;
        if self.took > limit {
            found.push(format!("took {:?}, limit {limit:?}", self.took));
        }
        match (&self.result, want) {
            (Ok(reply), Want::Answer | Want::Uncounted) => {
                if reply.text() != TEXT {
                    found.push(format!("wrong text: {:?}", reply.text()));
                }
                let counts = (reply.usage.input, reply.usage.output);
                let wanted = if matches!(want, Want::Uncounted) { (None, None) } else { (Some(31), Some(27)) };
                if counts != wanted {
                    found.push(format!("counts {counts:?}, wanted {wanted:?}"));
                }
            }
            (Ok(reply), Want::Either(_)) if reply.text() == TEXT => {}
            (Ok(reply), Want::Nothing(_)) if reply.text().is_empty() => {}
            (Ok(reply), Want::Mended(_)) if reply.text().contains('\u{fffd}') || reply.text() == TEXT => {}
            (Err(error), Want::Error(kinds, again)) => {
                if !kinds.contains(&error.kind) || !again.fits(error.retry) {
                    found.push(format!("wanted {kinds:?} {again:?}, got {:?} {:?}: {error}", error.kind, error.retry));
                }
                if !error.sent {
                    found.push(format!("says that it was not sent: {error}"));
                }
            }
            (Err(error), Want::Either(kinds) | Want::Nothing(kinds) | Want::Mended(kinds))
                if kinds.contains(&error.kind) => {}
            (Ok(reply), want) => found.push(format!("wanted {want:?}, got an answer: {:?}", reply.text())),
            (Err(error), want) => found.push(format!("wanted {want:?}, got {error} ({:?})", error.retry)),
        }
        found
    }

    /// Whether an error shows the key or the prompt, or is no single line.
    pub(crate) fn leaks(&self, key: &str) -> Vec<String> {
        let Err(error) = &self.result else { return Vec::new() };
        let shown = format!("{error} {error:?} {error:#?}");
        let mut found = Vec::new();
        if shown.contains(key) {
            found.push(format!("shows the key: {error}"));
        }
        if shown.contains("promptcanary") {
            found.push(format!("shows the prompt: {error}"));
        }
        if error.to_string().chars().any(char::is_control) || error.message.chars().count() > 301 {
            found.push(format!("is no short line: {error}"));
        }
        found
    }
}
