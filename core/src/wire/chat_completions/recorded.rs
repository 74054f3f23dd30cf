//! The format against recorded traffic of every vendor that speaks it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ChatCompletions, decode, stream, whole};
use crate::error::{Kind, ProviderError};
use crate::model::Dialect;
use crate::reply::Reply;
use crate::wire::tests::{self as recorded, Exchange};
use crate::wire::{Headers, Wire, json as read};

/// The files that hold this format.
const FILES: [&str; 22] = [
    "api.inference.crusoecloud.com",
    "azure",
    "cerebras",
    "copilot",
    "deepseek",
    "demo-endpoints.pydantic.workers.dev",
    "doubleword",
    "gemini",
    "groq",
    "huggingface",
    "llamacpp",
    "local",
    "mistral",
    "mistralrs",
    "myorg-myaccount.snowflakecomputing.com",
    "ollama",
    "openai",
    "openrouter",
    "perplexity",
    "together",
    "us.inference.heroku.com",
    "venice",
];

fn exchanges() -> impl Iterator<Item = (&'static str, Exchange)> {
    let more = ["zai"].into_iter().map(|file| (file, "chat_completions"));
    let own = ["writer"].into_iter().map(|file| (file, "chat"));
    let all = FILES.into_iter().map(|file| (file, "chat_completions")).chain(more).chain(own);
    all.flat_map(|(file, api)| recorded::exchanges(file, api).into_iter().map(move |exchange| (file, exchange)))
}

/// The JSON bodies of an answer: one, or those of its events.
fn bodies(exchange: &Exchange) -> Vec<Value> {
    let text = String::from_utf8_lossy(&exchange.body);
    match exchange.is_stream {
        true => {
            let events = text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok());
            events.collect()
        }
        false => serde_json::from_str(&text).into_iter().collect(),
    }
}

fn unhurried(exchange: &Exchange) -> Result<Reply, ProviderError> {
    let decoder = Box::new(stream::Decoder::new(Dialect::default()).unhurried());
    recorded::read(decoder, [exchange.body.as_slice()])
}

/// What the first choice says, read in the plainest way.
fn plain(exchange: &Exchange) -> (String, String, Option<String>) {
    let (mut text, mut arguments, mut stop) = (String::new(), String::new(), None);
    for body in bodies(exchange) {
        for choice in body["choices"].as_array().into_iter().flatten().filter(|choice| choice["index"] != json!(1)) {
            // Perplexity sends both: in a stream the whole message beside each piece, else an empty piece beside it.
            let message = &choice[if exchange.is_stream { "delta" } else { "message" }];
            match &message["content"] {
                Value::String(words) => text.push_str(words),
                Value::Array(all) => all.iter().for_each(|one| text.push_str(one["text"].as_str().unwrap_or(""))),
                _ => {}
            }
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                arguments.push_str(call["function"]["arguments"].as_str().unwrap_or(""));
            }
            arguments.push_str(message["function_call"]["arguments"].as_str().unwrap_or(""));
            stop = choice["finish_reason"].as_str().filter(|word| !word.is_empty()).map(str::to_owned).or(stop);
        }
    }
    (text, arguments, stop)
}

#[test]
fn every_answer_is_a_reply_or_the_error_that_it_says() {
    let (mut faults, mut seen) = (Vec::new(), BTreeMap::<String, u32>::new());
    for (file, exchange) in exchanges() {
        let read = recorded::decode(&ChatCompletions, &exchange);
        let says_error = exchange.status >= 400 || bodies(&exchange).iter().any(|body| body["error"].is_object());
        let label = match &read {
            Ok(reply) => {
                let (text, arguments, stop) = plain(&exchange);
                let calls: String = reply.tool_calls().map(|call| call.arguments.as_str()).collect();
                if says_error || reply.text() != text || calls != arguments || stop.is_some() != reply.stop.is_some() {
                    faults.push(format!("{file} {}: another answer was read", exchange.id));
                }
                "reply".to_owned()
            }
            Err(error) => {
                let is_known = says_error || matches!(error.kind, Kind::Protocol | Kind::Incomplete);
                if !is_known {
                    faults.push(format!("{file} {}: {error}", exchange.id));
                }
                error.kind.as_str().to_owned()
            }
        };
        *seen.entry(label).or_default() += 1;
    }
    recorded::no_faults(faults);
    // Most of what was recorded are answers; without the data nothing was seen.
    let (replies, all) = (seen.get("reply").copied().unwrap_or(0), seen.values().sum::<u32>());
    assert!(all == 0 || replies * 10 > all * 9, "{seen:?}");
}

#[test]
fn the_short_way_reads_what_the_long_way_reads() {
    let mut faults = Vec::new();
    for (file, exchange) in exchanges().filter(|(_, exchange)| exchange.is_stream && exchange.status == 200) {
        let (quick, slow) = (recorded::decode(&ChatCompletions, &exchange), unhurried(&exchange));
        let same = match (&quick, &slow) {
            (Ok(quick), Ok(slow)) => {
                (&quick.parts, &quick.usage, &quick.stop) == (&slow.parts, &slow.usage, &slow.stop)
            }
            (Err(quick), Err(slow)) => quick.kind == slow.kind,
            _ => false,
        };
        if !same {
            faults.push(format!("{file} {}", exchange.id));
        }
    }
    recorded::no_faults(faults);
}

#[test]
fn ordinary_replies_are_read_the_short_way_and_the_same() {
    let (mut faults, mut short, mut all) = (Vec::new(), 0, 0);
    for (file, exchange) in exchanges().filter(|(_, exchange)| !exchange.is_stream && exchange.status == 200) {
        all += 1;
        let Some(quick) = whole::reply(&exchange.body, &Dialect::default()) else { continue };
        short += 1;
        let slow =
            read::body(&exchange.body).and_then(|body| decode::reply(body, 200, Headers::NONE, &Dialect::default()));
        if slow.as_ref() != Ok(&quick) {
            faults.push(format!("{file} {}", exchange.id));
        }
    }
    recorded::no_faults(faults);
    assert!(short * 4 >= all, "{short} of {all}: the short way is for the ordinary");
}

#[test]
fn streams_read_the_same_however_they_are_cut() {
    for (_, exchange) in exchanges().filter(|(_, exchange)| exchange.is_stream && exchange.status == 200) {
        if exchange.body.len() <= 8_000 {
            recorded::check_cuts(&ChatCompletions, &exchange.body, 60);
        }
    }
}

/// The usage that a body states, by its own names: prompt, cached, completion, reasoning, total.
fn stated(usage: &Value) -> [Option<u64>; 5] {
    let first = |paths: &[&str]| paths.iter().find_map(|path| usage.pointer(path)?.as_u64());
    [
        first(&["/prompt_tokens"]),
        first(&[
            "/prompt_tokens_details/cached_tokens",
            "/prompt_cache_hit_tokens",
            "/num_cached_tokens",
            "/cached_tokens",
            "/prompt_token_details/cached_tokens",
        ]),
        first(&["/completion_tokens"]),
        first(&[
            "/completion_tokens_details/reasoning_tokens",
            "/completion_token_details/reasoning_tokens",
            "/reasoning_tokens",
        ]),
        first(&["/total_tokens"]),
    ]
}

#[test]
fn usage_counts_every_token_once() {
    let mut faults = Vec::new();
    for (file, exchange) in exchanges() {
        let Ok(reply) = recorded::decode(&ChatCompletions, &exchange) else { continue };
        let used = bodies(&exchange);
        let last = used.iter().rev().find_map(|body| {
            Some([&body["usage"], &body["x_groq"]["usage"]]).and_then(|all| all.into_iter().find(|u| u.is_object()))
        });
        let Some(last) = last else { continue };
        let [prompt, cached, completion, reasoning, total] = stated(last);
        let usage = &reply.usage;
        let sum = usage.input.unwrap_or(0) + usage.output.unwrap_or(0);
        let is_whole = total.is_none_or(|total| total == sum) && usage.input >= prompt && usage.output >= completion;
        if usage.cached_read != cached || usage.reasoning.unwrap_or(0) < reasoning.unwrap_or(0) || !is_whole {
            faults.push(format!("{file} {}: {last} read as {usage:?}", exchange.id));
        }
    }
    recorded::no_faults(faults);
}

#[test]
fn every_request_survives() {
    let mut faults = Vec::new();
    for (file, exchange) in exchanges().filter(|(_, exchange)| exchange.request.starts_with(b"{")) {
        // Some were recorded with a comma too many.
        let Ok(had) = serde_json::from_slice::<Value>(&exchange.request) else { continue };
        let cut = |fault: String| fault.chars().take(200).collect::<String>();
        if let Err(fault) = recorded::request_fault(&ChatCompletions, &exchange.request, |_, _, _| false) {
            faults.push(format!("{file} {}: {}", exchange.id, cut(fault)));
            continue;
        }
        let parsed = ChatCompletions.parse(&exchange.request).unwrap();
        let written = recorded::rewrite(&ChatCompletions, &parsed).unwrap();
        let added = recorded::lost("", &serde_json::from_slice(&written).unwrap(), &had, |_, _, _| false);
        if !added.is_empty() {
            faults.push(format!("{file} {}: added {}", exchange.id, cut(format!("{added:?}"))));
        }
    }
    recorded::no_faults(faults);
}
