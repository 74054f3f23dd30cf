//! An endpoint's embeddings over a transport.

use std::sync::Arc;

use super::vendor::{collect, http_date, redirected, sign_for_aws, without_key};
use super::{Outgoing, Transport};
use crate::clock::Clock;
use crate::error::{Kind, ProviderError, Retry};
use crate::message::{Message, Part};
use crate::model::Auth;
use crate::provider::Call;
use crate::secrets::Secret;
use crate::wire::HttpResponse;
use crate::wire::embeddings::{self, EmbedUse, Embedded, EmbeddingAsk};

/// Makes vectors at one endpoint.
#[derive(Debug)]
pub struct EmbedPort {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    key: Option<Secret>,
}

impl EmbedPort {
    /// A port with an endpoint's key.
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, key: Option<Secret>) -> EmbedPort {
        EmbedPort { transport, clock, key }
    }

    /// Asks for the vectors of what a call was admitted with: each of its messages is a text.
    ///
    /// # Errors
    /// The vendor's error, classified; `Kind::Protocol` where not every text has a vector, or they differ in length.
    pub async fn embed(
        &self,
        call: &Call,
        dimensions: Option<u32>,
        purpose: Option<EmbedUse>,
    ) -> Result<Embedded, ProviderError> {
        let ask = ask_of(call, dimensions, purpose);
        let limit = call.timeouts().total;
        let answer = tokio::time::timeout(limit.to_duration(), self.whole(call, &ask)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(ProviderError::new(Kind::Timeout, Retry::Elsewhere, format!("no whole answer within {limit}")))
        });
        answer.map_err(|error| without_key(error, self.key.as_ref()))
    }

    async fn whole(&self, call: &Call, ask: &EmbeddingAsk) -> Result<Embedded, ProviderError> {
        let endpoint = call.endpoint();
        let mut outgoing = Outgoing::new(call, embeddings::write(ask, &endpoint.dialect), self.key.as_ref())?;
        if let Auth::Sigv4(service) = &endpoint.auth {
            sign_for_aws(call, service, self.key.as_ref(), self.clock.now(), &mut outgoing)?;
        }
        let mut incoming = self.transport.post(outgoing).await?;
        if (300..400).contains(&incoming.status) {
            return Err(redirected(incoming.status));
        }
        if incoming.status >= 400 && incoming.header("date").is_none() {
            incoming.headers.push("date", &http_date(self.clock.now()));
        }
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let body = collect(incoming).await?;
        let response = HttpResponse { status, headers: &headers, body: &body };
        let embedded = embeddings::decode(response, &endpoint.dialect)?;
        embeddings::checked(embedded, ask.inputs.len()).map_err(|error| error.with_status(status))
    }
}

/// The texts of a call: each of its messages is one.
pub(crate) fn ask_of(call: &Call, dimensions: Option<u32>, purpose: Option<EmbedUse>) -> EmbeddingAsk {
    let text = |message: &Message| message.parts.iter().filter_map(Part::as_text).collect::<String>();
    let inputs = call.request().messages.iter().map(text).collect();
    EmbeddingAsk { model: call.card().wire_name.clone(), inputs, dimensions, purpose }
}
