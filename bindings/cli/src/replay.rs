//! `tierway replay`: what routing would have cost and what would have come of it, on labelled data or one's own log.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use tierway::replay::{self, Field, Judged, Options, Prices, Rate, Record};
use tierway::score::Scorer;

use crate::Failure;

/// Most bytes of a data file after decompression.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// Judge ways of routing on labelled data: JSON lines (also .gz) of {prompt, labels: {model: 0..1}, out_chars?, answers?,
/// outputs?, cost?}, or log lines in OpenAI's style that carry a score.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Files to judge the question score on.
    #[arg(conflicts_with_all = ["train", "test"], required_unless_present = "train")]
    files: Vec<PathBuf>,
    /// Files to learn a cascade and its thresholds from.
    #[arg(long, num_args = 1.., requires = "test", requires = "models")]
    train: Vec<PathBuf>,
    /// Files to judge the frozen cascade on.
    #[arg(long, num_args = 1.., requires = "train")]
    test: Vec<PathBuf>,
    /// Prices: JSON {model: [in, out]}, dollars per million tokens.
    #[arg(long)]
    prices: Option<PathBuf>,
    /// The models, cheap ones first, the frontier last.
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Shares of the frontier's quality to aim at.
    #[arg(long, value_delimiter = ',', default_values_t = replay::TARGETS)]
    targets: Vec<f64>,
    /// By how many standard errors the training rows must clear a target.
    #[arg(long, default_value_t = Options::default().caution)]
    caution: f64,
    /// Where the random numbers of the learning start.
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// How finely to learn: 1 is quick.
    #[arg(long, default_value_t = Options::default().effort)]
    effort: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write a page with plots to this file.
    #[arg(long)]
    html: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    if args.targets.iter().any(|target| !(0.0..=2.0).contains(target)) {
        return Err(Failure::Input("--targets are shares of the frontier's quality, such as 0.98".to_owned()));
    }
    if !args.caution.is_finite() || !(1..=50).contains(&args.effort) {
        return Err(Failure::Input("--caution is a number such as 0.5, --effort from 1 to 50".to_owned()));
    }
    let prices = args.prices.as_deref().map(read_prices).transpose()?.unwrap_or_default();
    if args.train.is_empty() { Err(Failure::Input("name --train and --test".to_owned())) } else { judge(args, &prices) }
}

/// Learns on one part, judges on the other.
fn judge(args: &ReplayArgs, prices: &Prices) -> Result<(), Failure> {
    if args.models.len() < 2 {
        return Err(Failure::Input("--models names at least a cheap model and the frontier".to_owned()));
    }
    let scorer = Scorer::builtin();
    let train = Field::new(args.models.clone(), read_all(&args.train)?);
    let test = Field::new(args.models.clone(), read_all(&args.test)?);
    let options =
        Options { targets: args.targets.clone(), caution: args.caution, effort: args.effort, seed: args.seed };
    for (name, field) in [("--train", &train), ("--test", &test)] {
        if field.rows.is_empty() {
            let text = format!("no row of {name} has a label for every model of --models ({} rows)", field.left_out);
            return Err(Failure::Input(text));
        }
    }
    let unpriced = |model: &&String| {
        !prices.contains_key(*model) && !test.rows.iter().any(|row| row.cost.get(*model).is_some_and(Option::is_some))
    };
    if let Some(model) = args.models.iter().find(unpriced) {
        return Err(Failure::Input(format!("'{model}' has no price: add \"{model}\": [in, out] to --prices")));
    }
    let judged = replay::judge(&replay::learn(&train, prices, &scorer, &options), &test, prices, &scorer);
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &as_json(&judged, &train, &test))?;
        writeln!(out)?;
    } else {
        write_table(&mut out, &judged, &train, &test)?;
    }
    Ok(())
}

fn as_json(judged: &Judged, train: &Field, test: &Field) -> Value {
    let settled = judged.settled.iter().map(|(target, words)| json!({"target_quality": target, "policy": words}));
    json!({
        "results": judged.outcomes,
        "settled": settled.collect::<Vec<_>>(),
        "train_rows": judged.trained,
        "test_rows": judged.judged,
        "left_out": {"train": train.left_out, "test": test.left_out},
    })
}

fn write_table(out: &mut impl Write, judged: &Judged, train: &Field, test: &Field) -> io::Result<()> {
    writeln!(
        out,
        "learnt on {} rows ({} left out), judged on {} ({} left out); against always asking {}",
        judged.trained,
        train.left_out,
        judged.judged,
        test.left_out,
        test.models.last().map_or("", String::as_str)
    )?;
    writeln!(out, "\n{:<44} {:>7} {:>9} {:>9} {:>9}", "policy", "target", "quality", "saving", "frontier")?;
    for outcome in &judged.outcomes {
        let target = outcome.target_quality.map_or_else(|| "-".to_owned(), |target| format!("{:.1} %", target * 100.0));
        writeln!(
            out,
            "{:<44} {target:>7} {:>7.2} % {:>7.2} % {:>7.2} %",
            outcome.policy,
            outcome.quality * 100.0,
            outcome.saving * 100.0,
            outcome.frontier_share * 100.0
        )?;
    }
    writeln!(out)?;
    for (target, words) in &judged.settled {
        writeln!(out, "at {:.1} %: {words}", target * 100.0)?;
    }
    Ok(())
}

/// Reads every file's records.
pub(crate) fn read_all(files: &[PathBuf]) -> Result<Vec<Record>, Failure> {
    let mut records = Vec::new();
    for file in files {
        let text = read_text(file)?;
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let record = Record::parse(at + 1, line);
            records.push(record.map_err(|error| Failure::Input(format!("{}: {error}", file.display())))?);
        }
    }
    Ok(records)
}

/// The text of a file, decompressed where it is gzip.
fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let mut text = String::new();
    let read = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        bytes.as_slice().read_to_string(&mut text)
    };
    read.map_err(|error| Failure::file(path, &error))?;
    Ok(text)
}

fn read_prices(path: &Path) -> Result<Prices, Failure> {
    let expected = || Failure::Input(format!("{}: expected {{\"model\": [in, out]}} in dollars", path.display()));
    let raw: BTreeMap<String, [f64; 2]> = serde_json::from_str(&read_text(path)?).map_err(|_| expected())?;
    let good = |price: &f64| price.is_finite() && *price >= 0.0;
    if raw.values().flatten().any(|price| !good(price)) {
        return Err(expected());
    }
    Ok(raw.into_iter().map(|(model, [input, output])| (model, Rate { input, output })).collect())
}
