// The client as an app uses it, against scripted vendors inside the client.
package io.github.tierway

import java.util.concurrent.CompletableFuture
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.startCoroutine
import kotlin.random.Random
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.double
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ClientTest {
    private fun with(settings: JsonElement, work: suspend CoroutineScope.(Client) -> Unit) =
        Client(settings).use { client -> runBlocking { work(client) } }

    @Test
    fun `a reply costs what the prices say`() = with(settings()) { client ->
        val response = client.send(QUESTION)
        assertEquals(TEXT, response.text)
        assertEquals(Usd(COST), response.cost)
        assertEquals("house/small", response.route.model)
        val group = client.report(listOf("model")).groups.single()
        assertEquals(mapOf("model" to "house/small") to Usd(COST), group.values to group.sums.cost)
        assertEquals(listOf(Usd(COST)), client.attempts().map { it.cost })
        assertEquals(listOf(true, true), client.models().map { it.callable })
        val completion = client.chat(parse(BODY))
        assertEquals(TEXT to Usd(COST), completion.text to completion.account.cost)
        assertEquals("stop", completion.finishReason)
    }

    @Test
    fun `pieces add up, pulled, as a flow and as chunks`() = with(settings()) { client ->
        val stream = client.stream(QUESTION)
        assertEquals("house", stream.route.endpoint)
        val pulled = buildString { while (true) append((stream.next() ?: break).words) }
        assertEquals(TEXT, pulled)
        assertEquals(Usd(COST), stream.response?.cost)
        assertEquals(TEXT, client.flow(QUESTION).toList().joinToString("") { it.words })
        val chunks = client.chatStream(parse(BODY))
        assertEquals(TEXT, chunks.pieces().toList().joinToString("") { it.text })
        assertEquals(Usd(COST), chunks.response?.account?.cost)
        balanced(client, 3)
    }

    @Test
    fun `whoever stops collecting ends the call`() = with(settings(SLOW)) { client ->
        val stream = client.stream(QUESTION)
        stream.pieces().first { it.words.isNotEmpty() }
        assertNull(stream.next())
        assertNull(stream.response)
        stream.close()
        client.flow(QUESTION).first { it.words.isNotEmpty() }
        balanced(client, 2)
    }

    @Test
    fun `a stream that is closed before its next piece is asked for brings nothing`() = with(settings(SLOW)) { client ->
        val stream = client.stream(QUESTION)
        // No thread is free for the question until the stream is closed.
        val closed = CountDownLatch(1)
        val busy = List(Runtime.getRuntime().availableProcessors() + 8) { launch(Dispatchers.Default) { closed.await() } }
        val next = async(start = CoroutineStart.UNDISPATCHED) { stream.next() }
        stream.close()
        closed.countDown()
        assertNull(next.await())
        busy.joinAll()
        balanced(client, 1)
    }

    @Test
    fun `cancelling a coroutine ends its call`() = with(settings("""{"fault": {"kind": "no_head"}}""")) { client ->
        val asked = async { client.send(QUESTION) }
        underWay(client)
        asked.cancel()
        assertTrue(runCatching { asked.await() }.exceptionOrNull() is CancellationException)
        balanced(client, 1)
    }

    @Test
    fun `cancelled at any moment, the account is balanced`() = with(settings(SLOW)) { client ->
        val random = Random(7)
        repeat(100) { at ->
            val work = launch { if (at % 2 == 0) client.send(QUESTION) else client.flow(QUESTION).collect {} }
            delay(random.nextLong(0, 60))
            work.cancelAndJoin()
        }
        eventually("nothing is held") { client.report().total.held == 0L }
        assertTrue(client.attempts().isNotEmpty() && client.attempts().all { it.ending != "open" })
    }

    @Test
    fun `a caller without a dispatcher may block after an answer`() {
        val done = CompletableFuture<String>()
        suspend {
            Client(settings()).use { client -> client.send(QUESTION).text + client.flow(QUESTION).first { it.words.isNotEmpty() }.words }
        }.startCoroutine(Continuation(EmptyCoroutineContext) { said ->
            said.fold(done::complete, done::completeExceptionally)
        })
        assertTrue(done.get(20, TimeUnit.SECONDS).startsWith(TEXT))
    }

    @Test
    fun `many calls at once`() = with(settings()) { client ->
        val costs = List(100) { async { client.send(QUESTION).cost } }.awaitAll()
        assertEquals(List(100) { Usd(COST) }, costs)
        balanced(client, 100)
    }

    @Test
    fun `errors are classes with facts and hold no key`() = with(settings("""{"fault": {"kind": "status", "status": 401}}""")) { client ->
        val error = runCatching { client.send(QUESTION) }.exceptionOrNull() as AuthenticationException
        assertEquals(listOf("auth", 401, "house"), listOf(error.code, error.status, error.provider))
        val shown = error.stackTraceToString() + error.facts
        assertFalse("canary" in shown || "sky" in shown, shown)
        assertThrows(InvalidRequestException::class.java) { client.routeChat(parse("""{"messages": []}""")) }
        assertThrows(RefusedException::class.java) {
            client.routeChat(parse("""{"model": "house/other", "messages": [{"role": "user", "content": "x"}]}"""))
        }
        val wrong = assertThrows(ConfigException::class.java) { Client(Settings(keys = mapOf("nobody" to "sk-canary"))) }
        assertEquals("keys.nobody", wrong.facts.field)
        assertFalse("canary" in "$wrong ${Settings(keys = mapOf("openai" to "sk-canary"))}")
    }

    @Test
    fun `route decides without a call`() = with(settings()) { client ->
        val candidate = client.route(QUESTION).candidates.single()
        assertEquals("house/small" to CandidateRole.CHOICE, candidate.model to candidate.role)
        assertEquals(1, client.routeChat(parse(BODY)).candidates.size)
        assertEquals(0, client.report().total.attempts)
    }

    @Test
    fun `marks are taken once and are learnt`() = with(settings()) { client ->
        val response = client.send(QUESTION)
        client.feedback(response, 1.0)
        val taken = runCatching { client.feedback(response, 0.0) }.exceptionOrNull() as InvalidRequestException
        assertEquals("unknown_answer" to "id", taken.code to taken.facts.field)
        client.feedback(client.chat(parse(BODY)), 0.5)
        val streamed = client.stream(QUESTION)
        streamed.pieces().collect {}
        val left = client.send(QUESTION)
        for (mark in listOf(-0.1, 1.1, Double.NaN, Double.POSITIVE_INFINITY)) {
            assertTrue(runCatching { client.feedback(left, mark) }.exceptionOrNull() is InvalidRequestException, "$mark")
        }
        client.feedback(streamed.response!!.id, 0.25)
        val learnt = client.experience()
        assertEquals(setOf("house/small"), (learnt["overall"] as JsonObject).keys)
        client.setExperience(null)
        assertEquals(JsonObject(emptyMap()), client.experience()["overall"])
        client.setExperience(learnt)
        assertEquals(marks(learnt), marks(client.experience()), 1e-9)
    }

    private fun marks(experience: JsonObject): Double =
        experience.getValue("overall").jsonObject.getValue("house/small").jsonObject.getValue("marks").jsonPrimitive.double

    @Test
    fun `a closed client says that it is closed, and closes twice`() {
        val client = Client(settings())
        runBlocking { client.send(QUESTION) }
        client.close()
        client.close()
        val error = assertThrows(TierwayException::class.java) { runBlocking { client.send(QUESTION) } }
        assertEquals("closed", error.code)
    }

    @Test
    fun `types keep what they read`() {
        val draft = parse(
            """{"model": {"any_of": ["a/b"]}, "messages": [{"role": "user", "parts": [
            {"type": "text", "text": "x", "cache": "5m"}, {"type": "image", "source": {"from": "url", "url": "u"}}]}],
            "tool_choice": {"named": "t"}, "format": {"type": "json_schema", "name": "n", "schema": {"a": [1, null]}},
            "labels": ["pii"]}""",
        )
        val read = json.decodeFromJsonElement(RequestDraft.serializer(), draft)
        assertEquals(ModelChoice.AnyOf(listOf("a/b")), read.model)
        assertEquals(CacheHint.FOR_5M, read.messages.single().parts.first().cache)
        assertTrue(isSame(draft, json.encodeToJsonElement(RequestDraft.serializer(), read)))
        assertTrue(Usd("0.1") < Usd("0.25"))
    }
}
