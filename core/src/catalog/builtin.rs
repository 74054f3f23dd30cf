//! The built-in data files, one a vendor: as texts, or packed while building.

use super::Catalog;
#[cfg(any(test, not(feature = "packed")))]
use super::CatalogFile;

/// The built-in rows.
pub(super) fn catalog() -> Catalog {
    #[cfg(feature = "packed")]
    let rows = Catalog::default().with_rows(&unpack());
    #[cfg(not(feature = "packed"))]
    let rows = Catalog::default()
        .with_trees(FILES.iter().map(|file| (file.name, crate::tree::parse_always(file.text))).collect());
    rows.expect("the built-in rows are parsed by the tests as well")
}

/// Every file's name and rows.
#[cfg(feature = "packed")]
pub(super) fn unpack() -> Vec<(String, serde_json::Value)> {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/catalog.json.z"));
    let mut text = Vec::new();
    let unpacked = std::io::Write::write_all(&mut flate2::write::ZlibDecoder::new(&mut text), packed);
    unpacked.expect("the build packed them");
    serde_json::from_slice(&text).expect("the build wrote them as JSON")
}

#[cfg(any(test, not(feature = "packed")))]
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(CatalogFile { name: $name, text: include_str!(concat!("data/", $name)) }),+]
    };
}

/// Every built-in file.
#[cfg(any(test, not(feature = "packed")))]
pub(super) const FILES: &[CatalogFile<'static>] = files![
    "anthropic.toml",
    "azure.toml",
    "bedrock.toml",
    "cerebras.toml",
    "cohere.toml",
    "deepseek.toml",
    "fireworks.toml",
    "google.toml",
    "groq.toml",
    "llamacpp.toml",
    "local.toml",
    "minimax.toml",
    "mistral.toml",
    "moonshot.toml",
    "ollama.toml",
    "openai.toml",
    "openrouter.toml",
    "perplexity.toml",
    "sglang.toml",
    "together.toml",
    "vertex.toml",
    "vllm.toml",
    "voyage.toml",
    "xai.toml",
    "zai.toml",
    "zhipuai.toml",
];
