//! The layout rules of `CONTRIBUTING.md`, as functions from source text to breaches.
//!
//! It reads text, not syntax: rustfmt's layout makes that enough, and a rule that a reader can check by eye stays simple.

use std::path::{Path, PathBuf};

/// Most lines in a source file.
pub const FILE_LINES_MAX: usize = 600;
/// Most lines in a function.
pub const FUNCTION_LINES_MAX: usize = 70;

/// The stages of `core/src`, in the direction of data. A module may import its own stage and those before it.
pub const STAGES: &[(&str, &[&str])] = &[
    (
        "vocabulary",
        &[
            "error",
            "id",
            "limits",
            "message",
            "model",
            "money",
            "reply",
            "request",
            "sorting",
            "time",
            "tree",
            "usage",
            "vendor_fields",
            "catalog",
        ],
    ),
    ("snapshot", &["snapshot"]),
    ("policy", &["policy"]),
    ("score", &["score"]),
    ("plan", &["plan"]),
    ("attempt", &["attempt"]),
    ("account", &["ledger"]),
    ("ports", &["provider", "wire", "replay", "learn", "check"]),
    ("effects", &["clock", "secrets", "transport", "store", "observe", "config", "local"]),
    ("client", &["client", "testing"]),
];

/// Modules that may touch the world.
const EFFECTS: &[&str] = &["effects", "client"];

/// What pure modules may not name, and why.
const BANNED: &[(&str, &str)] = &[
    ("std::fs", "reads files"),
    ("std::net", "opens sockets"),
    ("std::env", "reads the environment"),
    ("std::process", "starts processes"),
    ("std::thread", "starts threads"),
    ("SystemTime", "reads the clock"),
    ("Instant::now", "reads the clock"),
    ("Zoned::now", "reads the clock"),
    ("Timestamp::now", "reads the clock"),
    ("RandomState", "is random"),
    ("tokio::", "is a runtime"),
    ("reqwest::", "is a socket"),
    ("rusqlite::", "is a file"),
];

/// A source file of the project.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// From the project's root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Every Rust file that git would see under `root`.
///
/// # Panics
/// Where a folder cannot be read: a check that skips files would be no check.
pub fn rust_files(root: &Path) -> Vec<SourceFile> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["core", "engine", "bindings", "examples", "tests", "training"].iter().map(|f| root.join(f)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a folder that opened can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            if path.is_dir() && !["target", "node_modules", ".venv", "generated"].contains(&name) {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("source files are UTF-8 text");
                let path = path.strip_prefix(root).expect("found under the root").to_string_lossy().replace('\\', "/");
                found.push(SourceFile { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every breach of every rule, as `path:line: what`.
pub fn breaches(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        check_opening(file, &mut found);
        check_lengths(file, &mut found);
        if let Some(module) = file.path.strip_prefix("core/src/") {
            let module = module.split('/').next().unwrap_or(module).trim_end_matches(".rs");
            if module != "lib" {
                check_direction(file, module, &mut found);
                check_effects(file, module, &mut found);
            }
        }
    }
    found
}

fn stage_of(module: &str) -> Option<usize> {
    STAGES.iter().position(|(_, modules)| modules.contains(&module))
}

/// The part of a file before its tests, line by line from 1; nothing of a file of tests.
fn code(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    let tests = |line: &str| line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
    let text = if file.path.ends_with("/tests.rs") { "" } else { file.text.as_str() };
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).take_while(move |(_, line)| !tests(line))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn check_opening(file: &SourceFile, found: &mut Vec<String>) {
    let opens = file.text.starts_with("//!") || file.text.starts_with("#!/");
    if !opens {
        found.push(format!("{}:1: the first line must say what the file is for (//!)", file.path));
    }
}

fn check_direction(file: &SourceFile, module: &str, found: &mut Vec<String>) {
    let Some(own) = stage_of(module) else {
        found.push(format!("{}:1: '{module}' is in no stage: add it to STAGES and docs/architecture.md", file.path));
        return;
    };
    for (at, line) in code(file).filter(|(_, line)| !is_comment(line)) {
        for import in line.split("crate::").skip(1) {
            let name: String = import.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if let Some(theirs) = stage_of(&name)
                && theirs > own
            {
                let (from, to) = (STAGES[own].0, STAGES[theirs].0);
                found
                    .push(format!("{}:{at}: {from} imports {to} ('{name}'), against the direction of data", file.path));
            }
        }
    }
}

fn check_effects(file: &SourceFile, module: &str, found: &mut Vec<String>) {
    let is_effect = stage_of(module).is_some_and(|stage| EFFECTS.contains(&STAGES[stage].0));
    if is_effect {
        return;
    }
    for (at, line) in code(file).filter(|(_, line)| !is_comment(line)) {
        for (name, why) in BANNED {
            if line.contains(name) {
                found.push(format!("{}:{at}: '{name}' {why}, and '{module}' is pure", file.path));
            }
        }
    }
}

fn check_lengths(file: &SourceFile, found: &mut Vec<String>) {
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}: split it by idea", file.path));
    }
    let mut open: Option<(usize, usize, String)> = None;
    for (at, line) in file.text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let head = line.trim_start();
        let is_head = [
            "fn ",
            "pub fn ",
            "async fn ",
            "pub async fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "const fn ",
            "pub const fn ",
            "unsafe fn ",
            "pub(crate) async fn ",
            "pub(super) async fn ",
            "pub unsafe fn ",
        ]
        .iter()
        .any(|start| head.starts_with(start));
        if is_head && open.is_none() && !head.ends_with(';') {
            let name = head
                .split("fn ")
                .nth(1)
                .unwrap_or("")
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            open = Some((at, indent, name));
        }
        if let Some((start, depth, name)) = &open
            && indent == *depth
            && (head == "}" || (at == *start && head.ends_with('}')) || head.ends_with(';'))
        {
            let length = at - start + 1;
            if length > FUNCTION_LINES_MAX {
                found.push(format!(
                    "{}:{}: fn {name} has {length} lines, at most {FUNCTION_LINES_MAX}",
                    file.path,
                    start + 1
                ));
            }
            open = None;
        }
    }
}
