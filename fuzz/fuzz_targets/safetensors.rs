//! Safetensors headers: no bytes make the reader panic, and what it lets in is what it says, in every tensor.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tierway_engine::weights::safetensors::read;

/// A fuzzer does not find a header's length by itself: with an odd first byte it is made right.
fn framed(data: &[u8]) -> Vec<u8> {
    let [mode, rest @ ..] = data else { return Vec::new() };
    if mode % 2 == 0 {
        return rest.to_vec();
    }
    let header = rest.iter().rposition(|byte| *byte == b'}').map_or(rest.len(), |end| end + 1);
    [&(header as u64).to_le_bytes()[..], rest].concat()
}

fuzz_target!(|data: &[u8]| {
    let bytes = framed(data);
    let size = bytes.len() as u64;
    let Ok(checkpoint) = read(Path::new("fuzz"), bytes.into()) else { return };
    assert!(checkpoint.bytes() <= size);
    for name in checkpoint.names() {
        let tensor = checkpoint.find(name).expect("it is listed");
        assert_eq!(tensor.dtype.bytes(tensor.count()), Some(tensor.bytes.len()));
        assert_eq!(tensor.to_f32().len(), tensor.count());
    }
});
