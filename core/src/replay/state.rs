//! What a cascade knows after some answers: who agrees with whom, how sure that makes the best answer, and what was asked.

use crate::score::{Scorer, TRAITS};

use super::answer::{Answer, AnswerForm};
use super::record::{Field, Record};

/// How many counts are taken of a reply: its equations, lines and numbers.
const MAKEUP: usize = 3;

/// A row, prepared once.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    answers: Vec<Answer>,
    /// `agree[a * models + b]`.
    agree: Vec<bool>,
    /// Likewise: who also writes it alike.
    alike: Vec<bool>,
    /// Logarithm of each reply's characters.
    lengths: Vec<f32>,
    /// By model: what the reply is made of.
    makeup: Vec<[f32; MAKEUP]>,
    traits: [f32; TRAITS],
}

impl Seen {
    /// Prepares every row of a field.
    pub(super) fn all(field: &Field, scorer: &Scorer) -> Vec<Seen> {
        field.rows.iter().map(|row| Seen::of(row, &field.models, scorer)).collect()
    }

    fn of(row: &Record, models: &[String], scorer: &Scorer) -> Seen {
        let answers: Vec<Answer> = models.iter().map(|model| answer_of(row, model)).collect();
        let pairs = || answers.iter().flat_map(|one| answers.iter().map(move |two| (one, two)));
        Seen {
            agree: pairs().map(|(one, two)| one.agrees(two)).collect(),
            alike: pairs().map(|(one, two)| one.is_spelt_like(two)).collect(),
            makeup: models.iter().map(|model| makeup(row.output(model).unwrap_or_default())).collect(),
            lengths: models.iter().map(|model| row.reply_chars(model).unwrap_or(0.0).ln_1p() as f32).collect(),
            traits: scorer.traits(row.prompt.as_deref().unwrap_or_default()),
            answers,
        }
    }

    /// What the prompt is made of.
    pub(super) fn traits(&self) -> &[f32] {
        &self.traits
    }

    /// All that is known once every model has answered: the prompt's signs, who agrees with whom, who said nothing, lengths.
    pub(super) fn afterwards(&self) -> Vec<f32> {
        let models = self.answers.len();
        let flag = |is: bool| f32::from(u8::from(is));
        let mut values = self.traits.to_vec();
        for one in 0..models {
            values.extend((0..one).map(|two| flag(self.agrees(one, two))));
        }
        values.extend(self.answers.iter().map(|answer| flag(answer.is_missing())));
        values.extend(&self.lengths);
        values
    }

    fn agrees(&self, one: usize, two: usize) -> bool {
        self.agree[one * self.answers.len() + two]
    }

    fn is_alike(&self, one: usize, two: usize) -> bool {
        self.alike[one * self.answers.len() + two]
    }
}

/// Logarithms of a reply's equations, lines and numbers.
fn makeup(reply: &str) -> [f32; MAKEUP] {
    let mut counts = [0u32; MAKEUP];
    let mut in_number = false;
    for byte in reply.bytes() {
        let digit = byte.is_ascii_digit();
        counts[0] += u32::from(byte == b'=');
        counts[1] += u32::from(byte == b'\n');
        counts[2] += u32::from(digit && !in_number);
        in_number = digit;
    }
    counts.map(|count| (count as f32).ln_1p())
}

/// The stated answer; else the one in the whole reply.
fn answer_of(row: &Record, model: &str) -> Answer {
    match row.answers.get(model) {
        Some(stated) => Answer::stated(stated),
        None => row.output(model).map_or(Answer::missing(), Answer::in_reply),
    }
}

/// How many values a state has after this many answers.
pub(super) fn width(asked: usize) -> usize {
    if asked == 0 { TRAITS } else { 9 + 9 + 3 + 3 + MAKEUP + 3 * asked + asked * (asked - 1) + TRAITS }
}

/// The state after `asked`, and whose answer stands. `trust` is how much each model's word counts.
pub(super) fn state(seen: &Seen, asked: &[usize], trust: &[f64]) -> (Vec<f32>, Option<usize>) {
    let mut values = Vec::with_capacity(width(asked.len()));
    if asked.is_empty() {
        values.extend(seen.traits);
        return (values, None);
    }
    let most = |models: &mut dyn Iterator<Item = usize>| {
        models.fold(None, |best: Option<usize>, model| match best {
            Some(best) if trust[best] >= trust[model] => Some(best),
            _ => Some(model),
        })
    };
    let best = most(&mut asked.iter().copied()).expect("somebody was asked");
    let groups = groups(seen, asked, trust);
    let in_top = |model: usize| groups.first().is_some_and(|top| seen.agrees(model, top.of));
    let alike = |one: usize| {
        asked.iter().filter(|two| in_top(**two) && seen.is_alike(one, **two)).map(|two| trust[*two]).sum::<f64>()
    };
    // Of those who agree, the spelling that most trust is behind.
    let spelling = asked.iter().copied().filter(|model| in_top(*model)).map(alike).fold(0.0, f64::max);
    let spelt = |model: &usize| in_top(*model) && alike(*model) >= spelling - 1e-9;
    let pick = most(&mut asked.iter().copied().filter(spelt)).unwrap_or(best);
    push_votes(&mut values, seen, asked, trust, &groups, pick);
    push_answer(&mut values, &seen.answers[pick]);
    let lengths = asked.iter().map(|model| seen.lengths[*model]);
    let last = asked[asked.len() - 1];
    values.extend([seen.lengths[pick], lengths.sum::<f32>() / asked.len() as f32, seen.lengths[last]]);
    let agreeing = groups.first().map_or(0, |top| top.count);
    let spelt_like = asked.iter().filter(|model| in_top(**model) && seen.is_alike(pick, **model)).count();
    let all: f64 = groups.iter().map(|group| group.trust).sum();
    values.extend([spelt_like as f32, (agreeing - spelt_like) as f32, (spelling / all.max(1e-9)) as f32]);
    values.extend(seen.makeup[pick]);
    values.extend(asked.iter().map(|model| seen.lengths[*model]));
    values.extend(asked.iter().map(|model| f32::from(u8::from(seen.agrees(*model, best)))));
    values.extend(asked.iter().map(|model| f32::from(u8::from(seen.answers[*model].is_missing()))));
    for (at, one) in asked.iter().enumerate() {
        values.extend(asked[..at].iter().map(|two| f32::from(u8::from(seen.agrees(*one, *two)))));
        values.extend(asked[..at].iter().map(|two| f32::from(u8::from(seen.is_alike(*one, *two)))));
    }
    values.extend(seen.traits);
    debug_assert_eq!(values.len(), width(asked.len()));
    (values, Some(pick))
}

/// Those who say the same as `of`.
struct Group {
    of: usize,
    trust: f64,
    count: usize,
}

/// The different answers, the most trusted first.
fn groups(seen: &Seen, asked: &[usize], trust: &[f64]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for model in asked.iter().copied().filter(|model| !seen.answers[*model].is_missing()) {
        match groups.iter_mut().find(|group| seen.agrees(group.of, model)) {
            Some(group) => {
                group.trust += trust[model];
                group.count += 1;
            }
            None => groups.push(Group { of: model, trust: trust[model], count: 1 }),
        }
    }
    groups.sort_by(|a, b| b.trust.total_cmp(&a.trust));
    groups
}

fn push_votes(values: &mut Vec<f32>, seen: &Seen, asked: &[usize], trust: &[f64], groups: &[Group], pick: usize) {
    let total: f64 = groups.iter().map(|group| group.trust).sum();
    let answered: usize = groups.iter().map(|group| group.count).sum();
    let top = groups.first();
    let second = groups.get(1).map_or(0.0, |group| group.trust);
    let share = top.map_or(0.0, |top| top.trust / total.max(1e-9));
    let crowd = groups.iter().map(|group| group.count).max().unwrap_or(0);
    values.extend([
        top.map_or(0.0, |top| top.trust) as f32,
        second as f32,
        share as f32,
        groups.len() as f32,
        top.map_or(0, |top| top.count) as f32,
        crowd as f32,
        answered as f32,
        f32::from(u8::from(Some(&pick) == asked.last())),
        if seen.answers[pick].is_missing() { -1.0 } else { trust[pick] as f32 },
    ]);
}

fn push_answer(values: &mut Vec<f32>, answer: &Answer) {
    let forms = [
        AnswerForm::Missing,
        AnswerForm::Number,
        AnswerForm::Choice,
        AnswerForm::Expression,
        AnswerForm::Json,
        AnswerForm::Text,
    ];
    values.extend(forms.map(|form| f32::from(u8::from(answer.form() == form))));
    let number = answer.number();
    values.extend([
        (answer.chars() as f32).ln_1p(),
        number.map_or(-1.0, |number| number.abs().ln_1p() as f32),
        f32::from(u8::from(number.is_some_and(|number| number.fract() == 0.0))),
    ]);
}
