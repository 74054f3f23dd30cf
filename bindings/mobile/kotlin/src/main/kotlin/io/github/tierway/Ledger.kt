// What was spent, and the models on sale.
package io.github.tierway

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonPrimitive

/** What some attempts come to. */
@Serializable
data class Sums(
    val requests: Long,
    val attempts: Long,
    val failed: Long,
    /** Attempts whose end is open or not known. */
    val held: Long,
    @SerialName("input_tokens") val inputTokens: Long,
    @SerialName("cached_tokens") val cachedTokens: Long,
    @SerialName("output_tokens") val outputTokens: Long,
    @SerialName("reasoning_tokens") val reasoningTokens: Long,
    val cost: Usd,
    /** What the same answers would have cost on the baseline. */
    @SerialName("baseline_cost") val baselineCost: Usd,
    val saved: Usd,
    @SerialName("held_cost") val heldCost: Usd,
)

/** One group of a report: its values by what was asked for, and its sums. */
data class Group(val values: Map<String, String>, val sums: Sums)

/** What was spent, by group and in all. */
data class Report(val by: List<String>, val groups: List<Group>, val total: Sums) {
    internal companion object {
        @Serializable
        private class Written(val by: List<String>, val groups: List<JsonObject>, val total: Sums)

        fun read(text: String): Report {
            val written = json.decodeFromString(Written.serializer(), text)
            val groups = written.groups.map { group ->
                val values = written.by.associateWith { group.getValue(it).jsonPrimitive.content }
                Group(values, json.decodeFromJsonElement(Sums.serializer(), group))
            }
            return Report(written.by, groups, written.total)
        }
    }
}

/** An attempt in the account. */
@Serializable
data class Attempt(
    /** Its place: read on with it as `after`. */
    val seq: Long,
    val attempt: String,
    val request: RequestId,
    @SerialName("at_ms") val atMs: Timestamp,
    val model: ModelId,
    val vendor: VendorId,
    val endpoint: EndpointId,
    val tier: Tier,
    /** `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` ... */
    val purpose: String,
    val tags: Map<String, String>,
    val reserved: Usd,
    val baseline: JsonElement? = null,
    /** `answered`, `open`, `voided`, `unknown`, or how it failed. */
    val ending: String,
    val cost: Usd? = null,
    @SerialName("baseline_cost") val baselineCost: Usd? = null,
    val basis: String? = null,
    val usage: Usage? = null,
    val lines: List<ChargeLine>? = null,
    @SerialName("latency_ms") val latencyMs: Span? = null,
    @SerialName("first_token_ms") val firstTokenMs: Span? = null,
)

/** A model on sale. */
@Serializable
data class ModelLine(
    val id: ModelId,
    val vendor: VendorId,
    val tier: Tier,
    @SerialName("context_window") val contextWindow: Long,
    @SerialName("max_output") val maxOutput: Long,
    val retired: Boolean,
    /** Whether one of its endpoints has its key. */
    val callable: Boolean,
)
