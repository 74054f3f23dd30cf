//! The printable spelling of bytes: bytes that are printable in Latin-1 stand for themselves, the others for the
//! characters from U+0100 on, in order. Source: the published GPT-2 encoder.

/// The character of each byte.
fn character(byte: u8) -> char {
    let is_printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if is_printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !is_printable(*byte)).count() as u32;
    char::from_u32(0x100 + before).expect("a few past U+0100 are characters")
}

/// Bytes in their printable spelling.
pub(super) fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| character(*byte)).collect()
}

/// The bytes of a printable spelling; a character that spells none stands for itself.
pub(super) fn unspell(text: &str, table: &std::collections::HashMap<char, u8>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match table.get(&c) {
            Some(byte) => bytes.push(*byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The byte of each character.
pub(super) fn table() -> std::collections::HashMap<char, u8> {
    (0..=255).map(|byte| (character(byte), byte)).collect()
}
