//! `tierway replay --margins N`: is what is learnt ever worse than a fixed choice at the same cost? Each file is one set; N
//! cuts of each are learnt and judged in both directions, with given models and prices, or with some chosen by rule.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use tierway::replay::{self, Field, Margin, Options, Prices, Rate, Record};
use tierway::score::Scorer;

use super::halves::{CUTS_MAX, both_ways};
use super::{ReplayArgs, model_means, options_of, read_all, unpriced};
use crate::{Failure, progress};

/// Most rows of a set, evenly taken.
const ROWS_MAX: usize = 1_600;
/// Models of a set, from the worst to the best, where none are named.
const MODELS: usize = 5;
/// By how much prices rise from the first model to the last, where none are given.
const RISES: [f64; 2] = [60.0, 3.0];
/// The last model's prices then.
const DEAREST: Rate = Rate { input: 3.0, output: 15.0 };

/// Means over the judgements of a set at a price table.
#[derive(Debug, Serialize)]
struct Line {
    set: String,
    prices: String,
    rows: usize,
    target_quality: f64,
    quality: f64,
    saving: f64,
    fixed_quality: f64,
    /// Quality less that of the fixed choice at the same cost.
    margin: f64,
    /// Its standard error over the cuts.
    error: f64,
}

/// Learns, judges and tells.
pub(super) fn run(args: &ReplayArgs, prices: &Prices) -> Result<(), Failure> {
    if !(1..=CUTS_MAX).contains(&args.margins) || args.models.len() == 1 {
        return Err(Failure::Input(format!(
            "--margins is from 1 to {CUTS_MAX}, and --models names at least a cheap model and the frontier, or is left out"
        )));
    }
    let mut lines = Vec::new();
    for file in &args.files {
        let rows = read_all(std::slice::from_ref(file))?;
        let models = if args.models.is_empty() { chosen(&rows, file)? } else { args.models.clone() };
        let all = Field::new(models, rows);
        let field = thinned(&all);
        for (name, prices) in tables(&field, prices, !args.models.is_empty()) {
            if let Some(model) = unpriced(&field, &prices) {
                let text = format!("'{model}' has no price: add \"{model}\": [in, out] to --prices");
                return Err(Failure::Input(text));
            }
            let waiting = progress::spinner(&format!("{}, {name}", file.display()), args.json);
            lines.extend(judge(file, &name, &field, &prices, args)?);
            waiting.finish_and_clear();
        }
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &serde_json::json!({ "margins": lines }))?;
        return Ok(writeln!(out)?);
    }
    Ok(write_table(&mut out, &lines)?)
}

/// One set at one price table.
fn judge(file: &Path, name: &str, field: &Field, prices: &Prices, args: &ReplayArgs) -> Result<Vec<Line>, Failure> {
    if field.rows.len() < 2 {
        return Err(Failure::Input(format!("{}: no two rows have a label for every model", file.display())));
    }
    let options: Options = options_of(args);
    let scorer = Scorer::builtin();
    let of = |train: &Field, test: &Field| {
        replay::margins(&replay::learn(train, prices, &scorer, &options), test, prices, &scorer)
    };
    let judged: Vec<Vec<Margin>> = both_ways(field, args.margins, options.seed, &of);
    let set = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let line = |(at, target): (usize, &f64)| {
        let mean = |value: fn(&Margin) -> f64| {
            replay::Mean::of(&judged.iter().map(|margins| value(&margins[at])).collect::<Vec<f64>>())
        };
        let margin = mean(|margin| margin.quality - margin.fixed_quality);
        Line {
            set: set.split('.').next().unwrap_or_default().to_owned(),
            prices: name.to_owned(),
            rows: field.rows.len(),
            target_quality: *target,
            quality: mean(|margin| margin.quality).mean,
            saving: mean(|margin| margin.saving).mean,
            fixed_quality: mean(|margin| margin.fixed_quality).mean,
            margin: margin.mean,
            error: margin.error,
        }
    };
    Ok(options.targets.iter().enumerate().map(line).collect())
}

/// The price tables to judge at: what was given, or what the data hold, or two by rule.
fn tables(field: &Field, given: &Prices, named: bool) -> Vec<(String, Prices)> {
    if named {
        return vec![("as given".to_owned(), given.clone())];
    }
    let last = (field.models.len() - 1).max(1) as f64;
    let table = |rise: f64| {
        let rate = |at: usize| {
            let part = rise.powf(at as f64 / last - 1.0);
            Rate { input: DEAREST.input * part, output: DEAREST.output * part }
        };
        field.models.iter().enumerate().map(|(at, model)| (model.clone(), rate(at))).collect()
    };
    RISES.iter().map(|rise| (format!("{rise:.0}-fold"), table(*rise))).collect()
}

/// At most so many models, evenly taken from the worst to the best of those that answered nearly all rows.
fn chosen(rows: &[Record], file: &Path) -> Result<Vec<String>, Failure> {
    let mut means = model_means(rows);
    means.sort_by(|a, b| a.1.total_cmp(&b.1));
    if means.len() < 2 {
        return Err(Failure::Input(format!("{}: needs labels of two models", file.display())));
    }
    let count = means.len().min(MODELS);
    let at = |place: usize| means[place * (means.len() - 1) / (count - 1)].0.clone();
    Ok((0..count).map(at).collect())
}

fn thinned(field: &Field) -> Field {
    let step = field.rows.len().div_ceil(ROWS_MAX).max(1);
    Field {
        models: field.models.clone(),
        rows: field.rows.iter().step_by(step).cloned().collect(),
        left_out: field.left_out,
    }
}

fn write_table(out: &mut impl Write, lines: &[Line]) -> io::Result<()> {
    writeln!(
        out,
        "{:<32} {:>9} {:>7} {:>9} {:>9} {:>9} {:>18}",
        "set, rows", "prices", "target", "quality", "saving", "fixed", "margin, points"
    )?;
    for line in lines {
        let percent = [line.target_quality, line.quality, line.saving, line.fixed_quality].map(|share| share * 100.0);
        writeln!(
            out,
            "{:<32} {:>9} {:>5.1} % {:>7.2} % {:>7.2} % {:>7.2} % {:>9.2} ± {:>6.2}",
            format!("{}, {}", line.set, line.rows),
            line.prices,
            percent[0],
            percent[1],
            percent[2],
            percent[3],
            line.margin * 100.0,
            line.error * 100.0
        )?;
    }
    let Some(worst) = lines.iter().min_by(|a, b| a.margin.total_cmp(&b.margin)) else { return Ok(()) };
    writeln!(
        out,
        "\nthe least margin is {:.2} points: {}, {}, target {:.1} %",
        worst.margin * 100.0,
        worst.set,
        worst.prices,
        worst.target_quality * 100.0
    )
}
