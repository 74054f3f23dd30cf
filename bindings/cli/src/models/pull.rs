//! `tierway models pull`: brings a model onto this machine, with a bar that says how far it is.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tierway::local::pull::{Progress, PullError, PullOptions, Pulled, pull};

use crate::Failure;

/// What to pull, and to where.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// owner/name, owner/name@revision, owner/name:FILE.gguf, a model of the catalogue such as local/smollm2-135m, or an
    /// address of a repository or a GGUF file.
    name: String,
    /// The one file to take, where a repository has several models.
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// What the file's SHA-256 must be, where a plain address is pulled.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The folder that models lie in; ~/.cache/tierway/models where it is left out. Name others in TIERWAY_MODELS.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The hub; HF_ENDPOINT or https://huggingface.co where it is left out. A key is taken from HF_TOKEN.
    #[arg(long, value_name = "URL")]
    hub: Option<String>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Pulls, and says what came.
pub(super) fn run(args: PullArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut options = PullOptions::from_env().map_err(failure)?;
    options.file = args.file;
    options.sha256 = args.sha256;
    options.folder = args.folder.unwrap_or(options.folder);
    options.hub = args.hub.unwrap_or(options.hub);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bar = bar();
    let pulled = runtime.block_on(pull(&args.name, &options, &mut |progress| tell(&bar, progress)));
    bar.finish_and_clear();
    report(&pulled.map_err(failure)?, args.json, out)
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{msg:30!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn tell(bar: &ProgressBar, progress: Progress) {
    match progress {
        Progress::Total { bytes: Some(bytes), .. } => bar.set_length(bytes),
        Progress::File { name, have } => {
            bar.set_message(name);
            bar.inc(have);
        }
        Progress::Bytes(bytes) => bar.inc(bytes),
        Progress::Dropped(bytes) => bar.dec(bytes),
        Progress::Again { why } => bar.println(format!("{why}: going on from there")),
        _ => {}
    }
}

fn report(pulled: &Pulled, as_json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if as_json {
        let value = json!({"path": pulled.path, "model": pulled.model, "files": pulled.files, "bytes": pulled.bytes,
            "unchecked": pulled.unchecked, "was_there": pulled.was_there});
        writeln!(out, "{value}")?;
        return Ok(());
    }
    let verb = if pulled.was_there { "was there already" } else { "pulled" };
    writeln!(out, "{verb}: {} files, {} bytes, in {}", pulled.files, pulled.bytes, pulled.path.display())?;
    if !pulled.unchecked.is_empty() {
        let names = pulled.unchecked.join(", ");
        writeln!(io::stderr(), "nobody published a checksum of {names}: give one with --sha256")?;
    }
    writeln!(out, "ask it: tierway chat --model {} \"...\"", pulled.model)?;
    Ok(())
}

fn failure(error: PullError) -> Failure {
    let text = error.to_string();
    match error {
        PullError::Name { .. } | PullError::Choose { .. } => Failure::Input(text),
        PullError::DiskFull { .. } | PullError::File { .. } | PullError::Busy { .. } => Failure::File(text),
        _ => Failure::Failed(text),
    }
}
