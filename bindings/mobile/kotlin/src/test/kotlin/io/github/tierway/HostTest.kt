// What an app brings in Kotlin: providers, checks, transports.
package io.github.tierway

import java.io.IOException
import java.net.InetAddress
import java.net.Proxy
import java.net.ProxySelector
import java.net.ServerSocket
import java.net.SocketAddress
import java.net.URI
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CountDownLatch
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class HostTest {
    private fun own(provider: Provider, more: String = "{}", checks: List<Check> = emptyList()) =
        Client(settings(null, more), mapOf("house" to provider), checks)

    private val whole = Provider { Reply(TEXT, 100, 10) }

    @Test
    fun `a provider written in Kotlin answers, whole and in pieces`() {
        val calls = CopyOnWriteArrayList<ProviderCall>()
        val provider = object : Provider {
            override suspend fun chat(call: ProviderCall): Reply {
                calls += call
                return Reply(TEXT, 100, 10)
            }

            override fun stream(call: ProviderCall): Flow<Delta> = flowOf(
                Delta.Text(0, "Rayleigh "), Delta.Text(0, "scattering does it."), Delta.Usage(Usage(input = 100, output = 10)),
            )
        }
        own(provider).use { client ->
            runBlocking {
                assertEquals(TEXT to Usd(COST), client.send(QUESTION).let { it.text to it.cost })
                assertEquals("small" to "house", calls.single().let { it.model to it.endpoint })
                assertEquals(QUESTION.messages, calls.single().request.messages)
                val stream = client.stream(QUESTION)
                assertEquals(TEXT, stream.pieces().toList().joinToString("") { it.words })
                assertEquals(Usd(COST), stream.response?.cost)
            }
        }
        // One that cannot stream brings its answer in one piece.
        own(whole).use { client ->
            assertEquals(TEXT, runBlocking { client.flow(QUESTION).toList() }.joinToString("") { it.words })
        }
    }

    @Test
    fun `what a provider throws becomes a typed error that quotes nothing`() {
        fun thrown(error: Throwable): Throwable? =
            own(Provider { throw error }, """{"retry": {"attempts_max": 1}}""").use { client ->
                runBlocking { runCatching { client.send(QUESTION) }.exceptionOrNull() }
            }
        val limited = thrown(Fault(Fault.Kind.RATE_LIMITED, "slow", status = 429, retryAfterMs = 7)) as RateLimitException
        assertEquals(429 to 7L, limited.status to limited.retryAfter?.inWholeMilliseconds)
        for (error in listOf(IllegalStateException("the sky is a canary"), NotImplementedError("the sky is a canary"))) {
            val unknown = thrown(error) as ProviderException
            assertTrue(error.javaClass.simpleName in unknown.message.orEmpty(), unknown.message)
            assertFalse("canary" in unknown.stackTraceToString())
        }
    }

    @Test
    fun `a stream that breaks brings what had come`() {
        val provider = object : Provider {
            override suspend fun chat(call: ProviderCall): Reply = error("not asked")

            override fun stream(call: ProviderCall): Flow<Delta> = flow {
                emit(Delta.Text(0, "Rayleigh "))
                throw Fault(Fault.Kind.NETWORK, "the cable")
            }
        }
        own(provider).use { client ->
            runBlocking {
                val error = runCatching { client.flow(QUESTION).collect {} }.exceptionOrNull() as IncompleteException
                assertEquals("Rayleigh ", error.facts.partial?.text)
                balanced(client, 1)
            }
        }
    }

    @Test
    fun `a provider is told when nobody waits any more, and its stream is let go`() {
        val begun = CompletableDeferred<Unit>()
        val stopped = CompletableDeferred<Unit>()
        val closed = CompletableDeferred<Unit>()
        val provider = object : Provider {
            override suspend fun chat(call: ProviderCall): Reply = try {
                begun.complete(Unit)
                awaitCancellation()
            } finally {
                stopped.complete(Unit)
            }

            override fun stream(call: ProviderCall): Flow<Delta> = flow {
                try {
                    while (true) {
                        emit(Delta.Text(0, "more "))
                        delay(5)
                    }
                } finally {
                    closed.complete(Unit)
                }
            }
        }
        own(provider).use { client ->
            runBlocking {
                val asked = async { client.send(QUESTION) }
                eventually("the provider is asked") { begun.isCompleted }
                asked.cancel()
                eventually("the provider is told") { stopped.isCompleted }
                client.flow(QUESTION).first { it.words.isNotEmpty() }
                eventually("the provider's stream is let go") { closed.isCompleted }
                balanced(client, 2)
            }
        }
    }

    @Test
    fun `closing a stream from outside ends a wait at once`() {
        val provider = object : Provider {
            override suspend fun chat(call: ProviderCall): Reply = error("not asked")

            override fun stream(call: ProviderCall): Flow<Delta> = flow {
                emit(Delta.Text(0, "first"))
                awaitCancellation()
            }
        }
        own(provider).use { client ->
            runBlocking {
                val stream = client.stream(QUESTION)
                assertEquals("first", stream.next()?.words)
                val waits = async { stream.next() }
                delay(50)
                stream.close()
                assertNull(quickly { waits.await() })
                balanced(client, 1)
            }
        }
    }

    @Test
    fun `a check written in Kotlin sends the request to a better model`() {
        val judged = CopyOnWriteArrayList<String>()
        val check = Check { _, reply ->
            judged += reply.text
            if (reply.text == "right") null else "it is wrong"
        }
        val provider = Provider { call -> Reply(if (call.model == "strong") "right" else "wrong", 10, 1) }
        val router = """{"router": {"quality": 0.01, "models": ["house/small", "house/strong"]}}"""
        own(provider, router, listOf(check)).use { client ->
            val response = runBlocking { client.send(QUESTION) }
            assertEquals("right", response.text)
            assertEquals(listOf("fell_short", "answered"), response.route.attempts.map { it.outcome })
            // The last candidate's answer is delivered whatever a check says, so it is not asked.
            assertEquals(listOf("wrong"), judged)
        }
    }

    @Test
    fun `the platform's HTTP carries calls whole and in pieces`() {
        Client(settings(), transport = UrlTransport()).use { client ->
            runBlocking {
                assertEquals(TEXT to Usd(COST), client.send(QUESTION).let { it.text to it.cost })
                assertEquals(TEXT, client.flow(QUESTION).toList().joinToString("") { it.words })
                balanced(client, 2)
            }
        }
        Client(settings(SLOW), transport = UrlTransport()).use { client ->
            runBlocking {
                client.flow(QUESTION).first { it.words.isNotEmpty() }
                balanced(client, 1)
            }
        }
        Client(settings("""{"fault": {"kind": "no_head"}}"""), transport = UrlTransport()).use { client ->
            runBlocking {
                val asked = async { client.send(QUESTION) }
                underWay(client)
                asked.cancel()
                balanced(client, 1)
            }
        }
    }

    @Test
    fun `the platform's HTTP sends nothing for a call that was given up while it connected`() {
        // The JDK asks for a proxy before it has a connection that could be closed.
        val (begun, left) = List(2) { CountDownLatch(1) }
        val before = ProxySelector.getDefault()
        ProxySelector.setDefault(object : ProxySelector() {
            override fun select(uri: URI): List<Proxy> {
                begun.countDown()
                left.await()
                return listOf(Proxy.NO_PROXY)
            }

            override fun connectFailed(uri: URI, address: SocketAddress, error: IOException) = Unit
        })
        try {
            ServerSocket(0, 1, InetAddress.getLoopbackAddress()).use { server ->
                server.soTimeout = 30_000
                val url = "http://127.0.0.1:${server.localPort}/"
                val request = TransportRequest("POST", url, emptyList(), "the question".toByteArray(), 30_000, 2_000, 2_000)
                runBlocking {
                    val asked = async(Dispatchers.Default) { UrlTransport().send(request) }
                    eventually("it connects") { begun.count == 0L }
                    asked.cancel()
                    delay(50)
                    left.countDown()
                    val heard = async(Dispatchers.IO) { server.accept().use { it.getInputStream().readBytes() } }
                    assertEquals("", quickly { heard.await() }.decodeToString())
                }
            }
        } finally {
            ProxySelector.setDefault(before)
        }
    }

    @Test
    fun `the platform's HTTP says what went wrong`() {
        fun failure(answer: String?, more: String = """{"retry": {"attempts_max": 1}}"""): Throwable? =
            Client(settings(answer, more), transport = UrlTransport()).use { client ->
                runBlocking { runCatching { client.send(QUESTION) }.exceptionOrNull() }
            }
        val unauthorised = failure("""{"fault": {"kind": "status", "status": 401}}""") as AuthenticationException
        assertEquals(401, unauthorised.status)
        val nowhere = """{"retry": {"attempts_max": 1}, "base_urls": {"house": "http://127.0.0.1:9/v1"}}"""
        val unreachable = failure(null, nowhere) as ConnectionException
        assertEquals("connect", unreachable.code)
        assertFalse("127.0.0.1" in unreachable.stackTraceToString(), "an address may hold a key")
    }
}
