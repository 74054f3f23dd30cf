// How typed values become the JSON that crosses the border, and come back.
import Foundation

extension JSON: Codable {
    public init(from decoder: Decoder) throws {
        if let fields = try? decoder.container(keyedBy: Name.self) {
            var object = JSONObject()
            for key in fields.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
                object[key.stringValue] = try fields.decode(JSON.self, forKey: key)
            }
            self = .object(object)
            return
        }
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let found = try? value.decode(Bool.self) {
            self = .bool(found)
        } else if let found = try? value.decode(Int.self) {
            self = .int(found)
        } else if let found = try? value.decode(Double.self) {
            self = .double(found)
        } else if let found = try? value.decode(String.self) {
            self = .string(found)
        } else {
            self = .array(try value.decode([JSON].self))
        }
    }

    public func encode(to encoder: Encoder) throws {
        if case .object(let object) = self {
            var fields = encoder.container(keyedBy: Name.self)
            for (key, value) in object { try fields.encode(value, forKey: Name(stringValue: key)) }
            return
        }
        var value = encoder.singleValueContainer()
        switch self {
        case .bool(let inner): try value.encode(inner)
        case .int(let inner): try value.encode(inner)
        case .double(let inner): try value.encode(inner)
        case .string(let inner): try value.encode(inner)
        case .array(let inner): try value.encode(inner)
        case .null, .object: try value.encodeNil()
        }
    }

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) {
            self.stringValue = stringValue
        }

        init?(intValue: Int) {
            return nil
        }
    }
}

/// Writes a value as JSON text. Keys are in order, so that equal requests are equal bytes: a vendor's cache of prompts goes by
/// them.
///
/// - Throws: `code` where a number is not finite, by the name of its field.
func written<T: Encodable>(_ value: T, wrong code: String = "invalid_request") throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch EncodingError.invalidValue(_, let context) {
        let field = named(context.codingPath)
        var error = TierwayError(code: code, message: "\(field): a number is not finite: JSON has no word for it")
        error.field = field
        throw error
    }
}

/// A field's name, as in `messages[0].role`.
private func named(_ path: [CodingKey]) -> String {
    path.reduce(into: "") { name, key in
        if let at = key.intValue { name += "[\(at)]" } else { name += (name.isEmpty ? "" : ".") + key.stringValue }
    }
}

/// JSON is written as it stands.
func written(_ value: JSON) throws -> String {
    try value.text()
}

/// Reads a value from JSON text.
func read<T: Decodable>(_ type: T.Type = T.self, _ text: String) throws -> T {
    do {
        return try JSONDecoder().decode(T.self, from: Data(text.utf8))
    } catch is DecodingError {
        // What it says may quote the text.
        throw TierwayError(code: "internal", message: "\(T.self) is not in what was read, or is of another version: please report it")
    }
}

/// A word that no arm of a type has.
func unknown(_ type: String, _ word: String, at decoder: Decoder) -> DecodingError {
    let context = DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "\(type) has no such arm: \(word)")
    return DecodingError.dataCorrupted(context)
}
