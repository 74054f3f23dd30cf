// What tests bring of their own: providers made of functions, transports made of texts.
import Foundation
import XCTest

@testable import Tierway

/// A provider made of functions.
struct Made: Provider {
    var answer: @Sendable (ProviderCall) async throws -> Reply = { _ in Reply(text: text, inputTokens: 100, outputTokens: 10) }
    var pieces: (@Sendable (ProviderCall) -> AsyncThrowingStream<Delta, Error>)?

    func chat(_ call: ProviderCall) async throws -> Reply { try await answer(call) }

    func stream(_ call: ProviderCall) -> AsyncThrowingStream<Delta, Error> {
        if let pieces { return pieces(call) }
        return WholeOnly(provider: self).stream(call)
    }
}

/// Has the stream that comes with the protocol.
struct WholeOnly: Provider {
    let provider: Made

    func chat(_ call: ProviderCall) async throws -> Reply { try await provider.answer(call) }
}

struct Sky: Error {
    let says = "the sky is a canary"
}

final class Flag: Sendable {
    private let count = Locked(0)

    func raise() { count.with { $0 += 1 } }
    var times: Int { count.with { $0 } }
}

func own(_ provider: any Provider, _ more: JSONObject = JSONObject(), checks: [any Check] = []) throws -> Client {
    try Client(json: settings(nil, more), providers: ["house": provider], checks: checks)
}

/// A transport that is a function.
struct Wire: Transport {
    let answer: @Sendable (TransportRequest) async throws -> TransportResponse

    func send(_ request: TransportRequest) async throws -> TransportResponse { try await answer(request) }
}

/// The bytes of an answer in pieces, and what comes after the last.
final class Pieces: TransportBody {
    enum Ending: Sendable {
        case end
        case fault(any Error)
        case silence
    }

    private let rest: Locked<[String]>
    private let ending: Ending
    let closed = Flag()

    init(_ pieces: [String], _ ending: Ending = .end) {
        rest = Locked(pieces)
        self.ending = ending
    }

    func read() async throws -> Data? {
        if let piece = rest.with({ $0.isEmpty ? nil : $0.removeFirst() }) { return Data(piece.utf8) }
        switch ending {
        case .end: return nil
        case .fault(let error): throw error
        case .silence:
            // Ends with its task alone.
            try await Task.sleep(nanoseconds: 60_000_000_000)
            return nil
        }
    }

    func close() { closed.raise() }
}

/// A vendor's whole answer, as chat completions have it.
let completion = #"{"id": "x", "object": "chat.completion", "created": 1, "model": "small", "choices": [{"index": 0, "#
    + #""message": {"role": "assistant", "content": "\#(text)"}, "finish_reason": "stop"}], "#
    + #""usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}}"#

/// The events of the same answer streamed, its words by three.
let events: [String] = {
    func event(_ rest: String) -> String {
        #"data: {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "small", \#(rest)}"# + "\n\n"
    }
    let words = stride(from: 0, to: text.count, by: 3).map { String(text.dropFirst($0).prefix(3)) }
    let ending = event(#""choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]"#)
    let usage = event(#""choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}"#)
    return words.map { event(#""choices": [{"index": 0, "delta": {"content": "\#($0)"}}]"#) } + [ending, usage, "data: [DONE]\n\n"]
}()

/// Whether a request asks for pieces.
func asksForPieces(_ request: TransportRequest) throws -> Bool {
    try JSON(text: String(decoding: request.body, as: UTF8.self))["stream"]?.bool ?? false
}

/// An answer with status 200: events where the request asks for pieces, else the whole.
func answered(_ request: TransportRequest, _ ending: Pieces.Ending = .end, events sent: Int = .max) throws -> TransportResponse {
    let streams = try asksForPieces(request)
    let kind = streams ? "text/event-stream" : "application/json"
    let pieces = streams ? Array(events.prefix(sent)) : [String(completion.prefix(30)), String(completion.dropFirst(30))]
    return TransportResponse(status: 200, headers: [("content-type", kind)], body: Pieces(pieces, ending))
}

func carried(_ more: JSONObject = JSONObject(), by answer: @escaping @Sendable (TransportRequest) async throws -> TransportResponse) throws -> Client {
    try Client(json: settings(nil, more), transport: Wire(answer: answer))
}
