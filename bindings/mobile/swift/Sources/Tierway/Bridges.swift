// How the library calls what an app brings: text in, text out, and no error that it would not expect.
import Foundation
import TierwayCore

/// Things by the library's numbers, which are not used twice.
private final class Numbered<T>: Sendable {
    private let held = Locked<[UInt64: T]>([:])

    /// Keeps a thing until it is removed. The library calls `end` after it gave up a `begin` and cancelled its task: what is
    /// there only then is ended here, by whoever of the two finds it.
    func keep(_ number: UInt64, _ value: T, ended: (T) -> Void) {
        held.with { $0[number] = value }
        if Task.isCancelled, let left = remove(number) { ended(left) }
    }

    subscript(number: UInt64) -> T? { held.with { $0[number] } }

    @discardableResult
    func remove(_ number: UInt64) -> T? { held.with { $0.removeValue(forKey: number) } }
}

/// A stream that begins with its first piece. Its pieces are asked for one after the other.
private final class Pull: @unchecked Sendable {
    private let begin: @Sendable () -> AsyncThrowingStream<Delta, Error>
    private var pieces: AsyncThrowingStream<Delta, Error>.Iterator?

    init(_ begin: @escaping @Sendable () -> AsyncThrowingStream<Delta, Error>) {
        self.begin = begin
    }

    func next() async throws -> Delta? {
        var reader = pieces ?? begin().makeAsyncIterator()
        defer { pieces = reader }
        return try await reader.next()
    }
}

final class ProviderBridge: HostProvider {
    private let provider: any Provider
    private let streams = Numbered<Pull>()

    init(_ provider: any Provider) {
        self.provider = provider
    }

    func chat(call: String) async throws -> String {
        try await guarded { try written(try await provider.chat(try read(ProviderCall.self, call))) }
    }

    func begin(stream: UInt64, call: String) async throws {
        try await guarded {
            let asked = try read(ProviderCall.self, call)
            streams.keep(stream, Pull { [provider] in provider.stream(asked) }, ended: { _ in })
        }
    }

    func next(stream: UInt64) async throws -> String? {
        try await guarded {
            guard let piece = try await streams[stream]?.next() else { return nil }
            return try written(piece)
        }
    }

    func end(stream: UInt64) {
        streams.remove(stream)
    }
}

final class CheckBridge: HostCheck {
    private let check: any Check

    init(_ check: any Check) {
        self.check = check
    }

    func judge(request: String, reply: String) async throws -> String? {
        try await guarded {
            try await check.judge(request: try read(RequestDraft.self, request), reply: try read(Reply.self, reply))
        }
    }
}

final class TransportBridge: HostTransport {
    private let transport: any Transport
    private let bodies = Numbered<any TransportBody>()

    init(_ transport: any Transport) {
        self.transport = transport
    }

    func begin(body: UInt64, request: HostRequest) async throws -> HostResponse {
        try await guarded {
            let asked = TransportRequest(
                method: request.method,
                url: request.url,
                headers: request.headers.map { (name: $0.name, value: $0.value) },
                body: request.body,
                connectMs: Int(clamping: request.connectMs),
                firstByteMs: Int(clamping: request.firstByteMs),
                idleMs: Int(clamping: request.idleMs)
            )
            let answer = try await transport.send(asked)
            let headers = answer.headers.map { HostHeader(name: $0.name, value: $0.value) }
            bodies.keep(body, answer.body, ended: { $0.close() })
            return HostResponse(status: UInt16(clamping: answer.status), headers: headers)
        }
    }

    func read(body: UInt64) async throws -> Data? {
        try await guarded { try await bodies[body]?.read() }
    }

    func end(body: UInt64) {
        bodies.remove(body)?.close()
    }
}

/// What an unknown error says may quote the prompt: its type alone is told.
private func guarded<T>(_ work: () async throws -> T) async throws -> T {
    do {
        return try await work()
    } catch let fault as Fault {
        throw HostFault.Failed(facts: (try? written(fault)) ?? fault.message)
    } catch is CancellationError {
        let fault = Fault(.cancelled, "the call was given up", retry: .never)
        throw HostFault.Failed(facts: (try? written(fault)) ?? fault.message)
    } catch {
        let told = ["message": "the app's code threw \(type(of: error))"]
        throw HostFault.Failed(facts: (try? written(told)) ?? "the app's code threw an error")
    }
}
