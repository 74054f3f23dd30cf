//! The built-in data files, one a vendor.

use super::CatalogFile;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(CatalogFile { name: $name, text: include_str!(concat!("data/", $name)) }),+]
    };
}

/// Every built-in file.
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
