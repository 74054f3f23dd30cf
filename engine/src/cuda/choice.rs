//! Which kernels serve prompts: for the products of their rows those for Hopper's tensor cores (wgmma), else those that run
//! everywhere (mma); for their attention those for tensor cores (mma), else the plain ones (simt).
//!
//! The faster of both serve once they have proved themselves on this very card. The proof (`sound`) runs the first time on a
//! card, in a context of its own and before any weights, since a kernel that ends with an error takes its context with it. The
//! verdict is kept beside the machine code, under the sources, the card and the driver.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::card::Card;
use super::device::Device;
use super::driver::{Driver, Place};
use super::verdict::Verdict;
use super::{compile, sound};
use crate::error::EngineError;

/// Name what serves, as `PromptKernels` and `PromptAttention` read it.
const KERNELS: &str = "TIERWAY_PROMPT_KERNELS";
const ATTENTION: &str = "TIERWAY_PROMPT_ATTENTION";

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

/// Which kernels compute prompts' attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PromptAttention {
    /// mma where a check on this card passed, else simt; simt where all is kept in `f32`, too. `TIERWAY_PROMPT_ATTENTION` may
    /// say otherwise.
    #[default]
    Checked,
    /// mma, without a check: queries, keys, values and their weights are rounded to bf16. Heads of other sizes than its kernels
    /// have are left to simt.
    Mma,
    /// simt: in `f32`.
    Simt,
}

impl FromStr for PromptAttention {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<PromptAttention, EngineError> {
        match text {
            "" | "checked" => Ok(PromptAttention::Checked),
            "mma" => Ok(PromptAttention::Mma),
            "simt" => Ok(PromptAttention::Simt),
            _ => Err(EngineError::device(
                format!("'{text}' names no kernels for prompts' attention"),
                "set TIERWAY_PROMPT_ATTENTION to checked, mma or simt",
            )),
        }
    }
}

/// What is asked for, or what the environment says where nothing is.
fn or_environment<A: FromStr<Err = EngineError> + Default + PartialEq>(asked: A, name: &str) -> Result<A, EngineError> {
    match std::env::var(name) {
        Ok(text) if asked == A::default() => text.parse(),
        _ => Ok(asked),
    }
}

/// Which kernels serve prompts, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    /// Whether wgmma multiplies rows.
    pub(super) products: Verdict,
    /// Whether mma computes attention.
    pub(super) attention: Verdict,
}

impl Prompts {
    /// `wgmma` or `mma`: what multiplies rows.
    pub fn kernels(&self) -> &'static str {
        if self.products.serves { "wgmma" } else { "mma" }
    }

    /// Why these, in one line.
    pub fn why(&self) -> &str {
        &self.products.why
    }

    /// `mma` or `simt`: what computes attention, for heads of sizes that its kernels have.
    pub fn attention(&self) -> &'static str {
        if self.attention.serves { "mma" } else { "simt" }
    }

    /// Why these for attention, in one line.
    pub fn attention_why(&self) -> &str {
        &self.attention.why
    }

    /// What to tell the user where the faster kernels should have served and do not.
    pub fn warning(&self) -> Option<String> {
        let older = |verdict: &Verdict, what| verdict.failed.then(|| format!("{what}, more slowly: {}", verdict.why));
        let products = older(&self.products, "prompts are read by the older kernels (mma)");
        let attention = older(&self.attention, "attention of prompts is computed by the plain kernels (simt)");
        [products, attention].into_iter().flatten().reduce(|first, second| format!("{first}; {second}"))
    }

    /// An error of a GPU that could be opened before the checks: one of them may be its cause.
    pub(super) fn blame(&self, error: EngineError) -> EngineError {
        let failed = [&self.products, &self.attention].into_iter().find(|verdict| verdict.failed);
        match (error, failed) {
            (EngineError::Device { what, .. }, Some(verdict)) => {
                EngineError::device(format!("{what} ({})", verdict.why), "start again: the check is not repeated")
            }
            (error, _) => error,
        }
    }

    /// The files of kernels that are needed beside those that always are.
    pub(super) fn files(&self) -> Vec<compile::File> {
        let hopper = self.products.serves.then_some(compile::HOPPER);
        hopper.into_iter().chain(self.attention.serves.then_some(compile::PROMPTS)).collect()
    }
}

impl fmt::Display for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}), their attention by {} ({})",
            self.kernels(),
            self.why(),
            self.attention(),
            self.attention_why()
        )
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub kernels: PromptKernels,
    pub attention: PromptAttention,
    /// Whether all is kept in `f32`.
    pub exact: bool,
}

impl Asked {
    /// With what the environment says where nothing was asked for.
    pub(super) fn or_environment(self) -> Result<Asked, EngineError> {
        let kernels = or_environment(self.kernels, KERNELS)?;
        Ok(Asked { kernels, attention: or_environment(self.attention, ATTENTION)?, ..self })
    }
}

/// Chooses for a GPU, which is checked where that has not been done.
pub(super) fn choose(ordinal: usize, asked: Asked) -> Result<Prompts, EngineError> {
    let card = Card::of(ordinal)?;
    let kept = |what: &str| compile::folder().map(|folder| folder.join(verdict_name(what, &card)));
    let check = |file, check: fn(&Arc<dyn Device>) -> Result<(), String>| {
        let driver = Driver::open(ordinal, Place::Apart, &[file]).map_err(|error| error.to_string())?;
        check(&(Arc::new(driver) as Arc<dyn Device>))
    };
    // Attention first: its kernels wait for nothing, and a check that ends with a trap may spoil the next.
    let attention = attention(asked, kept("attention").as_deref(), || check(compile::PROMPTS, sound::check_attention));
    let kernels = asked.kernels;
    let products =
        products(&card.architecture, kernels, kept("wgmma").as_deref(), || check(compile::HOPPER, sound::check))?;
    Ok(Prompts { products, attention })
}

/// Sources, card and driver: where one changes, the check is done again.
fn verdict_name(what: &str, card: &Card) -> PathBuf {
    let version = card.driver_version.to_le_bytes();
    let nvrtc = compile::nvrtc_version().unwrap_or_default();
    let key = compile::sources_digest(&[card.model.as_bytes(), &version, nvrtc.as_bytes()]);
    format!("{what}-{key:032x}.verdict").into()
}

fn attention(asked: Asked, kept: Option<&Path>, check: impl FnOnce() -> Result<(), String>) -> Verdict {
    match asked.attention {
        _ if asked.exact => Verdict::no("all is kept in f32"),
        PromptAttention::Simt => Verdict::no("asked for"),
        PromptAttention::Mma => Verdict::yes("asked for, not checked"),
        PromptAttention::Checked => Verdict::checked("attention kernels", kept, check),
    }
}

fn products(
    architecture: &str,
    asked: PromptKernels,
    kept: Option<&Path>,
    check: impl FnOnce() -> Result<(), String>,
) -> Result<Verdict, EngineError> {
    let suits = architecture == "sm_90a";
    Ok(match asked {
        PromptKernels::Mma => Verdict::no("asked for"),
        PromptKernels::Wgmma if suits => Verdict::yes("asked for, not checked"),
        PromptKernels::Wgmma => {
            return Err(EngineError::device(
                format!("this GPU is {architecture}, and wgmma kernels run on sm_90a alone"),
                "leave TIERWAY_PROMPT_KERNELS unset",
            ));
        }
        PromptKernels::Checked if suits => Verdict::checked("wgmma kernels", kept, check),
        PromptKernels::Checked => Verdict::no(format!("{architecture}; wgmma is of compute capability 9.0")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> Result<(), String> {
        panic!("nothing is to be checked")
    }

    #[test]
    fn only_hopper_is_checked_and_either_can_be_forced() {
        for (architecture, asked, serves) in [
            ("sm_80", PromptKernels::Checked, false),
            ("sm_100", PromptKernels::Checked, false),
            ("sm_90a", PromptKernels::Mma, false),
            ("sm_90a", PromptKernels::Wgmma, true),
        ] {
            let chosen = products(architecture, asked, None, never).unwrap();
            assert_eq!((chosen.serves, chosen.failed), (serves, false), "{architecture} {asked:?}");
        }
        let error = products("sm_80", PromptKernels::Wgmma, None, never).unwrap_err().to_string();
        assert!(error.contains("sm_80") && error.contains("TIERWAY_PROMPT_KERNELS"), "{error}");
        assert!("hopper".parse::<PromptKernels>().is_err());
    }

    #[test]
    fn attention_is_checked_unless_it_is_forced_or_exact() {
        for (attention_asked, exact, serves) in [
            (PromptAttention::Simt, false, false),
            (PromptAttention::Mma, false, true),
            (PromptAttention::Mma, true, false),
            (PromptAttention::Checked, true, false),
        ] {
            let asked = Asked { attention: attention_asked, exact, ..Asked::default() };
            let chosen = attention(asked, None, never);
            assert_eq!((chosen.serves, chosen.failed), (serves, false), "{asked:?}");
        }
        assert!(attention(Asked::default(), None, || Ok(())).serves);
        assert!("flash".parse::<PromptAttention>().unwrap_err().to_string().contains("TIERWAY_PROMPT_ATTENTION"));
    }

    #[test]
    fn what_failed_is_told_with_its_reason() {
        let fine = Verdict::yes("checked on this GPU now");
        let failed = |why: &str| Verdict::checked("kernels", None, || Err(why.into()));
        let warning = |products: &Verdict, attention: &Verdict| {
            Prompts { products: products.clone(), attention: attention.clone() }.warning()
        };
        assert_eq!(warning(&fine, &fine), None);
        assert_eq!(warning(&Verdict::no("asked for"), &Verdict::no("asked for")), None);
        let one = warning(&fine, &failed("off by 3")).unwrap();
        assert!(one.contains("simt") && one.contains("off by 3"), "{one}");
        let both = warning(&failed("off by 4"), &failed("off by 3")).unwrap();
        assert!(both.contains("off by 4") && both.contains("off by 3"), "{both}");
        let prompts = Prompts { products: fine.clone(), attention: failed("off by 3") };
        let blamed = prompts.blame(EngineError::device("cannot open the GPU", "look")).to_string();
        assert!(blamed.contains("off by 3"), "{blamed}");
        assert!(prompts.to_string().contains("their attention by simt (the check"), "{prompts}");
    }
}
