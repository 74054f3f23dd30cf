//! A client behind JSON text.

use serde_json::{Value, json};
use tierway::catalog::Catalog;
use tierway::learn::Experience;
use tierway::plan::Plan;
use tierway::{Client, Request, RequestDraft};

use crate::setup::{Host, Made, make};
use crate::stream::Shape;
use crate::{Failure, StreamHandle, json, openai, report};

/// A client for other languages. Cheap to clone; all clones share one client.
///
/// The futures stop their work when they are dropped. They need a tokio runtime around them: `runtime::wait`, or the
/// host's own.
#[derive(Clone, Debug)]
pub struct Handle {
    client: Client,
    catalog: Catalog,
    #[cfg(feature = "testing")]
    _loopback: Option<crate::testing::Loopback>,
}

impl Handle {
    /// A client of these settings (`Setup` as JSON; `keys` holds keys by endpoint) and what the host brings.
    ///
    /// # Errors
    /// `invalid_config` naming the field, `ledger` where the account cannot be opened.
    pub fn new(settings: &str, host: Host) -> Result<Handle, Failure> {
        let Made {
            client,
            catalog,
            #[cfg(feature = "testing")]
            loopback,
        } = make(settings, host)?;
        Ok(Handle {
            client,
            catalog,
            #[cfg(feature = "testing")]
            _loopback: loopback,
        })
    }

    /// The client within.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks for a whole answer to a request as JSON; brings a response as JSON.
    ///
    /// # Errors
    /// Those of `Client::send`; `invalid_request` where the text is no request.
    pub async fn send(&self, request: &str) -> Result<String, Failure> {
        let response = self.client.send(&read(request)?).await?;
        Ok(json::write(&response))
    }

    /// Asks for an answer piece by piece: the stream brings deltas as JSON, and at its end the response.
    ///
    /// # Errors
    /// As `send`; after the first piece, an error comes from the stream.
    pub async fn stream(&self, request: &str) -> Result<StreamHandle, Failure> {
        let stream = self.client.stream(&read(request)?).await?;
        Ok(StreamHandle::new(stream, Shape::Native))
    }

    /// Decides who would answer a request, without a call; brings the explanation as JSON.
    ///
    /// # Errors
    /// `refused` with every reason of every model.
    pub fn route(&self, request: &str) -> Result<String, Failure> {
        self.decide(&read(request)?)
    }

    /// Asks for a whole answer to a body of OpenAI's chat completions; brings a `chat.completion`.
    ///
    /// # Errors
    /// As `send`.
    pub async fn chat(&self, body: &str) -> Result<String, Failure> {
        let asked = openai::read(body, &self.catalog)?;
        let response = self.client.send(&asked.request).await?;
        Ok(openai::completion(&response))
    }

    /// The same piece by piece: the stream brings `chat.completion.chunk`s, and at its end the `chat.completion`.
    ///
    /// # Errors
    /// As `stream`.
    pub async fn chat_stream(&self, body: &str) -> Result<StreamHandle, Failure> {
        let asked = openai::read(body, &self.catalog)?;
        let stream = self.client.stream(&asked.request).await?;
        Ok(StreamHandle::new(stream, Shape::Chat { include_usage: asked.include_usage }))
    }

    /// As `route`, for a body of OpenAI's chat completions.
    ///
    /// # Errors
    /// As `route`.
    pub fn route_chat(&self, body: &str) -> Result<String, Failure> {
        self.decide(&openai::read(body, &self.catalog)?.request)
    }

    /// Checks that a request as JSON is one that can be sent, without deciding anything.
    ///
    /// # Errors
    /// `invalid_request` naming the field.
    pub fn check(&self, request: &str) -> Result<(), Failure> {
        read(request).map(drop)
    }

    /// A body of OpenAI's chat completions as a request of ours, as JSON.
    ///
    /// # Errors
    /// `invalid_request` naming the field.
    pub fn parse_chat(&self, body: &str) -> Result<String, Failure> {
        Ok(json::write(&openai::read(body, &self.catalog)?.request))
    }

    /// What was spent: `{"by": ["model"], "since_ms": n, "until_ms": n}`, each of which may be left out; brings sums by
    /// group and in all.
    ///
    /// # Errors
    /// `invalid_request` where the query is not valid, `ledger` where the account cannot be read.
    pub async fn report(&self, query: &str) -> Result<String, Failure> {
        report::report(self.client.store(), query).await
    }

    /// The account's attempts: `{"after": n, "limit": n, "since_ms": n, "until_ms": n}`.
    ///
    /// # Errors
    /// As `report`.
    pub async fn attempts(&self, query: &str) -> Result<String, Failure> {
        report::attempts(self.client.store(), query).await
    }

    /// Marks an answer, as `{"id": "...", "mark": n}`: the response's own id (in a completion `tierway.id`), and from 0,
    /// useless, to 1, right. Later decisions go by what was learnt.
    ///
    /// # Errors
    /// `invalid_request` where it is no mark, `unknown_answer` where none awaits it, `busy` or `ledger` where it could not
    /// be kept.
    pub async fn feedback(&self, marked: &str) -> Result<(), Failure> {
        let Marked { id, mark } = json::read(marked, "feedback", "invalid_request")?;
        let id =
            id.parse().map_err(|error| Failure::new("invalid_request", format!("id: {error}")).with_field("id"))?;
        Ok(self.client.feedback(&id, mark).await?)
    }

    /// What was learnt from marks, as JSON: to look at, or to take elsewhere.
    pub async fn experience(&self) -> String {
        json::write(&*self.client.experience().await)
    }

    /// Puts another experience in place of what was learnt; `null` forgets.
    ///
    /// # Errors
    /// `invalid_request` where the text is none; `busy` or `ledger` where it could not be kept.
    pub async fn set_experience(&self, experience: &str) -> Result<(), Failure> {
        let learnt: Option<Experience> = json::read(experience, "experience", "invalid_request")?;
        Ok(self.client.set_experience(learnt.unwrap_or_default()).await?)
    }

    /// The models on sale: `[{"id", "vendor", "tier", "context_window", "max_output", "callable"}]`.
    pub fn models(&self) -> String {
        let callable = |card: &tierway::ModelCard| {
            let mut endpoints = self.catalog.endpoints_of(card);
            endpoints.any(|endpoint| self.client.keys().has(&endpoint.id))
        };
        let line = |card: &std::sync::Arc<tierway::ModelCard>| {
            json!({
                "id": card.id,
                "vendor": card.vendor,
                "tier": card.tier,
                "context_window": card.context_window,
                "max_output": card.max_output,
                "retired": card.retired,
                "callable": callable(card),
            })
        };
        Value::Array(self.catalog.cards().iter().map(line).collect()).to_string()
    }

    /// Writes what is queued to the ledger and closes it.
    ///
    /// # Errors
    /// `ledger` where the last entries could not be written.
    pub async fn close(&self) -> Result<(), Failure> {
        Ok(self.client.close().await?)
    }

    fn decide(&self, request: &Request) -> Result<String, Failure> {
        let plan: Plan = self.client.route(request)?;
        Ok(json::write(&plan.explain()))
    }
}

/// A mark of an answer.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Marked {
    id: String,
    mark: f64,
}

fn read(request: &str) -> Result<Request, Failure> {
    let draft: RequestDraft = json::read(request, "request", "invalid_request")?;
    Ok(Request::try_from(draft)?)
}
