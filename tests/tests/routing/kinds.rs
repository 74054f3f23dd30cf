//! Which kind of work each question is taken for, beside what its set says.
//!
//! The sets label four kinds. The other seven have no public labels here, so their rows show only what is taken for them.

use std::collections::BTreeMap;

use tierway::score::{Scorer, TaskKind};

use super::sets::sets;

/// What a set's own name for its work means here; `None` where it is no one kind (MMLU-Pro mixes mathematics, law and
/// physics; Winogrande is a choice of words).
fn labelled(task: &str) -> Option<TaskKind> {
    match task {
        "math" | "math_hard" | "reasoning_algebra" | "reasoning_arithmetic" | "reasoning_geometry" => {
            Some(TaskKind::Mathematics)
        }
        "code" | "code_reasoning" | "reasoning_code" => Some(TaskKind::Code),
        "knowledge_mc" => Some(TaskKind::Knowledge),
        "knowledge_mc_hard" | "commonsense" => None,
        task if task.starts_with("reasoning_") => Some(TaskKind::Reasoning),
        _ => None,
    }
}

#[test]
fn kinds_beside_the_sets_own_labels() {
    let Some(sets) = sets() else { return };
    let scorer = Scorer::builtin();
    let mut table: BTreeMap<String, BTreeMap<TaskKind, usize>> = BTreeMap::new();
    let (mut right, mut all) = (0, 0);
    let mut by_kind: BTreeMap<TaskKind, (usize, usize)> = BTreeMap::new();
    for set in &sets {
        for row in set.some(1_000) {
            let (kind, _) = scorer.assess_text(row.prompt.as_deref().unwrap());
            let name = format!("{} {}", set.name.split("__").next().unwrap(), row.task);
            *table.entry(name).or_default().entry(kind).or_default() += 1;
            if let Some(wanted) = labelled(&row.task) {
                let line = by_kind.entry(wanted).or_default();
                *line = (line.0 + usize::from(kind == wanted), line.1 + 1);
                (right, all) = (right + usize::from(kind == wanted), all + 1);
            }
        }
    }
    println!("\nkinds: set and task, then what its questions were taken for");
    for (name, kinds) in &table {
        let mut kinds: Vec<(&TaskKind, &usize)> = kinds.iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(a.1));
        let total: usize = kinds.iter().map(|(_, count)| **count).sum();
        let share = |count: usize| 100.0 * count as f64 / total as f64;
        let words: Vec<String> =
            kinds.iter().take(5).map(|(kind, count)| format!("{kind} {:.0} %", share(**count))).collect();
        println!("  {name:<40} {total:>5}  {}", words.join(", "));
    }
    for (kind, (right, all)) in &by_kind {
        println!("  {kind:<14} right {right:>5} of {all:>5} ({:.1} %)", 100.0 * *right as f64 / *all as f64);
    }
    let share = right as f64 / all as f64;
    println!("  all of the four labelled kinds: {:.1} % of {all}", 100.0 * share);
    assert!(share > 0.78, "{share}");
}
