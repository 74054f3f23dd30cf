//! Tierway sends each request to the cheapest model that is good enough, proves what it cost, and keeps data where it
//! may go, inside your own process.
//!
//! Data flows one way through pure stages: `policy` (may this model see it?), `score` (how hard is it?), `plan` (which
//! models, in which order, at what cost?), `attempt` (what next, after what just happened?) and `ledger` (what did it
//! cost?). Effects live around them: `client`, `transport`, `store`.

#![forbid(unsafe_code)]

// vocabulary
pub mod error;
pub mod id;
pub mod limits;
pub mod message;
pub mod model;
pub mod money;
pub mod reply;
pub mod request;
mod sorting;
pub mod time;
pub mod tree;
pub mod usage;
pub mod vendor_fields;

// data and decisions, pure
pub mod attempt;
pub mod catalog;
pub mod ledger;
pub mod plan;
pub mod policy;
pub mod score;
pub mod snapshot;

// ports, and what is learnt, judged and checked, pure
pub mod check;
pub mod learn;
pub mod provider;
pub mod replay;
pub mod wire;

// effects
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod clock;
#[cfg(feature = "client")]
pub mod config;
#[cfg(feature = "engine")]
pub mod local;
#[cfg(feature = "client")]
pub mod secrets;
#[cfg(feature = "client")]
pub mod store;
#[cfg(feature = "client")]
pub mod transport;

// checks, for third parties too
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "client")]
pub use client::{Client, Error, Response};
pub use error::{Kind, ProviderError, Retry};
pub use id::{DataLabel, EndpointId, ModelId, Region, SessionId, VendorId};
pub use message::{Content, Message, Part, Role};
pub use model::{ModelCard, Tier};
pub use money::Usd;
pub use provider::{Call, Provider, ReplyStream};
pub use reply::{Delta, Reply, StopReason};
pub use request::{Request, RequestDraft, RequestError};
pub use usage::Usage;
