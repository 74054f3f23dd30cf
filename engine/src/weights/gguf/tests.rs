//! Files that lie: the classes of CVE-2024-21802 (counts), CVE-2025-49847 (text lengths), CVE-2025-53630 (sizes that
//! overflow) and CVE-2026-27940 (places that overflow), and files that end too early.

use super::*;

/// Writes a file value by value.
#[derive(Clone, Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn new(tensors: u64, keys: u64) -> Writer {
        Writer(b"GGUF".to_vec()).u32(3).u64(tensors).u64(keys)
    }

    fn u32(mut self, value: u32) -> Writer {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Writer {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn text(mut self, text: &str) -> Writer {
        self = self.u64(text.len() as u64);
        self.0.extend(text.as_bytes());
        self
    }

    fn tensor(self, sizes: &[u64], dtype: u32, offset: u64) -> Writer {
        self.named("t", sizes, dtype, offset)
    }

    fn named(self, name: &str, sizes: &[u64], dtype: u32, offset: u64) -> Writer {
        let start = self.text(name).u32(sizes.len() as u32);
        sizes.iter().fold(start, |writer, size| writer.u64(*size)).u32(dtype).u64(offset)
    }

    fn data(mut self, bytes: usize) -> Bytes {
        self.0.resize(self.0.len().next_multiple_of(32) + bytes, 0);
        self.0.into()
    }
}

fn open(bytes: Bytes) -> Result<Gguf, EngineError> {
    read(Path::new("x"), &bytes)
}

#[test]
fn a_good_file_is_read() {
    let file = Writer::new(1, 2).text("k").u32(8).text("v").text("n").u32(9).u32(4).u64(2).u32(7).u32(8);
    let gguf = open(file.tensor(&[32, 2], 8, 0).data(68)).unwrap();
    assert_eq!(gguf.metadata["k"], Value::Text("v".into()));
    assert_eq!(gguf.metadata["n"], Value::Wholes(vec![7, 8]));
    let tensor = gguf.checkpoint.tensor("t").unwrap();
    assert_eq!((tensor.dtype, tensor.shape.as_slice()), (Dtype::Q8_0, [2, 32].as_slice()));
}

#[test]
fn files_that_lie_are_refused() {
    let one = || Writer::new(1, 0);
    let key = || Writer::new(0, 1);
    let cases = [
        ("another beginning", Writer(b"GGML".to_vec()).data(64)),
        ("an unknown version", Writer(b"GGUF".to_vec()).u32(9).data(64)),
        ("too many tensors", Writer::new(u64::MAX, 0).data(64)),
        ("too many keys", Writer::new(0, u64::MAX).data(64)),
        ("more tensors than there are", Writer::new(1_000, 0).data(64)),
        ("a text beyond the end", key().u64(1 << 19).data(64)),
        ("a text that overflows", key().u64(u64::MAX).data(64)),
        ("a list beyond the end", key().text("k").u32(9).u32(4).u64(1 << 20).data(64)),
        ("a list that overflows", key().text("k").u32(9).u32(4).u64(u64::MAX / 4 + 1).data(64)),
        ("a list of lists", key().text("k").u32(9).u32(9).u64(1).data(64)),
        ("an unknown value", key().text("k").u32(77).data(64)),
        ("a shape that overflows", one().tensor(&[1 << 32, 1 << 32, 32], 0, 0).data(64)),
        ("bytes that overflow", one().tensor(&[1 << 62], 0, 0).data(64)),
        ("a place beyond the end", one().tensor(&[32], 0, 0).data(64)),
        ("a place that overflows", one().tensor(&[16], 0, u64::MAX - 31).data(64)),
        ("a place out of line", one().tensor(&[4], 0, 8).data(64)),
        ("rows of broken blocks", one().tensor(&[16, 2], 8, 0).data(64)),
        ("too many dimensions", one().tensor(&[1, 1, 1, 1, 1], 0, 0).data(64)),
        ("no dimensions", one().tensor(&[], 0, 0).data(64)),
        ("an unknown type", one().tensor(&[32], 99, 0).data(64)),
        ("one place twice", Writer::new(2, 0).tensor(&[8], 0, 0).named("u", &[8], 0, 0).data(64)),
        ("more entries than any", {
            let lists = (0..5).fold(Writer::new(0, 5), |writer, at| {
                let mut writer = writer.text(&at.to_string()).u32(9).u32(0).u64(2_000_000);
                writer.0.resize(writer.0.len() + 2_000_000, 0);
                writer
            });
            lists.data(64)
        }),
        ("one name twice", Writer::new(2, 0).tensor(&[8], 0, 0).tensor(&[8], 0, 32).data(64)),
        ("one key twice", Writer::new(0, 2).text("k").u32(4).u32(1).text("k").u32(4).u32(1).data(64)),
        ("a strange alignment", Writer::new(0, 1).text("general.alignment").u32(4).u32(3).data(64)),
    ];
    for (what, bytes) in cases {
        let opened = open(bytes);
        assert!(matches!(opened, Err(EngineError::Malformed { .. })), "{what}: {opened:?}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_no_panic() {
    let file = Writer::new(1, 1).text("k").u32(9).u32(8).u64(2).text("ab").text("cd");
    let whole = file.tensor(&[32, 2], 2, 0).data(36);
    open(whole.clone()).unwrap();
    for end in 0..whole.len() {
        assert!(open(whole.slice(0..end)).is_err(), "cut at {end}");
    }
    // Any byte changed may give another valid file, but never a panic.
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = whole.to_vec();
            changed[at] = value;
            let _ = open(changed.into());
        }
    }
}
