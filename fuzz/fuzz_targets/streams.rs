//! Whole stream decoders: no bytes make any of them panic, and each tells the same reply however they are cut.
//!
//! The first byte names the format, the second the size of the pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tierway::error::Kind;
use tierway::model::{Api, Dialect};
use tierway::reply::{Assembler, Reply};
use tierway::wire::for_api;

fn read<'a>(api: Api, pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<(Reply, Option<Kind>)> {
    let mut decoder = for_api(api)?.decoder(&Dialect::default());
    let mut out = Vec::new();
    let fed = pieces.into_iter().try_for_each(|piece| decoder.feed(piece, &mut out));
    let ended = fed.and_then(|()| decoder.finish(&mut out));
    let mut assembler = Assembler::new();
    out.into_iter().for_each(|delta| assembler.push(delta));
    Some((assembler.finish(), ended.err().map(|error| error.kind)))
}

fuzz_target!(|data: &[u8]| {
    let [format, size, bytes @ ..] = data else { return };
    let api = Api::ALL[usize::from(*format) % Api::ALL.len()];
    assert_eq!(read(api, [bytes]), read(api, bytes.chunks(usize::from(*size).max(1))));
});
