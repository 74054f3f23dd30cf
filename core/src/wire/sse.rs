//! Server-sent events: bytes in, events out, however the bytes are cut.
//!
//! It follows the HTML standard's "event stream interpretation", with two differences that vendors make necessary: an
//! event whose blank line never came is given out at the end, and lines that are no field at all are kept, since some
//! servers answer a request for a stream with a plain JSON body. `id` and `retry` are dropped: nothing reconnects.

use super::lines::{Lines, too_large};
use crate::error::ProviderError;
use crate::limits::{ERROR_BODY_BYTES_MAX, EVENT_BYTES_MAX};

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What follows `event:`; empty where nothing was said.
    pub name: &'a str,
    /// The data lines, joined by line feeds; bytes that are not UTF-8 are replaced.
    pub data: &'a str,
}

/// Reads events.
#[derive(Debug, Default)]
pub struct SseParser {
    lines: Lines,
    held: Held,
}

/// The event that is being read.
#[derive(Debug, Default)]
struct Held {
    begun: bool,
    name: String,
    data: Vec<u8>,
    has_data: bool,
    events: u64,
    stray: Vec<u8>,
}

impl SseParser {
    /// Nothing yet.
    pub fn new() -> SseParser {
        SseParser::default()
    }

    /// Takes more bytes and gives each event that they complete to `each`.
    ///
    /// # Errors
    /// The first error of `each`; `Kind::ReplyTooLarge` where a line or an event is beyond the bound.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Event<'_>) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        let SseParser { lines, held } = self;
        lines.feed(bytes, |line| held.take(line, &mut each))
    }

    /// Gives the event that was being read to `each`, if there is one.
    ///
    /// # Errors
    /// That of `each`.
    pub fn finish(
        &mut self,
        mut each: impl FnMut(Event<'_>) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        let SseParser { lines, held } = self;
        lines.finish(|line| held.take(line, &mut each))?;
        held.give(&mut each)
    }

    /// How many events were given out.
    pub fn events(&self) -> u64 {
        self.held.events
    }

    /// Lines that belong to no event, at most `ERROR_BODY_BYTES_MAX` bytes: where no event came, the body that came
    /// in place of a stream.
    pub fn stray(&self) -> &[u8] {
        &self.held.stray
    }
}

impl Held {
    fn take(
        &mut self,
        mut line: &[u8],
        each: &mut impl FnMut(Event<'_>) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        if !self.begun {
            self.begun = true;
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        match line {
            [] => return self.give(each),
            [b':', ..] => return Ok(()),
            _ => {}
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => self.push(value)?,
            b"event" => {
                self.name.clear();
                self.name.push_str(&String::from_utf8_lossy(value));
            }
            b"id" | b"retry" => {}
            _ => self.keep(line),
        }
        Ok(())
    }

    fn push(&mut self, value: &[u8]) -> Result<(), ProviderError> {
        if self.data.len() + value.len() + 1 > EVENT_BYTES_MAX {
            return Err(too_large("an event of the stream"));
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
        Ok(())
    }

    fn keep(&mut self, line: &[u8]) {
        let room = ERROR_BODY_BYTES_MAX.saturating_sub(self.stray.len() + 1);
        if self.events == 0 && room > 0 {
            self.stray.extend_from_slice(&line[..line.len().min(room)]);
            self.stray.push(b'\n');
        }
    }

    fn give(&mut self, each: &mut impl FnMut(Event<'_>) -> Result<(), ProviderError>) -> Result<(), ProviderError> {
        let mut given = Ok(());
        if self.has_data {
            self.events += 1;
            given = each(Event { name: &self.name, data: &String::from_utf8_lossy(&self.data) });
        }
        self.has_data = false;
        self.data.clear();
        self.name.clear();
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let (mut found, mut parser) = (Vec::new(), SseParser::new());
        let mut keep = |event: Event<'_>| {
            found.push((event.name.to_owned(), event.data.to_owned()));
            Ok(())
        };
        for piece in pieces {
            parser.feed(piece, &mut keep).unwrap();
        }
        parser.finish(&mut keep).unwrap();
        found
    }

    #[track_caller]
    fn check(text: &[u8], want: &[(&str, &str)]) {
        let want: Vec<(String, String)> = want.iter().map(|(n, d)| (n.to_string(), d.to_string())).collect();
        assert_eq!(events(&[text]), want);
        for cut in 0..=text.len() {
            assert_eq!(events(&[&text[..cut], &text[cut..]]), want, "cut at {cut}");
        }
        assert_eq!(events(&text.chunks(1).collect::<Vec<_>>()), want);
    }

    #[test]
    fn every_form_of_the_standard_is_read() {
        check(b"data: a\n\n", &[("", "a")]);
        check(b"\xef\xbb\xbfdata: a\r\n\r\ndata:b\r\rdata:  c\n\n", &[("", "a"), ("", "b"), ("", " c")]);
        check(b"event: ping\ndata: {}\n\ndata: 1\ndata: 2\n\n", &[("ping", "{}"), ("", "1\n2")]);
        check(b": keep-alive\n\n:\nid: 7\nretry: 10\ndata\n\nevent: lost\n\ndata: x\n\n", &[("", ""), ("", "x")]);
        check("data: zu\u{df} \u{1f980}\n\n".as_bytes(), &[("", "zu\u{df} \u{1f980}")]);
        check(b"data: \xff!\n\n", &[("", "\u{fffd}!")]);
        check(b"data: no blank line", &[("", "no blank line")]);
    }

    #[test]
    fn a_body_that_is_no_stream_is_kept_within_a_bound() {
        let mut parser = SseParser::new();
        parser.feed(b"{\"error\":\n {\"message\": \"no\"}}", |_| Ok(())).unwrap();
        parser.finish(|_| Ok(())).unwrap();
        assert_eq!((parser.events(), parser.stray()), (0, b"{\"error\":\n {\"message\": \"no\"}}\n".as_slice()));
        parser.feed(&b"<p>\n".repeat(100_000), |_| Ok(())).unwrap();
        assert!(parser.stray().len() <= ERROR_BODY_BYTES_MAX);
    }

    #[test]
    fn an_event_of_endless_lines_is_refused() {
        let mut parser = SseParser::new();
        let line = [b"data: ".to_vec(), vec![b'x'; 1 << 20], b"\n".to_vec()].concat();
        let error = (0..32).find_map(|_| parser.feed(&line, |_| Ok(())).err()).unwrap();
        assert_eq!(error.kind, Kind::ReplyTooLarge);
    }
}
