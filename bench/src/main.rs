//! Measures what Tierway costs beside bare reqwest + serde_json and the genai crate, in one run on one core.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml` prints a table, with `--json` all figures. The server runs in a
//! process of its own, so that the processor time is the client's alone.

use clap::{Parser, Subcommand};
use serde::Serialize;

mod measure;
mod ours;
mod peers;
mod server;
mod tail;

use measure::{Taken, calls, least, work};
use ours::Tierway;
use peers::{Bare, Format, Genai};
use server::{CHUNKS, Server};

/// Measurements of each call, in turns and short, so that a slow spell of the machine falls on all alike.
const TURNS: usize = 25;
/// The same of calls one after another, which are the bar: more of them and shorter, so that some fall between slow spells.
const UNARY_TURNS: usize = 100;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print all figures as JSON.
    #[arg(long)]
    json: bool,
    /// The format in which all speak.
    #[arg(long, value_enum, default_value_t = Format::Messages)]
    format: Format,
    /// A tenth of the calls: to see that it works.
    #[arg(long)]
    quick: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until killed (used by the benchmark itself).
    Serve,
    /// Measure hedging and continuation: what they cost, and what they gain where answers are late or break off.
    Tail,
    /// Do one thing over and over, for a profiler.
    Only { what: Only, count: usize },
}

/// What a profiler may look at.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Only {
    Decision,
    LongDecision,
    Bare,
    Call,
    CallAmongAll,
}

/// All figures.
#[derive(Serialize)]
struct Figures {
    format: Format,
    decisions: Vec<Decision>,
    /// The part of a call that is its decision, in microseconds: with one model, with all.
    decision_of_a_call_us: [f64; 2],
    calls: Vec<Row>,
}

/// How long a decision takes.
#[derive(Serialize)]
struct Decision {
    chars: usize,
    /// The median of the turn in which it was least.
    p50_us: f64,
    /// The 99th percentile of a turn, the median of all turns.
    p99_us: f64,
    bar_us: Option<f64>,
}

/// How long a kind of call takes with one of the libraries.
#[derive(Serialize)]
struct Row {
    what: String,
    with: &'static str,
    #[serde(flatten)]
    taken: Taken,
    /// Processor time above bare reqwest's, of a call or of a chunk: the least of one less the least of the other.
    over_bare_us: f64,
    /// The same as the median of the differences within each turn.
    over_bare_median_us: f64,
}

fn main() {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    if let Some(Command::Serve) = args.command {
        return runtime.block_on(server::serve());
    }
    let server = Server::start();
    if let Some(Command::Only { what, count }) = args.command {
        return runtime.block_on(only(what, count, &server.base_url, args.format));
    }
    let scale = if args.quick { 10 } else { 1 };
    if let Some(Command::Tail) = args.command {
        let rows = runtime.block_on(tail::measure(&server, args.format, scale));
        return match args.json {
            true => println!("{}", serde_json::to_string_pretty(&rows).expect("figures are JSON")),
            false => tail::print(&rows),
        };
    }
    let figures = runtime.block_on(async {
        let (url, format) = (server.base_url.as_str(), args.format);
        let (bare, genai) = (Bare::new(url, format), Genai::new(url, format));
        let (one, all) = (Tierway::with_one_model(url, format), Tierway::with_all_models(url, format));
        let decisions = decisions(&all, scale);
        let asked = ours::request(peers::PROMPT);
        let decision_of_a_call_us = [&one, &all].map(|client| work(20_000 / scale, || client.decide(&asked)).0);
        let mut rows = Vec::new();
        let peers = Peers { bare: &bare, genai: &genai, one: &one, all: &all };
        rows.extend(compare("unary call", UNARY_TURNS, 100 / scale, 1, peers).await);
        rows.extend(compare_streams(20 / scale, peers).await);
        for at_once in [32, 128] {
            let what = format!("{at_once} calls at once");
            rows.extend(compare(&what, TURNS, 800 / scale, at_once, peers).await);
        }
        Figures { format, decisions, decision_of_a_call_us, calls: rows }
    });
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&figures).expect("figures are JSON")),
        false => print(&figures),
    }
}

/// One thing, over and over.
async fn only(what: Only, count: usize, url: &str, format: Format) {
    match what {
        Only::Decision | Only::LongDecision => {
            let all = Tierway::with_all_models(url, format);
            let request = ours::request(&ours::prompt(if matches!(what, Only::Decision) { 375 } else { 18_000 }));
            let (p50, p99) = work(count, || all.decide(&request));
            println!("p50 {p50:.1} µs, p99 {p99:.1} µs");
        }
        Only::Bare => {
            let bare = Bare::new(url, format);
            println!("{:.1} µs of CPU", calls(count, 1, || bare.send()).await.cpu_us);
        }
        Only::Call | Only::CallAmongAll => {
            let ours = match what {
                Only::Call => Tierway::with_one_model(url, format),
                _ => Tierway::with_all_models(url, format),
            };
            println!("{:.1} µs of CPU", calls(count, 1, || ours.send()).await.cpu_us);
        }
    }
}

/// Whom to compare.
#[derive(Clone, Copy)]
struct Peers<'a> {
    bare: &'a Bare,
    genai: &'a Genai,
    one: &'a Tierway,
    all: &'a Tierway,
}

const NAMES: [&str; 4] = ["reqwest + serde_json", "genai", "tierway, one model", "tierway, all models"];

/// Measures unary calls in turns, so that all see the same machine.
async fn compare(what: &str, turns: usize, count: usize, at_once: usize, peers: Peers<'_>) -> Vec<Row> {
    let mut rounds: [Vec<Taken>; 4] = Default::default();
    for _ in 0..turns {
        rounds[0].push(calls(count, at_once, || peers.bare.send()).await);
        rounds[1].push(calls(count, at_once, || peers.genai.send()).await);
        rounds[2].push(calls(count, at_once, || peers.one.send()).await);
        rounds[3].push(calls(count, at_once, || peers.all.send()).await);
    }
    rows(what, rounds, 1)
}

/// Measures streams of 100 chunks in turns.
async fn compare_streams(count: usize, peers: Peers<'_>) -> Vec<Row> {
    let mut rounds: [Vec<Taken>; 4] = Default::default();
    for _ in 0..TURNS {
        rounds[0].push(calls(count, 1, || peers.bare.stream()).await);
        rounds[1].push(calls(count, 1, || peers.genai.stream()).await);
        rounds[2].push(calls(count, 1, || peers.one.stream()).await);
        rounds[3].push(calls(count, 1, || peers.all.stream()).await);
    }
    rows(&format!("stream of {CHUNKS} chunks"), rounds, CHUNKS)
}

fn rows(what: &str, rounds: [Vec<Taken>; 4], pieces: usize) -> Vec<Row> {
    let over = |taken: &Taken, bare: &Taken| (taken.cpu_us - bare.cpu_us) / pieces as f64;
    let bare = least(&rounds[0]);
    let row = |(with, own): (&'static str, &Vec<Taken>)| {
        let taken = least(own);
        let mut turns: Vec<f64> = own.iter().zip(&rounds[0]).map(|(own, bare)| over(own, bare)).collect();
        turns.sort_by(f64::total_cmp);
        let (over_bare_us, over_bare_median_us) = (over(&taken, &bare), turns[turns.len() / 2]);
        Row { what: what.to_owned(), with, taken, over_bare_us, over_bare_median_us }
    };
    NAMES.into_iter().zip(&rounds).map(row).collect()
}

fn decisions(all: &Tierway, scale: usize) -> Vec<Decision> {
    let measure = |(chars, bar_us, count): (usize, Option<f64>, usize)| {
        let request = ours::request(&ours::prompt(chars));
        let turn = |_| work(count / TURNS / scale, || all.decide(&request));
        let (mut medians, mut slowest): (Vec<f64>, Vec<f64>) = (0..TURNS).map(turn).unzip();
        medians.sort_by(f64::total_cmp);
        slowest.sort_by(f64::total_cmp);
        Decision { chars, p50_us: medians[0], p99_us: slowest[TURNS / 2], bar_us }
    };
    [(30, None, 20_000), (375, Some(20.0), 20_000), (18_000, Some(100.0), 10_000)].into_iter().map(measure).collect()
}

fn print(figures: &Figures) {
    println!("decision over the built-in catalogue: p50 of the least of {TURNS} turns, p99 of the median one");
    for decision in &figures.decisions {
        let bar = decision.bar_us.map_or(String::new(), |bar| format!("   bar {bar:.0} µs"));
        let Decision { chars, p50_us, p99_us, .. } = decision;
        println!("  {chars:>6} characters   p50 {p50_us:>7.1} µs   p99 {p99_us:>7.1} µs{bar}");
    }
    println!(
        "\n{:<24} {:<22} {:>9} {:>10} {:>10} {:>9} {:>12} {:>10}",
        "", "", "CPU µs", "p50 µs", "p99 µs", "a second", "over bare", "median"
    );
    for row in &figures.calls {
        let Row { what, with, taken, over_bare_us, over_bare_median_us } = row;
        let Taken { cpu_us, wall_p50_us, wall_p99_us, per_second, .. } = taken;
        println!(
            "{what:<24} {with:<22} {cpu_us:>9.1} {wall_p50_us:>10.1} {wall_p99_us:>10.1} {per_second:>9.0} {over_bare_us:>9.2} µs {over_bare_median_us:>7.2} µs"
        );
    }
    let [one, all] = figures.decision_of_a_call_us;
    println!("\nOf a call, the decision takes {one:.1} µs with one model and {all:.1} µs with all.");
    println!(
        "'over bare' is CPU time of a call, in a stream of a chunk, above that of reqwest + serde_json: the least of"
    );
    println!(
        "{UNARY_TURNS} turns of each unary call and {TURNS} of the others, and the median of the differences within each turn."
    );
}
