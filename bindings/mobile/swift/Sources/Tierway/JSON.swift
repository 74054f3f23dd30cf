// Any JSON, with the keys of objects in their order.
import Foundation

/// Any JSON value.
public enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)

    /// JSON from its text; objects keep the order of their keys.
    ///
    /// - Throws: `invalid_request` where it is no JSON, without a word of the text.
    public init(text: String) throws {
        self = try JSONReader.read(text)
    }

    /// A field of an object.
    public subscript(key: String) -> JSON? {
        if case .object(let fields) = self { return fields[key] }
        return nil
    }

    /// An item of a list.
    public subscript(at: Int) -> JSON? {
        if case .array(let items) = self, items.indices.contains(at) { return items[at] }
        return nil
    }

    /// The text, where it is one.
    public var string: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    /// Whether it is true, where it is true or false.
    public var bool: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    /// The whole number, where it is one.
    public var int: Int? {
        if case .int(let number) = self { return number }
        return nil
    }

    /// The number, whole or not, where it is one.
    public var double: Double? {
        switch self {
        case .int(let number): return Double(number)
        case .double(let number): return number
        default: return nil
        }
    }

    /// The items, where it is a list.
    public var array: [JSON]? {
        if case .array(let items) = self { return items }
        return nil
    }

    /// The fields, where it is an object.
    public var object: JSONObject? {
        if case .object(let fields) = self { return fields }
        return nil
    }
}

/// The fields of a JSON object, in their order; two with the same fields are equal whatever their order.
public struct JSONObject: Hashable, Sendable, Sequence, ExpressibleByDictionaryLiteral {
    /// The names of the fields, in their order.
    public private(set) var keys: [String] = []
    private var values: [String: JSON] = [:]

    /// No fields.
    public init() {}

    public init(dictionaryLiteral elements: (String, JSON)...) {
        for (key, value) in elements { self[key] = value }
    }

    /// A field: set to nothing it goes, set anew it keeps its place.
    public subscript(key: String) -> JSON? {
        get { values[key] }
        set {
            if let newValue {
                if values.updateValue(newValue, forKey: key) == nil { keys.append(key) }
            } else if values.removeValue(forKey: key) != nil {
                keys.removeAll { $0 == key }
            }
        }
    }

    /// How many fields there are.
    public var count: Int { keys.count }

    public func makeIterator() -> AnyIterator<(key: String, value: JSON)> {
        var rest = keys.makeIterator()
        return AnyIterator { [values] in
            guard let key = rest.next(), let value = values[key] else { return nil }
            return (key, value)
        }
    }

    /// These fields with those of another, which take the place of these.
    public func merging(_ other: JSONObject) -> JSONObject {
        var both = self
        for (key, value) in other { both[key] = value }
        return both
    }

    public static func == (one: JSONObject, other: JSONObject) -> Bool { one.values == other.values }

    public func hash(into hasher: inout Hasher) { hasher.combine(values) }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .int(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        var fields = JSONObject()
        for (key, value) in elements { fields[key] = value }
        self = .object(fields)
    }
}
