//! Lines of a byte stream, however its bytes are cut: for server-sent events and for JSON lines.

use memchr::memchr2;

use crate::error::{Kind, ProviderError, Retry};
use crate::limits::EVENT_BYTES_MAX;

/// Splits bytes at LF, CR or CR LF. It holds at most one unfinished line, no longer than `EVENT_BYTES_MAX`.
#[derive(Debug, Default)]
pub struct Lines {
    held: Vec<u8>,
    after_cr: bool,
}

impl Lines {
    /// Nothing yet.
    pub fn new() -> Lines {
        Lines::default()
    }

    /// Takes more bytes and gives each line that they complete to `each`, without its end.
    ///
    /// # Errors
    /// The first error of `each`; `Kind::ReplyTooLarge` where a line is beyond the bound.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                rest => &rest[1..],
            };
            if self.held.is_empty() {
                each(line)?;
            } else {
                self.hold(line)?;
                each(&self.held)?;
                self.held.clear();
            }
        }
        self.hold(bytes)
    }

    /// Gives the last line, which had no end, to `each`.
    ///
    /// # Errors
    /// That of `each`.
    pub fn finish(&mut self, each: impl FnOnce(&[u8]) -> Result<(), ProviderError>) -> Result<(), ProviderError> {
        self.after_cr = false;
        if self.held.is_empty() {
            return Ok(());
        }
        each(&std::mem::take(&mut self.held))
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), ProviderError> {
        if self.held.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(too_large("a line of the stream"));
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }
}

/// `what` is beyond the bound on events.
pub(crate) fn too_large(what: &str) -> ProviderError {
    let text = format!("{what} is longer than {EVENT_BYTES_MAX} bytes: ask for a shorter answer, or another model");
    ProviderError::new(Kind::ReplyTooLarge, Retry::Elsewhere, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut found, mut splitter) = (Vec::new(), Lines::new());
        let mut keep = |line: &[u8]| {
            found.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        };
        for piece in pieces {
            splitter.feed(piece, &mut keep).unwrap();
        }
        splitter.finish(&mut keep).unwrap();
        found
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let text = b"one\ntwo\r\nthree\rfour\n\n\r\n\rlast";
        let whole = lines(&[text]);
        assert_eq!(whole, ["one", "two", "three", "four", "", "", "", "last"]);
        for cut in 0..=text.len() {
            assert_eq!(lines(&[&text[..cut], b"", &text[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(&bytes), whole);
    }

    #[test]
    fn an_endless_line_is_refused_within_the_bound() {
        let mut splitter = Lines::new();
        let block = vec![b'x'; 1 << 20];
        let error = (0..32).find_map(|_| splitter.feed(&block, |_| Ok(())).err()).unwrap();
        assert_eq!(error.kind, Kind::ReplyTooLarge);
        assert!(splitter.held.len() <= EVENT_BYTES_MAX);
    }
}
