//! What hedging and continuation cost where nothing goes wrong, and what they gain where something does.
//!
//! The server answers one call in fifty late, or breaks each stream off half way. Whoever does not hedge waits for the
//! late answers; whoever does not continue gets half an answer and an error.

use serde::Serialize;
use tierway::attempt::Rules;

use crate::TURNS;
use crate::measure::{Taken, calls, least};
use crate::ours::Tierway;
use crate::peers::{Bare, Format, Genai};
use crate::server::{CHUNKS, Server};

/// After how many in a hundred of an endpoint's calls a hedge is sent.
const HEDGE_PERCENT: u8 = 95;

/// One way to call, measured.
#[derive(Serialize)]
pub struct Row {
    what: String,
    with: &'static str,
    #[serde(flatten)]
    taken: Taken,
    /// Attempts besides the first ones, in a hundred calls.
    more_attempts_percent: f64,
}

/// Measures everything; `scale` divides the calls.
pub async fn measure(server: &Server, format: Format, scale: usize) -> Vec<Row> {
    let mut rows = not_fired(server, format, scale).await;
    for at_once in [1, 32, 128] {
        rows.extend(late_answers(server, format, at_once, 4_000 / scale).await);
    }
    rows.extend(streams(server, format, 200 / scale).await);
    rows
}

fn with(hedge: bool, go_on: bool) -> Rules {
    Rules { hedge_percent: hedge.then_some(HEDGE_PERCENT), continue_broken: go_on, ..Rules::default() }
}

/// Calls that are answered at once: a hedge is armed each time and hardly ever sent.
async fn not_fired(server: &Server, format: Format, scale: usize) -> Vec<Row> {
    let at_once = [server.base_url.as_str(); 2];
    let off = Tierway::with_two_models(at_once, format, with(false, false));
    let on = Tierway::with_two_models(at_once, format, with(true, false));
    let (mut rounds, count) = ([Vec::new(), Vec::new()], 2_000 / scale);
    for _ in 0..TURNS {
        rounds[0].push(calls(count, 1, || off.send()).await);
        rounds[1].push(calls(count, 1, || on.send()).await);
    }
    let [taken_off, taken_on] = rounds.each_ref().map(|taken| least(taken));
    let what = "answered at once";
    vec![
        Row { what: what.to_owned(), with: "tierway", taken: taken_off, more_attempts_percent: more(&off).await },
        Row {
            what: what.to_owned(),
            with: "tierway, hedging",
            taken: taken_on,
            more_attempts_percent: more(&on).await,
        },
    ]
}

/// Calls of which one in fifty is late, so many at a time.
async fn late_answers(server: &Server, format: Format, at_once: usize, count: usize) -> Vec<Row> {
    let late = server.other("tail");
    let (bare, genai) = (Bare::new(&late, format), Genai::new(&late, format));
    let off = Tierway::with_two_models([&late, &server.base_url], format, with(false, false));
    let on = Tierway::with_two_models([&late, &server.base_url], format, with(true, false));
    let count = if at_once == 1 { count / 4 } else { count };
    let what = format!("one in 50 late, {at_once} at once");
    let row = |with, taken, more_attempts_percent| Row { what: what.clone(), with, taken, more_attempts_percent };
    vec![
        row("reqwest + serde_json", calls(count, at_once, || bare.send()).await, 0.0),
        row("genai", calls(count, at_once, || genai.send()).await, 0.0),
        row("tierway", calls(count, at_once, || off.send()).await, more(&off).await),
        row("tierway, hedging", calls(count, at_once, || on.send()).await, more(&on).await),
    ]
}

/// Streams that are whole, with and without continuation, and streams that break off and are continued elsewhere.
async fn streams(server: &Server, format: Format, count: usize) -> Vec<Row> {
    let broken = server.other("broken");
    let whole = [server.base_url.as_str(); 2];
    let off = Tierway::with_two_models(whole, format, with(false, false));
    let on = Tierway::with_two_models(whole, format, with(false, true));
    let continued = Tierway::with_two_models([&broken, &server.base_url], format, with(false, true));
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        rounds[0].push(calls(count, 1, || off.stream()).await);
        rounds[1].push(calls(count, 1, || on.stream()).await);
        rounds[2].push(calls(count, 1, || continued.stream()).await);
    }
    let [taken_off, taken_on, taken_continued] = rounds.each_ref().map(|taken| least(taken));
    let what = format!("stream of {CHUNKS} chunks");
    let row = |what: &str, with, taken, more_attempts_percent| Row {
        what: what.to_owned(),
        with,
        taken,
        more_attempts_percent,
    };
    vec![
        row(&what, "tierway", taken_off, more(&off).await),
        row(&what, "tierway, continuing", taken_on, more(&on).await),
        row("broken off half way", "tierway, continuing", taken_continued, more(&continued).await),
    ]
}

async fn more(client: &Tierway) -> f64 {
    let (all, more) = client.attempts().await;
    100.0 * more as f64 / (all - more).max(1) as f64
}

/// Prints the figures as a table.
pub fn print(rows: &[Row]) {
    println!(
        "{:<28} {:<22} {:>9} {:>10} {:>10} {:>10} {:>9} {:>10}",
        "", "", "CPU µs", "p50 µs", "p95 µs", "p99 µs", "a second", "more"
    );
    for Row { what, with, taken, more_attempts_percent } in rows {
        let Taken { cpu_us, wall_p50_us, wall_p95_us, wall_p99_us, per_second } = taken;
        println!(
            "{what:<28} {with:<22} {cpu_us:>9.1} {wall_p50_us:>10.1} {wall_p95_us:>10.1} {wall_p99_us:>10.1} \
             {per_second:>9.0} {more_attempts_percent:>8.1} %"
        );
    }
    println!("\n'more' is attempts besides the first, in a hundred calls.");
}
