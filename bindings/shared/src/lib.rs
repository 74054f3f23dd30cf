//! What every language's binding shares, so that all of them give the same decision, cost and error to the byte.
//!
//! A binding holds a `Handle`, passes JSON text to it and hands on the JSON text that comes back: a field that the core
//! gains needs no native code in any language. Requests and replies come in two shapes, Tierway's own (`send`, `stream`,
//! `route`) and that of OpenAI's chat completions (`chat`, `chat_stream`, `route_chat`).
//!
//! - `Setup` says how the JSON of a client's settings looks; `Host` holds what the host language itself brings.
//! - `StreamHandle` is pulled: `next` until it brings nothing, `close` at any time and from any thread.
//! - `Failure` is the one error: a stable `code`, and all that an exception class wants to show.
//! - `Cancel` stops what runs under it. Dropping a future does the same.
//! - `ForeignProvider` and `ForeignCheck` are what a host implements to answer and to judge in its own language, and
//!   `ForeignTransport` what it implements to move the bytes itself.
//! - `runtime` is the process's own thread for the network, for hosts that bring no async runtime of Rust's.
//!
//! It deliberately decides nothing: whatever is here is translation.

#![forbid(unsafe_code)]

#[cfg(feature = "http")]
mod ahead;
mod cancel;
mod failure;
mod foreign;
mod handle;
mod json;
mod openai;
mod report;
pub mod runtime;
mod setup;
mod stream;
#[cfg(feature = "testing")]
mod testing;
mod transport;

pub use cancel::Cancel;
pub use failure::{Facts, Failure};
pub use foreign::{ForeignCheck, ForeignProvider};
pub use handle::Handle;
pub use setup::{Host, Setup};
pub use stream::StreamHandle;
pub use transport::{Carrier, ForeignHead, ForeignRequest, ForeignTransport};
