//! The same calls with what people use without Tierway: bare reqwest + serde_json, and the genai crate.

use futures_util::StreamExt;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{ModelIden, ServiceTarget};
use serde_json::{Value, json};

/// What is asked in every call: 375 characters.
pub const PROMPT: &str = "A customer writes that the parcel with order number 48213 arrived two days late and that one of \
the three cups inside is broken. She is polite, has bought from us eleven times, and asks whether we can send a new cup \
before her mother's birthday on Saturday. Please write a short, friendly answer that apologises, promises a replacement by \
Friday and offers free delivery on her next order.";

/// The format in which all speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
pub enum Format {
    /// Anthropic Messages.
    Messages,
    /// OpenAI chat completions.
    Chat,
}

/// A bare reqwest client.
pub struct Bare {
    client: reqwest::Client,
    url: String,
    format: Format,
}

impl Bare {
    pub fn new(base_url: &str, format: Format) -> Bare {
        let path = if format == Format::Chat { "chat/completions" } else { "messages" };
        Bare { client: reqwest::Client::new(), url: format!("{base_url}/{path}"), format }
    }

    fn body(&self, stream: bool) -> Value {
        let mut body =
            json!({"model": "bench-model", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 400});
        if stream {
            body["stream"] = true.into();
            if self.format == Format::Chat {
                body["stream_options"] = json!({"include_usage": true});
            }
        }
        body
    }

    /// A whole answer, its text read.
    pub async fn send(&self) -> usize {
        let sent = self.client.post(&self.url).bearer_auth("sk-bench").json(&self.body(false)).send().await;
        let reply: Value = sent.expect("loopback answers").json().await.expect("it is JSON");
        let text = match self.format {
            Format::Chat => &reply["choices"][0]["message"]["content"],
            Format::Messages => &reply["content"][0]["text"],
        };
        text.as_str().expect("it has text").len()
    }

    /// A streamed answer, every chunk's text read.
    pub async fn stream(&self) -> usize {
        use eventsource_stream::Eventsource;
        let sent = self.client.post(&self.url).bearer_auth("sk-bench").json(&self.body(true)).send().await;
        let mut events = sent.expect("loopback answers").bytes_stream().eventsource();
        let mut length = 0;
        while let Some(event) = events.next().await {
            let event = event.expect("the stream is whole");
            if event.data == "[DONE]" {
                break;
            }
            let chunk: Value = serde_json::from_str(&event.data).expect("it is JSON");
            let text = match self.format {
                Format::Chat => &chunk["choices"][0]["delta"]["content"],
                Format::Messages => &chunk["delta"]["text"],
            };
            length += text.as_str().map_or(0, str::len);
        }
        length
    }
}

/// The genai crate.
pub struct Genai {
    client: genai::Client,
}

impl Genai {
    pub fn new(base_url: &str, format: Format) -> Genai {
        let kind = match format {
            Format::Chat => genai::adapter::AdapterKind::OpenAI,
            Format::Messages => genai::adapter::AdapterKind::Anthropic,
        };
        let base = format!("{base_url}/");
        let resolver = ServiceTargetResolver::from_resolver_fn(
            move |target: ServiceTarget| -> Result<_, genai::resolver::Error> {
                let model = ModelIden::new(kind, target.model.model_name);
                Ok(ServiceTarget {
                    endpoint: Endpoint::from_owned(base.clone()),
                    auth: AuthData::from_single("sk-bench"),
                    model,
                })
            },
        );
        Genai {
            client: genai::Client::builder()
                .with_service_target_resolver(resolver)
                .build()
                .expect("the options are valid"),
        }
    }

    fn request() -> (ChatRequest, ChatOptions) {
        let options = ChatOptions::default().with_max_tokens(400).with_capture_usage(true);
        (ChatRequest::new(vec![ChatMessage::user(PROMPT)]), options)
    }

    pub async fn send(&self) -> usize {
        let (request, options) = Genai::request();
        let reply = self.client.exec_chat("bench-model", request, Some(&options)).await.expect("loopback answers");
        reply.first_text().expect("it has text").len()
    }

    pub async fn stream(&self) -> usize {
        let (request, options) = Genai::request();
        let reply =
            self.client.exec_chat_stream("bench-model", request, Some(&options)).await.expect("loopback answers");
        let mut stream = reply.stream;
        let mut length = 0;
        while let Some(event) = stream.next().await {
            if let ChatStreamEvent::Chunk(chunk) = event.expect("the stream is whole") {
                length += chunk.content.len();
            }
        }
        length
    }
}
