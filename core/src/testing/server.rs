//! A server on loopback that speaks the vendors' formats, answers what a script says, and fails as vendors fail.
//!
//! The first part of a path names the endpoint and the rest is the vendor's own (`/openai/v1/chat/completions`), so that
//! the real rows of a catalogue are used with nothing but their host replaced. The server writes each format from the
//! vendors' documents, with code of its own that shares nothing with `wire`: a mistake in the one is not hidden by the
//! same mistake in the other. It records what it was sent.
//!
//! A `BatchDesk` in the place of a script speaks the batch APIs as well.
//!
//! It understands no more HTTP than clients of this kind send: requests with a content length, over kept connections.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

mod answer;
mod deliver;
mod desk;
mod fault;
mod heard;
mod http;
mod playbook;
mod say;
mod spoil;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Pace};
pub use desk::{BatchDesk, DeskEnd, Mess, Served, Step, Trouble};
pub use fault::{Ending, Fault, RetryAfter};
pub use heard::Heard;
pub use playbook::{Playbook, Rule, When};

/// Requests kept for tests to look at; older ones are forgotten.
const HEARD_MAX: usize = 4_096;

/// Says what the server answers.
pub trait Script: Send + Sync + 'static {
    /// The answer to this request. It may be asked from several threads at once.
    fn answer(&self, heard: &Heard) -> Answer;

    /// The answer to a request that is not for a model, such as one about a batch; none where it is for one.
    fn serve(&self, _heard: &Heard) -> Option<Served> {
        None
    }
}

impl<F: Fn(&Heard) -> Answer + Send + Sync + 'static> Script for F {
    fn answer(&self, heard: &Heard) -> Answer {
        self(heard)
    }
}

impl Script for Box<dyn Script> {
    fn answer(&self, heard: &Heard) -> Answer {
        (**self).answer(heard)
    }

    fn serve(&self, heard: &Heard) -> Option<Served> {
        (**self).serve(heard)
    }
}

/// The same answer every time.
impl Script for Answer {
    fn answer(&self, _heard: &Heard) -> Answer {
        self.clone()
    }
}

/// One answer after the other, whoever asks; the last one is repeated.
#[derive(Debug)]
pub struct Sequence(Mutex<VecDeque<Answer>>);

impl Sequence {
    /// These answers.
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Sequence {
        Sequence(Mutex::new(answers.into_iter().collect()))
    }
}

impl Script for Sequence {
    fn answer(&self, _heard: &Heard) -> Answer {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answers.len() {
            0 => Answer::default(),
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap_or_default(),
        }
    }
}

/// A running server. It stops, and closes its connections, when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Box<dyn Script>,
    heard: Mutex<Record>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Record {
    kept: VecDeque<Arc<Heard>>,
    count: u64,
    connections: u64,
}

impl Shared {
    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a request and keeps it.
    fn keep(&self, mut heard: Heard) -> Arc<Heard> {
        let mut record = self.record();
        record.count += 1;
        heard.number = record.count;
        let heard = Arc::new(heard);
        if record.kept.len() == HEARD_MAX {
            record.kept.pop_front();
        }
        record.kept.push_back(heard.clone());
        heard
    }
}

impl Server {
    /// Starts a server on a free port of the loopback address, in the running tokio runtime.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(script: impl Script) -> io::Result<Server> {
        Server::start_on(0, script).await
    }

    /// Starts a server on this port of the loopback address; zero picks a free one.
    ///
    /// # Errors
    /// Where the port cannot be had.
    pub async fn start_on(port: u16, script: impl Script) -> io::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { script: Box::new(script), heard: Mutex::default() });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Server { address, shared, accepting })
    }

    /// Where it listens: `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address in place of a vendor's: `https://api.openai.com/v1` of the endpoint `openai` becomes
    /// `http://127.0.0.1:40123/openai/v1`.
    pub fn in_place_of(&self, endpoint: &str, base_url: &str) -> String {
        let after_host = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
        let path = after_host.split_once('/').map_or("", |(_, path)| path);
        let slash = if path.is_empty() { "" } else { "/" };
        format!("{}/{endpoint}{slash}{path}", self.url())
    }

    /// The requests it has had, oldest first; of very many, the last 4,096.
    pub fn heard(&self) -> Vec<Arc<Heard>> {
        self.shared.record().kept.iter().cloned().collect()
    }

    /// How many requests it has had.
    pub fn requests(&self) -> u64 {
        self.shared.record().count
    }

    /// How many connections were opened to it.
    pub fn connections(&self) -> u64 {
        self.shared.record().connections
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An address on loopback where nobody listens: a port that was free a moment ago.
///
/// # Errors
/// Where no port can be had.
pub fn refused_url() -> io::Result<String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(format!("http://{}", listener.local_addr()?))
}

/// Takes connections until it is aborted, which ends the connections too.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        shared.record().connections += 1;
        connections.spawn(converse(socket, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers one request after the other on a connection.
async fn converse(mut socket: TcpStream, shared: Arc<Shared>) {
    // Small frames must leave at once; where that cannot be set they leave a little later.
    let _ = socket.set_nodelay(true);
    let mut unread = Vec::with_capacity(16 << 10);
    loop {
        let heard = match http::read(&mut socket, &mut unread).await {
            Ok(Some(heard)) => shared.keep(heard),
            Ok(None) | Err(_) => return,
        };
        if let Some(served) = shared.script.serve(&heard) {
            if deliver::serve(&mut socket, &served).await != deliver::Connection::Keep {
                return;
            }
            continue;
        }
        let answer = shared.script.answer(&heard);
        if deliver::deliver(&mut socket, &heard, &answer).await != deliver::Connection::Keep {
            return;
        }
    }
}
