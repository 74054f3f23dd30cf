//! Log-probabilities of a choice.

use serde_json::Value;

use crate::reply::TokenLogprob;
use crate::wire::json;

/// The tokens of a `logprobs` object: those of the content, then those of a refusal.
pub(super) fn read(logprobs: Option<&Value>) -> Vec<TokenLogprob> {
    let Some(logprobs) = logprobs else { return Vec::new() };
    let lists = ["content", "refusal"].into_iter().flat_map(|name| json::list(logprobs, name));
    let read: Vec<TokenLogprob> = lists.filter_map(token).collect();
    if read.is_empty() { parallel_lists(logprobs).unwrap_or_default() } else { read }
}

fn token(entry: &Value) -> Option<TokenLogprob> {
    let top = json::list(entry, "top_logprobs").iter();
    let top = top.filter_map(|one| Some((json::text(one, "token")?.to_owned(), one.get("logprob")?.as_f64()?)));
    Some(TokenLogprob {
        token: json::text(entry, "token")?.to_owned(),
        logprob: entry.get("logprob")?.as_f64()?,
        top: top.collect(),
    })
}

/// The older form, which Together and Fireworks still send: a list of tokens beside a list of numbers.
fn parallel_lists(logprobs: &Value) -> Option<Vec<TokenLogprob>> {
    let tokens = json::list(logprobs, "tokens").iter();
    let numbers = json::list(logprobs, "token_logprobs").iter();
    let pairs = tokens.zip(numbers).enumerate();
    Some(
        pairs
            .filter_map(|(place, (token, number))| {
                let top = json::list(logprobs, "top_logprobs").get(place).and_then(Value::as_object);
                let top = top.into_iter().flatten().filter_map(|(token, p)| Some((token.clone(), p.as_f64()?)));
                Some(TokenLogprob { token: token.as_str()?.to_owned(), logprob: number.as_f64()?, top: top.collect() })
            })
            .collect(),
    )
}
