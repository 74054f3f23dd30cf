//! How hard is a request, and how likely is each model to be good enough at it?
//!
//! The request is read once. What counts is what the user asks: the last user turn, with the thread before it where the
//! turn says little by itself ("yes, do that"), and the material it comes with. The length of the system prompt does not.
//! The reading gives a task kind, a difficulty made of named parts, and how long an answer will be. A table of public
//! results then says how able each model family is at the skills that the kind needs, so that a new model needs a row
//! and no training. A compact encoder moves the difficulty a little by what the words foretell.
//!
//! Abilities and difficulties stand on one scale: a model is good enough with chance logistic(1.2 x (ability - place)).
//!
//! What it does not do: look at an answer (that is a check's work), learn (`learn`), or read anything but its arguments.
//! A question alone says little about which model will fail at it; `docs/benchmarks.md` has the figures.

use std::sync::Arc;

use serde::Serialize;

use crate::model::ModelCard;
use crate::policy::Needs;
use crate::request::{Effort, Request};
use crate::snapshot::Offers;

mod ability;
mod ask;
mod cues;
mod difficulty;
mod encoder;
mod gist;
mod grams;
mod kind;
mod output;
mod reading;
#[cfg(test)]
mod tests;

pub use ability::{Skill, TableError};
pub use encoder::{BadWeights, write_weights};
pub use gist::Gist;
pub use kind::TaskKind;

use ability::{Abilities, Able};
use ask::Ask;
use cues::Cues;
use encoder::Encoder;
pub(crate) use gist::GIST;
use grams::Grams;

/// Logistic slope of the common scale.
const SLOPE: f64 = 1.2;
/// Nothing is easier or harder than this on the common scale.
const PLACES: (f64, f64) = (-4.0, 6.0);

/// How a model is expected to do at a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// How likely its answer is good enough, from 0 to 1.
    pub p_good: f64,
    /// How many tokens of output it is expected to write, reasoning included.
    pub output_tokens: u64,
}

/// Reads requests: cues and abilities, parsed once. Cheap to clone.
///
/// ```
/// use tierway::{Request, policy::Needs, score::{Scorer, TaskKind}};
/// let scorer = Scorer::builtin();
/// let request = Request::user("Prove that every group of order 15 is cyclic.")?;
/// let complexity = scorer.assess(&request, &Needs::of(&request));
/// assert_eq!(complexity.kind(), TaskKind::Reasoning);
/// let greeting = Request::user("hi")?;
/// assert!(complexity.difficulty() > scorer.assess(&greeting, &Needs::of(&greeting)).difficulty());
/// # Ok::<(), tierway::RequestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scorer {
    cues: Arc<Cues>,
    abilities: Arc<Abilities>,
    encoder: Option<Encoder>,
    known: Option<Arc<Known>>,
}

/// Abilities of all that is on sale, looked up once.
#[derive(Debug)]
struct Known {
    offers: Arc<Offers>,
    rows: Vec<Able>,
    /// How able each row is at each kind of work, by kind: a decision looks at hundreds of rows, and at one kind.
    at_kind: [Vec<f64>; TaskKind::ALL.len()],
}

impl Known {
    fn new(offers: &Arc<Offers>, abilities: &Abilities) -> Known {
        let rows: Vec<Able> = offers.rows().iter().map(|row| abilities.of(row.card())).collect();
        let at_kind = TaskKind::ALL.map(|kind| rows.iter().map(|able| able.at(kind.skills())).collect());
        Known { offers: offers.clone(), rows, at_kind }
    }
}

impl Scorer {
    /// With the tables that ship with this version.
    pub fn builtin() -> Scorer {
        let abilities = Abilities::parse(ability::BENCHMARKS, ability::ABILITIES);
        Scorer {
            cues: Arc::new(Cues::builtin()),
            abilities: Arc::new(abilities.expect("the shipped tables are tested to parse")),
            encoder: Encoder::builtin(),
            known: None,
        }
    }

    /// The same with more rows of abilities, in the format of `score/data/abilities.tsv`; a row replaces the shipped one
    /// of its family.
    ///
    /// # Errors
    /// `TableError` with the line and what is wrong with it.
    pub fn with_abilities(&self, rows: &str) -> Result<Scorer, TableError> {
        let mut abilities = (*self.abilities).clone();
        abilities.add(rows)?;
        Ok(Scorer { abilities: Arc::new(abilities), known: None, ..self.clone() })
    }

    /// The same with other weights of the encoder, in the format of `score/data/encoder.bin`.
    ///
    /// # Errors
    /// `BadWeights` with what is wrong.
    pub fn with_encoder(&self, weights: &[u8]) -> Result<Scorer, BadWeights> {
        Ok(Scorer { encoder: Some(Encoder::parse(weights)?), ..self.clone() })
    }

    /// The same without an encoder, as where the feature `encoder` is off: the words of a question move nothing, and
    /// marks are learnt by kind of work alone.
    pub fn without_encoder(&self) -> Scorer {
        Scorer { encoder: None, ..self.clone() }
    }

    /// The same, ready to rate these offers: their models are looked up now, not at every decision.
    pub fn ready_for(&self, offers: &Arc<Offers>) -> Scorer {
        Scorer { known: Some(Arc::new(Known::new(offers, &self.abilities))), ..self.clone() }
    }

    /// Reads a request, in time linear in its parts and in the text of its last turns, of which a long one is read at
    /// both ends.
    pub fn assess(&self, request: &Request, needs: &Needs) -> Complexity {
        match self.encoder {
            Some(_) => self.assess_with(Some(&mut Grams::new()), request, needs),
            None => self.assess_with(None, request, needs),
        }
    }

    /// The same without its words, which cost time and only tell models apart: for requests that leave no choice of them.
    pub(crate) fn assess_signs(&self, request: &Request, needs: &Needs) -> Complexity {
        self.assess_with(None, request, needs)
    }

    fn assess_with(&self, mut grams: Option<&mut Grams>, request: &Request, needs: &Needs) -> Complexity {
        let ask = Ask::of(request, needs, &self.cues, grams.as_deref_mut());
        let judged = self.judge(&ask, grams.as_deref());
        Complexity {
            kind: judged.gist.kind(),
            place: judged.place,
            difficulty: logistic(judged.place - 1.0),
            parts: judged.parts,
            gist: judged.gist,
            output: output::words_and_tokens(&ask, judged.gist.kind(), needs),
            thinking: request.reasoning.as_ref().and_then(|ask| match ask.budget_tokens {
                Some(tokens) => Some(Thinking::Tokens(tokens)),
                None => ask.effort.map(Thinking::Effort),
            }),
            abilities: self.abilities.clone(),
            known: self.known.clone(),
        }
    }

    /// The kind and difficulty of a text of any length that stands for a whole request.
    pub fn assess_text(&self, text: &str) -> (TaskKind, f64) {
        let (gist, difficulty) = self.gist(text);
        (gist.kind(), difficulty)
    }

    /// What is learnt from of a text that stands for a whole request, and its difficulty.
    pub fn gist(&self, text: &str) -> (Gist, f64) {
        let mut grams = self.encoder.as_ref().map(|_| Grams::new());
        let ask = Ask::of_text(text, &self.cues, grams.as_mut());
        let judged = self.judge(&ask, grams.as_ref());
        (judged.gist, logistic(judged.place - 1.0))
    }

    fn judge(&self, ask: &Ask, grams: Option<&Grams>) -> Judged {
        let kind = kind::of(ask);
        let mut parts = Parts::default();
        difficulty::add_parts(ask, kind, &mut parts);
        let gist = match (&self.encoder, grams) {
            (Some(encoder), Some(grams)) => {
                let words = encoder.encode(grams.buckets());
                parts.add("words", encoder::shift(&words));
                Gist::of(kind, encoder.id(), &ask.turn.scaled(), &words)
            }
            _ => Gist::plain(kind),
        };
        Judged { gist, place: parts.sum().clamp(PLACES.0, PLACES.1), parts }
    }

    /// The buckets that the words and pairs of words of a text fall in, of 32,768, each once: what an encoder is trained
    /// on. Of a long text, both ends are read.
    pub fn buckets(&self, text: &str) -> Vec<u16> {
        let mut grams = Grams::new();
        reading::Signals::default().add_with(text, &self.cues, Some(&mut grams));
        grams.buckets().to_vec()
    }

    /// What a text is made of, as numbers for models that learn: lengths, shares of signs, and cues.
    pub fn traits(&self, text: &str) -> [f32; TRAITS] {
        reading::Signals::of(text, &self.cues).traits()
    }
}

impl Default for Scorer {
    fn default() -> Scorer {
        Scorer::builtin()
    }
}

/// How many numbers say what a text is made of.
pub const TRAITS: usize = reading::TRAITS;

/// A contribution to the difficulty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contribution {
    /// What contributes.
    pub name: &'static str,
    /// How much, on the scale of abilities: one more makes a model of even odds fail three times in four.
    pub amount: f64,
}

/// The contributions, without an allocation.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    items: [Option<Contribution>; 15],
    count: usize,
}

impl Parts {
    fn add(&mut self, name: &'static str, amount: f64) {
        if amount.abs() >= 0.005 && self.count < self.items.len() {
            self.items[self.count] = Some(Contribution { name, amount });
            self.count += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = Contribution> {
        self.items.into_iter().flatten()
    }

    fn sum(&self) -> f64 {
        self.iter().map(|part| part.amount).sum()
    }
}

/// What a question was found to be, before anything else of the request.
struct Judged {
    gist: Gist,
    place: f64,
    parts: Parts,
}

/// How much the request asks the model to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinking {
    Effort(Effort),
    Tokens(u64),
}

/// What a request was found to be. Cheap to clone; it holds no text.
#[derive(Clone, Debug)]
pub struct Complexity {
    kind: TaskKind,
    place: f64,
    difficulty: f64,
    parts: Parts,
    gist: Gist,
    output: u64,
    thinking: Option<Thinking>,
    abilities: Arc<Abilities>,
    known: Option<Arc<Known>>,
}

impl Complexity {
    /// What kind of work it is.
    pub fn kind(&self) -> TaskKind {
        self.kind
    }

    /// How hard it is, from 0 to 1: half means even odds for a model of middling ability.
    pub fn difficulty(&self) -> f64 {
        self.difficulty
    }

    /// Where it stands on the scale of abilities.
    pub fn place(&self) -> f64 {
        self.place
    }

    /// What the difficulty is made of; the amounts add up to `place` within its bounds of -4 and 6.
    pub fn parts(&self) -> Vec<Contribution> {
        self.parts.iter().collect()
    }

    /// What is learnt from when a mark comes.
    pub fn gist(&self) -> &Gist {
        &self.gist
    }

    /// Tokens of an answer of common length, without reasoning.
    pub fn expected_output(&self) -> u64 {
        self.output
    }

    /// The skills that the kind needs, with their shares.
    pub fn skills(&self) -> &'static [(Skill, f64)] {
        self.kind.skills()
    }

    /// How a model is expected to do.
    pub fn rating(&self, card: &ModelCard) -> Rating {
        let able = self.abilities.of(card);
        self.rating_at(&able, able.at(self.skills()))
    }

    /// The same for a row of these offers, without a look-up where the scorer was made ready for them.
    #[inline]
    pub(crate) fn rating_of(&self, offers: &Arc<Offers>, row: usize, card: &ModelCard) -> Rating {
        match &self.known {
            Some(known) if Arc::ptr_eq(&known.offers, offers) => {
                self.rating_at(&known.rows[row], known.at_kind[self.kind as usize][row])
            }
            _ => self.rating(card),
        }
    }

    #[inline]
    fn rating_at(&self, able: &Able, ability: f64) -> Rating {
        let p_good = logistic(SLOPE * (ability - self.place));
        let thought = output::thought(able.thinks(), self.thinking, self.difficulty());
        let said = self.output as f64 * able.words();
        // Rounds; a call of `round` for each model is a twentieth of a decision.
        Rating { p_good, output_tokens: (said + thought + 0.5) as u64 }
    }

    /// How able a model is at the skills this needs, on the common scale, and whether that is known or guessed.
    pub fn ability(&self, card: &ModelCard) -> (f64, bool) {
        let able = self.abilities.of(card);
        (able.at(self.skills()), able.is_known())
    }
}

/// The logistic function.
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
