//! `tierway replay`: what routing would have cost and what would have come of it, on labelled data or one's own log.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use tierway::replay::{self, Field, Judged, Options, Outcome, Prices, QuestionCurve, Rate, Record};
use tierway::score::Scorer;

use crate::{Failure, progress};

mod halves;
mod margins;
mod page;
mod parts;
use page::Chart;

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
    /// Cut the files in two this many times, learn on each half, judge on the other, and tell the means.
    #[arg(long, default_value_t = 0, conflicts_with_all = ["train", "test", "html"], requires = "models")]
    halves: usize,
    /// Cut each file so, and tell by how much what is learnt does better than a fixed choice at the same cost, with the
    /// models and prices given or chosen by rule.
    #[arg(long, default_value_t = 0, conflicts_with_all = ["train", "test", "html", "halves"])]
    margins: usize,
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
    match (args.halves, args.margins) {
        (0, 0) if args.train.is_empty() => question(args, &prices),
        (0, 0) => judge(args, &prices),
        (0, _) => margins::run(args, &prices),
        _ => halves::run(args, &prices),
    }
}

fn options_of(args: &ReplayArgs) -> Options {
    Options { targets: args.targets.clone(), caution: args.caution, effort: args.effort, seed: args.seed }
}

/// The question score on each file.
fn question(args: &ReplayArgs, prices: &Prices) -> Result<(), Failure> {
    if !matches!(args.models.len(), 0 | 2) {
        return Err(Failure::Input(
            "--models names the cheap model and the frontier; leave it out to have two chosen".to_owned(),
        ));
    }
    let scorer = Scorer::builtin();
    let mut found = Vec::new();
    for file in &args.files {
        let rows = read_all(std::slice::from_ref(file))?;
        let models = if args.models.is_empty() { choose_pair(&rows, file)? } else { args.models.clone() };
        let mut prices = prices.clone();
        let has_cost = |model: &String| rows.iter().any(|row| row.cost.get(model).is_some_and(Option::is_some));
        let assumed = models.iter().any(|model| !prices.contains_key(model) && !has_cost(model));
        if assumed {
            prices.insert(models[0].clone(), ASSUMED.0);
            prices.insert(models[1].clone(), ASSUMED.1);
        }
        let field = Field::new(models, rows);
        if field.rows.is_empty() {
            return Err(Failure::Input(format!("{}: no row has a label for both models", file.display())));
        }
        let curve = replay::question(&field, &prices, &scorer);
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        found.push(Found {
            name,
            models: field.models,
            rows: field.rows.len(),
            left_out: field.left_out,
            assumed,
            curve,
        });
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &json!({ "files": found }))?;
        writeln!(out)?;
    } else {
        found.iter().try_for_each(|found| write_curve(&mut out, found))?;
    }
    if let Some(path) = &args.html {
        let charts: Vec<Chart> = found.iter().map(Found::chart).collect();
        std::fs::write(path, page::render("What the question alone tells", &charts, ""))
            .map_err(|error| Failure::file(path, &error))?;
    }
    Ok(())
}

/// Prices where none are given: those of a small and a frontier model in 2024.
const ASSUMED: (Rate, Rate) = (Rate { input: 0.15, output: 0.60 }, Rate { input: 3.0, output: 15.0 });

/// What was found in a file.
#[derive(serde::Serialize)]
struct Found {
    name: String,
    models: Vec<String>,
    rows: usize,
    left_out: usize,
    assumed: bool,
    #[serde(flatten)]
    curve: QuestionCurve,
}

impl Found {
    fn chart(&self) -> Chart {
        let point = |outcome: &Outcome| (outcome.saving, outcome.quality);
        let others = |policy: &str| -> Vec<(f64, f64)> {
            self.curve.others.iter().filter(|one| one.policy == policy).map(point).collect()
        };
        let ours = self.curve.thresholds.iter().map(|step| point(&step.outcome)).collect();
        Chart {
            title: self.name.clone(),
            note: format!(
                "{} against {}, {} prompts, APGR {:.3}",
                self.models[0], self.models[1], self.rows, self.curve.apgr
            ),
            series: vec![
                ("question score".to_owned(), ours),
                ("random".to_owned(), others("random")),
                ("oracle".to_owned(), others("oracle")),
            ],
        }
    }
}

/// The mean mark of each model that answered nearly as many rows as the one with most.
fn model_means(rows: &[Record]) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (model, label) in rows.iter().flat_map(|row| &row.labels) {
        if let Some(label) = label {
            let entry = sums.entry(model).or_default();
            *entry = (entry.0 + 1, entry.1 + label);
        }
    }
    let full = sums.values().map(|(count, _)| *count).max().unwrap_or(0);
    let kept = sums.into_iter().filter(|(_, (count, _))| count * 10 >= full * 9);
    kept.map(|(model, (count, sum))| (model.to_owned(), sum / count as f64)).collect()
}

/// The best model, and the one whose quality is nearest three quarters of it: a choice for data without prices.
fn choose_pair(rows: &[Record], file: &Path) -> Result<Vec<String>, Failure> {
    let means = model_means(rows);
    let best = means.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let pair = best.and_then(|best| {
        let off = |mean: f64| (mean - 0.75 * best.1).abs();
        let others = means.iter().filter(|(model, _)| *model != best.0);
        let cheap = others.min_by(|a, b| off(a.1).total_cmp(&off(b.1)))?;
        Some(vec![cheap.0.clone(), best.0.clone()])
    });
    pair.ok_or_else(|| Failure::Input(format!("{}: needs labels of two models", file.display())))
}

fn write_curve(out: &mut impl Write, found: &Found) -> io::Result<()> {
    writeln!(
        out,
        "{}: {} against {}, {} prompts ({} left out)\nAPGR {:.3} (0.5 is a coin){}",
        found.name,
        found.models[0],
        found.models[1],
        found.rows,
        found.left_out,
        found.curve.apgr,
        if found.assumed { "; no prices given: $0.15/$0.60 and $3/$15 assumed" } else { "" }
    )?;
    writeln!(out, "\n{:<34} {:>10} {:>9} {:>9} {:>9}", "policy", "threshold", "quality", "saving", "frontier")?;
    let line = |threshold: String, outcome: &Outcome| {
        let percent = [outcome.quality, outcome.saving, outcome.frontier_share].map(|share| share * 100.0);
        format!(
            "{:<34} {threshold:>10} {:>7.2} % {:>7.2} % {:>7.2} %",
            outcome.policy, percent[0], percent[1], percent[2]
        )
    };
    for step in found.curve.thresholds.iter().step_by(2) {
        writeln!(out, "{}", line(format!("{:.3}", step.difficulty), &step.outcome))?;
    }
    for outcome in found.curve.others.iter().filter(|one| one.policy != "random") {
        writeln!(out, "{}", line("-".to_owned(), outcome))?;
    }
    writeln!(out, "\n{:<16} {:>7} {:>8} {:>9} {:>11}", "kind", "rows", "cheap", "frontier", "difficulty")?;
    for (kind, of) in &found.curve.kinds {
        writeln!(out, "{kind:<16} {:>7} {:>8.3} {:>9.3} {:>11.3}", of.rows, of.cheap, of.frontier, of.difficulty)?;
    }
    writeln!(out)
}

/// Learns on one part, judges on the other.
fn judge(args: &ReplayArgs, prices: &Prices) -> Result<(), Failure> {
    if args.models.len() < 2 {
        return Err(Failure::Input("--models names at least a cheap model and the frontier".to_owned()));
    }
    let scorer = Scorer::builtin();
    let train = Field::new(args.models.clone(), read_all(&args.train)?);
    let test = Field::new(args.models.clone(), read_all(&args.test)?);
    let options = options_of(args);
    for (name, field) in [("--train", &train), ("--test", &test)] {
        if field.rows.is_empty() {
            let text = format!("no row of {name} has a label for every model of --models ({} rows)", field.left_out);
            return Err(Failure::Input(text));
        }
    }
    if let Some(model) = unpriced(&test, prices) {
        return Err(Failure::Input(format!("'{model}' has no price: add \"{model}\": [in, out] to --prices")));
    }
    let waiting = progress::spinner("learning and judging", args.json);
    let judged = replay::judge(&replay::learn(&train, prices, &scorer, &options), &test, prices, &scorer);
    waiting.finish_and_clear();
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &as_json(&judged, &train, &test))?;
        writeln!(out)?;
    } else {
        write_table(&mut out, &judged, &train, &test)?;
    }
    if let Some(path) = &args.html {
        let text = page::render("A cascade, learnt and judged", &[chart_of(&judged)], &parts::sections(&judged));
        std::fs::write(path, text).map_err(|error| Failure::file(path, &error))?;
    }
    Ok(())
}

/// The first model with neither a price nor a cost in the data.
pub(crate) fn unpriced<'a>(field: &'a Field, prices: &Prices) -> Option<&'a String> {
    let has_cost = |model: &String| field.rows.iter().any(|row| row.cost.get(model).is_some_and(Option::is_some));
    field.models.iter().find(|model| !prices.contains_key(*model) && !has_cost(model))
}

/// Every policy over its targets.
fn chart_of(judged: &Judged) -> Chart {
    let mut series: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for outcome in judged.outcomes.iter().filter(|outcome| outcome.target_quality.is_some()) {
        let point = (outcome.saving, outcome.quality);
        match series.iter_mut().find(|(name, _)| *name == outcome.policy) {
            Some((_, points)) => points.push(point),
            None => series.push((outcome.policy.clone(), vec![point])),
        }
    }
    Chart {
        title: "Saving against quality".to_owned(),
        note: format!("learnt on {} rows, judged on {} others", judged.trained, judged.judged),
        series,
    }
}

fn as_json(judged: &Judged, train: &Field, test: &Field) -> Value {
    let settled = judged.settled.iter().map(|(target, words)| json!({"target_quality": target, "policy": words}));
    json!({
        "results": judged.outcomes,
        "by_kind": judged.by_kind,
        "asked": judged.asked,
        "settled": settled.collect::<Vec<_>>(),
        "train_rows": judged.trained,
        "test_rows": judged.judged,
        "unlike_rows": judged.unlike,
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
    parts::write(out, judged)?;
    if judged.unlike > 0 {
        let share = judged.unlike as f64 / judged.judged.max(1) as f64 * 100.0;
        writeln!(out, "{:.1} % of the rows are unlike those learnt from: they get the static mixture", share)?;
    }
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

pub(crate) fn read_prices(path: &Path) -> Result<Prices, Failure> {
    let expected = || Failure::Input(format!("{}: expected {{\"model\": [in, out]}} in dollars", path.display()));
    let raw: BTreeMap<String, [f64; 2]> = serde_json::from_str(&read_text(path)?).map_err(|_| expected())?;
    let good = |price: &f64| price.is_finite() && *price >= 0.0;
    if raw.values().flatten().any(|price| !good(price)) {
        return Err(expected());
    }
    Ok(raw.into_iter().map(|(model, [input, output])| (model, Rate { input, output })).collect())
}
