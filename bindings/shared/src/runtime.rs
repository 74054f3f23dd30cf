//! The process's own runtime: one thread for the network, made on first use, never taken down.
//!
//! It is found by process id: after a fork the parent's threads are gone, so a child that makes a client of its own gets
//! a runtime of its own, and the parent's is left alone. It is never dropped, since at the end of a process a
//! destructor would wait for calls in flight.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::Failure;

/// Forks of forks that can each have a runtime: one slot a generation.
const GENERATIONS_MAX: usize = 64;

static RUNTIMES: [OnceLock<(u32, Runtime)>; GENERATIONS_MAX] = [const { OnceLock::new() }; GENERATIONS_MAX];

/// This process's runtime.
///
/// # Errors
/// `runtime` where the system gives no thread, or the process is the 65th generation of forks.
pub fn handle() -> Result<Handle, Failure> {
    let process = std::process::id();
    for slot in &RUNTIMES {
        if slot.get().is_none() {
            // Built outside the lock: a fork in the midst of it must not leave the lock taken.
            let built = build()?;
            if let Err((_, spare)) = slot.set((process, built)) {
                spare.shutdown_background();
            }
        }
        if let Some((owner, runtime)) = slot.get()
            && *owner == process
        {
            return Ok(runtime.handle().clone());
        }
    }
    Err(Failure::new("runtime", format!("more than {GENERATIONS_MAX} generations of forks: start a new process")))
}

fn build() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("tierway").build();
    runtime.map_err(|error| Failure::new("runtime", format!("no thread could be started: {error}")))
}

/// Runs `work` on the runtime and waits, from a thread that belongs to no runtime.
///
/// # Errors
/// `runtime` where there is none.
pub fn wait<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(handle()?.block_on(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_one_runtime() {
        assert_eq!(handle().unwrap().id(), handle().unwrap().id());
        assert_eq!(wait(async { 3 }).unwrap(), 3);
    }
}
