//! What the marks of other models tell of the rows that were learnt from.
//!
//! One mark is one noisy draw. Where the training rows also hold marks of models that are not routed among, these tell
//! whether a prompt is easy, and so how likely a mark was: what is learnt from the chances has less luck in it than what
//! is learnt from the marks. Nothing of it is needed once a policy is frozen.

use crate::learn::{Logistic, Table};

use super::record::Field;

/// Most other models that are looked at.
const MODELS_MAX: usize = 40;
/// Folds, so that no mark speaks for itself.
const FOLDS: usize = 5;
/// The curve's penalty.
const PENALTY: f64 = 50.0;

/// By row, the marks of the models that are not routed among and that every row has.
pub(super) fn hints(field: &Field) -> Vec<Vec<f64>> {
    let Some(first) = field.rows.first() else { return Vec::new() };
    let others = first.labels.keys().filter(|model| !field.models.contains(model));
    let in_all = |model: &&String| field.rows.iter().all(|row| row.label(model).is_some());
    let others: Vec<&String> = others.filter(in_all).take(MODELS_MAX).collect();
    let marks = |row: &super::Record| others.iter().filter_map(|model| row.label(model)).collect();
    field.rows.iter().map(marks).collect()
}

/// The states with the hints beside them; none where there are no hints.
pub(super) fn beside(table: &Table, hints: &[Vec<f64>]) -> Option<Table> {
    let more = hints.first().map_or(0, Vec::len);
    if more == 0 {
        return None;
    }
    let mut wider = Table::new(table.width() + more);
    for (at, hints) in hints.iter().enumerate() {
        let row: Vec<f32> = table.row(at).iter().copied().chain(hints.iter().map(|mark| *mark as f32)).collect();
        wider.push(&row);
    }
    Some(wider)
}

/// The chance of each mark, told from the state and the hints by a curve that did not see it.
pub(super) fn chances(wider: &Table, marks: &[f64]) -> Vec<f64> {
    let mut chances = vec![0.0; marks.len()];
    for fold in 0..FOLDS {
        let inside: Vec<usize> = (0..marks.len()).filter(|case| case % FOLDS != fold).collect();
        let known: Vec<f64> = inside.iter().map(|case| marks[*case]).collect();
        let curve = Logistic::fit(wider, &inside, &known, PENALTY);
        for case in (fold..marks.len()).step_by(FOLDS) {
            chances[case] = curve.at(wider.row(case));
        }
    }
    chances
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Seeded;
    use crate::replay::Record;

    #[test]
    fn other_models_marks_take_luck_out_of_one() {
        let mut random = Seeded::new(17);
        let mut table = Table::new(1);
        let (mut truth, mut marks, mut hints) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..400 {
            let chance = if random.unit() < 0.5 { 0.9 } else { 0.3 };
            let mut mark = || f64::from(u8::from(random.unit() < chance));
            marks.push(mark());
            hints.push((0..12).map(|_| mark()).collect::<Vec<f64>>());
            truth.push(chance);
            table.push(&[1.0]);
        }
        let wider = beside(&table, &hints).expect("there are hints");
        let found = chances(&wider, &marks);
        let off = |of: &[f64]| of.iter().zip(&truth).map(|(one, two)| (one - two).powi(2)).sum::<f64>() / 400.0;
        assert!(off(&found) < 0.25 * off(&marks), "{} {}", off(&found), off(&marks));
        assert!(beside(&table, &[]).is_none());
        assert!(beside(&table, &vec![Vec::new(); 400]).is_none());
    }

    #[test]
    fn only_marks_that_every_row_has_are_hints() {
        let row = |models: &[&str]| {
            let labels = models.iter().map(|model| ((*model).to_owned(), Some(1.0))).collect();
            Record { labels, ..Record::default() }
        };
        let rows = [row(&["big", "other", "rare", "small"]), row(&["big", "other", "small"])];
        let field = Field::new(vec!["small".to_owned(), "big".to_owned()], rows);
        assert_eq!(hints(&field), vec![vec![1.0], vec![1.0]]);
    }
}
