//! AWS's binary event stream: length-framed messages with headers and two checksums, however the bytes are cut.
//!
//! Frame: total length, headers length, CRC-32 of those eight bytes, headers, payload, CRC-32 of all before it; numbers
//! are big-endian. Source: AWS, "Event stream encoding". A frame whose checksum is wrong is an error, never data.

use crate::error::ProviderError;
use crate::limits::EVENT_BYTES_MAX;
use crate::wire::lines::too_large;

/// Bytes before the headers.
const PRELUDE_BYTES: usize = 12;
/// Bytes of the last checksum.
const CRC_BYTES: usize = 4;
/// Most headers of one frame; the vendor sends three.
const HEADERS_MAX: usize = 64;

/// One message: its text headers and its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Names and values of the text headers; those of other types are skipped.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The value of a text header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The frame's name: the event's or the exception's type.
    pub fn name(&self) -> &str {
        let names = [":exception-type", ":event-type", ":error-code"];
        names.into_iter().find_map(|name| self.header(name)).unwrap_or_default()
    }

    /// Whether the frame says that the answer failed.
    pub fn is_failure(&self) -> bool {
        matches!(self.header(":message-type"), Some("exception" | "error"))
    }
}

/// Reads frames. It holds at most one unfinished frame, no longer than `EVENT_BYTES_MAX`.
#[derive(Debug, Default)]
pub struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Nothing yet.
    pub fn new() -> Frames {
        Frames::default()
    }

    /// Whether bytes of an unfinished frame are held.
    pub fn is_cut(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes more bytes and gives each frame that they complete to `each`.
    ///
    /// # Errors
    /// The first error of `each`; `Kind::Protocol` for a wrong checksum or length; `Kind::ReplyTooLarge` for a frame
    /// beyond the bound.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Frame) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        self.held.extend_from_slice(bytes);
        let mut start = 0;
        let fed = loop {
            let rest = &self.held[start..];
            match whole(rest) {
                Ok(None) => break Ok(()),
                Ok(Some(length)) => match read(&rest[..length]).and_then(&mut each) {
                    Ok(()) => start += length,
                    Err(error) => break Err(error),
                },
                Err(error) => break Err(error),
            }
        };
        self.held.drain(..start);
        if fed.is_err() {
            self.held.clear();
        }
        fed
    }
}

/// The length of the first frame, if it is all there. The prelude is checked as soon as it is.
fn whole(bytes: &[u8]) -> Result<Option<usize>, ProviderError> {
    let Some(prelude) = bytes.get(..PRELUDE_BYTES) else { return Ok(None) };
    if crc32(&prelude[..8]) != number(prelude, 8) {
        return Err(broken("the checksum of a frame's head is wrong"));
    }
    let (length, headers) = (number(prelude, 0) as usize, number(prelude, 4) as usize);
    if length > EVENT_BYTES_MAX {
        return Err(too_large("a frame of the stream"));
    }
    if length < PRELUDE_BYTES + CRC_BYTES || headers > length - PRELUDE_BYTES - CRC_BYTES {
        return Err(broken("a frame's lengths contradict each other"));
    }
    Ok((bytes.len() >= length).then_some(length))
}

/// A whole frame.
fn read(frame: &[u8]) -> Result<Frame, ProviderError> {
    let end = frame.len() - CRC_BYTES;
    if crc32(&frame[..end]) != number(frame, end) {
        return Err(broken("the checksum of a frame is wrong"));
    }
    let split = PRELUDE_BYTES + number(frame, 4) as usize;
    let headers =
        read_headers(&frame[PRELUDE_BYTES..split]).ok_or_else(|| broken("a frame's headers do not add up"))?;
    Ok(Frame { headers, payload: frame[split..end].to_vec() })
}

/// Text headers. The types and sizes of the others: true, false, byte, short, int, long, bytes, text, time, uuid.
fn read_headers(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while let Some((&name_length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(name_length))?;
        let (&kind, rest) = rest.split_first()?;
        let (length, rest) = match kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            9 => (16, rest),
            6 | 7 => {
                let (length, rest) = rest.split_at_checked(2)?;
                (usize::from(u16::from_be_bytes([length[0], length[1]])), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        if kind == 7 {
            headers.push((lossy(name), lossy(value)));
        }
        if headers.len() > HEADERS_MAX {
            return None;
        }
        bytes = rest;
    }
    Some(headers)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn broken(text: &str) -> ProviderError {
    ProviderError::protocol(format!("{text}: the stream was damaged on its way"))
}

/// CRC-32 as in gzip (ISO 3309, reflected polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    let step = |crc: u32, byte: &u8| TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    !bytes.iter().fold(!0, step)
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
}

/// Writes a frame, for fixtures.
#[cfg(test)]
pub(super) fn written(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let length = PRELUDE_BYTES + head.len() + payload.len() + CRC_BYTES;
    let mut frame = Vec::new();
    frame.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    frame.extend_from_slice(&u32::try_from(head.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn frames(pieces: &[&[u8]]) -> Result<Vec<Frame>, ProviderError> {
        let (mut found, mut reader) = (Vec::new(), Frames::new());
        for piece in pieces {
            reader.feed(piece, |frame| {
                found.push(frame);
                Ok(())
            })?;
        }
        Ok(found)
    }

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let one = written(&[(":event-type", "chunk"), (":message-type", "event")], b"{\"a\":1}");
        let text = [one.clone(), written(&[], b""), one].concat();
        let whole = frames(&[&text]).unwrap();
        assert_eq!((whole.len(), whole[0].name(), whole[0].payload.as_slice()), (3, "chunk", b"{\"a\":1}".as_slice()));
        for cut in 0..=text.len() {
            assert_eq!(frames(&[&text[..cut], &text[cut..]]).unwrap(), whole, "cut at {cut}");
        }
        assert_eq!(frames(&text.chunks(1).collect::<Vec<_>>()).unwrap(), whole);
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let frame = written(&[(":event-type", "chunk")], b"payload");
        for at in 0..frame.len() {
            let mut bad = frame.clone();
            bad[at] ^= 0x10;
            assert_eq!(frames(&[&bad]).unwrap_err().kind, Kind::Protocol, "byte {at}");
        }
    }

    #[test]
    fn an_endless_frame_is_refused_at_once() {
        let mut head = Vec::from(u32::MAX.to_be_bytes());
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(&crc32(&head).to_be_bytes());
        assert_eq!(frames(&[&head]).unwrap_err().kind, Kind::ReplyTooLarge);
    }
}
