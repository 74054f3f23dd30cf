//! `tierway models` and `tierway price` as a user runs them: what they print, and how they fail.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs the command with `input` on standard input, away from any settings of the user's own.
fn tierway(words: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    command.args(words).current_dir(std::env::temp_dir()).env_remove("TIERWAY_CONFIG");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that fails early closes its input: what it says is checked, not the write.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

#[track_caller]
fn prints(words: &[&str], input: &str) -> String {
    let output = tierway(words, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

#[track_caller]
fn fails(words: &[&str], input: &str, status: i32, part: &str) {
    let output = tierway(words, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(part), "{said}");
}

#[test]
fn compare_makes_the_table_with_its_multiples() {
    let models = ["deepseek-r1-cached", "gpt-3.5-turbo", "claude-3.5-sonnet", "gpt-4-turbo"];
    let words = [&["models", "compare"], &models[..], &["--input", "1000000", "--output", "100000"]].concat();
    assert_eq!(
        prints(&words, ""),
        "\
model                        tier       input          cached          output         request
deepseek/deepseek-r1-cached  standard   $0.07    1.0x   $0.07    1.0x   $1.68   1.1x   $0.238   1.0x
openai/gpt-3.5-turbo         economy    $0.50    7.1x   $0.50    7.1x   $1.50   1.0x    $0.65   2.7x
anthropic/claude-3.5-sonnet  standard   $3.00   42.9x   $0.30    4.3x  $15.00  10.0x    $4.50  18.9x
openai/gpt-4-turbo           frontier  $10.00  142.9x  $10.00  142.9x  $30.00  20.0x   $13.00  54.6x
dollars per million tokens, and times the cheapest
the request: 1000000 prompt tokens, 0 of them cached, and 100000 of output
"
    );
}

#[test]
fn the_list_is_filtered() {
    let rows: Value =
        serde_json::from_str(&prints(&["models", "--region", "eu", "--capability", "vision", "--json"], "")).unwrap();
    let rows = rows.as_array().unwrap();
    assert!(rows.len() > 20);
    for row in rows {
        let places: Vec<&str> =
            row["endpoints"].as_array().unwrap().iter().map(|e| e["region"].as_str().unwrap()).collect();
        assert!(places.iter().any(|place| *place == "eu" || place.starts_with("eu-")), "{row}");
        assert!(row["capabilities"].as_array().unwrap().contains(&"vision".into()) && row["retired"] == false);
        assert!(row["rates"]["input"].is_string() && row["source"].is_string());
    }
    fails(&["models", "--vendor", "nobody"], "", 2, "no model is of vendor 'nobody'");
    fails(&["models", "show", "claude-sonet-5"], "", 2, "did you mean anthropic/claude-sonnet-5");
}

#[test]
fn price_reads_usage_alone_or_in_a_reply_and_is_exact() {
    let usage = r#"{"input_tokens": 100, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 100}, "output_tokens": 7}"#;
    let whole = format!(r#"{{"id": "x", "usage": {usage}}}"#);
    for body in [usage, &whole] {
        let text = prints(&["price", "--model", "claude-haiku-4-5-20251001", "--usage", "-", "--json"], body);
        let answer: Value = serde_json::from_str(&text).unwrap();
        // 100 x 1 + 2,000 x 0.1 + 400 x 1.25 + 100 x 2 + 7 x 5, by the million
        assert_eq!(answer["total"], "0.001035", "{text}");
        assert_eq!(answer["lines"].as_array().unwrap().len(), 5);
        assert_eq!(answer["lines"][1]["amount"], "0.0002");
    }
    let batch = prints(&["price", "-m", "claude-haiku-4-5", "--usage", "-", "--json", "--lane", "batch"], usage);
    assert_eq!(serde_json::from_str::<Value>(&batch).unwrap()["total"], "0.0005175");
}

#[test]
fn price_says_what_is_wrong() {
    let model = ["price", "--model", "claude-haiku-4-5", "--usage"];
    let with = |more: &[&'static str]| [&model[..], more].concat();
    fails(&with(&["-"]), "not json", 2, "expected");
    fails(&with(&["-"]), "[]", 2, "no usage object");
    fails(&with(&["-"]), "{}", 2, "say which with --api");
    fails(&with(&["-", "--api", "telegraph"]), "{\"input_tokens\": 1}", 2, "is no wire format");
    fails(&with(&["/nowhere/at/all.json"]), "", 4, "/nowhere/at/all.json");
    fails(&["price", "--model", "no-such", "--usage", "-"], "{\"input_tokens\": 1}", 2, "no model is named");
    fails(&with(&["-", "--endpoint", "openai"]), "{\"input_tokens\": 1}", 2, "use anthropic");
}

#[test]
fn own_hardware_is_worked_out() {
    let words = ["models", "own", "--gpu-hour", "2", "--gpus", "8", "--tokens-per-s", "180000"];
    assert_eq!(prints(&words, ""), "$0.024691358025 per million tokens\n");
    fails(&["models", "own", "--gpu-hour", "2", "--tokens-per-s", "0"], "", 2, "at least 1");
}

#[test]
fn rows_of_the_users_own_are_read_and_refused_with_their_line() {
    let folder = std::env::temp_dir().join(format!("tierway-rows-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("own.toml");
    std::fs::write(&path, "[[models]]\nid = \"openai/gpt-5\"\nfamily = \"gpt-5\"\n").unwrap();
    fails(&["models", "--catalog", path.to_str().unwrap()], "", 2, "own.toml:1: missing field");
    std::fs::remove_dir_all(&folder).unwrap();
}
