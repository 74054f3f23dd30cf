//! The project keeps to its own layout rules, and each rule catches a planted breach.

use std::path::Path;

use tierway_tests::tidy::{SourceFile, breaches, rust_files};

#[test]
fn the_project_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent");
    let files = rust_files(root);
    assert!(files.len() > 20, "only {} files were found under {}", files.len(), root.display());
    let found = breaches(&files);
    assert!(found.is_empty(), "{} breaches:\n{}", found.len(), found.join("\n"));
}

#[track_caller]
fn check(path: &str, text: &str, want: &str) {
    let found = breaches(&[SourceFile { path: path.to_owned(), text: text.to_owned() }]);
    if want.is_empty() {
        assert!(found.is_empty(), "{found:?}");
    } else {
        assert!(found.iter().any(|breach| breach.contains(want)), "wanted '{want}', got {found:?}");
    }
}

#[test]
fn each_planted_breach_is_found() {
    check("core/src/policy.rs", "//! Doc.\nuse crate::request::Request;\n", "");
    check("core/src/policy.rs", "//! Doc.\nuse crate::client::Client;\n", "policy imports client");
    check("core/src/message.rs", "//! Doc.\nuse crate::plan::Plan;\n", "vocabulary imports plan");
    check("core/src/plan/order.rs", "//! Doc.\nlet t = std::time::SystemTime::now();\n", "reads the clock");
    check("core/src/score/words.rs", "//! Doc.\nstd::fs::read(\"x\");\n", "reads files");
    check("core/src/score/tests.rs", "//! Doc.\nstd::fs::read(\"x\");\n", "");
    check("core/src/store/sqlite.rs", "//! Doc.\nstd::fs::read(\"x\");\n", "");
    check("core/src/novel.rs", "//! Doc.\n", "is in no stage");
    check("core/src/policy.rs", "use crate::request::Request;\n", "must say what the file is for");
    check("engine/src/long.rs", &format!("//! Doc.\n{}", "let x = 1;\n".repeat(700)), "701 lines");
    let function = format!("//! Doc.\nfn long() {{\n{}}}\n", "    x();\n".repeat(90));
    check("engine/src/long.rs", &function, "fn long has 92 lines");
    check("engine/src/short.rs", "//! Doc.\nfn short() {\n    x();\n}\n", "");
}
