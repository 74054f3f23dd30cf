//! A model against recorded outputs of a reference implementation.
//!
//! A folder holds `config.json`, weights, and `golden.safetensors`: for each prompt `pN.` its tokens, logits, hidden
//! states, routes, cached latents, and what greedy choice writes after it. Each prompt is computed in one piece, in
//! chunks, and token by token; all have to agree with the record.

use std::path::Path;
use std::sync::Arc;

use crate::backend::{Backend, Routes};
use crate::cache::PAGE;
use crate::error::EngineError;
use crate::model::{Model, Pass, Source, Span, Trace, Wanted};
use crate::weights::{Checkpoint, safetensors};

mod latents;

/// Most that a logit may differ: `f32` arithmetic in another order differs by a quarter of it.
pub const LOGITS_ERROR_MAX: f32 = 2e-4;
/// Most that a weight of a chosen expert may differ, relative to the largest there is (one or the routed scale).
pub const WEIGHTS_ERROR_MAX: f32 = 1e-4;
/// Most that hidden states and cached latents may differ, relative to the largest of them.
pub const STATES_ERROR_MAX: f32 = 1e-4;

/// How well one prompt agrees.
#[derive(Clone, Debug)]
pub struct PromptCheck {
    /// The prompt's name in the file.
    pub name: String,
    /// Its tokens.
    pub tokens: usize,
    /// Largest difference of a logit, over all ways of computing it.
    pub logits_error: f32,
    /// The largest of the recorded logits.
    pub logits_most: f32,
    /// Largest difference of a hidden state, relative to the largest.
    pub hidden_error: f32,
    /// Largest difference of a cached latent or rotary key, relative to the largest; `None` where none are recorded.
    pub cache_error: Option<f32>,
    /// Chosen experts that are recorded, and those that differ.
    pub routes: (usize, usize),
    /// Largest difference of a chosen expert's weight.
    pub weights_error: f32,
    /// Tokens of greedy choice that are recorded, and those that differ.
    pub greedy: (usize, usize),
}

impl PromptCheck {
    /// Whether everything is within its bound.
    pub fn holds(&self) -> bool {
        self.logits_error <= LOGITS_ERROR_MAX
            && self.hidden_error <= STATES_ERROR_MAX
            && self.cache_error.is_none_or(|error| error <= STATES_ERROR_MAX)
            && self.routes.1 == 0
            && self.weights_error <= WEIGHTS_ERROR_MAX
            && self.greedy.1 == 0
    }
}

/// Checks every prompt of a folder.
///
/// # Errors
/// As `Source::open` and `Source::load`; `Weight` where the record is incomplete.
pub fn check(folder: &Path, backend: Arc<dyn Backend>) -> Result<Vec<PromptCheck>, EngineError> {
    let model = Source::open(folder)?.load(backend)?;
    let golden = safetensors::open(&folder.join("golden.safetensors"))?;
    let mut names: Vec<&str> = golden.names().filter_map(|name| name.strip_suffix(".input_ids")).collect();
    names.sort_unstable();
    if names.is_empty() {
        return Err(EngineError::weight("pN.input_ids", "is missing: there is no prompt to check"));
    }
    names.into_iter().map(|name| Prompt { model: &model, golden: &golden, name }.check()).collect()
}

struct Prompt<'a> {
    model: &'a Model,
    golden: &'a Checkpoint,
    name: &'a str,
}

/// What one way of computing a prompt came to.
struct Run {
    logits: Vec<f32>,
    hidden: Vec<Vec<f32>>,
    routes: Vec<Routes>,
    greedy: Vec<u32>,
    greedy_logits: Vec<f32>,
    /// `[layers][tokens, width]`
    cached: Vec<Vec<f32>>,
}

impl Prompt<'_> {
    fn check(&self) -> Result<PromptCheck, EngineError> {
        let tokens = self.tokens("input_ids")?;
        let logits = self.floats("logits")?;
        let most = logits.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
        let mut check = PromptCheck {
            name: self.name.to_owned(),
            tokens: tokens.len(),
            logits_error: 0.0,
            logits_most: most,
            hidden_error: 0.0,
            cache_error: None,
            routes: (0, 0),
            weights_error: 0.0,
            greedy: (0, 0),
        };
        if tokens.is_empty() || tokens.iter().any(|token| *token as usize >= self.model.config().vocabulary) {
            return Err(EngineError::weight(format!("{}.input_ids", self.name), "holds no tokens of this vocabulary"));
        }
        // In one piece; in chunks that end within pages; token by token, as decoding computes them.
        let ways = [(tokens.len(), Pass::Prefill), (7, Pass::Prefill), (1, Pass::Decode)];
        for (chunk, pass) in ways {
            let run = self.run(&tokens, chunk, pass)?;
            self.compare(&run, &logits, &mut check)?;
        }
        Ok(check)
    }

    fn run(&self, tokens: &[u32], chunk: usize, pass: Pass) -> Result<Run, EngineError> {
        let wanted = self.golden.find(&format!("{}.greedy_ids", self.name)).map_or(0, crate::weights::Tensor::count);
        let pages: Vec<u32> = (0..(tokens.len() + wanted).div_ceil(PAGE) as u32).rev().collect();
        let mut cache = self.model.cache(pages.len());
        let layers = self.model.config().layers();
        let mut run = Run {
            logits: Vec::new(),
            hidden: vec![Vec::new(); layers + 1],
            routes: vec![Routes::default(); layers],
            greedy: Vec::new(),
            greedy_logits: Vec::new(),
            cached: Vec::new(),
        };
        let mut start = 0;
        for tokens in tokens.chunks(chunk) {
            let mut trace = Trace::default();
            let span = Span { tokens, start, pages: &pages, pass, wanted: Wanted::All };
            run.logits.extend(self.model.forward(&[span], &mut cache, Some(&mut trace))?);
            run.hidden.iter_mut().zip(trace.hidden).for_each(|(all, more)| all.extend(more));
            for (all, more) in run.routes.iter_mut().zip(trace.routes) {
                all.chosen = more.chosen;
                all.experts.extend(more.experts);
                all.weights.extend(more.weights);
            }
            start += tokens.len();
        }
        let rows = |layer| self.model.cached(&cache, layer, &pages, tokens.len());
        run.cached = (0..layers).map(rows).collect::<Result<_, _>>()?;
        let vocabulary = self.model.config().vocabulary;
        let mut last = run.logits[run.logits.len() - vocabulary..].to_vec();
        for at in 0..wanted {
            let token = greedy(&last);
            run.greedy.push(token);
            run.greedy_logits.append(&mut last);
            let span = Span {
                tokens: &[token],
                start: tokens.len() + at,
                pages: &pages,
                pass: Pass::Decode,
                wanted: Wanted::All,
            };
            last = self.model.forward(&[span], &mut cache, None)?;
        }
        Ok(run)
    }

    fn compare(&self, run: &Run, logits: &[f32], check: &mut PromptCheck) -> Result<(), EngineError> {
        check.logits_error = check.logits_error.max(self.difference("logits", logits, &run.logits)?);
        let hidden = self.floats("hidden_states")?;
        let computed: Vec<f32> = run.hidden.concat();
        let most = hidden.iter().fold(1.0f32, |most, value| most.max(value.abs()));
        check.hidden_error = check.hidden_error.max(self.difference("hidden_states", &hidden, &computed)? / most);
        for (layer, routes) in run.routes.iter().enumerate() {
            self.compare_routes(layer, routes, check)?;
        }
        if let Some(error) = latents::difference(self.model.config(), self.golden, self.name, &run.cached)? {
            check.cache_error = Some(check.cache_error.unwrap_or(0.0).max(error));
        }
        if !run.greedy.is_empty() {
            let ids = self.tokens("greedy_ids")?;
            let wrong = ids.iter().zip(&run.greedy).filter(|(a, b)| a != b).count();
            check.greedy = (check.greedy.0 + ids.len(), check.greedy.1 + wrong);
            if wrong == 0 && self.golden.find(&format!("{}.greedy_logits", self.name)).is_some() {
                let recorded = self.floats("greedy_logits")?;
                let error = self.difference("greedy_logits", &recorded, &run.greedy_logits)?;
                check.logits_error = check.logits_error.max(error);
            }
        }
        Ok(())
    }

    fn compare_routes(&self, layer: usize, routes: &Routes, check: &mut PromptCheck) -> Result<(), EngineError> {
        let name = format!("router.l{layer}.topk_ids");
        let recorded = self.golden.find(&format!("{}.{name}", self.name)).is_some();
        if !recorded && routes.experts.is_empty() {
            return Ok(());
        }
        let ids = self.tokens(&name)?;
        let weights = self.floats(&format!("router.l{layer}.topk_weights"))?;
        let scale = self.model.config().experts.map_or(1.0, |experts| experts.scale.abs().max(1.0));
        if ids.len() != routes.experts.len() {
            return Err(EngineError::weight(name, "does not have as many experts as the model chooses"));
        }
        // Weights that are all but equal may stand in either order: the set of experts and each one's weight count.
        let (ids, weights) = by_id(routes.chosen, &ids, &weights);
        let (ours, our_weights) = by_id(routes.chosen, &routes.experts, &routes.weights);
        let wrong = ids.iter().zip(&ours).filter(|(a, b)| a != b).count();
        check.routes = (check.routes.0 + ids.len(), check.routes.1 + wrong);
        check.weights_error = check.weights_error.max(self.difference(&name, &weights, &our_weights)? / scale);
        Ok(())
    }

    fn difference(&self, name: &str, recorded: &[f32], computed: &[f32]) -> Result<f32, EngineError> {
        largest_difference(recorded, computed).ok_or_else(|| {
            EngineError::weight(format!("{}.{name}", self.name), "does not have the size that the model computes")
        })
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, EngineError> {
        self.golden.tensor(&format!("{}.{name}", self.name)).map(crate::weights::Tensor::to_f32)
    }

    fn tokens(&self, name: &str) -> Result<Vec<u32>, EngineError> {
        let full = format!("{}.{name}", self.name);
        let whole = self.golden.tensor(&full)?.to_whole();
        let ids = whole.and_then(|ids| ids.into_iter().map(|id| u32::try_from(id).ok()).collect());
        ids.ok_or_else(|| EngineError::weight(full, "does not hold ids"))
    }
}

/// The largest difference, infinite where any is not a number; `None` where there are not as many of both.
fn largest_difference(a: &[f32], b: &[f32]) -> Option<f32> {
    let each = |(a, b): (&f32, &f32)| {
        let difference = (a - b).abs();
        if difference.is_nan() { f32::INFINITY } else { difference }
    };
    (a.len() == b.len()).then(|| a.iter().zip(b).map(each).fold(0.0, f32::max))
}

/// Each token's experts in ascending order, with their weights.
fn by_id(chosen: usize, ids: &[u32], weights: &[f32]) -> (Vec<u32>, Vec<f32>) {
    let tokens = ids.chunks(chosen.max(1)).zip(weights.chunks(chosen.max(1)));
    let sorted = tokens.flat_map(|(ids, weights)| {
        let mut pairs: Vec<(u32, f32)> = ids.iter().copied().zip(weights.iter().copied()).collect();
        pairs.sort_by_key(|(id, _)| *id);
        pairs
    });
    sorted.unzip()
}

/// The likeliest token; of equal ones the first.
fn greedy(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (at, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = at;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests;
