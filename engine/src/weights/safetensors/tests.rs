//! Files that lie: each claim of a header is refused where it does not hold.

use super::*;

/// A file with this header and so many bytes of numbers.
fn file(header: &str, data: usize) -> Bytes {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    bytes.into()
}

fn entry(dtype: &str, shape: &str, start: &str, end: &str) -> String {
    format!(r#"{{"a": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": [{start}, {end}]}}}}"#)
}

#[test]
fn a_good_file_is_read() {
    let checkpoint = read(Path::new("x"), file(&entry("F16", "[2, 3]", "0", "12"), 12)).unwrap();
    assert_eq!(checkpoint.tensor("a").unwrap().shape, [2, 3]);
    assert_eq!(checkpoint.tensor("a").unwrap().to_f32(), vec![0.0; 6]);
}

#[test]
fn headers_that_lie_are_refused() {
    let twice = r#"{"a": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}, "a": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let overlap = r#"{"a": {"dtype":"U8","shape":[2],"data_offsets":[0,2]}, "b": {"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#;
    let cases = [
        ("a place beyond the end", file(&entry("F32", "[4]", "0", "16"), 12)),
        ("an end before its start", file(&entry("F32", "[4]", "16", "0"), 16)),
        ("a shape that overflows", file(&entry("F32", "[4294967296, 4294967296, 4]", "0", "16"), 16)),
        ("a shape that needs more bytes", file(&entry("F32", "[5]", "0", "16"), 16)),
        ("a negative size", file(&entry("F32", "[-4]", "0", "16"), 16)),
        ("an unknown type", file(&entry("F99", "[4]", "0", "16"), 16)),
        ("a hole at the end", file(&entry("F32", "[4]", "0", "16"), 20)),
        ("too many dimensions", file(&entry("U8", "[1,1,1,1,1,1,1,1,1]", "0", "1"), 1)),
        ("an overlap", file(overlap, 3)),
        ("one name twice", file(twice, 1)),
        ("no JSON", file("{", 0)),
        ("no bytes", Bytes::from(Vec::new())),
        ("a length beyond the file", Bytes::from(1_000u64.to_le_bytes().to_vec())),
        ("a length beyond all bounds", Bytes::from(u64::MAX.to_le_bytes().to_vec())),
    ];
    for (what, bytes) in cases {
        let read = read(Path::new("x"), bytes);
        assert!(matches!(read, Err(EngineError::Malformed { .. })), "{what}: {read:?}");
    }
}

#[test]
fn an_index_cannot_leave_its_folder() {
    for name in ["../secret", "/etc/passwd", "a/b", "..", "a\\b", "", "c:x"] {
        assert!(!is_plain_name(name), "{name}");
    }
    assert!(is_plain_name("model-00001-of-00002.safetensors"));
    let folder = std::env::temp_dir().join(format!("tierway-index-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(INDEX), r#"{"weight_map": {"a": "../model.safetensors"}}"#).unwrap();
    let opened = open_folder(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(opened, Err(EngineError::Malformed { .. })), "{opened:?}");
}

#[test]
fn shards_are_read_through_their_index() {
    let folder = std::env::temp_dir().join(format!("tierway-shards-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(INDEX), r#"{"weight_map": {"a": "1.safetensors"}}"#).unwrap();
    std::fs::write(folder.join("1.safetensors"), &*file(&entry("U8", "[2]", "0", "2"), 2)).unwrap();
    let opened = open_folder(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(opened.unwrap().tensor("a").unwrap().count(), 2);
}
