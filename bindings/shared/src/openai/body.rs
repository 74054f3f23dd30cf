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
    check_kinds(&fields)?;
    let options = fields.remove("stream_options");
    let include_usage = options.is_some_and(|options| options["include_usage"] == Value::Bool(true));
    let kept = keep_parts(&mut fields)?;
    let mut draft = parse(&fields)?;
    restore_parts(&mut draft, kept);
    draft.model = choose(&model, &extras.models, catalog)?;
    apply(&mut draft, extras);
    Ok(Asked { request: Request::try_from(draft)?, include_usage })
}

/// Refuses a field of the wrong kind by its name. A vendor would refuse it too, but only after a model was chosen, and what
/// may be spent is computed from some of them.
fn check_kinds(fields: &Map<String, Value>) -> Result<(), Failure> {
    type Kind = (&'static str, fn(&Value) -> bool);
    const NUMBER: Kind = ("a number", Value::is_number);
    const TOKENS: Kind = ("a whole number of 1 or more", |value| value.as_u64().is_some_and(|count| count > 0));
    const WHOLE: Kind = ("a whole number", |value| value.is_i64() || value.is_u64());
    const ANSWERS: Kind = ("a whole number from 1 to 8", |value| matches!(value.as_u64(), Some(1..=8)));
    const YES_OR_NO: Kind = ("true or false", Value::is_boolean);
    const STOP: Kind = ("a text, or a list of texts", |value| match value {
        Value::Array(texts) => texts.iter().all(Value::is_string),
        value => value.is_string(),
    });
    const KINDS: [(&str, Kind); 13] = [
        ("temperature", NUMBER),
        ("top_p", NUMBER),
        ("frequency_penalty", NUMBER),
        ("presence_penalty", NUMBER),
        ("max_tokens", TOKENS),
        ("max_completion_tokens", TOKENS),
        ("seed", WHOLE),
        ("top_logprobs", WHOLE),
        ("n", ANSWERS),
        ("logprobs", YES_OR_NO),
        ("parallel_tool_calls", YES_OR_NO),
        ("stream", YES_OR_NO),
        ("stop", STOP),
    ];
    for (name, (wanted, fits)) in KINDS {
        if fields.get(name).is_some_and(|value| !fits(value)) {
            return Err(wrong(name, format!("expected {wanted}")));
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_wrong_kind_is_refused_by_its_name() {
        let read = |field: &str| {
            let body = format!(r#"{{"messages": [{{"role": "user", "content": "hi"}}], {field}}}"#);
            super::read(&body, Catalog::builtin()).map(drop)
        };
        for (field, name) in [
            (r#""temperature": "hot""#, "temperature"),
            (r#""max_tokens": "many""#, "max_tokens"),
            (r#""max_completion_tokens": 0"#, "max_completion_tokens"),
            (r#""n": 20"#, "n"),
            (r#""stop": [1]"#, "stop"),
            (r#""stream": "yes""#, "stream"),
        ] {
            let failure = read(field).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.field.as_deref()), (CODE, Some(name)), "{field}");
            assert!(failure.message.starts_with(&format!("{name}: expected ")), "{}", failure.message);
        }
        for field in [r#""temperature": null"#, r#""temperature": 1"#, r#""stop": "end""#, r#""own_field": "kept""#] {
            assert_eq!(read(field), Ok(()), "{field}");
        }
    }
}
