// HTTP by the app: where the library holds none of its own, or the app's has what it must keep to.
package io.github.tierway

/** A request to be sent as it is: no redirect followed, no compression asked for. Its headers hold the key. */
class TransportRequest(
    /** `POST` or `GET`. */
    val method: String,
    val url: String,
    val headers: List<Pair<String, String>>,
    /** Empty for `GET`. */
    val body: ByteArray,
    /** To a connection, TLS included. */
    val connectMs: Long,
    /** From there to the first byte of an answer. */
    val firstByteMs: Long,
    /** Between two pieces of an answer. */
    val idleMs: Long,
) {
    /** Shows neither the key nor the prompt. */
    override fun toString(): String = "TransportRequest($method, ${body.size} bytes)"
}

/** The bytes of an answer. */
interface TransportBody : AutoCloseable {
    /** The next bytes; nothing after the last. */
    suspend fun read(): ByteArray?

    /** Lets go of the connection. Called once, from any thread, perhaps while [read] waits; it must not block. */
    override fun close()
}

/** An answer whose head has come. */
class TransportResponse(val status: Int, val headers: List<Pair<String, String>>, val body: TransportBody)

/** Moves bytes. It says how it failed by a [Fault] of kind `CONNECT`, `TLS`, `TIMEOUT` or `NETWORK`. */
fun interface Transport {
    /** Sends a request and returns as soon as the answer's head is there. Cancelled where nobody waits any more. */
    suspend fun send(request: TransportRequest): TransportResponse
}
