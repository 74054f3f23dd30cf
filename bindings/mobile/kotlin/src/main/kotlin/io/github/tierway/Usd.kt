// Exact money.
package io.github.tierway

import java.math.BigDecimal
import kotlinx.serialization.Serializable

/** An exact amount of US dollars, to the pico-dollar, as the decimal text that JSON carries. */
@JvmInline
@Serializable
value class Usd(val text: String) : Comparable<Usd> {
    /** The amount as an exact number. */
    fun toBigDecimal(): BigDecimal = BigDecimal(text)

    override fun compareTo(other: Usd): Int = toBigDecimal().compareTo(other.toBigDecimal())

    override fun toString(): String = "$$text"
}
