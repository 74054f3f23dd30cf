//! A dialect that takes a request as it stands: for reading a body and writing it again with nothing added.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::PriceList;
use crate::id::{EndpointId, ModelId, Region, VendorId};
use crate::model::{Accepts, Api, Auth, Capability, Dialect, Endpoint, ModelCard, Tier};

/// The entry of `Dialect::more` that asks for it.
const NAME: &str = "verbatim";

/// Whether a wire should write only what the request says: no most tokens where none were asked for, no schema
/// translated, nothing moved for the model's sake.
pub fn is_verbatim(dialect: &Dialect) -> bool {
    dialect.more.contains_key(NAME)
}

/// A model that takes everything, under the name that a body gives it.
pub fn card(wire_model: &str) -> ModelCard {
    let every = [
        Capability::Vision,
        Capability::AudioInput,
        Capability::VideoInput,
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
    ModelCard {
        id: ModelId::new("verbatim/any").expect("a vendor and a name"),
        vendor: VendorId::new("verbatim").expect("a word"),
        wire_name: wire_model.to_owned(),
        aliases: Vec::new(),
        family: "any".to_owned(),
        tier: Tier::Standard,
        context_window: u64::MAX,
        max_output: u64::MAX,
        capabilities: BTreeSet::from(every),
        accepts: Accepts::default(),
        self_hostable: false,
        prices: PriceList::default(),
        endpoints: Vec::new(),
        source: String::new(),
        date: String::new(),
        retired: false,
    }
}

/// An endpoint of this format with the verbatim dialect.
pub fn endpoint(api: Api) -> Endpoint {
    let more = BTreeMap::from([(NAME.to_owned(), "yes".to_owned())]);
    Endpoint {
        id: EndpointId::new("verbatim").expect("a word"),
        vendor: VendorId::new("verbatim").expect("a word"),
        api,
        base_url: "https://verbatim.invalid".to_owned(),
        region: Region::new("global").expect("a word"),
        self_hosted: false,
        auth: Auth::None,
        key_env: None,
        headers: BTreeMap::new(),
        dialect: Dialect { more, ..Dialect::default() },
    }
}
