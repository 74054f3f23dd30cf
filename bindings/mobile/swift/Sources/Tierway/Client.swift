// The client.
import TierwayCore

/// Sends each request to the cheapest model that is good enough. All functions may be called at once from any task;
/// cancelling a task cancels its call, and what was delivered until then is settled.
///
/// Every function throws a `TierwayError` where it brings nothing, and `CancellationError` where its task was cancelled.
public final class Client: Sendable {
    private let handle: Core
    private let state = Locked(State())

    private struct State {
        var isOnline = true
        var isClosed = false
    }

    /// A client of these settings.
    ///
    /// - Parameters:
    ///   - providers: what answers in Swift, by the endpoint of the catalogue that it answers for
    ///   - checks: what judges answers, in order
    ///   - transport: what moves the bytes; left out, the library's own HTTP where it was built with it, else
    ///     `URLSessionTransport`
    public convenience init(
        _ settings: Settings = Settings(),
        providers: [EndpointId: any Provider] = [:],
        checks: [any Check] = [],
        transport: (any Transport)? = nil,
        offline: Offline = .attempt
    ) throws {
        let text = try written(settings, wrong: "invalid_config")
        try self.init(json: JSON(text: text), providers: providers, checks: checks, transport: transport, offline: offline)
    }

    /// A client of settings as JSON, for what `Settings` has no names for.
    public init(
        json settings: JSON,
        providers: [EndpointId: any Provider] = [:],
        checks: [any Check] = [],
        transport: (any Transport)? = nil,
        offline: Offline = .attempt
    ) throws {
        let carrier: (any Transport)? = transport ?? (hasHttp() ? nil : URLSessionTransport())
        handle = try typing {
            try Core(
                settings: try written(settings),
                providers: providers.mapValues(ProviderBridge.init),
                checks: checks.map(CheckBridge.init),
                transport: carrier.map(TransportBridge.init),
                offline: offline.plan
            )
        }
    }

    /// Asks for a whole answer.
    public func send(_ request: RequestDraft) async throws -> Response {
        try await send(text: written(request))
    }

    /// Asks a question.
    public func send(_ question: String) async throws -> Response {
        try await send(RequestDraft.ask(question))
    }

    /// Asks for a whole answer to a request as JSON.
    public func send(json request: JSON) async throws -> Response {
        try await send(text: written(request))
    }

    private func send(text: String) async throws -> Response {
        try read(Response.self, try await stopping { try await core.send(request: text, stop: $0) })
    }

    /// Asks for an answer piece by piece.
    public func stream(_ request: RequestDraft) async throws -> AnswerStream<Delta, Response> {
        try await stream(text: written(request))
    }

    /// The same for a request as JSON.
    public func stream(json request: JSON) async throws -> AnswerStream<Delta, Response> {
        try await stream(text: written(request))
    }

    private func stream(text: String) async throws -> AnswerStream<Delta, Response> {
        let opened = try await opened(try core.stream(request: text))
        return try AnswerStream(opened, piece: { try read(Delta.self, $0) }, whole: { try read(Response.self, $0) })
    }

    /// Asks for a whole answer to a body of OpenAI's chat completions.
    public func chat(_ body: JSON) async throws -> ChatCompletion {
        let text = try written(body)
        return ChatCompletion(json: try JSON(text: try await stopping { try await core.chat(body: text, stop: $0) }))
    }

    /// The same piece by piece.
    public func chatStream(_ body: JSON) async throws -> AnswerStream<ChatChunk, ChatCompletion> {
        let text = try written(body)
        let opened = try await opened(try core.chatStream(body: text))
        return try AnswerStream(
            opened,
            piece: { ChatChunk(json: try JSON(text: $0)) },
            whole: { ChatCompletion(json: try JSON(text: $0)) }
        )
    }

    /// Decides who would answer, without a call.
    public func route(_ request: RequestDraft) throws -> Explanation {
        try read(Explanation.self, typing { try core.route(request: written(request)) })
    }

    /// The same for a request as JSON.
    public func route(json request: JSON) throws -> Explanation {
        try read(Explanation.self, typing { try core.route(request: written(request)) })
    }

    /// As `route`, for a body of OpenAI's chat completions.
    public func routeChat(_ body: JSON) throws -> Explanation {
        try read(Explanation.self, typing { try core.routeChat(body: written(body)) })
    }

    /// The models on sale.
    public func models() throws -> [ModelLine] {
        try read([ModelLine].self, try core.models())
    }

    private struct ReportQuery: Encodable {
        let by: [String]
        let since_ms: Timestamp?
        let until_ms: Timestamp?
    }

    /// What was spent, by `model`, `vendor`, `endpoint`, `tier`, `purpose`, `ending`, `day` or `tag:NAME`.
    public func report(by: [String] = [], sinceMs: Timestamp? = nil, untilMs: Timestamp? = nil) async throws -> Report {
        let query = try written(ReportQuery(by: by, since_ms: sinceMs, until_ms: untilMs))
        return try read(Report.self, try await stopping { _ in try await core.report(query: query) })
    }

    /// The account's attempts, oldest first.
    public func attempts(after: Int = 0, limit: Int = 1000) async throws -> [Attempt] {
        let query = try written(["after": after, "limit": limit])
        return try read([Attempt].self, try await stopping { _ in try await core.attempts(query: query) })
    }

    /// Marks an answer, once, from 0, useless, to 1, right: later decisions go by what was learnt. `id` is the answer's own:
    /// `response.id`, or that of `completion.account()`.
    public func feedback(_ id: RequestId, mark: Double) async throws {
        // JSON has no words for what is no number: the library refuses the text as it refuses a mark out of range.
        let told: JSON = mark.isFinite ? .double(mark) : .string("\(mark)")
        let marked = try written(["id": .string(id), "mark": told] as JSON)
        try await stopping { _ in try await core.feedback(marked: marked) }
    }

    /// Marks a response, as `feedback(_:mark:)` of its id.
    public func feedback(_ response: Response, mark: Double) async throws {
        try await feedback(response.id, mark: mark)
    }

    /// Marks a completion, as `feedback(_:mark:)` of its id.
    public func feedback(_ completion: ChatCompletion, mark: Double) async throws {
        try await feedback(try completion.account().id, mark: mark)
    }

    /// What was learnt from marks: counts by kind of work and model, and no text.
    public func experience() async throws -> JSON {
        try JSON(text: try await stopping { _ in try await core.experience() })
    }

    /// Puts another experience in place of what was learnt, for all who share the ledger; nothing forgets.
    public func setExperience(_ experience: JSON?) async throws {
        let text = try written(experience ?? .null)
        try await stopping { _ in try await core.setExperience(experience: text) }
    }

    /// Whether there is a network: the app knows. What becomes of requests without one is in `Offline`.
    public var isOnline: Bool {
        get { state.with { $0.isOnline } }
        set {
            state.with {
                $0.isOnline = newValue
                handle.setOnline(isOnline: newValue)
            }
        }
    }

    /// Asks for a whole answer, or keeps the request where there is no network and the mode is `Offline.queue`.
    public func submit(_ request: RequestDraft) async throws -> Submitted {
        let text = try written(request)
        switch try await stopping({ try await core.submit(request: text, stop: $0) }) {
        case .answered(let response): return .answered(try read(Response.self, response))
        case .queued(let id): return .queued(id: id)
        }
    }

    /// Sends what waits in the outbox, in order. Brings what was answered or failed just now; it is kept until forgotten.
    public func deliver() async throws -> [Letter] {
        try await stopping { try await core.deliver(stop: $0) }.map { try Letter($0) }
    }

    /// What the outbox holds, oldest first.
    public func letters() throws -> [Letter] {
        try typing { try core.letters() }.map { try Letter($0) }
    }

    /// Drops a kept request, or an answer that was fetched.
    public func forget(_ id: UInt64) throws {
        try typing { try core.forget(id: id) }
    }

    /// Lets a request be sent again whose fate is not known, or that failed; one that `deliver` is sending is refused.
    public func retry(_ id: UInt64) throws {
        try typing { try core.retry(id: id) }
    }

    /// Writes what is queued to the ledger and closes it, once: a second call returns at once, whatever became of the first.
    /// Nothing may be asked afterwards. Letting go of a client without it writes the rest in its own time.
    public func close() async throws {
        let wasClosed = state.with { state in
            defer { state.isClosed = true }
            return state.isClosed
        }
        if wasClosed { return }
        try await stopping { _ in try await handle.shut() }
    }

    /// The library's client, until it is closed.
    private var core: Core {
        get throws {
            if state.with({ $0.isClosed }) {
                throw TierwayError(code: "closed", message: "the client was closed: make a new one")
            }
            return handle
        }
    }
}
