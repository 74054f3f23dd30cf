//! Chat templates: no text makes the reader or a render panic, and none writes more than a prompt may have.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, json};
use tierway_engine::limits::PROMPT_BYTES_MAX;
use tierway_engine::template::Template;

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let Ok(template) = Template::new(source, "<s>", "</s>") else { return };
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "<think>a</think>Hello"},
    ]);
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    if let Ok(text) = template.render(&messages, &tools, &Map::new()) {
        assert!(text.len() <= PROMPT_BYTES_MAX);
    }
});
