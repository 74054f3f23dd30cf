// What a client does without a network.
import TierwayCore

/// What to do while there is no network; the app says when, by `Client.isOnline`.
public enum Offline: Hashable, Sendable {
    /// Try all the same.
    case attempt
    /// Ask self-hosted endpoints alone: the device's own model, a provider of the app's.
    case local
    /// Keep requests in this file until there is a network. Prompts and answers are in it: only the app must be able to
    /// read it.
    case queue(outbox: String)

    var plan: OfflinePlan {
        switch self {
        case .attempt: return OfflinePlan(mode: .try, outbox: nil)
        case .local: return OfflinePlan(mode: .local, outbox: nil)
        case .queue(let outbox): return OfflinePlan(mode: .queue, outbox: outbox)
        }
    }
}

/// What became of a request that may be kept.
public enum Submitted: Hashable, Sendable {
    /// It was answered.
    case answered(Response)
    /// It is in the outbox, under this number.
    case queued(id: UInt64)
}

/// A kept request.
public struct Letter: Hashable, Identifiable, Sendable {
    /// How far a kept request is.
    public enum State: Sendable {
        /// Not sent yet.
        case waiting
        /// On its way; after a restart, it may have been sent and paid, and nobody knows: retry or forget it.
        case unknown
        /// `response` has the answer.
        case answered
        /// `failure` says why: `retry` sends it again.
        case failed
    }

    /// Its number, which is given once.
    public let id: UInt64
    /// How far it is.
    public let state: State
    /// Its answer, where it is `answered`.
    public let response: Response?
    /// Why it brought none, where it is `failed`.
    public let failure: TierwayError?

    private struct Outcome: Decodable {
        let value: Response?
        let error: TierwayError?
    }

    init(_ core: TierwayCore.Letter) throws {
        id = core.id
        switch core.state {
        case .waiting: state = .waiting
        case .unknown: state = .unknown
        case .answered: state = .answered
        case .failed: state = .failed
        }
        let outcome = try core.outcome.map { try read(Outcome.self, $0) }
        response = outcome?.value
        failure = outcome?.error
    }
}
