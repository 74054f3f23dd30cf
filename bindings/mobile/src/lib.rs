//! Tierway for phones and the JVM: the narrow face from which the Kotlin, Swift and Python sides are generated.
//!
//! What crosses the border is JSON text, as in every binding, so a new field of the core costs no code here. The libraries
//! in `kotlin/` and `swift/` give it the looks of their languages.
//!
//! - `Core` is the client, `CoreStream` an answer piece by piece, `Stopper` what cancels a call from outside.
//! - `HostProvider`, `HostCheck` and `HostTransport` are what the host implements.
//! - Without a network a `Core` keeps to the user's own servers and the device, or keeps requests for later in an outbox.
//!
//! It decides nothing about models, and it holds no HTTP unless the feature `http` says so.

// uniffi's macros write the functions of the C interface, which are `no_mangle` and so count as unsafe code.
#![allow(unsafe_code)]

mod core;
mod fault;
mod host;
mod offline;
mod outbox;
mod stream;
mod work;

pub use crate::core::Core;
pub use fault::{CoreError, HostFault};
pub use host::{HostCheck, HostHeader, HostProvider, HostRequest, HostResponse, HostTransport};
pub use offline::{OfflineMode, OfflinePlan, Submitted};
pub use outbox::{Letter, LetterState};
pub use stream::CoreStream;
pub use work::Stopper;

/// Whether the library holds HTTP of its own. Where it does not, a client needs a transport of the host's.
#[uniffi::export]
pub fn has_http() -> bool {
    cfg!(feature = "http")
}

uniffi::setup_scaffolding!("tierway_mobile");
