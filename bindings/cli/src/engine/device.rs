//! Where a model is computed: the processor, or a GPU where the command was built with the feature `cuda`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use clap::ValueEnum;
use tierway_engine::EngineError;
use tierway_engine::backend::Backend;
use tierway_engine::backend::cpu::Fast;

use crate::Failure;

/// `cpu`, `cuda` or `cuda:N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, as nvidia-smi counts.
    Cuda(usize),
}

/// The type of random weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RandomKind {
    /// All bf16.
    Bf16,
    /// E4M3 with a scale for each block, but for embedding, output and router.
    Fp8,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Device, String> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::Cpu),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", number)) => match number.parse() {
                Ok(number) => Ok(Device::Cuda(number)),
                Err(_) => Err(format!("'{number}' is no number of a GPU: write cuda:0")),
            },
            _ => Err(format!("'{text}' is no device: write cpu, cuda, or cuda:N")),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Device {
    /// What computes on it. `exact` keeps a GPU's activations and cache in `f32`.
    ///
    /// # Errors
    /// Where the GPU cannot be used, or the command was built without it.
    pub(crate) fn backend(self, threads: usize, exact: bool) -> Result<Arc<dyn Backend>, EngineError> {
        match self {
            Device::Cpu => Ok(Arc::new(Fast::from_environment(threads)?)),
            Device::Cuda(number) => gpu(number, exact),
        }
    }
}

#[cfg(feature = "cuda")]
fn gpu(ordinal: usize, exact: bool) -> Result<Arc<dyn Backend>, EngineError> {
    use tierway_engine::cuda::{Gpu, Options};
    let gpu = Gpu::open(Options { ordinal, exact, ..Options::default() })?;
    warn(&gpu);
    Ok(Arc::new(gpu))
}

/// Tells on standard error what a GPU's backend warns of.
#[cfg(feature = "cuda")]
#[allow(clippy::print_stderr, reason = "the command's own voice")]
fn warn(backend: &dyn Backend) {
    if let Some(warning) = backend.warning() {
        eprintln!("warning: {warning}");
    }
}

#[cfg(not(feature = "cuda"))]
fn gpu(_ordinal: usize, _exact: bool) -> Result<Arc<dyn Backend>, EngineError> {
    Err(without())
}

#[cfg(not(feature = "cuda"))]
fn without() -> EngineError {
    EngineError::Device {
        what: "this command was built without it".into(),
        next: "build it with `--features cuda`, or run on the processor with --device cpu",
    }
}

/// Times prompts' products and attention in a model's shapes by each kind of kernel, and prints a table.
#[cfg(feature = "cuda")]
pub(super) fn bench_kernels(device: Device, path: &Path, kind: RandomKind, tokens: usize) -> Result<(), Failure> {
    use std::io::Write;

    use tierway_engine::config::ModelConfig;
    use tierway_engine::cuda::{Gpu, Options, RandomWeights, duels};

    let Device::Cuda(ordinal) = device else {
        return Err(Failure::Input("--kernels measures a GPU: add --device cuda".into()));
    };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::File(format!("{}: {error}", path.display())))?;
    let failure = |error: EngineError| super::failure(&error);
    let config = ModelConfig::from_json(&text).map_err(failure)?;
    let gpu = Gpu::open(Options { ordinal, ..Options::default() }).map_err(failure)?;
    warn(&gpu);
    let weights = if kind == RandomKind::Fp8 { RandomWeights::Fp8 } else { RandomWeights::Bf16 };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}; {kind:?} weights, {tokens} tokens; microseconds and TFLOP/s", gpu.describe())?;
    writeln!(out, "{:52} {:>16} {:>16} {:>16} {:>16}", "product", "simt", "mma", "wgmma", "cuBLAS")?;
    for duel in duels(&gpu, &config, weights, tokens).map_err(failure)? {
        let cell = |seconds: Option<f64>| {
            seconds.map_or("-".into(), |s| format!("{:.0} {:6.1}", 1e6 * s, duel.operations / s / 1e12))
        };
        let [simt, mma, wgmma, library] = [duel.simt, duel.mma, duel.wgmma, duel.library].map(cell);
        let apart = duel.apart.map_or(String::new(), |apart| format!("  {apart:.1e} apart"));
        writeln!(out, "{:52} {simt:>16} {mma:>16} {wgmma:>16} {library:>16}{apart}", duel.what)?;
    }
    Ok(())
}

#[cfg(not(feature = "cuda"))]
pub(super) fn bench_kernels(_device: Device, _path: &Path, _kind: RandomKind, _tokens: usize) -> Result<(), Failure> {
    Err(super::failure(&without()))
}

/// Measures a model of random weights on a GPU, and prints a line each for the memory limit, reading and writing.
#[cfg(feature = "cuda")]
pub(super) fn bench_random(
    device: Device,
    path: &Path,
    kind: RandomKind,
    prompt: usize,
    tokens: usize,
    batch: usize,
    rounds: usize,
) -> Result<(), Failure> {
    use std::io::Write;

    use tierway_engine::config::ModelConfig;
    use tierway_engine::cuda::{Gpu, Options, RandomModel, RandomWeights, bandwidth};

    let Device::Cuda(ordinal) = device else {
        return Err(Failure::Input("--random measures a GPU: add --device cuda".into()));
    };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::File(format!("{}: {error}", path.display())))?;
    let failure = |error: EngineError| super::failure(&error);
    let config = ModelConfig::from_json(&text).map_err(failure)?;
    let (tokens, batch) = (tokens.max(2), batch.clamp(1, 256));
    let options = Options {
        ordinal,
        cache_tokens: batch * (prompt + tokens + 2),
        pass_tokens: prompt,
        sequences: batch,
        ..Options::default()
    };
    let gpu = Gpu::open(options).map_err(failure)?;
    warn(&gpu);
    let limit = bandwidth(&gpu, 1 << 31).map_err(failure)?;
    let weights = if kind == RandomKind::Fp8 { RandomWeights::Fp8 } else { RandomWeights::Bf16 };
    let model = RandomModel::new(&gpu, &config, weights).map_err(failure)?;
    let decode = model.decode(batch, prompt.max(1), tokens, limit).map_err(failure)?;
    let prefill = model.prefill(prompt.max(1), prompt.clamp(1, 4_096), rounds.max(1)).map_err(failure)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}; {kind:?} weights, prompt {prompt}, batch {batch}", gpu.describe())?;
    writeln!(out, "memory   {:9.1} GB/s measured by a copy", limit / 1e9)?;
    writeln!(out, "prefill  {prefill:9.1} tok/s")?;
    writeln!(
        out,
        "decode   {:9.1} tok/s; {:.2} GB a step; limit {:.1} tok/s; share {:.0} %",
        decode.per_second,
        decode.step_bytes / 1e9,
        decode.limit,
        100.0 * decode.per_second / decode.limit
    )?;
    Ok(())
}

#[cfg(not(feature = "cuda"))]
pub(super) fn bench_random(
    _device: Device,
    _path: &Path,
    _kind: RandomKind,
    _prompt: usize,
    _tokens: usize,
    _batch: usize,
    _rounds: usize,
) -> Result<(), Failure> {
    Err(super::failure(&without()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_written() {
        for (text, device) in [("cpu", Device::Cpu), ("cuda", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:1"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_that_says_what_to_do() {
        let error = Device::Cuda(9_999).backend(0, true).map(|_| ()).expect_err("nobody has ten thousand GPUs");
        assert!(matches!(error, EngineError::Device { .. }), "{error}");
    }
}
