//! Whether two answers say the same: tool calls, JSON, programs, numbers, choices, formulas, and text by its words.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::replay::Answer;
use crate::reply::{Reply, json_of};
use crate::request::{Request, ResponseFormat};
use crate::sorting::sort_by;

use super::Verdict;

/// From this likeness of their words on, two programs are the same.
const SAME_PROGRAM: f64 = 0.9;
/// How deep JSON is compared; deeper values are compared as they are written.
const DEPTH_MAX: usize = 64;

/// Judges an answer by another one to the same request.
pub fn agreement(request: &Request, answer: &Reply, other: &Reply) -> Verdict {
    let is_same = match (calls(answer), calls(other)) {
        (Some(one), Some(two)) => same_calls(&one, &two),
        (None, None) => return same_text(request, answer, other),
        _ => false,
    };
    verdict(is_same)
}

fn verdict(is_same: bool) -> Verdict {
    if is_same { Verdict::Pass } else { Verdict::short("a second answer says something else") }
}

fn same_text(request: &Request, answer: &Reply, other: &Reply) -> Verdict {
    if matches!(request.format, Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema { .. })) {
        let values = (json_of(answer), json_of(other));
        return verdict(matches!(values, (Ok(one), Ok(two)) if same_value(&one, &two, 0)));
    }
    let (one, two) = (answer.text(), other.text());
    if let (Some(one), Some(two)) = (program(&one), program(&two)) {
        return verdict(likeness(&one, &two) >= SAME_PROGRAM);
    }
    let (one, two) = (Answer::in_reply(&one), Answer::in_reply(&two));
    if one.is_missing() {
        return Verdict::short("no final answer was found in it");
    }
    verdict(one.agrees(&two))
}

/// A tool's name and the arguments of its call; `None` where they are no JSON.
type ToolUse = (String, Option<Value>);

/// The tool calls with their arguments; `None` where there are none.
fn calls(reply: &Reply) -> Option<Vec<ToolUse>> {
    let mut calls: Vec<_> = reply.tool_calls().map(|call| (call.name.clone(), call.arguments_json().ok())).collect();
    sort_by(&mut calls, |a, b| a.0.cmp(&b.0).then_with(|| written(&a.1).cmp(&written(&b.1))));
    (!calls.is_empty()).then_some(calls)
}

fn written(value: &Option<Value>) -> String {
    value.as_ref().map_or(String::new(), Value::to_string)
}

fn same_calls(one: &[ToolUse], two: &[ToolUse]) -> bool {
    let same = |((name, args), (other, others)): (&ToolUse, &ToolUse)| {
        name == other && matches!((args, others), (Some(args), Some(others)) if same_value(args, others, 0))
    };
    one.len() == two.len() && one.iter().zip(two).all(same)
}

/// Whether two values say the same: numbers by their value, texts as answers are compared, fields in any order.
fn same_value(one: &Value, two: &Value, depth: usize) -> bool {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) if depth < DEPTH_MAX => {
            let same = |(name, value): (&String, &Value)| {
                two.get(name).is_some_and(|other| same_value(value, other, depth + 1))
            };
            one.len() == two.len() && one.iter().all(same)
        }
        (Value::Array(one), Value::Array(two)) if depth < DEPTH_MAX => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same_value(one, two, depth + 1))
        }
        (Value::Number(one), Value::Number(two)) => match (one.as_f64(), two.as_f64()) {
            (Some(one), Some(two)) => (one - two).abs() <= 1e-9 * one.abs().max(two.abs()).max(1e-9),
            _ => one == two,
        },
        (Value::String(one), Value::String(two)) => one == two || Answer::of(one).agrees(&Answer::of(two)),
        _ => one == two,
    }
}

/// The words of the fenced programs in a text, without comments; `None` where there is no fence.
fn program(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut is_inside = false;
    let mut has_fence = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            (is_inside, has_fence) = (!is_inside, true);
        } else if is_inside {
            push_words(without_comment(line), &mut words);
        }
    }
    has_fence.then_some(words)
}

/// A line up to `#` or `//` that begins it or stands after a space.
fn without_comment(line: &str) -> &str {
    let starts = |mark: &str| {
        let mut found = line.match_indices(mark);
        found.find(|(at, _)| line[..*at].chars().next_back().is_none_or(char::is_whitespace)).map(|(at, _)| at)
    };
    let end = [starts("#"), starts("//")].into_iter().flatten().min();
    &line[..end.unwrap_or(line.len())]
}

/// Names and numbers whole, every other mark by itself.
fn push_words(line: &str, words: &mut Vec<String>) {
    let mut word = String::new();
    for letter in line.chars() {
        if letter.is_alphanumeric() || letter == '_' {
            word.push(letter);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !letter.is_whitespace() {
            words.push(letter.to_string());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
}

/// The share of neighbouring word pairs that two programs have in common.
fn likeness(one: &[String], two: &[String]) -> f64 {
    if one == two {
        return if one.is_empty() { 0.0 } else { 1.0 };
    }
    let pairs = |words: &[String]| -> BTreeSet<(String, String)> {
        words.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    let (one, two) = (pairs(one), pairs(two));
    let shared = one.intersection(&two).count();
    let all = one.len() + two.len() - shared;
    if all == 0 { 0.0 } else { shared as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Content, Message, Part, ToolCall};

    fn reply(text: &str) -> Reply {
        Reply { parts: vec![Part::text(text)], ..Reply::default() }
    }

    #[track_caller]
    fn check(request: &Request, one: &Reply, two: &Reply, is_same: bool) {
        assert_eq!(agreement(request, one, two) == Verdict::Pass, is_same, "{one:?} {two:?}");
        assert_eq!(agreement(request, two, one) == Verdict::Pass, is_same, "the other way round");
    }

    #[test]
    fn answers_are_compared_by_what_they_say() {
        let ask = Request::user("How many?").unwrap();
        check(&ask, &reply("So we get\nThe answer is 1,000."), &reply("#### 1000"), true);
        check(&ask, &reply("The answer is 12."), &reply("The answer is 13."), false);
        check(&ask, &reply("(B)"), &reply("The answer is b"), true);
        check(&ask, &reply(""), &reply(""), false);
    }

    #[test]
    fn json_is_compared_by_value() {
        let json = Request::builder().message(Message::user("x")).format(ResponseFormat::JsonObject).build().unwrap();
        check(&json, &reply("{\"a\": 1, \"b\": [\"Ann \"]}"), &reply("{\"b\":[\"ann\"],\"a\":1.0}"), true);
        check(&json, &reply("{\"a\": 1}"), &reply("{\"a\": 1, \"b\": 2}"), false);
        check(&json, &reply("{\"a\": 1}"), &reply("none"), false);
    }

    #[test]
    fn programs_are_compared_without_comments_and_spaces() {
        let ask = Request::user("Write add.").unwrap();
        let one = reply("Here:\n```python\ndef add(a, b):\n    # sums\n    return a + b\n```\nDone.");
        check(&ask, &one, &reply("```\ndef add(a,b):\n  return a+b  # sum\n```"), true);
        check(
            &ask,
            &one,
            &reply("```\ndef add(*xs):\n  total = 0\n  for x in xs: total += x\n  return total\n```"),
            false,
        );
    }

    #[test]
    fn tool_calls_are_compared_by_name_and_arguments() {
        let ask = Request::user("Weather?").unwrap();
        let call = |id: &str, args: &str| Reply {
            parts: vec![Part::new(Content::ToolCall(ToolCall {
                id: id.into(),
                name: "get".into(),
                arguments: args.into(),
            }))],
            ..Reply::default()
        };
        check(&ask, &call("1", "{\"city\":\"Rome\",\"n\":2}"), &call("2", "{\"n\": 2.0, \"city\": \"Rome\"}"), true);
        check(&ask, &call("1", "{\"city\":\"Rome\"}"), &call("2", "{\"city\":\"Oslo\"}"), false);
        check(&ask, &call("1", "{\"city\":\"Rome\"}"), &reply("It rains."), false);
        check(&ask, &call("1", "{"), &call("2", "{"), false);
    }
}
