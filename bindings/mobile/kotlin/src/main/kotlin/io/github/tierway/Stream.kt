// An answer piece by piece.
package io.github.tierway

import io.github.tierway.core.CoreStream
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * An answer piece by piece: [next] until it brings nothing, or [pieces] as a flow. Closing it at any time, from any
 * thread, cancels the call and settles what was delivered.
 */
class AnswerStream<out P : Any, out W : Any> internal constructor(
    private val core: CoreStream,
    private val piece: (String) -> P,
    private val whole: (String) -> W,
) : AutoCloseable {
    /** Who answers. */
    val route: Route = json.decodeFromString(Route.serializer(), core.route() ?: error("a stream that was opened has a route"))

    /** The whole answer, after the last piece. */
    @Volatile
    var response: @UnsafeVariance W? = null
        private set

    /** The next piece; nothing after the last one and after [close]. */
    suspend fun next(): P? {
        if (core.uniffiIsDestroyed) return null
        try {
            val text = aside { core.next() }
            if (text == null && response == null) response = typed { core.response() }?.let(whole)
            return text?.let(piece)
        } catch (error: TierwayException) {
            // It was closed since the look above.
            if (core.uniffiIsDestroyed) return null
            throw error
        }
    }

    /** The pieces. Whoever stops collecting, by `first`, an exception or cancellation, closes the stream. */
    fun pieces(): Flow<P> = flow {
        use { while (true) emit(next() ?: break) }
    }

    @Synchronized
    override fun close() {
        if (core.uniffiIsDestroyed) return
        core.end()
        core.close()
    }
}
