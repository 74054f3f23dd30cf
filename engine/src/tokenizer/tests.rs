//! A small vocabulary worked out by hand, and files that lie.

use super::*;
use crate::weights::gguf::{Metadata, Value};

fn from_json(text: &str) -> Result<Tokenizer, EngineError> {
    Tokenizer::from_json(text)
}

/// Byte-level: letters, then `he`, `ll`, `hell`, `hello`, a space before `w`, and two added tokens.
fn small() -> String {
    let mut texts: Vec<String> = "helo w".chars().map(|c| bytes::spell(c.to_string().as_bytes())).collect();
    texts.extend(["he", "ll", "hell", "hello"].map(String::from));
    texts.push(format!("{}w", bytes::spell(b" ")));
    texts.extend(
        bytes::table().keys().filter(|c| !"helow\u{120}".contains(**c)).map(char::to_string).collect::<Vec<_>>(),
    );
    let vocab: serde_json::Map<String, serde_json::Value> =
        texts.into_iter().enumerate().map(|(id, text)| (text, id.into())).collect();
    let count = vocab.len();
    serde_json::json!({
        "model": {"type": "BPE", "vocab": vocab,
            "merges": ["h e", "l l", ["he", "ll"], ["hell", "o"], [bytes::spell(b" "), "w"]]},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "added_tokens": [{"id": count, "content": "<|end|>", "special": true}, {"id": count + 1, "content": "<think>", "special": false}],
    })
    .to_string()
}

#[test]
fn pairs_merge_in_the_order_of_their_rank() {
    let tokenizer = from_json(&small()).unwrap();
    assert_eq!(tokenizer.encode("hello w").unwrap(), [9, 10]);
    assert_eq!(tokenizer.encode("hellhe").unwrap(), [8, 6]);
    assert_eq!(tokenizer.encode("lll").unwrap(), [7, 2]);
    assert_eq!(tokenizer.encode("").unwrap(), [0u32; 0]);
}

#[test]
fn any_text_survives_the_way_there_and_back() {
    let tokenizer = from_json(&small()).unwrap();
    for text in ["hello world", "naïve 日本語 🙂\n\t x", "\u{0}\u{7f}", "hellhello  hello"] {
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()), text);
    }
}

#[test]
fn a_users_special_tokens_are_mere_text() {
    let tokenizer = from_json(&small()).unwrap();
    let end = tokenizer.find("<|end|>").unwrap();
    assert_eq!(tokenizer.encode("hello<|end|>").unwrap(), [9, end]);
    let guarded = tokenizer.encode(&tokenizer.guard("hello<|end|>")).unwrap();
    assert!(!guarded.contains(&end));
    assert_eq!(tokenizer.decode(&guarded), "hello<|end|>");
    assert_eq!(tokenizer.decode(&[9, end, 9]), "hellohello", "special tokens write nothing");
}

#[test]
fn pieces_with_scores_merge_by_score_and_fall_back_to_bytes() {
    let mut texts: Vec<String> =
        vec!["<unk>".into(), "\u{2581}".into(), "a".into(), "b".into(), "ab".into(), "\u{2581}a".into()];
    texts.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    let mut scores = vec![0.0, -9.0, -9.0, -9.0, -2.0, -1.0];
    scores.extend(vec![0.0; 256]);
    let metadata: Metadata = [
        ("tokenizer.ggml.model", Value::Text("llama".into())),
        ("tokenizer.ggml.tokens", Value::Texts(texts)),
        ("tokenizer.ggml.scores", Value::Numbers(scores)),
        ("tokenizer.ggml.unknown_token_id", Value::Whole(0)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    assert_eq!(tokenizer.encode("ab").unwrap(), [5, 3], "the higher score goes first");
    assert_eq!(tokenizer.encode("ab ab\u{e9}").unwrap(), [5, 3, 5, 3, 6 + 0xc3, 6 + 0xa9]);
    assert_eq!(tokenizer.decode(&[5, 3, 6 + 0xc3, 6 + 0xa9]), "ab\u{e9}");
}

#[test]
fn files_that_lie_are_errors() {
    let cases = [
        ("no JSON", "{".to_owned()),
        ("no model", "{}".to_owned()),
        ("another model", r#"{"model": {"type": "Unigram", "vocab": []}}"#.to_owned()),
        ("a number that overflows", r#"{"model": {"vocab": {"a": 4294967295}, "merges": []}}"#.to_owned()),
        ("a number that is negative", r#"{"model": {"vocab": {"a": -1}, "merges": []}}"#.to_owned()),
        ("numbers with gaps", r#"{"model": {"vocab": {"a": 2000000}, "merges": []}}"#.to_owned()),
        ("a merge of what is not there", r#"{"model": {"vocab": {"a": 0}, "merges": ["a b"]}}"#.to_owned()),
        ("a merge of one", r#"{"model": {"vocab": {"a": 0}, "merges": ["a"]}}"#.to_owned()),
        ("a pattern that is none", r#"{"model": {"vocab": {"a": 0}, "merges": []}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"}}"#.to_owned()),
        ("a step that is not known", r#"{"model": {"vocab": {"a": 0}, "merges": []}, "normalizer": {"type": "Precompiled"}}"#.to_owned()),
        ("more values than any", format!("[{}0]", "0,".repeat(crate::limits::JSON_VALUES_MAX))),
        ("more steps than any", with_steps("pre_tokenizer", "pretokenizers", &vec![r#"{"type": "Digits"}"#; 17].join(","))),
        ("more steps in steps", with_steps("normalizer", "normalizers", &[r#"{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFC"}]}"#; 9].join(","))),
        ("a pattern longer than any", with_steps("pre_tokenizer", "pretokenizers", &format!(r#"{{"type": "Split", "behavior": "Isolated", "pattern": {{"Regex": "{}"}}}}"#, "a".repeat(20_000)))),
    ];
    for (what, text) in cases {
        let read = from_json(&text);
        assert!(matches!(read, Err(EngineError::Tokenizer { .. })), "{what}: {read:?}");
    }
}

#[test]
fn a_long_word_takes_no_more_than_its_length_asks_for() {
    let tokenizer = from_json(&small()).unwrap();
    let tokens = tokenizer.encode(&"hello".repeat(40_000)).unwrap();
    assert_eq!(tokens.len(), 40_000);
}

#[test]
fn metaspace_and_digits_cut_as_they_say() {
    let split = Split::Marks { mark: '_', prepend: words::Prepend::First, cuts: true };
    assert_eq!(split.apply(vec!["a b".into()], true).unwrap(), ["_a", "_b"]);
    assert_eq!(split.apply(vec!["a b".into()], false).unwrap(), ["a", "_b"]);
    assert_eq!(Split::Digits.apply(vec!["a12b".into()], true).unwrap(), ["a", "1", "2", "b"]);
    assert_eq!(Split::Numbers.apply(vec!["a12b".into()], true).unwrap(), ["a", "12", "b"]);
}

/// A file with steps of one kind.
fn with_steps(field: &str, inner: &str, steps: &str) -> String {
    format!(
        r#"{{"model": {{"vocab": {{"a": 0}}, "merges": [], "unk_token": "a"}}, "{field}": {{"type": "Sequence", "{inner}": [{steps}]}}}}"#
    )
}

/// The class of CVE-2025-52566: a text that comes to more tokens than a buffer or a number was made for.
#[test]
fn a_text_of_any_length_is_tokens_or_an_error() {
    let tokenizer = from_json(&small()).unwrap();
    let longest = "h".repeat(1 << 20);
    assert_eq!(tokenizer.encode(&longest).unwrap().len(), 1 << 20, "one token for each byte");
    let over = "h".repeat(PROMPT_BYTES_MAX + 1);
    assert!(matches!(tokenizer.encode(&over), Err(EngineError::Request { .. })));
}

#[test]
fn a_text_does_not_outgrow_its_bound_while_it_is_normalised() {
    let longer = r#"{"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaaaaaa"}"#;
    let tokenizer = from_json(&with_steps("normalizer", "normalizers", &[longer; 16].join(","))).unwrap();
    assert!(matches!(tokenizer.encode("a"), Err(EngineError::Tokenizer { .. })));
    let before = format!(r#"{{"type": "Prepend", "prepend": "{}"}}"#, "a".repeat(17 << 20));
    let tokenizer = from_json(&with_steps("normalizer", "normalizers", &[before.as_str(); 4].join(","))).unwrap();
    assert!(matches!(tokenizer.encode("a"), Err(EngineError::Tokenizer { .. })));
    let tokenizer = from_json(&with_steps("normalizer", "normalizers", r#"{"type": "NFKC"}"#)).unwrap();
    let long = "\u{fdfa}".repeat(2_200_000);
    assert!(matches!(tokenizer.encode(&long), Err(EngineError::Tokenizer { .. })));
}
