//! `tierway-trainer`: trains the encoder from a data folder and writes its weights.
//!
//! `cargo run --release -p tierway-trainer -- --data FOLDER` writes the file that ships, the same bytes on every machine.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tierway::score::Scorer;
use tierway_trainer::{Lesson, SOURCES, read_sets, train};

/// Trains the score's encoder on labelled sets.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The data folder, which holds routing/*.jsonl.gz.
    #[arg(long, env = "TIERWAY_DATA")]
    data: PathBuf,
    /// Leaves a set out, by name; may be given again. To judge on it what was not learnt from it.
    #[arg(long)]
    without: Vec<String>,
    /// Where to write the weights.
    #[arg(long, default_value = "core/src/score/data/encoder.bin")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match weights(&args.data, &args.without).and_then(|weights| write(&args.out, &weights)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tierway-trainer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn weights(data: &Path, without: &[String]) -> Result<Vec<u8>, String> {
    let names: Vec<&str> = SOURCES.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = without.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("--without {unknown}: no such set; there are {}", names.join(", ")));
    }
    let sets = read_sets(data).map_err(|error| error.to_string())?;
    let scorer = Scorer::builtin();
    let mut lessons = Vec::new();
    for name in names.iter().filter(|name| !without.iter().any(|out| out == *name)) {
        let set = sets.iter().find(|set| set.name == *name);
        let found = set.and_then(|set| Lesson::of_set(set, &scorer));
        let found =
            found.ok_or_else(|| format!("the data folder has no set routing/{name}.jsonl.gz with two models"))?;
        println!("{name}: {} questions", found.len());
        lessons.extend(found);
    }
    Ok(train(&lessons.iter().collect::<Vec<_>>()))
}

fn write(out: &Path, weights: &[u8]) -> Result<(), String> {
    std::fs::write(out, weights).map_err(|error| format!("cannot write {}: {error}", out.display()))?;
    println!("{}: {} bytes", out.display(), weights.len());
    Ok(())
}
