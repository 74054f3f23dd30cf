//! A model, an endpoint and an admitted call, for tests that need one and do not care which.

use std::sync::Arc;

use crate::catalog::PriceList;
use crate::id::{EndpointId, ModelId, Region, VendorId};
use crate::model::{Accepts, Api, Auth, Capability, Dialect, Endpoint, ModelCard, Tier};
use crate::policy::{Needs, Policy, Refusal, admit};
use crate::provider::Call;
use crate::request::Request;
use crate::snapshot::{Offers, Snapshot};
use crate::time::Timestamp;
use crate::{RequestError, Usd, id::IdError, id::RequestId};

/// A model that can do everything, of a vendor named before the slash, at 1 and 4 dollars per million tokens.
///
/// # Errors
/// Where `id` is no model id.
pub fn card(id: &str) -> Result<ModelCard, IdError> {
    let id = ModelId::new(id)?;
    let dollar = |count: i64| Usd::from_pico(count * crate::money::PICO_PER_USD);
    Ok(ModelCard {
        vendor: VendorId::new(id.vendor())?,
        wire_name: id.name().to_owned(),
        aliases: Vec::new(),
        family: id.name().to_owned(),
        tier: Tier::Standard,
        context_window: 200_000,
        max_output: 32_000,
        capabilities: CAPABILITIES.into_iter().collect(),
        accepts: Accepts::default(),
        self_hostable: false,
        prices: PriceList::per_million(dollar(1), dollar(1), dollar(4)),
        endpoints: Vec::new(),
        source: "made up for tests".to_owned(),
        date: "2026-01-01".to_owned(),
        retired: false,
        id,
    })
}

const CAPABILITIES: [Capability; 13] = [
    Capability::Vision,
    Capability::Documents,
    Capability::Tools,
    Capability::ParallelTools,
    Capability::ForcedTools,
    Capability::JsonMode,
    Capability::JsonSchema,
    Capability::Reasoning,
    Capability::Logprobs,
    Capability::PromptCache,
    Capability::Streaming,
    Capability::Seed,
    Capability::Candidates,
];

/// An endpoint of the vendor of the same name that wants a bearer key.
///
/// # Errors
/// Where `id` is no endpoint id.
pub fn endpoint(id: &str, api: Api, base_url: impl Into<String>) -> Result<Endpoint, IdError> {
    Ok(Endpoint {
        id: EndpointId::new(id)?,
        vendor: VendorId::new(id)?,
        api,
        base_url: base_url.into(),
        region: Region::new("us")?,
        self_hosted: false,
        auth: Auth::Bearer,
        key_env: None,
        headers: Default::default(),
        dialect: Dialect::default(),
    })
}

/// A call of this request, let through by a policy that allows everything.
///
/// # Errors
/// Every reason for which even that policy refuses: the model lacks something that the request needs.
pub fn call(request: &Request, card: ModelCard, endpoint: Endpoint, max_tokens: u64) -> Result<Call, Vec<Refusal>> {
    let (card, endpoint) = (Arc::new(card), Arc::new(endpoint));
    let offers = Arc::new(Offers::new([card.clone()], [endpoint.clone()]));
    let snapshot = Snapshot::new(offers, Timestamp::from_ms(1_790_000_000_000));
    let policy = Policy::default();
    let admission = admit(request, &card, &endpoint, &policy, &snapshot, &Needs::of(request))?;
    let id = RequestId::new("test").expect("a plain word is an id");
    Ok(Call::new(admission, id.attempt(1), max_tokens))
}

/// One message of a user.
///
/// # Errors
/// Where the text is beyond the size bound.
pub fn ask(text: &str) -> Result<Request, RequestError> {
    Request::user(text)
}
