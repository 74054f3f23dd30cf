//! Decompression with a bound, for vendors that compress without being asked: a small body must not become gigabytes.

use std::io::Write;

use bytes::Bytes;

use crate::error::{Kind, ProviderError, Retry};

/// Most bytes that one call of `feed` may produce for each byte it was given, beyond a free allowance: text compresses
/// at most about 20 times, a bomb 1,000 times.
const RATIO_MAX: usize = 200;
/// Bytes that any body may produce.
const FREE_BYTES: usize = 1 << 20;

/// Takes compressed bytes and gives plain ones.
#[derive(Debug)]
pub(super) enum Inflate {
    /// Not compressed.
    Plain,
    /// `gzip`.
    Gzip(Box<flate2::write::GzDecoder<Sink>>, usize),
    /// `deflate`, which is zlib on the wire.
    Deflate(Box<flate2::write::ZlibDecoder<Sink>>, usize),
}

/// Collects plain bytes up to a bound.
#[derive(Debug)]
pub(super) struct Sink {
    bytes: Vec<u8>,
    allowed: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.allowed {
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "bomb"));
        }
        self.allowed -= bytes.len();
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Inflate {
    /// For a body with this `content-encoding`.
    ///
    /// # Errors
    /// `Protocol` for an encoding that was never asked for and is not known.
    pub(super) fn new(encoding: Option<&str>) -> Result<Inflate, ProviderError> {
        match encoding.map(str::trim) {
            None | Some("" | "identity") => Ok(Inflate::Plain),
            Some("gzip" | "x-gzip") => Ok(Inflate::Gzip(
                Box::new(flate2::write::GzDecoder::new(Sink { bytes: Vec::new(), allowed: 0 })),
                FREE_BYTES,
            )),
            Some("deflate") => Ok(Inflate::Deflate(
                Box::new(flate2::write::ZlibDecoder::new(Sink { bytes: Vec::new(), allowed: 0 })),
                FREE_BYTES,
            )),
            Some(other) => Err(ProviderError::protocol(format!(
                "the answer is compressed with '{other}', which was not asked for"
            ))),
        }
    }

    /// Decompresses what has come.
    ///
    /// # Errors
    /// `ReplyTooLarge` for a bomb, `Protocol` for bytes that are not what the header says.
    pub(super) fn feed(&mut self, chunk: Bytes) -> Result<Bytes, ProviderError> {
        match self {
            Inflate::Plain => Ok(chunk),
            Inflate::Gzip(decoder, credit) => pass(decoder.as_mut(), |d| d.get_mut(), &chunk, credit),
            Inflate::Deflate(decoder, credit) => pass(decoder.as_mut(), |d| d.get_mut(), &chunk, credit),
        }
    }
}

fn pass<D: Write>(
    decoder: &mut D,
    sink: impl Fn(&mut D) -> &mut Sink,
    chunk: &Bytes,
    credit: &mut usize,
) -> Result<Bytes, ProviderError> {
    *credit = credit.saturating_add(chunk.len().saturating_mul(RATIO_MAX)).min(crate::limits::REPLY_BYTES_MAX);
    sink(decoder).allowed = *credit;
    let written = decoder.write_all(chunk).and_then(|()| decoder.flush());
    let plain = std::mem::take(&mut sink(decoder).bytes);
    *credit = credit.saturating_sub(plain.len());
    match written {
        Ok(()) => Ok(Bytes::from(plain)),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(ProviderError::new(
            Kind::ReplyTooLarge,
            Retry::Elsewhere,
            "the answer decompresses without end: refused",
        )),
        Err(_) => Err(ProviderError::protocol("the answer is not the compressed data that its header says")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn text_comes_back_however_it_is_cut() {
        let plain = "data: {\"x\": 1}\n\n".repeat(500);
        let packed = gzip(plain.as_bytes());
        for size in [1, 2, 7, packed.len()] {
            let mut inflate = Inflate::new(Some("gzip")).unwrap();
            let whole: Vec<u8> =
                packed.chunks(size).flat_map(|c| inflate.feed(Bytes::copy_from_slice(c)).unwrap().to_vec()).collect();
            assert_eq!(whole, plain.as_bytes());
        }
    }

    #[test]
    fn a_bomb_is_refused_in_bounded_memory() {
        let packed = gzip(&vec![0; 24 << 20]);
        let mut inflate = Inflate::new(Some("gzip")).unwrap();
        let error = packed.chunks(16 << 10).find_map(|c| inflate.feed(Bytes::copy_from_slice(c)).err()).unwrap();
        assert_eq!(error.kind, Kind::ReplyTooLarge);
        assert_eq!(Inflate::new(Some("br")).unwrap_err().kind, Kind::Protocol);
    }
}
