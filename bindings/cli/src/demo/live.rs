//! `tierway demo --live`: a part of the work to the real vendors, never above a budget.
//!
//! The budget is a hard one in the ledger: before each attempt its upper bound is reserved, and what does not fit is not
//! sent. Earlier runs in the same ledger do not count: the budget is this run's alone.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tierway::clock::{Clock, SystemClock};
use tierway::config::Config;
use tierway::ledger::{Budget, Frame, Limit, Rules, Window};
use tierway::request::RequestDraft;
use tierway::store::SqliteStore;
use tierway::{Client, Request, Usd};

use super::summary::Summary;
use super::workload::{self, Task};
use super::{SETTINGS, account, client_failed, drive, is_small, ledger_failed};
use crate::Failure;

/// The most tokens of an answer: a reservation is made for all of them.
const TOKENS_MAX: u64 = 500;
/// Requests under way at the same time: reservations of more would leave the budget unused.
const AT_ONCE: usize = 2;
/// The tag that ties an attempt to its run.
const RUN: &str = "demo-run";

/// Sends up to `most` requests, spread over the day, for at most `budget`.
pub(super) async fn run(budget: Usd, most: usize, ledger: &Path, quiet: bool) -> Result<Summary, Failure> {
    if budget <= Usd::ZERO {
        return Err(Failure::Input("--budget must be above zero, such as 0.50".to_owned()));
    }
    let run = SystemClock.now().ms().to_string();
    let tasks = Arc::new(part(workload::tasks()?, most, &run)?);
    let mut limit = Budget::new("demo --live", Limit::Money(budget), Window::utc(Frame::Total));
    limit.only.tags.insert(RUN.to_owned(), BTreeSet::from([run.clone()]));
    let rules = Rules::new(vec![limit], Vec::new()).map_err(|error| Failure::Failed(error.to_string()))?;
    let config = Config::parse(SETTINGS, "demo/tierway.toml").map_err(|error| Failure::Failed(error.to_string()))?;
    let store = SqliteStore::open(ledger, rules.clone()).map_err(ledger_failed)?;
    let builder = Client::builder().config(config).environment().store(Arc::new(store)).check_wellformed();
    let client = builder.build().map_err(client_failed)?;
    if !client.offers().endpoints().iter().any(|endpoint| client.keys().has(&endpoint.id)) {
        return Err(Failure::Input(
            "no key of any vendor is in the environment: set one, such as DEEPSEEK_API_KEY, or leave out --live"
                .to_owned(),
        ));
    }
    let bar = crate::progress::bar(tasks.len(), "requests", quiet);
    bar.println(format!("Replies are the vendors' own; at most {} is spent.", budget.short()));
    let began = Instant::now();
    let outcomes = drive::drive(&client, &tasks, AT_ONCE, &bar).await;
    let elapsed_ms = began.elapsed().as_millis() as u64;
    bar.finish_and_clear();
    let account = account::read(client.store().as_ref(), rules, |row| row.reserve.facts.tags.get(RUN) == Some(&run))
        .await
        .map_err(ledger_failed)?;
    client.close().await.map_err(client_failed)?;
    Ok(Summary::new("the vendors' own", 0, elapsed_ms, outcomes, account))
}

/// Every so manieth of the small tasks, each held to few tokens and tagged with the run.
fn part(tasks: Vec<Task>, most: usize, run: &str) -> Result<Vec<Task>, Failure> {
    let small: Vec<Task> = tasks.into_iter().filter(is_small).collect();
    let step = small.len().div_ceil(most.max(1)).max(1);
    small.into_iter().step_by(step).map(|task| limited(task, run)).collect()
}

fn limited(mut task: Task, run: &str) -> Result<Task, Failure> {
    let mut draft: RequestDraft = task.request.to_draft();
    draft.max_tokens = Some(draft.max_tokens.map_or(TOKENS_MAX, |tokens| tokens.min(TOKENS_MAX)));
    draft.tags.insert(RUN.to_owned(), run.to_owned());
    task.request = Request::try_from(draft).map_err(|error| Failure::Input(error.to_string()))?;
    Ok(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_spread_small_and_tagged() {
        let tasks = part(workload::tasks().unwrap(), 24, "r1").unwrap();
        assert!((12..=24).contains(&tasks.len()), "{}", tasks.len());
        assert!(tasks.iter().all(|task| task.request.max_tokens.unwrap() <= TOKENS_MAX));
        assert!(tasks.iter().all(|task| task.request.tags[RUN] == "r1"));
        let categories: BTreeSet<&str> = tasks.iter().map(|task| task.category.as_str()).collect();
        assert!(categories.len() >= 6, "{categories:?}");
    }
}
