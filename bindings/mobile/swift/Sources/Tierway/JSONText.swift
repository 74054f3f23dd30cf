// JSON as text, with the keys of objects in their order: Foundation's own reader and writer forget it.
import Foundation

extension JSON {
    /// The value as JSON text.
    ///
    /// - Throws: where a number is not finite.
    public func text() throws -> String {
        var out = ""
        try write(to: &out)
        return out
    }

    private func write(to out: inout String) throws {
        switch self {
        case .null: out += "null"
        case .bool(let value): out += value ? "true" : "false"
        case .int(let value): out += String(value)
        case .double(let value):
            guard value.isFinite else {
                throw TierwayError(code: "invalid_request", message: "a number is not finite: JSON has no word for it")
            }
            out += String(describing: value)
        case .string(let value): JSON.quote(value, to: &out)
        case .array(let items):
            out += "["
            for (at, item) in items.enumerated() {
                if at > 0 { out += "," }
                try item.write(to: &out)
            }
            out += "]"
        case .object(let fields):
            out += "{"
            for (at, field) in fields.enumerated() {
                if at > 0 { out += "," }
                JSON.quote(field.key, to: &out)
                out += ":"
                try field.value.write(to: &out)
            }
            out += "}"
        }
    }

    private static func quote(_ text: String, to out: inout String) {
        out += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\u{00}"..."\u{1f}":
                let code = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }
}

/// Reads JSON text, byte by byte.
struct JSONReader {
    /// As deep as the library itself reads.
    private static let depthMax = 128

    private let bytes: [UInt8]
    private var at = 0

    static func read(_ text: String) throws -> JSON {
        var reader = JSONReader(bytes: Array(text.utf8))
        let value = try reader.value(depth: 0)
        reader.space()
        guard reader.at == reader.bytes.count else { throw reader.wrong() }
        return value
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private func wrong() -> TierwayError {
        TierwayError(code: "invalid_request", message: "it is not JSON (byte \(at))")
    }

    private mutating func space() {
        while at < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[at]) { at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        space()
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func need(_ byte: UInt8) throws {
        guard take(byte) else { throw wrong() }
    }

    private mutating func value(depth: Int) throws -> JSON {
        space()
        guard at < bytes.count, depth < JSONReader.depthMax else { throw wrong() }
        switch bytes[at] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws -> JSON {
        at += 1
        var fields = JSONObject()
        if take(UInt8(ascii: "}")) { return .object(fields) }
        repeat {
            space()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw wrong() }
            let key = try string()
            try need(UInt8(ascii: ":"))
            fields[key] = try value(depth: depth + 1)
        } while take(UInt8(ascii: ","))
        try need(UInt8(ascii: "}"))
        return .object(fields)
    }

    private mutating func array(depth: Int) throws -> JSON {
        at += 1
        var items: [JSON] = []
        if take(UInt8(ascii: "]")) { return .array(items) }
        repeat {
            items.append(try value(depth: depth + 1))
        } while take(UInt8(ascii: ","))
        try need(UInt8(ascii: "]"))
        return .array(items)
    }

    private mutating func word(_ text: String, _ value: JSON) throws -> JSON {
        guard bytes[at...].starts(with: text.utf8) else { throw wrong() }
        at += text.utf8.count
        return value
    }

    private mutating func number() throws -> JSON {
        let start = at
        while at < bytes.count, "+-.eE0123456789".utf8.contains(bytes[at]) { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if let whole = Int(text), !text.hasPrefix("+") { return .int(whole) }
        guard let first = text.first, first == "-" || first.isNumber, let value = Double(text), value.isFinite else {
            at = start
            throw wrong()
        }
        return .double(value)
    }

    private mutating func string() throws -> String {
        at += 1
        var text: [UInt8] = []
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += try escaped().utf8
            case 0..<0x20: throw wrong()
            default: text.append(byte)
            }
        }
        throw wrong()
    }

    private mutating func escaped() throws -> String {
        guard at < bytes.count else { throw wrong() }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0c}"
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return String(UnicodeScalar(byte))
        case UInt8(ascii: "u"): return try scalar()
        default: throw wrong()
        }
    }

    /// A character by its number, or by two where it lies beyond the first 65,536.
    private mutating func scalar() throws -> String {
        let first = try unit()
        guard (0xd800..<0xdc00).contains(first) else {
            guard let scalar = UnicodeScalar(first) else { throw wrong() }
            return String(Character(scalar))
        }
        guard bytes[at...].starts(with: "\\u".utf8) else { throw wrong() }
        at += 2
        let second = try unit()
        guard (0xdc00..<0xe000).contains(second),
            let scalar = UnicodeScalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw wrong() }
        return String(Character(scalar))
    }

    private mutating func unit() throws -> UInt32 {
        guard at + 4 <= bytes.count else { throw wrong() }
        let text = String(decoding: bytes[at..<at + 4], as: UTF8.self)
        guard text.allSatisfy(\.isHexDigit), let unit = UInt32(text, radix: 16) else { throw wrong() }
        at += 4
        return unit
    }
}
