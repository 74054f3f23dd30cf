// The bytes moved by the platform's URLSession, and by a transport of the app's.
import Foundation
import XCTest

@testable import Tierway

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// An answer of 64 MiB that comes at once.
private final class Flood: URLProtocol, @unchecked Sendable {
    static let isStopped = Locked(false)

    override class func canInit(with request: URLRequest) -> Bool { true }
    override class func canonicalRequest(for request: URLRequest) -> URLRequest { request }

    override func startLoading() {
        let head = HTTPURLResponse(url: request.url!, statusCode: 200, httpVersion: "HTTP/1.1", headerFields: [:])!
        client?.urlProtocol(self, didReceive: head, cacheStoragePolicy: .notAllowed)
        let piece = Data(count: 1 << 20)
        for _ in 0..<64 { client?.urlProtocol(self, didLoad: piece) }
    }

    override func stopLoading() {
        Flood.isStopped.with { $0 = true }
    }
}

final class TransportTests: XCTestCase {
    private func byPlatform(_ answered: String?, _ more: JSONObject = ["retry": ["attempts_max": 1]]) throws -> Client {
        try Client(json: settings(answered, more), transport: URLSessionTransport())
    }

    func testURLSessionCarriesCallsWholeAndInPieces() async throws {
        let client = try byPlatform(answer)
        let whole = try await client.send(question)
        XCTAssertEqual(whole.text, text)
        XCTAssertEqual(whole.cost, cost)
        var words = ""
        for try await piece in try await client.stream(question) { words += piece.words }
        XCTAssertEqual(words, text)
        try await balanced(client, 2)

        let paced = try byPlatform(slow)
        for try await piece in try await paced.stream(question) where !piece.words.isEmpty { break }
        try await balanced(paced, 1)

        let silent = try byPlatform(#"{"fault": {"kind": "no_head"}}"#)
        let asked = Task { try await silent.send(question) }
        try await underWay(silent)
        asked.cancel()
        do {
            _ = try await quickly { try await asked.value }
            XCTFail("it was answered")
        } catch is CancellationError {}
        try await balanced(silent, 1)
    }

    func testURLSessionSaysWhatWentWrong() async throws {
        let cases: [(String, TierwayError.Kind)] = [
            (#"{"fault": {"kind": "status", "status": 401}}"#, .authentication),
            (#"{"fault": {"kind": "status", "status": 429, "retry_after": {"seconds": 3}}}"#, .rateLimit),
            (#"{"fault": {"kind": "hang_up"}}"#, .connection),
            (#"{"fault": {"kind": "reset"}}"#, .connection),
        ]
        for (answered, kind) in cases {
            let client = try byPlatform(answered)
            let error = try await failure { _ = try await client.send(question) }
            XCTAssertEqual(error.kind, kind, "\(answered): \(error)")
            try await balanced(client, 1)
        }
        let nowhere: JSONObject = ["retry": ["attempts_max": 1], "base_urls": ["house": "http://127.0.0.1:9/v1"]]
        let client = try byPlatform(nil, nowhere)
        let unreachable = try await failure { _ = try await client.send(question) }
        XCTAssertEqual(unreachable.code, "connect")
        var dumped = ""
        dump(unreachable, to: &dumped)
        XCTAssertFalse("\(unreachable) \(dumped)".contains("127.0.0.1"), "an address may hold a key")
    }

    func testAnswersThatStopComeToTheirLimit() async throws {
        let limits: JSONObject = [
            "timeouts": ["first_byte_ms": 80, "idle_ms": 80, "total_ms": 400], "retry": ["attempts_max": 1],
        ]
        for answered in [#"{"fault": {"kind": "no_head"}}"#, #"{"fault": {"kind": "stall", "after_bytes": 20}}"#] {
            let client = try byPlatform(answered, limits)
            let error = try await quickly { try await failure { _ = try await client.send(question) } }
            XCTAssertEqual(error.kind, .timeout, answered)
            try await balanced(client, 1)
        }
    }

    func testAnAnswerThatNobodyReadsIsBounded() async throws {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.protocolClasses = [Flood.self]
        let request = TransportRequest(
            method: "POST", url: "http://flood.invalid/", headers: [], body: Data(), connectMs: 1000, firstByteMs: 1000, idleMs: 1000)
        let body = try await URLSessionTransport(configuration: configuration).send(request).body
        try await quickly { while !Flood.isStopped.with({ $0 }) { try await Task.sleep(nanoseconds: 1_000_000) } }
        var read = 0
        do {
            while let piece = try await body.read() { read += piece.count }
            XCTFail("all \(read) bytes were kept")
        } catch let fault as Fault {
            XCTAssertEqual(fault.kind, .network)
            XCTAssertEqual(read, 16 << 20)
        }
    }

    func testATransportOfTheAppsSeesTheRequestAndItsBodyIsClosedOnce() async throws {
        let seen = Locked<[(TransportRequest, TransportResponse)]>([])
        let client = try carried { request in
            let response = try answered(request)
            seen.with { $0.append((request, response)) }
            return response
        }
        let whole = try await client.send(question)
        XCTAssertEqual(whole.text, text)
        XCTAssertEqual(whole.cost, cost)
        var words = ""
        for try await piece in try await client.stream(question) { words += piece.words }
        XCTAssertEqual(words, text)
        try await balanced(client, 2)
        let (request, _) = try XCTUnwrap(seen.with { $0.first })
        XCTAssertEqual(request.method, "POST")
        XCTAssertEqual(request.url, "http://localhost/v1/chat/completions")
        XCTAssertEqual(request.headers.first { $0.name.lowercased() == "authorization" }?.value, "Bearer sk-canary")
        XCTAssertTrue(request.connectMs > 0 && request.firstByteMs > 0 && request.idleMs > 0)
        var dumped = "\(request)"
        dump(request, to: &dumped)
        XCTAssertFalse(dumped.contains("canary") || dumped.contains("sky"), dumped)
        let bodies = seen.with { $0.compactMap { $0.1.body as? Pieces } }
        try await eventually("each body is closed once") { bodies.map(\.closed.times) == [1, 1] }
    }

    func testWhatATransportThrowsIsATypedError() async throws {
        let cases: [(any Error & Sendable, String)] = [
            (Fault(.connect, "no way", sent: false), "connect"), (Fault(.tls, "no trust", sent: false), "tls"),
            (Fault(.timeout, "too long"), "timeout"), (Fault(.network, "the cable"), "network"), (Sky(), "network"),
        ]
        for (thrown, code) in cases {
            let client = try carried(["retry": ["attempts_max": 1]]) { _ in throw thrown }
            let error = try await failure { _ = try await client.send(question) }
            XCTAssertEqual(error.code, code)
            XCTAssertFalse("\(error) \(error.attempts)".contains("canary"))
            try await balanced(client, 1)
        }
    }

    func testABodyThatBreaksOrFallsSilentEndsTheCall() async throws {
        let endings: [(Pieces.Ending, Int)] = [
            (.fault(Fault(.network, "the cable")), 3), (.fault(Sky()), 3), (.silence, 3), (.end, 3), (.end, 0), (.silence, 0),
        ]
        for (ending, sent) in endings {
            var limits: JSONObject = ["retry": ["attempts_max": 1]]
            // Silence alone ends by the limit, and what comes before it must come within the limit on a busy machine too.
            if case .silence = ending { limits["timeouts"] = ["idle_ms": 5000] }
            let bodies = Locked<[Pieces]>([])
            let client = try carried(limits) { request in
                let response = try answered(request, ending, events: sent)
                if let body = response.body as? Pieces { bodies.with { $0.append(body) } }
                return response
            }
            let error = try await quickly { try await failure { for try await _ in try await client.stream(question) {} } }
            XCTAssertTrue([.incomplete, .connection, .timeout, .provider].contains(error.kind), "\(error)")
            if sent > 0 { XCTAssertEqual(error.partial?.text, String(text.prefix(9)), "\(ending)") }
            try await balanced(client, 1)
            try await eventually("the body is closed") { bodies.with { $0.map(\.closed.times) } == [1] }
        }
    }

    func testATransportIsToldWhenNobodyWaitsAndALateAnswerIsClosed() async throws {
        let (begun, left, body) = (Flag(), Flag(), Pieces([completion]))
        let client = try carried { _ in
            begun.raise()
            // Deaf to cancellation: its answer comes when nobody waits any more.
            try await Task.detached {
                try await eventually("nobody waits") { left.times == 1 }
                try await pause(20)
            }.value
            return TransportResponse(status: 200, headers: [("content-type", "application/json")], body: body)
        }
        let asked = Task { try await client.send(question) }
        try await eventually("the call begins") { begun.times == 1 }
        asked.cancel()
        left.raise()
        do {
            _ = try await quickly { try await asked.value }
            XCTFail("it was answered")
        } catch is CancellationError {}
        try await balanced(client, 1)
        try await eventually("the late answer's body is closed") { body.closed.times == 1 }
    }
}
