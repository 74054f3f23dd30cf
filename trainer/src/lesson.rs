//! What is foretold: for each question, sixteen numbers that its words shall tell.

use tierway::replay::Record;
use tierway::score::Scorer;

use crate::sets::Set;

/// How many numbers there are.
pub(crate) const TARGETS: usize = 16;

/// The sets whose licences allow weights to be made from them, with the family of their questions: knowledge, puzzles,
/// programs, mathematics.
pub const SOURCES: [(&str, usize); 7] = [
    ("mmlu_pro__mmlu_pro", 0),
    ("routellm__mmlu", 0),
    ("reasoning_gym__easy", 1),
    ("reasoning_gym__hard", 1),
    ("zeroeval__crux", 2),
    ("zeroeval__gsm", 3),
    ("zeroeval__math-l5", 3),
];
const FAMILIES: usize = 4;

/// A question: the buckets of its words, and what they shall foretell.
#[derive(Clone, Debug)]
pub struct Lesson {
    pub(crate) buckets: Vec<u16>,
    pub(crate) targets: [f32; TARGETS],
}

impl Lesson {
    /// The questions of a set, row by row; `None` where the set is none of the sources.
    ///
    /// A row's numbers are how easy it is for all models, by family; what the better of the set's pair gains on it, by
    /// family; which set it stands in; and what the better half of all models gains. Marks count as far as they differ
    /// from their model's mean in the set.
    pub fn of_set(set: &Set, scorer: &Scorer) -> Option<Vec<Lesson>> {
        let at = SOURCES.iter().position(|(name, _)| *name == set.name)?;
        let family = SOURCES[at].1;
        let means = set.means();
        let [cheap, dear] = set.pair()?;
        let gain = |row: &Record| Some(row.label(&dear)? - row.label(&cheap)?);
        let gains: Vec<f64> = set.rows.iter().filter_map(gain).collect();
        let usual = gains.iter().sum::<f64>() / gains.len().max(1) as f64;
        let lesson = |row: &Record| {
            let mut targets = [0.0; TARGETS];
            let (ease, gap) = ease_and_gap(row, &means);
            targets[family] = ease as f32;
            targets[FAMILIES + family] = gain(row).map_or(0.0, |gain| gain - usual) as f32;
            targets[2 * FAMILIES + at] = 1.0;
            targets[TARGETS - 1] = gap as f32;
            Lesson { buckets: scorer.buckets(row.prompt.as_deref().unwrap_or_default()), targets }
        };
        Some(set.rows.iter().map(lesson).collect())
    }
}

/// How much better than usual all models did, and how much more the better half of them than the other.
fn ease_and_gap(row: &Record, means: &[(&str, f64)]) -> (f64, f64) {
    let middle = means.iter().map(|(_, mean)| mean).sum::<f64>() / means.len().max(1) as f64;
    let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
    for (model, mean) in means {
        let Some(label) = row.label(model) else { continue };
        let half = usize::from(*mean >= middle);
        sums[half] += label - mean;
        counts[half] += 1.0;
    }
    let mean = |half: usize| if counts[half] > 0.0 { sums[half] / counts[half] } else { 0.0 };
    let all = counts[0] + counts[1];
    (if all > 0.0 { (sums[0] + sums[1]) / all } else { 0.0 }, mean(1) - mean(0))
}
