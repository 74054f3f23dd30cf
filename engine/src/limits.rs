//! Bounds on everything that comes from outside, each with its reason.

/// A published `config.json` has a few kilobytes; a megabyte holds any that a person wrote.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// A safetensors header of a 671 B model in one file would have about 12 MB.
pub const HEADER_BYTES_MAX: u64 = 32 << 20;
/// Tensors in one file: twice what that model has.
pub const TENSORS_MAX: usize = 200_000;
/// Dimensions of a tensor: GGUF allows four.
pub const DIMENSIONS_MAX: usize = 8;
/// Files of one sharded checkpoint; the largest published have 200.
pub const SHARDS_MAX: usize = 1_024;
/// Keys of a GGUF file's metadata; published files have under a hundred.
pub const GGUF_KEYS_MAX: usize = 4_096;
/// Bytes of one text in a GGUF file; the longest are chat templates.
pub const GGUF_TEXT_BYTES_MAX: u64 = 1 << 20;
/// Entries of one list in a GGUF file; the longest is a vocabulary or its merges.
pub const GGUF_LIST_MAX: u64 = 2_000_000;
/// Entries of all lists of a GGUF file together; the largest published have two million.
pub const GGUF_ENTRIES_MAX: u64 = 8_000_000;
/// Bytes of all metadata of a GGUF file; the largest published have 20 MB.
pub const GGUF_HEADER_BYTES_MAX: usize = 128 << 20;
/// Tokens of a vocabulary; the largest published have 262,144.
pub const VOCABULARY_MAX: usize = 1 << 21;
/// Values of a hidden state; the largest published have 16,384.
pub const WIDTH_MAX: usize = 1 << 17;
/// Layers; the largest published have 126.
pub const LAYERS_MAX: usize = 1_024;
/// Attention heads; the largest published have 128.
pub const HEADS_MAX: usize = 1_024;
/// Experts of a layer; the largest published have 512.
pub const EXPERTS_MAX: usize = 8_192;
/// Positions of a context; the longest published are ten million.
pub const CONTEXT_MAX: usize = 1 << 24;
/// Bytes of a `tokenizer.json`; the largest published have 34 MB.
pub const TOKENIZER_BYTES_MAX: u64 = 128 << 20;
/// Values of a JSON file that is read as a tree; the largest published tokenizers have two million.
pub const JSON_VALUES_MAX: usize = 4_000_000;
/// Steps by which a tokenizer normalises or cuts a text; published ones have up to six.
pub const TOKENIZER_STEPS_MAX: usize = 16;
/// Bytes of a pattern that words are cut by; the longest published have 300.
pub const PATTERN_BYTES_MAX: usize = 16 << 10;
/// Bytes that a text may grow to while it is normalised.
pub const NORMALISED_BYTES_MAX: usize = 4 * PROMPT_BYTES_MAX;
/// Bytes of a chat template; the longest published have 20 kB.
pub const TEMPLATE_BYTES_MAX: usize = 256 << 10;
/// Steps that a chat template may take: a conversation of a thousand messages takes about 300,000, guards included.
pub const TEMPLATE_FUEL: u64 = 8_000_000;
/// Bytes of texts and lists that a chat template may make or walk in one render: eight times the largest prompt.
pub const TEMPLATE_WORK_BYTES: usize = 128 << 20;
/// How deep values of a chat template nest; JSON that comes in nests 128 deep at most.
pub const TEMPLATE_DEPTH_MAX: usize = 160;
/// Words of one tag of a chat template; its compiler recurses over them. The longest published have about 200.
pub const TEMPLATE_TAG_TOKENS_MAX: usize = 1_024;
/// Branches by `elif` in a chat template; its compiler recurses over them, too. Published ones have under 50.
pub const TEMPLATE_ELIFS_MAX: usize = 512;
/// Bytes that the constants of a chat template may come to when they are multiplied.
pub const TEMPLATE_CONSTANT_BYTES_MAX: usize = 4 << 20;
/// Stack of the thread that runs a chat template; untouched pages take no memory.
pub const TEMPLATE_STACK_BYTES: usize = 64 << 20;
/// Bytes that a chat template may write: four times the largest prompt that is let in.
pub const PROMPT_BYTES_MAX: usize = 16 << 20;
/// Bytes of a JSON Schema that an answer is held to; vendors take up to 120 kB.
pub const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// Threads of the CPU backend.
pub const THREADS_MAX: usize = 256;
/// Requests that wait or run at the same time.
pub const QUEUE_MAX: usize = 1_024;
/// Texts that end an answer, in one request.
pub const STOP_TEXTS_MAX: usize = 16;
/// Bytes of one such text.
pub const STOP_TEXT_BYTES_MAX: usize = 1_024;
