//! A request that the server was sent.

use serde_json::Value;

use crate::model::Api;
use crate::wire::Mode;

/// A request that the server was sent, key and prompt included: for tests to look at, not to print.
#[derive(Clone)]
pub struct Heard {
    /// Which request it was, counted from 1 in the order of arrival.
    pub number: u64,
    /// The first part of the path: the endpoint that was meant.
    pub endpoint: String,
    /// The format, as far as the path tells.
    pub api: Option<Api>,
    /// Whether a stream is asked for.
    pub mode: Mode,
    /// The model, as the vendor names it.
    pub model: String,
    /// The method.
    pub method: String,
    /// The whole path, with its query.
    pub path: String,
    /// Header names in lower case and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Heard {
    /// Reads what the path and the body say.
    pub(super) fn new(method: String, path: String, headers: Vec<(String, String)>, body: Vec<u8>) -> Heard {
        let (plain, query) = path.split_once('?').unwrap_or((&path, ""));
        let api = api_of(plain);
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let in_path = match api {
            Some(Api::GenerateContent) => between(plain, "/models/", ":"),
            Some(Api::Converse) => between(plain, "/model/", "/converse"),
            _ => None,
        };
        let model = in_path.map_or_else(|| json["model"].as_str().unwrap_or_default().to_owned(), unescaped);
        let is_stream = match api {
            Some(Api::GenerateContent) => plain.ends_with(":streamGenerateContent") || query.contains("alt=sse"),
            Some(Api::Converse) => plain.ends_with("/converse-stream"),
            Some(Api::OllamaChat) => json["stream"].as_bool().unwrap_or(true),
            _ => json["stream"].as_bool().unwrap_or(false),
        };
        let mode = if is_stream { Mode::Stream } else { Mode::Unary };
        let endpoint = plain.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
        Heard { number: 0, endpoint, api, mode, model, method, path, headers, body }
    }

    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The most tokens of output that the body asks for, wherever its format has that.
    pub fn max_tokens(&self) -> Option<u64> {
        let body = self.json();
        let places: &[&str] = match self.api? {
            Api::ChatCompletions => &["/max_completion_tokens", "/max_tokens"],
            Api::Responses => &["/max_output_tokens"],
            Api::Messages | Api::CohereChat => &["/max_tokens"],
            Api::GenerateContent => &["/generationConfig/maxOutputTokens"],
            Api::Converse => &["/inferenceConfig/maxTokens"],
            Api::OllamaChat => &["/options/num_predict"],
            _ => &[],
        };
        places.iter().find_map(|place| body.pointer(place)?.as_u64())
    }

    /// Whether a stream of chat completions is to end with a count of tokens.
    pub(super) fn wants_usage(&self) -> bool {
        self.api != Some(Api::ChatCompletions)
            || self.mode == Mode::Unary
            || self.json()["stream_options"]["include_usage"] == true
    }

    /// Whether a Gemini stream is to come as events rather than as one array.
    pub(super) fn wants_events(&self) -> bool {
        self.path.contains("alt=sse")
    }
}

impl std::fmt::Debug for Heard {
    /// Shows neither key nor prompt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heard")
            .field("number", &self.number)
            .field("endpoint", &self.endpoint)
            .field("model", &self.model)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// How paths end where vectors are asked for.
const EMBEDDINGS: [&str; 5] = ["/embeddings", "/embed", ":batchEmbedContents", ":embedContent", "/api/embed"];

fn api_of(path: &str) -> Option<Api> {
    let ends = |end: &str| path.ends_with(end);
    Some(match () {
        () if ends("/chat/completions") => Api::ChatCompletions,
        () if ends("/responses") => Api::Responses,
        () if ends("/messages") => Api::Messages,
        () if ends(":generateContent") || ends(":streamGenerateContent") => Api::GenerateContent,
        () if ends("/converse") || ends("/converse-stream") => Api::Converse,
        () if EMBEDDINGS.iter().any(|end| ends(end)) => Api::Embeddings,
        // Bedrock's path names the model alone.
        () if ends("/invoke") && path.contains("embed") => Api::Embeddings,
        () if ends("/api/chat") => Api::OllamaChat,
        () if ends("/chat") => Api::CohereChat,
        () => return None,
    })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.rsplit_once(after).map(|(inner, _)| inner)
}

/// Percent escapes in a path are read back: model names hold colons and slashes.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, body: &str, want: (&str, Option<Api>, &str, Mode)) {
        let heard = Heard::new("POST".into(), path.into(), Vec::new(), body.into());
        assert_eq!((heard.endpoint.as_str(), heard.api, heard.model.as_str(), heard.mode), want, "{path}");
    }

    #[test]
    fn the_path_and_the_body_tell_what_is_asked() {
        use Mode::{Stream, Unary};
        let chat = Some(Api::ChatCompletions);
        check("/openai/v1/chat/completions", r#"{"model":"m","stream":true}"#, ("openai", chat, "m", Stream));
        check("/azure/openai/deployments/d/chat/completions?api-version=1", "{}", ("azure", chat, "", Unary));
        let gemini = Some(Api::GenerateContent);
        check("/google/v1beta/models/g-2:streamGenerateContent?alt=sse", "{}", ("google", gemini, "g-2", Stream));
        check("/google/v1beta/models/g-2:generateContent", "{}", ("google", gemini, "g-2", Unary));
        check("/b/model/a.c%3A0/converse-stream", "{}", ("b", Some(Api::Converse), "a.c:0", Stream));
        check("/b/model/a%2Fc/converse", "{}", ("b", Some(Api::Converse), "a/c", Unary));
        check("/ollama/api/chat", r#"{"model":"m"}"#, ("ollama", Some(Api::OllamaChat), "m", Stream));
        check("/cohere/v2/chat", r#"{"model":"m"}"#, ("cohere", Some(Api::CohereChat), "m", Unary));
        check("/x/models", "", ("x", None, "", Unary));
    }
}
