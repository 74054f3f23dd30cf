//! GGUF files: no bytes make the readers of metadata, tensors, description, tokenizer and chat template panic; a whole
//! model that is let in also computes a token.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tierway_engine::backend::cpu::Reference;
use tierway_engine::chat::Chat;
use tierway_engine::model::{Pass, Source, Span, Wanted};
use tierway_engine::weights::gguf::read;

fuzz_target!(|data: &[u8]| {
    let path = Path::new("fuzz");
    let Ok(file) = read(path, &data.to_vec().into()) else { return };
    assert!(file.checkpoint.bytes() <= data.len() as u64);
    let Ok(source) = Source::from_gguf(path, file) else { return };
    if let Ok(chat) = Chat::open(&source) {
        let text = "Hello, w\u{f6}rld 42\n";
        if let Ok(prompt) = chat.completion(text) {
            assert!(prompt.tokens.iter().all(|token| (*token as usize) < chat.tokenizer().len()));
        }
    }
    let Ok(model) = source.load(Arc::new(Reference)) else { return };
    let mut cache = model.cache(1);
    let span = Span { tokens: &[0, 1], start: 0, pages: &[0], pass: Pass::Prefill, wanted: Wanted::Last };
    if let Ok(logits) = model.forward(&[span], &mut cache, None) {
        assert_eq!(logits.len(), model.config().vocabulary);
    }
});
