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

/// Waits for something, two seconds at most.
func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
    let until = Date().addingTimeInterval(2)
    while try await !holds() {
        if Date() > until { return XCTFail("not within two seconds: \(what)") }
        try await Task.sleep(nanoseconds: 5_000_000)
    }
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
