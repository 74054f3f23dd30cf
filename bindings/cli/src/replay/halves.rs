//! `tierway replay --halves N`: cuts labelled rows in two at random, learns on each half and judges on the other, and tells
//! the means, since one cut is luck.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tierway::replay::{self, Field, MeanOutcome, Outcome, Prices};
use tierway::score::Scorer;

use super::{ReplayArgs, options_of, read_all, unpriced};
use crate::{Failure, progress};

/// Most cuts: each is learnt from twice.
pub(super) const CUTS_MAX: usize = 1_000;
/// Most judgements under way at a time: each holds its rows in memory.
const THREADS_MAX: usize = 2;
/// Least rows to cut in two.
const ROWS_MIN: usize = 4;

/// Cuts, learns, judges and tells.
pub(super) fn run(args: &ReplayArgs, prices: &Prices) -> Result<(), Failure> {
    if !(1..=CUTS_MAX).contains(&args.halves) || args.models.len() < 2 {
        return Err(Failure::Input(format!(
            "--halves is from 1 to {CUTS_MAX}, and --models names at least a cheap model and the frontier"
        )));
    }
    let field = Field::new(args.models.clone(), read_all(&args.files)?);
    if field.rows.len() < ROWS_MIN {
        let text = format!("too few rows have a label for every model of --models ({} do not)", field.left_out);
        return Err(Failure::Input(text));
    }
    if let Some(model) = unpriced(&field, prices) {
        return Err(Failure::Input(format!("'{model}' has no price: add \"{model}\": [in, out] to --prices")));
    }
    let waiting = progress::spinner("learning and judging by halves", args.json);
    let (scorer, options) = (Scorer::builtin(), options_of(args));
    let judge = |train: &Field, test: &Field| {
        replay::judge(&replay::learn(train, prices, &scorer, &options), test, prices, &scorer).outcomes
    };
    let judged: Vec<Vec<Outcome>> = both_ways(&field, args.halves, options.seed, &judge);
    waiting.finish_and_clear();
    let means = replay::means(&judged);
    let mut out = io::stdout().lock();
    if args.json {
        let value = json!({
            "results": means, "halves": judged.len(), "rows": field.rows.len(), "left_out": field.left_out,
        });
        serde_json::to_writer_pretty(&mut out, &value)?;
        return Ok(writeln!(out)?);
    }
    Ok(write_table(&mut out, &means, judged.len(), &field)?)
}

/// What comes of both directions of each cut, by learning on one half and judging on the other; a cut's directions stand
/// together, in the order of the cuts.
pub(super) fn both_ways<T: Clone + Default + Send>(
    field: &Field,
    cuts: usize,
    seed: u64,
    judge: &(dyn Fn(&Field, &Field) -> T + Sync),
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<T>> = Mutex::new(vec![T::default(); 2 * cuts]);
    let work = || {
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= 2 * cuts {
                return;
            }
            let [one, two] = replay::halves(field, job / 2, seed);
            let judged = if job.is_multiple_of(2) { judge(&one, &two) } else { judge(&two, &one) };
            found.lock().unwrap_or_else(PoisonError::into_inner)[job] = judged;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| {
            scope.spawn(work);
        });
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn write_table(out: &mut impl Write, means: &[MeanOutcome], judged: usize, field: &Field) -> io::Result<()> {
    writeln!(
        out,
        "{judged} halves of {} rows ({} left out), each judged by what was learnt on its other half; against always \
         asking {}\n(means, their standard errors over the cuts, and in brackets how far one half strays)",
        field.rows.len(),
        field.left_out,
        field.models.last().map_or("", String::as_str)
    )?;
    writeln!(out, "\n{:<44} {:>7} {:>24} {:>24} {:>9}", "policy", "target", "quality", "saving", "frontier")?;
    for mean in means {
        let target = mean.target_quality.map_or_else(|| "-".to_owned(), |target| format!("{:.1} %", target * 100.0));
        let share = |mean: &replay::Mean| {
            let [mean, error, scatter] = [mean.mean, mean.error, mean.scatter].map(|share| share * 100.0);
            format!("{mean:.2} ± {error:.2} ({scatter:.2}) %")
        };
        writeln!(
            out,
            "{:<44} {target:>7} {:>24} {:>24} {:>7.2} %",
            mean.policy,
            share(&mean.quality),
            share(&mean.saving),
            mean.frontier_share * 100.0
        )?;
    }
    Ok(())
}
