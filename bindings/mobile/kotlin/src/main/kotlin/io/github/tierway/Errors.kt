// Why a call brought nothing: one class for each kind of failure, all with the same facts.
package io.github.tierway

import io.github.tierway.core.CoreException
import io.github.tierway.core.InternalException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject

/** What is known of a failure. */
@Serializable
data class Facts(
    /** A stable name: `rate_limited`, `refused`, `over_budget`, `invalid_request`, `offline` ... */
    val code: String,
    /** One line: what was attempted, on what, and what to do. It holds no prompt and no answer. */
    val message: String,
    /** The last HTTP status. */
    val status: Int? = null,
    /** How long the last vendor asked to wait, in milliseconds. */
    @SerialName("retry_after_ms") val retryAfterMs: Long? = null,
    /** The endpoint that failed last. */
    val provider: String? = null,
    /** The vendor's own error code. */
    @SerialName("vendor_code") val vendorCode: String? = null,
    /** The vendor's id of the failed request. */
    @SerialName("request_id") val requestId: String? = null,
    /** Which field of the request or the settings is wrong. */
    val field: String? = null,
    /** What was tried, in order. */
    val attempts: List<JsonObject> = emptyList(),
    /** Every model and every reason against it, where policy refused the request. */
    val refused: JsonElement? = null,
    /** What had come before the answer broke off. */
    val partial: Reply? = null,
) {
    /** Without what had come of an answer. */
    override fun toString(): String = "Facts($code: $message)"
}

/** A request that brought no answer. `code` is stable; the message says what to do. */
open class TierwayException(val facts: Facts) : Exception(facts.message) {
    val code: String get() = facts.code
    val status: Int? get() = facts.status
    val retryAfter: Duration? get() = facts.retryAfterMs?.milliseconds
    val provider: String? get() = facts.provider
}

/** The request is not valid: `facts.field` says where. */
class InvalidRequestException(facts: Facts) : TierwayException(facts)

/** The settings are not valid: `facts.field` says where. */
class ConfigException(facts: Facts) : TierwayException(facts)

/** Policy lets no model see the request: `facts.refused` has every reason. */
class RefusedException(facts: Facts) : TierwayException(facts)

/** A budget or a rate forbids the call. */
class OverBudgetException(facts: Facts) : TierwayException(facts)

/** The account cannot be read or written. */
class LedgerException(facts: Facts) : TierwayException(facts)

/** The call was given up by other means than its coroutine's. */
class CancelledException(facts: Facts) : TierwayException(facts)

/** There is no network, and the offline mode sends nothing. */
class OfflineException(facts: Facts) : TierwayException(facts)

/** The outbox cannot be used, or is full. */
class OutboxException(facts: Facts) : TierwayException(facts)

/** No provider answered. */
open class ProviderException(facts: Facts) : TierwayException(facts)

class AuthenticationException(facts: Facts) : ProviderException(facts)

class RateLimitException(facts: Facts) : ProviderException(facts)

class ProviderTimeoutException(facts: Facts) : ProviderException(facts)

class ConnectionException(facts: Facts) : ProviderException(facts)

/** The answer broke off: `facts.partial` has what had come. */
class IncompleteException(facts: Facts) : ProviderException(facts)

internal fun exceptionOf(facts: Facts): TierwayException = when (facts.code) {
    "invalid_request", "unknown_answer" -> InvalidRequestException(facts)
    "invalid_config" -> ConfigException(facts)
    "refused" -> RefusedException(facts)
    "over_budget" -> OverBudgetException(facts)
    "ledger" -> LedgerException(facts)
    "cancelled" -> CancelledException(facts)
    "offline" -> OfflineException(facts)
    "outbox", "outbox_full" -> OutboxException(facts)
    "forked", "runtime", "internal", "closed" -> TierwayException(facts)
    "auth", "permission" -> AuthenticationException(facts)
    "rate_limited", "quota" -> RateLimitException(facts)
    "timeout" -> ProviderTimeoutException(facts)
    "connect", "network", "tls" -> ConnectionException(facts)
    "incomplete" -> IncompleteException(facts)
    else -> ProviderException(facts)
}

/** Runs what calls the library; its errors come out typed. A coroutine's cancellation passes as it is. */
internal inline fun <T> typed(call: () -> T): T = try {
    call()
} catch (cancelled: CancellationException) {
    throw cancelled
} catch (error: CoreException.Failed) {
    throw exceptionOf(json.decodeFromString(Facts.serializer(), error.facts))
} catch (_: InternalException) {
    throw TierwayException(Facts("internal", "a call broke within the library: please report it"))
} catch (_: IllegalStateException) {
    throw TierwayException(Facts("closed", "the client or the stream was closed: make a new one"))
}

/**
 * Runs a call and comes back on a thread of Kotlin's. Without it, a caller that has no dispatcher, as in `suspend fun main`,
 * would go on in the library's own thread, and whatever blocks there stops every call.
 */
internal suspend fun <T> aside(call: suspend () -> T): T = withContext(Dispatchers.Default) { typed { call() } }
