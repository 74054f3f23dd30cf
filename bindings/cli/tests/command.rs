//! What holds of every subcommand: JSON where it prints anything else, completions, no colour in a pipe, failures as JSON.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::Value;

/// What prints JSON anyhow, or what is for a shell and nobody else.
const WITHOUT: [&str; 4] = ["schema", "wire decode", "wire request", "completions"];

fn tierway(words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    command.args(words).current_dir(std::env::temp_dir()).env_remove("TIERWAY_CONFIG").env_remove("NO_COLOR");
    command.envs(environment.iter().copied()).output().expect("the command starts")
}

fn prints(words: &[&str], environment: &[(&str, &str)]) -> String {
    let output = tierway(words, environment);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

/// The subcommands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.trim().is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command that does something, with its help.
fn leaves(words: &[&str], found: &mut Vec<(String, String)>) {
    let help = prints(&[words, &["--help"]].concat(), &[]);
    let inner = listed(&help);
    if inner.is_empty() || words == ["models"] {
        found.push((words.join(" "), help));
    }
    for name in &inner {
        leaves(&[words, &[name.as_str()]].concat(), found);
    }
}

#[test]
fn every_command_writes_json_where_it_is_asked_to() {
    let mut found = Vec::new();
    leaves(&[], &mut found);
    assert!(found.len() > 20, "{found:?}");
    let lacking: BTreeSet<&str> =
        found.iter().filter(|(_, help)| !help.contains("--json")).map(|(name, _)| name.as_str()).collect();
    assert_eq!(lacking, BTreeSet::from(WITHOUT));
    assert!(prints(&["--help"], &[]).contains("Exit status:"));
}

#[test]
fn completions_of_every_shell_name_the_subcommands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = prints(&["completions", shell], &[]);
        assert!(said.contains("calibrate") && said.contains("explain"), "{shell}");
    }
}

#[test]
fn a_pipe_gets_no_colour_unless_it_asks() {
    let words = ["models", "--vendor", "deepseek"];
    assert!(!prints(&words, &[]).contains('\x1b'));
    let forced = prints(&words, &[("CLICOLOR_FORCE", "1")]);
    assert!(forced.contains("\x1b[1mmodel") && forced.contains("\x1b[32meconomy"), "{forced}");
    assert!(!prints(&words, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\x1b'));
}

#[test]
fn a_failure_is_json_where_json_was_asked_for() {
    let output = tierway(&["models", "show", "no/such", "--json"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let told: Value = serde_json::from_slice(&output.stderr).expect("it is JSON");
    assert_eq!((&told["error"]["kind"], &told["error"]["status"]), (&"input".into(), &2.into()));
    let plain = tierway(&["models", "show", "no/such"], &[]);
    assert!(plain.stdout.is_empty() && String::from_utf8_lossy(&plain.stderr).starts_with("tierway: "));
}

#[test]
fn own_hardware_has_a_price_as_json() {
    let said = prints(&["models", "own", "--gpu-hour", "2.5", "--tokens-per-s", "1000", "--json"], &[]);
    let told: Value = serde_json::from_str(&said).expect("it is JSON");
    assert!(told["per_million"].as_str().is_some_and(|rate| rate.starts_with("0.69")), "{said}");
}

#[test]
fn a_question_of_no_words_is_refused() {
    for words in [["explain", ""], ["explain", "  "], ["chat", "\n"], ["explain", "-"]] {
        let output = tierway(&words, &[("OPENAI_API_KEY", "sk-test")]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains("there is no question"), "{words:?}: {said}");
    }
}
