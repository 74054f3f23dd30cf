//! `tierway models pull` as a user runs it, from a server on loopback, and the question that follows.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// A whole model of one layer, which speaks nonsense.
const TINY: &[u8] = include_bytes!("../../../fuzz/corpus/gguf/llama");

/// Serves the model at any path until the test ends.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let asked = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            asked.for_each(drop);
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", TINY.len());
            // A reader that has gone is no error.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(TINY));
        }
    });
    address
}

fn tierway(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    command.args(words).current_dir(folder).env("TIERWAY_MODELS", folder.join("models")).env("HOME", folder);
    command.env_remove("TIERWAY_CONFIG").env_remove("HF_TOKEN").env_remove("HF_ENDPOINT");
    command.output().expect("the command starts")
}

#[test]
fn what_was_pulled_answers() {
    let folder = std::env::temp_dir().join(format!("tierway-cli-pull-{}", std::process::id()));
    let models = folder.join("models");
    std::fs::create_dir_all(&models).expect("the folder can be made");
    let url = format!("{}/files/tiny.gguf", server());
    let pull = ["models", "pull", &url, "--json", "--folder", models.to_str().expect("a text")];
    let pulled = tierway(&folder, &pull);
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    let said: serde_json::Value = serde_json::from_slice(&pulled.stdout).expect("JSON");
    assert_eq!((said["model"].as_str(), said["was_there"].as_bool()), (Some("local/tiny"), Some(false)));

    let listed = tierway(&folder, &["models", "show", "local/tiny"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("local/tiny"), "{listed:?}");
    let answered = tierway(&folder, &["chat", "--model", "local/tiny", "--max-tokens", "3", "--json", "Hello"]);
    assert!(answered.status.success(), "{}", String::from_utf8_lossy(&answered.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&answered.stdout).expect("JSON");
    assert_eq!(answer["route"]["model"], "local/tiny");

    let wrong = tierway(&folder, &[&pull[..3], &["--sha256", &"0".repeat(64)], &pull[4..]].concat());
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("checksum"), "{wrong:?}");
    let nothing = tierway(&folder, &["models", "pull", "nothing"]);
    assert_eq!(nothing.status.code(), Some(2), "{nothing:?}");
    let _ = std::fs::remove_dir_all(&folder);
}
