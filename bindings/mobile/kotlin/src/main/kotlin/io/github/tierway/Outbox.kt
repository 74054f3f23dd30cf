// What a client does without a network.
package io.github.tierway

import io.github.tierway.core.LetterState
import io.github.tierway.core.OfflineMode
import io.github.tierway.core.OfflinePlan
import kotlinx.serialization.Serializable

/** What to do while there is no network; the app says when, by [Client.isOnline]. */
sealed interface Offline {
    /** Try all the same. */
    data object Try : Offline

    /** Ask self-hosted endpoints alone: the device's own model, a provider of the app's. */
    data object Local : Offline

    /**
     * Keep requests in this file until there is a network. Prompts and answers are in it: only the app must be able to
     * read it.
     */
    data class Queue(val outbox: String) : Offline
}

/** What became of a request that may be kept. */
sealed interface Submitted {
    data class Answered(val response: Response) : Submitted

    /** It is in the outbox, under this number. */
    data class Queued(val id: Long) : Submitted
}

/** A kept request. */
class Letter internal constructor(
    val id: Long,
    val state: State,
    /** Its answer, where it is [State.ANSWERED]. */
    val response: Response?,
    /** Why it brought none, where it is [State.FAILED]. */
    val failure: TierwayException?,
) {
    /** How far a kept request is. */
    enum class State {
        WAITING,

        /** On its way; after a restart, it may have been sent and paid, and nobody knows: retry or forget it. */
        UNKNOWN,
        ANSWERED,
        FAILED,
    }
}

internal fun planOf(offline: Offline): OfflinePlan = when (offline) {
    Offline.Try -> OfflinePlan(OfflineMode.TRY, null)
    Offline.Local -> OfflinePlan(OfflineMode.LOCAL, null)
    is Offline.Queue -> OfflinePlan(OfflineMode.QUEUE, offline.outbox)
}

internal fun submittedOf(core: io.github.tierway.core.Submitted): Submitted = when (core) {
    is io.github.tierway.core.Submitted.Answered -> Submitted.Answered(responseOf(core.response))
    is io.github.tierway.core.Submitted.Queued -> Submitted.Queued(core.id.toLong())
}

@Serializable
private class Outcome(val value: Response? = null, val error: Facts? = null)

internal fun letterOf(core: io.github.tierway.core.Letter): Letter {
    val outcome = core.outcome?.let { json.decodeFromString(Outcome.serializer(), it) }
    val state = when (core.state) {
        LetterState.WAITING -> Letter.State.WAITING
        LetterState.UNKNOWN -> Letter.State.UNKNOWN
        LetterState.ANSWERED -> Letter.State.ANSWERED
        LetterState.FAILED -> Letter.State.FAILED
    }
    return Letter(core.id.toLong(), state, outcome?.value, outcome?.error?.let(::exceptionOf))
}

internal fun responseOf(text: String): Response = json.decodeFromString(Response.serializer(), text)
