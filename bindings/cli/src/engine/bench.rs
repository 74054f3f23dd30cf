//! `tierway engine bench`: tokens a second in reading and writing, and the memory limit, measured on the spot.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use tierway_engine::bench::read_bandwidth;
use tierway_engine::cache::PAGE;
use tierway_engine::model::{Model, Pass, Source, Span, Wanted};

use super::{Device, device, failure};
use crate::Failure;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// A GGUF file, or a folder with config.json and safetensors.
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// Tokens of the prompt.
    #[arg(long, default_value_t = 512)]
    prompt: usize,
    /// Tokens written after it.
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// Sequences written side by side.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// How often; the best counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Threads; 0 takes as many as there are cores.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// What computes the model: cpu, cuda, or cuda:N.
    #[arg(long, default_value_t = Device::Cpu)]
    device: Device,
    /// On a GPU: measure a model of this config.json's exact shape with random weights made there, instead of `--model`.
    #[arg(long, value_enum, requires = "device")]
    random: Option<device::RandomKind>,
}

/// Prints a line each for reading, writing and the memory limit.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let threads = if args.threads == 0 { std::thread::available_parallelism()?.get() } else { args.threads };
    if let Some(kind) = args.random {
        return device::bench_random(args.device, &args.model, kind, args.prompt, args.tokens, args.batch, args.rounds);
    }
    let loaded = args.device.backend(threads, false).and_then(|backend| Source::open(&args.model)?.load(backend));
    let model = loaded.map_err(|error| failure(&error))?;
    let (prompt, tokens, batch) = (args.prompt.max(1), args.tokens.max(1), args.batch.max(1));
    let (mut best_prefill, mut best_decode) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..args.rounds.max(1) {
        let (prefill, decode) = measure(&model, prompt, tokens, batch)?;
        (best_prefill, best_decode) = (best_prefill.min(prefill), best_decode.min(decode));
    }
    // Before the bandwidth is measured: that takes buffers of its own.
    let peak = peak_memory();
    let mut out = io::stdout().lock();
    let bandwidth = read_bandwidth(threads);
    let moved = model.active_bytes() as f64 + (model.cache_bytes_per_token() * (prompt + tokens / 2) * batch) as f64;
    let limit = batch as f64 * bandwidth / moved;
    let decode = (tokens * batch) as f64 / best_decode;
    writeln!(out, "{}; prompt {prompt}, {tokens} tokens, batch {batch}", model.backend().describe())?;
    writeln!(out, "prefill  {:9.1} tok/s", prompt as f64 / best_prefill)?;
    writeln!(out, "decode   {decode:9.1} tok/s")?;
    writeln!(
        out,
        "moved    {:9.1} MB a step: weights {:.1} MB and the cache",
        moved / 1e6,
        model.active_bytes() as f64 / 1e6
    )?;
    writeln!(
        out,
        "memory   {:9.1} GB/s measured; limit {limit:.1} tok/s; share {:.0} %",
        bandwidth / 1e9,
        100.0 * decode / limit
    )?;
    if let Some(peak) = peak {
        writeln!(out, "peak     {:9.1} MB resident", peak as f64 / 1e6)?;
    }
    Ok(())
}

/// Seconds to read a prompt, and to write tokens after it in each of so many sequences.
fn measure(model: &Model, prompt: usize, tokens: usize, batch: usize) -> Result<(f64, f64), Failure> {
    let vocabulary = model.config().vocabulary as u32;
    let pages_each = (prompt + tokens).div_ceil(PAGE);
    let pages: Vec<Vec<u32>> =
        (0..batch).map(|b| (b * pages_each..(b + 1) * pages_each).map(|page| page as u32).collect()).collect();
    let mut cache = model.cache(batch * pages_each);
    let text: Vec<u32> = (0..prompt as u32).map(|at| (at * 7_919 + 13) % vocabulary).collect();
    let mut prefill = f64::INFINITY;
    for pages in &pages {
        let start = Instant::now();
        for (at, tokens) in text.chunks(512).enumerate() {
            let span = Span { tokens, start: 512 * at, pages, pass: Pass::Prefill, wanted: Wanted::Last };
            model.forward(&[span], &mut cache, None).map_err(|error| failure(&error))?;
        }
        prefill = prefill.min(start.elapsed().as_secs_f64());
    }
    let start = Instant::now();
    for at in 0..tokens {
        let token = [(at as u32 * 104_729 + 7) % vocabulary];
        let span = |pages| Span { tokens: &token, start: prompt + at, pages, pass: Pass::Decode, wanted: Wanted::Last };
        let spans: Vec<Span<'_>> = pages.iter().map(|pages| span(pages.as_slice())).collect();
        model.forward(&spans, &mut cache, None).map_err(|error| failure(&error))?;
    }
    Ok((prefill, start.elapsed().as_secs_f64()))
}

/// The most memory that this process had, where the system says so.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}
