//! Usage in the chat completions format, as its many vendors count it.
//!
//! `prompt_tokens` holds cached tokens and `completion_tokens` holds reasoning for most; where they don't, the total
//! tells: what it holds beyond the two is what they left out. xAI leaves reasoning out of `completion_tokens`, Gemini's
//! copy leaves thoughts out, Mistral leaves audio out of `prompt_tokens`.

use crate::model::Dialect;
use crate::money::{Usd, parse_decimal};
use crate::request::ServiceTier;
use crate::usage::Usage;
use crate::wire::json::{Counts, Leaf};

/// One of xAI's cost ticks, in pico-dollars: ten billion ticks are a dollar.
const PICO_PER_TICK: i128 = 100;

/// Reads a `usage` object.
pub(in crate::wire) fn read(usage: &dyn Counts, dialect: &Dialect) -> Usage {
    let first = |paths: &[&[&str]]| paths.iter().find_map(|path| usage.count(path));
    let prompt = first(&[&["prompt_tokens"], &["input_tokens"]]);
    let completion = first(&[&["completion_tokens"], &["output_tokens"]]);
    let cached_read = cached(usage);
    let reasoning = first(&[
        &["completion_tokens_details", "reasoning_tokens"],
        &["output_tokens_details", "reasoning_tokens"],
        &["completion_token_details", "reasoning_tokens"],
        &["reasoning_tokens"],
    ]);
    let hour = first(&[&["cache_creation", "ephemeral_1h_input_tokens"]]);
    let written = first(&[
        &["prompt_tokens_details", "cache_write_tokens"],
        &["input_tokens_details", "cache_write_tokens"],
        &["prompt_tokens_details", "cache_creation_tokens"],
        &["cache_creation_input_tokens"],
    ]);
    let input_audio = first(&[&["prompt_tokens_details", "audio_tokens"], &["input_tokens_details", "audio_tokens"]]);
    let mut read = Usage {
        input: prompt,
        billed_input: None,
        cached_read,
        cache_write_5m: written.map(|all| all.saturating_sub(hour.unwrap_or(0))),
        cache_write_1h: hour,
        output: completion,
        reasoning,
        input_audio,
        cached_audio: first(&[&["prompt_tokens_details", "cached_tokens_details", "audio_tokens"]]),
        output_audio: first(&[&["completion_tokens_details", "audio_tokens"]]),
        input_image: first(&[&["prompt_tokens_details", "image_tokens"], &["input_tokens_details", "image_tokens"]]),
        output_image: first(&[
            &["completion_tokens_details", "image_tokens"],
            &["output_tokens_details", "image_tokens"],
        ]),
        searches: first(&[
            &["num_search_queries"],
            &["server_tool_use_details", "web_search_requests"],
            &["server_tool_use", "web_search_requests"],
            &["num_sources_used"],
        ]),
        stated_cost: stated_cost(usage),
        service_tier: usage.text("service_tier").and_then(tier),
    };
    add_what_was_left_out(&mut read, usage, dialect);
    read
}

fn cached(usage: &dyn Counts) -> Option<u64> {
    let paths: [&[&str]; 7] = [
        &["prompt_tokens_details", "cached_tokens"],
        &["input_tokens_details", "cached_tokens"],
        &["prompt_cache_hit_tokens"],
        &["num_cached_tokens"],
        &["cached_tokens"],
        &["prompt_token_details", "cached_tokens"],
        &["cache_read_input_tokens"],
    ];
    paths.iter().find_map(|path| usage.count(path))
}

/// Brings parts that stand beside their total into it: as the dialect says, or else as the grand total shows.
fn add_what_was_left_out(read: &mut Usage, usage: &dyn Counts, dialect: &Dialect) {
    let (Some(input), Some(output)) = (read.input, read.output) else { return };
    let reasoning = read.reasoning.unwrap_or(0);
    let total = usage.count(&["total_tokens"]);
    let missing = total.map_or(0, |total| total.saturating_sub(input.saturating_add(output)));
    // More cached tokens than there were in all can only stand beside them.
    let stands_beside = read.cached_read.max(read.cache_write()) > Some(input);
    let cached_outside = dialect.cached_outside_input.unwrap_or(stands_beside);
    if cached_outside {
        let beside = read.cached_read.unwrap_or(0).saturating_add(read.cache_write().unwrap_or(0));
        read.input = Some(input.saturating_add(beside));
    }
    match dialect.reasoning_outside_output {
        // A total that the two make up alone holds the reasoning already: the same vendor counts otherwise in Responses.
        Some(true) if total.is_some() && missing == 0 => {}
        Some(true) => read.output = Some(output.saturating_add(reasoning)),
        Some(false) => {}
        None if missing == 0 || cached_outside => {}
        None if reasoning != missing && read.input_audio == Some(missing) => {
            read.input = Some(input.saturating_add(missing));
        }
        None if reasoning == missing || reasoning == 0 => {
            read.output = Some(output.saturating_add(missing));
            read.reasoning = Some(reasoning.max(missing));
        }
        None => read.output = Some(output.saturating_add(missing)),
    }
}

/// What the vendor says the call cost: dollars (OpenRouter, Perplexity) or ticks (xAI). Under a key of the user's own,
/// OpenRouter states its fee and the upstream's price apart.
fn stated_cost(usage: &dyn Counts) -> Option<Usd> {
    if let Some(ticks) = usage.count(&["cost_in_usd_ticks"]) {
        return Usd::try_from_pico(i128::from(ticks) * PICO_PER_TICK).ok();
    }
    let dollars = |path: &[&str]| parse_decimal(&usage.decimal(path)?, 12).ok();
    let fee = dollars(&["cost", "total_cost"]).or_else(|| dollars(&["cost"]))?;
    let is_own_key = matches!(usage.leaf(&["is_byok"]), Some(Leaf::Flag(true)));
    let upstream = is_own_key.then(|| dollars(&["cost_details", "upstream_inference_cost"])).flatten();
    Usd::try_from_pico(fee.checked_add(upstream.unwrap_or(0))?).ok()
}

/// A vendor's word for its lane.
pub(crate) fn tier(word: &str) -> Option<ServiceTier> {
    match word {
        "auto" => Some(ServiceTier::Auto),
        "default" | "standard" | "on_demand" => Some(ServiceTier::Standard),
        "flex" => Some(ServiceTier::Flex),
        "priority" | "performance" => Some(ServiceTier::Priority),
        "batch" => Some(ServiceTier::Batch),
        _ => None,
    }
}
