// Whether what came out of a case is what was expected: the rules of tests/cases/README.md.
package io.github.tierway

import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonPrimitive

/** What differs, or nothing. `null` fits what is absent. */
fun mismatch(want: JsonElement, found: JsonElement?, place: String = "$"): String? {
    val fails = { "$place: expected $want, found ${found.toString().take(400)}" }
    return when (want) {
        is JsonArray -> {
            if (found !is JsonArray || found.size != want.size) fails() else begins(want, found, place)
        }
        is JsonObject -> {
            val rule = want.entries.singleOrNull()?.let { (rule, argument) -> ruled(rule, argument, found, place, fails) }
            if (rule != null) rule.fault
            else want.entries.firstNotNullOfOrNull { (key, inner) ->
                mismatch(inner, (found as? JsonObject)?.get(key), "$place.$key")
            }
        }
        else -> if (isSame(want, found)) null else fails()
    }
}

private class Ruled(val fault: String?)

private fun ruled(rule: String, want: JsonElement, found: JsonElement?, place: String, fails: () -> String): Ruled? {
    val text = (found as? JsonPrimitive)?.takeIf { it.isString }?.content
    val fits = when (rule) {
        "has" -> text != null && want.jsonPrimitive.content in text
        "at_least" -> number(found)?.let { it >= number(want) } == true
        "one_of" -> want.jsonArray.any { isSame(it, found) }
        "json" -> text != null && isSame(want, parsed(text))
        "begins" -> {
            val list = found as? JsonArray ?: return Ruled(fails())
            if (list.size < want.jsonArray.size) return Ruled(fails())
            return Ruled(begins(want.jsonArray, list, place))
        }
        else -> return null
    }
    return Ruled(if (fits) null else fails())
}

private fun begins(want: JsonArray, found: JsonArray, place: String): String? =
    want.indices.firstNotNullOfOrNull { mismatch(want[it], found[it], "$place[$it]") }

private fun parsed(text: String): JsonElement? = try {
    Json.parseToJsonElement(text)
} catch (_: SerializationException) {
    null
}

private fun number(value: JsonElement?) =
    (value as? JsonPrimitive)?.takeIf { !it.isString }?.content?.toBigDecimalOrNull()

/** Equal as JSON: 1 is 1.0, and what is absent is null. */
fun isSame(one: JsonElement?, other: JsonElement?): Boolean = when (one) {
    null, JsonNull -> other == null || other == JsonNull
    is JsonArray -> other is JsonArray && one.size == other.size && one.indices.all { isSame(one[it], other[it]) }
    is JsonObject -> other is JsonObject && one.keys == other.keys && one.keys.all { isSame(one[it], other[it]) }
    is JsonPrimitive -> when (val amount = number(one)) {
        null -> one == other
        else -> number(other)?.compareTo(amount) == 0
    }
}
