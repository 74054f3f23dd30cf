//! Checksums that hubs publish: SHA-256 of large files, and git's own of small ones.

use sha2::Digest;

/// What a file's content must come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// Of the content, in hex.
    Sha256(String),
    /// Git's name of the content, in hex: SHA-1 of `blob`, its length, a zero byte and the content.
    Git(String),
    /// Nobody published one.
    None,
}

/// Whether a text is a checksum of so many hex digits.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Checksum {
    /// As published.
    pub(super) fn published(&self) -> Option<&str> {
        match self {
            Checksum::Sha256(hex) | Checksum::Git(hex) => Some(hex),
            Checksum::None => None,
        }
    }
}

/// Takes a file's content piece by piece.
#[derive(Clone, Debug)]
pub(super) struct Summer {
    sha256: sha2::Sha256,
    git: Option<sha1::Sha1>,
    bytes: u64,
}

impl Summer {
    /// For content that is to be held to `checksum`. Git's is of the length, too, which must be known before.
    pub(super) fn new(checksum: &Checksum, size: Option<u64>) -> Summer {
        let git = match (checksum, size) {
            (Checksum::Git(_), Some(size)) => Some(sha1::Sha1::new_with_prefix(format!("blob {size}\0"))),
            _ => None,
        };
        Summer { sha256: sha2::Sha256::new(), git, bytes: 0 }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        match &mut self.git {
            Some(git) => git.update(piece),
            None => self.sha256.update(piece),
        }
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The checksum of all that was taken, in hex.
    pub(super) fn finish(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self.git {
            Some(git) => hex(&git.finalize()),
            None => hex(&self.sha256.finalize()),
        }
    }
}
