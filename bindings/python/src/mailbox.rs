//! How asynchronous calls end: in a mailbox of the event loop that waits for them.
//!
//! The library's own thread puts ends in and rings; the loop's thread takes them out. So the library's thread runs no
//! Python and never waits for the interpreter's lock, and many ends are taken out at once. The bell is a pipe that the loop
//! watches, or where loops watch no pipes (Windows), a function that it is asked to call.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use tierway_bindings::Failure;

use crate::{Stream, gate, raise};

/// What a call brought.
pub(crate) enum Brought {
    Text(Option<String>),
    Stream(Stream),
}

type End = (Py<PyAny>, Result<Brought, Failure>);

/// Where calls of one event loop end.
#[pyclass(frozen, module = "tierway._native")]
pub(crate) struct Mailbox {
    shared: Arc<Shared>,
}

/// The half that the library's own thread has.
pub(crate) struct Shared {
    ends: Mutex<Vec<End>>,
    bell: Bell,
}

enum Bell {
    #[cfg(unix)]
    Pipe(io::PipeReader, io::PipeWriter),
    Function(Py<PyAny>),
}

impl Shared {
    /// Puts an end in. The bell rings for the first only: until it is heard, others lie beside it.
    pub(crate) fn put(&self, future: Py<PyAny>, end: Result<Brought, Failure>) {
        let is_first = {
            let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
            ends.push((future, end));
            ends.len() == 1
        };
        if is_first {
            self.bell.ring();
        }
    }

    fn take(&self) -> Vec<End> {
        std::mem::take(&mut *self.ends.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Bell {
    #[cfg(unix)]
    fn pipe() -> io::Result<Bell> {
        let (reader, writer) = io::pipe()?;
        Ok(Bell::Pipe(reader, writer))
    }

    fn ring(&self) {
        match self {
            // A byte for each ring, so that neither side ever waits.
            #[cfg(unix)]
            Bell::Pipe(_, writer) => drop(io::Write::write(&mut &*writer, &[1])),
            // Where the loop is closed, nobody waits any more.
            Bell::Function(function) => drop(gate::attach(|py| function.call0(py).map(drop))),
        }
    }

    /// Hears one ring.
    fn hear(&self) {
        match self {
            #[cfg(unix)]
            Bell::Pipe(reader, _) => drop(io::Read::read(&mut &*reader, &mut [0])),
            Bell::Function(_) => {}
        }
    }
}

#[pymethods]
impl Mailbox {
    /// A mailbox that rings by calling `ring`, from any thread; without it, one that makes `fileno` readable.
    #[new]
    #[pyo3(signature = (ring=None))]
    fn new(ring: Option<Py<PyAny>>) -> PyResult<Mailbox> {
        let bell = match ring {
            Some(ring) => Bell::Function(ring),
            #[cfg(unix)]
            None => Bell::pipe()?,
            #[cfg(not(unix))]
            None => return Err(PyOSError::new_err("event loops watch no pipes on this system")),
        };
        Ok(Mailbox { shared: Arc::new(Shared { ends: Mutex::new(Vec::new()), bell }) })
    }

    /// What the loop is to watch.
    fn fileno(&self) -> PyResult<i32> {
        match &self.shared.bell {
            #[cfg(unix)]
            Bell::Pipe(reader, _) => Ok(std::os::fd::AsRawFd::as_raw_fd(reader)),
            Bell::Function(_) => Err(PyOSError::new_err("this mailbox rings by a function")),
        }
    }

    /// Hears the bell and hands every end to the future that waits for it. Called by the loop.
    fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.bell.hear();
        // One that cannot be told keeps no other from its end.
        let mut delivered = Ok(());
        for (future, end) in self.shared.take() {
            delivered = delivered.and(settle(py, future.bind(py), end));
        }
        delivered
    }
}

impl Mailbox {
    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }
}

fn settle(py: Python<'_>, future: &Bound<'_, PyAny>, end: Result<Brought, Failure>) -> PyResult<()> {
    // Its task was cancelled meanwhile.
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    match end {
        Ok(Brought::Text(text)) => future.call_method1(intern!(py, "set_result"), (text,)),
        Ok(Brought::Stream(stream)) => future.call_method1(intern!(py, "set_result"), (stream,)),
        Err(failure) => future.call_method1(intern!(py, "set_exception"), (raise(&failure),)),
    }
    .map(drop)
}
