//! Recorded traffic of many vendors, for the test programs that read all of it.

use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tierway::limits::OUTPUT_TOKENS_DEFAULT;
use tierway::testing::recorded::Exchange;
use tierway::wire::{Ask, Wire, verbatim};

/// Exchanges in the recordings.
const CASES: usize = 4_155;

/// All exchanges; none, said aloud, without the recordings.
pub(crate) fn exchanges() -> Vec<Exchange> {
    let Some(folder) = std::env::var_os("TIERWAY_DATA") else {
        println!("skipped: recorded traffic ({CASES} cases)");
        return Vec::new();
    };
    let files = std::fs::read_dir(Path::new(&folder).join("wire")).expect("the data folder is whole");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file can be listed").path()).collect();
    paths.sort();
    paths.iter().filter(|path| path.extension().is_some_and(|end| end == "gz")).flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Exchange> {
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("a listed file opens");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip of UTF-8");
    text.lines().map(|line| Exchange::read(line.as_bytes()).expect("a line is an exchange")).collect()
}

/// Fails with the first faults and their number.
#[track_caller]
pub(crate) fn no_faults(faults: &[String]) {
    let shown: Vec<&str> = faults.iter().take(40).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), shown.join("\n"));
}

/// The request that a wire writes of what it read.
pub(crate) fn rewritten(wire: &dyn Wire, body: &[u8]) -> Result<Value, String> {
    let parsed = wire.parse(body).map_err(|error| error.to_string())?;
    let (card, endpoint) = (verbatim::card(&parsed.wire_model), verbatim::endpoint(wire.api()));
    let max_tokens = parsed.draft.max_tokens.unwrap_or(OUTPUT_TOKENS_DEFAULT);
    let ask = Ask { draft: &parsed.draft, card: &card, endpoint: &endpoint, max_tokens };
    let written = wire.write(&ask, parsed.mode).map_err(|error| error.to_string())?;
    serde_json::from_slice(&written.body).map_err(|error| error.to_string())
}
