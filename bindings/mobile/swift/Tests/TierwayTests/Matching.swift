// Whether what came out of a case is what was expected: the rules of tests/cases/README.md.
import Foundation

@testable import Tierway

/// What differs, or nothing. `null` fits what is absent.
func mismatch(_ want: JSON, _ found: JSON?, _ place: String = "$") -> String? {
    let fails = "\(place): expected \(shown(want)), found \(String(shown(found).prefix(400)))"
    switch want {
    case .array(let items):
        guard case .array(let list)? = found, list.count == items.count else { return fails }
        return begins(items, list, place)
    case .object(let fields):
        if fields.count == 1, let (rule, argument) = fields.first(where: { _ in true }), let fits = ruled(rule, argument, found, place, fails) {
            return fits.fault
        }
        for (key, inner) in fields {
            if let fault = mismatch(inner, found?[key], "\(place).\(key)") { return fault }
        }
        return nil
    default:
        return isSame(want, found) ? nil : fails
    }
}

private struct Ruled {
    let fault: String?
}

private func ruled(_ rule: String, _ want: JSON, _ found: JSON?, _ place: String, _ fails: String) -> Ruled? {
    let fits: Bool
    switch rule {
    case "has":
        fits = found?.string.map { text in want.string.map { text.contains($0) } ?? false } ?? false
    case "at_least":
        fits = number(found).map { found in number(want).map { found >= $0 } ?? false } ?? false
    case "one_of":
        guard case .array(let choices) = want else { return Ruled(fault: fails) }
        fits = choices.contains { isSame($0, found) }
    case "json":
        fits = (found?.string).flatMap { try? JSON(text: $0) }.map { isSame(want, $0) } ?? false
    case "begins":
        guard case .array(let items) = want, case .array(let list)? = found, list.count >= items.count else {
            return Ruled(fault: fails)
        }
        return Ruled(fault: begins(items, list, place))
    default:
        return nil
    }
    return Ruled(fault: fits ? nil : fails)
}

private func begins(_ want: [JSON], _ found: [JSON], _ place: String) -> String? {
    for (at, (one, other)) in zip(want, found).enumerated() {
        if let fault = mismatch(one, other, "\(place)[\(at)]") { return fault }
    }
    return nil
}

private func number(_ value: JSON?) -> Double? {
    switch value {
    case .int(let number)?: return Double(number)
    case .double(let number)?: return number
    default: return nil
    }
}

private func shown(_ value: JSON?) -> String {
    value.flatMap { try? $0.text() } ?? "nothing"
}

/// Equal as JSON: 1 is 1.0, and what is absent is null.
func isSame(_ one: JSON?, _ other: JSON?) -> Bool {
    switch (one ?? .null, other ?? .null) {
    case (.array(let a), .array(let b)):
        return a.count == b.count && zip(a, b).allSatisfy { isSame($0, $1) }
    case (.object(let a), .object(let b)):
        return Set(a.keys) == Set(b.keys) && a.allSatisfy { isSame($0.value, b[$0.key]) }
    case (let a, let b):
        if let amount = number(a) { return number(b) == amount }
        return a == b
    }
}
