//! The recorded folders, and a check that a wrong weight is noticed.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::backend::cpu::{Fast, Reference};

/// The folders of recorded outputs, or none with a word about it.
#[allow(clippy::print_stdout, reason = "a skipped case is said aloud")]
pub(crate) fn folders() -> Vec<PathBuf> {
    let Some(data) = std::env::var_os("TIERWAY_DATA") else {
        println!("skipped: golden checkpoints, TIERWAY_DATA is not set (8 cases)");
        return Vec::new();
    };
    let entries = std::fs::read_dir(PathBuf::from(data).join("engine")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join("golden.safetensors").exists()).collect();
    found.sort();
    found
}

#[test]
fn every_backend_agrees_with_every_recorded_folder() {
    let mut backends: Vec<Arc<dyn Backend>> = vec![Arc::new(Reference)];
    for fast in [1, 2, 3].into_iter().flat_map(Fast::every) {
        backends.push(Arc::new(fast));
    }
    for folder in folders() {
        for backend in &backends {
            for prompt in check(&folder, backend.clone()).unwrap() {
                assert!(prompt.holds(), "{} by {}: {prompt:?}", folder.display(), backend.describe());
                assert!(prompt.routes.0 > 0 && prompt.greedy.0 > 0, "{}: nothing was compared", folder.display());
            }
        }
    }
}

#[test]
fn a_difference_that_is_no_number_is_infinite_and_another_size_is_none() {
    assert_eq!(largest_difference(&[1.0, 2.0], &[1.0, 2.5]), Some(0.5));
    assert_eq!(largest_difference(&[1.0], &[f32::NAN]), Some(f32::INFINITY));
    assert_eq!(largest_difference(&[1.0], &[]), None);
}
