//! Golden folders and small models through the device's passes, run by the kernels on the CPU.

#![allow(clippy::print_stdout, reason = "tests say what they skip")]

use std::path::PathBuf;
use std::sync::Arc;

use super::verdict::Verdict;
use super::{Gpu, Options, Plan, Prompts, shim};
use crate::backend::cpu::Fast;
use crate::cache::PAGE;
use crate::check;
use crate::error::EngineError;
use crate::model::{Pass, Span, Wanted};
use crate::testing::small_model;

mod broken;
mod emulation;
mod hopper;
mod prompts;

/// `wgmma`: whether Hopper's kernels serve where they can.
fn gpu_with(exact: bool, wgmma: bool) -> Option<Gpu> {
    gpu_by(exact, wgmma, false)
}

/// `attention`: whether tensor cores compute prompts' attention, too.
fn gpu_by(exact: bool, wgmma: bool, attention: bool) -> Option<Gpu> {
    let options = Options { exact, ..Options::default() };
    Some(Gpu { device: shim::device()?, options, prompts: kernels(wgmma, attention) })
}

fn kernels(wgmma: bool, attention: bool) -> Prompts {
    let verdict = |serves| if serves { Verdict::yes("asked for") } else { Verdict::no("asked for") };
    Prompts { products: verdict(wgmma), attention: verdict(attention) }
}

const FOLDERS: [&str; 7] =
    ["v3-yarn", "v3-norope-scaling-bf16", "v3-fp8-block", "v2-lite-yarn", "qwen3-moe", "olmoe", "mixtral"];

/// Logits of bf16 weights whose errors a routing scale of 16 makes larger: activations keep 16 bits beside bf16 weights.
const SCALED_LOGITS_ERROR_MAX: f32 = 1e-3;

fn checked(folder: &str, wgmma: bool) -> Vec<check::PromptCheck> {
    let Some(data) = std::env::var_os("TIERWAY_DATA") else {
        println!("skipped: golden folder {folder} without TIERWAY_DATA (1 case)");
        return Vec::new();
    };
    let Some(gpu) = gpu_with(true, wgmma) else { return Vec::new() };
    let prompts = check::check(&PathBuf::from(data).join("engine").join(folder), Arc::new(gpu)).unwrap();
    for prompt in &prompts {
        println!("{folder} {}: logits off by {:.1e}, {:?}", prompt.name, prompt.logits_error, prompt.routes);
    }
    prompts
}

fn assert_golden(folder: &str, wgmma: bool) {
    for prompt in checked(folder, wgmma) {
        assert!(prompt.holds(), "{folder} {prompt:?}");
    }
}

/// Routes and greedy tokens are exact; logits are not within the bound of a fp32 engine.
#[test]
fn golden_v2_grouped() {
    for prompt in checked("v2-grouped-qlora", false) {
        assert_eq!((prompt.routes.1, prompt.greedy.1), (0, 0), "{prompt:?}");
        assert!(prompt.logits_error <= SCALED_LOGITS_ERROR_MAX, "{prompt:?}");
    }
}

macro_rules! golden_folders {
    ($($name:ident $at:expr),*) => {$(
        #[test]
        fn $name() {
            assert_golden(FOLDERS[$at], false);
        }
    )*};
}
golden_folders!(
    golden_v3_yarn 0, golden_v3_bf16 1, golden_v3_fp8 2, golden_v2_lite 3, golden_qwen3_moe 4, golden_olmoe 5,
    golden_mixtral 6
);

#[test]
fn a_sequence_is_the_same_whatever_its_neighbours() {
    for attention in ["latent", "grouped"] {
        let Some(gpu) = gpu_with(false, false) else { return };
        assert!(batches_agree(attention, gpu) < BF16_CACHE_MAX, "{attention}");
    }
}

/// How far logits may be from those of the processor: what a bf16 cache and prompts in bf16 make.
const BF16_CACHE_MAX: f32 = 0.1;

/// Prompt and steps of several sequences, batched and alone: the same numbers. How far they are from the processor's in `f32`.
fn batches_agree(attention: &str, gpu: Gpu) -> f32 {
    let model = small_model(attention).load(Arc::new(gpu)).unwrap();
    let reference = small_model(attention).load(Arc::new(Fast::new(1))).unwrap();
    let prompts: Vec<Vec<u32>> = (0..3).map(|p| (0..20 + 150 * p).map(|at| (at * 7 + p) % 96).collect()).collect();
    let pages: Vec<Vec<u32>> = (0..3).map(|p| (22 * p..22 * (p + 1)).rev().collect()).collect();
    let run = |model: &crate::model::Model, batches: &[&[usize]]| {
        let mut cache = model.cache(66);
        let mut last = vec![Vec::new(); 3];
        for batch in batches {
            for p in *batch {
                let (tokens, pages) = (&prompts[*p], &pages[*p]);
                let span = Span { tokens, start: 0, pages, pass: Pass::Prefill, wanted: Wanted::Last };
                model.forward(&[span], &mut cache, None).unwrap();
            }
            let step = |p: &usize| Span {
                tokens: &prompts[*p][..1],
                start: prompts[*p].len(),
                pages: &pages[*p],
                pass: Pass::Decode,
                wanted: Wanted::Last,
            };
            let spans: Vec<Span<'_>> = batch.iter().map(step).collect();
            let logits = model.forward(&spans, &mut cache, None).unwrap();
            for (p, logits) in batch.iter().zip(logits.chunks(96)) {
                last[*p] = logits.to_vec();
            }
        }
        last
    };
    let together = run(&model, &[&[0, 1, 2]]);
    assert_eq!(together, run(&model, &[&[2], &[1], &[0]]), "{attention}");
    let expected = run(&reference, &[&[0, 1, 2]]);
    assert!(model.usage().load(1).iter().sum::<u64>() > 0, "usage of experts is counted");
    assert!(together.concat().iter().all(|logit| logit.is_finite()), "{attention}");
    expected.concat().iter().zip(&together.concat()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn what_does_not_fit_is_refused_before_loading() {
    let Some(device) = shim::with_memory(100_000) else { return };
    let gpu = Gpu { device, options: Options::default(), prompts: kernels(false, false) };
    let error = small_model("latent").load(Arc::new(gpu)).unwrap_err();
    assert!(matches!(error, EngineError::NoMemory { free: 100_000, .. }), "{error}");
}

/// V2-Lite on a card of 80 GB: 31 GB of bf16 weights, 1.1 kB of cache a layer and token.
#[test]
fn the_plan_counts_what_the_paper_says() {
    let config = crate::config::ModelConfig::from_json(include_str!("../../scripts/v2-lite.json")).unwrap();
    let plan = Plan::of(&config, 0, &Options { cache_tokens: 16_384, ..Options::default() });
    assert_eq!(plan.cache, (16_384 + PAGE) * 31_104);
    assert!(plan.activations < 4 << 30, "{plan:?}");
    assert!(plan.check(80 << 30).is_ok());
}
