//! A handle that stops work from outside: for hosts whose own cancellation does not reach into Rust.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use crate::Failure;

/// Stops what runs under it. Clones share one state; once cancelled it stays so.
#[derive(Clone, Debug)]
pub struct Cancel {
    state: Arc<watch::Sender<bool>>,
}

impl Default for Cancel {
    fn default() -> Cancel {
        Cancel { state: Arc::new(watch::Sender::new(false)) }
    }
}

impl Cancel {
    /// A handle that has not been used.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Stops the work under this handle, now and later. It never blocks.
    pub fn cancel(&self) {
        self.state.send_replace(true);
    }

    /// Whether `cancel` was called.
    pub fn is_cancelled(&self) -> bool {
        *self.state.borrow()
    }

    /// Waits until `cancel` is called.
    pub async fn cancelled(&self) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`: the wait cannot fail.
        let _ = state.wait_for(|is_cancelled| *is_cancelled).await;
    }

    /// Runs `work` until it is done or this handle is used; then `work` is dropped, which settles its account.
    ///
    /// # Errors
    /// Those of `work`; `cancelled` where it was stopped.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(Failure::cancelled()),
            done = work => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_early_and_only_when_told() {
        let cancel = Cancel::new();
        assert_eq!(cancel.run(async { Ok(7) }).await, Ok(7));
        let other = cancel.clone();
        let stopped = tokio::spawn(async move { other.run(std::future::pending::<Result<(), Failure>>()).await });
        cancel.cancel();
        assert_eq!(stopped.await.unwrap().unwrap_err().code, "cancelled");
        assert_eq!(cancel.run(async { Ok(7) }).await.unwrap_err().code, "cancelled");
    }
}
