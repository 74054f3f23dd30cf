//! A body of chat completions as a request.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use tierway::catalog::Catalog;
use tierway::message::Part;
use tierway::model::Api;
use tierway::request::{ModelChoice, ReasoningAsk};
use tierway::{DataLabel, ModelId, Request, RequestDraft, SessionId, wire};

use crate::{Failure, json};

const CODE: &str = "invalid_request";

/// A body, read.
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// Whether a stream's usage is wanted in a chunk of its own.
    pub(crate) include_usage: bool,
}

/// What a body may say to the router under `tierway`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Extras {
    /// The only models to choose from, in place of `model`.
    models: Vec<String>,
    tags: BTreeMap<String, String>,
    labels: BTreeSet<DataLabel>,
    session: Option<SessionId>,
    reasoning: Option<ReasoningAsk>,
    top_k: Option<u32>,
    min_p: Option<f64>,
}

/// Reads a body. `model` is `auto`, `vendor/name`, or any name that the catalogue resolves to one model.
pub(crate) fn read(body: &str, catalog: &Catalog) -> Result<Asked, Failure> {
    let mut fields: Map<String, Value> = json::read(body, "body", CODE)?;
    // Callers of HTTP libraries write here what OpenAI's own client merges into the body.
    if let Some(Value::Object(more)) = fields.remove("extra_body") {
        fields.extend(more);
    }
    let extras: Extras = match fields.remove("tierway") {
        Some(Value::Null) | None => Extras::default(),
        Some(extras) => json::take(extras, "tierway", CODE)?,
    };
    let model = match fields.get("model") {
        None | Some(Value::Null) => "auto".to_owned(),
        Some(Value::String(name)) => name.clone(),
        Some(_) => return Err(wrong("model", "expected a text: auto, or vendor/name")),
    };
    // The wire wants a name there, and does not resolve it.
    fields.insert("model".to_owned(), Value::from("auto"));
    fields.retain(|_, value| !value.is_null());
    let options = fields.remove("stream_options");
    let include_usage = options.is_some_and(|options| options["include_usage"] == Value::Bool(true));
    let kept = keep_parts(&mut fields)?;
    let mut draft = parse(&fields)?;
    restore_parts(&mut draft, kept);
    draft.model = choose(&model, &extras.models, catalog)?;
    apply(&mut draft, extras);
    Ok(Asked { request: Request::try_from(draft)?, include_usage })
}

fn parse(fields: &Map<String, Value>) -> Result<RequestDraft, Failure> {
    let wire = wire::for_api(Api::ChatCompletions)
        .ok_or_else(|| Failure::new("unsupported", "this build does not read chat completions"))?;
    let parsed = wire.parse(json::write(fields).as_bytes()).map_err(|error| Failure::new(CODE, error.message))?;
    Ok(parsed.draft)
}

fn choose(model: &str, models: &[String], catalog: &Catalog) -> Result<ModelChoice, Failure> {
    if !models.is_empty() {
        let found: Result<Vec<ModelId>, Failure> = models.iter().map(|name| resolve(name, catalog)).collect();
        return Ok(ModelChoice::AnyOf(found?));
    }
    match model {
        "auto" | "tierway/auto" | "" => Ok(ModelChoice::Auto),
        name => Ok(ModelChoice::Only(resolve(name, catalog)?)),
    }
}

/// An id as it is, so that the plan says what is wrong with it; a bare name as the catalogue knows it.
fn resolve(name: &str, catalog: &Catalog) -> Result<ModelId, Failure> {
    match catalog.resolve(name) {
        Ok(card) => Ok(card.id.clone()),
        Err(error) => ModelId::new(name).map_err(|_| wrong("model", error.to_string())),
    }
}

fn apply(draft: &mut RequestDraft, extras: Extras) {
    let Extras { models: _, tags, labels, session, reasoning, top_k, min_p } = extras;
    draft.tags.extend(tags);
    draft.labels.extend(labels);
    draft.session = session.or(draft.session.take());
    draft.reasoning = reasoning.or(draft.reasoning.take());
    draft.sampling.top_k = top_k.or(draft.sampling.top_k);
    draft.sampling.min_p = min_p.or(draft.sampling.min_p);
}

/// Takes out the parts that an answer of ours carried in its message, by the message's place.
fn keep_parts(fields: &mut Map<String, Value>) -> Result<Vec<(usize, Vec<Part>)>, Failure> {
    let mut kept = Vec::new();
    let Some(Value::Array(messages)) = fields.get_mut("messages") else { return Ok(kept) };
    for (at, message) in messages.iter_mut().enumerate() {
        let Some(own) = message.as_object_mut().and_then(|message| message.remove("tierway")) else { continue };
        if let Some(parts) = own.get("parts").filter(|parts| !parts.is_null()) {
            let place = format!("messages[{at}].tierway.parts");
            kept.push((at, json::take(parts.clone(), &place, CODE)?));
        }
    }
    Ok(kept)
}

/// Puts them back, where the wire made one message of each: else they would land in another turn.
fn restore_parts(draft: &mut RequestDraft, kept: Vec<(usize, Vec<Part>)>) {
    for (at, parts) in kept {
        if let Some(message) = draft.messages.get_mut(at).filter(|message| message.role == tierway::Role::Assistant) {
            message.parts = parts;
        }
    }
}

fn wrong(field: &str, reason: impl AsRef<str>) -> Failure {
    Failure::new(CODE, format!("{field}: {}", reason.as_ref())).with_field(field)
}
