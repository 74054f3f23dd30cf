// Providers and checks written in Swift.
import Foundation
import XCTest

@testable import Tierway

private struct Judge: Check {
    let judged = Locked<[String]>([])

    func judge(request: RequestDraft, reply: Reply) async throws -> String? {
        judged.with { $0.append(reply.text) }
        return reply.text == "right" ? nil : "it is wrong"
    }
}

private struct Broken: Check {
    func judge(request: RequestDraft, reply: Reply) async throws -> String? { throw Sky() }
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
        func thrown(_ error: any Error) async throws -> TierwayError {
            let client = try own(Made(answer: { _ in throw error }), ["retry": ["attempts_max": 1]])
            return try await failure { _ = try await client.send(question) }
        }
        let limited = try await thrown(Fault(.rateLimited, "slow", status: 429, retryAfterMs: 7))
        XCTAssertEqual(limited.kind, .rateLimit)
        XCTAssertEqual(limited.status, 429)
        XCTAssertEqual(limited.retryAfterMs, 7)
        XCTAssertEqual(limited.retryAfter, 0.007)
        let unknown = try await thrown(Sky())
        XCTAssertTrue(unknown.message.contains("Sky"), unknown.message)
        XCTAssertFalse(unknown.message.contains("canary"), unknown.message)
    }

    func testAProviderIsToldWhenNobodyWaits() async throws {
        let (begun, stopped, closed) = (Flag(), Flag(), Flag())
        let waits: @Sendable (ProviderCall) async throws -> Reply = { _ in
            begun.raise()
            return try await withTaskCancellationHandler {
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
        try await eventually("the provider is asked") { begun.times == 1 }
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
        let judge = Judge()
        let client = try own(provider, ["router": router], checks: [judge])
        let response = try await client.send(question)
        XCTAssertEqual(response.text, "right")
        XCTAssertEqual(response.route.attempts.map(\.outcome), ["fell_short", "answered"])
        // The last candidate's answer is delivered whatever a check says, so it is not asked.
        XCTAssertEqual(judge.judged.with { $0 }, ["wrong"])
        let careful = try own(provider, ["router": router], checks: [Broken()])
        let checked = try await careful.send(question)
        XCTAssertEqual(checked.route.attempts.map(\.outcome), ["fell_short", "answered"], "a check that throws is no praise")
    }

    func testAProviderIsToldWhatIsAsked() async throws {
        let calls = Locked<[ProviderCall]>([])
        let client = try own(Made(answer: { call in
            calls.with { $0.append(call) }
            return Reply(text: text, inputTokens: 100, outputTokens: 10)
        }))
        _ = try await client.send(question)
        let call = try XCTUnwrap(calls.with { $0.first })
        XCTAssertEqual([call.model, call.id, call.endpoint], ["small", "house/small", "house"])
        XCTAssertEqual(call.request.messages, question.messages)
        XCTAssertTrue(call.maxTokens > 0 && call.timeoutMs > 0 && !call.attempt.isEmpty)
    }

    func testAStreamThatBreaksBringsWhatHadCome() async throws {
        let client = try own(Made(pieces: { _ in
            AsyncThrowingStream { stream in
                stream.yield(.text(part: 0, text: "Rayleigh "))
                stream.finish(throwing: Fault(.network, "the cable"))
            }
        }))
        let stream = try await client.stream(question)
        let error = try await failure { for try await _ in stream {} }
        XCTAssertEqual(error.kind, .incomplete)
        XCTAssertEqual(error.partial?.text, "Rayleigh ")
        XCTAssertFalse("\(error)".contains("Rayleigh"))
        let after = try await stream.next()
        XCTAssertNil(after)
        XCTAssertNil(try stream.response())
        try await balanced(client, 1)
    }

    func testClosingAStreamFromOutsideEndsAWaitAtOnce() async throws {
        let client = try own(Made(pieces: { _ in
            AsyncThrowingStream { stream in stream.yield(.text(part: 0, text: "first")) }
        }))
        let stream = try await client.stream(question)
        let first = try await stream.next()
        XCTAssertEqual(first?.words, "first")
        let waits = Task { try await stream.next() }
        try await pause(50)
        stream.close()
        let after = try await quickly { try await waits.value }
        XCTAssertNil(after)
        try await balanced(client, 1)
    }

    func testAProviderThatNeverAnswersMeetsItsLimit() async throws {
        let stopped = Flag()
        let waits: @Sendable (ProviderCall) async throws -> Reply = { _ in
            try await withTaskCancellationHandler { () async throws -> Reply in
                try await Task.sleep(nanoseconds: 60_000_000_000)
                return Reply(text: "late")
            } onCancel: {
                stopped.raise()
            }
        }
        let silent: @Sendable (ProviderCall) -> AsyncThrowingStream<Delta, Error> = { _ in AsyncThrowingStream { _ in } }
        let limits: JSONObject = ["timeouts": ["total_ms": 60, "first_byte_ms": 60, "idle_ms": 60], "retry": ["attempts_max": 1]]
        let client = try own(Made(answer: waits, pieces: silent), limits)
        let whole = try await quickly { try await failure { _ = try await client.send(question) } }
        XCTAssertEqual(whole.kind, .timeout)
        try await eventually("the provider is told") { stopped.times == 1 }
        let streamed = try await quickly { try await failure { for try await _ in try await client.stream(question) {} } }
        XCTAssertEqual(streamed.kind, .timeout)
        try await balanced(client, 2)
    }

    func testAStreamThatIsLetGoUnreadIsEnded() async throws {
        let closed = Flag()
        let client = try own(Made(pieces: { _ in
            AsyncThrowingStream { stream in
                stream.yield(.text(part: 0, text: "first"))
                stream.onTermination = { _ in closed.raise() }
            }
        }))
        _ = try await client.stream(question)
        try await eventually("the provider's stream is let go") { closed.times == 1 }
        try await balanced(client, 1)
    }

    func testLettingGoOfAClientLetsGoOfWhatWasBroughtToIt() async throws {
        final class Kept: Provider, Sendable {
            func chat(_ call: ProviderCall) async throws -> Reply { Reply(text: text, inputTokens: 100, outputTokens: 10) }
        }
        weak var kept: Kept?
        do {
            let provider = Kept()
            kept = provider
            let client = try own(provider)
            _ = try await client.send(question)
            for try await _ in try await client.stream(question) {}
        }
        try await eventually("the provider is let go") { kept == nil }
    }

    func testAStreamThatOpensTooLateIsEnded() async throws {
        let (begun, left, closed) = (Flag(), Flag(), Flag())
        let client = try own(Made(pieces: { _ in
            AsyncThrowingStream { stream in
                begun.raise()
                stream.onTermination = { _ in closed.raise() }
                // Comes when nobody waits any more.
                Task {
                    try await eventually("nobody waits") { left.times == 1 }
                    try await pause(20)
                    stream.yield(.text(part: 0, text: "late"))
                }
            }
        }))
        let opens = Task { try await client.stream(question) }
        try await eventually("the stream begins") { begun.times == 1 }
        opens.cancel()
        left.raise()
        do {
            _ = try await quickly { try await opens.value }
            XCTFail("it was opened")
        } catch is CancellationError {}
        try await eventually("the provider's stream is let go") { closed.times == 1 }
        try await balanced(client, 1)

        let idle = try own(Made())
        let never = Task {
            try await pause(1000)
            return try await idle.stream(question)
        }
        never.cancel()
        _ = try? await never.value
        let cancelled = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await idle.stream(question)
        }
        cancelled.cancel()
        do {
            _ = try await quickly { try await cancelled.value }
            XCTFail("a task that was cancelled before it asked was answered")
        } catch is CancellationError {}
        try await eventually("nothing is held") { try await idle.report().total.held == 0 }
    }
}
