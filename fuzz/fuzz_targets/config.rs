//! Model descriptions: no text makes the reader panic, and what it lets in can be reckoned with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tierway_engine::config::ModelConfig;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(config) = ModelConfig::from_json(text) else { return };
    assert!(config.layers() > 0 && config.hidden > 0 && config.cache_width() > 0);
    assert!(config.softmax_scale().is_finite(), "{config:?}");
    let frequencies = config.rope.frequencies(config.rotary());
    assert_eq!(frequencies.len(), config.rotary() / 2);
    assert!(frequencies.iter().all(|frequency| frequency.is_finite()), "{config:?}");
});
