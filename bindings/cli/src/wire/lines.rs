//! The lines of a file, plain or gzip, whatever stands in them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::Failure;

/// Longest line, in bytes: the largest answer that the router reads, as base64, with its request.
const LINE_BYTES_MAX: usize = 256 << 20;
/// What gzip starts with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Gives each line that is not blank to `each`, with its number from 1. What cannot be read is a last line that says why.
pub(super) fn each(
    path: &Path,
    mut each: impl FnMut(usize, Result<Vec<u8>, String>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reader = open(path)?;
    for number in 1.. {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line) {
            Err(error) => return each(number, Err(format!("the file is damaged here: {error}"))),
            Ok(0) => break,
            Ok(LINE_BYTES_MAX) => {
                return each(number, Err("the line is too long: what follows is not read".to_owned()));
            }
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => each(number, Ok(line))?,
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let is_gzip = file.fill_buf().map_err(failed)?.starts_with(&GZIP);
    Ok(match is_gzip {
        true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        false => Box::new(file),
    })
}
