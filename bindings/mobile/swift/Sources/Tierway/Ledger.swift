// What was spent, and the models on sale.

/// What some attempts come to.
public struct Sums: Codable, Hashable, Sendable {
    /// Requests that were sent.
    public var requests: Int
    /// Attempts at them.
    public var attempts: Int
    /// Attempts that brought no answer.
    public var failed: Int
    /// Attempts whose end is open or not known.
    public var held: Int
    /// Tokens of input, those from a cache included.
    public var inputTokens: Int
    /// Tokens of input that came from a vendor's cache.
    public var cachedTokens: Int
    /// Tokens of output, reasoning included.
    public var outputTokens: Int
    /// Tokens of reasoning.
    public var reasoningTokens: Int
    /// What was spent.
    public var cost: Usd
    /// What the same answers would have cost on the baseline.
    public var baselineCost: Usd
    /// What the baseline would have cost more.
    public var saved: Usd
    /// What is reserved for the held attempts.
    public var heldCost: Usd

    private enum CodingKeys: String, CodingKey {
        case requests, attempts, failed, held, cost, saved
        case inputTokens = "input_tokens"
        case cachedTokens = "cached_tokens"
        case outputTokens = "output_tokens"
        case reasoningTokens = "reasoning_tokens"
        case baselineCost = "baseline_cost"
        case heldCost = "held_cost"
    }
}

/// What was spent, by group and in all.
public struct Report: Decodable, Hashable, Sendable {
    /// One group: its values by what was asked for, and its sums.
    public struct Group: Decodable, Hashable, Sendable {
        /// Its values, by what was asked for.
        public var values: [String: String]
        /// What its attempts come to.
        public var sums: Sums

        public init(from decoder: Decoder) throws {
            sums = try Sums(from: decoder)
            let fields = try [String: JSON](from: decoder)
            let known = try JSON(text: written(sums))
            values = fields.compactMapValues(\.string).filter { known[$0.key] == nil }
        }
    }

    /// What the groups are by.
    public var by: [String]
    /// The groups.
    public var groups: [Group]
    /// What all attempts come to.
    public var total: Sums
}

/// An attempt in the account.
public struct Attempt: Decodable, Hashable, Identifiable, Sendable {
    /// Its place: read on with it as `after`.
    public var seq: Int
    /// The ledger's key of it.
    public var attempt: String
    /// The request that it belongs to.
    public var request: RequestId
    /// When it was reserved, in milliseconds since 1970.
    public var atMs: Timestamp
    public var model: ModelId
    public var vendor: VendorId
    public var endpoint: EndpointId
    public var tier: Tier
    /// `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` ...
    public var purpose: String
    public var tags: [String: String]
    /// The bound that was reserved.
    public var reserved: Usd
    /// `answered`, `open`, `voided`, `unknown`, or how it failed.
    public var ending: String
    /// What it cost, where that is known.
    public var cost: Usd?
    /// What it would have cost on the baseline.
    public var baselineCost: Usd?
    /// What the cost goes by: `reported`, `stated`, `estimate` or `unknown`.
    public var basis: String?
    /// What the vendor counted.
    public var usage: Usage?
    /// The cost line by line.
    public var lines: [ChargeLine]?
    /// How long it took, in milliseconds.
    public var latencyMs: Span?
    /// How long its first token took, in milliseconds.
    public var firstTokenMs: Span?

    /// The ledger's key of the attempt.
    public var id: String { attempt }

    private enum CodingKeys: String, CodingKey {
        case seq, attempt, request, model, vendor, endpoint, tier, purpose, tags, reserved, ending, cost, basis, usage, lines
        case atMs = "at_ms"
        case baselineCost = "baseline_cost"
        case latencyMs = "latency_ms"
        case firstTokenMs = "first_token_ms"
    }
}

/// A model on sale.
public struct ModelLine: Decodable, Hashable, Identifiable, Sendable {
    public var id: ModelId
    public var vendor: VendorId
    public var tier: Tier
    /// Tokens of input and output together.
    public var contextWindow: Int
    /// Most tokens of output.
    public var maxOutput: Int
    /// Whether its vendor has taken it off sale.
    public var retired: Bool
    /// Whether one of its endpoints has its key.
    public var callable: Bool

    private enum CodingKeys: String, CodingKey {
        case id, vendor, tier, retired, callable
        case contextWindow = "context_window"
        case maxOutput = "max_output"
    }
}
