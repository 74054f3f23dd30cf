// What was spent, and the models on sale.

/// What some attempts come to.
public struct Sums: Codable, Hashable, Sendable {
    public var requests: Int
    public var attempts: Int
    public var failed: Int
    /// Attempts whose end is open or not known.
    public var held: Int
    public var inputTokens: Int
    public var cachedTokens: Int
    public var outputTokens: Int
    public var reasoningTokens: Int
    public var cost: Usd
    /// What the same answers would have cost on the baseline.
    public var baselineCost: Usd
    public var saved: Usd
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
public struct Report: Decodable, Sendable {
    /// One group: its values by what was asked for, and its sums.
    public struct Group: Decodable, Sendable {
        public var values: [String: String]
        public var sums: Sums

        public init(from decoder: Decoder) throws {
            sums = try Sums(from: decoder)
            let fields = try [String: JSON](from: decoder)
            let known = try JSON(text: written(sums))
            values = fields.compactMapValues(\.string).filter { known[$0.key] == nil }
        }
    }

    public var by: [String]
    public var groups: [Group]
    public var total: Sums
}

/// An attempt in the account.
public struct Attempt: Decodable, Sendable {
    /// Its place: read on with it as `after`.
    public var seq: Int
    public var attempt: String
    public var request: RequestId
    public var atMs: Timestamp
    public var model: ModelId
    public var vendor: VendorId
    public var endpoint: EndpointId
    public var tier: Tier
    /// `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` ...
    public var purpose: String
    public var tags: [String: String]
    public var reserved: Usd
    /// `answered`, `open`, `voided`, `unknown`, or how it failed.
    public var ending: String
    public var cost: Usd?
    public var baselineCost: Usd?
    public var basis: String?
    public var usage: Usage?
    public var lines: [ChargeLine]?
    public var latencyMs: Span?
    public var firstTokenMs: Span?

    private enum CodingKeys: String, CodingKey {
        case seq, attempt, request, model, vendor, endpoint, tier, purpose, tags, reserved, ending, cost, basis, usage, lines
        case atMs = "at_ms"
        case baselineCost = "baseline_cost"
        case latencyMs = "latency_ms"
        case firstTokenMs = "first_token_ms"
    }
}

/// A model on sale.
public struct ModelLine: Decodable, Hashable, Sendable {
    public var id: ModelId
    public var vendor: VendorId
    public var tier: Tier
    public var contextWindow: Int
    public var maxOutput: Int
    public var retired: Bool
    /// Whether one of its endpoints has its key.
    public var callable: Bool

    private enum CodingKeys: String, CodingKey {
        case id, vendor, tier, retired, callable
        case contextWindow = "context_window"
        case maxOutput = "max_output"
    }
}
