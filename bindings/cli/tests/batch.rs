//! `tierway batch` as a user runs it: each command a process of its own, one ledger, a vendor's desk on loopback.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tierway::testing::server::{Answer, BatchDesk, DeskEnd, Heard, Server};

struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(name: &str, url: &str) -> Place {
        let folder = std::env::temp_dir().join(format!("tierway-cli-batch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let rows = format!(
            "vendor = \"acme\"\n[[endpoints]]\nid = \"acme\"\napi = \"messages\"\nbase_url = \"{url}/acme/v1\"\nregion = \"us\"\n\
             auth = {{ header = \"x-api-key\" }}\nkey_env = \"ACME_KEY\"\ndialect = {{ batch = \"anthropic\" }}\n\
             [[models]]\nid = \"acme/m\"\nfamily = \"m\"\ntier = \"economy\"\ncontext_window = 32000\nmax_output = 4000\n\
             source = \"made up\"\ndate = \"2026-11-01\"\nendpoints = [\"acme\"]\ncapabilities = []\n\
             prices = [{{ rates = {{ input = \"2\", output = \"8\" }}, lanes = {{ batch = \"0.5\" }} }}]\n\
             [[endpoints]]\nid = \"acme-vectors\"\napi = \"embeddings\"\nbase_url = \"{url}/acme-vectors/v1\"\nregion = \"us\"\n\
             auth = \"bearer\"\nkey_env = \"ACME_KEY\"\ndialect = {{ batch = \"openai\" }}\n\
             [[models]]\nid = \"acme/v\"\nfamily = \"v\"\ntier = \"economy\"\ncontext_window = 8000\nmax_output = 1\n\
             source = \"made up\"\ndate = \"2026-11-01\"\nendpoints = [\"acme-vectors\"]\ncapabilities = []\n\
             prices = [{{ rates = {{ input = \"2\", output = \"0\" }}, lanes = {{ batch = \"0.5\" }} }}]\n"
        );
        std::fs::write(folder.join("rows.toml"), rows).expect("it can be written");
        std::fs::write(folder.join("tierway.toml"), "[catalog]\nfiles = [\"rows.toml\"]\n").expect("it can be written");
        Place { folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
        command.args(arguments).current_dir(&self.folder).env_clear().env("HOME", &self.folder);
        command.env("ACME_KEY", "sk-canary-2718").output().expect("it starts")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("it prints JSON")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn answer(_: &Heard) -> Answer {
    Answer::text("Cardiff.")
}

#[test]
fn a_file_is_handed_in_looked_after_and_collected_by_processes_of_their_own() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("it starts");
    let desk = BatchDesk::new(answer as fn(&Heard) -> Answer);
    let server = runtime.block_on(Server::start(desk.clone())).expect("it listens");
    let place = Place::new("whole", &server.url());
    let line = r#"{"messages": [{"role": "user", "parts": [{"type": "text", "text": "Capital of Wales?"}]}], "model": {"only": "acme/m"}}"#;
    std::fs::write(place.folder.join("in.jsonl"), format!("{line}\n\n{line}\n{line}\n")).expect("it can be written");
    let submit = ["batch", "submit", "in.jsonl", "--id", "wales", "--json"];
    let made = place.json(&submit);
    assert_eq!((&made["items"], &made["jobs"][0]["state"]), (&3.into(), &"running".into()));
    assert_eq!((place.json(&submit)["items"].clone(), desk.jobs()), (3.into(), 1), "handing it in again sends nothing");
    desk.finish(DeskEnd::Expired, 2);
    assert_eq!(place.json(&["batch", "status", "wales", "--json"])["jobs"][0]["state"], "expired");
    let collected = place.json(&["batch", "collect", "wales", "--json"]);
    assert_eq!((&collected["answered"], &collected["items"][1]["text"]), (&2.into(), &"Cardiff.".into()));
    assert_eq!(collected["items"][2]["outcome"], "expired");
    let lines = place.run(&["batch", "collect", "wales"]);
    assert_eq!(String::from_utf8_lossy(&lines.stdout).lines().count(), 3, "a line for each item");
    assert_eq!(place.json(&["batch", "list", "--json"])[0]["jobs"][0]["state"], "collected");
    assert!(place.run(&["batch", "cancel", "wales"]).status.success(), "there is nothing left to stop");
    let report = place.run(&["report"]);
    let shown = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.status.success() && !shown.contains("canary"), "{shown}");
    let checked = place.run(&["ledger", "check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn texts_are_embedded_in_a_batch() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("it starts");
    let desk = BatchDesk::new(answer as fn(&Heard) -> Answer);
    let server = runtime.block_on(Server::start(desk.clone())).expect("it listens");
    let place = Place::new("vectors", &server.url());
    let line = r#"{"model": "acme/v", "inputs": ["Cardiff", "fox"]}"#;
    std::fs::write(place.folder.join("in.jsonl"), format!("{line}\n{line}\n")).expect("it can be written");
    let made = place.json(&["batch", "submit", "in.jsonl", "--id", "texts", "--json"]);
    assert_eq!((&made["items"], &made["jobs"][0]["endpoint"]), (&2.into(), &"acme-vectors".into()));
    desk.finish(DeskEnd::Done, 2);
    let collected = place.json(&["batch", "collect", "texts", "--json"]);
    assert_eq!(collected["answered"], 2);
    assert_eq!(collected["items"][1]["vectors"][1], serde_json::json!([3.0, 333.0, 1.0]), "{collected}");
    std::fs::write(place.folder.join("mixed.jsonl"), format!("{line}\n{{\"messages\": []}}\n"))
        .expect("it can be written");
    let mixed = place.run(&["batch", "submit", "mixed.jsonl"]);
    assert!(!mixed.status.success() && String::from_utf8_lossy(&mixed.stderr).contains("mixed.jsonl:2"));
}

#[test]
fn wrong_input_is_named() {
    let place = Place::new("wrong", "http://127.0.0.1:9");
    std::fs::write(place.folder.join("bad.jsonl"), "{\"messages\": 3}\n").expect("it can be written");
    std::fs::write(place.folder.join("none.jsonl"), "\n").expect("it can be written");
    for (arguments, status, words) in [
        (vec!["batch", "submit", "bad.jsonl"], 2, "bad.jsonl:1"),
        (vec!["batch", "submit", "none.jsonl"], 2, "no items"),
        (vec!["batch", "submit", "gone.jsonl"], 4, "gone.jsonl"),
        (vec!["batch", "status", "nothing"], 2, "no batch has the id nothing"),
        (vec!["batch", "status", "no good"], 2, "no batch id"),
    ] {
        let output = place.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
