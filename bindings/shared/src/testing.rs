//! What the shared cases script, so that a case is a client's settings and nothing more in every language: a clock that
//! stands still, providers that answer from a list, and a vendor server on loopback.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tierway::catalog::Catalog;
use tierway::client::ClientBuilder;
use tierway::clock::Clock;
use tierway::id::{EndpointId, ProviderId};
use tierway::testing::ScriptedProvider;
use tierway::testing::scripted::Turn;
use tierway::testing::server::{Playbook, Rule, Server};
use tierway::time::{Span, Timestamp};

use crate::foreign::{error_of, reply_of};
use crate::{Failure, runtime};

/// The `testing` section of a client's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The time at which the clock stands, in milliseconds since 1970.
    now_ms: Option<i64>,
    /// What providers answer, by endpoint: one turn for each call, the last one again and again.
    providers: BTreeMap<EndpointId, Vec<Value>>,
    /// What a server on loopback answers in place of every vendor: the rules of a playbook.
    loopback: Option<Vec<Rule>>,
}

/// A running server. It stops when the last client that uses it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Loopback {
    _server: Arc<Server>,
}

#[derive(Debug)]
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Script {
    /// Sets up a client by this script.
    pub(crate) fn apply(
        &self,
        mut builder: ClientBuilder,
        catalog: &Catalog,
    ) -> Result<(ClientBuilder, Option<Loopback>), Failure> {
        if let Some(now_ms) = self.now_ms {
            builder = builder.clock(Arc::new(Still(Timestamp::from_ms(now_ms))));
        }
        for (endpoint, turns) in &self.providers {
            let turns: Result<Vec<Turn>, Failure> = turns.iter().map(turn).collect();
            let id = ProviderId::new(endpoint.as_str()).expect("an endpoint's id is a provider's");
            builder = builder.provider(endpoint.clone(), Arc::new(ScriptedProvider::new(id, turns?)));
        }
        let Some(rules) = &self.loopback else { return Ok((builder, None)) };
        let server = start(Playbook::new(rules.clone()))?;
        for row in catalog.endpoints() {
            builder = builder.base_url(row.id.clone(), server.in_place_of(row.id.as_str(), &row.base_url));
        }
        Ok((builder, Some(Loopback { _server: Arc::new(server) })))
    }
}

/// Starts a server from a thread of its own, since the caller may stand in a runtime, where waiting is forbidden.
fn start(script: Playbook) -> Result<Server, Failure> {
    let begin = || runtime::wait(Server::start(script));
    let started = std::thread::scope(|scope| scope.spawn(begin).join());
    let started = started.map_err(|_| refuse("the loopback server's thread broke"))??;
    started.map_err(|error| refuse(format!("no loopback server: {error}")))
}

/// Reads a turn: `{"answer": reply}`, `{"fail": error}`, `{"break": reply, "pieces": n, "error": error}`,
/// `{"hang": true}`, `{"panic": reply, "pieces": n}`, or any of these with `later_ms`. Replies and errors are written
/// as a foreign provider's.
fn turn(value: &Value) -> Result<Turn, Failure> {
    let unreadable = |_| refuse("a turn's reply cannot be read");
    let read = |reply: &Value| reply_of(&reply.to_string()).map_err(unreadable);
    let pieces = || value["pieces"].as_u64().and_then(|pieces| usize::try_from(pieces).ok()).unwrap_or(1);
    let main = if let Some(reply) = value.get("answer") {
        Turn::Answer(read(reply)?)
    } else if let Some(error) = value.get("fail") {
        Turn::Fail(error_of(&error.to_string()))
    } else if let Some(reply) = value.get("break") {
        Turn::Break { reply: read(reply)?, pieces: pieces(), error: error_of(&value["error"].to_string()) }
    } else if let Some(reply) = value.get("panic") {
        Turn::Panic { reply: read(reply)?, pieces: pieces() }
    } else if value.get("hang").is_some() {
        Turn::Hang
    } else {
        return Err(refuse("a turn says one of answer, fail, break, hang, panic"));
    };
    Ok(match value["later_ms"].as_u64() {
        Some(later) => Turn::Later(Span::from_ms(later), Box::new(main)),
        None => main,
    })
}

fn refuse(message: impl Into<String>) -> Failure {
    Failure::new("invalid_config", format!("testing: {}", message.into())).with_field("testing")
}
