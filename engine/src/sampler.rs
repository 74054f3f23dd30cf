//! Draws a token from logits: penalties, temperature, then the cuts, then a seeded draw.
//!
//! What is drawn depends on the logits, the settings, the seed and how many tokens were drawn before: nothing else.

use std::collections::HashMap;

use crate::error::EngineError;

/// How tokens are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Zero takes the likeliest; above one flattens.
    pub temperature: f32,
    /// Only so many of the likeliest; zero keeps all.
    pub top_k: usize,
    /// The fewest of the likeliest that have this probability together; one keeps all.
    pub top_p: f32,
    /// Only those with at least this share of the likeliest's probability; zero keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens that stand in prompt or answer; one changes nothing.
    /// Source: CTRL, arXiv 1909.05858, section 4.1.
    pub repetition: f32,
    /// Taken off a token's logit for each time it was drawn.
    pub frequency: f32,
    /// Taken off a token's logit if it was drawn.
    pub presence: f32,
    /// What draws begin from.
    pub seed: u64,
    /// How many of the likeliest tokens to report; `None` reports no log-probabilities.
    pub logprobs: Option<usize>,
}

impl Default for Sampling {
    /// The likeliest token.
    fn default() -> Sampling {
        Sampling {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition: 1.0,
            frequency: 0.0,
            presence: 0.0,
            seed: 0,
            logprobs: None,
        }
    }
}

impl Sampling {
    /// Checks that every setting is within its range.
    ///
    /// # Errors
    /// `Request` naming the first that is not.
    pub fn check(&self) -> Result<(), EngineError> {
        let checks = [
            (self.temperature.is_finite() && self.temperature >= 0.0, "temperature must not be negative"),
            (self.top_p > 0.0 && self.top_p <= 1.0, "top_p must be above 0, and at most 1"),
            (self.min_p >= 0.0 && self.min_p <= 1.0, "min_p must be 0 to 1"),
            (self.repetition.is_finite() && self.repetition > 0.0, "the repetition penalty must be above 0"),
            (self.frequency.is_finite() && self.presence.is_finite(), "penalties must be numbers"),
            (self.logprobs.unwrap_or(0) <= 20, "at most 20 alternatives are reported"),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, what)| Err(EngineError::request(what)))
    }
}

/// A drawn token.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability by the model, before any setting; `None` where not asked for.
    pub logprob: Option<f32>,
    /// The likeliest tokens with theirs.
    pub top: Vec<(u32, f32)>,
}

/// Draws one sequence's tokens.
#[derive(Clone, Debug)]
pub struct Sampler {
    settings: Sampling,
    in_prompt: std::collections::HashSet<u32>,
    drawn: HashMap<u32, u32>,
    count: u64,
}

impl Sampler {
    /// For an answer to `prompt`.
    pub fn new(settings: Sampling, prompt: &[u32]) -> Sampler {
        let in_prompt = if settings.repetition == 1.0 { Default::default() } else { prompt.iter().copied().collect() };
        Sampler { settings, in_prompt, drawn: HashMap::new(), count: 0 }
    }

    /// Draws from logits: `[vocabulary]`, changed in place.
    pub fn draw(&mut self, logits: &mut [f32]) -> Drawn {
        let drawn: Result<Drawn, std::convert::Infallible> = self.draw_held(logits, |_| Ok(()));
        match drawn {
            Ok(drawn) => drawn,
        }
    }

    /// The same, where `hold` takes every chance from some tokens after log-probabilities were reported.
    ///
    /// # Errors
    /// What `hold` fails with.
    pub fn draw_held<E>(
        &mut self,
        logits: &mut [f32],
        hold: impl FnOnce(&mut [f32]) -> Result<(), E>,
    ) -> Result<Drawn, E> {
        let (logprobs, top) = match self.settings.logprobs {
            Some(count) => self.report(logits, count),
            None => (None, Vec::new()),
        };
        self.punish(logits);
        hold(logits)?;
        let token = if self.settings.temperature == 0.0 { likeliest(logits) } else { self.draw_from(logits) };
        self.count += 1;
        *self.drawn.entry(token).or_default() += 1;
        Ok(Drawn { token, logprob: logprobs.map(|all| all[token as usize]), top })
    }

    fn report(&self, logits: &[f32], count: usize) -> (Option<Vec<f32>>, Vec<(u32, f32)>) {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
        let all: Vec<f32> = logits.iter().map(|logit| logit - most - sum.ln() as f32).collect();
        let top = best(&all, count);
        (Some(all), top)
    }

    fn punish(&self, logits: &mut [f32]) {
        let Sampling { repetition, frequency, presence, .. } = self.settings;
        if repetition != 1.0 {
            let seen = self.in_prompt.iter().chain(self.drawn.keys().filter(|token| !self.in_prompt.contains(token)));
            for token in seen {
                if let Some(logit) = logits.get_mut(*token as usize) {
                    *logit = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
                }
            }
        }
        for (token, count) in &self.drawn {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit -= frequency * *count as f32 + presence;
            }
        }
    }

    fn draw_from(&self, logits: &[f32]) -> u32 {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.settings;
        let keep = if top_k == 0 { logits.len() } else { top_k };
        let mut kept = best(logits, keep);
        let most = kept[0].1;
        let mut sum = 0.0f64;
        for (_, logit) in &mut kept {
            let weight = ((*logit - most) / temperature).exp();
            // No number at all: only where every logit is none.
            *logit = if weight.is_nan() { 1.0 } else { weight };
            sum += f64::from(*logit);
        }
        // The likeliest has weight one, so a share of it is a weight.
        kept.retain(|(_, weight)| *weight >= min_p && *weight > 0.0);
        let mut reached = 0.0f64;
        let enough = f64::from(top_p) * sum;
        let count = kept.iter().take_while(|(_, weight)| {
            let wanted = reached < enough;
            reached += f64::from(*weight);
            wanted
        });
        let count = count.count().max(1);
        kept.truncate(count);
        let total: f64 = kept.iter().map(|(_, weight)| f64::from(*weight)).sum();
        let mut left = self.uniform() * total;
        for (token, weight) in &kept {
            left -= f64::from(*weight);
            if left < 0.0 {
                return *token;
            }
        }
        kept[kept.len() - 1].0
    }

    /// A number from 0 up to 1, by SplitMix64 of seed and count.
    fn uniform(&self) -> f64 {
        let mut z = self.settings.seed.wrapping_add((self.count + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The likeliest token; of equal ones the first. A logit that is no number is never the likeliest.
fn likeliest(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, logit) in logits.iter().enumerate() {
        if *logit > best.1 {
            best = (token, *logit);
        }
    }
    best.0 as u32
}

/// The largest values with their places, the largest first; of equal ones the first.
fn best(values: &[f32], count: usize) -> Vec<(u32, f32)> {
    let number = |value: f32| if value.is_nan() { f32::NEG_INFINITY } else { value };
    let mut all: Vec<(u32, f32)> = values.iter().enumerate().map(|(at, value)| (at as u32, number(*value))).collect();
    let descending = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if count < all.len() {
        all.select_nth_unstable_by(count, descending);
        all.truncate(count);
    }
    all.sort_unstable_by(descending);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, -1.0, 3.0];

    /// How often each token is drawn in many draws.
    fn shares(settings: Sampling) -> Vec<f64> {
        let mut counts = vec![0.0; LOGITS.len()];
        for seed in 0..20_000 {
            let mut sampler = Sampler::new(Sampling { seed, ..settings.clone() }, &[]);
            counts[sampler.draw(&mut LOGITS.clone()).token as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn check(settings: Sampling, weights: [f64; 5]) {
        let sum: f64 = weights.iter().sum();
        for (token, (share, weight)) in shares(settings.clone()).iter().zip(weights).enumerate() {
            assert!(
                (share - weight / sum).abs() < 0.015,
                "{settings:?}: token {token} is drawn {share}, not {}",
                weight / sum
            );
            assert!(weight > 0.0 || *share == 0.0, "{settings:?}: token {token} was cut off");
        }
    }

    #[test]
    fn tokens_are_drawn_as_often_as_the_settings_say() {
        let warm = Sampling { temperature: 1.0, ..Sampling::default() };
        let weights = LOGITS.map(|logit| f64::from(logit).exp());
        check(warm.clone(), weights);
        check(Sampling { temperature: 2.0, ..warm.clone() }, LOGITS.map(|logit| f64::from(logit / 2.0).exp()));
        check(Sampling { top_k: 2, ..warm.clone() }, [0.0, 1.0, 0.0, 0.0, 1.0]);
        check(Sampling { top_p: 0.5, ..warm.clone() }, [0.0, 1.0, 0.0, 0.0, 1.0]);
        check(Sampling { top_p: 0.01, ..warm.clone() }, [0.0, 1.0, 0.0, 0.0, 0.0]);
        check(Sampling { min_p: 0.3, ..warm }, [0.0, weights[1], weights[2], 0.0, weights[4]]);
    }

    #[test]
    fn a_seed_draws_the_same_and_another_does_not() {
        let draws = |seed| {
            let mut sampler = Sampler::new(Sampling { temperature: 1.0, seed, ..Sampling::default() }, &[]);
            (0..32).map(|_| sampler.draw(&mut LOGITS.clone()).token).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn penalties_push_what_was_seen() {
        let drawn = |settings: Sampling, prompt: &[u32]| {
            let mut sampler = Sampler::new(settings, prompt);
            (0..3).map(|_| sampler.draw(&mut LOGITS.clone()).token).collect::<Vec<_>>()
        };
        assert_eq!(drawn(Sampling::default(), &[1]), [1, 1, 1], "of equal ones the first");
        assert_eq!(drawn(Sampling { presence: 1.5, ..Sampling::default() }, &[1]), [1, 4, 2]);
        assert_eq!(drawn(Sampling { frequency: 0.4, ..Sampling::default() }, &[]), [1, 4, 1]);
        assert_eq!(drawn(Sampling { repetition: 2.0, ..Sampling::default() }, &[1]), [4, 2, 1]);
    }

    #[test]
    fn log_probabilities_are_the_models_own() {
        let mut sampler = Sampler::new(Sampling { logprobs: Some(2), presence: 9.0, ..Sampling::default() }, &[]);
        let drawn = sampler.draw(&mut LOGITS.clone());
        let sum: f64 = LOGITS.iter().map(|logit| f64::from(*logit).exp()).sum();
        assert!((f64::from(drawn.logprob.unwrap()) - (3.0 - sum.ln())).abs() < 1e-6);
        assert_eq!(drawn.top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn logits_that_are_no_numbers_are_survived() {
        for temperature in [0.0, 1.0] {
            let mut sampler = Sampler::new(Sampling { temperature, ..Sampling::default() }, &[]);
            assert!(sampler.draw(&mut [f32::NAN, 1.0, f32::NAN]).token < 3);
            assert!(sampler.draw(&mut [f32::NAN; 3]).token < 3);
        }
    }
}
