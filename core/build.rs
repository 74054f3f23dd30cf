//! Packs the built-in catalogue, where the feature `packed` asks for it: its files as one JSON text, compressed.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/catalog/data");
    #[cfg(feature = "packed")]
    pack().expect("the built-in rows are TOML, and the build folder can be written");
}

#[cfg(feature = "packed")]
fn pack() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write;

    let mut paths: Vec<_> = std::fs::read_dir("src/catalog/data")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    let mut files: Vec<(String, serde_json::Value)> = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, toml::from_str(&std::fs::read_to_string(&path)?)?));
    }
    let folder = std::env::var("OUT_DIR")?;
    let file = std::fs::File::create(std::path::Path::new(&folder).join("catalog.json.z"))?;
    let mut packer = flate2::write::ZlibEncoder::new(file, flate2::Compression::best());
    packer.write_all(serde_json::to_string(&files)?.as_bytes())?;
    packer.finish()?;
    Ok(())
}
