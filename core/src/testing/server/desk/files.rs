//! Files of requests, in a form of several parts: the part that holds lines of JSON is kept.

use serde_json::{Value, json};

use super::{Served, State};
use crate::testing::server::Heard;

/// Keeps the last part of a form.
pub(super) fn take(state: &mut State, heard: &Heard) -> Served {
    let kind = heard.header("content-type").unwrap_or_default();
    let Some((_, boundary)) = kind.split_once("boundary=") else {
        return Served::error(400, "a file comes in a form of several parts");
    };
    let text = String::from_utf8_lossy(&heard.body).into_owned();
    let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
    let is_batch =
        kind.contains("related") || parts.iter().any(|part| part.contains("name=\"purpose\"\r\n\r\nbatch\r\n"));
    let content = parts.iter().rev().find_map(|part| part.split_once("\r\n\r\n")).map(|(_, content)| content);
    let (true, Some(content)) = (is_batch, content) else {
        return Served::error(400, "a file of a batch says so and has a content");
    };
    let id = state.name("file-");
    state.files.insert(id.clone(), content.trim_end_matches("\r\n").as_bytes().to_vec());
    match kind.contains("related") {
        true => Served::json(&json!({"file": {"name": format!("files/{id}"), "state": "ACTIVE"}})),
        false => Served::json(&json!({"id": id, "object": "file", "purpose": "batch"})),
    }
}

/// The lines of a file.
pub(super) fn lines(state: &State, id: &str) -> Option<Vec<Value>> {
    let content = state.files.get(id)?;
    let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}
