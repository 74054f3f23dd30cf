//! `tierway embed` as a user runs it, against a vendor on loopback.

use std::process::{Command, Output};

use serde_json::Value;
use tierway::testing::server::{Answer, Fault, Heard, Server};

fn answer(heard: &Heard) -> Answer {
    match String::from_utf8_lossy(&heard.body).contains("refuse") {
        true => Answer::failing(Fault::Status { status: 401, retry_after: None, message: None }),
        false => Answer::text("vectors"),
    }
}

#[test]
fn each_text_becomes_a_line_and_its_cost_is_said() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("it starts");
    let server = runtime.block_on(Server::start(answer)).expect("it listens");
    let folder = std::env::temp_dir().join(format!("tierway-cli-embed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let rows = format!(
        "vendor = \"acme\"\n[[endpoints]]\nid = \"acme\"\napi = \"embeddings\"\nbase_url = \"{}/acme/v1\"\nregion = \"us\"\n\
         auth = \"bearer\"\nkey_env = \"ACME_KEY\"\n[[models]]\nid = \"acme/e\"\nfamily = \"e\"\ntier = \"economy\"\n\
         context_window = 8000\nmax_output = 3\nsource = \"made up\"\ndate = \"2026-11-01\"\nendpoints = [\"acme\"]\n\
         capabilities = []\nprices = [{{ rates = {{ input = \"2\", output = \"0\" }} }}]\n",
        server.url()
    );
    std::fs::write(folder.join("rows.toml"), rows).expect("it can be written");
    std::fs::write(folder.join("tierway.toml"), "[catalog]\nfiles = [\"rows.toml\"]\n").expect("it can be written");
    let run = |arguments: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
        command.args(arguments).current_dir(&folder).env_clear().env("ACME_KEY", "sk-canary-2718");
        command.output().expect("it starts")
    };
    let made = run(&["embed", "--model", "acme/e", "--for", "query", "one", "two words", "three"]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success() && said.contains("3 vectors"), "{said}");
    let lines: Vec<Vec<f32>> = String::from_utf8_lossy(&made.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a vector"))
        .collect();
    assert_eq!(lines.iter().map(|vector| vector[0]).collect::<Vec<_>>(), [3.0, 9.0, 5.0]);
    let whole = run(&["embed", "--model", "acme/e", "--json", "one"]);
    let whole: Value = serde_json::from_slice(&whole.stdout).expect("it prints JSON");
    assert_eq!(
        (&whole["cost"], &whole["usage"]["input"], &whole["model"]),
        (&"0.00004".into(), &20.into(), &"acme/e".into())
    );
    for (arguments, status) in [
        (vec!["embed", "--model", "acme/e", "refuse"], 1),
        (vec!["embed", "--model", "openai/gpt-5", "text"], 3),
        (vec!["embed", "--model", "acme/e", " "], 2),
        (vec!["embed", "text"], 2),
    ] {
        let ended = run(&arguments);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    let _ = std::fs::remove_dir_all(&folder);
}
