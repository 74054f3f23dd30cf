// How the library calls what an app brings: text in, text out, and no exception that it would not expect.
package io.github.tierway

import io.github.tierway.core.HostCheck
import io.github.tierway.core.HostFault
import io.github.tierway.core.HostHeader
import io.github.tierway.core.HostProvider
import io.github.tierway.core.HostRequest
import io.github.tierway.core.HostResponse
import io.github.tierway.core.HostTransport
import java.util.concurrent.ConcurrentHashMap
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.ReceiveChannel
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.produceIn
import kotlinx.coroutines.isActive
import kotlinx.serialization.Serializable

/** Things by the library's numbers, which are not used twice. */
private class Numbered<T : Any> {
    private val held = ConcurrentHashMap<ULong, T>()

    /**
     * Keeps a thing until it is removed. The library calls `end` after it gave up a `begin` and cancelled it: what is there
     * only then is [ended] here, by whoever of the two finds it.
     */
    suspend fun keep(number: ULong, value: T, ended: (T) -> Unit) {
        held[number] = value
        if (!currentCoroutineContext().isActive) remove(number)?.let(ended)
    }

    operator fun get(number: ULong): T? = held[number]

    fun remove(number: ULong): T? = held.remove(number)
}

/** A stream that begins with its first piece: one that nobody reads holds nothing. */
private class Pull(private val flow: Flow<Delta>, private val scope: CoroutineScope) {
    private var pieces: ReceiveChannel<Delta>? = null
    private var isOver = false

    private fun begin(): ReceiveChannel<Delta>? = synchronized(this) {
        if (isOver) return null
        pieces ?: flow.buffer(Channel.RENDEZVOUS).produceIn(scope).also { pieces = it }
    }

    suspend fun next(): Delta? {
        val read = begin()?.receiveCatching() ?: return null
        read.exceptionOrNull()?.let { throw it }
        return read.getOrNull()
    }

    fun end() = synchronized(this) {
        isOver = true
        pieces?.cancel()
    }
}

internal class ProviderBridge(private val provider: Provider, private val scope: CoroutineScope) : HostProvider {
    private val open = Numbered<Pull>()

    override suspend fun chat(call: String): String = guarded {
        json.encodeToString(Reply.serializer(), provider.chat(read(call)))
    }

    override suspend fun begin(stream: ULong, call: String) = guarded {
        open.keep(stream, Pull(provider.stream(read(call)), scope), Pull::end)
    }

    override suspend fun next(stream: ULong): String? = guarded {
        open[stream]?.next()?.let { json.encodeToString(Delta.serializer(), it) }
    }

    override fun end(stream: ULong) {
        open.remove(stream)?.end()
    }

    private fun read(call: String) = json.decodeFromString(ProviderCall.serializer(), call)
}

internal class CheckBridge(private val check: Check) : HostCheck {
    override suspend fun judge(request: String, reply: String): String? = guarded {
        check.judge(
            json.decodeFromString(RequestDraft.serializer(), request),
            json.decodeFromString(Reply.serializer(), reply),
        )
    }
}

internal class TransportBridge(private val transport: Transport) : HostTransport {
    private val open = Numbered<TransportBody>()

    override suspend fun begin(body: ULong, request: HostRequest): HostResponse = guarded {
        val headers = request.headers.map { it.name to it.value }
        val asked = TransportRequest(
            request.method, request.url, headers, request.body,
            request.connectMs.toLong(), request.firstByteMs.toLong(), request.idleMs.toLong(),
        )
        val answer = transport.send(asked)
        open.keep(body, answer.body, TransportBody::close)
        HostResponse(answer.status.toUShort(), answer.headers.map { (name, value) -> HostHeader(name, value) })
    }

    override suspend fun read(body: ULong): ByteArray? = guarded { open[body]?.read() }

    override fun end(body: ULong) {
        open.remove(body)?.close()
    }
}

@Serializable
private class Unknown(val message: String)

/** What an unknown exception says may quote the prompt: its class alone is told. Errors of the JVM are answered too. */
private inline fun <T> guarded(work: () -> T): T = try {
    work()
} catch (cancelled: CancellationException) {
    throw HostFault.Failed(Fault(Fault.Kind.CANCELLED, "the call was given up", retry = Fault.Retry.NEVER).written())
} catch (fault: Fault) {
    throw HostFault.Failed(fault.written())
} catch (error: Throwable) {
    val told = Unknown("the app's code threw ${error.javaClass.simpleName}")
    throw HostFault.Failed(json.encodeToString(Unknown.serializer(), told))
}
