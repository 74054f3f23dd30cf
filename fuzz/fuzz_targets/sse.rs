//! Server-sent events: no bytes make the parser panic, and it gives the same events however they are cut.
//!
//! The first byte is the size of the pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tierway::wire::sse::{Event, SseParser};

fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<(String, String)>, Vec<u8>) {
    let (mut found, mut parser) = (Vec::new(), SseParser::new());
    let mut keep = |event: Event<'_>| {
        found.push((event.name.to_owned(), event.data.to_owned()));
        Ok(())
    };
    for piece in pieces {
        parser.feed(piece, &mut keep).expect("the input is far below the bound");
    }
    parser.finish(&mut keep).expect("the input is far below the bound");
    (found, parser.stray().to_vec())
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else { return };
    assert_eq!(events([bytes]), events(bytes.chunks(usize::from(size).max(1))));
});
