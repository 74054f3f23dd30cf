//! What every provider promises, as checks that anyone may run on one of their own.
//!
//! The promises are those of `Provider`'s documentation. A check names what it saw; it never panics, so that a suite in
//! another language can run it too.

use std::time::Duration;

use futures_util::StreamExt;

use crate::provider::{Call, Provider};
use crate::reply::{Assembler, Delta, Reply};
use crate::time::{Span, Timeouts};

/// Calls made at the same time.
const AT_ONCE: usize = 8;
/// How long past its limit a call may take to say that it is over.
const GRACE: Duration = Duration::from_secs(20);

/// How much alike two answers to one question must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// The same question has the same answer: a stream must bring what a whole answer would have brought.
    Exactly,
    /// Answers vary, as models' do.
    Never,
}

/// Makes the provider answer `call`, which it is able to, in every way that the contract names.
///
/// Returns each breach of the contract in one line; none means that it conforms. Takes some 20 calls.
pub async fn check_provider(provider: &dyn Provider, call: &Call, repeats: Repeats) -> Vec<String> {
    let mut breaches = Vec::new();
    let whole = check_whole(provider, call, &mut breaches).await;
    let streamed = check_stream(provider, call, &mut breaches).await;
    if let (Some(whole), Some(streamed), Repeats::Exactly) = (&whole, &streamed, repeats) {
        check_alike(whole, streamed, &mut breaches);
    }
    check_at_once(provider, call, &mut breaches).await;
    check_dropping(provider, call, &mut breaches).await;
    check_limit(provider, call, &mut breaches).await;
    breaches
}

async fn check_whole(provider: &dyn Provider, call: &Call, breaches: &mut Vec<String>) -> Option<Reply> {
    match provider.send(call).await {
        Ok(reply) => {
            check_reply("a whole answer", &reply, call, breaches);
            Some(reply)
        }
        Err(error) => {
            breaches.push(format!("send failed: {error}"));
            None
        }
    }
}

async fn check_stream(provider: &dyn Provider, call: &Call, breaches: &mut Vec<String>) -> Option<Reply> {
    let mut pieces = match provider.stream(call).await {
        Ok(pieces) => pieces,
        Err(error) => {
            breaches.push(format!("stream failed: {error}"));
            return None;
        }
    };
    let mut assembler = Assembler::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(delta) => assembler.push(delta),
            Err(error) => {
                breaches.push(format!("the stream broke: {error}"));
                if pieces.next().await.is_some() {
                    breaches.push("the stream went on after an error".to_owned());
                }
                return None;
            }
        }
    }
    let reply = assembler.finish();
    check_reply("a stream", &reply, call, breaches);
    Some(reply)
}

fn check_reply(what: &str, reply: &Reply, call: &Call, breaches: &mut Vec<String>) {
    if reply.parts.is_empty() {
        breaches.push(format!("{what} holds no part"));
    }
    if reply.stop.is_none() {
        breaches.push(format!("{what} does not say why it ended"));
    }
    if let Some(output) = reply.usage.output.filter(|output| *output > call.max_tokens()) {
        breaches.push(format!("{what} used {output} tokens of output, and {} were allowed", call.max_tokens()));
    }
    if let (Some(part), Some(all)) = (reply.usage.cached_read, reply.usage.input)
        && part > all
    {
        breaches.push(format!("{what} read {part} tokens from the cache and counts {all} of input"));
    }
    if let (Some(part), Some(all)) = (reply.usage.reasoning, reply.usage.output)
        && part > all
    {
        breaches.push(format!("{what} reasoned in {part} tokens and counts {all} of output"));
    }
}

fn check_alike(whole: &Reply, streamed: &Reply, breaches: &mut Vec<String>) {
    let calls = |reply: &Reply| -> Vec<(String, String)> {
        reply.tool_calls().map(|call| (call.name.clone(), call.arguments.clone())).collect()
    };
    for (what, is_same) in [
        ("text", whole.text() == streamed.text()),
        ("reasoning", whole.reasoning() == streamed.reasoning()),
        ("tool calls", calls(whole) == calls(streamed)),
        ("reason to stop", whole.stop == streamed.stop),
        ("usage", whole.usage == streamed.usage),
    ] {
        if !is_same {
            breaches.push(format!("the stream's {what} is not that of the whole answer"));
        }
    }
}

async fn check_at_once(provider: &dyn Provider, call: &Call, breaches: &mut Vec<String>) {
    let calls = (0..AT_ONCE).map(|_| provider.send(call));
    let answers = futures_util::future::join_all(calls).await;
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    if failed > 0 {
        breaches.push(format!("{failed} of {AT_ONCE} calls at the same time failed"));
    }
}

/// Calls that are given up leave the provider able to answer.
async fn check_dropping(provider: &dyn Provider, call: &Call, breaches: &mut Vec<String>) {
    let soon = Duration::from_millis(1);
    // Given up on purpose, whatever they would have said.
    let _ = tokio::time::timeout(soon, provider.send(call)).await;
    if let Ok(mut pieces) = provider.stream(call).await {
        let _ = pieces.next().await;
    }
    if let Err(error) = provider.send(call).await {
        breaches.push(format!("after two calls that were given up, the next one failed: {error}"));
    }
}

/// A call ends within its limit, with an answer or an error.
async fn check_limit(provider: &dyn Provider, call: &Call, breaches: &mut Vec<String>) {
    let limit = Span::from_ms(1);
    let hurried = call.clone().with_timeouts(Timeouts { connect: limit, first_byte: limit, idle: limit, total: limit });
    let whole = async {
        let mut pieces = provider.stream(&hurried).await?;
        while let Some(piece) = pieces.next().await {
            let _: Delta = piece?;
        }
        provider.send(&hurried).await.map(drop)
    };
    match tokio::time::timeout(GRACE, whole).await {
        Err(_) => breaches.push(format!("a call with a limit of {limit} took longer than {} s", GRACE.as_secs())),
        Ok(Err(error)) if error.to_string().chars().any(char::is_control) => {
            breaches.push("an error's text holds control characters".to_owned());
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Kind, Retry};
    use crate::id::ProviderId;
    use crate::model::Api;
    use crate::testing::scripted::{ScriptedProvider, Turn};
    use crate::testing::world;

    async fn breaches_of(turns: Vec<Turn>) -> Vec<String> {
        let provider = ScriptedProvider::new(ProviderId::new("scripted").unwrap(), turns);
        let endpoint = world::endpoint("acme", Api::ChatCompletions, "http://127.0.0.1:9").unwrap();
        let request = world::ask("Why is the sky blue?").unwrap();
        let call = world::call(&request, world::card("acme/one").unwrap(), endpoint, 50).unwrap();
        check_provider(&provider, &call, Repeats::Exactly).await
    }

    #[tokio::test]
    async fn an_honest_provider_conforms_and_others_are_found_out() {
        assert_eq!(breaches_of(vec![Turn::text("Because of Rayleigh.")]).await, Vec::<String>::new());
        let found = breaches_of(vec![Turn::text("One."), Turn::text("Two.")]).await;
        assert_eq!(found, ["the stream's text is not that of the whole answer"]);
        let found = breaches_of(vec![Turn::text("too long ".repeat(100))]).await;
        assert!(found[0].contains("225 tokens of output, and 50 were allowed"), "{found:?}");
        let found = breaches_of(vec![Turn::fail(Kind::Server, Retry::Here(None))]).await;
        assert!(found.iter().any(|breach| breach.starts_with("8 of 8 calls")), "{found:?}");
    }
}
