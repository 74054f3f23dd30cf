// A client's settings.

/// How models are chosen.
public struct RouterSettings: Encodable, Sendable {
    /// The share of the best admitted model's chance of a good answer, 0 to 1.
    public var quality: Double?
    /// The model against which savings are counted.
    public var baseline: ModelId?
    /// The only models that `auto` chooses from; left out, every model with a key.
    public var models: [ModelId]?
    /// What a good answer is worth.
    public var worth: Usd?
    /// What an answer may be expected to cost: in place of `quality`.
    public var spendMax: Usd?
    /// Endpoints that are known to take longer are asked after the others. In milliseconds.
    public var latencyMaxMs: Int?
    /// Endpoints without a key that may be called, such as `ollama`: a server or a provider of one's own.
    public var endpoints: [EndpointId]?

    public init(
        quality: Double? = nil,
        baseline: ModelId? = nil,
        models: [ModelId]? = nil,
        worth: Usd? = nil,
        spendMax: Usd? = nil,
        latencyMaxMs: Int? = nil,
        endpoints: [EndpointId]? = nil
    ) {
        self.quality = quality
        self.baseline = baseline
        self.models = models
        self.worth = worth
        self.spendMax = spendMax
        self.latencyMaxMs = latencyMaxMs
        self.endpoints = endpoints
    }

    private enum CodingKeys: String, CodingKey {
        case quality, baseline, models, worth, endpoints
        case spendMax = "spend_max"
        case latencyMaxMs = "latency_max_ms"
    }
}

/// Where the account is kept: in memory where no path is said.
public struct LedgerSettings: Encodable, Sendable {
    /// A SQLite file, where the library was built with it.
    public var path: String?

    public init(path: String? = nil) {
        self.path = path
    }
}

/// Time limits, in milliseconds.
public struct TimeoutSettings: Encodable, Sendable {
    /// To a connection, TLS included.
    public var connectMs: Int?
    /// From there to the first byte of an answer.
    public var firstByteMs: Int?
    /// Between two pieces of an answer.
    public var idleMs: Int?
    /// For one attempt.
    public var totalMs: Int?

    public init(connectMs: Int? = nil, firstByteMs: Int? = nil, idleMs: Int? = nil, totalMs: Int? = nil) {
        self.connectMs = connectMs
        self.firstByteMs = firstByteMs
        self.idleMs = idleMs
        self.totalMs = totalMs
    }

    private enum CodingKeys: String, CodingKey {
        case connectMs = "connect_ms"
        case firstByteMs = "first_byte_ms"
        case idleMs = "idle_ms"
        case totalMs = "total_ms"
    }
}

/// How often to try.
public struct RetrySettings: Encodable, Sendable {
    /// Most attempts at one endpoint, the first included.
    public var attemptsMax: Int?
    /// For the whole request, fallbacks and waits included, in milliseconds.
    public var deadlineMs: Int?

    public init(attemptsMax: Int? = nil, deadlineMs: Int? = nil) {
        self.attemptsMax = attemptsMax
        self.deadlineMs = deadlineMs
    }

    private enum CodingKeys: String, CodingKey {
        case attemptsMax = "attempts_max"
        case deadlineMs = "deadline_ms"
    }
}

/// A client's settings; each may be left out. What has no type of its own here is JSON as the section of `tierway.toml` of
/// the same name.
public struct Settings: Encodable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Keys by endpoint of the catalogue.
    public var keys: [EndpointId: String]?
    /// Whether to read keys from the environment too.
    public var environment: Bool
    /// A `tierway.toml` to start from; an empty text looks for one in the working folder.
    public var file: String?
    /// How models are chosen.
    public var router: RouterSettings?
    /// Where the account is kept.
    public var ledger: LedgerSettings?
    /// Time limits of an attempt.
    public var timeouts: TimeoutSettings?
    /// How often to try.
    public var retry: RetrySettings?
    /// What may go where.
    public var policy: JSON?
    /// Rules for kinds of data.
    public var labels: [DataLabel: JSON]?
    /// Limits on what may be spent.
    public var budgets: [JSON]?
    /// Limits on how fast.
    public var rates: [JSON]?
    /// Rows of a catalogue of one's own.
    public var rows: [JSON]?
    /// Which rows of models there are.
    public var catalog: JSON?
    /// Other addresses, by endpoint.
    public var baseUrls: [EndpointId: String]?
    /// Whether to check answers for what can be seen without knowing the subject.
    public var checkWellformed: Bool?

    /// Keys by endpoint; left out, they are read from the environment, and a `tierway.toml` in the working folder is read.
    public init(keys: [EndpointId: String]? = nil) {
        self.keys = keys
        environment = keys == nil
        file = keys == nil ? "" : nil
    }

    private enum CodingKeys: String, CodingKey {
        case keys, environment, file, router, ledger, timeouts, retry, policy, labels, budgets, rates, rows, catalog
        case baseUrls = "base_urls"
        case checkWellformed = "check_wellformed"
    }

    /// Shows no key.
    public var description: String { "Settings(keys of \((keys ?? [:]).keys.sorted()))" }
    public var customMirror: Mirror { Mirror(self, children: ["environment": environment]) }
}
