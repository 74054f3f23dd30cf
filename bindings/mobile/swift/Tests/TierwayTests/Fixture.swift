// A house catalogue and scripted vendors inside the client: builds for tests take both from the settings.
import Foundation
import XCTest

@testable import Tierway

let text = "Rayleigh scattering does it."
/// 100 tokens at 1 dollar a million and 10 at 4.
let cost = Usd("0.00014")
let answer = #"{"reply": {"parts": [{"type": "text", "text": "\#(text)"}], "usage": {"input": 100, "output": 10}}}"#
let slow = #"{"reply": {"parts": [{"type": "text", "text": "\#(text)"}], "usage": {"input": 100, "output": 10}},"#
    + #" "pace": {"between_ms": 50, "piece_chars": 4}}"#
/// The same, but its pieces take far longer than a test.
let lasting = #"{"reply": {"parts": [{"type": "text", "text": "\#(text)"}], "usage": {"input": 100, "output": 10}},"#
    + #" "pace": {"between_ms": 5000, "piece_chars": 4}}"#
let question = RequestDraft.ask("Why is the sky blue?")
let body: JSON = ["messages": [["role": "user", "content": "Why is the sky blue?"]]]

private func model(_ name: String, _ tier: String, _ input: Int, _ output: Int) -> JSON {
    [
        "id": .string("house/\(name)"), "family": .string(name), "tier": .string(tier), "context_window": 65536,
        "max_output": 4096, "capabilities": ["tools", "json_mode", "streaming"], "source": "made up for tests",
        "date": "2026-01-01", "prices": [["rates": ["input": .string("\(input)"), "output": .string("\(output)")]]],
    ]
}

/// Settings with two models at one endpoint, and what its vendor answers where one is scripted.
func settings(_ answered: String? = answer, _ more: JSONObject = JSONObject()) throws -> JSON {
    let endpoint: JSON = [
        "id": "house", "api": "chat_completions", "base_url": "http://localhost/v1", "region": "us", "auth": "bearer",
    ]
    let models: JSON = [model("small", "economy", 1, 4), model("strong", "frontier", 10, 40)]
    var fields: JSONObject = [
        "keys": ["house": "sk-canary"],
        "catalog": ["only_files": true],
        "router": ["models": ["house/small"]],
        "rows": [["vendor": "house", "endpoints": [endpoint], "models": models]],
    ]
    if let answered { fields["testing"] = ["loopback": [["answer": try JSON(text: answered)]]] }
    return .object(fields.merging(more))
}

/// How often to look whether something has come to pass: for ten seconds, which are longer on a machine that is busy or stood
/// still, since looks are counted and not the time. What hangs here does so for a minute.
private let looks = 2000

/// Waits for something.
func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
    for _ in 0..<looks {
        if try await holds() { return }
        try await pause(5)
    }
    throw Unexpected("not in time: \(what)")
}

/// Every attempt has ended.
func balanced(_ client: Client, _ attempts: Int) async throws {
    try await eventually("the account is balanced") {
        let total = try await client.report().total
        return total.attempts == attempts && total.held == 0
    }
}

/// A call is under way.
func underWay(_ client: Client) async throws {
    try await eventually("a call is under way") { try await client.report().total.held > 0 }
}

/// What a test did not expect.
struct Unexpected: Error {
    let what: String

    init(_ what: String) {
        self.what = what
    }
}

/// Why a call failed; that it did not is a failure of the test.
func failure(_ call: () async throws -> Void) async throws -> TierwayError {
    do {
        try await call()
    } catch let error as TierwayError {
        return error
    }
    throw Unexpected("it was answered")
}

/// What some work brings. It hangs where it takes as long as `eventually` waits, and nobody waits for it any more.
func quickly<T: Sendable>(_ work: @escaping @Sendable () async throws -> T) async throws -> T {
    let (ends, said) = AsyncThrowingStream.makeStream(of: T.self)
    let limit = Task {
        for _ in 0..<looks { try await pause(5) }
        said.finish(throwing: Unexpected("it hangs"))
    }
    Task {
        do {
            said.yield(try await work())
            said.finish()
        } catch {
            said.finish(throwing: error)
        }
    }
    defer { limit.cancel() }
    for try await made in ends { return made }
    throw Unexpected("it brought nothing")
}

/// Numbers drawn from a seed (splitmix64).
struct Draws: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: Int) {
        state = UInt64(seed)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// From 0 to below `limit`.
    mutating func draw(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}

/// Waits for some milliseconds.
func pause(_ ms: Int) async throws {
    try await Task.sleep(nanoseconds: UInt64(ms) * 1_000_000)
}

/// A folder that is removed with the test.
func folder(_ test: XCTestCase) throws -> URL {
    let made = FileManager.default.temporaryDirectory.appendingPathComponent("tierway-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
    test.addTeardownBlock { try? FileManager.default.removeItem(at: made) }
    return made
}
