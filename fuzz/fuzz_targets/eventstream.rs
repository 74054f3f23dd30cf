//! AWS event streams: no bytes make the parser panic, and it gives the same frames and error however they are cut.
//!
//! The first byte is the size of the pieces. An odd second byte has the rest put into frames with right checksums, since
//! a fuzzer does not find a CRC-32 by itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tierway::wire::{Frame, Frames};

fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<String>) {
    let (mut found, mut parser) = (Vec::new(), Frames::new());
    for piece in pieces {
        let fed = parser.feed(piece, |frame| {
            found.push(frame);
            Ok(())
        });
        if let Err(error) = fed {
            return (found, Some(error.to_string()));
        }
    }
    (found, parser.is_cut().then(|| "cut".to_owned()))
}

/// Bit by bit, since the parser's own is what is under test.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// The content in frames; the first byte of each piece is the length of its headers.
fn framed(content: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    for piece in content.chunks(48) {
        let headers = usize::from(piece[0]).min(piece.len() - 1);
        let mut frame = Vec::new();
        frame.extend_from_slice(&(piece.len() as u32 - 1 + 16).to_be_bytes());
        frame.extend_from_slice(&(headers as u32).to_be_bytes());
        frame.extend_from_slice(&crc32(&frame).to_be_bytes());
        frame.extend_from_slice(&piece[1..]);
        frame.extend_from_slice(&crc32(&frame).to_be_bytes());
        whole.extend(frame);
    }
    whole
}

fuzz_target!(|data: &[u8]| {
    let [size, mode, rest @ ..] = data else { return };
    let bytes = if mode % 2 == 1 { framed(rest) } else { rest.to_vec() };
    assert_eq!(frames([bytes.as_slice()]), frames(bytes.chunks(usize::from(*size).max(1))));
});
