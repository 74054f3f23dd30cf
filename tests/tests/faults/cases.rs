//! The cases: what goes wrong, and what must come of it.

use tierway::Kind;
use tierway::testing::server::{Ending, Fault, Pace, RetryAfter};
use tierway::time::Span;

use super::rig::{Again, Want};

/// What goes wrong, and what must come of it whole and streamed.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) fault: Option<Fault>,
    pub(crate) pace: Pace,
    pub(crate) whole: Want,
    pub(crate) stream: Want,
}

impl Case {
    fn new(name: impl Into<String>, fault: Fault, whole: Want, stream: Want) -> Case {
        Case { name: name.into(), fault: Some(fault), pace: Pace::default(), whole, stream }
    }

    /// The same either way.
    fn both(name: impl Into<String>, fault: Fault, want: Want) -> Case {
        Case::new(name, fault, want.clone(), want)
    }
}

const BROKEN: &[Kind] = &[Kind::Network, Kind::Incomplete];
const CUT: &[Kind] = &[Kind::Network, Kind::Incomplete, Kind::Protocol];
const NONSENSE: &[Kind] = &[Kind::Protocol, Kind::Incomplete];

/// Every case, the same for each format.
pub(crate) fn cases() -> Vec<Case> {
    let mut all = paces();
    all.extend(statuses());
    all.extend(connections());
    all.extend(cuts());
    all.extend(bodies());
    all.extend(broken_words());
    all
}

/// A byte that no UTF-8 holds, with the answer in pieces: characters and the broken one are cut between writes.
fn broken_words() -> Vec<Case> {
    let case = |piece_chars, write_bytes| {
        let name = format!("bytes that are no UTF-8, {write_bytes} bytes a write");
        let pace = Pace { piece_chars, write_bytes, ..Pace::default() };
        Case { pace, ..Case::both(name, Fault::InvalidUtf8, Want::Mended(NONSENSE)) }
    };
    vec![case(120, 1), case(40, 2), case(16, 3), case(120, 5), case(40, 11)]
}

/// No fault: however the answer is cut into writes and events, it is the same.
fn paces() -> Vec<Case> {
    let pace = |name: &str, piece_chars, write_bytes| Case {
        name: name.to_owned(),
        fault: None,
        pace: Pace { piece_chars, write_bytes, ..Pace::default() },
        whole: Want::Answer,
        stream: Want::Answer,
    };
    vec![
        pace("right", 16, 0),
        pace("one character an event", 1, 0),
        pace("one event", 10_000, 0),
        pace("three bytes a write", 120, 3),
        pace("seven bytes a write", 40, 7),
    ]
}

fn statuses() -> Vec<Case> {
    use Again::{After, Any, Elsewhere, Here, Somewhere};
    let status = |status, retry_after| Fault::Status { status, retry_after, message: None };
    let mut all = Vec::new();
    for (code, kind) in [(429, &[Kind::RateLimited]), (529, &[Kind::Overloaded])] {
        for (word, after, again) in [
            ("without retry-after", None, Here),
            ("retry-after 2 s", Some(RetryAfter::Seconds(2)), After(2_000)),
            ("retry-after 0", Some(RetryAfter::Seconds(0)), After(0)),
            ("retry-after a date", Some(RetryAfter::Date(9)), After(9_000)),
            ("retry-after-ms 250", Some(RetryAfter::Milliseconds(250)), After(250)),
            ("retry-after nonsense", Some(RetryAfter::Nonsense), Here),
            ("retry-after an hour", Some(RetryAfter::Seconds(3_600)), Elsewhere),
            ("retry-after a far date", Some(RetryAfter::Date(86_400)), Elsewhere),
        ] {
            all.push(Case::both(format!("{code} {word}"), status(code, after), Want::Error(kind, again)));
        }
    }
    const SERVER: &[Kind] = &[Kind::Server, Kind::Overloaded];
    for code in [500, 502, 503, 504] {
        all.push(Case::both(format!("{code}"), status(code, None), Want::Error(SERVER, Somewhere)));
        let html = Fault::Html { status: code };
        all.push(Case::both(format!("{code} with a page"), html, Want::Error(SERVER, Somewhere)));
    }
    all.push(Case::both("400", status(400, None), Want::Error(&[Kind::Invalid], Again::Any)));
    all.push(Case::both("401", status(401, None), Want::Error(&[Kind::Auth], Elsewhere)));
    all.push(Case::both("403", status(403, None), Want::Error(&[Kind::Permission, Kind::Auth], Elsewhere)));
    all.push(Case::both("404", status(404, None), Want::Error(&[Kind::NotFound], Elsewhere)));
    all.push(Case::both("413", status(413, None), Want::Error(&[Kind::TooLarge], Elsewhere)));
    all.push(Case::both("403 with a page", Fault::Html { status: 403 }, Want::Error(&[Kind::Permission], Elsewhere)));
    for code in [400, 401, 429, 500] {
        let echo = Fault::Status { status: code, retry_after: None, message: Some("ECHO".to_owned()) };
        let kinds = &[Kind::Auth, Kind::Invalid, Kind::RateLimited, Kind::Server];
        all.push(Case::both(format!("{code} repeats the key"), echo, Want::Error(kinds, Any)));
    }
    all
}

fn connections() -> Vec<Case> {
    use Again::{Here, Somewhere};
    let stall = |after_bytes| Fault::Stall { after_bytes };
    let late = || Want::Error(&[Kind::Timeout], Somewhere);
    let one_event = Pace { piece_chars: 400, ..Pace::default() };
    let slow = Pace { before_ms: Span::from_ms(120), between_ms: Span::from_ms(1), ..Pace::default() };
    vec![
        Case::both("hangs up", Fault::HangUp, Want::Error(&[Kind::Network], Here)),
        Case::both("resets", Fault::Reset, Want::Error(&[Kind::Network], Here)),
        Case::both("resets after the head", Fault::ResetAfterHead, Want::Error(&[Kind::Network], Here)),
        Case::both("no head", Fault::NoHead, late()),
        Case::both("stalls after the head", stall(0), late()),
        Case::both("stalls after 40 bytes", stall(40), late()),
        Case::both("stalls after 150 bytes", stall(150), late()),
        Case { pace: one_event, ..Case::both("trickles", Fault::Trickle { gap_ms: Span::ZERO }, Want::Answer) },
        Case::both("trickles past the total limit", Fault::Trickle { gap_ms: Span::from_ms(60) }, late()),
        Case { name: "slow".to_owned(), fault: None, pace: slow, whole: Want::Answer, stream: Want::Answer },
    ]
}

fn cuts() -> Vec<Case> {
    let mut all = Vec::new();
    for after_bytes in [0, 1, 17, 60, 120, 180, 240] {
        for (word, ending) in [("clean", Ending::Clean), ("closed", Ending::Close), ("reset", Ending::Reset)] {
            let fault = Fault::Cut { after_bytes, ending };
            let want = match ending {
                Ending::Clean => Want::Error(CUT, Again::Somewhere),
                _ => Want::Error(BROKEN, Again::Here),
            };
            all.push(Case::both(format!("cut after {after_bytes} bytes, {word}"), fault, want));
        }
    }
    all
}

fn bodies() -> Vec<Case> {
    use Again::Somewhere;
    let nonsense = || Want::Error(NONSENSE, Somewhere);
    const INSIDE: &[Kind] = &[Kind::Overloaded, Kind::Server];
    let inside = |after_events| Fault::ErrorInside { after_events };
    vec![
        Case::both("bad JSON", Fault::BadJson, nonsense()),
        Case::both("an empty body", Fault::EmptyBody, nonsense()),
        Case::both("no choices", Fault::EmptyChoices, Want::Nothing(NONSENSE)),
        Case::both("a page with 200", Fault::Html { status: 200 }, nonsense()),
        Case::both("the wrong content type", Fault::WrongContentType, Want::Answer),
        Case::new("the end twice", Fault::DuplicateEnd, Want::Answer, Want::Answer),
        Case::both("an error inside, first", inside(0), Want::Error(INSIDE, Somewhere)),
        Case::both("an error inside, third", inside(2), Want::Error(INSIDE, Somewhere)),
        Case::both("an error inside, later", inside(6), Want::Error(INSIDE, Somewhere)),
        Case::both("no usage", Fault::MissingUsage, Want::Uncounted),
        Case::new("no end", Fault::NoEnd, Want::Answer, Want::Error(&[Kind::Incomplete], Somewhere)),
        Case::new("garbage after the end", Fault::TrailingGarbage, Want::Either(NONSENSE), Want::Answer),
        Case::new("not streamed", Fault::NotStreamed, Want::Answer, Want::Answer),
        Case::both("bytes that are no UTF-8", Fault::InvalidUtf8, Want::Mended(NONSENSE)),
        Case::both("a bomb of 40 MB", Fault::GzipBomb { bytes: 40 << 20 }, Want::Error(BOMB, Somewhere)),
    ]
}

/// A bomb is refused as such, or, where its ratio is low, read as the nonsense that it is.
const BOMB: &[Kind] = &[Kind::ReplyTooLarge, Kind::Protocol];
