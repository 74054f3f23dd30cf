// What an app brings in Swift: providers, checks, transports; and what it does without a network.
import Foundation
import XCTest

@testable import Tierway

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A provider made of functions.
private struct Made: Provider {
    var answer: @Sendable (ProviderCall) async throws -> Reply = { _ in Reply(text: text, inputTokens: 100, outputTokens: 10) }
    var pieces: (@Sendable (ProviderCall) -> AsyncThrowingStream<Delta, Error>)?

    func chat(_ call: ProviderCall) async throws -> Reply { try await answer(call) }

    func stream(_ call: ProviderCall) -> AsyncThrowingStream<Delta, Error> {
        if let pieces { return pieces(call) }
        return WholeOnly(provider: self).stream(call)
    }
}

/// Has the stream that comes with the protocol.
private struct WholeOnly: Provider {
    let provider: Made

    func chat(_ call: ProviderCall) async throws -> Reply { try await provider.answer(call) }
}

private struct Sky: Error {
    let says = "the sky is a canary"
}

private final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0

    func raise() { lock.withLock { count += 1 } }
    var times: Int { lock.withLock { count } }
}

private struct Judge: Check {
    func judge(request: RequestDraft, reply: Reply) async throws -> String? {
        reply.text == "right" ? nil : "it is wrong"
    }
}

private func own(_ provider: any Provider, _ more: JSONObject = JSONObject(), checks: [any Check] = []) throws -> Client {
    try Client(json: settings(nil, more), providers: ["house": provider], checks: checks)
}

final class HostTests: XCTestCase {
    func testAProviderInSwiftAnswersWholeAndInPieces() async throws {
        let client = try own(Made())
        let response = try await client.send(question)
        XCTAssertEqual(response.text, text)
        XCTAssertEqual(response.cost, cost)
        var words = ""
        for try await piece in try await client.stream(question) { words += piece.words }
        XCTAssertEqual(words, text)

        let pieces: @Sendable (ProviderCall) -> AsyncThrowingStream<Delta, Error> = { _ in
            AsyncThrowingStream { stream in
                stream.yield(.text(part: 0, text: "Rayleigh "))
                stream.yield(.text(part: 0, text: "scattering does it."))
                stream.yield(.usage(usage: Usage(input: 100, output: 10)))
                stream.finish()
            }
        }
        let streaming = try own(Made(pieces: pieces))
        let stream = try await streaming.stream(question)
        words = ""
        for try await piece in stream { words += piece.words }
        XCTAssertEqual(words, text)
        XCTAssertEqual(try stream.response()?.cost, cost)
    }

    func testWhatAProviderThrowsBecomesATypedErrorThatQuotesNothing() async throws {
        func thrown(_ error: Error & Sendable) async throws -> TierwayError {
            let client = try own(Made(answer: { _ in throw error }), ["retry": ["attempts_max": 1]])
            do {
                _ = try await client.send(question)
            } catch let error as TierwayError {
                return error
            }
            throw XCTSkip("it was answered")
        }
        let limited = try await thrown(Fault(.rateLimited, "slow", status: 429, retryAfterMs: 7))
        XCTAssertEqual(limited.kind, .rateLimit)
        XCTAssertEqual(limited.status, 429)
        XCTAssertEqual(limited.retryAfterMs, 7)
        let unknown = try await thrown(Sky())
        XCTAssertTrue(unknown.message.contains("Sky"), unknown.message)
        XCTAssertFalse(unknown.message.contains("canary"), unknown.message)
    }

    func testAProviderIsToldWhenNobodyWaits() async throws {
        let (stopped, closed) = (Flag(), Flag())
        let waits: @Sendable (ProviderCall) async throws -> Reply = { _ in
            try await withTaskCancellationHandler {
                try await Task.sleep(nanoseconds: 60_000_000_000)
                return Reply(text: "late")
            } onCancel: {
                stopped.raise()
            }
        }
        let endless: @Sendable (ProviderCall) -> AsyncThrowingStream<Delta, Error> = { _ in
            AsyncThrowingStream { stream in
                let work = Task {
                    while !Task.isCancelled {
                        stream.yield(.text(part: 0, text: "more "))
                        try? await Task.sleep(nanoseconds: 5_000_000)
                    }
                }
                stream.onTermination = { _ in
                    work.cancel()
                    closed.raise()
                }
            }
        }
        let client = try own(Made(answer: waits, pieces: endless))
        let asked = Task { try await client.send(question) }
        try await underWay(client)
        asked.cancel()
        _ = try? await asked.value
        try await eventually("the provider's task is cancelled") { stopped.times == 1 }
        for try await piece in try await client.stream(question) where !piece.words.isEmpty { break }
        try await eventually("the provider's stream is let go") { closed.times == 1 }
        try await balanced(client, 2)
    }

    func testACheckSendsTheRequestToABetterModel() async throws {
        let provider = Made(answer: { Reply(text: $0.model == "strong" ? "right" : "wrong", inputTokens: 10, outputTokens: 1) })
        let router: JSON = ["quality": 0.01, "models": ["house/small", "house/strong"]]
        let client = try own(provider, ["router": router], checks: [Judge()])
        let response = try await client.send(question)
        XCTAssertEqual(response.text, "right")
        XCTAssertEqual(response.route.attempts.map(\.outcome), ["fell_short", "answered"])
    }

    func testURLSessionCarriesCallsWholeAndInPieces() async throws {
        let client = try Client(json: settings(), transport: URLSessionTransport())
        let whole = try await client.send(question)
        XCTAssertEqual(whole.text, text)
        var words = ""
        for try await piece in try await client.stream(question) { words += piece.words }
        XCTAssertEqual(words, text)
        try await balanced(client, 2)

        let paced = try Client(json: settings(slow), transport: URLSessionTransport())
        for try await piece in try await paced.stream(question) where !piece.words.isEmpty { break }
        try await balanced(paced, 1)

        let refused = try Client(json: settings(#"{"fault": {"kind": "status", "status": 401}}"#), transport: URLSessionTransport())
        do {
            _ = try await refused.send(question)
            XCTFail("it was answered")
        } catch let error as TierwayError {
            XCTAssertEqual(error.kind, .authentication)
        }
    }

    func testNoConnectionIsSaidToBeUnsent() async throws {
        let more: JSONObject = ["base_urls": ["house": "http://127.0.0.1:9/v1"], "retry": ["attempts_max": 1]]
        let client = try Client(json: settings(nil, more), transport: URLSessionTransport())
        do {
            _ = try await client.send(question)
            XCTFail("it was answered")
        } catch let error as TierwayError {
            XCTAssertEqual(error.kind, .connection)
        }
    }

    func testRequestsWaitForANetwork() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tierway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let plan = Offline.queue(outbox: folder.appendingPathComponent("outbox.jsonl").path)
        let client = try Client(json: settings(), offline: plan)
        client.setOnline(false)
        do {
            _ = try await client.send(question)
            XCTFail("it was sent")
        } catch let error as TierwayError {
            XCTAssertEqual(error.kind, .offline)
        }
        guard case .queued(let id) = try await client.submit(question) else { return XCTFail("it was not kept") }
        XCTAssertEqual(try client.letters().map(\.state), [.waiting])
        client.setOnline(true)
        let answered = try await client.deliver()
        XCTAssertEqual(answered.map(\.id), [id])
        XCTAssertEqual(answered.first?.response?.text, text)
        try client.forget(id)
        XCTAssertEqual(try client.letters().count, 0)
        XCTAssertThrowsError(try client.retry(id)) { XCTAssertEqual(($0 as? TierwayError)?.kind, .outbox) }
    }

    func testWithoutANetworkOnlyTheDeviceSeesARequest() async throws {
        let provider = Made()
        let client = try Client(json: settings(nil), providers: ["house": provider], offline: .local)
        client.setOnline(false)
        do {
            _ = try await client.send(question)
            XCTFail("it was sent")
        } catch let error as TierwayError {
            XCTAssertEqual(error.kind, .refused)
        }
        client.setOnline(true)
        let response = try await client.send(question)
        XCTAssertEqual(response.text, text)
    }
}
