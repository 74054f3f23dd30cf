// A house catalogue and scripted vendors inside the client: builds for tests take both from the settings.
package io.github.tierway

import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject

const val TEXT = "Rayleigh scattering does it."

/** 100 tokens at 1 dollar a million and 10 at 4. */
const val COST = "0.00014"
const val ANSWER = """{"reply": {"parts": [{"type": "text", "text": "$TEXT"}], "usage": {"input": 100, "output": 10}}}"""
const val SLOW = """{"reply": {"parts": [{"type": "text", "text": "$TEXT"}], "usage": {"input": 100, "output": 10}},
    "pace": {"between_ms": 50, "piece_chars": 4}}"""
val QUESTION = ask("Why is the sky blue?")
const val BODY = """{"messages": [{"role": "user", "content": "Why is the sky blue?"}]}"""

fun parse(text: String): JsonObject = Json.parseToJsonElement(text).jsonObject

private fun model(name: String, tier: String, input: Int, output: Int) = """{
    "id": "house/$name", "family": "$name", "tier": "$tier", "context_window": 65536, "max_output": 4096,
    "capabilities": ["tools", "json_mode", "streaming"], "source": "made up for tests", "date": "2026-01-01",
    "prices": [{"rates": {"input": "$input", "output": "$output"}}]}"""

private val ENDPOINT = """{"id": "house", "api": "chat_completions", "base_url": "http://localhost/v1", "region": "us",
    "auth": "bearer"}"""

/** Settings with two models at one endpoint, and what its vendor answers where one is scripted. */
fun settings(answer: String? = ANSWER, more: String = "{}"): JsonElement {
    val models = "${model("small", "economy", 1, 4)}, ${model("strong", "frontier", 10, 40)}"
    val base = parse(
        """{"keys": {"house": "sk-canary"}, "catalog": {"only_files": true}, "router": {"models": ["house/small"]},
        "rows": [{"vendor": "house", "endpoints": [$ENDPOINT], "models": [$models]}]}""",
    )
    val script = answer?.let { parse("""{"testing": {"loopback": [{"answer": $it}]}}""") }.orEmpty()
    return JsonObject(base + script + parse(more))
}

/**
 * How often to look whether something has come to pass: for ten seconds, which are longer on a machine that is busy or stood
 * still, since looks are counted and not the time. What hangs here does so for a minute.
 */
private const val LOOKS = 2_000

/** Waits for something. */
suspend fun eventually(what: String, holds: suspend () -> Boolean) {
    repeat(LOOKS) {
        if (holds()) return
        delay(5)
    }
    throw AssertionError("not in time: $what")
}

/** Every attempt has ended. */
suspend fun balanced(client: Client, attempts: Long): Sums {
    eventually("the account is balanced") { client.report().total.let { it.attempts == attempts && it.held == 0L } }
    return client.report().total
}

/** Waits until a call is under way. */
suspend fun underWay(client: Client) = eventually("a call is under way") { client.report().total.held != 0L }

/** What some work brings. It hangs where it takes as long as [eventually] waits. */
suspend fun <T> quickly(work: suspend () -> T): T = coroutineScope {
    val made = async { work() }
    eventually("it hangs") { made.isCompleted }
    made.await()
}
