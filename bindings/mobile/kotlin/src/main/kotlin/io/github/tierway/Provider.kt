// What an app brings of its own: providers that answer, and checks that judge answers.
package io.github.tierway

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.serialization.EncodeDefault
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/** What a provider is asked. */
@Serializable
class ProviderCall(
    /** The model's name at its endpoint. */
    val model: String,
    /** The catalogue's id. */
    val id: ModelId,
    val endpoint: EndpointId,
    /** The ledger's key of this attempt: pass it on as an idempotency key. */
    val attempt: String,
    /** The bound that was reserved. */
    @SerialName("max_tokens") val maxTokens: Long,
    @SerialName("timeout_ms") val timeoutMs: Long,
    val request: RequestDraft,
)

/**
 * Answers in Kotlin: a model on the device, or a server by ways of its own. Its functions are called from many coroutines
 * at once, and cancelled where nobody waits for the answer any more. It says how it failed by a [Fault].
 */
fun interface Provider {
    /** A whole answer. */
    suspend fun chat(call: ProviderCall): Reply

    /** The answer piece by piece; by default [chat]'s in one go. */
    fun stream(call: ProviderCall): Flow<Delta> = flow { piecesOf(chat(call)).forEach { emit(it) } }
}

/** Judges answers: brings why one falls short of its request, in a line without its text, or nothing where it is good. */
fun interface Check {
    suspend fun judge(request: RequestDraft, reply: Reply): String?
}

/** What a provider or a transport throws to say how it failed. Any other exception is told by its class alone. */
@OptIn(ExperimentalSerializationApi::class)
class Fault(
    val kind: Kind,
    message: String,
    val status: Int? = null,
    val code: String? = null,
    val retry: Retry? = null,
    val retryAfterMs: Long? = null,
    /** Whether any of the request may have left the device. */
    val sent: Boolean = true,
    cause: Throwable? = null,
) : Exception(message, cause) {
    /** A transport has `CONNECT`, `TLS`, `TIMEOUT` and `NETWORK`. */
    @Serializable
    enum class Kind {
        @SerialName("auth") AUTH,
        @SerialName("permission") PERMISSION,
        @SerialName("not_found") NOT_FOUND,
        @SerialName("invalid") INVALID,
        @SerialName("context_too_long") CONTEXT_TOO_LONG,
        @SerialName("too_large") TOO_LARGE,
        @SerialName("content_filtered") CONTENT_FILTERED,
        @SerialName("rate_limited") RATE_LIMITED,
        @SerialName("quota") QUOTA,
        @SerialName("overloaded") OVERLOADED,
        @SerialName("server") SERVER,
        @SerialName("timeout") TIMEOUT,
        @SerialName("connect") CONNECT,
        @SerialName("tls") TLS,
        @SerialName("network") NETWORK,
        @SerialName("protocol") PROTOCOL,
        @SerialName("cancelled") CANCELLED,
    }

    /** Where to try again. */
    @Serializable
    enum class Retry {
        @SerialName("here") HERE,
        @SerialName("elsewhere") ELSEWHERE,
        @SerialName("never") NEVER,
    }

    @Serializable
    private class Written(
        val kind: Kind,
        val message: String,
        val status: Int?,
        val code: String?,
        val retry: Retry?,
        @SerialName("retry_after_ms") val retryAfterMs: Long?,
        @EncodeDefault val sent: Boolean,
    )

    internal fun written(): String = json.encodeToString(
        Written.serializer(),
        Written(kind, message.orEmpty(), status, code, retry, retryAfterMs, sent),
    )
}

/** A whole answer that is a text. */
fun Reply(text: String, inputTokens: Long? = null, outputTokens: Long? = null): Reply =
    Reply(parts = listOf(Part.Text(text)), usage = Usage(input = inputTokens, output = outputTokens))

/** The words of an answer. */
val Reply.text: String get() = parts.filterIsInstance<Part.Text>().joinToString("") { it.text }

/** The words of an answer. */
val Response.text: String get() = reply.text

/** The words that a piece adds. */
val Delta.words: String get() = (this as? Delta.Text)?.text.orEmpty()

private fun piecesOf(reply: Reply): List<Delta> = buildList {
    reply.parts.forEachIndexed { at, part ->
        val plain = part is Part.Text && part.cache == null && part.vendor.isEmpty()
        add(if (plain) Delta.Text(at.toLong(), (part as Part.Text).text) else Delta.Part(at.toLong(), part))
    }
    reply.usage?.let { add(Delta.Usage(it)) }
    reply.stop?.let { add(Delta.Stop(it)) }
}
