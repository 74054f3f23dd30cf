// Why a call brought nothing.
import Foundation
import TierwayCore

/// A request that brought no answer. `code` is stable; the message says what to do. It holds no prompt and no key.
public struct TierwayError: Error, Codable, Hashable, Sendable, LocalizedError, CustomStringConvertible, CustomReflectable {
    /// What kind of failure it is, for a `switch`.
    public enum Kind: Sendable {
        /// The request is not valid: `field` says where.
        case invalidRequest
        /// The settings are not valid: `field` says where.
        case config
        /// Policy lets no model see the request: `refused` has every reason.
        case refused
        /// A budget or a rate forbids the call.
        case overBudget
        /// The account cannot be read or written.
        case ledger
        /// The call was given up by other means than its task's cancellation, which throws `CancellationError`.
        case cancelled
        /// There is no network, and the offline mode sends nothing.
        case offline
        /// The outbox cannot be used, or is full.
        case outbox
        /// No provider answered: the key was refused, the vendor asks to wait, time ran out, no connection came about.
        case authentication, rateLimit, timeout, connection
        /// The answer broke off: `partial` has what had come.
        case incomplete
        /// No provider answered, for another reason.
        case provider
        /// The library itself: a broken call, a client that was closed.
        case library
    }

    /// A stable name: `rate_limited`, `refused`, `over_budget`, `invalid_request`, `offline` ...
    public var code: String
    /// One line: what was attempted, on what, and what to do.
    public var message: String
    /// The last HTTP status.
    public var status: Int?
    /// How long the last vendor asked to wait, in milliseconds.
    public var retryAfterMs: Int?
    /// The endpoint that failed last.
    public var provider: String?
    /// The vendor's own error code.
    public var vendorCode: String?
    /// The vendor's id of the failed request.
    public var requestId: String?
    /// Which field of the request or the settings is wrong.
    public var field: String?
    /// What was tried, in order.
    public var attempts: [JSON]
    /// Every model and every reason against it, where policy refused the request.
    public var refused: JSON?
    /// What had come before the answer broke off.
    public var partial: Reply?

    init(code: String, message: String) {
        self.code = code
        self.message = message
        attempts = []
    }

    private enum CodingKeys: String, CodingKey {
        case code, message, status, provider, field, attempts, refused, partial
        case retryAfterMs = "retry_after_ms"
        case vendorCode = "vendor_code"
        case requestId = "request_id"
    }

    /// How long the last vendor asked to wait, in seconds.
    public var retryAfter: TimeInterval? { retryAfterMs.map { Double($0) / 1000 } }

    /// What kind of failure `code` is.
    public var kind: Kind {
        switch code {
        case "invalid_request", "unknown_answer": return .invalidRequest
        case "invalid_config": return .config
        case "refused": return .refused
        case "over_budget": return .overBudget
        case "ledger": return .ledger
        case "cancelled": return .cancelled
        case "offline": return .offline
        case "outbox", "outbox_full": return .outbox
        case "auth", "permission": return .authentication
        case "rate_limited", "quota": return .rateLimit
        case "timeout": return .timeout
        case "connect", "network", "tls": return .connection
        case "incomplete": return .incomplete
        case "forked", "runtime", "internal", "closed": return .library
        default: return .provider
        }
    }

    /// The message, as `localizedDescription`.
    public var errorDescription: String? { message }

    /// The code and the message, without what had come of an answer.
    public var description: String { "TierwayError(\(code): \(message))" }

    /// Without what had come of an answer.
    public var customMirror: Mirror { Mirror(self, children: ["code": code, "message": message]) }
}

/// What the library threw, as the package's callers see it.
func typed(_ error: Error) -> Error {
    switch error {
    case CoreError.Failed(let facts):
        guard let found = try? read(TierwayError.self, facts) else { break }
        return found.kind == .cancelled && Task.isCancelled ? CancellationError() : found
    case is TierwayError, is CancellationError:
        return error
    default:
        break
    }
    return TierwayError(code: "internal", message: "a call broke within the library: please report it")
}

/// Runs what calls the library; its errors come out typed.
func typing<T>(_ call: () throws -> T) throws -> T {
    do { return try call() } catch { throw typed(error) }
}

/// Runs a call that the task's cancellation stops: the library is told by its own handle.
func stopping<T: Sendable>(_ call: (Stopper) async throws -> T) async throws -> T {
    let stopper = Stopper()
    do {
        return try await withTaskCancellationHandler {
            try await call(stopper)
        } onCancel: {
            stopper.stop()
        }
    } catch {
        throw typed(error)
    }
}
