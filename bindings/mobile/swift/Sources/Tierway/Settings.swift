// A client's settings.

/// How models are chosen.
public struct RouterSettings: Encodable, Sendable {
    /// The share of the best admitted model's chance of a good answer, 0 to 1.
    public var quality: Double?
    /// The model against which savings are counted.
    public var baseline: ModelId?
    public var models: [String]?
    /// What a good answer is worth.
    public var worth: Usd?
    public var spendMax: Usd?
    public var latencyMaxMs: Int?
    public var endpoints: [EndpointId]?

    public init() {}

    private enum CodingKeys: String, CodingKey {
        case quality, baseline, models, worth, endpoints
        case spendMax = "spend_max"
        case latencyMaxMs = "latency_max_ms"
    }
}

/// Where the account is kept: in memory where no path is said.
public struct LedgerSettings: Encodable, Sendable {
    public var path: String?

    public init(path: String? = nil) {
        self.path = path
    }
}

/// Time limits, in milliseconds.
public struct TimeoutSettings: Encodable, Sendable {
    public var connectMs: Int?
    public var firstByteMs: Int?
    public var idleMs: Int?
    public var totalMs: Int?

    public init() {}

    private enum CodingKeys: String, CodingKey {
        case connectMs = "connect_ms"
        case firstByteMs = "first_byte_ms"
        case idleMs = "idle_ms"
        case totalMs = "total_ms"
    }
}

/// How often to try.
public struct RetrySettings: Encodable, Sendable {
    public var attemptsMax: Int?
    public var deadlineMs: Int?

    public init() {}

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
    public var router: RouterSettings?
    public var ledger: LedgerSettings?
    public var timeouts: TimeoutSettings?
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
