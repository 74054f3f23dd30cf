//! Acts on hedges: a call that says nothing for long gets a second one beside it, and the first to answer wins.
//!
//! `attempt` decides whether and where. Each of the two is reserved before it is sent; the loser is dropped, which cancels
//! its call, and settled before the winner's answer is delivered.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::attempt::{Attempt, Attempts, Outcome, Step};
use crate::error::ProviderError;
use crate::ledger::Ending;
use crate::provider::{Call, Provider};
use crate::time::Span;

use super::Error;
use super::account::Open;
use super::drive::{Asked, Busy, Run};

/// A call under way.
struct Flight<T> {
    attempt: Attempt,
    open: Open,
    busy: Busy,
    asking: Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send>>,
}

/// What happened first.
enum Event<T> {
    /// Nothing, for as long as the endpoint's calls usually take.
    Slow,
    /// A flight ended: its position.
    Ended(usize, Result<T, ProviderError>),
}

/// Sends an attempt whose reservation is open, and another beside it where it says nothing for `after`.
pub(super) async fn race<T, F>(
    run: &mut Run<'_>,
    attempts: &mut Attempts,
    first: Attempt,
    after: Span,
    ask: impl Fn(Call, Option<Arc<dyn Provider>>) -> F,
) -> Result<Asked<T>, Error>
where
    F: Future<Output = Result<T, ProviderError>> + Send + 'static,
{
    let mut flights = vec![take_off(run, attempts, first, &ask)];
    let mut alarm = Some(Box::pin(tokio::time::sleep(after.to_duration())));
    loop {
        let event = first_of(&mut flights, &mut alarm).await;
        run.look_up();
        match event {
            Event::Slow => {
                alarm = None;
                if let Step::Reserve(hedge) = run.next(attempts, Outcome::Slow) {
                    let outcome = run.reserve(attempts, hedge).await?;
                    if let Step::Send(hedge) = run.next(attempts, outcome) {
                        flights.push(take_off(run, attempts, hedge, &ask));
                    }
                }
            }
            Event::Ended(at, Ok(came)) => {
                let Flight { attempt, open, busy, .. } = flights.remove(at);
                for loser in flights {
                    give_up(run, loser).await?;
                }
                run.take_over(open);
                return Ok(Asked::Came { attempt, came, busy });
            }
            Event::Ended(at, Err(error)) => {
                alarm = None;
                let Flight { attempt, open, busy, .. } = flights.remove(at);
                run.take_over(open);
                let outcome = run.failed(attempt, busy, error).await?;
                if flights.is_empty() {
                    return Ok(Asked::Failed(outcome));
                }
                let step = run.next(attempts, outcome);
                debug_assert_eq!(step, Step::Await, "the other attempt may still answer");
            }
        }
    }
}

fn take_off<T, F>(
    run: &mut Run<'_>,
    attempts: &Attempts,
    attempt: Attempt,
    ask: &impl Fn(Call, Option<Arc<dyn Provider>>) -> F,
) -> Flight<T>
where
    F: Future<Output = Result<T, ProviderError>> + Send + 'static,
{
    let (call, provider) = run.launch(attempts, attempt);
    let busy = run.busy(attempts, attempt);
    Flight { attempt, open: run.hand_over(), busy, asking: Box::pin(ask(call, provider)) }
}

/// Cancels a call that was outrun and settles what it may have cost.
async fn give_up<T>(run: &mut Run<'_>, loser: Flight<T>) -> Result<(), Error> {
    let Flight { open, busy, asking, .. } = loser;
    drop(asking);
    busy.outrun(run.moment);
    run.take_over(open);
    run.end(Ending::Cancelled, None).await?;
    Ok(())
}

/// Waits for the first flight to end, or for the alarm. Where both are there at once, the answer counts.
async fn first_of<T>(flights: &mut [Flight<T>], alarm: &mut Option<Pin<Box<tokio::time::Sleep>>>) -> Event<T> {
    std::future::poll_fn(|context| {
        for (at, flight) in flights.iter_mut().enumerate() {
            if let Poll::Ready(ended) = flight.asking.as_mut().poll(context) {
                return Poll::Ready(Event::Ended(at, ended));
            }
        }
        match alarm.as_mut().map(|alarm| alarm.as_mut().poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Event::Slow),
            _ => Poll::Pending,
        }
    })
    .await
}
