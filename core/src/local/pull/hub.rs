//! A repository's list of files, and those of them that the engine reads.

use serde::Deserialize;

use super::PullError;
use super::digest::{Checksum, is_hex};
use super::fetch::Fetcher;
use super::file::Wanted;
use super::name::{Name, is_file_name, shown};

/// Files beside the weights, as far as a repository has them.
const BESIDE: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
];
/// Files of a repository; the largest have a few thousand.
const FILES_MAX: usize = 100_000;

#[derive(Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    #[serde(rename = "rfilename")]
    name: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob: Option<String>,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    sha256: String,
    size: u64,
}

/// The files to bring, small ones first, and the commit that they are of.
pub(super) async fn list(fetcher: &Fetcher, name: &Name) -> Result<(Vec<Wanted>, String), PullError> {
    let mut url = fetcher.address(&["api", "models"]);
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(name.source.split('/')).extend(["revision", &name.revision]);
    }
    url.set_query(Some("blobs=true"));
    let text = fetcher.list(&url, &name.source).await?;
    let Listing { sha, siblings } = serde_json::from_slice(&text)
        .map_err(|error| PullError::answer(format!("its list of files is not one: {error}")))?;
    if !is_hex(&sha, 40) || siblings.len() > FILES_MAX {
        return Err(PullError::answer("its list of files names no commit, or has no end"));
    }
    if let Some(outside) = siblings.iter().find(|file| leaves(&file.name)) {
        return Err(PullError::FileName { shown: shown(&outside.name) });
    }
    let chosen = choose(&siblings, name)?;
    let wanted = chosen.into_iter().map(|file| wanted(fetcher, name, &sha, file));
    let mut files = wanted.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(|file| file.size);
    Ok((files, sha))
}

/// Whether any part of a path leads up, is empty, or is no name of a file. Hidden files, such as git's, stay.
fn leaves(path: &str) -> bool {
    path.split('/').any(|part| !is_file_name(part.strip_prefix('.').unwrap_or(part)))
}

fn choose<'a>(siblings: &'a [Sibling], name: &Name) -> Result<Vec<&'a Sibling>, PullError> {
    // Files in folders are other forms of the same model.
    let first_level = || siblings.iter().filter(|file| !file.name.contains('/') && is_file_name(&file.name));
    let ending = |end: &str| first_level().filter(|file| file.name.ends_with(end)).collect::<Vec<_>>();
    if let Some(file) = &name.file {
        let found = first_level().find(|sibling| sibling.name == *file);
        let found = found.ok_or_else(|| PullError::NotFound { what: format!("'{file}' of {}", name.source) })?;
        return Ok(vec![found]);
    }
    let weights = ending(".safetensors");
    let is_described = first_level().any(|file| file.name == "config.json");
    if is_described && !weights.is_empty() {
        let beside = first_level().filter(|file| BESIDE.contains(&file.name.as_str()));
        return Ok(beside.chain(of_the_model(weights)).collect());
    }
    match ending(".gguf").as_slice() {
        [] => Err(PullError::Name {
            what: format!(
                "{} has no safetensors with a config.json and no GGUF file, which the engine reads",
                name.source
            ),
        }),
        [one] => Ok(vec![one]),
        several => Err(PullError::Choose { files: several.iter().map(|file| file.name.clone()).collect() }),
    }
}

/// Weights in one file and in shards are the same weights twice: the one file is taken.
fn of_the_model(weights: Vec<&Sibling>) -> Vec<&Sibling> {
    match weights.iter().find(|file| file.name == "model.safetensors") {
        Some(one) => vec![one],
        None => weights,
    }
}

fn wanted(fetcher: &Fetcher, name: &Name, sha: &str, file: &Sibling) -> Result<Wanted, PullError> {
    let mut url = fetcher.address(&[]);
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(name.source.split('/')).extend(["resolve", sha, &file.name]);
    }
    let lower = |hex: &str| hex.to_ascii_lowercase();
    let (size, checksum) = match (&file.lfs, &file.blob) {
        (Some(large), _) if is_hex(&large.sha256, 64) => (Some(large.size), Checksum::Sha256(lower(&large.sha256))),
        (Some(_), _) => return Err(PullError::answer(format!("'{}' has a checksum that is none", shown(&file.name)))),
        (None, Some(blob)) if is_hex(blob, 40) && file.size.is_some() => (file.size, Checksum::Git(lower(blob))),
        (None, _) => (file.size, Checksum::None),
    };
    Ok(Wanted { name: file.name.clone(), url, size, checksum })
}
