//! `tierway engine bench`: tokens a second in reading and writing, and the memory limit, measured on the spot.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
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
    /// With `--random`: time single products of a prompt by each kind of kernel instead.
    #[arg(long, requires = "random")]
    kernels: bool,
    /// Print the figures as JSON.
    #[arg(long, conflicts_with = "random")]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Figures {
    backend: String,
    prompt: usize,
    tokens: usize,
    batch: usize,
    prefill_per_s: f64,
    /// Of all sequences together.
    decode_per_s: f64,
    /// What one step moves through memory.
    moved_bytes: f64,
    weight_bytes: u64,
    bandwidth_bytes_per_s: f64,
    /// What the memory's speed allows.
    limit_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_bytes: Option<u64>,
}

/// Prints a line each for reading, writing and the memory limit.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let threads = if args.threads == 0 { std::thread::available_parallelism()?.get() } else { args.threads };
    if let (Some(kind), true) = (args.random, args.kernels) {
        return device::bench_kernels(args.device, &args.model, kind, args.prompt.max(1));
    }
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
    let peak_bytes = peak_memory();
    let bandwidth = read_bandwidth(threads);
    let weight_bytes = model.active_bytes() as u64;
    let moved = weight_bytes as f64 + (model.cache_bytes_per_token() * (prompt + tokens / 2) * batch) as f64;
    let figures = Figures {
        backend: model.backend().describe(),
        prompt,
        tokens,
        batch,
        prefill_per_s: prompt as f64 / best_prefill,
        decode_per_s: (tokens * batch) as f64 / best_decode,
        moved_bytes: moved,
        weight_bytes,
        bandwidth_bytes_per_s: bandwidth,
        limit_per_s: batch as f64 * bandwidth / moved,
        peak_bytes,
    };
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &figures)?;
        return Ok(writeln!(out)?);
    }
    figures.write(&mut out)?;
    Ok(())
}

impl Figures {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Figures { backend, prompt, tokens, batch, limit_per_s: limit, .. } = self;
        writeln!(out, "{backend}; prompt {prompt}, {tokens} tokens, batch {batch}")?;
        writeln!(out, "prefill  {:9.1} tok/s", self.prefill_per_s)?;
        writeln!(out, "decode   {:9.1} tok/s", self.decode_per_s)?;
        let (moved, weights) = (self.moved_bytes / 1e6, self.weight_bytes as f64 / 1e6);
        writeln!(out, "moved    {moved:9.1} MB a step: weights {weights:.1} MB and the cache")?;
        let (bandwidth, share) = (self.bandwidth_bytes_per_s / 1e9, 100.0 * self.decode_per_s / limit);
        writeln!(out, "memory   {bandwidth:9.1} GB/s measured; limit {limit:.1} tok/s; share {share:.0} %")?;
        match self.peak_bytes {
            Some(peak) => writeln!(out, "peak     {:9.1} MB resident", peak as f64 / 1e6),
            None => Ok(()),
        }
    }
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
