//! Sends the workload through a client and notes what came of each request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use indicatif::ProgressBar;
use serde::Serialize;
use tierway::client::{AttemptLine, Response};
use tierway::model::Tier;
use tierway::plan::RefusedModel;
use tierway::{Client, Error, Usage, Usd};

use super::workload::{Difficulty, Task};

/// What came of one request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) id: String,
    pub(super) category: String,
    pub(super) difficulty: Difficulty,
    pub(super) is_stream: bool,
    pub(super) fate: Fate,
    /// The rules that held models back, and how many models each.
    pub(super) held_back: BTreeMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<Answered>,
    /// What went wrong, where nothing came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// How often its answer broke off in mid-stream and it was asked again.
    pub(super) asked_again: u32,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    Answered,
    /// Policy lets no model see it.
    Refused,
    /// A budget has no room for it.
    OverBudget,
    Failed,
}

/// An answer and its account.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Answered {
    pub(super) model: String,
    pub(super) vendor: String,
    pub(super) region: String,
    pub(super) tier: Tier,
    pub(super) baseline: Option<String>,
    pub(super) cost: Usd,
    pub(super) baseline_cost: Option<Usd>,
    pub(super) usage: Usage,
    pub(super) attempts: Vec<AttemptLine>,
    pub(super) decision_us: f64,
    pub(super) total_ms: u64,
}

/// How often a request is asked again after its answer broke off.
const AGAIN_MAX: u32 = 2;

/// Sends every task, so many at a time; the turns of one conversation one after the other.
pub(super) async fn drive(client: &Client, tasks: &Arc<Vec<Task>>, at_once: usize, bar: &ProgressBar) -> Vec<Outcome> {
    let run = |turns: Vec<usize>| {
        let (client, tasks, bar) = (client.clone(), tasks.clone(), bar.clone());
        tokio::spawn(async move {
            let mut outcomes = Vec::with_capacity(turns.len());
            for at in turns {
                outcomes.push((at, ask(&client, &tasks[at]).await));
                bar.inc(1);
            }
            outcomes
        })
    };
    let groups = futures_util::stream::iter(conversations(tasks).into_iter().map(run)).buffer_unordered(at_once);
    let done: Vec<_> = groups.collect().await;
    let mut outcomes: Vec<(usize, Outcome)> =
        done.into_iter().flat_map(|group| group.expect("asking does not panic")).collect();
    outcomes.sort_by_key(|(at, _)| *at);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// The tasks of each conversation in order; every other task by itself.
fn conversations(tasks: &[Task]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut of_session: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, task) in tasks.iter().enumerate() {
        match task.session.as_deref() {
            Some(session) if of_session.contains_key(session) => groups[of_session[session]].push(at),
            session => {
                if let Some(session) = session {
                    of_session.insert(session, groups.len());
                }
                groups.push(vec![at]);
            }
        }
    }
    groups
}

async fn ask(client: &Client, task: &Task) -> Outcome {
    let mut asked_again = 0;
    loop {
        let answer = match task.is_stream {
            true => streamed(client, task).await,
            false => client.send(&task.request).await,
        };
        match answer {
            Err(Error::Incomplete(_)) if asked_again < AGAIN_MAX => asked_again += 1,
            answer => return outcome(task, answer, asked_again),
        }
    }
}

/// Reads a stream to its end, as an application would that shows it.
async fn streamed(client: &Client, task: &Task) -> Result<Response, Error> {
    let mut stream = client.stream(&task.request).await?;
    while let Some(piece) = stream.next().await {
        piece?;
    }
    Ok(stream.response().cloned().expect("a stream that ended without an error holds its response"))
}

fn outcome(task: &Task, answer: Result<Response, Error>, asked_again: u32) -> Outcome {
    let (fate, held_back, answer, error) = match answer {
        Ok(response) => {
            let held_back = rules(&response.explain().refused);
            (Fate::Answered, held_back, Some(answered(response)), None)
        }
        Err(error) => {
            let (fate, held_back) = match &error {
                Error::Refused(refused) => (Fate::Refused, rules(&refused.models())),
                Error::OverBudget(_) => (Fate::OverBudget, BTreeMap::new()),
                _ => (Fate::Failed, BTreeMap::new()),
            };
            (fate, held_back, None, Some(error.to_string()))
        }
    };
    Outcome {
        id: task.id.clone(),
        category: task.category.clone(),
        difficulty: task.difficulty,
        is_stream: task.is_stream,
        fate,
        held_back,
        answer,
        error,
        asked_again,
    }
}

fn answered(response: Response) -> Answered {
    let route = response.route;
    Answered {
        model: route.model.to_string(),
        vendor: route.vendor.to_string(),
        region: route.region.to_string(),
        tier: route.tier,
        baseline: route.baseline.map(|model| model.to_string()),
        cost: response.cost,
        baseline_cost: response.baseline_cost,
        usage: response.reply.usage,
        attempts: route.attempts,
        decision_us: micros(response.timing.decision),
        total_ms: response.timing.total.ms(),
    }
}

fn micros(span: Duration) -> f64 {
    span.as_nanos() as f64 / 1_000.0
}

/// How many models each rule holds back at one of their endpoints or more.
fn rules(refused: &[RefusedModel]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for model in refused {
        let rules: BTreeSet<&str> =
            model.places.iter().flat_map(|place| &place.refusals).map(|refusal| refusal.rule.as_str()).collect();
        for rule in rules {
            *counts.entry(rule).or_insert(0) += 1;
        }
    }
    counts
}
