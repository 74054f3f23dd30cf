//! Whether a kind of kernels serves on a card, and the check that says so: run once, its end kept in a file.
//!
//! It is written down that a check begins: should one take the process with it, the next start does not try again.

use std::path::{Path, PathBuf};

/// Whether kernels serve, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub serves: bool,
    pub why: String,
    /// They should have served, and do not.
    pub failed: bool,
}

impl Verdict {
    pub(super) fn yes(why: impl Into<String>) -> Verdict {
        Verdict { serves: true, why: why.into(), failed: false }
    }

    pub(super) fn no(why: impl Into<String>) -> Verdict {
        Verdict { serves: false, why: why.into(), failed: false }
    }

    fn fallen_back(why: impl Into<String>) -> Verdict {
        Verdict { serves: false, why: why.into(), failed: true }
    }

    /// What a check says, or what is kept in a file of one before. `what`: which kernels it checks.
    pub(super) fn checked(what: &str, kept: Option<&Path>, check: impl FnOnce() -> Result<(), String>) -> Verdict {
        if let Some(path) = kept
            && let Ok(text) = std::fs::read_to_string(path)
        {
            return remembered(what, &text, path);
        }
        // A folder that cannot be written means a check at each start, no more.
        keep(kept, "started");
        let said = check();
        keep(kept, said.as_ref().map_or_else(String::as_str, |()| "passed"));
        match said {
            Ok(()) => Verdict::yes("checked on this GPU now"),
            Err(why) => Verdict::fallen_back(format!("the check of the {what} on this GPU failed: {why}")),
        }
    }
}

fn remembered(what: &str, text: &str, path: &Path) -> Verdict {
    let again = format!("remove {} to check again", path.display());
    match text.trim() {
        "passed" => Verdict::yes("checked on this GPU before"),
        "started" => Verdict::fallen_back(format!("a check of the {what} began and did not end; {again}")),
        why => Verdict::fallen_back(format!("the check of the {what} failed before: {why}; {again}")),
    }
}

/// Writes a verdict aside and moves it into place.
fn keep(path: Option<&Path>, text: &str) {
    let Some(path) = path else { return };
    let aside: PathBuf = path.with_extension(format!("{}.part", std::process::id()));
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&aside, text));
    let _ = written.and_then(|()| std::fs::rename(&aside, path));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("tierway-verdict-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn a_check_that_passed_is_not_repeated() {
        let path = file("passed");
        let said = Verdict::checked("kernels", Some(&path), || Ok(()));
        assert!(said.serves && !said.failed);
        let again = Verdict::checked("kernels", Some(&path), || Err("asked twice".into()));
        assert!(again.serves, "{again:?}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_check_that_failed_is_remembered() {
        let path = file("failed");
        let said = Verdict::checked("kernels", Some(&path), || Err("off by 3".into()));
        assert!(!said.serves && said.failed && said.why.contains("off by 3"));
        let again = Verdict::checked("kernels", Some(&path), || Ok(()));
        assert!(!again.serves && again.failed && again.why.contains("off by 3"), "{again:?}");
        std::fs::remove_file(path).unwrap();
    }

    /// As where the process ended within the check.
    #[test]
    fn a_check_that_never_ended_is_not_tried_again() {
        let path = file("ended");
        let ended =
            std::panic::catch_unwind(|| Verdict::checked("kernels", Some(&path), || panic!("the process ends here")));
        assert!(ended.is_err());
        let again = Verdict::checked("kernels", Some(&path), || Ok(()));
        assert!(!again.serves && again.failed && again.why.contains("did not end"), "{again:?}");
        std::fs::remove_file(path).unwrap();
    }
}
