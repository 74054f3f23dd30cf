//! `tierway loopback` as other languages' tests use it: started, asked over a socket, ended by closing its input.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

#[test]
fn it_serves_until_its_input_ends_and_prints_what_was_asked() {
    let script = std::env::temp_dir().join(format!("tierway-loopback-{}.json", std::process::id()));
    let rules =
        r#"[{"when": {"contains": "blue"}, "answer": {"reply": {"parts": [{"type": "text", "text": "Rayleigh."}]}}}]"#;
    std::fs::write(&script, rules).expect("the temporary folder can be written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tierway"))
        .args(["loopback", "--script"])
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    let mut line = || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON") };
    let url = line()["url"].as_str().expect("an address").to_owned();
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Why blue?"}]}"#;
    let mut socket = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
    write!(socket, "POST /openai/v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    let mut answer = [0; 4_096];
    let read = socket.read(&mut answer).expect("it answers");
    assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 200 OK"));
    let heard = line();
    assert_eq!((&heard["endpoint"], &heard["max_tokens"]), (&"openai".into(), &9.into()));
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    let _ = std::fs::remove_file(script);
}

#[test]
fn a_script_that_is_none_is_refused() {
    let path = std::env::temp_dir().join(format!("tierway-no-script-{}.json", std::process::id()));
    std::fs::write(&path, "{}").expect("the temporary folder can be written");
    let ended = Command::new(env!("CARGO_BIN_EXE_tierway")).args(["loopback", "--script"]).arg(&path).output();
    let ended = ended.expect("it starts");
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("the script is not valid"));
    let _ = std::fs::remove_file(path);
}
