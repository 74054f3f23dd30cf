//! Which kernels multiply prompts' rows: those for Hopper's tensor cores (wgmma), once they have proved themselves on this very
//! card, else those that run everywhere (mma).
//!
//! The proof (`sound`) runs the first time on a card, in a context of its own and before any weights, since a kernel that ends with an error
//! takes its context with it. The verdict is kept beside the machine code, under the sources, the card and the driver. It is
//! written down that a check begins: should one take the process with it, the next start does not try again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::card::Card;
use super::device::Device;
use super::driver::{Driver, Place};
use super::{compile, sound};
use crate::error::EngineError;

/// Names what serves, as `PromptKernels` reads it.
const VARIABLE: &str = "TIERWAY_PROMPT_KERNELS";

/// Which kernels to multiply prompts' rows with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PromptKernels {
    /// wgmma where the card has it and a check on this card passed, else mma. `TIERWAY_PROMPT_KERNELS` may say otherwise.
    #[default]
    Checked,
    /// wgmma, without a check.
    Wgmma,
    /// mma.
    Mma,
}

impl FromStr for PromptKernels {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<PromptKernels, EngineError> {
        match text {
            "" | "checked" => Ok(PromptKernels::Checked),
            "wgmma" => Ok(PromptKernels::Wgmma),
            "mma" => Ok(PromptKernels::Mma),
            _ => Err(EngineError::device(
                format!("'{text}' names no kernels for prompts"),
                "set TIERWAY_PROMPT_KERNELS to checked, wgmma or mma",
            )),
        }
    }
}

impl PromptKernels {
    /// What the environment says where nothing was asked for.
    pub(super) fn or_environment(self) -> Result<PromptKernels, EngineError> {
        match std::env::var(VARIABLE) {
            Ok(text) if self == PromptKernels::Checked => text.parse(),
            _ => Ok(self),
        }
    }
}

/// Which kernels multiply prompts' rows, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    pub(super) wgmma: bool,
    why: String,
    failed: bool,
}

impl Prompts {
    pub(super) fn wgmma(why: &str) -> Prompts {
        Prompts { wgmma: true, why: why.into(), failed: false }
    }

    pub(super) fn mma(why: impl Into<String>) -> Prompts {
        Prompts { wgmma: false, why: why.into(), failed: false }
    }

    fn fallen_back(why: impl Into<String>) -> Prompts {
        Prompts { wgmma: false, why: why.into(), failed: true }
    }

    /// `wgmma` or `mma`.
    pub fn kernels(&self) -> &'static str {
        if self.wgmma { "wgmma" } else { "mma" }
    }

    /// Why these, in one line.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What to tell the user where the faster kernels should have served and do not.
    pub fn warning(&self) -> Option<String> {
        self.failed.then(|| format!("prompts are read by the older kernels (mma), more slowly: {}", self.why))
    }

    /// An error of a GPU that could be opened before the check: the check may be its cause.
    pub(super) fn blame(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::Device { what, .. } if self.failed => {
                EngineError::device(format!("{what} ({})", self.why), "start again: the check is not repeated")
            }
            error => error,
        }
    }
}

impl fmt::Display for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kernels(), self.why)
    }
}

/// Chooses for a GPU, which is checked where that has not been done.
pub(super) fn choose(ordinal: usize, asked: PromptKernels) -> Result<Prompts, EngineError> {
    let card = Card::of(ordinal)?;
    let kept = compile::folder().map(|folder| folder.join(verdict_name(&card)));
    decide(&card.architecture, asked, kept.as_deref(), || {
        let device: Arc<dyn Device> =
            Arc::new(Driver::open(ordinal, Place::Apart, true).map_err(|error| error.to_string())?);
        sound::check(&device)
    })
}

/// Sources, card and driver: where one changes, the check is done again.
fn verdict_name(card: &Card) -> String {
    let version = card.driver_version.to_le_bytes();
    let nvrtc = compile::nvrtc_version().unwrap_or_default();
    let key = compile::sources_digest(&[card.model.as_bytes(), &version, nvrtc.as_bytes()]);
    format!("wgmma-{key:032x}.verdict")
}

fn decide(
    architecture: &str,
    asked: PromptKernels,
    kept: Option<&Path>,
    check: impl FnOnce() -> Result<(), String>,
) -> Result<Prompts, EngineError> {
    let suits = architecture == "sm_90a";
    match asked {
        PromptKernels::Mma => return Ok(Prompts::mma("asked for")),
        PromptKernels::Wgmma if suits => return Ok(Prompts::wgmma("asked for, not checked")),
        PromptKernels::Wgmma => {
            return Err(EngineError::device(
                format!("this GPU is {architecture}, and wgmma kernels run on sm_90a alone"),
                "leave TIERWAY_PROMPT_KERNELS unset",
            ));
        }
        PromptKernels::Checked if !suits => {
            return Ok(Prompts::mma(format!("{architecture}; wgmma is of compute capability 9.0")));
        }
        PromptKernels::Checked => {}
    }
    if let Some(path) = kept
        && let Ok(text) = std::fs::read_to_string(path)
    {
        return Ok(remembered(&text, path));
    }
    // A folder that cannot be written means a check at each start, no more.
    keep(kept, "started");
    let verdict = check();
    keep(kept, verdict.as_ref().map_or_else(String::as_str, |()| "passed"));
    Ok(match verdict {
        Ok(()) => Prompts::wgmma("checked on this GPU now"),
        Err(why) => Prompts::fallen_back(format!("the check of the wgmma kernels on this GPU failed: {why}")),
    })
}

fn remembered(text: &str, path: &Path) -> Prompts {
    let again = format!("remove {} to check again", path.display());
    match text.trim() {
        "passed" => Prompts::wgmma("checked on this GPU before"),
        "started" => Prompts::fallen_back(format!("a check of the wgmma kernels began and did not end; {again}")),
        why => Prompts::fallen_back(format!("the check of the wgmma kernels failed before: {why}; {again}")),
    }
}

/// Writes a verdict aside and moves it into place.
fn keep(path: Option<&Path>, text: &str) {
    let Some(path) = path else { return };
    let aside: PathBuf = path.with_extension(format!("{}.part", std::process::id()));
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&aside, text));
    let _ = written.and_then(|()| std::fs::rename(&aside, path));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("tierway-verdict-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn only_hopper_is_checked_and_either_can_be_forced() {
        let never = || -> Result<(), String> { panic!("nothing is to be checked") };
        for (architecture, asked, kernels) in [
            ("sm_80", PromptKernels::Checked, "mma"),
            ("sm_100", PromptKernels::Checked, "mma"),
            ("sm_90a", PromptKernels::Mma, "mma"),
            ("sm_90a", PromptKernels::Wgmma, "wgmma"),
        ] {
            let chosen = decide(architecture, asked, None, never).unwrap();
            assert_eq!((chosen.kernels(), chosen.warning()), (kernels, None), "{architecture} {asked:?}");
        }
        let error = decide("sm_80", PromptKernels::Wgmma, None, never).unwrap_err().to_string();
        assert!(error.contains("sm_80") && error.contains("TIERWAY_PROMPT_KERNELS"), "{error}");
        assert!("hopper".parse::<PromptKernels>().is_err());
    }

    #[test]
    fn a_check_that_passed_is_not_repeated() {
        let path = verdict("passed");
        let chosen = decide("sm_90a", PromptKernels::Checked, Some(&path), || Ok(())).unwrap();
        assert!(chosen.wgmma && chosen.warning().is_none());
        let again = decide("sm_90a", PromptKernels::Checked, Some(&path), || Err("asked twice".into())).unwrap();
        assert!(again.wgmma, "{again}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_check_that_failed_is_remembered_and_told() {
        let path = verdict("failed");
        let chosen = decide("sm_90a", PromptKernels::Checked, Some(&path), || Err("off by 3".into())).unwrap();
        assert!(!chosen.wgmma && chosen.warning().unwrap().contains("off by 3"));
        let again = decide("sm_90a", PromptKernels::Checked, Some(&path), || Ok(())).unwrap();
        assert!(!again.wgmma && again.warning().unwrap().contains("off by 3"), "{again}");
        std::fs::remove_file(path).unwrap();
    }

    /// As where the process ended within the check.
    #[test]
    fn a_check_that_never_ended_is_not_tried_again() {
        let path = verdict("ended");
        let ended = std::panic::catch_unwind(|| {
            decide("sm_90a", PromptKernels::Checked, Some(&path), || panic!("the process ends here"))
        });
        assert!(ended.is_err());
        let again = decide("sm_90a", PromptKernels::Checked, Some(&path), || Ok(())).unwrap();
        assert!(!again.wgmma && again.why().contains("did not end"), "{again}");
        std::fs::remove_file(path).unwrap();
    }
}
