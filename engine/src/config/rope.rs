//! Rotary position embedding: its angles, and how contexts longer than the trained one stretch them.
//!
//! Sources: RoFormer, arXiv 2104.09864; YaRN, arXiv 2309.00071, sections 3.2 to 3.4; Llama 3's stretching as published in
//! its model card's configuration.

use serde_json::Map;

use super::fields::Fields;
use crate::error::EngineError;

/// Rotary position embedding, the same in all layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// The base of the angles.
    pub theta: f64,
    /// Which values of a head turn together.
    pub pairing: Pairing,
    /// How the angles are stretched.
    pub scaling: Scaling,
    /// What cosines and sines are multiplied with.
    pub amplitude: f32,
    /// What attention scores are multiplied with besides the usual scale.
    pub softmax_factor: f32,
}

/// Which values of a head turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pairing {
    /// Neighbours: (0, 1), (2, 3), and so on.
    Interleaved,
    /// The first half with the second: (0, n/2), (1, n/2 + 1), and so on.
    HalfSplit,
}

/// How angles are stretched for contexts longer than the trained one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scaling {
    /// Not at all.
    None,
    /// All by one factor.
    Linear(f64),
    /// Slow ones by the factor, fast ones not, a ramp between.
    Yarn(Yarn),
    /// Slow ones by the factor, fast ones not, smoothly between two wavelengths.
    Llama3 {
        /// How much longer the context may be.
        factor: f64,
        /// Turns within the trained context below which an angle is slow.
        low: f64,
        /// Turns above which it is fast.
        high: f64,
        /// The trained context.
        trained: f64,
    },
    /// Each angle by a factor of its own.
    Factors(Vec<f32>),
}

/// YaRN's ramp.
#[derive(Clone, Debug, PartialEq)]
pub struct Yarn {
    /// How much longer the context may be.
    pub factor: f64,
    /// The trained context.
    pub trained: f64,
    /// Turns within the trained context above which an angle is kept.
    pub beta_fast: f64,
    /// Turns below which it is stretched in full.
    pub beta_slow: f64,
    /// Whether the ramp's ends are rounded outwards to whole angles.
    pub whole_ends: bool,
}

impl Rope {
    /// No stretching.
    pub fn plain(theta: f64, pairing: Pairing) -> Rope {
        Rope { theta, pairing, scaling: Scaling::None, amplitude: 1.0, softmax_factor: 1.0 }
    }

    /// Turns a position takes each pair by, in radians: `[rotary / 2]`.
    pub fn frequencies(&self, rotary: usize) -> Vec<f32> {
        let pairs = rotary / 2;
        let plain = (0..pairs).map(|pair| self.theta.powf(-2.0 * pair as f64 / rotary as f64));
        match &self.scaling {
            Scaling::None => plain.map(|f| f as f32).collect(),
            Scaling::Linear(factor) => plain.map(|f| (f / factor) as f32).collect(),
            Scaling::Factors(factors) => plain.zip(factors).map(|(f, by)| (f / f64::from(*by)) as f32).collect(),
            Scaling::Yarn(yarn) => {
                let (low, high) = yarn.ramp(self.theta, rotary);
                let stretch = |(pair, f): (usize, f64)| {
                    let ramp = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    (f / yarn.factor * ramp + f * (1.0 - ramp)) as f32
                };
                plain.enumerate().map(stretch).collect()
            }
            Scaling::Llama3 { factor, low, high, trained } => {
                let stretch = |f: f64| {
                    let turns = trained * f / std::f64::consts::TAU;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    (f * kept + f / factor * (1.0 - kept)) as f32
                };
                plain.map(stretch).collect()
            }
        }
    }

    pub(super) fn check(&self, rotary: usize) -> Result<(), EngineError> {
        if !rotary.is_multiple_of(2) {
            return Err(EngineError::config("qk_rope_head_dim", "must be even: values turn in pairs"));
        }
        let above = |field: &str, value: f64, least: f64| {
            let is_fine = value.is_finite() && value > least;
            if is_fine { Ok(()) } else { Err(EngineError::config(field, format!("must be a number above {least}"))) }
        };
        above("rope_theta", self.theta, 0.0)?;
        above("mscale", f64::from(self.amplitude), 0.0)?;
        above("mscale_all_dim", f64::from(self.softmax_factor), 0.0)?;
        match &self.scaling {
            Scaling::None => Ok(()),
            Scaling::Linear(factor) => above("factor", *factor, 0.0),
            Scaling::Factors(factors) if factors.len() < rotary / 2 => {
                Err(EngineError::config("rope factors", "are fewer than the angles"))
            }
            Scaling::Factors(factors) => factors.iter().try_for_each(|f| above("rope factors", f64::from(*f), 0.0)),
            Scaling::Yarn(yarn) => {
                above("rope_theta", self.theta, 1.0)?;
                above("factor", yarn.factor, 0.0)?;
                above("original_max_position_embeddings", yarn.trained, 0.0)?;
                above("beta_fast", yarn.beta_fast, 0.0)?;
                above("beta_slow", yarn.beta_slow, 0.0)
            }
            Scaling::Llama3 { factor, low, high, trained } => {
                above("factor", *factor, 0.0)?;
                above("original_max_position_embeddings", *trained, 0.0)?;
                above("low_freq_factor", *low, 0.0)?;
                above("high_freq_factor", *high, *low)
            }
        }
    }
}

impl Yarn {
    /// The pairs where the ramp begins and ends. Source: YaRN, equation 17, solved for the pair.
    fn ramp(&self, theta: f64, rotary: usize) -> (f64, f64) {
        let pair_with =
            |turns: f64| rotary as f64 * (self.trained / (turns * std::f64::consts::TAU)).ln() / (2.0 * theta.ln());
        let (low, high) = (pair_with(self.beta_fast), pair_with(self.beta_slow));
        let (low, high) = if self.whole_ends { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, high) = (low.max(0.0), high.min(rotary as f64 - 1.0));
        if low == high { (low, high + 0.001) } else { (low, high) }
    }
}

/// YaRN's attention factor: `0.1 a ln(factor) + 1`. Source: section 3.4, equation 22.
pub(super) fn mscale(factor: f64, a: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * a * factor.ln() + 1.0 }
}

/// Reads `rope_theta` and `rope_scaling`, or `rope_parameters` where both stand in one object. With `squared`, scores are
/// multiplied with the square of the factor for all dimensions, as latent attention does.
pub(super) fn from_json(
    fields: Fields<'_>,
    rotary: usize,
    pairing: Pairing,
    context_max: usize,
    squared: bool,
) -> Result<Rope, EngineError> {
    let none = Map::new();
    let object = fields.object(&["rope_scaling", "rope_parameters"])?.unwrap_or(&none);
    let scaling = Fields { own: object, defaults: &none };
    let theta = match scaling.number(&["rope_theta"])? {
        Some(theta) => theta,
        None => fields.number(&["rope_theta"])?.unwrap_or(10_000.0),
    };
    let partial = match scaling.number(&["partial_rotary_factor"])? {
        Some(part) => Some(part),
        None => fields.number(&["partial_rotary_factor"])?,
    };
    if partial.is_some_and(|part| part != 1.0) && !squared {
        return Err(EngineError::unsupported("rotary position in a part of each head"));
    }
    let mut rope = Rope::plain(theta, pairing);
    let kind = scaling.word(&["rope_type", "type"])?.unwrap_or("default");
    let factor = scaling.number(&["factor"])?;
    let needed = || factor.ok_or_else(|| EngineError::config("rope_scaling.factor", "is missing"));
    let trained = scaling.number(&["original_max_position_embeddings"])?.unwrap_or(context_max as f64);
    match kind {
        "default" => {}
        "linear" => rope.scaling = Scaling::Linear(needed()?),
        "llama3" => {
            rope.scaling = Scaling::Llama3 {
                factor: needed()?,
                low: scaling.number(&["low_freq_factor"])?.unwrap_or(1.0),
                high: scaling.number(&["high_freq_factor"])?.unwrap_or(4.0),
                trained,
            };
        }
        "yarn" => yarn_from_json(&mut rope, scaling, needed()?, trained, squared)?,
        _ => return Err(EngineError::unsupported("a rope scaling other than linear, llama3 and yarn")),
    }
    let _ = rotary;
    Ok(rope)
}

fn yarn_from_json(
    rope: &mut Rope,
    scaling: Fields<'_>,
    factor: f64,
    trained: f64,
    squared: bool,
) -> Result<(), EngineError> {
    let truncate = scaling.find(&["truncate"]).is_none() || scaling.flag(&["truncate"])?;
    rope.scaling = Scaling::Yarn(Yarn {
        factor,
        trained,
        beta_fast: scaling.number(&["beta_fast"])?.unwrap_or(32.0),
        beta_slow: scaling.number(&["beta_slow"])?.unwrap_or(1.0),
        whole_ends: truncate,
    });
    // A zero counts as absent, as in the reference implementation.
    let own = scaling.number(&["mscale"])?.filter(|a| *a != 0.0);
    let all = scaling.number(&["mscale_all_dim"])?.filter(|a| *a != 0.0);
    let amplitude = match (scaling.number(&["attention_factor"])?, own, all) {
        (Some(stated), _, _) => stated,
        (None, Some(own), Some(all)) => mscale(factor, own) / mscale(factor, all),
        _ => mscale(factor, 1.0),
    };
    rope.amplitude = amplitude as f32;
    if squared && let Some(all) = all {
        rope.softmax_factor = mscale(factor, all).powi(2) as f32;
    }
    Ok(())
}
