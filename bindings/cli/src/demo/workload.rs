//! The demo's requests: an invented company's day, as `bindings/cli/demo` describes it.

use serde::Deserialize;
use tierway::id::{DataLabel, SessionId};
use tierway::request::ModelChoice;
use tierway::{Content, Message, Part, Request};

use super::body::Body;
use crate::Failure;

const WORKLOAD: &str = include_str!("../../demo/workload.jsonl");

/// One line of the workload.
#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    category: String,
    difficulty: Difficulty,
    labels: Vec<DataLabel>,
    tags: std::collections::BTreeMap<String, String>,
    session: Option<SessionId>,
    reply_tokens: u64,
    reasoning_tokens: u64,
    body: Body,
}

/// How hard a request is, as its author judged it. The router never sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Difficulty {
    Easy,
    Medium,
    Hard,
}

/// One request of the workload.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) category: String,
    pub(super) difficulty: Difficulty,
    pub(super) session: Option<String>,
    pub(super) request: Request,
    pub(super) is_stream: bool,
    /// Tokens of a plausible answer.
    pub(super) reply_tokens: u64,
    /// Tokens of a plausible hidden reasoning.
    pub(super) reasoning_tokens: u64,
}

/// Every request, in the order of the day.
pub(super) fn tasks() -> Result<Vec<Task>, Failure> {
    WORKLOAD.lines().map(|line| task(serde_json::from_str(line)?)).collect()
}

fn task(row: Row) -> Result<Task, Failure> {
    let is_stream = row.body.stream;
    let mut draft = row.body.draft();
    draft.model = ModelChoice::Auto;
    draft.labels = row.labels.into_iter().collect();
    draft.tags = row.tags;
    draft.session = row.session.clone();
    let request = Request::try_from(draft).map_err(|error| Failure::Input(format!("workload {}: {error}", row.id)))?;
    Ok(Task {
        session: row.session.as_ref().map(SessionId::to_string),
        is_stream,
        request,
        id: row.id,
        category: row.category,
        difficulty: row.difficulty,
        reply_tokens: row.reply_tokens,
        reasoning_tokens: row.reasoning_tokens,
    })
}

/// The texts of a message, those of tool results included: what a vendor's body holds word for word.
pub(super) fn texts(message: &Message) -> Vec<&str> {
    let mut found = Vec::new();
    for part in &message.parts {
        match &part.content {
            Content::Text { text } => found.push(text.as_str()),
            Content::ToolResult(result) => found.extend(result.parts.iter().filter_map(Part::as_text)),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_becomes_a_request() {
        let tasks = tasks().expect("the workload is valid");
        assert!(tasks.len() >= 240, "{}", tasks.len());
        assert!(tasks.iter().filter(|task| task.is_stream).count() >= 80);
        assert!(tasks.iter().filter(|task| !task.request.labels.is_empty()).count() >= 40);
        assert!(tasks.iter().all(|task| !texts(task.request.messages.last().expect("not empty")).is_empty()));
    }
}
