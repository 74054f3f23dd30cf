//! Small libraries in C that are loaded before libc into a process under test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the source, a path below `tests/`, into a folder; `None` without Linux or a C compiler, and says so.
pub(crate) fn compiled(source: &str, folder: &Path, what: &str, cases: usize) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source);
    let library = folder.join("preload.so");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    if cfg!(target_os = "linux") && built.is_ok_and(|status| status.success()) {
        return Some(library);
    }
    println!("skipped: {what}, which want Linux and a C compiler ({cases} cases)");
    None
}
