// What an app brings of its own: providers that answer, and checks that judge answers.
import Foundation

/// What a provider is asked.
public struct ProviderCall: Decodable, Hashable, Sendable {
    /// The model's name at its endpoint.
    public var model: String
    /// The catalogue's id.
    public var id: ModelId
    /// The endpoint that the provider answers for.
    public var endpoint: EndpointId
    /// The ledger's key of this attempt: pass it on as an idempotency key.
    public var attempt: String
    /// The most tokens of output, which were reserved.
    public var maxTokens: Int
    /// How long the answer may take, in milliseconds.
    public var timeoutMs: Int
    /// What is asked.
    public var request: RequestDraft

    public init(
        model: String,
        id: ModelId,
        endpoint: EndpointId,
        attempt: String,
        maxTokens: Int,
        timeoutMs: Int,
        request: RequestDraft
    ) {
        self.model = model
        self.id = id
        self.endpoint = endpoint
        self.attempt = attempt
        self.maxTokens = maxTokens
        self.timeoutMs = timeoutMs
        self.request = request
    }

    private enum CodingKeys: String, CodingKey {
        case model, id, endpoint, attempt, request
        case maxTokens = "max_tokens"
        case timeoutMs = "timeout_ms"
    }
}

/// Answers in Swift: a model on the device, or a server by ways of its own. Its functions are called from many tasks at
/// once, and cancelled where nobody waits for the answer any more. It says how it failed by a `Fault`.
public protocol Provider: Sendable {
    /// A whole answer.
    func chat(_ call: ProviderCall) async throws -> Reply

    /// The answer piece by piece; left out, that of `chat` in one go.
    func stream(_ call: ProviderCall) -> AsyncThrowingStream<Delta, Error>
}

extension Provider {
    public func stream(_ call: ProviderCall) -> AsyncThrowingStream<Delta, Error> {
        AsyncThrowingStream { pieces in
            let work = Task {
                do {
                    for piece in piecesOf(try await chat(call)) { pieces.yield(piece) }
                    pieces.finish()
                } catch {
                    pieces.finish(throwing: error)
                }
            }
            pieces.onTermination = { _ in work.cancel() }
        }
    }
}

/// Judges answers: brings why one falls short of its request, in a line without its text, or nothing where it is good.
public protocol Check: Sendable {
    /// Why the reply falls short of the request, or nothing. Throwing says that the check itself failed.
    func judge(request: RequestDraft, reply: Reply) async throws -> String?
}

/// What a provider or a transport throws to say how it failed. Any other error is told by its type alone.
public struct Fault: Error, Encodable, Hashable, Sendable, LocalizedError {
    /// A transport has `connect`, `tls`, `timeout` and `network`.
    public enum Kind: String, Encodable, Sendable {
        case auth, permission, invalid, quota, overloaded, server, timeout, connect, tls, network, `protocol`, cancelled
        case notFound = "not_found"
        case contextTooLong = "context_too_long"
        case tooLarge = "too_large"
        case contentFiltered = "content_filtered"
        case rateLimited = "rate_limited"
    }

    /// Where to try again.
    public enum Retry: String, Encodable, Sendable {
        case here, elsewhere, never
    }

    /// How it failed.
    public var kind: Kind
    /// One line, without prompt, answer or key: it becomes part of the error that the caller sees.
    public var message: String
    /// The HTTP status.
    public var status: Int?
    /// The vendor's own error code.
    public var code: String?
    /// Where to try again; left out, as is usual for the kind.
    public var retry: Retry?
    /// How long the vendor asked to wait, in milliseconds.
    public var retryAfterMs: Int?
    /// Whether any of the request may have left the device.
    public var sent: Bool

    public init(
        _ kind: Kind,
        _ message: String,
        status: Int? = nil,
        code: String? = nil,
        retry: Retry? = nil,
        retryAfterMs: Int? = nil,
        sent: Bool = true
    ) {
        self.kind = kind
        self.message = message
        self.status = status
        self.code = code
        self.retry = retry
        self.retryAfterMs = retryAfterMs
        self.sent = sent
    }

    /// The message, as `localizedDescription`.
    public var errorDescription: String? { message }

    private enum CodingKeys: String, CodingKey {
        case kind, message, status, code, retry, sent
        case retryAfterMs = "retry_after_ms"
    }
}

extension Reply {
    /// A whole answer that is a text.
    public init(text: String, inputTokens: Int? = nil, outputTokens: Int? = nil) {
        self.init(parts: [Part(.text(text: text))], usage: Usage(input: inputTokens, output: outputTokens))
    }

    /// The words of the answer.
    public var text: String {
        parts.compactMap { if case .text(let text) = $0.content { return text } else { return nil } }.joined()
    }
}

extension Response {
    /// The words of the answer.
    public var text: String { reply.text }
}

extension Delta {
    /// The words that it adds.
    public var words: String {
        if case .text(_, let text) = self { return text }
        return ""
    }
}

extension RequestDraft {
    /// A request that is one question.
    public static func ask(_ question: String) -> RequestDraft {
        RequestDraft(messages: [Message(role: .user, parts: [Part(.text(text: question))])])
    }
}

private func piecesOf(_ reply: Reply) -> [Delta] {
    var pieces: [Delta] = reply.parts.enumerated().map { at, part in
        if case .text(let text) = part.content, part.cache == nil, part.vendor.isEmpty {
            return .text(part: at, text: text)
        }
        return .part(part: at, whole: part)
    }
    if let usage = reply.usage { pieces.append(.usage(usage: usage)) }
    if let stop = reply.stop { pieces.append(.stop(reason: stop)) }
    return pieces
}
