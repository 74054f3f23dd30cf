//! Vendors change their formats: fields go, become null or of another type, and new ones come. Whatever an answer is
//! changed to, it is a reply or a typed error, and never a panic; whatever a request is changed to, it is refused with a
//! reason or written again with nothing lost.
#![allow(clippy::print_stdout)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};
use tierway::testing::Draws;
use tierway::testing::recorded::Outcome;
use tierway::wire::{Wire, for_api};

#[path = "support/recordings.rs"]
mod recordings;

use recordings::{exchanges, no_faults, rewritten};

/// Changes of each answer, and of each request.
const CHANGES: u64 = 6;

/// The pointers to all values of a document, its own included.
fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| {
            pointers(inner, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), all);
        }),
        Value::Array(list) => list.iter().enumerate().for_each(|(number, inner)| {
            pointers(inner, format!("{at}/{number}"), all);
        }),
        _ => {}
    }
    all.push(at);
}

/// What a value may become: values of every type, the odd ones among them.
fn oddity(draws: &mut Draws, had: &Value) -> Value {
    match draws.below(14) {
        0..=2 => Value::Null,
        3 => json!(""),
        4 => json!([]),
        5 => json!({}),
        6 => json!(-1),
        7 => json!(1.5),
        8 => json!(u64::MAX),
        9 => json!(true),
        10 => json!([had, null]),
        11 => json!({"value": had, "type": "something_new"}),
        12 => json!(had.to_string()),
        _ => json!("\u{0}\u{fffd}something new"),
    }
}

/// Changes one value of a document, drawn: it goes, becomes something odd, or is joined by something new.
fn change(document: &mut Value, draws: &mut Draws) {
    let mut all = Vec::new();
    pointers(document, String::new(), &mut all);
    let at = all[draws.below(all.len() as u64) as usize].clone();
    let way = draws.below(4);
    let (parent, name) = at.rsplit_once('/').unwrap_or(("", ""));
    let name = name.replace("~1", "/").replace("~0", "~");
    match (way, document.pointer_mut(parent)) {
        (0, Some(Value::Object(fields))) => drop(fields.shift_remove(&name)),
        (0, Some(Value::Array(list))) if !list.is_empty() => drop(list.pop()),
        (1, Some(Value::Object(fields))) => drop(fields.insert("something_new".to_owned(), json!({"a": [1, null]}))),
        (1, Some(Value::Array(list))) => list.push(json!({"type": "something_new"})),
        _ => {
            if let Some(value) = document.pointer_mut(&at) {
                *value = oddity(draws, value);
            }
        }
    }
}

/// A body whose JSON is changed: the whole of it, or one event or line of a stream. The rest stays as it was.
fn changed(body: &[u8], draws: &mut Draws) -> Vec<u8> {
    if let Ok(mut document) = serde_json::from_slice::<Value>(body) {
        change(&mut document, draws);
        return document.to_string().into_bytes();
    }
    let Ok(text) = std::str::from_utf8(body) else { return body.to_vec() };
    let lines: Vec<&str> = text.split('\n').collect();
    let with_json: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains('{')).collect();
    if with_json.is_empty() {
        return body.to_vec();
    }
    let at = with_json[draws.below(with_json.len() as u64) as usize];
    let start = lines[at].find('{').expect("it was found");
    let Ok(mut document) = serde_json::from_str::<Value>(lines[at][start..].trim_end_matches('\r')) else {
        return body.to_vec();
    };
    change(&mut document, draws);
    let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
    lines[at] = format!("{}{document}", &lines[at][..start]);
    lines.join("\n").into_bytes()
}

#[test]
fn answers_that_are_changed_are_replies_or_typed_errors() {
    let (mut replies, mut errors, mut faults) = (0, 0, Vec::new());
    for (number, exchange) in exchanges().into_iter().enumerate().filter(|(_, exchange)| exchange.no_chat().is_none()) {
        if let Outcome::Reply(reply) = exchange.decode()
            && reply.usage.cached_read > reply.usage.input
            && reply.usage.input.is_some()
        {
            faults.push(format!("{}: more is read from the cache than there was", exchange.id));
        }
        for seed in 0..CHANGES {
            let mut draws = Draws::new(seed * 10_000 + number as u64);
            let mut spoilt = exchange.clone();
            for _ in 0..=draws.below(3) {
                spoilt.body = changed(&spoilt.body, &mut draws);
            }
            match catch_unwind(AssertUnwindSafe(|| spoilt.decode())) {
                Ok(Outcome::Reply(_)) => replies += 1,
                Ok(Outcome::Failed(error) | Outcome::Refused(error)) => {
                    errors += 1;
                    if error.message.is_empty() || error.message.chars().any(char::is_control) {
                        faults.push(format!("{} seed {seed}: {:?}", exchange.id, error.message));
                    }
                }
                Ok(Outcome::NoChat(_)) => {}
                Err(_) => faults.push(format!("{} seed {seed}: a panic", exchange.id)),
            }
        }
    }
    println!("{replies} replies and {errors} errors of changed answers");
    no_faults(&faults);
}

/// The leaves of a document that say something, as texts with their paths.
fn leaves(value: &Value, at: &str, all: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| leaves(inner, &format!("{at}/{name}"), all)),
        Value::Array(list) => list.iter().for_each(|inner| leaves(inner, at, all)),
        Value::Null | Value::Bool(false) => {}
        Value::String(text) if text.is_empty() => {}
        leaf => all.push((at.to_owned(), leaf.clone())),
    }
}

/// Requests of a format that we write.
fn requests() -> impl Iterator<Item = (String, &'static dyn Wire, Value)> {
    exchanges().into_iter().filter(|one| one.no_chat().is_none() && one.status < 300).filter_map(|exchange| {
        let wire = exchange.format().and_then(for_api)?;
        let body: Value = serde_json::from_slice(&exchange.request).ok().filter(Value::is_object)?;
        rewritten(wire, &exchange.request).ok()?;
        Some((exchange.id, wire, body))
    })
}

#[test]
fn requests_that_are_changed_are_refused_or_written_and_never_panic() {
    let (mut written, mut refused, mut faults) = (0, 0, Vec::new());
    for (number, (id, wire, body)) in requests().enumerate() {
        for seed in 0..CHANGES {
            let mut draws = Draws::new(seed * 10_000 + number as u64);
            let mut spoilt = body.clone();
            change(&mut spoilt, &mut draws);
            let bytes = spoilt.to_string().into_bytes();
            match catch_unwind(AssertUnwindSafe(|| rewritten(wire, &bytes))) {
                Ok(Ok(_)) => written += 1,
                Ok(Err(why)) => {
                    refused += 1;
                    if why.is_empty() || why.chars().any(char::is_control) {
                        faults.push(format!("{id} seed {seed}: {why:?}"));
                    }
                }
                Err(_) => faults.push(format!("{id} seed {seed}: a panic")),
            }
        }
    }
    println!("{written} changed requests written and {refused} refused");
    no_faults(&faults);
}

/// Fields that no format has yet, in the places where vendors add them: beside the others at the top, in a message, in a
/// piece of one, in a tool.
#[test]
fn fields_that_nobody_knows_yet_survive_in_requests() {
    let (mut kept, mut lost) = (0, std::collections::BTreeMap::<String, (usize, String)>::new());
    let new = json!({"level": 3, "words": ["a", "b"]});
    for (id, wire, body) in requests() {
        for place in
            ["", "/messages/0", "/input/0", "/contents/0", "/messages/0/content/0", "/contents/0/parts/0", "/tools/0"]
        {
            let mut more = body.clone();
            let Some(Value::Object(fields)) = more.pointer_mut(place) else { continue };
            fields.insert("novelty".to_owned(), new.clone());
            let found = rewritten(wire, &more.to_string().into_bytes());
            let mut all = Vec::new();
            if let Ok(found) = &found {
                leaves(found, "", &mut all);
            }
            match (&found, all.iter().any(|(path, _)| path.contains("novelty"))) {
                (Ok(_), true) => kept += 1,
                (Ok(_), false) => {
                    let (count, _) = lost.entry(format!("{} {place}: dropped", wire.api())).or_insert((0, id.clone()));
                    *count += 1;
                }
                (Err(why), _) => {
                    let (count, _) = lost.entry(format!("{} {place}: {why}", wire.api())).or_insert((0, id.clone()));
                    *count += 1;
                }
            }
        }
    }
    println!("{kept} new fields kept");
    let lost: Vec<String> = lost.into_iter().map(|(what, (count, id))| format!("{count} {what} ({id})")).collect();
    no_faults(&lost);
}

#[test]
fn a_document_is_changed_in_every_way() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let mut document = json!({"a": [1, {"b~/": "x"}], "c": null});
        change(&mut document, &mut Draws::new(seed));
        seen.insert(document.to_string());
    }
    assert!(seen.len() > 40, "{}", seen.len());
    assert!(seen.iter().any(|one| !one.contains("\"c\"")) && seen.iter().any(|one| one.contains("something_new")));
}
