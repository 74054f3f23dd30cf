//! Tokenizer files: no text makes the reader panic, nor the tokenizer that it lets in, whatever it reads then.
//!
//! What follows the last line break is the text that is read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tierway_engine::tokenizer::Tokenizer;

fuzz_target!(|data: &[u8]| {
    let Ok(data) = std::str::from_utf8(data) else { return };
    let (file, text) = data.rsplit_once('\n').unwrap_or((data, "Hello 42"));
    let Ok(tokenizer) = Tokenizer::from_json(file) else { return };
    for text in [text.to_owned(), tokenizer.guard(text)] {
        let Ok(tokens) = tokenizer.encode(&text) else { continue };
        assert!(tokens.iter().all(|token| (*token as usize) < tokenizer.len()));
        tokenizer.decode(&tokens);
    }
});
