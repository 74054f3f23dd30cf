//! Formats of embeddings that are not OpenAI's: Cohere's, Gemini's, Ollama's, and those of Titan and Cohere on Bedrock.
//! Sources: docs.cohere.com/reference/embed, ai.google.dev/api/embeddings, docs.ollama.com/api/embed,
//! docs.aws.amazon.com/bedrock, model parameters of Titan Text Embeddings and Cohere Embed.

use serde_json::{Map, Value, json};

use super::{EmbedUse, Embedded, EmbeddingAsk, vector};
use crate::error::ProviderError;
use crate::limits::VECTORS_MAX;
use crate::usage::Usage;
use crate::wire::json::{count, field, list, put, text};
use crate::wire::{HttpResponse, errors};

/// A path and a body in this style; none where it is no style of ours.
pub(super) fn written(style: Option<&str>, ask: &EmbeddingAsk) -> Option<(&'static str, Map<String, Value>)> {
    let (path, body) = match style? {
        "cohere" => ("/embed", cohere(ask, true)),
        "bedrock_cohere" => ("/model/{model}/invoke", cohere(ask, false)),
        "gemini" => ("/models/{model}:batchEmbedContents", gemini(ask)),
        "ollama" => ("/api/embed", ollama(ask)),
        "titan" => ("/model/{model}/invoke", titan(ask)),
        _ => return None,
    };
    match body {
        Value::Object(body) => Some((path, body)),
        _ => None,
    }
}

fn cohere(ask: &EmbeddingAsk, has_model: bool) -> Value {
    let kind = match ask.purpose.unwrap_or_default() {
        EmbedUse::Document => "search_document",
        EmbedUse::Query => "search_query",
        EmbedUse::Classification => "classification",
        EmbedUse::Clustering => "clustering",
    };
    let mut body = Map::new();
    put(&mut body, "model", has_model.then(|| ask.model.clone()));
    body.insert("texts".to_owned(), json!(ask.inputs));
    body.insert("input_type".to_owned(), json!(kind));
    body.insert("embedding_types".to_owned(), json!(["float"]));
    put(&mut body, "output_dimension", ask.dimensions);
    Value::Object(body)
}

fn gemini(ask: &EmbeddingAsk) -> Value {
    let model = format!("models/{}", ask.model);
    let kind = ask.purpose.map(|purpose| match purpose {
        EmbedUse::Document => "RETRIEVAL_DOCUMENT",
        EmbedUse::Query => "RETRIEVAL_QUERY",
        EmbedUse::Classification => "CLASSIFICATION",
        EmbedUse::Clustering => "CLUSTERING",
    });
    let one = |input: &String| {
        let mut one = json!({"model": model, "content": {"parts": [{"text": input}]}});
        if let Some(fields) = one.as_object_mut() {
            put(fields, "taskType", kind);
            put(fields, "outputDimensionality", ask.dimensions);
        }
        one
    };
    json!({"requests": ask.inputs.iter().map(one).collect::<Vec<_>>()})
}

fn ollama(ask: &EmbeddingAsk) -> Value {
    let mut body = json!({"model": ask.model, "input": ask.inputs});
    if let Some(fields) = body.as_object_mut() {
        put(fields, "dimensions", ask.dimensions);
    }
    body
}

/// One text a call: the dialect says so.
fn titan(ask: &EmbeddingAsk) -> Value {
    let mut body = json!({"inputText": ask.inputs.first()});
    if let Some(fields) = body.as_object_mut() {
        put(fields, "dimensions", ask.dimensions);
    }
    body
}

/// An answer in this style; none where it is no style of ours.
pub(super) fn read(
    style: Option<&str>,
    body: &Value,
    response: &HttpResponse<'_>,
) -> Option<Result<Embedded, ProviderError>> {
    let (found, input): (Option<Vec<&Value>>, Option<u64>) = match style? {
        "cohere" | "bedrock_cohere" => {
            let billed = count(body, &["meta", "billed_units", "input_tokens"]);
            (cohere_vectors(body), billed.or_else(|| header_count(response)))
        }
        "gemini" => {
            let values = |one| field(one, "values").unwrap_or(&Value::Null);
            let all = field(body, "embeddings").map(|_| list(body, "embeddings").iter().map(values).collect());
            // A call for one text, as an item of a batch is, has one vector, and its count beside it.
            let found = all.or_else(|| field(body, "embedding").map(|one| vec![values(one)]));
            (found, count(body, &["usageMetadata", "promptTokenCount"]).or_else(|| count(body, &["tokenCount"])))
        }
        "ollama" => {
            let all = field(body, "embeddings").map(|_| list(body, "embeddings").iter().collect());
            (all.or_else(|| field(body, "embedding").map(|one| vec![one])), count(body, &["prompt_eval_count"]))
        }
        "titan" => {
            let input = count(body, &["inputTextTokenCount"]).or_else(|| header_count(response));
            (field(body, "embedding").map(|one| vec![one]), input)
        }
        _ => return None,
    };
    let Some(found) = found else {
        let other = || ProviderError::protocol("the answer has no vectors: is this the format of the endpoint?");
        return Some(Err(errors::of_body(body, response.status, response.headers).unwrap_or_else(other)));
    };
    if found.len() > VECTORS_MAX {
        return Some(Err(ProviderError::protocol(format!("the answer has more than {VECTORS_MAX} vectors"))));
    }
    let read = |(at, one): (usize, &Value)| {
        vector(one).ok_or_else(|| ProviderError::protocol(format!("vector {at} of the answer holds no numbers")))
    };
    let vectors = found.into_iter().enumerate().map(read).collect::<Result<_, _>>();
    let usage = Usage { input, ..Usage::default() };
    Some(vectors.map(|vectors| Embedded { model: text(body, "model").map(str::to_owned), vectors, usage }))
}

/// A list of vectors, or lists by the kind of their numbers.
fn cohere_vectors(body: &Value) -> Option<Vec<&Value>> {
    match field(body, "embeddings")? {
        Value::Array(all) => Some(all.iter().collect()),
        by_kind => field(by_kind, "float").map(|_| list(by_kind, "float").iter().collect()),
    }
}

/// Bedrock counts in a header what a body does not.
fn header_count(response: &HttpResponse<'_>) -> Option<u64> {
    response.header("x-amzn-bedrock-input-token-count")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{decode, write};
    use super::*;
    use crate::error::Kind;
    use crate::model::Dialect;
    use crate::wire::Headers;
    use crate::wire::tests::exchanges;

    fn dialect(style: &str) -> Dialect {
        Dialect { more: [("embeddings".to_owned(), style.to_owned())].into(), ..Dialect::default() }
    }

    fn ask() -> EmbeddingAsk {
        EmbeddingAsk {
            model: "m:1".into(),
            inputs: vec!["a".into(), "b".into()],
            dimensions: Some(8),
            purpose: Some(EmbedUse::Query),
        }
    }

    fn written(style: &str) -> (String, Value) {
        let written = write(&ask(), &dialect(style));
        (written.path, serde_json::from_slice(&written.body).unwrap())
    }

    #[test]
    fn each_format_is_written_as_documented() {
        let (path, body) = written("cohere");
        assert_eq!(path, "/embed");
        assert_eq!(
            body,
            json!({"model": "m:1", "texts": ["a", "b"], "input_type": "search_query",
            "embedding_types": ["float"], "output_dimension": 8})
        );
        let (path, body) = written("bedrock_cohere");
        assert_eq!((path.as_str(), body.get("model")), ("/model/m%3A1/invoke", None));
        let (path, body) = written("gemini");
        assert_eq!(path, "/models/m%3A1:batchEmbedContents");
        assert_eq!(
            body["requests"][1],
            json!({"model": "models/m:1", "content": {"parts": [{"text": "b"}]},
            "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8})
        );
        assert_eq!(written("ollama").1, json!({"model": "m:1", "input": ["a", "b"], "dimensions": 8}));
        assert_eq!(written("titan").1, json!({"inputText": "a", "dimensions": 8}));
    }

    #[test]
    fn an_item_of_a_batch_is_a_call_but_for_gemini() {
        let body = |style: &str| -> Value {
            serde_json::from_slice(&super::super::write_item(&ask(), &dialect(style)).body).unwrap()
        };
        assert_eq!(body("gemini"), written("gemini").1["requests"][0]);
        assert_eq!(body("ollama"), written("ollama").1);
        let one = br#"{"embedding": {"values": [1, 2]}, "tokenCount": 4}"#;
        let read = decode(HttpResponse { status: 200, headers: Headers::NONE, body: one }, &dialect("gemini")).unwrap();
        assert_eq!((read.vectors, read.usage.input), (vec![vec![1.0, 2.0]], Some(4)));
    }

    #[test]
    fn each_format_is_read() {
        for (style, body, input) in [
            (
                "cohere",
                json!({"embeddings": {"float": [[1, 2], [3, 4]]}, "meta": {"billed_units": {"input_tokens": 5}}}),
                Some(5),
            ),
            ("cohere", json!({"embeddings": [[1, 2], [3, 4]]}), None),
            (
                "gemini",
                json!({"embeddings": [{"values": [1, 2]}, {"values": [3, 4]}], "usageMetadata": {"promptTokenCount": 5}}),
                Some(5),
            ),
            ("ollama", json!({"embeddings": [[1, 2], [3, 4]], "prompt_eval_count": 0}), Some(0)),
        ] {
            let body = body.to_string();
            let read =
                decode(HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() }, &dialect(style))
                    .unwrap();
            assert_eq!((read.vectors, read.usage.input), (vec![vec![1.0, 2.0], vec![3.0, 4.0]], input), "{style}");
        }
        let headers = [("x-amzn-bedrock-input-token-count", "7")].into_iter().collect();
        let body = br#"{"embeddings": [[0.5]]}"#;
        let read = decode(HttpResponse { status: 200, headers: &headers, body }, &dialect("bedrock_cohere")).unwrap();
        assert_eq!(read.usage.input, Some(7));
        for style in ["cohere", "gemini", "ollama", "titan", "bedrock_cohere"] {
            for body in ["{}", "[]", "<p>", r#"{"embeddings": [{"values": ["x"]}], "embedding": ["x"]}"#] {
                let response = HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() };
                assert_eq!(decode(response, &dialect(style)).unwrap_err().kind, Kind::Protocol, "{style} {body}");
            }
        }
    }

    /// The path of a recording tells its format.
    fn style(url: &str) -> Option<&'static str> {
        let has = |word: &str| url.contains(word);
        match () {
            () if has("/invoke") && has("cohere.embed") => Some("bedrock_cohere"),
            () if has("/invoke") && has("titan-embed") => Some("titan"),
            () if has(":batchEmbedContents") => Some("gemini"),
            () if has("/api/embed") => Some("ollama"),
            () if url.ends_with("/embed") => Some("cohere"),
            () => None,
        }
    }

    #[test]
    fn recorded_answers_are_read() {
        let mut read = 0;
        for (file, api) in
            [("cohere", "embeddings"), ("gemini", "embeddings"), ("ollama", "embeddings"), ("bedrock", "invoke")]
        {
            for exchange in exchanges(file, api) {
                let Some(style) = style(&exchange.url) else { continue };
                let response = HttpResponse { status: exchange.status, headers: Headers::NONE, body: &exchange.body };
                match decode(response, &dialect(style)) {
                    Ok(embedded) => {
                        assert!(!embedded.vectors.is_empty(), "{}", exchange.id);
                        assert!(embedded.vectors.iter().all(|vector| vector.len() > 8), "{}", exchange.id);
                        read += 1;
                    }
                    Err(error) => assert!(exchange.status >= 400, "{}: {error}", exchange.id),
                }
            }
        }
        assert!(read == 0 || read >= 50, "{read}");
    }
}
