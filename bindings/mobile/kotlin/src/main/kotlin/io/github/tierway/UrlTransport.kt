// HTTP by the platform's own HttpURLConnection, which the JVM and Android both have.
package io.github.tierway

import java.io.IOException
import java.io.InputStream
import java.net.ConnectException
import java.net.HttpURLConnection
import java.net.NoRouteToHostException
import java.net.SocketTimeoutException
import java.net.URI
import java.net.UnknownHostException
import javax.net.ssl.SSLException
import kotlin.concurrent.thread
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.suspendCancellableCoroutine

/**
 * The platform's HTTP, with its proxies and certificates. A call takes a thread of [dispatcher] while it waits for bytes;
 * giving it up closes its connection.
 */
class UrlTransport(private val dispatcher: CoroutineDispatcher = Dispatchers.IO) : Transport {
    override suspend fun send(request: TransportRequest): TransportResponse {
        val connection = URI(request.url).toURL().openConnection() as HttpURLConnection
        connection.requestMethod = request.method
        connection.instanceFollowRedirects = false
        connection.useCaches = false
        connection.connectTimeout = bounded(request.connectMs)
        connection.readTimeout = bounded(request.firstByteMs)
        connection.setRequestProperty("accept-encoding", "identity")
        for ((name, value) in request.headers) connection.setRequestProperty(name, value)
        val body = stoppable(connection) { waits -> exchange(connection, request, waits) }
        val headers = connection.headerFields.flatMap { (name, values) ->
            if (name == null) emptyList() else values.map { name to it }
        }
        return TransportResponse(connection.responseCode, headers, body)
    }

    /**
     * Sends the body only while somebody waits. Closing a connection does nothing before it is made, and one that is closed
     * just after that is made anew: so whoever gave up is asked for after each step that makes one.
     */
    private fun exchange(connection: HttpURLConnection, request: TransportRequest, waits: CancellableContinuation<*>): TransportBody {
        var isConnected = false
        try {
            if (request.method == "POST") {
                connection.doOutput = true
                connection.setFixedLengthStreamingMode(request.body.size)
            }
            connection.connect()
            isConnected = true
            waits.ensureActive()
            if (request.method == "POST") {
                connection.outputStream.use {
                    waits.ensureActive()
                    it.write(request.body)
                }
                waits.ensureActive()
            }
            val isError = connection.responseCode >= 400
            connection.readTimeout = bounded(request.idleMs)
            val bytes = if (isError) connection.errorStream ?: ByteArray(0).inputStream() else connection.inputStream
            return UrlBody(connection, bytes)
        } catch (error: IOException) {
            connection.disconnect()
            throw faultOf(error, isConnected)
        }
    }

    private inner class UrlBody(private val connection: HttpURLConnection, private val bytes: InputStream) : TransportBody {
        private val buffer = ByteArray(BUFFER)

        override suspend fun read(): ByteArray? = stoppable(connection) {
            try {
                val count = bytes.read(buffer)
                if (count < 0) null else buffer.copyOf(count)
            } catch (error: IOException) {
                throw faultOf(error, isConnected = true)
            }
        }

        // Closing may wait for the peer.
        override fun close() = closeAside(connection)
    }

    /**
     * Runs what blocks; where the coroutine is cancelled meanwhile, the connection is closed, which ends the block. It is
     * closed once more after the block, which may have made it only then.
     */
    private suspend fun <T> stoppable(connection: HttpURLConnection, block: (CancellableContinuation<T>) -> T): T =
        suspendCancellableCoroutine { waits ->
            waits.invokeOnCancellation { closeAside(connection) }
            dispatcher.dispatch(waits.context) {
                if (!waits.isActive) return@dispatch
                val made = runCatching { block(waits) }
                if (waits.isActive) waits.resumeWith(made) else closeAside(connection)
            }
        }

    private companion object {
        const val BUFFER = 16 * 1024

        fun bounded(ms: Long): Int = ms.coerceIn(1, Int.MAX_VALUE.toLong()).toInt()

        fun CancellableContinuation<*>.ensureActive() {
            if (!isActive) throw CancellationException("nobody waits any more")
        }

        fun closeAside(connection: HttpURLConnection) {
            thread(isDaemon = true, name = "tierway-close") { connection.disconnect() }
        }

        fun faultOf(error: IOException, isConnected: Boolean): Fault {
            val (kind, message) = when (error) {
                is UnknownHostException -> Fault.Kind.CONNECT to "the host's name is not known"
                is ConnectException, is NoRouteToHostException -> Fault.Kind.CONNECT to "no connection came about"
                is SSLException -> Fault.Kind.TLS to "the connection could not be made safe"
                is SocketTimeoutException -> Fault.Kind.TIMEOUT to "no byte came in time"
                else -> Fault.Kind.NETWORK to "the connection broke"
            }
            return Fault(kind, message, sent = isConnected, cause = error)
        }
    }
}
