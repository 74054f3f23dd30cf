//! The judge on made-up rows whose truth is known: what pays, what is billed, and that nothing peeks.

use std::collections::BTreeMap;

use super::*;
use crate::learn::{Promise, Seeded, Verdict};
use crate::score::Scorer;

const MODELS: [&str; 4] = ["small-a", "small-b", "middle", "big"];

/// Rows in which hard questions split the small models, who else are right and agree.
fn made_up(count: usize, seed: u64) -> Vec<Record> {
    let mut random = Seeded::new(seed);
    (0..count).map(|at| made_up_row(at, &mut random)).collect()
}

fn made_up_row(at: usize, random: &mut Seeded) -> Record {
    let hard = random.unit() < 0.4;
    let truth = random.below(1_000).to_string();
    let mut row = Record {
        id: at.to_string(),
        dataset: "made-up".to_owned(),
        prompt: Some(format!("What is number {at} of the list?")),
        ..Record::default()
    };
    for (model, right_if_hard) in MODELS.iter().zip([0.1, 0.1, 0.5, 0.95]) {
        let right = random.unit() < if hard { right_if_hard } else { 0.98 };
        let answer = if right { truth.clone() } else { random.below(1_000).to_string() };
        row.labels.insert((*model).to_owned(), Some(f64::from(answer == truth)));
        row.answers.insert((*model).to_owned(), answer.into());
        row.out_chars.insert((*model).to_owned(), Some(400.0));
    }
    row
}

fn field(rows: Vec<Record>) -> Field {
    Field::new(MODELS.map(str::to_owned).to_vec(), rows)
}

fn prices() -> Prices {
    let rates = [(0.05, 0.1), (0.05, 0.1), (0.3, 0.6), (3.0, 15.0)];
    MODELS.iter().zip(rates).map(|(model, (input, output))| ((*model).to_owned(), Rate { input, output })).collect()
}

fn run(train: Vec<Record>, test: Vec<Record>) -> Judged {
    let scorer = Scorer::builtin();
    let options = Options { effort: 1, ..Options::default() };
    judge(&learn(&field(train), &prices(), &scorer, &options), &field(test), &prices(), &scorer)
}

fn find<'a>(judged: &'a Judged, policy: &str, target: f64) -> &'a Outcome {
    let found = judged.outcomes.iter().find(|one| one.policy == policy && one.target_quality == Some(target));
    found.expect("every policy is judged at every target")
}

#[test]
fn agreement_is_worth_more_than_any_fixed_choice() {
    let judged = run(made_up(200, 1), made_up(300, 2));
    let tierway = find(&judged, "tierway", 0.98);
    let mixture = find(&judged, "static_mixture", 0.98);
    assert!(tierway.quality >= 0.97, "{tierway:?}");
    assert!(tierway.saving > mixture.saving + 0.15, "{tierway:?} {mixture:?}");
    let oracle = find(&judged, "oracle", 0.98);
    assert!(oracle.saving > tierway.saving && oracle.quality >= 1.0, "{oracle:?}");
}

#[test]
fn the_same_rows_give_the_same_result() {
    assert_eq!(run(made_up(64, 3), made_up(30, 4)), run(made_up(64, 3), made_up(30, 4)));
}

#[test]
fn labels_of_the_judged_rows_are_not_looked_at() {
    let share = |flip: bool| -> Vec<(f64, f64)> {
        let mut test = made_up(100, 6);
        if flip {
            let turn = |label: &mut Option<f64>| *label = label.map(|label| 1.0 - label);
            test.iter_mut().flat_map(|row| row.labels.values_mut()).for_each(turn);
        }
        let judged = run(made_up(64, 5), test);
        let ours = judged.outcomes.iter().filter(|one| one.policy == "tierway");
        ours.map(|one| (one.saving, one.frontier_share)).collect()
    };
    assert_eq!(share(false), share(true));
}

#[test]
fn few_rows_or_no_answers_leave_the_fixed_choices() {
    let few = run(made_up(20, 7), made_up(50, 8));
    assert!(few.settled.iter().all(|(_, words)| !words.starts_with("cascade")), "{:?}", few.settled);
    let silent = |seed| {
        let mut rows = made_up(80, seed);
        rows.iter_mut().for_each(|row| row.answers = BTreeMap::new());
        rows
    };
    let judged = run(silent(9), silent(10));
    let (tierway, mixture) = (find(&judged, "tierway", 0.95), find(&judged, "static_mixture", 0.95));
    assert!(tierway.saving > mixture.saving - 0.25, "{tierway:?} {mixture:?}");
}

#[test]
fn rows_unlike_those_learnt_from_get_the_best_mixture() {
    let mut odd = made_up(120, 21);
    // Another kind of work, at which agreement says nothing.
    let mut random = Seeded::new(22);
    for row in &mut odd {
        row.prompt =
            Some(format!("{{[({};)]}} \\frac{{x^{}}}{{7}} = ?\n```\n{}\n```", row.id, row.id, "x = 1\n".repeat(90)));
        let small = random.unit();
        for (model, right_if) in MODELS.iter().zip([0.2, 0.2, 0.5, 0.95]) {
            row.labels.insert((*model).to_owned(), Some(f64::from(u8::from(small < right_if))));
            row.answers.insert((*model).to_owned(), "7".into());
        }
    }
    let judged = run(made_up(200, 1), odd);
    assert_eq!(judged.unlike, judged.judged);
    for target in TARGETS {
        let (tierway, mixture) = (find(&judged, "tierway", target), find(&judged, "static_mixture", target));
        assert!((tierway.quality - mixture.quality).abs() < 1e-9 && (tierway.saving - mixture.saving).abs() < 1e-9);
    }
    let alike = run(made_up(200, 1), made_up(300, 2));
    assert!(alike.unlike * 10 < alike.judged, "{} of {}", alike.unlike, alike.judged);
}

#[test]
fn a_promise_is_kept_in_nineteen_of_twenty_calibrations() {
    let promise = Promise { quality: 0.95, confidence: 0.95 };
    let options = Options { effort: 1, ..Options::default() };
    let calibrate = |rows| calibrate(&field(rows), &prices(), &Scorer::builtin(), &options, promise);
    let found = calibrate(made_up(1_600, 31));
    let kept = found.kept().expect("800 calls suffice");
    assert!(kept.quality >= 0.95 && kept.saving > 0.2, "{kept:?}");
    let rehearsal = found.rehearse(1_000, 5);
    assert!(rehearsal.broken <= 0.05, "{rehearsal:?}");
    assert!(rehearsal.found > 500, "{rehearsal:?}");
    // The frontier's gain stays where the calls are few: refused, with how many more.
    let few = calibrate(made_up(130, 32));
    assert!(few.kept().is_none());
    assert!(matches!(few.verdict(), Verdict::TooFew { calls: 65, .. }), "{:?}", few.verdict());
}

#[test]
fn every_attempt_is_billed() {
    let judged = run(made_up(64, 11), made_up(60, 12));
    for outcome in &judged.outcomes {
        let asked = outcome.frontier_share;
        assert!(outcome.saving <= 1.0 - asked + 1e-9, "{outcome:?}");
    }
    let only = judged.outcomes.iter().find(|one| one.policy == "only small-a").unwrap();
    let prompt = "What is number 10 of the list?".len() as f64;
    let small = prompt * 0.05 + 400.0 * 0.1;
    let big = prompt * 3.0 + 400.0 * 15.0;
    assert!((only.saving - (1.0 - small / big)).abs() < 1e-3, "{only:?}");
}

#[test]
fn log_lines_of_one_question_become_a_row() {
    let line = |model: &str, score: f64, reply: &str| {
        let request = serde_json::json!({"model": model, "messages": [{"role": "user", "content": "2+2?"}]});
        let reply = serde_json::json!({"body": {"choices": [{"message": {"content": reply}}]}});
        serde_json::json!({"custom_id": "q1", "body": request, "response": reply, "score": score}).to_string()
    };
    let lines = [line("small-a", 0.0, "5"), line("big", 1.0, "The answer is 4.")];
    let rows: Vec<Record> = lines.iter().enumerate().map(|(at, line)| Record::parse(at + 1, line).unwrap()).collect();
    let field = Field::new(vec!["small-a".to_owned(), "big".to_owned()], rows);
    assert_eq!((field.rows.len(), field.left_out), (1, 0));
    assert_eq!(field.rows[0].label("big"), Some(1.0));
}

#[test]
fn bad_lines_say_what_is_wrong() {
    for (line, what) in [
        ("{", "no JSON"),
        ("{\"prompt\": \"a\"}", "no labels"),
        ("{\"labels\": {\"m\": 2}}", "not within 0 and 1"),
        ("{\"labels\": {\"m\": 1}, \"out_chars\": {\"m\": -4}}", "negative"),
        ("{\"labels\": [1]}", "not a labelled row"),
    ] {
        let error = Record::parse(7, line).unwrap_err();
        assert_eq!(error.line, 7);
        assert!(error.what.contains(what), "{error}");
    }
}

#[test]
fn marks_of_models_that_are_not_routed_among_count_in_learning_alone() {
    let hinted = |seed, lie: bool| {
        let mut rows = made_up(80, seed);
        for row in &mut rows {
            let mark = row.label("middle").expect("every row has it");
            row.labels.insert("elsewhere".to_owned(), Some(if lie { 1.0 - mark } else { mark }));
        }
        rows
    };
    let frozen = hinted(31, false);
    assert_eq!(run(frozen.clone(), hinted(32, false)), run(frozen.clone(), hinted(32, true)));
    assert_eq!(run(frozen, hinted(32, false)).judged, 80);
}
