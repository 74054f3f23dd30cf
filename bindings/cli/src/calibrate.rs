//! `tierway calibrate`: the cheapest policy that keeps a share of the frontier's quality with a confidence, or how many
//! more marked calls it would take to say.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tierway::learn::{Promise, Verdict};
use tierway::replay::{self, Calibration, Field, Options};
use tierway::score::Scorer;

use crate::replay::{read_all, read_prices, unpriced};
use crate::{Failure, progress};

/// Find the cheapest policy that keeps a share of the frontier's quality, with a proof that needs no assumption about
/// your traffic but that tomorrow's is like the log's.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// Marked calls, as `tierway replay` reads them.
    #[arg(long, num_args = 1.., required = true)]
    log: Vec<PathBuf>,
    /// The models, cheap ones first, the frontier last.
    #[arg(long, value_delimiter = ',', required = true)]
    models: Vec<String>,
    /// Prices: JSON {model: [in, out]}, dollars per million tokens.
    #[arg(long)]
    prices: Option<PathBuf>,
    /// The share of the frontier's quality to keep.
    #[arg(long, default_value_t = 0.98)]
    quality: f64,
    /// How sure to be of it.
    #[arg(long, default_value_t = 0.95)]
    confidence: f64,
    /// Also calibrate this many times on calls drawn again, and say how often the promise breaks.
    #[arg(long, default_value_t = 0)]
    rehearse: usize,
    /// How finely to learn: 1 is quick.
    #[arg(long, default_value_t = Options::default().effort)]
    effort: usize,
    /// Where the random numbers start.
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command. Where the calls do not suffice it says so and fails.
pub(crate) fn run(args: &CalibrateArgs) -> Result<(), Failure> {
    let within = |share: f64| share > 0.0 && share < 1.0;
    if !within(args.quality) || !within(args.confidence) {
        return Err(Failure::Input("--quality and --confidence lie between 0 and 1, such as 0.98 and 0.95".to_owned()));
    }
    if args.models.len() < 2 || !(1..=50).contains(&args.effort) || args.rehearse > 100_000 {
        return Err(Failure::Input(
            "--models names a cheap model and the frontier, --effort is from 1 to 50, --rehearse at most 100000"
                .to_owned(),
        ));
    }
    let prices = args.prices.as_deref().map(read_prices).transpose()?.unwrap_or_default();
    let field = Field::new(args.models.clone(), read_all(&args.log)?);
    if let Some(model) = unpriced(&field, &prices) {
        return Err(Failure::Input(format!("'{model}' has no price: add \"{model}\": [in, out] to --prices")));
    }
    let promise = Promise { quality: args.quality, confidence: args.confidence };
    let options = Options { effort: args.effort, seed: args.seed, targets: vec![args.quality], ..Options::default() };
    let waiting = progress::spinner("learning and testing", args.json);
    let found = replay::calibrate(&field, &prices, &Scorer::builtin(), &options, promise);
    let rehearsal = (args.rehearse > 0).then(|| found.rehearse(args.rehearse, args.seed));
    waiting.finish_and_clear();
    let mut out = io::stdout().lock();
    if args.json {
        let value = json!({
            "quality": args.quality,
            "confidence": args.confidence,
            "kept": found.kept(),
            "more_calls": more(&found),
            "learnt_from": found.learnt_from(),
            "tested_on": found.tested_on(),
            "left_out": field.left_out,
            "rehearsal": rehearsal,
        });
        serde_json::to_writer_pretty(&mut out, &value)?;
        writeln!(out)?;
    } else {
        write_words(&mut out, args, &found, &field)?;
        if let Some(rehearsal) = rehearsal {
            writeln!(
                out,
                "of {} calibrations on calls drawn again, {} found a policy and {:.1} % of all broke the promise; mean \
                 saving {:.1} %, of the cheapest that truly keeps it {:.1} %",
                rehearsal.times,
                rehearsal.found,
                rehearsal.broken * 100.0,
                rehearsal.saving * 100.0,
                rehearsal.oracle_saving * 100.0
            )?;
        }
    }
    match found.kept() {
        Some(_) => Ok(()),
        None => Err(Failure::Failed(refusal(args, &found))),
    }
}

/// How many more lines of the log would do: half of them teach.
fn more(found: &Calibration) -> Option<usize> {
    match found.verdict() {
        Verdict::TooFew { more: Some(more), .. } => Some(more.saturating_mul(2)),
        _ => None,
    }
}

fn write_words(out: &mut impl Write, args: &CalibrateArgs, found: &Calibration, field: &Field) -> io::Result<()> {
    writeln!(
        out,
        "{} marked calls: {} to learn from, {} to test on ({} left out: a model has no mark)",
        field.rows.len(),
        found.learnt_from(),
        found.tested_on(),
        field.left_out
    )?;
    let Some(kept) = found.kept() else { return Ok(()) };
    writeln!(out, "use: {}", kept.policy)?;
    writeln!(
        out,
        "it keeps at least {:.1} % of the frontier's quality with {:.1} % confidence (p = {:.4})",
        args.quality * 100.0,
        args.confidence * 100.0,
        kept.p_value
    )?;
    writeln!(out, "on the test: quality {:.2} %, saving {:.2} %", kept.quality * 100.0, kept.saving * 100.0)
}

fn refusal(args: &CalibrateArgs, found: &Calibration) -> String {
    let promise = format!("quality {} with confidence {}", args.quality, args.confidence);
    match more(found) {
        Some(more) => {
            format!("{} calls do not suffice for {promise}: about {more} more marked calls would", found.tested_on())
        }
        None => format!(
            "no policy keeps {promise} on these {} calls: mark more of them, or ask for less",
            found.tested_on()
        ),
    }
}
