// How values become the JSON that crosses the border, and come back.
package io.github.tierway

import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.PrimitiveSerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonDecoder
import kotlinx.serialization.json.JsonEncoder
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** What is absent is left out; what a newer core says besides is passed over. */
@OptIn(kotlinx.serialization.ExperimentalSerializationApi::class)
internal val json = Json {
    ignoreUnknownKeys = true
    explicitNulls = false
}

/** One arm of a choice that holds a value: `{"key": value}`. */
class Keyed<T, V> internal constructor(
    internal val key: String,
    private val serializer: KSerializer<V>,
    private val make: (V) -> T,
    private val take: (T) -> V?,
) {
    internal fun read(decoder: JsonDecoder, value: JsonObject): T =
        make(decoder.json.decodeFromJsonElement(serializer, value.getValue(key)))

    internal fun write(encoder: JsonEncoder, choice: T): JsonObject? =
        take(choice)?.let { JsonObject(mapOf(key to encoder.json.encodeToJsonElement(serializer, it))) }
}

/** Reads and writes a word, or an object with one key. */
abstract class ChoiceSerializer<T : Any> internal constructor(
    private val name: String,
    private val words: Map<String, T>,
    private vararg val keyed: Keyed<T, *>,
) : KSerializer<T> {
    override val descriptor = PrimitiveSerialDescriptor("io.github.tierway.$name", PrimitiveKind.STRING)

    override fun deserialize(decoder: Decoder): T {
        val reader = decoder as? JsonDecoder ?: throw SerializationException("$name is read from JSON alone")
        val value = reader.decodeJsonElement()
        val found = when (value) {
            is JsonPrimitive -> words[value.content]
            is JsonObject -> keyed.firstOrNull { it.key in value }?.read(reader, value)
            else -> null
        }
        return found ?: throw SerializationException("$name: no such choice")
    }

    override fun serialize(encoder: Encoder, value: T) {
        val writer = encoder as? JsonEncoder ?: throw SerializationException("$name is written as JSON alone")
        val word = words.entries.firstOrNull { it.value == value }?.key
        val element = word?.let(::JsonPrimitive) ?: keyed.firstNotNullOf { it.write(writer, value) }
        writer.encodeJsonElement(element)
    }
}
