// An answer piece by piece.
import TierwayCore

/// An answer piece by piece, for `for try await`. Leaving the loop, `close`, the task's cancellation and letting go of it
/// all end the call, and what was delivered is settled.
public final class AnswerStream<Piece: Sendable, Whole: Sendable>: AsyncSequence, Sendable {
    public typealias Element = Piece

    private let core: CoreStream
    private let piece: @Sendable (String) throws -> Piece
    private let whole: @Sendable (String) throws -> Whole
    /// Who answers.
    public let route: Route

    init(
        _ core: CoreStream,
        piece: @escaping @Sendable (String) throws -> Piece,
        whole: @escaping @Sendable (String) throws -> Whole
    ) throws {
        self.core = core
        self.piece = piece
        self.whole = whole
        // There is one, since it was opened.
        route = try read(Route.self, core.route() ?? "null")
    }

    deinit {
        core.end()
    }

    /// The next piece; nothing after the last one and after `close`.
    public func next() async throws -> Piece? {
        let core = core
        do {
            let text = try await withTaskCancellationHandler {
                try await core.next()
            } onCancel: {
                core.end()
            }
            if text == nil { try Task.checkCancellation() }
            return try text.map(piece)
        } catch {
            core.end()
            throw typed(error)
        }
    }

    /// The whole answer, after the last piece.
    public func response() throws -> Whole? {
        try core.response().map(whole)
    }

    /// Ends the call. It never blocks.
    public func close() {
        core.end()
    }

    /// Reads the stream once: a second loop goes on where the first stands, or finds it ended.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(reader: Reader(self))
    }

    /// Ends the stream where a loop is left.
    fileprivate final class Reader: Sendable {
        let stream: AnswerStream

        init(_ stream: AnswerStream) {
            self.stream = stream
        }

        deinit {
            stream.close()
        }
    }

    /// Reads the stream for a loop; the stream ends with it.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        fileprivate let reader: Reader

        public mutating func next() async throws -> Piece? {
            try await reader.stream.next()
        }
    }
}

/// Opens a stream; where that fails, or its task is cancelled just then, the stream is ended.
func opened(_ stream: CoreStream) async throws -> CoreStream {
    do {
        try await stopping { try await stream.open(stop: $0) }
        try Task.checkCancellation()
        return stream
    } catch {
        stream.end()
        throw error
    }
}
