// Answers in the shape of OpenAI's chat completions: JSON with names for what is looked at most.
package io.github.tierway

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull

/** What OpenAI's shape has no words for: who answered and what it cost. */
class Account internal constructor(val json: JsonObject) {
    val id: RequestId get() = json.text("id").orEmpty()
    val route: Route get() = io.github.tierway.json.decodeFromJsonElement(Route.serializer(), json.getValue("route"))
    val cost: Usd get() = Usd(json.text("cost") ?: "0")
    val baselineCost: Usd? get() = json.text("baseline_cost")?.let(::Usd)
    val saved: Usd get() = Usd(json.text("saved") ?: "0")
}

/** A `chat.completion`; [json] is all of it. */
class ChatCompletion internal constructor(val json: JsonObject) {
    val id: String get() = json.text("id").orEmpty()
    val model: ModelId get() = json.text("model").orEmpty()

    /** The first answer's words. */
    val text: String? get() = first("message")?.text("content")

    /** Why the first answer ended: `stop`, `length`, `tool_calls` or `content_filter`. */
    val finishReason: String? get() = json.choice()?.text("finish_reason")
    val toolCalls: List<JsonObject>
        get() = (first("message")?.get("tool_calls") as? JsonArray)?.filterIsInstance<JsonObject>().orEmpty()
    val account: Account get() = Account(json.getValue("tierway") as JsonObject)

    private fun first(field: String): JsonObject? = json.choice()?.get(field) as? JsonObject

    override fun toString(): String = "ChatCompletion($id)"
}

/** A `chat.completion.chunk`; [json] is all of it. */
class ChatChunk internal constructor(val json: JsonObject) {
    /** The words that it adds to the first answer. */
    val text: String get() = (json.choice()?.get("delta") as? JsonObject)?.text("content").orEmpty()
    val finishReason: String? get() = json.choice()?.text("finish_reason")

    /** In the chunk that says why the answer ended. */
    val account: Account? get() = (json["tierway"] as? JsonObject)?.let(::Account)
}

private fun JsonObject.choice(): JsonObject? = (get("choices") as? JsonArray)?.firstOrNull() as? JsonObject

private fun JsonObject.text(key: String): String? = when (val value: JsonElement? = get(key)) {
    null, JsonNull -> null
    else -> (value as? JsonPrimitive)?.contentOrNull
}
