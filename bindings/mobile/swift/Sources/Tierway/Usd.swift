// Exact money.
import Foundation

/// An exact amount of US dollars, to the pico-dollar, as the decimal text that JSON carries. Equal amounts are equal however
/// they are written.
public struct Usd: Codable, Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The amount as it was written, as in `0.00014`.
    public let text: String

    /// An amount by its decimal text, as in `0.00014`.
    public init(_ text: String) {
        self.text = text
    }

    /// The amount as an exact number.
    public var decimal: Decimal {
        Decimal(string: text, locale: Locale(identifier: "en_US_POSIX")) ?? 0
    }

    public var description: String { "$\(text)" }

    public static func == (one: Usd, other: Usd) -> Bool { one.decimal == other.decimal }

    public func hash(into hasher: inout Hasher) { hasher.combine(decimal) }

    public static func < (one: Usd, other: Usd) -> Bool { one.decimal < other.decimal }

    public init(from decoder: Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(text)
    }
}
