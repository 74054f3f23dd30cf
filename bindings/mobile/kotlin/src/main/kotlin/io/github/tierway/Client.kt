// The client.
package io.github.tierway

import io.github.tierway.core.Core
import io.github.tierway.core.CoreStream
import io.github.tierway.core.hasHttp
import java.util.concurrent.atomic.AtomicBoolean
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.emitAll
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray

/**
 * Sends each request to the cheapest model that is good enough. All functions may be called at once from any coroutine;
 * cancelling a coroutine cancels its call, and what was delivered until then is settled.
 *
 * Every function throws a [TierwayException] where it brings nothing.
 */
class Client private constructor(private val core: Core, private val scope: CoroutineScope) : AutoCloseable {
    private val isClosed = AtomicBoolean(false)

    /**
     * A client of these settings.
     *
     * @param providers what answers in Kotlin, by the endpoint of the catalogue that it answers for
     * @param checks what judges answers, in order
     * @param transport what moves the bytes; left out, the library's own HTTP where it was built with it, else [UrlTransport]
     */
    constructor(
        settings: Settings = Settings(),
        providers: Map<EndpointId, Provider> = emptyMap(),
        checks: List<Check> = emptyList(),
        transport: Transport? = null,
        offline: Offline = Offline.Try,
    ) : this(settings.written(), providers, checks, transport, offline)

    /** A client of settings as JSON, for what [Settings] has no names for. */
    constructor(
        settings: JsonElement,
        providers: Map<EndpointId, Provider> = emptyMap(),
        checks: List<Check> = emptyList(),
        transport: Transport? = null,
        offline: Offline = Offline.Try,
    ) : this(settings, providers, checks, transport, offline, CoroutineScope(SupervisorJob() + Dispatchers.Default))

    private constructor(
        settings: JsonElement,
        providers: Map<EndpointId, Provider>,
        checks: List<Check>,
        transport: Transport?,
        offline: Offline,
        scope: CoroutineScope,
    ) : this(coreOf(settings, providers, checks, transport, offline, scope), scope)

    /** Asks for a whole answer. */
    suspend fun send(request: RequestDraft): Response = send(request.written())

    /** Asks a question. */
    suspend fun send(question: String): Response = send(ask(question))

    /** Asks for a whole answer to a request as JSON. */
    suspend fun send(request: JsonElement): Response = responseOf(aside { core.send(request.toString(), null) })

    /** Asks for an answer piece by piece. */
    suspend fun stream(request: RequestDraft): AnswerStream<Delta, Response> = stream(request.written())

    suspend fun stream(request: JsonElement): AnswerStream<Delta, Response> {
        val opened = opened(typed { core.stream(request.toString()) })
        return AnswerStream(opened, { json.decodeFromString(Delta.serializer(), it) }, ::responseOf)
    }

    /** The pieces of an answer as a cold flow: each collection is a call of its own. */
    fun flow(request: RequestDraft): Flow<Delta> = flow { emitAll(stream(request).pieces()) }

    /** Asks for a whole answer to a body of OpenAI's chat completions. */
    suspend fun chat(body: JsonElement): ChatCompletion = ChatCompletion(objectOf(aside { core.chat(body.toString(), null) }))

    /** The same piece by piece. */
    suspend fun chatStream(body: JsonElement): AnswerStream<ChatChunk, ChatCompletion> {
        val opened = opened(typed { core.chatStream(body.toString()) })
        return AnswerStream(opened, { ChatChunk(objectOf(it)) }, { ChatCompletion(objectOf(it)) })
    }

    /** Decides who would answer, without a call. */
    fun route(request: RequestDraft): Explanation = route(request.written())

    fun route(request: JsonElement): Explanation = explanationOf(typed { core.route(request.toString()) })

    /** As [route], for a body of OpenAI's chat completions. */
    fun routeChat(body: JsonElement): Explanation = explanationOf(typed { core.routeChat(body.toString()) })

    /** The models on sale. */
    fun models(): List<ModelLine> =
        json.decodeFromString(ListSerializer(ModelLine.serializer()), typed { core.models() })

    /** What was spent, by `model`, `vendor`, `endpoint`, `tier`, `purpose`, `ending`, `day` or `tag:NAME`. */
    suspend fun report(by: List<String> = emptyList(), sinceMs: Timestamp? = null, untilMs: Timestamp? = null): Report {
        val query = buildJsonObject {
            putJsonArray("by") { by.forEach { add(JsonPrimitive(it)) } }
            put("since_ms", sinceMs)
            put("until_ms", untilMs)
        }
        return Report.read(aside { core.report(query.toString()) })
    }

    /** The account's attempts, oldest first. */
    suspend fun attempts(after: Long = 0, limit: Int = 1000): List<Attempt> {
        val query = buildJsonObject {
            put("after", after)
            put("limit", limit)
        }
        return json.decodeFromString(ListSerializer(Attempt.serializer()), aside { core.attempts(query.toString()) })
    }

    /**
     * Marks an answer, once, from 0, useless, to 1, right: later decisions go by what was learnt. [id] is the answer's own:
     * `response.id`, or `completion.account.id`.
     */
    suspend fun feedback(id: RequestId, mark: Double) {
        val marked = buildJsonObject {
            put("id", id)
            // JSON has no words for what is no number: the library refuses the text as it refuses a mark out of range.
            if (mark.isFinite()) put("mark", mark) else put("mark", mark.toString())
        }
        aside { core.feedback(marked.toString()) }
    }

    suspend fun feedback(response: Response, mark: Double) = feedback(response.id, mark)

    suspend fun feedback(completion: ChatCompletion, mark: Double) = feedback(completion.account.id, mark)

    /** What was learnt from marks: counts by kind of work and model, and no text. */
    suspend fun experience(): JsonObject = objectOf(aside { core.experience() })

    /** Puts another experience in place of what was learnt, for all who share the ledger; null forgets. */
    suspend fun setExperience(experience: JsonObject?) = aside { core.setExperience((experience ?: JsonNull).toString()) }

    /** Whether there is a network: the app knows. */
    @Volatile
    var isOnline: Boolean = true
        // Under one lock, so that of two who set it the same one has the last word here and in the library.
        @Synchronized
        set(value) {
            typed { core.setOnline(value) }
            field = value
        }

    /** Asks for a whole answer, or keeps the request where there is no network and the mode is [Offline.Queue]. */
    suspend fun submit(request: RequestDraft): Submitted =
        submittedOf(aside { core.submit(request.written().toString(), null) })

    /** Sends what waits in the outbox, in order. Brings what was answered or failed just now; it is kept until forgotten. */
    suspend fun deliver(): List<Letter> = aside { core.deliver(null) }.map(::letterOf)

    /** What the outbox holds, oldest first. */
    fun letters(): List<Letter> = typed { core.letters() }.map(::letterOf)

    /** Drops a kept request, or an answer that was fetched. */
    fun forget(id: Long) = typed { core.forget(id.toULong()) }

    /** Lets a request be sent again whose fate is not known, or that failed; one that [deliver] is sending is refused. */
    fun retry(id: Long) = typed { core.retry(id.toULong()) }

    /** Writes what is queued to the ledger and closes it, for `use`. Nothing may be asked afterwards. */
    override fun close() {
        if (!isClosed.compareAndSet(false, true)) return
        try {
            runBlocking { aside { core.shut() } }
        } finally {
            scope.cancel()
            core.close()
        }
    }
}

/** Opens a stream; where that fails, or its caller gives up just then, the stream is ended. */
private suspend fun opened(stream: CoreStream): CoreStream {
    try {
        aside { stream.open(null) }
        return stream
    } catch (error: Throwable) {
        stream.end()
        stream.close()
        throw error
    }
}

private fun coreOf(
    settings: JsonElement,
    providers: Map<EndpointId, Provider>,
    checks: List<Check>,
    transport: Transport?,
    offline: Offline,
    scope: CoroutineScope,
): Core = typed {
    Core(
        settings.toString(),
        providers.mapValues { (_, provider) -> ProviderBridge(provider, scope) },
        checks.map(::CheckBridge),
        (transport ?: if (hasHttp()) null else UrlTransport())?.let(::TransportBridge),
        planOf(offline),
    )
}

/** A request that is one question. */
fun ask(question: String): RequestDraft = RequestDraft(messages = listOf(Message(Role.USER, listOf(Part.Text(question)))))

private fun RequestDraft.written(): JsonElement = json.encodeToJsonElement(RequestDraft.serializer(), this)

private fun objectOf(text: String): JsonObject = json.decodeFromString(JsonObject.serializer(), text)

private fun explanationOf(text: String): Explanation = json.decodeFromString(Explanation.serializer(), text)
