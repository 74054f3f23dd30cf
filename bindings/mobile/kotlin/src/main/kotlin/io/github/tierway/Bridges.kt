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
import java.util.concurrent.atomic.AtomicLong
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.ReceiveChannel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.produceIn
import kotlinx.serialization.Serializable

/** Things by number. Numbers are not used twice. */
private class Numbered<T : Any> {
    private val next = AtomicLong(0)
    private val held = ConcurrentHashMap<ULong, T>()

    fun add(value: T): ULong {
        val number = next.incrementAndGet().toULong()
        held[number] = value
        return number
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

    override suspend fun begin(call: String): ULong = guarded { open.add(Pull(provider.stream(read(call)), scope)) }

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

    override suspend fun begin(request: HostRequest): HostResponse = guarded {
        val headers = request.headers.map { it.name to it.value }
        val asked = TransportRequest(
            request.method, request.url, headers, request.body,
            request.connectMs.toLong(), request.firstByteMs.toLong(), request.idleMs.toLong(),
        )
        val answer = transport.send(asked)
        HostResponse(
            answer.status.toUShort(),
            answer.headers.map { (name, value) -> HostHeader(name, value) },
            open.add(answer.body),
        )
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
