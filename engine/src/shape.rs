//! Answers held to a JSON Schema: which tokens may come next.
//!
//! The schema becomes a grammar, and the grammar is walked over the vocabulary's texts (crate `llguidance`). A token that
//! would leave the schema gets no chance to be drawn, so what comes is JSON of that schema, or cut by the token limit.
//! JSON is written on one line with a space after commas and colons: a model that is free to write spaces may do so
//! without end.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value as Json, json};

use crate::error::EngineError;
use crate::limits::SCHEMA_BYTES_MAX;
use crate::tokenizer::Tokenizer;

/// What makes shapes for one vocabulary.
pub(crate) struct Shapes {
    factory: ParserFactory,
    end: TokenId,
}

/// What an answer is held to, and how far it is.
pub struct Shape {
    matcher: Matcher,
    end: TokenId,
}

/// The vocabulary's texts, as the grammar walks them.
struct Texts(TokTrie);

impl TokenizerEnv for Texts {
    fn tok_trie(&self) -> &TokTrie {
        &self.0
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        self.0.greedy_tokenize(text)
    }

    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}

impl Shapes {
    /// For a vocabulary, and the tokens that end an answer.
    ///
    /// # Errors
    /// `Unsupported` where none does: an answer that is whole could not be ended.
    pub(crate) fn new(tokenizer: &Tokenizer, ends: &BTreeSet<u32>) -> Result<Shapes, EngineError> {
        let end = ends.iter().copied().find(|end| (*end as usize) < tokenizer.len());
        let end =
            end.ok_or_else(|| EngineError::unsupported("a token that ends an answer, to hold answers to JSON"))?;
        let texts: Vec<Vec<u8>> = (0..tokenizer.len() as u32)
            .map(|token| match tokenizer.bytes(token) {
                // A special token writes nothing, and is known by a mark that no text has.
                [] => [&[TokTrie::SPECIAL_TOKEN_MARKER], tokenizer.spelled(token)].concat(),
                bytes => bytes.to_vec(),
            })
            .collect();
        let trie = TokTrie::from(&TokRxInfo::new(texts.len() as u32, end), &texts);
        let texts: TokEnv = Arc::new(Texts(trie));
        let mut factory = ParserFactory::new_simple(&texts).map_err(|_| unfit("the vocabulary cannot be walked"))?;
        factory.quiet();
        // Errors would quote the answer.
        factory.limits_mut().verbose_errors = false;
        Ok(Shapes { factory, end })
    }

    /// The shape of a schema; `{"type": "object"}` is any object.
    ///
    /// # Errors
    /// `Request` where it is too large or asks for what cannot be held to.
    pub(crate) fn shape(&self, schema: &Json) -> Result<Shape, EngineError> {
        let mut schema = schema.clone();
        let size = schema.to_string().len();
        if size > SCHEMA_BYTES_MAX {
            return Err(unfit(format!("it has {size} bytes, and {SCHEMA_BYTES_MAX} are the most")));
        }
        if let Some(fields) = schema.as_object_mut() {
            let spelt = json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "});
            fields.insert("x-guidance".into(), spelt);
        }
        let parser = self.factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let parser = parser.map_err(|error| unfit(error.to_string().chars().take(200).collect::<String>()))?;
        Ok(Shape { matcher: Matcher::new(Ok(parser)), end: self.end })
    }
}

impl Shape {
    /// Leaves a chance to those tokens alone that may come next: `[vocabulary]`.
    pub(crate) fn hold(&mut self, logits: &mut [f32]) -> Result<(), EngineError> {
        let allowed = self.matcher.compute_mask_or_eos().map_err(|_| lost())?;
        for (token, logit) in logits.iter_mut().enumerate() {
            if token >= allowed.len() || !allowed.get(token) {
                *logit = f32::NEG_INFINITY;
            }
        }
        if allowed.is_zero() { Err(lost()) } else { Ok(()) }
    }

    /// Takes a token that was drawn.
    pub(crate) fn take(&mut self, token: u32) -> Result<(), EngineError> {
        if token == self.end { Ok(()) } else { self.matcher.consume_token(token).map_err(|_| lost()) }
    }

    /// Whether nothing more can come.
    pub(crate) fn is_done(&self) -> bool {
        self.matcher.is_stopped()
    }
}

impl Clone for Shape {
    fn clone(&self) -> Shape {
        Shape { matcher: self.matcher.deep_clone(), end: self.end }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shape")
    }
}

impl fmt::Debug for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shapes")
    }
}

fn unfit(what: impl Into<String>) -> EngineError {
    EngineError::request(format!("an answer cannot be held to this JSON Schema: {}", what.into()))
}

fn lost() -> EngineError {
    EngineError::request("the answer cannot go on within its JSON Schema, or the schema is too complex to follow")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::{Sampler, Sampling};

    /// A byte for each token, and one that ends.
    fn shapes() -> Shapes {
        let vocab: serde_json::Map<String, Json> =
            crate::tokenizer::letters().enumerate().map(|(id, letter)| (letter.to_string(), id.into())).collect();
        let end = vocab.len();
        let file = json!({"model": {"type": "BPE", "vocab": vocab, "merges": []},
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
            "added_tokens": [{"id": end, "content": "<|end|>", "special": true}]});
        let tokenizer = Tokenizer::from_json(&file.to_string()).unwrap();
        Shapes::new(&tokenizer, &[end as u32].into()).unwrap()
    }

    /// What is drawn from a model that knows nothing.
    fn draw(shapes: &Shapes, schema: &Json, seed: u64) -> String {
        let tokens = crate::tokenizer::letters().count() + 1;
        let texts = shapes.factory.tok_env().tok_trie().clone();
        let mut shape = shapes.shape(schema).unwrap();
        let mut sampler = Sampler::new(Sampling { temperature: 1.0, seed, ..Sampling::default() }, &[]);
        let mut written = Vec::new();
        for step in 0..4_000u32 {
            // A quote, a bracket and the end are made likelier by and by, or a random text would have no end.
            let logit = |token: usize| {
                let is_closing = matches!(texts.token(token as u32), b"\"" | b"}" | b"]");
                if is_closing || token == tokens - 1 { step as f32 / 20.0 } else { 0.0 }
            };
            let mut logits: Vec<f32> = (0..tokens).map(logit).collect();
            let drawn = sampler.draw_held(&mut logits, |logits| shape.hold(logits)).unwrap();
            if drawn.token == shape.end {
                break;
            }
            shape.take(drawn.token).unwrap();
            written.extend_from_slice(texts.token(drawn.token));
            if shape.is_done() {
                break;
            }
        }
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_model_that_knows_nothing_still_keeps_to_the_schema() {
        let shapes = shapes();
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["name", "age", "tags", "size"],
            "properties": {
                "name": {"type": "string", "maxLength": 12},
                "age": {"type": "integer", "minimum": 0, "maximum": 150},
                "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 3},
                "size": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/size"}]}},
            "$defs": {"size": {"type": "object", "properties": {"w": {"type": "boolean"}}, "required": ["w"],
                "additionalProperties": false}}});
        for seed in 0..40 {
            let text = draw(&shapes, &schema, seed);
            let value: Json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(value["name"].as_str().unwrap().chars().count() <= 12, "{text}");
            assert!(value["age"].as_u64().unwrap() <= 150, "{text}");
            let tags = value["tags"].as_array().unwrap();
            assert!((1..=3).contains(&tags.len()) && tags.iter().all(|tag| tag == "a" || tag == "b"), "{text}");
            assert!(value["size"].is_null() || value["size"]["w"].is_boolean(), "{text}");
            assert_eq!(value.as_object().unwrap().len(), 4, "{text}");
        }
        let any: Json = serde_json::from_str(&draw(&shapes, &json!({"type": "object"}), 3)).unwrap();
        assert!(any.is_object());
    }

    #[test]
    fn schemas_that_cannot_be_held_to_are_errors() {
        let shapes = shapes();
        let cases = [
            json!({"type": "nothing"}),
            json!({"$ref": "https://example.com/other.json"}),
            json!({"type": "string", "pattern": "("}),
            json!({"description": "x".repeat(SCHEMA_BYTES_MAX)}),
            json!({"type": "string", "minLength": 5, "maxLength": 2}),
        ];
        for schema in cases {
            let shown: String = schema.to_string().chars().take(60).collect();
            assert!(matches!(shapes.shape(&schema), Err(EngineError::Request { .. })), "{shown}");
        }
        let tokenizer = Tokenizer::from_json(r#"{"model": {"vocab": {"a": 0}, "merges": []}}"#).unwrap();
        assert!(matches!(Shapes::new(&tokenizer, &BTreeSet::new()), Err(EngineError::Unsupported { .. })));
    }
}
