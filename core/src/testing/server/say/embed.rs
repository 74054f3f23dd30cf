//! Vectors in each vendor's format: of a text's length and its bytes' sum, so that a test can tell whose they are.

use serde_json::{Value, json};

use super::Rendered;
use crate::testing::server::{Answer, Heard};

/// The vector of a text: its bytes, their sum, and one.
pub(super) fn vector(text: &str) -> [f64; 3] {
    let sum: u64 = text.bytes().map(u64::from).sum();
    [text.len() as f64, sum as f64, 1.0]
}

pub(super) fn whole(heard: &Heard, answer: &Answer) -> Rendered {
    let (asked, input) = (heard.json(), answer.reply.usage.input);
    let path = heard.path.split('?').next().unwrap_or_default();
    let list = |name: &str| asked[name].as_array().cloned().unwrap_or_default();
    let of = |texts: Vec<Value>| texts.iter().map(|text| vector(text.as_str().unwrap_or_default())).collect::<Vec<_>>();
    let mut headers = Vec::new();
    let body = match () {
        () if path.ends_with(":batchEmbedContents") => {
            let texts = list("requests").iter().map(|one| one["content"]["parts"][0]["text"].clone()).collect();
            let values: Vec<Value> = of(texts).into_iter().map(|values| json!({ "values": values })).collect();
            json!({"embeddings": values, "usageMetadata": {"promptTokenCount": input}})
        }
        () if path.ends_with(":embedContent") => {
            let text = asked["content"]["parts"][0]["text"].as_str().unwrap_or_default();
            json!({"embedding": {"values": vector(text)}, "usageMetadata": {"promptTokenCount": input}})
        }
        () if path.ends_with("/api/embed") => {
            json!({"model": asked["model"], "embeddings": of(list("input")), "prompt_eval_count": input})
        }
        () if asked.get("inputText").is_some() => {
            json!({"embedding": vector(asked["inputText"].as_str().unwrap_or_default()), "inputTextTokenCount": input})
        }
        () if path.ends_with("/invoke") => {
            headers.extend(input.map(|count| ("x-amzn-bedrock-input-token-count".to_owned(), count.to_string())));
            json!({"embeddings": {"float": of(list("texts"))}, "response_type": "embeddings_by_type"})
        }
        () if path.ends_with("/embed") => {
            json!({"id": "e", "embeddings": {"float": of(list("texts"))}, "meta": {"billed_units": {"input_tokens": input}}})
        }
        () => {
            let texts = match &asked["input"] {
                Value::String(_) => vec![asked["input"].clone()],
                _ => list("input"),
            };
            // The last comes first: whoever reads them must look at their numbers.
            let one =
                |(at, vector): (usize, [f64; 3])| json!({"object": "embedding", "index": at, "embedding": vector});
            let vectors: Vec<Value> = of(texts).into_iter().enumerate().rev().map(one).collect();
            json!({"object": "list", "model": asked["model"], "data": vectors,
                "usage": {"prompt_tokens": input, "total_tokens": input}})
        }
    };
    let mut rendered = Rendered::whole(200, "application/json", body.to_string().into_bytes());
    rendered.headers.extend(headers);
    rendered
}
