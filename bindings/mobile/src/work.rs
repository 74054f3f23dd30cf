//! Calls as tasks of the library's own runtime, so that any executor can wait for them, and what stops them.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tierway_bindings::{Cancel, Failure, runtime};

use crate::CoreError;

/// Stops calls from outside: for hosts whose own cancellation does not reach the library, as Swift's. One may be given to
/// many calls; once used it stays so.
#[derive(Debug, Default, uniffi::Object)]
pub struct Stopper(Cancel);

#[uniffi::export]
impl Stopper {
    /// One that has not been used.
    #[uniffi::constructor]
    pub fn new() -> Arc<Stopper> {
        Arc::default()
    }

    /// Stops the calls; what was delivered until then is settled. It never blocks.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether it was used.
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Work of any kind: one type, so that tasks are compiled once and not for every call there is.
type Work = Pin<Box<dyn Future<Output = Result<Box<dyn Any + Send>, Failure>> + Send>>;

/// Runs `work` on the runtime until it is done, is stopped, or nobody waits for it any more.
pub(crate) async fn run<T: Send + 'static>(
    stop: Option<Arc<Stopper>>,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, CoreError> {
    let work: Work = Box::pin(async move { work.await.map(|done| Box::new(done) as Box<dyn Any + Send>) });
    let done = finish(stop, work).await?.downcast().expect("the work brings what it was made for");
    Ok(*done)
}

async fn finish(stop: Option<Arc<Stopper>>, work: Work) -> Result<Box<dyn Any + Send>, CoreError> {
    let cancel = stop.map_or_else(Cancel::new, |stop| stop.0.clone());
    let mut task = runtime::Task::of(&runtime::handle()?, async move { cancel.run(work).await });
    Ok(task.ended().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(error: CoreError) -> String {
        let CoreError::Failed { facts } = error;
        serde_json::from_str::<serde_json::Value>(&facts).unwrap()["code"].as_str().unwrap().to_owned()
    }

    #[test]
    fn work_ends_when_it_is_stopped_dropped_or_broken() {
        let wait = |stop, work| runtime::wait(run::<()>(stop, work)).unwrap().map_err(code);
        let stop = Stopper::new();
        stop.stop();
        type Work = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
        let forever = || -> Work { Box::pin(std::future::pending()) };
        assert_eq!(wait(Some(stop), forever()), Err("cancelled".to_owned()));
        assert_eq!(wait(None, Box::pin(async { panic!("on purpose") })), Err("internal".to_owned()));

        let (sender, mut dropped) = tokio::sync::oneshot::channel::<()>();
        let held: Work = Box::pin(async move {
            let _held = sender;
            std::future::pending().await
        });
        let ended = runtime::wait(async {
            let _ = tokio::time::timeout(std::time::Duration::from_millis(20), run(None, held)).await;
            (&mut dropped).await.is_err()
        });
        assert!(ended.unwrap(), "what nobody waits for is dropped");
    }
}
