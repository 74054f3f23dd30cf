//! `tierway engine check DIR...`: how far a model is from recorded outputs, and whether that is within bounds.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tierway_engine::EngineError;
use tierway_engine::backend::Backend;
use tierway_engine::backend::cpu::{Fast, Reference};
use tierway_engine::check::{self, LOGITS_ERROR_MAX, PromptCheck};

use super::{Device, failure};
use crate::Failure;

/// What to check, and with what.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folders with config.json, weights and golden.safetensors.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// What computes the model.
    #[arg(long, value_enum, default_value_t = BackendName::Reference)]
    backend: BackendName,
    /// Check what a GPU computes instead: cuda, or cuda:N.
    #[arg(long, default_value_t = Device::Cpu)]
    device: Device,
    /// Write JSON, one object a prompt.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BackendName {
    /// The processor's vectors, on all cores.
    Fast,
    /// One number after the other.
    Reference,
}

impl BackendName {
    fn build(self) -> Result<Arc<dyn Backend>, EngineError> {
        Ok(match self {
            BackendName::Fast => Arc::new(Fast::from_environment(0)?),
            BackendName::Reference => Arc::new(Reference),
        })
    }
}

/// Prints a line a prompt, and fails where any is out of bounds.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let backend = match args.device {
        Device::Cpu => args.backend.build(),
        device => device.backend(0, true),
    };
    let backend = backend.map_err(|error| failure(&error))?;
    let told = backend.describe();
    if !args.json {
        writeln!(out, "backend: {told}; a logit may differ by {LOGITS_ERROR_MAX:.0e}")?;
    }
    let mut broken = 0;
    for folder in &args.folders {
        let prompts = check::check(folder, backend.clone()).map_err(|error| failure(&error))?;
        for prompt in &prompts {
            match args.json {
                true => writeln!(out, "{}", as_json(&told, folder, prompt))?,
                false => print(&mut out, folder, prompt)?,
            }
        }
        broken += prompts.iter().filter(|prompt| !prompt.holds()).count();
    }
    match broken {
        0 => Ok(()),
        some => Err(Failure::Failed(format!("{some} prompts are out of bounds"))),
    }
}

fn as_json(backend: &str, folder: &Path, check: &PromptCheck) -> serde_json::Value {
    let equal = |(all, wrong): (usize, usize)| serde_json::json!({"recorded": all, "differ": wrong});
    serde_json::json!({
        "backend": backend,
        "folder": folder,
        "prompt": check.name,
        "holds": check.holds(),
        "tokens": check.tokens,
        "logits_error": check.logits_error,
        "logits_most": check.logits_most,
        "routes": equal(check.routes),
        "weights_error": check.weights_error,
        "greedy": equal(check.greedy),
        "hidden_error": check.hidden_error,
        "cache_error": check.cache_error,
    })
}

fn print(out: &mut impl Write, folder: &Path, check: &PromptCheck) -> io::Result<()> {
    let equal = |(all, wrong): (usize, usize)| match wrong {
        0 => format!("equal ({all})"),
        some => format!("{some} of {all} differ"),
    };
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
    let cache = check.cache_error.map_or("not recorded".to_owned(), |error| format!("{error:.1e}"));
    writeln!(
        out,
        "{} {name} {}: {} tokens; max logits error {:.2e} (|logit| to {:.1}); routed ids {}; route weights error {:.1e}; \
         greedy {}; hidden error {:.1e}; cache error {cache}",
        if check.holds() { "ok  " } else { "FAIL" },
        check.name,
        check.tokens,
        check.logits_error,
        check.logits_most,
        equal(check.routes),
        check.weights_error,
        equal(check.greedy),
        check.hidden_error,
    )
}
