//! A tiny model with random weights, written to a folder: it speaks nonsense, but by all the rules.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::message::{Content, Message, Part};
use crate::model::{Api, Auth, Capability};
use crate::reply::StopReason;
use crate::request::{Request, ResponseFormat, Sampling};
use crate::testing::conformance::{Repeats, check_provider};
use crate::testing::world;
use crate::time::{Span, Timeouts};

const HIDDEN: usize = 32;

/// Writes a model of one layer over bytes, with a chat template.
pub(super) fn write_model(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    // Bytes that are no printable character are spelled by those from U+0100 on, in their order.
    let mut spare = 0x100u32..;
    let mut spell = |b: u32| if b < 33 || (127..161).contains(&b) || b == 173 { spare.next() } else { Some(b) };
    let bytes: Vec<char> = (0u32..256).map(|b| spell(b).and_then(char::from_u32).unwrap()).collect();
    let vocab: serde_json::Map<String, serde_json::Value> =
        bytes.iter().enumerate().map(|(id, c)| (c.to_string(), id.into())).collect();
    let unknown = json!({"model": {"type": "BPE", "vocab": vocab, "merges": [], "unk_token": "x"},
        "added_tokens": [{"id": 256, "content": "<|end|>", "special": true}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}});
    fs::write(folder.join("tokenizer.json"), unknown.to_string()).unwrap();
    let template = "{% for m in messages %}{{ m.role }}:{{ m.content }}<|end|>{% endfor %}assistant:";
    let config = json!({"chat_template": template, "eos_token": "<|end|>"});
    fs::write(folder.join("tokenizer_config.json"), config.to_string()).unwrap();
    let config = json!({"model_type": "llama", "vocab_size": 257, "hidden_size": HIDDEN, "intermediate_size": 48,
        "num_hidden_layers": 1, "num_attention_heads": 4, "max_position_embeddings": 512, "tie_word_embeddings": true});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    write_weights(&folder.join("model.safetensors"));
}

fn write_weights(path: &Path) {
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let square = [HIDDEN, HIDDEN];
    let tensors: Vec<(String, Vec<usize>)> = vec![
        ("model.embed_tokens.weight".into(), vec![257, HIDDEN]),
        ("model.norm.weight".into(), vec![HIDDEN]),
        (layer("input_layernorm"), vec![HIDDEN]),
        (layer("post_attention_layernorm"), vec![HIDDEN]),
        (layer("self_attn.q_proj"), square.to_vec()),
        (layer("self_attn.k_proj"), square.to_vec()),
        (layer("self_attn.v_proj"), square.to_vec()),
        (layer("self_attn.o_proj"), square.to_vec()),
        (layer("mlp.gate_proj"), vec![48, HIDDEN]),
        (layer("mlp.up_proj"), vec![48, HIDDEN]),
        (layer("mlp.down_proj"), vec![HIDDEN, 48]),
    ];
    let (mut header, mut data, mut random) = (serde_json::Map::new(), Vec::new(), 1u32);
    for (name, shape) in tensors {
        let start = data.len();
        for _ in 0..shape.iter().product::<usize>() {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (random >> 8) as f32 / (1 << 23) as f32 - 1.0;
            data.extend((if shape.len() == 1 { 1.0 } else { number * 0.4 }).to_le_bytes());
        }
        header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let header = serde_json::Value::Object(header).to_string();
    fs::write(path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()).unwrap();
}

/// A provider whose folder has one model, `tiny`.
fn provider(name: &str) -> LocalProvider {
    let folder = std::env::temp_dir().join(format!("tierway-local-{name}-{}", std::process::id()));
    write_model(&folder.join("tiny"));
    let options = LocalOptions { folders: vec![folder], threads: 1, cache_tokens: 0 };
    LocalProvider::new(ProviderId::new("local").unwrap(), options)
}

fn call(request: &Request, max_tokens: u64) -> Call {
    named(request, "tiny", max_tokens)
}

fn named(request: &Request, wire_name: &str, max_tokens: u64) -> Call {
    let mut card = world::card("local/tiny").unwrap();
    card.wire_name = wire_name.to_owned();
    card.capabilities =
        [Capability::Streaming, Capability::Seed, Capability::Logprobs, Capability::Tools, Capability::JsonSchema]
            .into();
    let mut endpoint = world::endpoint("local", Api::Engine, "").unwrap();
    (endpoint.self_hosted, endpoint.auth) = (true, Auth::None);
    world::call(request, card, endpoint, max_tokens).unwrap()
}

#[tokio::test]
async fn it_keeps_every_promise_of_a_provider() {
    let provider = provider("conforms");
    let call = call(&world::ask("Why is the sky blue?").unwrap(), 12);
    // Beginnings of prompts are reused from the second call on, which shows in the usage: so it is asked once before.
    provider.send(&call).await.unwrap();
    assert_eq!(check_provider(&provider, &call, Repeats::Exactly).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_says_what_it_used_and_why_it_ended() {
    let provider = provider("usage");
    let sampling = Sampling { logprobs: Some(2), ..Sampling::default() };
    let request = Request::builder().message(Message::user("Hi")).sampling(sampling).build().unwrap();
    let reply = provider.send(&call(&request, 5)).await.unwrap();
    assert_eq!(reply.stop, Some(StopReason::MaxTokens));
    assert_eq!((reply.usage.input, reply.usage.output), (Some(18), Some(5)));
    assert_eq!(reply.logprobs.len(), 5);
    assert!(provider.speed("tiny").await.unwrap().answer_per_s().unwrap() > 0.0);
    assert_eq!(provider.depth("tiny").await, Some(0));
    assert_eq!(provider.speed("other").await, None);
}

#[tokio::test]
async fn a_decision_sees_the_calls_that_are_before_it() {
    let provider = Arc::new(provider("queue"));
    let catalog = crate::catalog::Catalog::parse(&own_rows(), "own.toml").unwrap();
    let builder = crate::client::Client::builder().catalog(catalog);
    let client = builder.provider("local".parse().unwrap(), provider.clone()).build().unwrap();
    let ask = Request::builder().message(Message::user("Hi")).max_tokens(64).build().unwrap();
    let seen = || client.route(&ask).unwrap().explain().candidates[0].queue;
    assert_eq!(seen(), None);
    client.send(&ask).await.unwrap();
    let most = std::time::Instant::now() + Duration::from_secs(30);
    while seen().is_some() {
        assert!(std::time::Instant::now() < most, "the engine still holds an answered call");
        tokio::task::yield_now().await;
    }
    let before = [provider.tally.count(), provider.tally.count(), provider.tally.count()];
    let queue = seen().unwrap();
    assert_eq!(queue.calls, 3);
    assert!(queue.wait > Span::ZERO, "three times as long as the one that was answered took");
    drop(before);
    assert_eq!(seen(), None);
}

#[tokio::test]
async fn what_it_cannot_do_is_refused_before_anything_is_sent() {
    let provider = provider("refuses");
    let hi = world::ask("Hi").unwrap();
    let missing = provider.send(&named(&hi, "absent", 5)).await.unwrap_err();
    assert_eq!((missing.kind, missing.sent), (Kind::NotFound, false));
    let outside = provider.send(&named(&hi, "../tiny", 5)).await.unwrap_err();
    assert_eq!(outside.kind, Kind::NotFound);
    let long = world::ask(&"word ".repeat(400)).unwrap();
    let error = provider.send(&call(&long, 5)).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (Kind::ContextTooLong, false));
    assert!(!error.to_string().contains("word word"), "an error never quotes the prompt");
    let tool = crate::request::Tool {
        name: "f".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        vendor: Default::default(),
    };
    let tools = Request::builder().message(Message::user("Hi")).tool(tool).build().unwrap();
    assert_eq!(provider.send(&call(&tools, 5)).await.unwrap_err().kind, Kind::Unsupported);
}

#[tokio::test]
async fn a_limit_ends_a_call_that_takes_too_long() {
    let provider = provider("limits");
    provider.load("tiny").await.unwrap();
    let short = Span::from_ms(1);
    let timeouts = Timeouts { connect: short, first_byte: short, idle: short, total: short };
    let long = call(&world::ask("Hi").unwrap(), 480).with_timeouts(timeouts);
    assert_eq!(provider.send(&long).await.unwrap_err().kind, Kind::Timeout);
    assert!(provider.send(&call(&world::ask("Hi").unwrap(), 2)).await.is_ok());
}

#[tokio::test]
async fn earlier_thinking_is_left_out_of_the_prompt() {
    let provider = provider("thinking");
    let thought = Part::new(Content::Reasoning { text: "a secret thought".into() });
    let answer = Message::new(crate::Role::Assistant, vec![thought, Part::text("yes")]);
    let with =
        Request::builder().message(Message::user("a")).message(answer).message(Message::user("b")).build().unwrap();
    let without = Request::builder()
        .message(Message::user("a"))
        .message(Message::assistant("yes"))
        .message(Message::user("b"))
        .build()
        .unwrap();
    let (with, without) =
        (provider.send(&call(&with, 4)).await.unwrap(), provider.send(&call(&without, 4)).await.unwrap());
    assert_eq!((with.text(), with.usage.input), (without.text(), without.usage.input));
}

#[tokio::test]
async fn an_answer_is_held_to_a_schema() {
    let provider = provider("schema");
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["sure", "kind"],
        "properties": {"sure": {"type": "boolean"}, "kind": {"enum": ["bird", "fish"]}}});
    let format = ResponseFormat::JsonSchema { name: "a".into(), description: None, schema, strict: None };
    for seed in 0..4 {
        let sampling = Sampling { temperature: Some(1.5), seed: Some(seed), ..Sampling::default() };
        let request =
            Request::builder().message(Message::user("Hi")).sampling(sampling).format(format.clone()).build().unwrap();
        let reply = provider.send(&call(&request, 64)).await.unwrap();
        assert_eq!(reply.stop, Some(StopReason::End));
        let value: serde_json::Value = serde_json::from_str(&reply.text()).unwrap();
        assert!(value["sure"].is_boolean() && ["bird", "fish"].contains(&value["kind"].as_str().unwrap()));
    }
    let wrong =
        ResponseFormat::JsonSchema { name: "a".into(), description: None, schema: json!({"type": "x"}), strict: None };
    let request = Request::builder().message(Message::user("Hi")).format(wrong).build().unwrap();
    assert_eq!(provider.send(&call(&request, 8)).await.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn tools_reach_a_template_that_writes_them() {
    let provider = provider("tools");
    let folder = provider.find("tiny").unwrap();
    let template = "{% if tools %}{{ tools | tojson }}answer in <tool_call>{% endif %}{% for m in messages %}{{ m.role }}:\
        {{ m.content }}{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}\
        <|end|>{% endfor %}assistant:";
    let config = json!({"chat_template": template, "eos_token": "<|end|>"});
    fs::write(folder.join("tokenizer_config.json"), config.to_string()).unwrap();
    let tool = crate::request::Tool {
        name: "look".into(),
        description: Some("Looks.".into()),
        parameters: None,
        strict: None,
        cache: None,
        vendor: Default::default(),
    };
    let asked = async |request: Request| provider.send(&call(&request, 4)).await.unwrap().usage.input.unwrap();
    let hi = || Request::builder().message(Message::user("Hi"));
    let plain = asked(hi().build().unwrap()).await;
    assert_eq!(plain, 18, "user:Hi, the end, assistant:");
    let offered = asked(hi().tool(tool.clone()).build().unwrap()).await;
    assert!(offered > plain + 80, "{offered}");
    let made = crate::message::ToolCall { id: "1".into(), name: "look".into(), arguments: "{\"at\": 1}".into() };
    let seen = crate::message::ToolResult {
        call_id: "1".into(),
        name: None,
        parts: vec![Part::text("a bird")],
        is_error: false,
    };
    let with = hi()
        .message(Message::new(crate::Role::Assistant, vec![Part::new(Content::ToolCall(made))]))
        .message(Message::new(crate::Role::Tool, vec![Part::new(Content::ToolResult(seen))]))
        .tool(tool);
    let answered = asked(with.build().unwrap()).await;
    assert_eq!(answered - offered, "assistant:look{\"at\": 1}".len() as u64 + 1 + "tool:a bird".len() as u64 + 1);
}

/// A machine that draws 300 W at 30 cents a kilowatt-hour, with two cards of $1.25 an hour, and is busy 60 % of the time.
const HOUR_PICO: u128 = 2 * 1_250_000_000_000 + 90_000_000_000;

fn own_rows() -> String {
    // Both cards and the electricity in one figure for each card.
    "vendor = \"local\"\n[defaults]\nsource = \"measured\"\ndate = \"2026-11-01\"\ncapabilities = [\"streaming\"]\n\
     [[endpoints]]\nid = \"local\"\napi = \"engine\"\nbase_url = \"\"\nregion = \"local\"\nself_hosted = true\nauth = \"none\"\n\
     [[models]]\nid = \"local/tiny\"\nfamily = \"tiny\"\ntier = \"local\"\ncontext_window = 512\nmax_output = 128\n\
     prices = [{ own = { gpu_hour = \"1.295\", gpus = 2, input_tokens_per_s = 900, output_tokens_per_s = 110, busy = \"0.6\" } }]\n"
        .to_owned()
}

/// Pico-dollars for so many tokens at so many a second, rounded up once for the rate and once for the line.
fn hours_cost(tokens: u64, tokens_per_s: u128) -> u128 {
    let per_million = (HOUR_PICO * 1_000_000 * 10).div_ceil(3_600 * tokens_per_s * 6);
    (u128::from(tokens) * per_million).div_ceil(1_000_000)
}

#[tokio::test]
async fn a_call_costs_its_share_of_the_machines_hours() {
    use crate::ledger::Fate;
    let catalog = crate::catalog::Catalog::parse(&own_rows(), "own.toml").unwrap();
    let client = crate::client::Client::builder()
        .catalog(catalog)
        .provider("local".parse().unwrap(), Arc::new(provider("hours")))
        .build()
        .unwrap();
    let ask = |text: &str| Request::builder().message(Message::user(text)).max_tokens(24).build().unwrap();
    let whole = client.send(&ask("Hi")).await.unwrap();
    let streamed = client.stream(&ask("Why is the sky blue?")).await.unwrap().finish().await.unwrap();
    // The same beginning again: its tokens are not computed anew, and count as prompt tokens all the same.
    let again = client.send(&ask("Why is the sky blue? Again.")).await.unwrap();
    assert!(again.reply.usage.cached_read.is_some());
    let mut given_up = client.stream(&ask("Hi there")).await.unwrap();
    given_up.next().await.unwrap().unwrap();
    drop(given_up);
    let rows = client.store().rows(crate::store::Page::default()).await.unwrap();
    assert_eq!(rows.len(), 4);
    for (number, row) in rows.iter().enumerate() {
        let Fate::Settled(entry) = &row.fate else { panic!("{:?}", row.fate) };
        let [input, cached, output] =
            [entry.usage.input, entry.usage.cached_read, entry.usage.output].map(Option::unwrap_or_default);
        let expected = hours_cost(input - cached, 900) + hours_cost(cached, 900) + hours_cost(output, 110);
        assert_eq!(entry.cost.pico() as u128, expected, "attempt {number}: {entry:?}");
        assert!(input > 0 && entry.cost <= row.reserve.amount, "attempt {number}: {entry:?}");
    }
    let costs = [whole.cost, streamed.cost, again.cost];
    assert!(
        costs.iter().zip(&rows).all(|(cost, row)| matches!(&row.fate, Fate::Settled(entry) if entry.cost == *cost))
    );
}
