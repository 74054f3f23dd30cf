// The shared cases, through the public client and its types. tests/cases/README.md says what a case holds.
import Foundation
import XCTest

@testable import Tierway

final class CasesTests: XCTestCase {
    func testEveryCaseBringsWhatIsExpected() async throws {
        let root = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../../../..").standardizedFileURL
        let cases = root.appendingPathComponent("tests/cases")
        let names = try FileManager.default.contentsOfDirectory(atPath: cases.path).filter { $0.hasSuffix(".json") }.sorted()
        var lines = ""
        var passed = 0
        var failed = 0
        for name in names {
            let file = try JSON(text: String(contentsOf: cases.appendingPathComponent(name), encoding: .utf8))
            for one in file["cases"]?.items ?? [] {
                let title = "\(name.dropLast(5)): \(one["name"]?.string ?? "")"
                var run = CaseRun()
                let outcome = try await run.run(file["settings"]?.fields ?? JSONObject(), one)
                lines += try JSON.object(["case": .string(title), "outcome": outcome]).text() + "\n"
                run.faults.forEach { XCTFail("\(title): \($0)") }
                if run.faults.isEmpty { passed += 1 } else { failed += 1 }
            }
        }
        let folder = root.appendingPathComponent("target/cases")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try lines.write(to: folder.appendingPathComponent("swift.jsonl"), atomically: true, encoding: .utf8)
        print("\(passed) passed, \(failed) failed")
        XCTAssertGreaterThan(passed, 0)
    }
}

extension JSON {
    var items: [JSON] { if case .array(let items) = self { return items } else { return [] } }
    var fields: JSONObject { if case .object(let fields) = self { return fields } else { return JSONObject() } }
}

private func json<T: Encodable>(_ value: T) throws -> JSON {
    try JSON(text: written(value))
}

/// One case: what is wrong with what came out.
private struct CaseRun {
    var faults: [String] = []

    mutating func expect(_ place: String, _ want: JSON?, _ found: JSON?) {
        if let fault = mismatch(want ?? .null, found) { faults.append("\(place): \(fault)") }
    }

    mutating func run(_ base: JSONObject, _ one: JSON) async throws -> JSON {
        let settings = base.merging(one["settings"]?.fields ?? JSONObject())
        let client: Client
        do {
            client = try Client(json: .object(settings))
        } catch let error as TierwayError {
            let found = try failure(error)
            expect("open", one["open"] ?? "no failure", found)
            return ["open": found]
        }
        expect("open", one["open"], nil)
        var out = JSONObject()
        var outcomes: [JSON] = []
        for (at, call) in (one["calls"]?.items ?? []).enumerated() {
            let outcome = try await perform(client, call)
            expect("call \(at)", call["expect"], outcome)
            outcomes.append(outcome)
        }
        out["calls"] = .array(outcomes)
        if let asked = one["report"] {
            let found = try await report(client, (asked["query"]?["by"]?.items ?? []).compactMap(\.string))
            out["report"] = found
            expect("report", asked["expect"], found["value"] ?? found)
        }
        expect("balance", 0, .int(try await client.report().total.held))
        try await client.close()
        return .object(out)
    }

    private func perform(_ client: Client, _ call: JSON) async throws -> JSON {
        let body = call["body"] ?? .null
        let draft = typedDraft(body)
        do {
            switch call["ask"]?.string {
            case "send":
                let made = if let draft { try await client.send(draft) } else { try await client.send(json: body) }
                return ["value": try json(made)]
            case "stream":
                let made = if let draft { try await client.stream(draft) } else { try await client.stream(json: body) }
                return try await drain(made, { try json($0) }, \.words, { try json($0) })
            case "route":
                let made = if let draft { try client.route(draft) } else { try client.route(json: body) }
                return ["value": try json(made)]
            case "route_chat":
                return ["value": try json(client.routeChat(body))]
            case "chat":
                return ["value": try await client.chat(body).json]
            case "chat_stream":
                return try await drain(client.chatStream(body), { $0.json }, \.text, { $0.json })
            default:
                return ["error": "no such ask"]
            }
        } catch let error as TierwayError {
            return try failure(error)
        }
    }

    private func drain<Piece, Whole>(
        _ stream: AnswerStream<Piece, Whole>,
        _ piece: (Piece) throws -> JSON,
        _ words: (Piece) -> String,
        _ whole: (Whole) throws -> JSON
    ) async throws -> JSON {
        var pieces: [Piece] = []
        var failed: JSON = .null
        do {
            for try await one in stream { pieces.append(one) }
        } catch let error as TierwayError {
            failed = try json(error)
        }
        return [
            "pieces": .array(try pieces.map(piece)),
            "text": .string(pieces.map(words).joined()),
            "response": try stream.response().map(whole) ?? .null,
            "error": failed,
        ]
    }

    private func report(_ client: Client, _ by: [String]) async throws -> JSON {
        do {
            let report = try await client.report(by: by)
            let groups = try report.groups.map { group -> JSON in
                var fields = try json(group.sums).fields
                for (name, value) in group.values { fields[name] = .string(value) }
                return .object(fields)
            }
            let by = JSON.array(report.by.map { .string($0) })
            return ["value": ["by": by, "groups": .array(groups), "total": try json(report.total)]]
        } catch let error as TierwayError {
            return try failure(error)
        }
    }

    /// The body as a request with types, where they hold all of it; else it goes as the JSON it is.
    private func typedDraft(_ body: JSON) -> RequestDraft? {
        guard let draft = try? read(RequestDraft.self, written(body)), let again = try? json(draft) else { return nil }
        return isSame(body, again) ? draft : nil
    }

    private func failure(_ error: TierwayError) throws -> JSON {
        ["error": try json(error)]
    }
}
