//! What the marks of other models tell of the rows that were learnt from.
//!
//! One mark is one noisy draw. Where the training rows also hold marks of models that are not routed among, these tell
//! whether a prompt is easy, and so how likely a mark was: what is learnt from the chances has less luck in it than what
//! is learnt from the marks. Nothing of it is needed once a policy is frozen.

use crate::learn::{Logistic, Table};

use super::record::Field;
use super::rows::Rows;

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

/// By row, then by model: the chance of a good answer, told from everything that is known afterwards by a curve that did
/// not see the row; none where there are no hints.
pub(super) fn chances(rows: &Rows) -> Option<Vec<Vec<f64>>> {
    if rows.hints.first().is_none_or(Vec::is_empty) {
        return None;
    }
    let table = afterwards(rows);
    let models = rows.frontier() + 1;
    let mut chances = vec![Vec::new(); rows.len()];
    for fold in 0..FOLDS {
        let inside: Vec<usize> = (0..rows.len()).filter(|case| case % FOLDS != fold).collect();
        let fit = |model: usize| {
            let marks: Vec<f64> = inside.iter().map(|case| rows.labels[*case][model]).collect();
            Logistic::fit(&table, &inside, &marks, PENALTY)
        };
        let curves: Vec<Logistic> = (0..models).map(fit).collect();
        for case in (fold..rows.len()).step_by(FOLDS) {
            chances[case] = curves.iter().map(|curve| curve.at(table.row(case))).collect();
        }
    }
    Some(chances)
}

/// The prompts' signs, whose answers agree, and the hints.
fn afterwards(rows: &Rows) -> Table {
    let row = |at: usize| -> Vec<f32> {
        let mut values = rows.seen[at].afterwards();
        values.extend(rows.hints[at].iter().map(|mark| *mark as f32));
        values
    };
    let mut table = Table::new(if rows.len() == 0 { 0 } else { row(0).len() });
    (0..rows.len()).for_each(|at| table.push(&row(at)));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Seeded;
    use crate::replay::{Prices, Record};
    use crate::score::Scorer;

    #[test]
    fn other_models_marks_take_luck_out_of_one() {
        let mut random = Seeded::new(17);
        let mut truth = Vec::new();
        let mut row = |at: usize| {
            let chance = if random.unit() < 0.5 { 0.9 } else { 0.3 };
            truth.push(chance);
            let mut mark = || Some(f64::from(u8::from(random.unit() < chance)));
            let others = (0..12).map(|other| (format!("other-{other}"), mark())).collect::<Vec<_>>();
            let ours = [("small".to_owned(), mark()), ("big".to_owned(), mark())];
            Record { id: at.to_string(), labels: others.into_iter().chain(ours).collect(), ..Record::default() }
        };
        let mut records: Vec<Record> = (0..400).map(&mut row).collect();
        let of = |records: Vec<Record>| {
            let field = Field::new(vec!["small".to_owned(), "big".to_owned()], records);
            Rows::of(&field, &Prices::new(), &Scorer::builtin())
        };
        let rows = of(records.clone());
        let found = chances(&rows).expect("there are hints");
        let off = |of: &[Vec<f64>]| of.iter().zip(&truth).map(|(one, two)| (one[1] - two).powi(2)).sum::<f64>() / 400.0;
        assert!(off(&found) < 0.25 * off(&rows.labels), "{} {}", off(&found), off(&rows.labels));
        records.iter_mut().for_each(|row| row.labels.retain(|model, _| !model.starts_with("other")));
        assert!(chances(&of(records)).is_none());
        assert!(chances(&of(Vec::new())).is_none());
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
