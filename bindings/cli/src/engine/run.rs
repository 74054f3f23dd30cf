//! `tierway engine run`: a prompt in, an answer out, as it is written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use clap::Args;
use serde_json::json;
use tierway_engine::chat::Chat;
use tierway_engine::engine::{Event, Options, Request, Summary};
use tierway_engine::sampler::Sampling;
use tierway_engine::shape::Shape;

use super::{Device, failure, start};
use crate::Failure;

/// What to ask, and how to draw the answer.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A GGUF file, or a folder with config.json, safetensors and tokenizer.json.
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// The prompt.
    prompt: String,
    /// What the model should be, before the prompt.
    #[arg(long)]
    system: Option<String>,
    /// Go on from the prompt as plain text, without the chat template.
    #[arg(long)]
    raw: bool,
    /// Most tokens of the answer.
    #[arg(long, default_value_t = 256)]
    max_tokens: usize,
    /// 0 takes the likeliest token.
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Only so many of the likeliest tokens; 0 keeps all.
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// The fewest of the likeliest tokens that have this probability together.
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Only tokens with at least this share of the likeliest's probability.
    #[arg(long, default_value_t = 0.0)]
    min_p: f32,
    /// For repeatable drawing.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A text that ends the answer; may be given several times.
    #[arg(long)]
    stop: Vec<String>,
    /// A file with a JSON Schema that the answer is held to.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Threads; 0 takes as many as there are cores.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// What computes the model: cpu, cuda, or cuda:N for the GPU that nvidia-smi counts as N.
    #[arg(long, default_value_t = Device::Cpu)]
    device: Device,
    /// Also show the load of the experts.
    #[arg(long)]
    experts: bool,
    /// Write JSON: the answer, and what it took.
    #[arg(long)]
    json: bool,
}

/// Prints the answer, and to standard error what it took.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let (engine, chat) =
        start(&args.model, args.device, args.threads, Options::default()).map_err(|error| failure(&error))?;
    let prompt = if args.raw || !chat.has_template() {
        chat.completion(&args.prompt)
    } else {
        let system = args.system.iter().map(|text| json!({"role": "system", "content": text}));
        let messages: Vec<_> = system.chain([json!({"role": "user", "content": args.prompt})]).collect();
        chat.prompt(&json!(messages), &serde_json::Value::Null, &serde_json::Map::new())
    };
    let prompt = prompt.map_err(|error| failure(&error))?;
    let sampling = Sampling {
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        min_p: args.min_p,
        seed: args.seed,
        ..Sampling::default()
    };
    let request = Request {
        prompt: prompt.tokens,
        tokens_most: args.max_tokens,
        sampling,
        stop_texts: args.stop.clone(),
        stop_tokens: chat.stop_tokens().clone(),
        thinking: prompt.thinking,
        shape: args.schema.as_deref().map(|path| shape(&chat, path)).transpose()?,
    };
    let (send, events) = mpsc::channel();
    let ticket = engine.submit(request, Box::new(move |event| send.send(event).is_ok()));
    let _ticket = ticket.map_err(|error| failure(&error))?;
    let mut answer = String::new();
    let summary = match args.json {
        true => read(&events, |text| {
            answer.push_str(text);
            Ok(())
        })?,
        false => print(&events)?,
    };
    match args.json {
        true => writeln!(io::stdout(), "{}", as_json(&answer, &summary))?,
        false => report(&summary)?,
    }
    if args.experts {
        report_experts(&engine)?;
    }
    Ok(())
}

fn shape(chat: &Chat, path: &Path) -> Result<Shape, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    chat.shape(&serde_json::from_str(&text)?).map_err(|error| failure(&error))
}

fn print(events: &mpsc::Receiver<Event>) -> Result<Summary, Failure> {
    let mut out = io::stdout().lock();
    let summary = read(events, |text| out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    writeln!(out)?;
    Ok(summary)
}

/// Gives each piece of the answer to `take`, until it is whole.
fn read(events: &mpsc::Receiver<Event>, mut take: impl FnMut(&str) -> io::Result<()>) -> Result<Summary, Failure> {
    for event in events {
        match event {
            Event::Text(text) | Event::Thinking(text) => take(&text)?,
            Event::Done(summary) => return Ok(summary),
            Event::Failed(error) => return Err(failure(&error)),
            _ => {}
        }
    }
    Err(Failure::Failed("the engine stopped before the answer was whole".into()))
}

fn as_json(answer: &str, summary: &Summary) -> serde_json::Value {
    json!({
        "text": answer,
        "prompt_tokens": summary.prompt,
        "first_token_ms": summary.first.as_secs_f64() * 1e3,
        "tokens": summary.output,
        "total_ms": summary.total.as_secs_f64() * 1e3,
        "ended": format!("{:?}", summary.finish),
    })
}

fn report(summary: &Summary) -> Result<(), Failure> {
    let decoding = (summary.total - summary.first).as_secs_f64();
    writeln!(
        io::stderr(),
        "{} prompt tokens, first token after {:.0} ms; {} tokens, {:.1} tok/s; ended: {:?}",
        summary.prompt,
        summary.first.as_secs_f64() * 1e3,
        summary.output,
        summary.output.saturating_sub(1) as f64 / decoding.max(1e-9),
        summary.finish,
    )?;
    Ok(())
}

fn report_experts(engine: &tierway_engine::engine::Engine) -> Result<(), Failure> {
    let usage = engine.model().usage();
    for layer in 0..usage.layers() {
        if let Some(evenness) = usage.evenness(layer) {
            writeln!(io::stderr(), "layer {layer}: evenness {evenness:.3}, tokens {:?}", usage.load(layer))?;
        }
    }
    Ok(())
}
