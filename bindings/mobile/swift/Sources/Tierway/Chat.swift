// Answers in the shape of OpenAI's chat completions: JSON with names for what is looked at most.

/// What OpenAI's shape has no words for: who answered and what it cost.
public struct Account: Decodable, Hashable, Sendable {
    /// The answer's id, by which it is marked.
    public var id: RequestId
    /// Who answered, and what was tried before.
    public var route: Route
    /// What the answer cost.
    public var cost: Usd
    /// What it would have cost on the baseline.
    public var baselineCost: Usd?
    /// What the baseline would have cost more.
    public var saved: Usd

    private enum CodingKeys: String, CodingKey {
        case id, route, cost, saved
        case baselineCost = "baseline_cost"
    }
}

/// A `chat.completion`; `json` is all of it.
public struct ChatCompletion: Hashable, Identifiable, Sendable {
    /// All of it, as OpenAI's shape has it.
    public let json: JSON

    /// The completion's id.
    public var id: String { json["id"]?.string ?? "" }
    /// The model that answered.
    public var model: ModelId { json["model"]?.string ?? "" }
    /// The first answer's words.
    public var text: String? { json["choices"]?[0]?["message"]?["content"]?.string }
    /// Why the first answer ended: `stop`, `length`, `tool_calls` or `content_filter`.
    public var finishReason: String? { json["choices"]?[0]?["finish_reason"]?.string }

    /// Who answered and what it cost.
    public func account() throws -> Account {
        try read(Account.self, written(json["tierway"] ?? .null))
    }
}

/// A `chat.completion.chunk`; `json` is all of it.
public struct ChatChunk: Hashable, Sendable {
    /// All of it, as OpenAI's shape has it.
    public let json: JSON

    /// The words that it adds to the first answer.
    public var text: String { json["choices"]?[0]?["delta"]?["content"]?.string ?? "" }
    /// Why the first answer ended, in the last chunk.
    public var finishReason: String? { json["choices"]?[0]?["finish_reason"]?.string }

    /// In the chunk that says why the answer ended.
    public func account() throws -> Account? {
        try json["tierway"].map { try read(Account.self, written($0)) }
    }
}
