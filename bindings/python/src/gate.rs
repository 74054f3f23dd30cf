//! The way into the interpreter from the library's own thread.
//!
//! A thread that runs Python code while the interpreter ends is unwound by it from within, which no Rust frame survives. So
//! the way is shut when the interpreter begins to end: whoever is inside is waited for, and nobody enters any more.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pyo3::prelude::*;

static IS_SHUT: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// How often is looked whether those inside have left: what runs there hands work on and returns. It takes a second, and longer
/// on a machine that is busy or stood still: looks are counted and not the time, since those inside stood still as well.
const LOOKS_MAX: u32 = 5_000;
/// How long there is between two looks.
const LOOKS_EVERY: Duration = Duration::from_micros(200);

struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs `work` with the interpreter's lock; `None` where the interpreter is on its way out.
pub(crate) fn attach<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    // Counted before the look, so that `shut` sees whoever did not see it.
    INSIDE.fetch_add(1, Ordering::SeqCst);
    let _inside = Inside;
    if IS_SHUT.load(Ordering::SeqCst) {
        return None;
    }
    Python::try_attach(work)
}

/// Shuts the way: called when the interpreter begins to end.
#[pyfunction]
pub(crate) fn shut(py: Python<'_>) {
    IS_SHUT.store(true, Ordering::SeqCst);
    py.detach(|| {
        for _ in 0..LOOKS_MAX {
            if INSIDE.load(Ordering::SeqCst) == 0 {
                break;
            }
            std::thread::sleep(LOOKS_EVERY);
        }
    });
}

/// Nobody is inside in a forked child: the parent's threads are not there.
#[pyfunction]
pub(crate) fn forked() {
    INSIDE.store(0, Ordering::SeqCst);
}
