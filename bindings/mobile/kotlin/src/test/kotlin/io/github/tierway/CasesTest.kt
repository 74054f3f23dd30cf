// The shared cases, through the public client and its types. tests/cases/README.md says what a case holds.
package io.github.tierway

import java.io.File
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.Arguments
import org.junit.jupiter.params.provider.MethodSource

class CasesTest {
    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    fun brings(title: String, settings: JsonObject, case: JsonObject) {
        val run = CaseRun()
        val outcome = runBlocking { run.run(settings, case) }
        lines += JsonObject(mapOf("case" to JsonPrimitive(title), "outcome" to outcome)).toString()
        assertEquals(emptyList<String>(), run.faults)
    }

    companion object {
        val ROOT = File(System.getProperty("tierway.root"))
        private val lines = mutableListOf<String>()

        @JvmStatic
        fun cases(): List<Arguments> {
            val files = File(ROOT, "tests/cases").listFiles { file -> file.extension == "json" }!!.sorted()
            return files.flatMap { path ->
                val file = Json.parseToJsonElement(path.readText()).jsonObject
                file.getValue("cases").jsonArray.map(JsonElement::jsonObject).map { case ->
                    val title = "${path.nameWithoutExtension}: ${case.getValue("name").jsonPrimitive.content}"
                    Arguments.of(title, file.getValue("settings").jsonObject, case)
                }
            }
        }

        @JvmStatic
        @AfterAll
        fun leave() {
            val folder = File(ROOT, "target/cases").apply { mkdirs() }
            File(folder, "kotlin.jsonl").writeText(lines.joinToString("") { "$it\n" })
        }
    }
}

/** One case: what is wrong with what came out. */
private class CaseRun {
    val faults = mutableListOf<String>()

    private fun expect(place: String, want: JsonElement?, found: JsonElement?) {
        mismatch(want ?: JsonNull, found)?.let { faults += "$place: $it" }
    }

    suspend fun run(base: JsonObject, case: JsonObject): JsonObject {
        val client = try {
            Client(JsonObject(base + case.getValue("settings").jsonObject))
        } catch (error: TierwayException) {
            val found = failure(error)
            expect("open", case["open"] ?: JsonPrimitive("no failure"), found)
            return JsonObject(mapOf("open" to found))
        }
        expect("open", case["open"], null)
        return client.use { asked(it, case) }
    }

    private suspend fun asked(client: Client, case: JsonObject): JsonObject = buildJsonObject {
        val outcomes = case.getValue("calls").jsonArray.mapIndexed { at, call ->
            perform(client, call.jsonObject).also { expect("call $at", call.jsonObject["expect"], it) }
        }
        put("calls", JsonArray(outcomes))
        case["report"]?.jsonObject?.let { asked ->
            val by = asked.getValue("query").jsonObject["by"]?.jsonArray.orEmpty().map { it.jsonPrimitive.content }
            val found = report(client, by)
            put("report", found)
            expect("report", asked["expect"], found["value"] ?: found)
        }
        expect("balance", JsonPrimitive(0), JsonPrimitive(client.report().total.held))
    }

    private suspend fun perform(client: Client, call: JsonObject): JsonObject {
        val body = call.getValue("body")
        val draft = typedDraft(body)
        return try {
            when (val ask = call.getValue("ask").jsonPrimitive.content) {
                "send" -> value(draft?.let { client.send(it) } ?: client.send(body), Response.serializer())
                "stream" -> drain(draft?.let { client.stream(it) } ?: client.stream(body), Delta.serializer()) { it.words }
                "route" -> value(draft?.let { client.route(it) } ?: client.route(body), Explanation.serializer())
                "route_chat" -> value(client.routeChat(body), Explanation.serializer())
                "chat" -> JsonObject(mapOf("value" to client.chat(body).json))
                "chat_stream" -> drainChat(client.chatStream(body))
                else -> error("no such ask: $ask")
            }
        } catch (error: TierwayException) {
            failure(error)
        }
    }

    private suspend fun drain(
        stream: AnswerStream<Delta, Response>,
        piece: KSerializer<Delta>,
        words: (Delta) -> String,
    ): JsonObject = drained(stream, { json.encodeToJsonElement(piece, it) }, words) {
        json.encodeToJsonElement(Response.serializer(), it)
    }

    private suspend fun drainChat(stream: AnswerStream<ChatChunk, ChatCompletion>): JsonObject =
        drained(stream, { it.json }, { it.text }, { it.json })

    private suspend fun <P : Any, W : Any> drained(
        stream: AnswerStream<P, W>,
        piece: (P) -> JsonElement,
        words: (P) -> String,
        whole: (W) -> JsonElement,
    ): JsonObject {
        val pieces = mutableListOf<P>()
        var failed: JsonObject? = null
        try {
            stream.pieces().collect { pieces += it }
        } catch (error: TierwayException) {
            failed = facts(error)
        }
        return buildJsonObject {
            put("pieces", JsonArray(pieces.map(piece)))
            put("text", JsonPrimitive(pieces.joinToString("", transform = words)))
            put("response", stream.response?.let(whole) ?: JsonNull)
            put("error", failed ?: JsonNull)
        }
    }

    private suspend fun report(client: Client, by: List<String>): JsonObject = try {
        val report = client.report(by)
        val groups = report.groups.map { group ->
            val sums = json.encodeToJsonElement(Sums.serializer(), group.sums).jsonObject
            JsonObject(group.values.mapValues { JsonPrimitive(it.value) } + sums)
        }
        val total = json.encodeToJsonElement(Sums.serializer(), report.total)
        val whole = mapOf("by" to JsonArray(report.by.map(::JsonPrimitive)), "groups" to JsonArray(groups), "total" to total)
        JsonObject(mapOf("value" to JsonObject(whole)))
    } catch (error: TierwayException) {
        failure(error)
    }

    /** The body as a request with types, where they hold all of it; else it goes as the JSON it is. */
    private fun typedDraft(body: JsonElement): RequestDraft? = try {
        val draft = json.decodeFromJsonElement(RequestDraft.serializer(), body)
        draft.takeIf { isSame(body, json.encodeToJsonElement(RequestDraft.serializer(), it)) }
    } catch (_: SerializationException) {
        null
    }

    private fun <T> value(value: T, serializer: KSerializer<T>): JsonObject =
        JsonObject(mapOf("value" to json.encodeToJsonElement(serializer, value)))

    private fun failure(error: TierwayException) = JsonObject(mapOf("error" to facts(error)))

    private fun facts(error: TierwayException): JsonObject {
        val facts = json.encodeToJsonElement(Facts.serializer(), error.facts).jsonObject
        return JsonObject(facts + ("attempts" to JsonArray(error.facts.attempts)))
    }
}
