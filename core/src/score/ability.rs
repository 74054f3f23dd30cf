//! How able each model family is at each skill, from public results: data, with sources.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Capability, ModelCard, Tier};
use crate::time::Timestamp;

/// What is known of public benchmarks.
pub(super) const BENCHMARKS: &str = include_str!("data/benchmarks.tsv");
/// What is known of model families.
pub(super) const ABILITIES: &str = include_str!("data/abilities.tsv");

/// How many results' worth the family's overall ability counts in each skill.
const OVERALL_WEIGHT: f64 = 0.5;
/// A family of which nothing is known is taken to be this much less able than its tier and price say.
const UNKNOWN_LOSS: f64 = 0.3;
/// When a price that is not known to end still stands: 2100.
const LATER: Timestamp = Timestamp::from_ms(4_102_444_800_000);
/// Longest family name that is looked up.
const NAME_BYTES: usize = 96;

/// Something that models are more or less able at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Skill {
    /// Facts and language.
    Knowledge,
    /// Formulas and numbers.
    Mathematics,
    /// Programs.
    Code,
    /// Thinking in steps.
    Reasoning,
}

const SKILLS: [(&str, Skill); 4] = [
    ("knowledge", Skill::Knowledge),
    ("mathematics", Skill::Mathematics),
    ("code", Skill::Code),
    ("reasoning", Skill::Reasoning),
];

/// A row of abilities that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("abilities, line {line}: {what}")]
pub struct TableError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

#[derive(Clone, Debug)]
struct Benchmark {
    skills: Vec<Skill>,
    guess: f64,
    place: f64,
    slope: f64,
}

impl Benchmark {
    /// The ability that a score shows.
    fn ability(&self, percent: f64) -> f64 {
        let share = ((percent / 100.0 - self.guess) / (1.0 - self.guess)).clamp(0.01, 0.99);
        self.place + (share / (1.0 - share)).ln() / self.slope
    }
}

/// How able a model is, on the common scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Able {
    skills: [f32; 4],
    words: f32,
    thinks: Option<f32>,
    is_known: bool,
}

impl Able {
    fn skill(&self, skill: Skill) -> f64 {
        f64::from(self.skills[skill as usize])
    }

    /// The same at work that needs these skills, with these shares.
    pub(super) fn at(&self, skills: &[(Skill, f64)]) -> f64 {
        skills.iter().map(|(skill, share)| self.skill(*skill) * share).sum()
    }

    /// How long its answers are against the common length.
    pub(super) fn words(&self) -> f64 {
        f64::from(self.words)
    }

    /// How much it thinks by itself; `None` where it does not.
    pub(super) fn thinks(&self) -> Option<f64> {
        self.thinks.map(f64::from)
    }

    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }
}

/// The table, by family.
#[derive(Clone, Debug)]
pub(super) struct Abilities {
    benchmarks: BTreeMap<String, Benchmark>,
    families: Vec<(String, Able)>,
}

impl Abilities {
    /// Parses both tables.
    pub(super) fn parse(benchmarks: &str, rows: &str) -> Result<Abilities, TableError> {
        let mut table = Abilities { benchmarks: BTreeMap::new(), families: Vec::new() };
        for (line, fields) in lines(benchmarks) {
            let (name, benchmark) = parse_benchmark(&fields).map_err(|what| TableError { line, what })?;
            table.benchmarks.insert(name, benchmark);
        }
        table.add(rows)?;
        Ok(table)
    }

    /// Adds rows; a later row of a family replaces the earlier.
    pub(super) fn add(&mut self, rows: &str) -> Result<(), TableError> {
        for (line, fields) in lines(rows) {
            let (family, able) = self.parse_family(&fields).map_err(|what| TableError { line, what })?;
            match self.families.binary_search_by(|(known, _)| known.as_str().cmp(&family)) {
                Ok(at) => self.families[at].1 = able,
                Err(at) => self.families.insert(at, (family, able)),
            }
        }
        Ok(())
    }

    fn parse_family(&self, fields: &[&str]) -> Result<(String, Able), String> {
        let [family, words, thinks, scores, ..] = fields else {
            return Err("a row is family, words, thinks and scores, with tabs between".to_owned());
        };
        let words = number(words, "words")?;
        let thinks = if *thinks == "-" { None } else { Some(number(thinks, "thinks")? as f32) };
        let mut seen: Vec<(&Benchmark, f64)> = Vec::new();
        for score in scores.split_whitespace() {
            let (name, percent) = score.split_once('=').ok_or(format!("'{score}' is not benchmark=percent"))?;
            let benchmark = self.benchmarks.get(name).ok_or(format!("'{name}' is no known benchmark"))?;
            let percent = number(percent, name)?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(format!("{name}={percent} is not within 0 and 100"));
            }
            seen.push((benchmark, benchmark.ability(percent)));
        }
        if seen.is_empty() {
            return Err(format!("'{family}' has no score: a row needs at least one"));
        }
        let overall = seen.iter().map(|(_, ability)| ability).sum::<f64>() / seen.len() as f64;
        let mut skills = [0.0f32; 4];
        for (_, skill) in SKILLS {
            let of_skill = seen.iter().filter(|(benchmark, _)| benchmark.skills.contains(&skill));
            let (count, sum) = of_skill.fold((0.0, 0.0), |(count, sum), (_, ability)| (count + 1.0, sum + ability));
            skills[skill as usize] = ((sum + OVERALL_WEIGHT * overall) / (count + OVERALL_WEIGHT)) as f32;
        }
        let mut name = [0u8; NAME_BYTES];
        let family = plain(family, &mut name).to_owned();
        Ok((family, Able { skills, words: words as f32, thinks, is_known: true }))
    }

    /// How able a model is: by its family's row, else by its tier and price.
    pub(super) fn of(&self, card: &ModelCard) -> Able {
        let mut name = [0u8; NAME_BYTES];
        let family = plain(&card.family, &mut name);
        let find = |family: &str| {
            let at = self.families.binary_search_by(|(known, _)| known.as_str().cmp(family)).ok()?;
            Some(self.families[at].1)
        };
        if let Some(able) = find(family) {
            return able;
        }
        let mut shorter = family;
        while let Some((rest, last)) = shorter.rsplit_once('-') {
            if !is_edition(last) {
                break;
            }
            if let Some(able) = find(rest) {
                return able;
            }
            shorter = rest;
        }
        prior(card)
    }
}

/// Whether a word of a name tells an edition of a model, not another model.
fn is_edition(word: &str) -> bool {
    let is_number = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        || matches!(
            word,
            "latest" | "preview" | "exp" | "instruct" | "chat" | "it" | "hf" | "fp8" | "turbo" | "beta" | "001" | "002"
        )
}

/// Lower case, with `-` for `_`, ` ` and `:`; version numbers written with `-` between two digits get their dot.
fn plain<'a>(family: &str, name: &'a mut [u8; NAME_BYTES]) -> &'a str {
    let bytes = family.as_bytes();
    let count = bytes.len().min(NAME_BYTES);
    for at in 0..count {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let single = |at: usize| digit(at) && !digit(at + 1);
        name[at] = match bytes[at].to_ascii_lowercase() {
            b'-' if at > 0
                && digit(at - 1)
                && (at < 2 || !digit(at - 2))
                && single(at + 1)
                && !follows(bytes, at + 2) =>
            {
                b'.'
            }
            b'_' | b' ' | b':' => b'-',
            lower if lower.is_ascii() => lower,
            _ => b'?',
        };
    }
    std::str::from_utf8(&name[..count]).unwrap_or_default()
}

/// Whether a size such as `b` follows: `llama-3-8b` is no version 3.8.
fn follows(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_alphabetic)
}

/// A model of which nothing is known but its tier and price.
fn prior(card: &ModelCard) -> Able {
    let by_tier = match card.tier {
        Tier::Local => 0.6,
        Tier::Economy => 1.5,
        Tier::Standard => 2.5,
        Tier::Frontier => 3.6,
    };
    let price = card.prices.expected(0, 0, 1_000_000, None, LATER).map(|usd| usd.to_f64_lossy());
    let by_price = price.filter(|usd| *usd > 0.0).map(|usd| (1.8 + 1.1 * (usd / 0.5).log10()).clamp(0.3, 4.0));
    let ability = by_price.map_or(by_tier, |by_price| 0.6 * by_tier + 0.4 * by_price) - UNKNOWN_LOSS;
    // A frontier model that can think mostly does.
    let thinks = card.tier == Tier::Frontier && card.capabilities.contains(&Capability::Reasoning);
    Able { skills: [ability as f32; 4], words: 1.0, thinks: thinks.then_some(0.5), is_known: false }
}

fn parse_benchmark(fields: &[&str]) -> Result<(String, Benchmark), String> {
    let [name, skills, guess, place, slope, _source] = fields else {
        return Err("a benchmark is name, skills, guess, place, slope and source".to_owned());
    };
    let skill = |word: &str| {
        let found = SKILLS.iter().find(|(name, _)| *name == word);
        found.map(|(_, skill)| *skill).ok_or(format!("'{word}' is no skill"))
    };
    let skills = skills.split(',').map(skill).collect::<Result<Vec<_>, _>>()?;
    let benchmark = Benchmark {
        skills,
        guess: number(guess, "guess")?,
        place: number(place, "place")?,
        slope: number(slope, "slope")?,
    };
    Ok(((*name).to_owned(), benchmark))
}

fn number(text: &str, what: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or(format!("{what} is '{}', not a number", text.chars().take(20).collect::<String>()))
}

/// Lines that hold something, with their numbers, split at tabs.
fn lines(table: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let rows = table.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    rows.map(|(at, line)| (at + 1, line.split('\t').collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_plain(name: &str, expected: &str) {
        assert_eq!(plain(name, &mut [0; NAME_BYTES]), expected);
    }

    #[test]
    fn names_are_made_alike() {
        check_plain("Claude-Sonnet-4-5", "claude-sonnet-4.5");
        check_plain("claude-3-5-haiku", "claude-3.5-haiku");
        check_plain("llama-3-8b", "llama-3-8b");
        check_plain("Llama_3.1 8B", "llama-3.1-8b");
        check_plain("claude-sonnet-4-20250514", "claude-sonnet-4-20250514");
    }

    #[test]
    fn a_bad_row_names_its_line() {
        let table = Abilities::parse(BENCHMARKS, ABILITIES).unwrap();
        for (row, what) in [
            ("new-model\t1.0", "a row is"),
            ("new-model\tmany\t-\tgpqa=50", "words is 'many'"),
            ("new-model\t1\t-\tgpqa=150", "not within"),
            ("new-model\t1\t-\tiq=150", "no known benchmark"),
            ("new-model\t1\t-\t", "no score"),
        ] {
            let error = table.clone().add(&format!("# ok\n{row}")).unwrap_err();
            assert_eq!(error.line, 2);
            assert!(error.what.contains(what), "{error}");
        }
    }

    #[test]
    fn benchmarks_agree_on_who_is_abler() {
        let table = Abilities::parse(BENCHMARKS, ABILITIES).unwrap();
        let of = |family: &str| table.families.iter().find(|(known, _)| known == family).unwrap().1;
        for (less, more) in [("llama-3.1-8b", "gpt-4o-mini"), ("gpt-4o-mini", "gpt-4o"), ("gpt-4o", "gpt-5")] {
            for (name, skill) in SKILLS {
                assert!(of(less).skill(skill) < of(more).skill(skill), "{less} {more} {name}");
            }
        }
    }
}
