//! Embeddings: texts in, one vector each out. They are no chat, so they have functions in place of a `Wire`.
//!
//! OpenAI's format, and the many that copy it, is the usual one; an endpoint whose dialect says so
//! (`more = { embeddings = "cohere" }`) speaks another: `cohere`, `gemini`, `ollama`, and on Bedrock `titan` and
//! `bedrock_cohere`. `texts_max` beside it is how many texts one call takes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::chat_completions::read_usage;
use super::json::{self, count, field, list, put, text};
use super::turns::percent_encoded;
use super::{HttpRequest, HttpResponse, errors};
use crate::error::ProviderError;
use crate::limits::VECTORS_MAX;
use crate::model::Dialect;
use crate::usage::Usage;

mod other;

/// What the vectors are for: some models make others for questions than for what is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmbedUse {
    /// Texts that are searched.
    #[default]
    Document,
    /// What is searched for.
    Query,
    /// Texts that are sorted into classes.
    Classification,
    /// Texts that are grouped.
    Clustering,
}

/// What is to be embedded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddingAsk {
    /// The model, as the vendor names it.
    pub model: String,
    /// The texts.
    pub inputs: Vec<String>,
    /// How long the vectors should be, for models that can be told.
    pub dimensions: Option<u32>,
    /// What they are for, for models that tell it apart.
    pub purpose: Option<EmbedUse>,
}

/// The vectors of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// The model that answered, as the vendor names it.
    pub model: Option<String>,
    /// One vector a text, in the order of the texts.
    pub vectors: Vec<Vec<f32>>,
    /// What was used.
    pub usage: Usage,
}

/// Texts that one call takes where the dialect says nothing: OpenAI's bound.
const TEXTS_MAX: usize = 2_048;

/// How many texts one call to an endpoint takes.
pub fn texts_max(dialect: &Dialect) -> usize {
    let said = dialect.more.get("texts_max").and_then(|text| text.parse().ok());
    said.unwrap_or(TEXTS_MAX).clamp(1, VECTORS_MAX)
}

/// How many texts one item of a batch at an endpoint takes.
pub fn batch_texts_max(dialect: &Dialect) -> usize {
    // Gemini's batches hold one text an item.
    if style(dialect) == Some("gemini") { 1 } else { texts_max(dialect) }
}

/// Writes an item of a batch: as a call's body, but for Gemini, whose items are calls for one text.
pub fn write_item(ask: &EmbeddingAsk, dialect: &Dialect) -> HttpRequest {
    let mut request = write(ask, dialect);
    if style(dialect) == Some("gemini") {
        let whole: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        request.body = list(&whole, "requests").first().unwrap_or(&Value::Null).to_string().into_bytes();
    }
    request
}

fn style(dialect: &Dialect) -> Option<&str> {
    dialect.more.get("embeddings").map(String::as_str)
}

/// Writes a request. Vectors are asked for as numbers, which every copy of the format sends.
pub fn write(ask: &EmbeddingAsk, dialect: &Dialect) -> HttpRequest {
    let (path, mut body) = other::written(style(dialect), ask).unwrap_or_else(|| openai(ask, dialect));
    for name in &dialect.omit {
        body.shift_remove(name);
    }
    let path = dialect.more.get("embeddings_path").map_or(path, String::as_str);
    HttpRequest::json(path.replace("{model}", &percent_encoded(&ask.model)), body)
}

fn openai(ask: &EmbeddingAsk, dialect: &Dialect) -> (&'static str, Map<String, Value>) {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(ask.model));
    body.insert("input".to_owned(), json!(ask.inputs));
    put(&mut body, dialect.more.get("dimensions_field").map_or("dimensions", String::as_str), ask.dimensions);
    // Voyage tells questions from documents; the others know no such field.
    let word = ask.purpose.and_then(|purpose| match purpose {
        EmbedUse::Document => Some("document"),
        EmbedUse::Query => Some("query"),
        EmbedUse::Classification | EmbedUse::Clustering => None,
    });
    put(&mut body, "input_type", word.filter(|_| dialect.more.contains_key("input_type")));
    ("/embeddings", body)
}

/// Reads an answer, an error included. Vectors are read as numbers or as base64 of little-endian floats.
///
/// # Errors
/// The vendor's error, classified; `Kind::Protocol` where a vector is missing, doubled or none.
pub fn decode(response: HttpResponse<'_>, dialect: &Dialect) -> Result<Embedded, ProviderError> {
    if !(200..300).contains(&response.status) {
        return Err(errors::of_response(&response));
    }
    let body = json::body(response.body)?;
    if let Some(read) = other::read(style(dialect), &body, &response) {
        return read;
    }
    if field(&body, "data").is_none() {
        let other = || ProviderError::protocol("the answer has no data list: is this endpoint's format embeddings?");
        return Err(errors::of_body(&body, response.status, response.headers).unwrap_or_else(other));
    }
    let mut usage = field(&body, "usage").map(|usage| read_usage(usage, dialect)).unwrap_or_default();
    // Voyage states a total alone, and all of it was read.
    usage.input = usage.input.or_else(|| count(&body, &["usage", "total_tokens"]));
    Ok(Embedded { model: text(&body, "model").map(str::to_owned), vectors: vectors(list(&body, "data"))?, usage })
}

/// One vector a text, all of one length.
///
/// # Errors
/// `Kind::Protocol`, with what the vendor counted all the same.
pub fn checked(embedded: Embedded, texts: usize) -> Result<Embedded, ProviderError> {
    let vectors = embedded.vectors.len();
    let fault = match embedded.vectors.first().map(Vec::len) {
        _ if vectors != texts => format!("the answer has {vectors} vectors for {texts} texts"),
        Some(0) => "the answer has a vector without numbers".to_owned(),
        Some(length) if embedded.vectors.iter().any(|vector| vector.len() != length) => {
            "the answer has vectors of several lengths".to_owned()
        }
        _ => return Ok(embedded),
    };
    let mut error = ProviderError::protocol(fault);
    error.usage = Some(Box::new(embedded.usage));
    Err(error)
}

/// The vectors by their numbers; without numbers, as they stand.
fn vectors(data: &[Value]) -> Result<Vec<Vec<f32>>, ProviderError> {
    if data.len() > VECTORS_MAX {
        return Err(ProviderError::protocol(format!("the answer has {} vectors, at most {VECTORS_MAX}", data.len())));
    }
    let mut placed: Vec<Option<Vec<f32>>> = vec![None; data.len()];
    for (at, one) in data.iter().enumerate() {
        let index = count(one, &["index"]).map_or(Some(at), |index| usize::try_from(index).ok());
        let vector = one.get("embedding").and_then(vector);
        let place = index.and_then(|index| placed.get_mut(index)).filter(|place| place.is_none());
        match (place, vector) {
            (Some(place), Some(vector)) => *place = Some(vector),
            (None, _) => return Err(ProviderError::protocol("the answer numbers its vectors wrongly")),
            (_, None) => return Err(ProviderError::protocol(format!("vector {at} of the answer holds no numbers"))),
        }
    }
    Ok(placed.into_iter().flatten().collect())
}

fn vector(embedding: &Value) -> Option<Vec<f32>> {
    match embedding {
        // A float of a vector has 24 bits, whatever its text says.
        Value::Array(numbers) => numbers.iter().map(|number| number.as_f64().map(|number| number as f32)).collect(),
        Value::String(text) => {
            let bytes = BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() % 4 == 0)?;
            Some(bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::wire::Headers;
    use crate::wire::tests::exchanges;

    fn decoded(status: u16, body: &str) -> Result<Embedded, ProviderError> {
        decode(HttpResponse { status, headers: Headers::NONE, body: body.as_bytes() }, &Dialect::default())
    }

    #[test]
    fn a_request_is_written_as_documented() {
        let ask = EmbeddingAsk {
            model: "m".into(),
            inputs: vec!["a".into(), "b".into()],
            dimensions: Some(8),
            purpose: None,
        };
        let written = write(&ask, &Dialect::default());
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        assert_eq!(written.path, "/embeddings");
        assert_eq!(body, json!({"model": "m", "input": ["a", "b"], "dimensions": 8}));
    }

    #[test]
    fn vectors_stand_in_the_order_of_their_texts() {
        let half = BASE64_STANDARD.encode(0.5f32.to_le_bytes());
        let body = json!({"model": "m", "usage": {"prompt_tokens": 7, "total_tokens": 7}, "data": [
            {"index": 1, "embedding": [1.0, -2]}, {"index": 0, "embedding": half}]});
        let read = decoded(200, &body.to_string()).unwrap();
        assert_eq!((read.vectors, read.usage.input), (vec![vec![0.5], vec![1.0, -2.0]], Some(7)));
        let total = decoded(200, r#"{"data":[],"usage":{"total_tokens":3}}"#).unwrap();
        assert_eq!(total.usage.input, Some(3));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for body in [
            "{}",
            "[]",
            "<p>",
            r#"{"data":[{"index":0,"embedding":"***"}]}"#,
            r#"{"data":[{"index":0,"embedding":["x"]}]}"#,
            r#"{"data":[{"index":5,"embedding":[1]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}"#,
        ] {
            assert_eq!(decoded(200, body).unwrap_err().kind, Kind::Protocol, "{body}");
        }
        let missing = r#"{"error":{"message":"no such model","code":"model_not_found"}}"#;
        assert_eq!(decoded(404, missing).unwrap_err().kind, Kind::NotFound);
    }

    #[test]
    fn recorded_answers_are_read() {
        let files = ["azure", "copilot", "doubleword", "llamacpp", "local", "mistral", "openai", "openrouter"];
        for exchange in files.iter().chain(&["venice", "voyage"]).flat_map(|file| exchanges(file, "embeddings")) {
            let body = String::from_utf8_lossy(&exchange.body);
            match decoded(exchange.status, &body) {
                Ok(read) => {
                    let said = serde_json::from_str::<Value>(&body).unwrap();
                    let total = said.pointer("/usage/total_tokens").and_then(Value::as_u64);
                    assert_eq!((read.vectors.len(), read.usage.input), (said["data"].as_array().unwrap().len(), total));
                    assert!(read.vectors.iter().all(|vector| !vector.is_empty()), "{}", exchange.id);
                }
                Err(error) => assert!(exchange.status >= 400, "{}: {error}", exchange.id),
            }
        }
    }
}
