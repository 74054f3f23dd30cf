//! What a Gemini answer used, as billed.

use serde_json::Value;

use crate::request::ServiceTier;
use crate::usage::Usage;
use crate::wire::json::{count, field, list, text};

/// Reads `usageMetadata`. Thoughts stand beside the candidates and the prompts of the vendor's own tools beside the
/// prompt; cached tokens stand inside the prompt. A count of candidates that was left out is what the total leaves.
pub(in crate::wire) fn usage(usage: &Value) -> Usage {
    let prompt = count(usage, &["promptTokenCount"]);
    let by_tools = count(usage, &["toolUsePromptTokenCount"]);
    let thoughts = count(usage, &["thoughtsTokenCount"]);
    let candidates = count(usage, &["candidatesTokenCount"]).or_else(|| {
        let known = [prompt, by_tools, thoughts].into_iter().flatten().fold(0, u64::saturating_add);
        count(usage, &["totalTokenCount"]).map(|total| total.saturating_sub(known))
    });
    let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    };
    let of = |details: &str, kind: Modality| modality(usage, details, kind);
    Usage {
        input: sum(prompt, by_tools),
        cached_read: count(usage, &["cachedContentTokenCount"]),
        output: sum(candidates, thoughts),
        reasoning: thoughts,
        input_audio: sum(of("promptTokensDetails", Modality::Audio), of("toolUsePromptTokensDetails", Modality::Audio)),
        cached_audio: of("cacheTokensDetails", Modality::Audio),
        output_audio: of("candidatesTokensDetails", Modality::Audio),
        input_image: sum(of("promptTokensDetails", Modality::Image), of("toolUsePromptTokensDetails", Modality::Image)),
        output_image: of("candidatesTokensDetails", Modality::Image),
        service_tier: tier(usage),
        ..Usage::default()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Modality {
    Audio,
    Image,
}

/// The tokens of one modality; the vendor's numbers for the names are read too.
fn modality(usage: &Value, details: &str, kind: Modality) -> Option<u64> {
    let (name, number) = match kind {
        Modality::Audio => ("AUDIO", 4),
        Modality::Image => ("IMAGE", 2),
    };
    let is_kind = |detail: &&Value| match field(detail, "modality") {
        Some(Value::String(word)) => word == name,
        Some(Value::Number(code)) => code.as_u64() == Some(number),
        _ => false,
    };
    let mut found = list(usage, details).iter().filter(is_kind).filter_map(|detail| count(detail, &["tokenCount"]));
    let first = found.next()?;
    Some(found.fold(first, u64::saturating_add))
}

fn tier(usage: &Value) -> Option<ServiceTier> {
    let word = text(usage, "serviceTier").or_else(|| text(usage, "trafficType"))?;
    match word.to_ascii_lowercase().trim_start_matches("service_tier_") {
        "standard" | "on_demand" => Some(ServiceTier::Standard),
        "priority" | "on_demand_priority" => Some(ServiceTier::Priority),
        "flex" | "on_demand_flex" => Some(ServiceTier::Flex),
        "batch" => Some(ServiceTier::Batch),
        _ => None,
    }
}
