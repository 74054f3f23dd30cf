//! One file: asked for, written as it comes, summed, and gone on with where it was cut.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap};
use reqwest::{StatusCode, Url};

use super::digest::{Checksum, Summer, is_hex};
use super::fetch::{Answer, Fetcher, check_status};
use super::place::Place;
use super::{Progress, PullError, PullOptions};

/// Times in a row that a download may break without a byte having come.
const FAILURES_MAX: u32 = 5;
/// The longest pause that a server may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Bytes of all files of a model: more than any that one machine can run.
const BYTES_MAX: u64 = 4 << 40;

/// A file to bring.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) url: Url,
    /// Its length, where it was announced.
    pub(super) size: Option<u64>,
    pub(super) checksum: Checksum,
}

/// A file that came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) name: String,
    pub(super) size: u64,
    /// Its checksum, where one was published.
    pub(super) checksum: Option<String>,
}

impl Wanted {
    /// A file at an address outside any hub.
    pub(super) fn of_address(url: &Url, options: &PullOptions) -> Result<Wanted, PullError> {
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default().to_owned();
        let checksum = match &options.sha256 {
            None => Checksum::None,
            Some(hex) if is_hex(hex, 64) => Checksum::Sha256(hex.to_ascii_lowercase()),
            Some(_) => return Err(PullError::Name { what: "a SHA-256 has 64 hex digits".into() }),
        };
        Ok(Wanted { name, url: url.clone(), size: None, checksum })
    }
}

/// Bytes of all files; `None` where one did not say.
pub(super) fn total(files: &[Wanted]) -> Result<Option<u64>, PullError> {
    let Some(sizes) = files.iter().map(|file| file.size).collect::<Option<Vec<u64>>>() else { return Ok(None) };
    let sum = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add(*size)).filter(|sum| *sum <= BYTES_MAX);
    sum.map(Some).ok_or_else(|| PullError::answer(format!("its files have more than {BYTES_MAX} bytes")))
}

/// A file while it comes.
struct Part<'a> {
    wanted: &'a Wanted,
    file: File,
    path: std::path::PathBuf,
    summer: Summer,
    size: Option<u64>,
    checksum: Checksum,
}

/// Brings one file into its place; what is there already is gone on with.
pub(super) async fn download(
    fetcher: &Fetcher,
    place: &Place,
    wanted: &Wanted,
    pause: Duration,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<Came, PullError> {
    let mut part = Part::open(place, wanted)?;
    tell(Progress::File { name: wanted.name.clone(), have: part.summer.bytes() });
    // What comes again after a new beginning is no progress.
    let (mut failures, mut reached) = (0, part.summer.bytes());
    while part.size != Some(part.summer.bytes()) {
        let Err(error) = part.go_on(fetcher, tell).await else { continue };
        let PullError::Network { what, wait_s } = &error else { return Err(part.failed(error)) };
        failures = if part.summer.bytes() > reached { 1 } else { failures + 1 };
        reached = reached.max(part.summer.bytes());
        if failures > FAILURES_MAX {
            return Err(error);
        }
        tell(Progress::Again { why: what.clone() });
        let pause = wait_s.map_or(pause * 2u32.pow(failures - 1), Duration::from_secs);
        tokio::time::sleep(pause.min(PAUSE_MAX)).await;
    }
    part.finish(place)
}

impl<'a> Part<'a> {
    /// Opens what is there, and sums it.
    fn open(place: &Place, wanted: &'a Wanted) -> Result<Part<'a>, PullError> {
        let path = place.part(&wanted.name);
        let failed = |error| PullError::file(&path, error);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let mut summer = Summer::new(&wanted.checksum, wanted.size);
        let length = file.metadata().map_err(failed)?.len();
        // Without a checksum nobody can say whether the two halves belong together.
        let is_kept = wanted.checksum != Checksum::None && wanted.size.is_none_or(|size| length <= size);
        if length > 0 && is_kept {
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer).map_err(failed)? {
                    0 => break,
                    count => summer.take(&buffer[..count]),
                }
            }
        } else if length > 0 {
            file.set_len(0).map_err(failed)?;
        }
        let (size, checksum) = (wanted.size, wanted.checksum.clone());
        Ok(Part { wanted, file, path, summer, size, checksum })
    }

    /// Asks for the rest, and writes it until it ends or breaks.
    async fn go_on(&mut self, fetcher: &Fetcher, tell: &mut (dyn FnMut(Progress) + Send)) -> Result<(), PullError> {
        let Answer { mut response, etag } = fetcher.get(&self.wanted.url, self.summer.bytes()).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            self.begin_again(tell)?;
            return Err(PullError::network("the server does not have the rest of what is here"));
        }
        check_status(&response, &format!("'{}'", self.wanted.name))?;
        if response.headers().contains_key("content-encoding") {
            return Err(PullError::answer("it sends a file compressed, which was not asked for"));
        }
        if response.status() == StatusCode::PARTIAL_CONTENT {
            self.check_range(response.headers())?;
        } else if self.summer.bytes() > 0 {
            self.begin_again(tell)?;
        }
        self.learn(response.headers(), etag)?;
        while let Some(piece) = fetcher.piece(&mut response).await? {
            let (found, expected) = (self.summer.bytes() + piece.len() as u64, self.size.unwrap_or(u64::MAX));
            if found > expected {
                return Err(PullError::Length { file: self.wanted.name.clone(), expected, found });
            }
            self.file.write_all(&piece).map_err(|error| PullError::file(&self.path, error))?;
            self.summer.take(&piece);
            tell(Progress::Bytes(piece.len() as u64));
        }
        match self.size {
            Some(size) if self.summer.bytes() < size => Err(PullError::network("the file was cut")),
            _ => Ok(()),
        }
    }

    /// Takes length and checksum from the answer where the hub's list did not have them.
    fn learn(&mut self, headers: &HeaderMap, etag: Option<String>) -> Result<(), PullError> {
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let whole = length.and_then(|length| length.checked_add(self.summer.bytes()));
        match (self.size, whole) {
            (Some(expected), Some(found)) if expected != found => {
                return Err(PullError::Length { file: self.wanted.name.clone(), expected, found });
            }
            (None, None) => return Err(PullError::answer("it does not say how long the file is")),
            (None, Some(found)) if found > BYTES_MAX => {
                return Err(PullError::answer(format!("it says that the file has {found} bytes")));
            }
            (None, found) => self.size = found,
            _ => {}
        }
        if let (Checksum::None, Some(hex)) = (&self.checksum, etag) {
            self.checksum = Checksum::Sha256(hex);
        }
        Ok(())
    }

    /// `bytes FROM-TO/SIZE`, of the very bytes that were asked for.
    fn check_range(&self, headers: &HeaderMap) -> Result<(), PullError> {
        let wrong = || PullError::answer("it sends another part of the file than was asked for");
        let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).ok_or_else(wrong)?;
        let (range, size) = text.strip_prefix("bytes ").and_then(|text| text.split_once('/')).ok_or_else(wrong)?;
        let from = range.split_once('-').and_then(|(from, _)| from.parse::<u64>().ok());
        let fits = size == "*" || self.size.is_none_or(|own| size.parse() == Ok(own));
        if from == Some(self.summer.bytes()) && fits { Ok(()) } else { Err(wrong()) }
    }

    fn begin_again(&mut self, tell: &mut (dyn FnMut(Progress) + Send)) -> Result<(), PullError> {
        let failed = |error| PullError::file(&self.path, error);
        self.file.set_len(0).map_err(failed)?;
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        tell(Progress::Dropped(self.summer.bytes()));
        self.summer = Summer::new(&self.checksum, self.size);
        Ok(())
    }

    /// Drops what came where it is not the file; keeps it where only the way here failed.
    fn failed(self, error: PullError) -> PullError {
        if matches!(error, PullError::Length { .. } | PullError::Checksum { .. }) {
            // The error that led here says more than one of removing would.
            let _ = std::fs::remove_file(&self.path);
        }
        error
    }

    /// Checks the whole, makes it durable, and puts it in its place.
    fn finish(self, place: &Place) -> Result<Came, PullError> {
        let found = self.summer.clone().finish();
        if let Some(expected) = self.checksum.published().filter(|expected| **expected != found) {
            let error = PullError::Checksum { file: self.wanted.name.clone(), expected: expected.to_owned(), found };
            return Err(self.failed(error));
        }
        self.file.sync_all().map_err(|error| PullError::file(&self.path, error))?;
        place.accept(&self.wanted.name)?;
        let checksum = self.checksum.published().map(str::to_owned);
        Ok(Came { name: self.wanted.name.clone(), size: self.summer.bytes(), checksum })
    }
}
