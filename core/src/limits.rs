//! Every bound on what comes from outside, each with its reason.

use crate::time::Span;

/// Longest identifier, in bytes: the longest vendor model path seen is 108.
pub const ID_BYTES_MAX: usize = 256;
/// Most messages in a request: beyond any context window at a token a message.
pub const MESSAGES_MAX: usize = 100_000;
/// Most text in a request, in bytes: 8 MiB is about two million tokens, the largest window on sale.
pub const TEXT_BYTES_MAX: usize = 8 << 20;
/// Most embedded media in a request, in bytes of base64: vendors stop between 20 and 50 MB.
pub const MEDIA_BYTES_MAX: usize = 64 << 20;
/// Most tools in a request: OpenAI takes 128, Gemini 512.
pub const TOOLS_MAX: usize = 512;
/// Most stop sequences: Anthropic takes the most, 8,191, and nobody uses more than a few.
pub const STOPS_MAX: usize = 64;
/// Most tags on a request, and the longest key or value in bytes: they are columns of the ledger.
pub const TAGS_MAX: usize = 32;
/// Longest tag key or value, in bytes.
pub const TAG_BYTES_MAX: usize = 256;
/// Most data labels on a request.
pub const LABELS_MAX: usize = 32;
/// Largest body of a unary reply, in bytes after decompression: a full 128k-token reply with log-probabilities is 60 MB.
pub const REPLY_BYTES_MAX: usize = 96 << 20;
/// Longest line or event of a stream, in bytes: images in one event reach 8 MB.
pub const EVENT_BYTES_MAX: usize = 16 << 20;
/// Largest error body kept, in bytes: vendors' error texts are below 4 KB, HTML pages are cut.
pub const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
/// Longest error message kept from a vendor, in characters.
pub const ERROR_TEXT_CHARS_MAX: usize = 300;
/// Most parts in one reply: bounds what a hostile stream can open.
pub const REPLY_PARTS_MAX: usize = 4_096;
/// Longest Retry-After that is honoured; a longer one sends the request elsewhere.
pub const RETRY_AFTER_MAX: Span = Span::from_secs(60);
/// Most tokens of an answer where the request does not say: a long answer with its reasoning, and what is reserved.
pub const OUTPUT_TOKENS_DEFAULT: u64 = 16_384;
/// Least room for an answer, in tokens, that a model must have beside the prompt.
pub const OUTPUT_ROOM_MIN: u64 = 256;
/// Most tokens that one picture costs: the dearest published tiling is 2,833 + 8 x 5,667.
pub const IMAGE_TOKENS_MAX: u64 = 48_169;
/// Most attempts for one request, whatever the policy of retries says: bounds the bill of one call.
pub const ATTEMPTS_MAX: u32 = 64;
/// Longest id of a request, in bytes: an attempt's id is it with a number after it.
pub const REQUEST_ID_BYTES_MAX: usize = 240;
/// Most lines in a charge: about twice the classes that vendors bill.
pub const CHARGE_LINES_MAX: usize = 64;
/// Longest free text in a ledger entry, in bytes: a reason, not a story.
pub const LEDGER_TEXT_BYTES_MAX: usize = 1_000;
/// Most budgets, and most rates, in a configuration: each is looked at for every reservation.
pub const BUDGETS_MAX: usize = 1_000;
/// How long a stream may stay open after the answer's end: its count of tokens may follow, and nothing else does.
pub const AFTER_STOP_MAX: Span = Span::from_secs(5);
/// How far ahead a price bound looks: vendors bill by the time at which a call ends, and none takes longer.
pub const PRICE_AHEAD: Span = Span::from_secs(3_600);
/// Largest price of a million tokens, in dollars, or of one piece: the dearest on sale is 600.
pub const RATE_USD_MAX: i64 = 100_000;
/// Most rows of one catalogue: the largest public list has about 5,000.
pub const CATALOG_ROWS_MAX: usize = 20_000;
/// Largest context window that a row may claim, in tokens: the largest on sale is 10 million.
pub const CONTEXT_TOKENS_MAX: u64 = 1_000_000_000;
/// Most conversations whose model is remembered: about 300 bytes each.
pub const SESSIONS_MAX: usize = 20_000;
/// Most answers that a mark may still come for: about 600 bytes each.
pub const ANSWERS_MARKABLE_MAX: usize = 10_000;
/// Calls from which on an endpoint's latencies are known well enough to hedge by.
pub const LATENCY_CALLS_MIN: u16 = 20;
/// Calls at which an endpoint's latencies are halved: what an endpoint did a thousand calls ago says little.
pub const LATENCY_CALLS_MAX: u16 = 1_000;
/// Longest end of a broken answer that is looked for at the start of its continuation, in bytes.
pub const OVERLAP_BYTES_MAX: usize = 400;
/// Most vectors in one answer of embeddings: OpenAI takes 2,048 texts at a time, Voyage 1,000.
pub const VECTORS_MAX: usize = 4_096;
/// Most items of one batch: what a caller keeps of each is in memory while it is handed in.
pub const BATCH_ITEMS_MAX: usize = 200_000;
/// Longest id of a batch, in bytes: an item's name is it with a number after it, and Anthropic takes 64 in all.
pub const BATCH_ID_BYTES_MAX: usize = 48;
/// Largest file of results, in bytes: half as many answers of 8,000 tokens as a batch may have items.
pub const BATCH_RESULT_BYTES_MAX: u64 = 4 << 30;
/// Most pages of a vendor's list of batches that are looked through for one whose id was lost: 1,000 batches.
pub const BATCH_PAGES_MAX: usize = 10;
/// Most attempts that a ledger in memory keeps one by one: about a kilobyte each. Older ones are kept as sums.
pub const MEMORY_ATTEMPTS_MAX: usize = 10_000;
/// Most values of tags by hour that a ledger in memory keeps of forgotten attempts: about 200 bytes each.
pub const MEMORY_TAG_SUMS_MAX: usize = 200_000;
/// Most alerts that wait to be told: a budget for each of a thousand users may reach a mark in one minute.
pub const ALERTS_WAITING_MAX: usize = 1_024;
/// Most alerts whose telling is remembered, so that each is told once: about 60 bytes each.
pub const ALERTS_TOLD_MAX: usize = 10_000;
