// Answers in the shape of OpenAI's chat completions: JSON with names for what is looked at most.

/// What OpenAI's shape has no words for: who answered and what it cost.
public struct Account: Decodable, Sendable {
    public var id: RequestId
    public var route: Route
    public var cost: Usd
    public var baselineCost: Usd?
    public var saved: Usd

    private enum CodingKeys: String, CodingKey {
        case id, route, cost, saved
        case baselineCost = "baseline_cost"
    }
}

/// A `chat.completion`; `json` is all of it.
public struct ChatCompletion: Sendable {
    public let json: JSON

    public var id: String { json["id"]?.string ?? "" }
    public var model: ModelId { json["model"]?.string ?? "" }
    /// The first answer's words.
    public var text: String? { json["choices"]?[0]?["message"]?["content"]?.string }
    /// Why the first answer ended: `stop`, `length`, `tool_calls` or `content_filter`.
    public var finishReason: String? { json["choices"]?[0]?["finish_reason"]?.string }

    public func account() throws -> Account {
        try read(Account.self, written(json["tierway"] ?? .null))
    }
}

/// A `chat.completion.chunk`; `json` is all of it.
public struct ChatChunk: Sendable {
    public let json: JSON

    /// The words that it adds to the first answer.
    public var text: String { json["choices"]?[0]?["delta"]?["content"]?.string ?? "" }
    public var finishReason: String? { json["choices"]?[0]?["finish_reason"]?.string }

    /// In the chunk that says why the answer ended.
    public func account() throws -> Account? {
        try json["tierway"].map { try read(Account.self, written($0)) }
    }
}
