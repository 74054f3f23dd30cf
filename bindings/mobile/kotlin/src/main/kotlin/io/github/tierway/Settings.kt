// A client's settings.
package io.github.tierway

import kotlinx.serialization.EncodeDefault
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject

/** How models are chosen. */
@Serializable
data class RouterSettings(
    /** The share of the best admitted model's chance of a good answer, 0 to 1. */
    val quality: Double? = null,
    /** The model against which savings are counted. */
    val baseline: ModelId? = null,
    val models: List<String>? = null,
    /** What a good answer is worth. */
    val worth: Usd? = null,
    @SerialName("spend_max") val spendMax: Usd? = null,
    @SerialName("latency_max_ms") val latencyMaxMs: Long? = null,
    val endpoints: List<EndpointId>? = null,
)

/** Where the account is kept: in memory where no path is said. */
@Serializable
data class LedgerSettings(val path: String? = null)

/** Time limits, in milliseconds. */
@Serializable
data class TimeoutSettings(
    @SerialName("connect_ms") val connectMs: Long? = null,
    @SerialName("first_byte_ms") val firstByteMs: Long? = null,
    @SerialName("idle_ms") val idleMs: Long? = null,
    @SerialName("total_ms") val totalMs: Long? = null,
)

/** How often to try. */
@Serializable
data class RetrySettings(
    @SerialName("attempts_max") val attemptsMax: Int? = null,
    @SerialName("deadline_ms") val deadlineMs: Long? = null,
)

/**
 * A client's settings; each may be left out. What has no class of its own here is JSON as the section of `tierway.toml` of
 * the same name.
 */
@OptIn(ExperimentalSerializationApi::class)
@Serializable
class Settings(
    /** Keys by endpoint of the catalogue. Left out, they are read from the environment. */
    val keys: Map<EndpointId, String>? = null,
    /** Whether to read keys from the environment too. */
    @EncodeDefault val environment: Boolean = keys == null,
    /** A `tierway.toml` to start from; an empty text looks for one in the working folder, as without [keys]. */
    @EncodeDefault val file: String? = if (keys == null) "" else null,
    val router: RouterSettings? = null,
    val ledger: LedgerSettings? = null,
    val timeouts: TimeoutSettings? = null,
    val retry: RetrySettings? = null,
    /** What may go where. */
    val policy: JsonObject? = null,
    /** Rules for kinds of data. */
    val labels: Map<DataLabel, JsonObject>? = null,
    /** Limits on what may be spent. */
    val budgets: List<JsonObject>? = null,
    /** Limits on how fast. */
    val rates: List<JsonObject>? = null,
    /** Rows of a catalogue of one's own. */
    val rows: List<JsonObject>? = null,
    val catalog: JsonObject? = null,
    /** Other addresses, by endpoint. */
    @SerialName("base_urls") val baseUrls: Map<EndpointId, String>? = null,
    /** Whether to check answers for what can be seen without knowing the subject. */
    @SerialName("check_wellformed") val checkWellformed: Boolean? = null,
) {
    internal fun written(): JsonElement = json.encodeToJsonElement(serializer(), this)

    /** Shows no key. */
    override fun toString(): String = "Settings(keys of ${keys?.keys.orEmpty()})"
}
