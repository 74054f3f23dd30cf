//! `tierway demo` as a newcomer runs it: twice in one folder, without a key.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tierway-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Folder(path)
    }

    /// Runs the command here with an empty environment.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
        command.args(arguments).current_dir(&self.0).env_clear().env("HOME", &self.0);
        command.output().expect("it starts")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn figures(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

#[test]
fn it_runs_twice_in_a_folder_and_its_account_adds_up() {
    let folder = Folder::new("demo");
    for seed in ["1", "7"] {
        let found = figures(&folder.run(&["demo", "--json", "--seed", seed]));
        let account = &found["account"];
        assert!(found["requests"].as_u64() >= Some(240), "{}", found["requests"]);
        assert_eq!(account["balances_replay"], true);
        assert_eq!(account["open"], 0);
        assert!(account["balances"].as_u64() > Some(1), "the budgets keep balances");
        assert_eq!(found["vendors"]["unknown"], 0);
        check_faults_were_made_good(&found);
        check_money(&found);
        check_policy(&found);
    }
    let page = std::fs::read_to_string(folder.0.join("tierway-demo.html")).expect("the report is written");
    assert!(page.contains("The replies are simulated, the prices are real.") && page.contains("<svg"));
    let outside = ["http://", "https://", "<script", "demo-key"].into_iter().find(|mark| page.contains(mark));
    assert_eq!(outside, None, "the page holds all that it shows, and no key");
}

fn check_faults_were_made_good(found: &Value) {
    let answered = found["fates"]["answered"].as_u64().unwrap_or(0);
    let refused = found["fates"]["refused"].as_u64().unwrap_or(0);
    assert_eq!(answered + refused, found["requests"].as_u64().unwrap_or(0), "{}", found["fates"]);
    assert!(found["trouble"]["aims"]["retry"].as_u64() > Some(5), "{}", found["trouble"]);
    assert!(found["trouble"]["aims"]["fallback"].as_u64() > Some(0), "{}", found["trouble"]);
}

/// What the answers cost, with the attempts that failed, is what the ledger says was spent.
fn check_money(found: &Value) {
    let pico = |value: &Value| -> i64 {
        value.as_str().expect("money is text").parse::<tierway::Usd>().expect("it is an amount").pico()
    };
    let outcomes = found["outcomes"].as_array().expect("a list");
    let answers: i64 = outcomes.iter().filter_map(|one| one.get("answer")).map(|answer| pico(&answer["cost"])).sum();
    let (spent, failed) = (pico(&found["spent"]), pico(&found["account"]["spent_on_failures"]));
    assert!(answers <= spent && spent <= answers + failed, "{answers} and {failed} against {spent}");
    assert!(spent > 0 && spent < pico(&found["baseline"]));
}

/// Data that may not leave the European Union did not.
fn check_policy(found: &Value) {
    let workload =
        include_str!("../demo/workload.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let outcomes = found["outcomes"].as_array().expect("a list");
    let mut checked = 0;
    for row in workload {
        let labels = row["labels"].as_array().expect("a list");
        if !labels.iter().any(|label| ["customer-pii", "health", "confidential"].iter().any(|kept| label == kept)) {
            continue;
        }
        let outcome = outcomes.iter().find(|one| one["id"] == row["id"]).expect("every request has an outcome");
        if let Some(region) = outcome["answer"]["region"].as_str() {
            assert!(region == "eu" || region.starts_with("eu-"), "{} was answered in {region}", row["id"]);
            checked += 1;
        }
    }
    assert!(checked >= 30, "only {checked}");
}

#[test]
fn live_without_a_key_says_what_to_do() {
    let folder = Folder::new("live");
    let output = folder.run(&["demo", "--live", "--budget", "0.50"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no key of any vendor"), "{output:?}");
    assert_eq!(folder.run(&["demo", "--live", "--budget", "0"]).status.code(), Some(2));
    assert_eq!(folder.run(&["demo", "--budget", "1"]).status.code(), Some(2), "--budget needs --live");
}
