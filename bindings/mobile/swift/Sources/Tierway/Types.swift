// Made by scripts/generate_types.py from the core's types: change those, then run it again.

/// What a decision aimed at.
public indirect enum Aim: Codable, Hashable, Sendable {
    /// The least cost at this share of the best admitted model's chance.
    case quality(quality: Double, best: ModelId, bestPGood: Double, bar: Double)
    /// The most worth less cost.
    case worth(worth: Usd)
    /// The best chance within a cost.
    case spend(spendMax: Usd)

    private enum CodingKeys: String, CodingKey {
        case by
        case quality
        case best
        case bestPGood = "best_p_good"
        case bar
        case worth
        case spendMax = "spend_max"
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .by) {
        case "quality":
            self = .quality(
                quality: try container.decode(Double.self, forKey: .quality),
                best: try container.decode(ModelId.self, forKey: .best),
                bestPGood: try container.decode(Double.self, forKey: .bestPGood),
                bar: try container.decode(Double.self, forKey: .bar)
            )
        case "worth":
            self = .worth(
                worth: try container.decode(Usd.self, forKey: .worth)
            )
        case "spend":
            self = .spend(
                spendMax: try container.decode(Usd.self, forKey: .spendMax)
            )
        case let other:
            throw unknown("Aim", other, at: decoder)
        }
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .quality(let quality, let best, let bestPGood, let bar):
            try container.encode("quality", forKey: .by)
            try container.encode(quality, forKey: .quality)
            try container.encode(best, forKey: .best)
            try container.encode(bestPGood, forKey: .bestPGood)
            try container.encode(bar, forKey: .bar)
        case .worth(let worth):
            try container.encode("worth", forKey: .by)
            try container.encode(worth, forKey: .worth)
        case .spend(let spendMax):
            try container.encode("spend", forKey: .by)
            try container.encode(spendMax, forKey: .spendMax)
        }
    }
}

/// One more answer to the same request.
public struct Alternative: Codable, Hashable, Sendable {
    /// The answer, in order.
    public var parts: [Part]
    /// Why it ended.
    public var stop: StopReason?
    /// Log-probabilities of the drawn tokens, where asked for.
    public var logprobs: [TokenLogprob]

    public init(
        parts: [Part],
        stop: StopReason? = nil,
        logprobs: [TokenLogprob] = []
    ) {
        self.parts = parts
        self.stop = stop
        self.logprobs = logprobs
    }

    private enum CodingKeys: String, CodingKey {
        case parts
        case stop
        case logprobs
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.parts = try container.decode([Part].self, forKey: .parts)
        self.stop = try container.decodeIfPresent(StopReason.self, forKey: .stop)
        self.logprobs = try container.decodeIfPresent([TokenLogprob].self, forKey: .logprobs) ?? []
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(parts, forKey: .parts)
        try container.encodeIfPresent(stop, forKey: .stop)
        if !logprobs.isEmpty { try container.encode(logprobs, forKey: .logprobs) }
    }
}

/// One attempt.
public struct AttemptLine: Codable, Hashable, Sendable {
    /// Counted from 1.
    public var number: Int
    /// The model.
    public var model: ModelId
    /// Where.
    public var endpoint: EndpointId
    /// `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` or `check`.
    public var aim: String
    /// `answered`, `over_budget`, `fell_short`, `outrun` (an attempt beside it was faster), or the error's kind.
    public var outcome: String
    /// What went wrong, where it did.
    public var error: String?

    public init(
        number: Int,
        model: ModelId,
        endpoint: EndpointId,
        aim: String,
        outcome: String,
        error: String? = nil
    ) {
        self.number = number
        self.model = model
        self.endpoint = endpoint
        self.aim = aim
        self.outcome = outcome
        self.error = error
    }

    private enum CodingKeys: String, CodingKey {
        case number
        case model
        case endpoint
        case aim
        case outcome
        case error
    }
}

/// What savings are counted against.
public struct BaselineLine: Codable, Hashable, Sendable {
    /// The model.
    public var model: ModelId
    /// How likely its answer is good enough, where it may be asked.
    public var pGood: Double?
    /// Expected tokens of output.
    public var expectedOutput: Int
    /// Expected cost.
    public var expectedCost: Usd

    public init(
        model: ModelId,
        expectedOutput: Int,
        expectedCost: Usd,
        pGood: Double? = nil
    ) {
        self.model = model
        self.expectedOutput = expectedOutput
        self.expectedCost = expectedCost
        self.pGood = pGood
    }

    private enum CodingKeys: String, CodingKey {
        case model
        case pGood = "p_good"
        case expectedOutput = "expected_output"
        case expectedCost = "expected_cost"
    }
}

/// How long a vendor should keep a prompt prefix.
public enum CacheHint: String, Codable, Hashable, Sendable, CaseIterable {
    /// Five minutes, the default of the vendors that take marks.
    case for5m = "5m"
    /// One hour, at a higher write price.
    case for1h = "1h"
}

/// A candidate.
public struct CandidateLine: Codable, Hashable, Sendable {
    /// The model.
    public var model: ModelId
    /// Where.
    public var endpoint: EndpointId
    /// Who runs the endpoint.
    public var vendor: VendorId
    /// Where data is processed.
    public var region: Region
    /// The model's tier.
    public var tier: Tier
    /// What it is for.
    public var role: CandidateRole
    /// How likely its answer is good enough.
    public var pGood: Double
    /// Expected tokens of output, reasoning included.
    public var expectedOutput: Int
    /// Expected cost.
    public var expectedCost: Usd
    /// The most that an attempt at it can cost.
    public var reserve: Usd
    /// When its endpoint may be called again, where it rests.
    public var restsUntil: Timestamp?
    /// The calls that are before this one there, where there are any: their wait counts as time that an answer
    /// takes.
    public var queue: Queue?

    public init(
        model: ModelId,
        endpoint: EndpointId,
        vendor: VendorId,
        region: Region,
        tier: Tier,
        role: CandidateRole,
        pGood: Double,
        expectedOutput: Int,
        expectedCost: Usd,
        reserve: Usd,
        restsUntil: Timestamp? = nil,
        queue: Queue? = nil
    ) {
        self.model = model
        self.endpoint = endpoint
        self.vendor = vendor
        self.region = region
        self.tier = tier
        self.role = role
        self.pGood = pGood
        self.expectedOutput = expectedOutput
        self.expectedCost = expectedCost
        self.reserve = reserve
        self.restsUntil = restsUntil
        self.queue = queue
    }

    private enum CodingKeys: String, CodingKey {
        case model
        case endpoint
        case vendor
        case region
        case tier
        case role
        case pGood = "p_good"
        case expectedOutput = "expected_output"
        case expectedCost = "expected_cost"
        case reserve
        case restsUntil = "rests_until"
        case queue
    }
}

/// What a candidate is for.
public enum CandidateRole: String, Codable, Hashable, Sendable, CaseIterable {
    /// It is asked first.
    case choice
    /// It stands in where those before it fail.
    case fallback
    /// It stands in, below the aim, where all better ones fail.
    case lastResort = "last_resort"
}

/// A cheap answer first, checked, and a better one where it falls short.
public struct CascadeLine: Codable, Hashable, Sendable {
    /// Whether it is followed; else asking directly is expected to be as good for less, or nearly.
    public var isTaken: Bool
    /// Who is asked first.
    public var first: ModelId
    /// How the answer is checked: `wellformed`, `agreement`, `sample`, `confidence`, `judge` or `own`.
    public var check: String
    /// Who is asked besides, where the check asks a model.
    public var with: ModelId?
    /// Who answers where the first answer falls short.
    public var target: ModelId
    /// How likely the first answer falls short.
    public var pShort: Double
    /// How likely the answer that is delivered is good enough.
    public var pGood: Double
    /// What the check is expected to cost.
    public var checkCost: Usd
    /// What the whole path is expected to cost.
    public var expectedCost: Usd
    /// What asking directly is expected to cost.
    public var directCost: Usd

    public init(
        isTaken: Bool,
        first: ModelId,
        check: String,
        target: ModelId,
        pShort: Double,
        pGood: Double,
        checkCost: Usd,
        expectedCost: Usd,
        directCost: Usd,
        with: ModelId? = nil
    ) {
        self.isTaken = isTaken
        self.first = first
        self.check = check
        self.target = target
        self.pShort = pShort
        self.pGood = pGood
        self.checkCost = checkCost
        self.expectedCost = expectedCost
        self.directCost = directCost
        self.with = with
    }

    private enum CodingKeys: String, CodingKey {
        case isTaken = "is_taken"
        case first
        case check
        case with
        case target
        case pShort = "p_short"
        case pGood = "p_good"
        case checkCost = "check_cost"
        case expectedCost = "expected_cost"
        case directCost = "direct_cost"
    }
}

/// One line of a charge: so many units of a class and what they cost.
public struct ChargeLine: Codable, Hashable, Sendable {
    /// What was billed: `input`, `cached_read`, `output` ...
    public var `class`: String
    /// How many units.
    public var quantity: Int
    /// What they cost, rounded up to a pico-dollar.
    public var cost: Usd

    public init(
        `class`: String,
        quantity: Int,
        cost: Usd
    ) {
        self.class = `class`
        self.quantity = quantity
        self.cost = cost
    }

    private enum CodingKeys: String, CodingKey {
        case `class`
        case quantity
        case cost
    }
}

/// A contribution to the difficulty.
public struct Contribution: Codable, Hashable, Sendable {
    /// What contributes.
    public var name: String
    /// How much, on the scale of abilities: one more makes a model of even odds fail three times in four.
    public var amount: Double

    public init(
        name: String,
        amount: Double
    ) {
        self.name = name
        self.amount = amount
    }

    private enum CodingKeys: String, CodingKey {
        case name
        case amount
    }
}

/// A name for a kind of data that a request holds, such as `customer-pii`, to which policy ties where it may go.
public typealias DataLabel = String

/// A piece of an answer. `part` numbers the piece's part within the answer, in the wire's own counting; parts stand
/// in the reply in the order of their first piece.
public indirect enum Delta: Codable, Hashable, Sendable {
    /// The answer begins.
    case start(id: String? = nil, model: String? = nil)
    /// More text.
    case text(part: Int, text: String)
    /// More reasoning.
    case reasoning(part: Int, text: String)
    /// More of a refusal.
    case refusal(part: Int, text: String)
    /// A tool call begins.
    case toolCall(part: Int, id: String, name: String)
    /// More of a tool call's arguments, as JSON text.
    case arguments(part: Int, text: String)
    /// A whole part at once: an image, a vendor's own item.
    case part(part: Int, whole: Part)
    /// Vendor fields of a part: a signature, an encrypted form. They are added to those there.
    case partVendor(part: Int, fields: VendorFields)
    /// Log-probabilities of further tokens.
    case logprobs(tokens: [TokenLogprob])
    /// What was used so far; the last report counts, class by class.
    case usage(usage: Usage)
    /// The stream broke, and another model writes the rest of the answer from here on.
    case continued(part: Int, model: ModelId)
    /// What came so far fell short of a check and is void: another answer takes its place from here on.
    case replaced(model: ModelId)
    /// The answer ended.
    case stop(reason: StopReason)
    /// Vendor fields of the whole answer.
    case vendor(fields: VendorFields)
    /// A piece of a further answer, where several were asked for.
    case alternative(index: Int, delta: Delta)

    private enum CodingKeys: String, CodingKey {
        case type
        case id
        case model
        case part
        case text
        case name
        case whole
        case fields
        case tokens
        case usage
        case reason
        case index
        case delta
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .type) {
        case "start":
            self = .start(
                id: try container.decodeIfPresent(String.self, forKey: .id),
                model: try container.decodeIfPresent(String.self, forKey: .model)
            )
        case "text":
            self = .text(
                part: try container.decode(Int.self, forKey: .part),
                text: try container.decode(String.self, forKey: .text)
            )
        case "reasoning":
            self = .reasoning(
                part: try container.decode(Int.self, forKey: .part),
                text: try container.decode(String.self, forKey: .text)
            )
        case "refusal":
            self = .refusal(
                part: try container.decode(Int.self, forKey: .part),
                text: try container.decode(String.self, forKey: .text)
            )
        case "tool_call":
            self = .toolCall(
                part: try container.decode(Int.self, forKey: .part),
                id: try container.decode(String.self, forKey: .id),
                name: try container.decode(String.self, forKey: .name)
            )
        case "arguments":
            self = .arguments(
                part: try container.decode(Int.self, forKey: .part),
                text: try container.decode(String.self, forKey: .text)
            )
        case "part":
            self = .part(
                part: try container.decode(Int.self, forKey: .part),
                whole: try container.decode(Part.self, forKey: .whole)
            )
        case "part_vendor":
            self = .partVendor(
                part: try container.decode(Int.self, forKey: .part),
                fields: try container.decode(VendorFields.self, forKey: .fields)
            )
        case "logprobs":
            self = .logprobs(
                tokens: try container.decode([TokenLogprob].self, forKey: .tokens)
            )
        case "usage":
            self = .usage(
                usage: try container.decode(Usage.self, forKey: .usage)
            )
        case "continued":
            self = .continued(
                part: try container.decode(Int.self, forKey: .part),
                model: try container.decode(ModelId.self, forKey: .model)
            )
        case "replaced":
            self = .replaced(
                model: try container.decode(ModelId.self, forKey: .model)
            )
        case "stop":
            self = .stop(
                reason: try container.decode(StopReason.self, forKey: .reason)
            )
        case "vendor":
            self = .vendor(
                fields: try container.decode(VendorFields.self, forKey: .fields)
            )
        case "alternative":
            self = .alternative(
                index: try container.decode(Int.self, forKey: .index),
                delta: try container.decode(Delta.self, forKey: .delta)
            )
        case let other:
            throw unknown("Delta", other, at: decoder)
        }
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .start(let id, let model):
            try container.encode("start", forKey: .type)
            try container.encodeIfPresent(id, forKey: .id)
            try container.encodeIfPresent(model, forKey: .model)
        case .text(let part, let text):
            try container.encode("text", forKey: .type)
            try container.encode(part, forKey: .part)
            try container.encode(text, forKey: .text)
        case .reasoning(let part, let text):
            try container.encode("reasoning", forKey: .type)
            try container.encode(part, forKey: .part)
            try container.encode(text, forKey: .text)
        case .refusal(let part, let text):
            try container.encode("refusal", forKey: .type)
            try container.encode(part, forKey: .part)
            try container.encode(text, forKey: .text)
        case .toolCall(let part, let id, let name):
            try container.encode("tool_call", forKey: .type)
            try container.encode(part, forKey: .part)
            try container.encode(id, forKey: .id)
            try container.encode(name, forKey: .name)
        case .arguments(let part, let text):
            try container.encode("arguments", forKey: .type)
            try container.encode(part, forKey: .part)
            try container.encode(text, forKey: .text)
        case .part(let part, let whole):
            try container.encode("part", forKey: .type)
            try container.encode(part, forKey: .part)
            try container.encode(whole, forKey: .whole)
        case .partVendor(let part, let fields):
            try container.encode("part_vendor", forKey: .type)
            try container.encode(part, forKey: .part)
            try container.encode(fields, forKey: .fields)
        case .logprobs(let tokens):
            try container.encode("logprobs", forKey: .type)
            try container.encode(tokens, forKey: .tokens)
        case .usage(let usage):
            try container.encode("usage", forKey: .type)
            try container.encode(usage, forKey: .usage)
        case .continued(let part, let model):
            try container.encode("continued", forKey: .type)
            try container.encode(part, forKey: .part)
            try container.encode(model, forKey: .model)
        case .replaced(let model):
            try container.encode("replaced", forKey: .type)
            try container.encode(model, forKey: .model)
        case .stop(let reason):
            try container.encode("stop", forKey: .type)
            try container.encode(reason, forKey: .reason)
        case .vendor(let fields):
            try container.encode("vendor", forKey: .type)
            try container.encode(fields, forKey: .fields)
        case .alternative(let index, let delta):
            try container.encode("alternative", forKey: .type)
            try container.encode(index, forKey: .index)
            try container.encode(delta, forKey: .delta)
        }
    }
}

/// How hard to think.
public enum Effort: String, Codable, Hashable, Sendable, CaseIterable {
    /// Not at all.
    case none
    /// As little as the model can.
    case minimal
    /// Little.
    case low
    /// The usual.
    case medium
    /// Much.
    case high
    /// More than much, where a model tells it apart.
    case xhigh
    /// As much as the model can.
    case max
}

/// One address that serves models: a vendor in a region, a deployment, a server of the user's own.
public typealias EndpointId = String

/// A whole decision. `Display` fits one terminal screen; JSON holds all of it.
public struct Explanation: Codable, Hashable, Sendable {
    /// When it was made.
    public var at: Timestamp
    /// How large the request is.
    public var sizes: Sizes
    /// How hard it was found to be; absent where the caller brought its own ratings.
    public var hardness: Hardness?
    /// What it aimed at.
    public var aim: Aim
    /// Where the promise of quality stands, where one was made: each time it failed the aim was raised.
    public var promise: PromiseState?
    /// The best way to ask a cheap model first and check its answer, where checks may be planned.
    public var cascade: CascadeLine?
    /// Who is asked, in order.
    public var candidates: [CandidateLine]
    /// Who may be asked and is not, the likeliest to be good enough first.
    public var passedOver: [PassedOver]
    /// Who may not be asked, by model.
    public var refused: [RefusedModel]
    /// What savings are counted against.
    public var baseline: BaselineLine?
    /// What the choice saves.
    public var saving: Saving?

    public init(
        at: Timestamp,
        sizes: Sizes,
        aim: Aim,
        candidates: [CandidateLine],
        passedOver: [PassedOver],
        refused: [RefusedModel],
        hardness: Hardness? = nil,
        promise: PromiseState? = nil,
        cascade: CascadeLine? = nil,
        baseline: BaselineLine? = nil,
        saving: Saving? = nil
    ) {
        self.at = at
        self.sizes = sizes
        self.aim = aim
        self.candidates = candidates
        self.passedOver = passedOver
        self.refused = refused
        self.hardness = hardness
        self.promise = promise
        self.cascade = cascade
        self.baseline = baseline
        self.saving = saving
    }

    private enum CodingKeys: String, CodingKey {
        case at
        case sizes
        case hardness
        case aim
        case promise
        case cascade
        case candidates
        case passedOver = "passed_over"
        case refused
        case baseline
        case saving
    }
}

/// How hard a request was found to be, and why.
public struct Hardness: Codable, Hashable, Sendable {
    /// What kind of work it is.
    public var kind: TaskKind
    /// From 0 to 1.
    public var difficulty: Double
    /// The parts, which add up on the scale of abilities.
    public var parts: [Contribution]
    /// Tokens of an answer of common length, without reasoning.
    public var expectedOutput: Int

    public init(
        kind: TaskKind,
        difficulty: Double,
        parts: [Contribution],
        expectedOutput: Int
    ) {
        self.kind = kind
        self.difficulty = difficulty
        self.parts = parts
        self.expectedOutput = expectedOutput
    }

    private enum CodingKeys: String, CodingKey {
        case kind
        case difficulty
        case parts
        case expectedOutput = "expected_output"
    }
}

/// One turn of a conversation.
public struct Message: Codable, Hashable, Sendable {
    /// Who speaks.
    public var role: Role
    /// What is said, in order.
    public var parts: [Part]
    /// The speaker's name, where a format has one.
    public var name: String?
    /// Fields of one format only.
    public var vendor: VendorFields

    public init(
        role: Role,
        parts: [Part],
        name: String? = nil,
        vendor: VendorFields = [:]
    ) {
        self.role = role
        self.parts = parts
        self.name = name
        self.vendor = vendor
    }

    private enum CodingKeys: String, CodingKey {
        case role
        case parts
        case name
        case vendor
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.role = try container.decode(Role.self, forKey: .role)
        self.parts = try container.decode([Part].self, forKey: .parts)
        self.name = try container.decodeIfPresent(String.self, forKey: .name)
        self.vendor = try container.decodeIfPresent(VendorFields.self, forKey: .vendor) ?? [:]
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(role, forKey: .role)
        try container.encode(parts, forKey: .parts)
        try container.encodeIfPresent(name, forKey: .name)
        if !vendor.isEmpty { try container.encode(vendor, forKey: .vendor) }
    }
}

/// Which model answers.
public enum ModelChoice: Codable, Hashable, Sendable {
    /// The router decides.
    case auto
    /// This one, if policy admits it.
    case only(ModelId)
    /// The best of these.
    case anyOf([ModelId])

    private enum CodingKeys: String, CodingKey {
        case only
        case anyOf = "any_of"
    }

    public init(from decoder: Decoder) throws {
        if let word = try? decoder.singleValueContainer().decode(String.self) {
            switch word {
            case "auto": self = .auto
            default: throw unknown("ModelChoice", word, at: decoder)
            }
            return
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let value = try container.decodeIfPresent(ModelId.self, forKey: .only) {
            self = .only(value)
            return
        }
        self = .anyOf(try container.decode([ModelId].self, forKey: .anyOf))
    }

    public func encode(to encoder: Encoder) throws {
        switch self {
        case .auto:
            var word = encoder.singleValueContainer()
            try word.encode("auto")
        case .only(let value):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(value, forKey: .only)
        case .anyOf(let value):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(value, forKey: .anyOf)
        }
    }
}

/// A model as a user names it: `vendor/name`, such as `deepseek/deepseek-chat`.
public typealias ModelId = String

/// One piece of a message or a reply.
public struct Part: Codable, Hashable, Sendable {
    /// What a piece is.
    public indirect enum Content: Codable, Hashable, Sendable {
        /// Words.
        case text(text: String)
        /// A picture.
        case image(source: Source)
        /// A sound.
        case audio(source: Source)
        /// A moving picture.
        case video(source: Source)
        /// A file: a PDF, a text, a table.
        case document(source: Source, name: String? = nil)
        /// The model asks for a tool.
        case toolCall(ToolCall)
        /// What a tool answered.
        case toolResult(ToolResult)
        /// The model's reasoning. Its signature or encrypted form, if any, is in the part's vendor fields, and the text
        /// may be empty where the vendor shows none.
        case reasoning(text: String)
        /// The model declines, where the format tells that apart from text.
        case refusal(text: String)
        /// A part that only one format knows, whole in the part's vendor fields.
        case vendor

        private enum CodingKeys: String, CodingKey {
            case type
            case text
            case source
            case name
        }

        public init(from decoder: Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            switch try container.decode(String.self, forKey: .type) {
            case "text":
                self = .text(
                    text: try container.decode(String.self, forKey: .text)
                )
            case "image":
                self = .image(
                    source: try container.decode(Source.self, forKey: .source)
                )
            case "audio":
                self = .audio(
                    source: try container.decode(Source.self, forKey: .source)
                )
            case "video":
                self = .video(
                    source: try container.decode(Source.self, forKey: .source)
                )
            case "document":
                self = .document(
                    source: try container.decode(Source.self, forKey: .source),
                name: try container.decodeIfPresent(String.self, forKey: .name)
                )
            case "tool_call":
                self = .toolCall(try ToolCall(from: decoder))
            case "tool_result":
                self = .toolResult(try ToolResult(from: decoder))
            case "reasoning":
                self = .reasoning(
                    text: try container.decode(String.self, forKey: .text)
                )
            case "refusal":
                self = .refusal(
                    text: try container.decode(String.self, forKey: .text)
                )
            case "vendor":
                self = .vendor
            case let other:
                throw unknown("Part", other, at: decoder)
            }
        }

        public func encode(to encoder: Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            switch self {
            case .text(let text):
                try container.encode("text", forKey: .type)
                try container.encode(text, forKey: .text)
            case .image(let source):
                try container.encode("image", forKey: .type)
                try container.encode(source, forKey: .source)
            case .audio(let source):
                try container.encode("audio", forKey: .type)
                try container.encode(source, forKey: .source)
            case .video(let source):
                try container.encode("video", forKey: .type)
                try container.encode(source, forKey: .source)
            case .document(let source, let name):
                try container.encode("document", forKey: .type)
                try container.encode(source, forKey: .source)
                try container.encodeIfPresent(name, forKey: .name)
            case .toolCall(let whole):
                try container.encode("tool_call", forKey: .type)
                try whole.encode(to: encoder)
            case .toolResult(let whole):
                try container.encode("tool_result", forKey: .type)
                try whole.encode(to: encoder)
            case .reasoning(let text):
                try container.encode("reasoning", forKey: .type)
                try container.encode(text, forKey: .text)
            case .refusal(let text):
                try container.encode("refusal", forKey: .type)
                try container.encode(text, forKey: .text)
            case .vendor:
                try container.encode("vendor", forKey: .type)
            }
        }
    }

    /// What it is.
    public var content: Content
    /// Asks the vendor to keep the prompt up to and including this part in its cache.
    public var cache: CacheHint?
    /// Fields of one format only: reasoning signatures, citations, image detail.
    public var vendor: VendorFields

    public init(
        _ content: Content,
        cache: CacheHint? = nil,
        vendor: VendorFields = [:]
    ) {
        self.content = content
        self.cache = cache
        self.vendor = vendor
    }

    private enum CodingKeys: String, CodingKey {
        case cache
        case vendor
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        content = try Content(from: decoder)
        cache = try container.decodeIfPresent(CacheHint.self, forKey: .cache)
        vendor = try container.decodeIfPresent(VendorFields.self, forKey: .vendor) ?? [:]
    }

    public func encode(to encoder: Encoder) throws {
        try content.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(cache, forKey: .cache)
        if !vendor.isEmpty { try container.encode(vendor, forKey: .vendor) }
    }
}

/// A model that may be asked and is not.
public struct PassedOver: Codable, Hashable, Sendable {
    /// The model.
    public var model: ModelId
    /// Its tier.
    public var tier: Tier
    /// How likely its answer would be good enough.
    public var pGood: Double
    /// What its answer would be expected to cost.
    public var expectedCost: Usd
    /// Why it is not asked.
    public var why: Why

    public init(
        model: ModelId,
        tier: Tier,
        pGood: Double,
        expectedCost: Usd,
        why: Why
    ) {
        self.model = model
        self.tier = tier
        self.pGood = pGood
        self.expectedCost = expectedCost
        self.why = why
    }

    private enum CodingKeys: String, CodingKey {
        case model
        case tier
        case pGood = "p_good"
        case expectedCost = "expected_cost"
        case why
    }
}

/// Why a request may not go to a model at an endpoint.
public struct PlaceRefusals: Codable, Hashable, Sendable {
    /// The endpoint.
    public var endpoint: EndpointId
    /// Every reason, in the order of the rules.
    public var refusals: [Refusal]

    public init(
        endpoint: EndpointId,
        refusals: [Refusal]
    ) {
        self.endpoint = endpoint
        self.refusals = refusals
    }

    private enum CodingKeys: String, CodingKey {
        case endpoint
        case refusals
    }
}

/// Where a promise stands, since it was made or last failed.
public struct PromiseState: Codable, Hashable, Sendable {
    /// The share of the better model's quality that was promised.
    public var quality: Double
    /// How sure an alarm is.
    public var confidence: Double
    /// How often it failed; each time the aim was raised by a step.
    public var steps: Int
    /// The evidence against it: 1 is none, and it fails at 1 / (1 - confidence).
    public var evidence: Double
    /// How many comparisons were made.
    public var comparisons: Int
    /// How many marks came.
    public var marks: Int
    /// The least mean loss that the comparisons leave possible, with that confidence, at any time.
    public var lossMin: Double
    /// The greatest.
    public var lossMax: Double

    public init(
        quality: Double,
        confidence: Double,
        steps: Int,
        evidence: Double,
        comparisons: Int,
        marks: Int,
        lossMin: Double,
        lossMax: Double
    ) {
        self.quality = quality
        self.confidence = confidence
        self.steps = steps
        self.evidence = evidence
        self.comparisons = comparisons
        self.marks = marks
        self.lossMin = lossMin
        self.lossMax = lossMax
    }

    private enum CodingKeys: String, CodingKey {
        case quality
        case confidence
        case steps
        case evidence
        case comparisons
        case marks
        case lossMin = "loss_min"
        case lossMax = "loss_max"
    }
}

/// Calls that are before one which comes now. The default is no queue.
public struct Queue: Codable, Hashable, Sendable {
    /// How many: those that are worked at and those that wait.
    public var calls: Int
    /// How long they are expected to keep a new one waiting: their number by the measured speed.
    public var wait: Span

    public init(
        calls: Int,
        wait: Span
    ) {
        self.calls = calls
        self.wait = wait
    }

    private enum CodingKeys: String, CodingKey {
        case calls
        case wait
    }
}

/// How much the model should think before it answers.
public struct ReasoningAsk: Codable, Hashable, Sendable {
    /// In words.
    public var effort: Effort?
    /// In tokens; zero means none.
    public var budgetTokens: Int?
    /// Whether to show the reasoning, or a summary of it, where the vendor hides it.
    public var show: Bool?

    public init(
        effort: Effort? = nil,
        budgetTokens: Int? = nil,
        show: Bool? = nil
    ) {
        self.effort = effort
        self.budgetTokens = budgetTokens
        self.show = show
    }

    private enum CodingKeys: String, CodingKey {
        case effort
        case budgetTokens = "budget_tokens"
        case show
    }
}

/// One reason why a request may not go to a model at an endpoint.
public struct Refusal: Codable, Hashable, Sendable {
    /// The rule that refuses.
    public var rule: RuleName
    /// What is wrong, for people, in one line.
    public var reason: String

    public init(
        rule: RuleName,
        reason: String
    ) {
        self.rule = rule
        self.reason = reason
    }

    private enum CodingKeys: String, CodingKey {
        case rule
        case reason
    }
}

/// A model that may not see the request, at some endpoint or at all.
public struct RefusedModel: Codable, Hashable, Sendable {
    /// The model.
    public var model: ModelId
    /// Its tier.
    public var tier: Tier
    /// The reasons, endpoint by endpoint. Empty where no endpoint serves the model, or `auto` may not choose it.
    public var places: [PlaceRefusals]
    /// Why it has no endpoint to speak of.
    public var note: String?

    public init(
        model: ModelId,
        tier: Tier,
        places: [PlaceRefusals],
        note: String? = nil
    ) {
        self.model = model
        self.tier = tier
        self.places = places
        self.note = note
    }

    private enum CodingKeys: String, CodingKey {
        case model
        case tier
        case places
        case note
    }
}

/// A place where data is processed, coarse or fine: `eu`, `us`, `cn`, `eu-central-1`, `local`, `global` (anywhere).
public typealias Region = String

/// A whole answer.
public struct Reply: Codable, Hashable, Sendable {
    /// The vendor's id of the answer.
    public var id: String?
    /// The model that answered, as the vendor names it.
    public var model: String?
    /// The answer, in order; the first where several were asked for.
    public var parts: [Part]
    /// Why it ended.
    public var stop: StopReason?
    /// What it used.
    public var usage: Usage?
    /// Log-probabilities of the drawn tokens, where asked for.
    public var logprobs: [TokenLogprob]
    /// Further answers, where several were asked for.
    public var alternatives: [Alternative]
    /// Where other models took over after a stream broke, in order; empty where one model wrote it all.
    public var continued: [Takeover]
    /// Fields of one format only.
    public var vendor: VendorFields

    public init(
        parts: [Part],
        id: String? = nil,
        model: String? = nil,
        stop: StopReason? = nil,
        usage: Usage? = nil,
        logprobs: [TokenLogprob] = [],
        alternatives: [Alternative] = [],
        continued: [Takeover] = [],
        vendor: VendorFields = [:]
    ) {
        self.parts = parts
        self.id = id
        self.model = model
        self.stop = stop
        self.usage = usage
        self.logprobs = logprobs
        self.alternatives = alternatives
        self.continued = continued
        self.vendor = vendor
    }

    private enum CodingKeys: String, CodingKey {
        case id
        case model
        case parts
        case stop
        case usage
        case logprobs
        case alternatives
        case continued
        case vendor
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.id = try container.decodeIfPresent(String.self, forKey: .id)
        self.model = try container.decodeIfPresent(String.self, forKey: .model)
        self.parts = try container.decode([Part].self, forKey: .parts)
        self.stop = try container.decodeIfPresent(StopReason.self, forKey: .stop)
        self.usage = try container.decodeIfPresent(Usage.self, forKey: .usage)
        self.logprobs = try container.decodeIfPresent([TokenLogprob].self, forKey: .logprobs) ?? []
        self.alternatives = try container.decodeIfPresent([Alternative].self, forKey: .alternatives) ?? []
        self.continued = try container.decodeIfPresent([Takeover].self, forKey: .continued) ?? []
        self.vendor = try container.decodeIfPresent(VendorFields.self, forKey: .vendor) ?? [:]
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(id, forKey: .id)
        try container.encodeIfPresent(model, forKey: .model)
        try container.encode(parts, forKey: .parts)
        try container.encodeIfPresent(stop, forKey: .stop)
        try container.encodeIfPresent(usage, forKey: .usage)
        if !logprobs.isEmpty { try container.encode(logprobs, forKey: .logprobs) }
        if !alternatives.isEmpty { try container.encode(alternatives, forKey: .alternatives) }
        if !continued.isEmpty { try container.encode(continued, forKey: .continued) }
        if !vendor.isEmpty { try container.encode(vendor, forKey: .vendor) }
    }
}

/// A request as data, before it was checked. Every field but `messages` may be left out.
public struct RequestDraft: Codable, Hashable, Sendable {
    /// Which model answers.
    public var model: ModelChoice?
    /// The conversation so far, oldest first.
    public var messages: [Message]
    /// Tools that the model may call.
    public var tools: [Tool]
    /// Whether it may, must or must not call them.
    public var toolChoice: ToolChoice?
    /// Whether several tools may be called in one turn; `None` leaves it to the vendor.
    public var parallelTools: Bool?
    /// The shape of the answer.
    public var format: ResponseFormat?
    /// How words are drawn.
    public var sampling: Sampling?
    /// Most tokens of output, reasoning included.
    public var maxTokens: Int?
    /// How much the model should think first.
    public var reasoning: ReasoningAsk?
    /// The vendor's lane: priority costs more, flex and batch less.
    public var serviceTier: ServiceTier?
    /// The conversation this belongs to: it pins models and keeps prompt caches warm.
    public var session: SessionId?
    /// Kinds of data the request holds: policy ties each to where it may go.
    public var labels: [DataLabel]
    /// The caller's own names for the ledger: user, team, project, feature.
    public var tags: [String: String]
    /// Fields of one wire format only.
    public var vendor: VendorFields

    public init(
        model: ModelChoice? = nil,
        messages: [Message] = [],
        tools: [Tool] = [],
        toolChoice: ToolChoice? = nil,
        parallelTools: Bool? = nil,
        format: ResponseFormat? = nil,
        sampling: Sampling? = nil,
        maxTokens: Int? = nil,
        reasoning: ReasoningAsk? = nil,
        serviceTier: ServiceTier? = nil,
        session: SessionId? = nil,
        labels: [DataLabel] = [],
        tags: [String: String] = [:],
        vendor: VendorFields = [:]
    ) {
        self.model = model
        self.messages = messages
        self.tools = tools
        self.toolChoice = toolChoice
        self.parallelTools = parallelTools
        self.format = format
        self.sampling = sampling
        self.maxTokens = maxTokens
        self.reasoning = reasoning
        self.serviceTier = serviceTier
        self.session = session
        self.labels = labels
        self.tags = tags
        self.vendor = vendor
    }

    private enum CodingKeys: String, CodingKey {
        case model
        case messages
        case tools
        case toolChoice = "tool_choice"
        case parallelTools = "parallel_tools"
        case format
        case sampling
        case maxTokens = "max_tokens"
        case reasoning
        case serviceTier = "service_tier"
        case session
        case labels
        case tags
        case vendor
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.model = try container.decodeIfPresent(ModelChoice.self, forKey: .model)
        self.messages = try container.decodeIfPresent([Message].self, forKey: .messages) ?? []
        self.tools = try container.decodeIfPresent([Tool].self, forKey: .tools) ?? []
        self.toolChoice = try container.decodeIfPresent(ToolChoice.self, forKey: .toolChoice)
        self.parallelTools = try container.decodeIfPresent(Bool.self, forKey: .parallelTools)
        self.format = try container.decodeIfPresent(ResponseFormat.self, forKey: .format)
        self.sampling = try container.decodeIfPresent(Sampling.self, forKey: .sampling)
        self.maxTokens = try container.decodeIfPresent(Int.self, forKey: .maxTokens)
        self.reasoning = try container.decodeIfPresent(ReasoningAsk.self, forKey: .reasoning)
        self.serviceTier = try container.decodeIfPresent(ServiceTier.self, forKey: .serviceTier)
        self.session = try container.decodeIfPresent(SessionId.self, forKey: .session)
        self.labels = try container.decodeIfPresent([DataLabel].self, forKey: .labels) ?? []
        self.tags = try container.decodeIfPresent([String: String].self, forKey: .tags) ?? [:]
        self.vendor = try container.decodeIfPresent(VendorFields.self, forKey: .vendor) ?? [:]
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(model, forKey: .model)
        if !messages.isEmpty { try container.encode(messages, forKey: .messages) }
        if !tools.isEmpty { try container.encode(tools, forKey: .tools) }
        try container.encodeIfPresent(toolChoice, forKey: .toolChoice)
        try container.encodeIfPresent(parallelTools, forKey: .parallelTools)
        try container.encodeIfPresent(format, forKey: .format)
        try container.encodeIfPresent(sampling, forKey: .sampling)
        try container.encodeIfPresent(maxTokens, forKey: .maxTokens)
        try container.encodeIfPresent(reasoning, forKey: .reasoning)
        try container.encodeIfPresent(serviceTier, forKey: .serviceTier)
        try container.encodeIfPresent(session, forKey: .session)
        if !labels.isEmpty { try container.encode(labels, forKey: .labels) }
        if !tags.isEmpty { try container.encode(tags, forKey: .tags) }
        if !vendor.isEmpty { try container.encode(vendor, forKey: .vendor) }
    }
}

/// One request as the router handles it, unique for ever: its attempts' ids are made from it.
public typealias RequestId = String

/// A whole answer with its route and its exact cost.
public struct Response: Codable, Hashable, Sendable {
    /// The request's id: the ledger's attempts begin with it.
    public var id: RequestId
    /// The answer.
    public var reply: Reply
    /// Who gave it.
    public var route: Route
    /// What the request cost, every attempt included.
    public var cost: Usd
    /// What the answer's own attempt is charged for.
    public var lines: [ChargeLine]
    /// What the same answer would have cost on the baseline; `None` where it has no price.
    public var baselineCost: Usd?
    /// The baseline's cost less this request's; below zero where it cost more.
    public var saved: Usd
    /// How long it took.
    public var timing: Timing

    public init(
        id: RequestId,
        reply: Reply,
        route: Route,
        cost: Usd,
        lines: [ChargeLine],
        saved: Usd,
        timing: Timing,
        baselineCost: Usd? = nil
    ) {
        self.id = id
        self.reply = reply
        self.route = route
        self.cost = cost
        self.lines = lines
        self.saved = saved
        self.timing = timing
        self.baselineCost = baselineCost
    }

    private enum CodingKeys: String, CodingKey {
        case id
        case reply
        case route
        case cost
        case lines
        case baselineCost = "baseline_cost"
        case saved
        case timing
    }
}

/// The shape of an answer.
public indirect enum ResponseFormat: Codable, Hashable, Sendable {
    /// Free text.
    case text
    /// Any JSON object.
    case jsonObject
    /// JSON that keeps to a schema.
    case jsonSchema(name: String, schema: JSON, description: String? = nil, strict: Bool? = nil)

    private enum CodingKeys: String, CodingKey {
        case type
        case name
        case description
        case schema
        case strict
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .type) {
        case "text":
            self = .text
        case "json_object":
            self = .jsonObject
        case "json_schema":
            self = .jsonSchema(
                name: try container.decode(String.self, forKey: .name),
                schema: try container.decode(JSON.self, forKey: .schema),
                description: try container.decodeIfPresent(String.self, forKey: .description),
                strict: try container.decodeIfPresent(Bool.self, forKey: .strict)
            )
        case let other:
            throw unknown("ResponseFormat", other, at: decoder)
        }
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .text:
            try container.encode("text", forKey: .type)
        case .jsonObject:
            try container.encode("json_object", forKey: .type)
        case .jsonSchema(let name, let schema, let description, let strict):
            try container.encode("json_schema", forKey: .type)
            try container.encode(name, forKey: .name)
            try container.encode(schema, forKey: .schema)
            try container.encodeIfPresent(description, forKey: .description)
            try container.encodeIfPresent(strict, forKey: .strict)
        }
    }
}

/// Who speaks.
public enum Role: String, Codable, Hashable, Sendable, CaseIterable {
    /// Instructions from the application.
    case system
    /// Instructions from the application, where a vendor tells them apart from the platform's.
    case developer
    /// The person, or the program that asks.
    case user
    /// The model.
    case assistant
    /// The results of tool calls.
    case tool
}

/// Who answered, and what was tried before.
public struct Route: Codable, Hashable, Sendable {
    /// The model that answered.
    public var model: ModelId
    /// Where.
    public var endpoint: EndpointId
    /// Who runs the endpoint.
    public var vendor: VendorId
    /// Where the data was processed.
    public var region: Region
    /// The model's tier.
    public var tier: Tier
    /// The model against which savings are counted.
    public var baseline: ModelId?
    /// Every attempt, the last one the one that answered; where checks asked models, in the order of their numbers.
    public var attempts: [AttemptLine]
    /// Why its answer was delivered although it fell short of a check, where that is so.
    public var fellShort: String?

    public init(
        model: ModelId,
        endpoint: EndpointId,
        vendor: VendorId,
        region: Region,
        tier: Tier,
        attempts: [AttemptLine],
        baseline: ModelId? = nil,
        fellShort: String? = nil
    ) {
        self.model = model
        self.endpoint = endpoint
        self.vendor = vendor
        self.region = region
        self.tier = tier
        self.attempts = attempts
        self.baseline = baseline
        self.fellShort = fellShort
    }

    private enum CodingKeys: String, CodingKey {
        case model
        case endpoint
        case vendor
        case region
        case tier
        case baseline
        case attempts
        case fellShort = "fell_short"
    }
}

/// A rule that can refuse. The names are stable: dashboards count them.
public enum RuleName: String, Codable, Hashable, Sendable, CaseIterable {
    /// The request names other models.
    case asked
    /// The vendor is not allowed.
    case vendor
    /// The model is not allowed.
    case model
    /// The model's tier is out of bounds.
    case tier
    /// The place is not allowed.
    case residency
    /// Only the user's own servers are allowed.
    case selfHosted = "self_hosted"
    /// A data label may not go there.
    case sensitivity
    /// There is no key for the endpoint.
    case key
    /// The vendor has withdrawn the model.
    case retired
    /// The model has no price, so its cost cannot be bounded.
    case unpriced
    /// The model cannot do what is asked.
    case capability
    /// The request holds parts that only another format knows.
    case format
    /// The prompt and an answer do not fit the context window.
    case context
    /// The model does not take a parameter of the request.
    case accepts
    /// It may cost more than is left.
    case budget
    /// The endpoint is not well at the moment.
    case health
}

/// How words are drawn. `None` leaves each to the vendor.
public struct Sampling: Codable, Hashable, Sendable {
    /// 0 to 2.
    public var temperature: Double?
    /// Above 0, to 1.
    public var topP: Double?
    /// At least 1.
    public var topK: Int?
    /// 0 to 1.
    public var minP: Double?
    /// -2 to 2.
    public var frequencyPenalty: Double?
    /// -2 to 2.
    public var presencePenalty: Double?
    /// For repeatable drawing, as far as the vendor keeps it.
    public var seed: Int?
    /// Texts that end the answer.
    public var stop: [String]
    /// How many alternatives to each drawn token to report with log-probabilities: 0 to 20; `None` reports none.
    public var logprobs: Int?
    /// How many answers: 1 to 8.
    public var candidates: Int?

    public init(
        temperature: Double? = nil,
        topP: Double? = nil,
        topK: Int? = nil,
        minP: Double? = nil,
        frequencyPenalty: Double? = nil,
        presencePenalty: Double? = nil,
        seed: Int? = nil,
        stop: [String] = [],
        logprobs: Int? = nil,
        candidates: Int? = nil
    ) {
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
        self.minP = minP
        self.frequencyPenalty = frequencyPenalty
        self.presencePenalty = presencePenalty
        self.seed = seed
        self.stop = stop
        self.logprobs = logprobs
        self.candidates = candidates
    }

    private enum CodingKeys: String, CodingKey {
        case temperature
        case topP = "top_p"
        case topK = "top_k"
        case minP = "min_p"
        case frequencyPenalty = "frequency_penalty"
        case presencePenalty = "presence_penalty"
        case seed
        case stop
        case logprobs
        case candidates
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.temperature = try container.decodeIfPresent(Double.self, forKey: .temperature)
        self.topP = try container.decodeIfPresent(Double.self, forKey: .topP)
        self.topK = try container.decodeIfPresent(Int.self, forKey: .topK)
        self.minP = try container.decodeIfPresent(Double.self, forKey: .minP)
        self.frequencyPenalty = try container.decodeIfPresent(Double.self, forKey: .frequencyPenalty)
        self.presencePenalty = try container.decodeIfPresent(Double.self, forKey: .presencePenalty)
        self.seed = try container.decodeIfPresent(Int.self, forKey: .seed)
        self.stop = try container.decodeIfPresent([String].self, forKey: .stop) ?? []
        self.logprobs = try container.decodeIfPresent(Int.self, forKey: .logprobs)
        self.candidates = try container.decodeIfPresent(Int.self, forKey: .candidates)
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(temperature, forKey: .temperature)
        try container.encodeIfPresent(topP, forKey: .topP)
        try container.encodeIfPresent(topK, forKey: .topK)
        try container.encodeIfPresent(minP, forKey: .minP)
        try container.encodeIfPresent(frequencyPenalty, forKey: .frequencyPenalty)
        try container.encodeIfPresent(presencePenalty, forKey: .presencePenalty)
        try container.encodeIfPresent(seed, forKey: .seed)
        if !stop.isEmpty { try container.encode(stop, forKey: .stop) }
        try container.encodeIfPresent(logprobs, forKey: .logprobs)
        try container.encodeIfPresent(candidates, forKey: .candidates)
    }
}

/// What the choice saves against the baseline.
public struct Saving: Codable, Hashable, Sendable {
    /// The baseline's expected cost less the choice's; below zero where the choice costs more.
    public var amount: Usd
    /// As a share of the baseline's.
    public var share: Double

    public init(
        amount: Usd,
        share: Double
    ) {
        self.amount = amount
        self.share = share
    }

    private enum CodingKeys: String, CodingKey {
        case amount
        case share
    }
}

/// A vendor's lane.
public enum ServiceTier: String, Codable, Hashable, Sendable, CaseIterable {
    /// Left to the vendor's account settings.
    case auto
    /// The ordinary lane.
    case standard
    /// Slower and cheaper.
    case flex
    /// Faster and dearer.
    case priority
    /// Within a day, at about half the price.
    case batch
}

/// A conversation whose requests belong together.
public typealias SessionId = String

/// How large a request is.
public struct Sizes: Codable, Hashable, Sendable {
    /// Prompt tokens, roughly.
    public var inputTokens: Int
    /// Prompt tokens, at most, at the first candidate.
    public var inputTokensMax: Int
    /// Tokens of output, at most, at the first candidate.
    public var outputTokensMax: Int

    public init(
        inputTokens: Int,
        inputTokensMax: Int,
        outputTokensMax: Int
    ) {
        self.inputTokens = inputTokens
        self.inputTokensMax = inputTokensMax
        self.outputTokensMax = outputTokensMax
    }

    private enum CodingKeys: String, CodingKey {
        case inputTokens = "input_tokens"
        case inputTokensMax = "input_tokens_max"
        case outputTokensMax = "output_tokens_max"
    }
}

/// Where media bytes are.
public indirect enum Source: Codable, Hashable, Sendable {
    /// Here, in base64.
    case base64(mediaType: String, data: String)
    /// At an address that the vendor fetches.
    case url(url: String, mediaType: String? = nil)
    /// Uploaded to the vendor before.
    case file(id: String, mediaType: String? = nil)
    /// Plain text, for documents.
    case text(text: String, mediaType: String)

    private enum CodingKeys: String, CodingKey {
        case from
        case mediaType = "media_type"
        case data
        case url
        case id
        case text
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .from) {
        case "base64":
            self = .base64(
                mediaType: try container.decode(String.self, forKey: .mediaType),
                data: try container.decode(String.self, forKey: .data)
            )
        case "url":
            self = .url(
                url: try container.decode(String.self, forKey: .url),
                mediaType: try container.decodeIfPresent(String.self, forKey: .mediaType)
            )
        case "file":
            self = .file(
                id: try container.decode(String.self, forKey: .id),
                mediaType: try container.decodeIfPresent(String.self, forKey: .mediaType)
            )
        case "text":
            self = .text(
                text: try container.decode(String.self, forKey: .text),
                mediaType: try container.decode(String.self, forKey: .mediaType)
            )
        case let other:
            throw unknown("Source", other, at: decoder)
        }
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .base64(let mediaType, let data):
            try container.encode("base64", forKey: .from)
            try container.encode(mediaType, forKey: .mediaType)
            try container.encode(data, forKey: .data)
        case .url(let url, let mediaType):
            try container.encode("url", forKey: .from)
            try container.encode(url, forKey: .url)
            try container.encodeIfPresent(mediaType, forKey: .mediaType)
        case .file(let id, let mediaType):
            try container.encode("file", forKey: .from)
            try container.encode(id, forKey: .id)
            try container.encodeIfPresent(mediaType, forKey: .mediaType)
        case .text(let text, let mediaType):
            try container.encode("text", forKey: .from)
            try container.encode(text, forKey: .text)
            try container.encode(mediaType, forKey: .mediaType)
        }
    }
}

/// A length of time, in milliseconds.
public typealias Span = Int

/// Why an answer ended.
public enum StopReason: Codable, Hashable, Sendable {
    /// The model was done.
    case end
    /// A stop text was met.
    case stopText
    /// The most tokens of output were reached.
    case maxTokens
    /// The context window was full.
    case contextFull
    /// The model waits for tool results.
    case toolUse
    /// The vendor's filter cut or held back the answer.
    case contentFilter
    /// The model declined.
    case refusal
    /// The vendor paused a long turn; send the reply back to go on.
    case pause
    /// The model wrote a tool call that the vendor could not read.
    case badToolCall
    /// A reason that no other name fits, in the vendor's word.
    case other(String)

    private enum CodingKeys: String, CodingKey {
        case other
    }

    public init(from decoder: Decoder) throws {
        if let word = try? decoder.singleValueContainer().decode(String.self) {
            switch word {
            case "end": self = .end
            case "stop_text": self = .stopText
            case "max_tokens": self = .maxTokens
            case "context_full": self = .contextFull
            case "tool_use": self = .toolUse
            case "content_filter": self = .contentFilter
            case "refusal": self = .refusal
            case "pause": self = .pause
            case "bad_tool_call": self = .badToolCall
            default: throw unknown("StopReason", word, at: decoder)
            }
            return
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self = .other(try container.decode(String.self, forKey: .other))
    }

    public func encode(to encoder: Encoder) throws {
        switch self {
        case .end:
            var word = encoder.singleValueContainer()
            try word.encode("end")
        case .stopText:
            var word = encoder.singleValueContainer()
            try word.encode("stop_text")
        case .maxTokens:
            var word = encoder.singleValueContainer()
            try word.encode("max_tokens")
        case .contextFull:
            var word = encoder.singleValueContainer()
            try word.encode("context_full")
        case .toolUse:
            var word = encoder.singleValueContainer()
            try word.encode("tool_use")
        case .contentFilter:
            var word = encoder.singleValueContainer()
            try word.encode("content_filter")
        case .refusal:
            var word = encoder.singleValueContainer()
            try word.encode("refusal")
        case .pause:
            var word = encoder.singleValueContainer()
            try word.encode("pause")
        case .badToolCall:
            var word = encoder.singleValueContainer()
            try word.encode("bad_tool_call")
        case .other(let value):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(value, forKey: .other)
        }
    }
}

/// From where on another model wrote an answer.
public struct Takeover: Codable, Hashable, Sendable {
    /// Its first part in `Reply::parts`, counted from 0.
    public var part: Int
    /// The model that wrote from there on.
    public var model: ModelId

    public init(
        part: Int,
        model: ModelId
    ) {
        self.part = part
        self.model = model
    }

    private enum CodingKeys: String, CodingKey {
        case part
        case model
    }
}

/// A kind of work.
public enum TaskKind: String, Codable, Hashable, Sendable, CaseIterable {
    /// Small talk, thanks, a question about nothing in particular.
    case conversation
    /// Picking facts out of a given text.
    case extraction
    /// Choosing one of few labels.
    case classification
    /// From one language to another.
    case translation
    /// A text made shorter.
    case summary
    /// Prose and verse.
    case writing
    /// What is known.
    case knowledge
    /// Formulas and numbers.
    case mathematics
    /// Programs.
    case code
    /// Proof, analysis, planning.
    case reasoning
    /// Work with tools over several turns.
    case agentic
}

/// How strong and how dear a model is, among those on sale.
public enum Tier: String, Codable, Hashable, Sendable, CaseIterable {
    /// On the user's own machine.
    case local
    /// Small and cheap.
    case economy
    /// In between.
    case standard
    /// The strongest there are.
    case frontier
}

/// Milliseconds since 1970-01-01T00:00:00Z.
public typealias Timestamp = Int

/// How long a request took.
public struct Timing: Codable, Hashable, Sendable {
    /// The decision alone.
    public var decision: Double
    /// From the attempt that answered being sent to its first piece.
    public var firstPiece: Span?
    /// Everything.
    public var total: Span

    public init(
        decision: Double,
        total: Span,
        firstPiece: Span? = nil
    ) {
        self.decision = decision
        self.total = total
        self.firstPiece = firstPiece
    }

    private enum CodingKeys: String, CodingKey {
        case decision
        case firstPiece = "first_piece"
        case total
    }
}

/// A drawn token and how likely it was.
public struct TokenLogprob: Codable, Hashable, Sendable {
    /// The token's text.
    public var token: String
    /// Natural logarithm of its probability.
    public var logprob: Double
    /// The likeliest tokens at this place, with theirs.
    public var top: [JSON]

    public init(
        token: String,
        logprob: Double,
        top: [JSON] = []
    ) {
        self.token = token
        self.logprob = logprob
        self.top = top
    }

    private enum CodingKeys: String, CodingKey {
        case token
        case logprob
        case top
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.token = try container.decode(String.self, forKey: .token)
        self.logprob = try container.decode(Double.self, forKey: .logprob)
        self.top = try container.decodeIfPresent([JSON].self, forKey: .top) ?? []
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(token, forKey: .token)
        try container.encode(logprob, forKey: .logprob)
        if !top.isEmpty { try container.encode(top, forKey: .top) }
    }
}

/// A tool that the model may call.
public struct Tool: Codable, Hashable, Sendable {
    /// Its name: letters, digits, `_`, `-`, `.`, `:`; at most 128.
    public var name: String
    /// What it does, for the model.
    public var description: String?
    /// JSON Schema of its arguments; absent means no arguments.
    public var parameters: JSON?
    /// Whether the vendor must hold the arguments to the schema.
    public var strict: Bool?
    /// Keeps the prompt up to and including this tool in the vendor's cache.
    public var cache: CacheHint?
    /// Fields of one format only. A tool of the vendor's own (web search, code execution) is whole in here.
    public var vendor: VendorFields

    public init(
        name: String,
        description: String? = nil,
        parameters: JSON? = nil,
        strict: Bool? = nil,
        cache: CacheHint? = nil,
        vendor: VendorFields = [:]
    ) {
        self.name = name
        self.description = description
        self.parameters = parameters
        self.strict = strict
        self.cache = cache
        self.vendor = vendor
    }

    private enum CodingKeys: String, CodingKey {
        case name
        case description
        case parameters
        case strict
        case cache
        case vendor
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.name = try container.decode(String.self, forKey: .name)
        self.description = try container.decodeIfPresent(String.self, forKey: .description)
        self.parameters = try container.decodeIfPresent(JSON.self, forKey: .parameters)
        self.strict = try container.decodeIfPresent(Bool.self, forKey: .strict)
        self.cache = try container.decodeIfPresent(CacheHint.self, forKey: .cache)
        self.vendor = try container.decodeIfPresent(VendorFields.self, forKey: .vendor) ?? [:]
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encodeIfPresent(description, forKey: .description)
        try container.encodeIfPresent(parameters, forKey: .parameters)
        try container.encodeIfPresent(strict, forKey: .strict)
        try container.encodeIfPresent(cache, forKey: .cache)
        if !vendor.isEmpty { try container.encode(vendor, forKey: .vendor) }
    }
}

/// A model's wish to call a tool.
public struct ToolCall: Codable, Hashable, Sendable {
    /// The call's id, which the result repeats. Formats without ids get one made from the position.
    public var id: String
    /// The tool's name.
    public var name: String
    /// The arguments as JSON text, exactly as the vendor sent them; models sometimes write invalid JSON.
    public var arguments: String

    public init(
        id: String,
        name: String,
        arguments: String
    ) {
        self.id = id
        self.name = name
        self.arguments = arguments
    }

    private enum CodingKeys: String, CodingKey {
        case id
        case name
        case arguments
    }
}

/// Whether tools may, must or must not be called.
public enum ToolChoice: Codable, Hashable, Sendable {
    /// The model decides.
    case auto
    /// No tool is called.
    case none
    /// At least one tool is called.
    case required
    /// This tool is called.
    case named(String)

    private enum CodingKeys: String, CodingKey {
        case named
    }

    public init(from decoder: Decoder) throws {
        if let word = try? decoder.singleValueContainer().decode(String.self) {
            switch word {
            case "auto": self = .auto
            case "none": self = .none
            case "required": self = .required
            default: throw unknown("ToolChoice", word, at: decoder)
            }
            return
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self = .named(try container.decode(String.self, forKey: .named))
    }

    public func encode(to encoder: Encoder) throws {
        switch self {
        case .auto:
            var word = encoder.singleValueContainer()
            try word.encode("auto")
        case .none:
            var word = encoder.singleValueContainer()
            try word.encode("none")
        case .required:
            var word = encoder.singleValueContainer()
            try word.encode("required")
        case .named(let value):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(value, forKey: .named)
        }
    }
}

/// What a tool answered.
public struct ToolResult: Codable, Hashable, Sendable {
    /// The id of the call that is answered.
    public var callId: String
    /// The tool's name, where a format wants it said.
    public var name: String?
    /// The answer.
    public var parts: [Part]
    /// Whether the tool failed.
    public var isError: Bool

    public init(
        callId: String,
        parts: [Part],
        name: String? = nil,
        isError: Bool = false
    ) {
        self.callId = callId
        self.parts = parts
        self.name = name
        self.isError = isError
    }

    private enum CodingKeys: String, CodingKey {
        case callId = "call_id"
        case name
        case parts
        case isError = "is_error"
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.callId = try container.decode(String.self, forKey: .callId)
        self.name = try container.decodeIfPresent(String.self, forKey: .name)
        self.parts = try container.decode([Part].self, forKey: .parts)
        self.isError = try container.decodeIfPresent(Bool.self, forKey: .isError) ?? false
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(callId, forKey: .callId)
        try container.encodeIfPresent(name, forKey: .name)
        try container.encode(parts, forKey: .parts)
        if isError { try container.encode(isError, forKey: .isError) }
    }
}

/// Tokens and units of one call, normalised: parts lie inside their totals whatever the vendor's own convention.
public struct Usage: Codable, Hashable, Sendable {
    /// Every prompt token: cached reads, cache writes, audio and images included.
    public var input: Int?
    /// What the vendor bills as input, where that is another count than `input` (Cohere counts its own template and
    /// bills only the caller's words). All of it costs the input rate, whatever was read from the cache.
    public var billedInput: Int?
    /// Of `input`: read from the vendor's cache.
    public var cachedRead: Int?
    /// Of `input`: written to the cache for five minutes, or for the vendor's only lifetime.
    public var cacheWrite5m: Int?
    /// Of `input`: written to the cache for an hour.
    public var cacheWrite1h: Int?
    /// Every billed output token: reasoning, audio and images included.
    public var output: Int?
    /// Of `output`: reasoning.
    public var reasoning: Int?
    /// Of `input`: audio.
    public var inputAudio: Int?
    /// Of `cached_read`: audio.
    public var cachedAudio: Int?
    /// Of `output`: audio.
    public var outputAudio: Int?
    /// Of `input`: images.
    public var inputImage: Int?
    /// Of `output`: images.
    public var outputImage: Int?
    /// Searches that the vendor ran and bills by the piece.
    public var searches: Int?
    /// What the vendor says the call cost, where it says so.
    public var statedCost: Usd?
    /// The lane that the vendor says it used.
    public var serviceTier: ServiceTier?

    public init(
        input: Int? = nil,
        billedInput: Int? = nil,
        cachedRead: Int? = nil,
        cacheWrite5m: Int? = nil,
        cacheWrite1h: Int? = nil,
        output: Int? = nil,
        reasoning: Int? = nil,
        inputAudio: Int? = nil,
        cachedAudio: Int? = nil,
        outputAudio: Int? = nil,
        inputImage: Int? = nil,
        outputImage: Int? = nil,
        searches: Int? = nil,
        statedCost: Usd? = nil,
        serviceTier: ServiceTier? = nil
    ) {
        self.input = input
        self.billedInput = billedInput
        self.cachedRead = cachedRead
        self.cacheWrite5m = cacheWrite5m
        self.cacheWrite1h = cacheWrite1h
        self.output = output
        self.reasoning = reasoning
        self.inputAudio = inputAudio
        self.cachedAudio = cachedAudio
        self.outputAudio = outputAudio
        self.inputImage = inputImage
        self.outputImage = outputImage
        self.searches = searches
        self.statedCost = statedCost
        self.serviceTier = serviceTier
    }

    private enum CodingKeys: String, CodingKey {
        case input
        case billedInput = "billed_input"
        case cachedRead = "cached_read"
        case cacheWrite5m = "cache_write_5m"
        case cacheWrite1h = "cache_write_1h"
        case output
        case reasoning
        case inputAudio = "input_audio"
        case cachedAudio = "cached_audio"
        case outputAudio = "output_audio"
        case inputImage = "input_image"
        case outputImage = "output_image"
        case searches
        case statedCost = "stated_cost"
        case serviceTier = "service_tier"
    }
}

/// Extra JSON fields by the wire format they belong to. A wire writes the fields of its own format only. This is
/// also where opaque state lives that must be echoed without loss: reasoning signatures, encrypted items, thought
/// signatures. A reply's parts carry them; sending the parts back sends them back.
public typealias VendorFields = [String: [String: JSON]]

/// A company, or a server of the user's own, that answers requests: `anthropic`, `bedrock`, `my-vllm`.
public typealias VendorId = String

/// Why a model that may be asked is not.
public enum Why: String, Codable, Hashable, Sendable, CaseIterable {
    /// It is not likely enough to be good enough.
    case belowAim = "below_aim"
    /// Others that are good enough cost less.
    case dearer
    /// It is expected to cost more than may be spent.
    case aboveSpend = "above_spend"
    /// Others are worth more, less their cost.
    case worthLess = "worth_less"
    /// Others have a better chance within the cost.
    case lessLikely = "less_likely"
    /// Its endpoints rest after failures or at the vendor's wish.
    case resting
    /// Calls wait at its endpoints, longer than an answer may take.
    case queued
}
