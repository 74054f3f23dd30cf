//! Where a model's files lie while they come, and how they get to their place at once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tierway_engine::config::ModelConfig;

use super::PullError;
use super::file::Wanted;

/// A folder beside the models that no model is looked for in, since its name begins with a point. One pull holds it.
#[derive(Debug)]
pub(super) struct Place {
    models: PathBuf,
    folder: String,
    staging: PathBuf,
    /// Locked for as long as the pull runs.
    _lock: File,
}

impl Place {
    /// Makes the folder or takes up one that a cut pull left. What is of another revision is dropped.
    pub(super) fn open(models: &Path, folder: &str, revision: &str) -> Result<Place, PullError> {
        let staging = models.join(format!(".pull-{folder}"));
        make(&staging.join("model"))?;
        let lock_path = staging.join("lock");
        let lock = File::create(&lock_path).map_err(|error| PullError::file(&lock_path, error))?;
        lock.try_lock().map_err(|_| PullError::Busy { folder: staging.clone() })?;
        let place = Place { models: models.to_owned(), folder: folder.to_owned(), staging, _lock: lock };
        let stated = place.staging.join("revision");
        if fs::read_to_string(&stated).ok().as_deref() != Some(revision) {
            for name in ["model", "parts"] {
                remove(&place.staging.join(name))?;
                make(&place.staging.join(name))?;
            }
            fs::write(&stated, revision).map_err(|error| PullError::file(&stated, error))?;
        }
        Ok(place)
    }

    /// Where a file comes to. A file that came in an earlier pull is summed once more, as one that was cut is.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        let (part, whole) = (self.staging.join("parts").join(name), self.staging.join("model").join(name));
        if whole.is_file() {
            // Where it cannot be moved it is brought again.
            let _ = fs::rename(&whole, &part);
        }
        part
    }

    /// A file is whole.
    pub(super) fn accept(&self, name: &str) -> Result<(), PullError> {
        let (part, whole) = (self.staging.join("parts").join(name), self.staging.join("model").join(name));
        fs::rename(&part, &whole).map_err(|error| PullError::file(&whole, error))
    }

    /// The folder of the files that are whole.
    pub(super) fn model(&self) -> PathBuf {
        self.staging.join("model")
    }

    /// Whether the rest fits on the disk, where the system says so.
    pub(super) fn check_room(&self, files: &[Wanted], bytes: Option<u64>) -> Result<(), PullError> {
        let (Some(bytes), Some(free)) = (bytes, free_bytes(&self.staging)) else { return Ok(()) };
        let length = |folder: &str, name: &str| {
            fs::metadata(self.staging.join(folder).join(name)).map_or(0, |metadata| metadata.len())
        };
        let have: u64 = files.iter().map(|file| length("parts", &file.name) + length("model", &file.name)).sum();
        match bytes.saturating_sub(have).saturating_sub(free) {
            0 => Ok(()),
            needed => Err(PullError::DiskFull { folder: self.models.clone(), needed }),
        }
    }

    /// Whether the engine runs what the description describes.
    pub(super) fn check_config(&self) -> Result<(), PullError> {
        let path = self.model().join("config.json");
        let text = fs::read_to_string(&path).map_err(|error| PullError::file(&path, error))?;
        ModelConfig::from_json(&text)?;
        Ok(())
    }

    /// Puts the whole model in its place; one that is there gives way.
    pub(super) fn finish(self) -> Result<PathBuf, PullError> {
        let (to, old) = (self.models.join(&self.folder), self.staging.join("old"));
        if to.exists() {
            remove(&old)?;
            fs::rename(&to, &old).map_err(|error| PullError::file(&to, error))?;
        }
        fs::rename(self.model(), &to).map_err(|error| PullError::file(&to, error))?;
        // The model is there: what is left behind costs room and nothing else.
        let _ = remove(&self.staging);
        Ok(to)
    }
}

fn make(folder: &Path) -> Result<(), PullError> {
    fs::create_dir_all(folder).map_err(|error| PullError::file(folder, error))
}

/// A folder or a file with all that is in it; gone already is gone.
fn remove(path: &Path) -> Result<(), PullError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PullError::file(path, error)),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}
