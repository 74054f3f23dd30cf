// Made by scripts/generate_types.py from the core's types: change those, then run it again.
@file:OptIn(ExperimentalSerializationApi::class)

package io.github.tierway

import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.json.JsonClassDiscriminator
import kotlinx.serialization.json.JsonElement

/** What a decision aimed at. */
@Serializable
@JsonClassDiscriminator("by")
sealed interface Aim {
    /** The least cost at this share of the best admitted model's chance. */
    @Serializable
    @SerialName("quality")
    data class Quality(
        /** The share. */
        val quality: Double,
        /** The best admitted model. */
        val best: ModelId,
        /** Its chance of a good answer. */
        @SerialName("best_p_good") val bestPGood: Double,
        /** The chance that is asked for. */
        val bar: Double,
    ) : Aim

    /** The most worth less cost. */
    @Serializable
    @SerialName("worth")
    data class Worth(
        /** What a good answer is worth. */
        val worth: Usd,
    ) : Aim

    /** The best chance within a cost. */
    @Serializable
    @SerialName("spend")
    data class Spend(
        /** The cost. */
        @SerialName("spend_max") val spendMax: Usd,
    ) : Aim
}

/** One more answer to the same request. */
@Serializable
data class Alternative(
    /** The answer, in order. */
    val parts: List<Part>,
    /** Why it ended. */
    val stop: StopReason? = null,
    /** Log-probabilities of the drawn tokens, where asked for. */
    val logprobs: List<TokenLogprob> = emptyList(),
)

/** One attempt. */
@Serializable
data class AttemptLine(
    /** Counted from 1. */
    val number: Long,
    /** The model. */
    val model: ModelId,
    /** Where. */
    val endpoint: EndpointId,
    /** `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` or `check`. */
    val aim: String,
    /** `answered`, `over_budget`, `fell_short`, `outrun` (an attempt beside it was faster), or the error's kind. */
    val outcome: String,
    /** What went wrong, where it did. */
    val error: String? = null,
)

/** What savings are counted against. */
@Serializable
data class BaselineLine(
    /** The model. */
    val model: ModelId,
    /** Expected tokens of output. */
    @SerialName("expected_output") val expectedOutput: Long,
    /** Expected cost. */
    @SerialName("expected_cost") val expectedCost: Usd,
    /** How likely its answer is good enough, where it may be asked. */
    @SerialName("p_good") val pGood: Double? = null,
)

/** How long a vendor should keep a prompt prefix. */
@Serializable
enum class CacheHint {
    /** Five minutes, the default of the vendors that take marks. */
    @SerialName("5m") FOR_5M,
    /** One hour, at a higher write price. */
    @SerialName("1h") FOR_1H,
}

/** A candidate. */
@Serializable
data class CandidateLine(
    /** The model. */
    val model: ModelId,
    /** Where. */
    val endpoint: EndpointId,
    /** Who runs the endpoint. */
    val vendor: VendorId,
    /** Where data is processed. */
    val region: Region,
    /** The model's tier. */
    val tier: Tier,
    /** What it is for. */
    val role: CandidateRole,
    /** How likely its answer is good enough. */
    @SerialName("p_good") val pGood: Double,
    /** Expected tokens of output, reasoning included. */
    @SerialName("expected_output") val expectedOutput: Long,
    /** Expected cost. */
    @SerialName("expected_cost") val expectedCost: Usd,
    /** The most that an attempt at it can cost. */
    val reserve: Usd,
    /** When its endpoint may be called again, where it rests. */
    @SerialName("rests_until") val restsUntil: Timestamp? = null,
    /**
     * The calls that are before this one there, where there are any: their wait counts as time that an answer
     * takes.
     */
    val queue: Queue? = null,
)

/** What a candidate is for. */
@Serializable
enum class CandidateRole {
    /** It is asked first. */
    @SerialName("choice") CHOICE,
    /** It stands in where those before it fail. */
    @SerialName("fallback") FALLBACK,
    /** It stands in, below the aim, where all better ones fail. */
    @SerialName("last_resort") LAST_RESORT,
}

/** A cheap answer first, checked, and a better one where it falls short. */
@Serializable
data class CascadeLine(
    /** Whether it is followed; else asking directly is expected to be as good for less, or nearly. */
    @SerialName("is_taken") val isTaken: Boolean,
    /** Who is asked first. */
    val first: ModelId,
    /** How the answer is checked: `wellformed`, `agreement`, `sample`, `confidence`, `judge` or `own`. */
    val check: String,
    /** Who answers where the first answer falls short. */
    val target: ModelId,
    /** How likely the first answer falls short. */
    @SerialName("p_short") val pShort: Double,
    /** How likely the answer that is delivered is good enough. */
    @SerialName("p_good") val pGood: Double,
    /** What the check is expected to cost. */
    @SerialName("check_cost") val checkCost: Usd,
    /** What the whole path is expected to cost. */
    @SerialName("expected_cost") val expectedCost: Usd,
    /** What asking directly is expected to cost. */
    @SerialName("direct_cost") val directCost: Usd,
    /** Who is asked besides, where the check asks a model. */
    val with: ModelId? = null,
)

/** One line of a charge: so many units of a class and what they cost. */
@Serializable
data class ChargeLine(
    /** What was billed: `input`, `cached_read`, `output` ... */
    val `class`: String,
    /** How many units. */
    val quantity: Long,
    /** What they cost, rounded up to a pico-dollar. */
    val cost: Usd,
)

/** A contribution to the difficulty. */
@Serializable
data class Contribution(
    /** What contributes. */
    val name: String,
    /** How much, on the scale of abilities: one more makes a model of even odds fail three times in four. */
    val amount: Double,
)

/** A name for a kind of data that a request holds, such as `customer-pii`, to which policy ties where it may go. */
typealias DataLabel = String

/**
 * A piece of an answer. `part` numbers the piece's part within the answer, in the wire's own counting; parts stand
 * in the reply in the order of their first piece.
 */
@Serializable
@JsonClassDiscriminator("type")
sealed interface Delta {
    /** The answer begins. */
    @Serializable
    @SerialName("start")
    data class Start(
        /** The vendor's id of the answer. */
        val id: String? = null,
        /** The model that answers, as the vendor names it. */
        val model: String? = null,
    ) : Delta

    /** More text. */
    @Serializable
    @SerialName("text")
    data class Text(
        /** Which part. */
        val part: Long,
        /** The text to append. */
        val text: String,
    ) : Delta

    /** More reasoning. */
    @Serializable
    @SerialName("reasoning")
    data class Reasoning(
        /** Which part. */
        val part: Long,
        /** The text to append; may be empty to open the part. */
        val text: String,
    ) : Delta

    /** More of a refusal. */
    @Serializable
    @SerialName("refusal")
    data class Refusal(
        /** Which part. */
        val part: Long,
        /** The text to append. */
        val text: String,
    ) : Delta

    /** A tool call begins. */
    @Serializable
    @SerialName("tool_call")
    data class ToolCall(
        /** Which part. */
        val part: Long,
        /** The call's id. */
        val id: String,
        /** The tool's name. */
        val name: String,
    ) : Delta

    /** More of a tool call's arguments, as JSON text. */
    @Serializable
    @SerialName("arguments")
    data class Arguments(
        /** Which part. */
        val part: Long,
        /** The text to append. */
        val text: String,
    ) : Delta

    /** A whole part at once: an image, a vendor's own item. */
    @Serializable
    @SerialName("part")
    data class Part(
        /** Which part. */
        val part: Long,
        /** The part, which replaces what stood there. */
        val whole: io.github.tierway.Part,
    ) : Delta

    /** Vendor fields of a part: a signature, an encrypted form. They are added to those there. */
    @Serializable
    @SerialName("part_vendor")
    data class PartVendor(
        /** Which part; it is opened as reasoning where nothing stands there yet. */
        val part: Long,
        /** The fields. */
        val fields: VendorFields,
    ) : Delta

    /** Log-probabilities of further tokens. */
    @Serializable
    @SerialName("logprobs")
    data class Logprobs(
        /** In order. */
        val tokens: List<TokenLogprob>,
    ) : Delta

    /** What was used so far; the last report counts, class by class. */
    @Serializable
    @SerialName("usage")
    data class Usage(
        /** The report. */
        val usage: io.github.tierway.Usage,
    ) : Delta

    /** The stream broke, and another model writes the rest of the answer from here on. */
    @Serializable
    @SerialName("continued")
    data class Continued(
        /** Its pieces have this number of a part or a higher one. */
        val part: Long,
        /** The model. */
        val model: ModelId,
    ) : Delta

    /** What came so far fell short of a check and is void: another answer takes its place from here on. */
    @Serializable
    @SerialName("replaced")
    data class Replaced(
        /** The model that writes it. */
        val model: ModelId,
    ) : Delta

    /** The answer ended. */
    @Serializable
    @SerialName("stop")
    data class Stop(
        /** Why. */
        val reason: StopReason,
    ) : Delta

    /** Vendor fields of the whole answer. */
    @Serializable
    @SerialName("vendor")
    data class Vendor(
        /** The fields. */
        val fields: VendorFields,
    ) : Delta

    /** A piece of a further answer, where several were asked for. */
    @Serializable
    @SerialName("alternative")
    data class Alternative(
        /** Which answer: 1 is the second. */
        val index: Long,
        /** The piece. */
        val delta: Delta,
    ) : Delta
}

/** How hard to think. */
@Serializable
enum class Effort {
    /** Not at all. */
    @SerialName("none") NONE,
    /** As little as the model can. */
    @SerialName("minimal") MINIMAL,
    /** Little. */
    @SerialName("low") LOW,
    /** The usual. */
    @SerialName("medium") MEDIUM,
    /** Much. */
    @SerialName("high") HIGH,
    /** More than much, where a model tells it apart. */
    @SerialName("xhigh") XHIGH,
    /** As much as the model can. */
    @SerialName("max") MAX,
}

/** One address that serves models: a vendor in a region, a deployment, a server of the user's own. */
typealias EndpointId = String

/** A whole decision. `Display` fits one terminal screen; JSON holds all of it. */
@Serializable
data class Explanation(
    /** When it was made. */
    val at: Timestamp,
    /** How large the request is. */
    val sizes: Sizes,
    /** What it aimed at. */
    val aim: Aim,
    /** Who is asked, in order. */
    val candidates: List<CandidateLine>,
    /** Who may be asked and is not, the likeliest to be good enough first. */
    @SerialName("passed_over") val passedOver: List<PassedOver>,
    /** Who may not be asked, by model. */
    val refused: List<RefusedModel>,
    /** How hard it was found to be; absent where the caller brought its own ratings. */
    val hardness: Hardness? = null,
    /** Where the promise of quality stands, where one was made: each time it failed the aim was raised. */
    val promise: PromiseState? = null,
    /** The best way to ask a cheap model first and check its answer, where checks may be planned. */
    val cascade: CascadeLine? = null,
    /** What savings are counted against. */
    val baseline: BaselineLine? = null,
    /** What the choice saves. */
    val saving: Saving? = null,
)

/** How hard a request was found to be, and why. */
@Serializable
data class Hardness(
    /** What kind of work it is. */
    val kind: TaskKind,
    /** From 0 to 1. */
    val difficulty: Double,
    /** The parts, which add up on the scale of abilities. */
    val parts: List<Contribution>,
    /** Tokens of an answer of common length, without reasoning. */
    @SerialName("expected_output") val expectedOutput: Long,
)

/** One turn of a conversation. */
@Serializable
data class Message(
    /** Who speaks. */
    val role: Role,
    /** What is said, in order. */
    val parts: List<Part>,
    /** The speaker's name, where a format has one. */
    val name: String? = null,
    /** Fields of one format only. */
    val vendor: VendorFields = emptyMap(),
)

/** Which model answers. */
@Serializable(with = ModelChoice.Serial::class)
sealed interface ModelChoice {
    /** The router decides. */
    data object Auto : ModelChoice

    /** This one, if policy admits it. */
    data class Only(val only: ModelId) : ModelChoice

    /** The best of these. */
    data class AnyOf(val anyOf: List<ModelId>) : ModelChoice

    /** As a word, or as an object with one key. */
    object Serial : ChoiceSerializer<ModelChoice>(
        "ModelChoice",
        mapOf("auto" to Auto),
        Keyed("only", String.serializer(), ::Only) { (it as? Only)?.only },
        Keyed("any_of", ListSerializer(String.serializer()), ::AnyOf) { (it as? AnyOf)?.anyOf },
    )
}

/** A model as a user names it: `vendor/name`, such as `deepseek/deepseek-chat`. */
typealias ModelId = String

/** One piece of a message or a reply. */
@Serializable
@JsonClassDiscriminator("type")
sealed interface Part {
    /** Asks the vendor to keep the prompt up to and including this part in its cache. */
    val cache: CacheHint?

    /** Fields of one format only: reasoning signatures, citations, image detail. */
    val vendor: VendorFields

    /** Words. */
    @Serializable
    @SerialName("text")
    data class Text(
        /** The words. */
        val text: String,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /** A picture. */
    @Serializable
    @SerialName("image")
    data class Image(
        /** Where its bytes are. */
        val source: Source,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /** A sound. */
    @Serializable
    @SerialName("audio")
    data class Audio(
        /** Where its bytes are. */
        val source: Source,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /** A moving picture. */
    @Serializable
    @SerialName("video")
    data class Video(
        /** Where its bytes are. */
        val source: Source,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /** A file: a PDF, a text, a table. */
    @Serializable
    @SerialName("document")
    data class Document(
        /** Where its bytes are. */
        val source: Source,
        /** Its name, where known. */
        val name: String? = null,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /** The model asks for a tool. */
    @Serializable
    @SerialName("tool_call")
    data class ToolCall(
        /** The call's id, which the result repeats. Formats without ids get one made from the position. */
        val id: String,
        /** The tool's name. */
        val name: String,
        /** The arguments as JSON text, exactly as the vendor sent them; models sometimes write invalid JSON. */
        val arguments: String,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /** What a tool answered. */
    @Serializable
    @SerialName("tool_result")
    data class ToolResult(
        /** The id of the call that is answered. */
        @SerialName("call_id") val callId: String,
        /** The answer. */
        val parts: List<Part>,
        /** The tool's name, where a format wants it said. */
        val name: String? = null,
        /** Whether the tool failed. */
        @SerialName("is_error") val isError: Boolean = false,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /**
     * The model's reasoning. Its signature or encrypted form, if any, is in the part's vendor fields, and the text
     * may be empty where the vendor shows none.
     */
    @Serializable
    @SerialName("reasoning")
    data class Reasoning(
        /** The reasoning, or a summary of it, as the vendor shows it. */
        val text: String,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /** The model declines, where the format tells that apart from text. */
    @Serializable
    @SerialName("refusal")
    data class Refusal(
        /** Its words. */
        val text: String,
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part

    /** A part that only one format knows, whole in the part's vendor fields. */
    @Serializable
    @SerialName("vendor")
    data class Vendor(
        override val cache: CacheHint? = null,
        override val vendor: VendorFields = emptyMap(),
    ) : Part
}

/** A model that may be asked and is not. */
@Serializable
data class PassedOver(
    /** The model. */
    val model: ModelId,
    /** Its tier. */
    val tier: Tier,
    /** How likely its answer would be good enough. */
    @SerialName("p_good") val pGood: Double,
    /** What its answer would be expected to cost. */
    @SerialName("expected_cost") val expectedCost: Usd,
    /** Why it is not asked. */
    val why: Why,
)

/** Why a request may not go to a model at an endpoint. */
@Serializable
data class PlaceRefusals(
    /** The endpoint. */
    val endpoint: EndpointId,
    /** Every reason, in the order of the rules. */
    val refusals: List<Refusal>,
)

/** Where a promise stands, since it was made or last failed. */
@Serializable
data class PromiseState(
    /** The share of the better model's quality that was promised. */
    val quality: Double,
    /** How sure an alarm is. */
    val confidence: Double,
    /** How often it failed; each time the aim was raised by a step. */
    val steps: Long,
    /** The evidence against it: 1 is none, and it fails at 1 / (1 - confidence). */
    val evidence: Double,
    /** How many comparisons were made. */
    val comparisons: Long,
    /** How many marks came. */
    val marks: Long,
    /** The least mean loss that the comparisons leave possible, with that confidence, at any time. */
    @SerialName("loss_min") val lossMin: Double,
    /** The greatest. */
    @SerialName("loss_max") val lossMax: Double,
)

/** Calls that are before one which comes now. The default is no queue. */
@Serializable
data class Queue(
    /** How many: those that are worked at and those that wait. */
    val calls: Long,
    /** How long they are expected to keep a new one waiting: their number by the measured speed. */
    val wait: Span,
)

/** How much the model should think before it answers. */
@Serializable
data class ReasoningAsk(
    /** In words. */
    val effort: Effort? = null,
    /** In tokens; zero means none. */
    @SerialName("budget_tokens") val budgetTokens: Long? = null,
    /** Whether to show the reasoning, or a summary of it, where the vendor hides it. */
    val show: Boolean? = null,
)

/** One reason why a request may not go to a model at an endpoint. */
@Serializable
data class Refusal(
    /** The rule that refuses. */
    val rule: RuleName,
    /** What is wrong, for people, in one line. */
    val reason: String,
)

/** A model that may not see the request, at some endpoint or at all. */
@Serializable
data class RefusedModel(
    /** The model. */
    val model: ModelId,
    /** Its tier. */
    val tier: Tier,
    /** The reasons, endpoint by endpoint. Empty where no endpoint serves the model, or `auto` may not choose it. */
    val places: List<PlaceRefusals>,
    /** Why it has no endpoint to speak of. */
    val note: String? = null,
)

/** A place where data is processed, coarse or fine: `eu`, `us`, `cn`, `eu-central-1`, `local`, `global` (anywhere). */
typealias Region = String

/** A whole answer. */
@Serializable
data class Reply(
    /** The answer, in order; the first where several were asked for. */
    val parts: List<Part>,
    /** The vendor's id of the answer. */
    val id: String? = null,
    /** The model that answered, as the vendor names it. */
    val model: String? = null,
    /** Why it ended. */
    val stop: StopReason? = null,
    /** What it used. */
    val usage: Usage? = null,
    /** Log-probabilities of the drawn tokens, where asked for. */
    val logprobs: List<TokenLogprob> = emptyList(),
    /** Further answers, where several were asked for. */
    val alternatives: List<Alternative> = emptyList(),
    /** Where other models took over after a stream broke, in order; empty where one model wrote it all. */
    val continued: List<Takeover> = emptyList(),
    /** Fields of one format only. */
    val vendor: VendorFields = emptyMap(),
)

/** A request as data, before it was checked. Every field but `messages` may be left out. */
@Serializable
data class RequestDraft(
    /** Which model answers. */
    val model: ModelChoice? = null,
    /** The conversation so far, oldest first. */
    val messages: List<Message> = emptyList(),
    /** Tools that the model may call. */
    val tools: List<Tool> = emptyList(),
    /** Whether it may, must or must not call them. */
    @SerialName("tool_choice") val toolChoice: ToolChoice? = null,
    /** Whether several tools may be called in one turn; `None` leaves it to the vendor. */
    @SerialName("parallel_tools") val parallelTools: Boolean? = null,
    /** The shape of the answer. */
    val format: ResponseFormat? = null,
    /** How words are drawn. */
    val sampling: Sampling? = null,
    /** Most tokens of output, reasoning included. */
    @SerialName("max_tokens") val maxTokens: Long? = null,
    /** How much the model should think first. */
    val reasoning: ReasoningAsk? = null,
    /** The vendor's lane: priority costs more, flex and batch less. */
    @SerialName("service_tier") val serviceTier: ServiceTier? = null,
    /** The conversation this belongs to: it pins models and keeps prompt caches warm. */
    val session: SessionId? = null,
    /** Kinds of data the request holds: policy ties each to where it may go. */
    val labels: List<DataLabel> = emptyList(),
    /** The caller's own names for the ledger: user, team, project, feature. */
    val tags: Map<String, String> = emptyMap(),
    /** Fields of one wire format only. */
    val vendor: VendorFields = emptyMap(),
)

/** One request as the router handles it, unique for ever: its attempts' ids are made from it. */
typealias RequestId = String

/** A whole answer with its route and its exact cost. */
@Serializable
data class Response(
    /** The request's id: the ledger's attempts begin with it. */
    val id: RequestId,
    /** The answer. */
    val reply: Reply,
    /** Who gave it. */
    val route: Route,
    /** What the request cost, every attempt included. */
    val cost: Usd,
    /** What the answer's own attempt is charged for. */
    val lines: List<ChargeLine>,
    /** The baseline's cost less this request's; below zero where it cost more. */
    val saved: Usd,
    /** How long it took. */
    val timing: Timing,
    /** What the same answer would have cost on the baseline; `None` where it has no price. */
    @SerialName("baseline_cost") val baselineCost: Usd? = null,
)

/** The shape of an answer. */
@Serializable
@JsonClassDiscriminator("type")
sealed interface ResponseFormat {
    /** Free text. */
    @Serializable
    @SerialName("text")
    data object Text : ResponseFormat

    /** Any JSON object. */
    @Serializable
    @SerialName("json_object")
    data object JsonObject : ResponseFormat

    /** JSON that keeps to a schema. */
    @Serializable
    @SerialName("json_schema")
    data class JsonSchema(
        /** A name for the schema. */
        val name: String,
        /** The JSON Schema. */
        val schema: JsonElement,
        /** What it is for, for the model. */
        val description: String? = null,
        /** Whether the vendor must hold the answer to it; `None` leaves it to the vendor. */
        val strict: Boolean? = null,
    ) : ResponseFormat
}

/** Who speaks. */
@Serializable
enum class Role {
    /** Instructions from the application. */
    @SerialName("system") SYSTEM,
    /** Instructions from the application, where a vendor tells them apart from the platform's. */
    @SerialName("developer") DEVELOPER,
    /** The person, or the program that asks. */
    @SerialName("user") USER,
    /** The model. */
    @SerialName("assistant") ASSISTANT,
    /** The results of tool calls. */
    @SerialName("tool") TOOL,
}

/** Who answered, and what was tried before. */
@Serializable
data class Route(
    /** The model that answered. */
    val model: ModelId,
    /** Where. */
    val endpoint: EndpointId,
    /** Who runs the endpoint. */
    val vendor: VendorId,
    /** Where the data was processed. */
    val region: Region,
    /** The model's tier. */
    val tier: Tier,
    /** Every attempt, the last one the one that answered; where checks asked models, in the order of their numbers. */
    val attempts: List<AttemptLine>,
    /** The model against which savings are counted. */
    val baseline: ModelId? = null,
    /** Why its answer was delivered although it fell short of a check, where that is so. */
    @SerialName("fell_short") val fellShort: String? = null,
)

/** A rule that can refuse. The names are stable: dashboards count them. */
@Serializable
enum class RuleName {
    /** The request names other models. */
    @SerialName("asked") ASKED,
    /** The vendor is not allowed. */
    @SerialName("vendor") VENDOR,
    /** The model is not allowed. */
    @SerialName("model") MODEL,
    /** The model's tier is out of bounds. */
    @SerialName("tier") TIER,
    /** The place is not allowed. */
    @SerialName("residency") RESIDENCY,
    /** Only the user's own servers are allowed. */
    @SerialName("self_hosted") SELF_HOSTED,
    /** A data label may not go there. */
    @SerialName("sensitivity") SENSITIVITY,
    /** There is no key for the endpoint. */
    @SerialName("key") KEY,
    /** The vendor has withdrawn the model. */
    @SerialName("retired") RETIRED,
    /** The model has no price, so its cost cannot be bounded. */
    @SerialName("unpriced") UNPRICED,
    /** The model cannot do what is asked. */
    @SerialName("capability") CAPABILITY,
    /** The request holds parts that only another format knows. */
    @SerialName("format") FORMAT,
    /** The prompt and an answer do not fit the context window. */
    @SerialName("context") CONTEXT,
    /** The model does not take a parameter of the request. */
    @SerialName("accepts") ACCEPTS,
    /** It may cost more than is left. */
    @SerialName("budget") BUDGET,
    /** The endpoint is not well at the moment. */
    @SerialName("health") HEALTH,
}

/** How words are drawn. `None` leaves each to the vendor. */
@Serializable
data class Sampling(
    /** 0 to 2. */
    val temperature: Double? = null,
    /** Above 0, to 1. */
    @SerialName("top_p") val topP: Double? = null,
    /** At least 1. */
    @SerialName("top_k") val topK: Long? = null,
    /** 0 to 1. */
    @SerialName("min_p") val minP: Double? = null,
    /** -2 to 2. */
    @SerialName("frequency_penalty") val frequencyPenalty: Double? = null,
    /** -2 to 2. */
    @SerialName("presence_penalty") val presencePenalty: Double? = null,
    /** For repeatable drawing, as far as the vendor keeps it. */
    val seed: Long? = null,
    /** Texts that end the answer. */
    val stop: List<String> = emptyList(),
    /** How many alternatives to each drawn token to report with log-probabilities: 0 to 20; `None` reports none. */
    val logprobs: Int? = null,
    /** How many answers: 1 to 8. */
    val candidates: Int? = null,
)

/** What the choice saves against the baseline. */
@Serializable
data class Saving(
    /** The baseline's expected cost less the choice's; below zero where the choice costs more. */
    val amount: Usd,
    /** As a share of the baseline's. */
    val share: Double,
)

/** A vendor's lane. */
@Serializable
enum class ServiceTier {
    /** Left to the vendor's account settings. */
    @SerialName("auto") AUTO,
    /** The ordinary lane. */
    @SerialName("standard") STANDARD,
    /** Slower and cheaper. */
    @SerialName("flex") FLEX,
    /** Faster and dearer. */
    @SerialName("priority") PRIORITY,
    /** Within a day, at about half the price. */
    @SerialName("batch") BATCH,
}

/** A conversation whose requests belong together. */
typealias SessionId = String

/** How large a request is. */
@Serializable
data class Sizes(
    /** Prompt tokens, roughly. */
    @SerialName("input_tokens") val inputTokens: Long,
    /** Prompt tokens, at most, at the first candidate. */
    @SerialName("input_tokens_max") val inputTokensMax: Long,
    /** Tokens of output, at most, at the first candidate. */
    @SerialName("output_tokens_max") val outputTokensMax: Long,
)

/** Where media bytes are. */
@Serializable
@JsonClassDiscriminator("from")
sealed interface Source {
    /** Here, in base64. */
    @Serializable
    @SerialName("base64")
    data class Base64(
        /** Such as `image/png`. */
        @SerialName("media_type") val mediaType: String,
        /** The bytes in standard base64. */
        val data: String,
    ) : Source

    /** At an address that the vendor fetches. */
    @Serializable
    @SerialName("url")
    data class Url(
        /** The address. */
        val url: String,
        /** Such as `image/png`, where a format wants it said. */
        @SerialName("media_type") val mediaType: String? = null,
    ) : Source

    /** Uploaded to the vendor before. */
    @Serializable
    @SerialName("file")
    data class File(
        /** The vendor's id of the file. */
        val id: String,
        /** Such as `application/pdf`, where a format wants it said. */
        @SerialName("media_type") val mediaType: String? = null,
    ) : Source

    /** Plain text, for documents. */
    @Serializable
    @SerialName("text")
    data class Text(
        /** The text. */
        val text: String,
        /** Such as `text/plain`. */
        @SerialName("media_type") val mediaType: String,
    ) : Source
}

/** A length of time, in milliseconds. */
typealias Span = Long

/** Why an answer ended. */
@Serializable(with = StopReason.Serial::class)
sealed interface StopReason {
    /** The model was done. */
    data object End : StopReason

    /** A stop text was met. */
    data object StopText : StopReason

    /** The most tokens of output were reached. */
    data object MaxTokens : StopReason

    /** The context window was full. */
    data object ContextFull : StopReason

    /** The model waits for tool results. */
    data object ToolUse : StopReason

    /** The vendor's filter cut or held back the answer. */
    data object ContentFilter : StopReason

    /** The model declined. */
    data object Refusal : StopReason

    /** The vendor paused a long turn; send the reply back to go on. */
    data object Pause : StopReason

    /** The model wrote a tool call that the vendor could not read. */
    data object BadToolCall : StopReason

    /** A reason that no other name fits, in the vendor's word. */
    data class Other(val other: String) : StopReason

    /** As a word, or as an object with one key. */
    object Serial : ChoiceSerializer<StopReason>(
        "StopReason",
        mapOf("end" to End, "stop_text" to StopText, "max_tokens" to MaxTokens, "context_full" to ContextFull, "tool_use" to ToolUse, "content_filter" to ContentFilter, "refusal" to Refusal, "pause" to Pause, "bad_tool_call" to BadToolCall),
        Keyed("other", String.serializer(), ::Other) { (it as? Other)?.other },
    )
}

/** From where on another model wrote an answer. */
@Serializable
data class Takeover(
    /** Its first part in `Reply::parts`, counted from 0. */
    val part: Long,
    /** The model that wrote from there on. */
    val model: ModelId,
)

/** A kind of work. */
@Serializable
enum class TaskKind {
    /** Small talk, thanks, a question about nothing in particular. */
    @SerialName("conversation") CONVERSATION,
    /** Picking facts out of a given text. */
    @SerialName("extraction") EXTRACTION,
    /** Choosing one of few labels. */
    @SerialName("classification") CLASSIFICATION,
    /** From one language to another. */
    @SerialName("translation") TRANSLATION,
    /** A text made shorter. */
    @SerialName("summary") SUMMARY,
    /** Prose and verse. */
    @SerialName("writing") WRITING,
    /** What is known. */
    @SerialName("knowledge") KNOWLEDGE,
    /** Formulas and numbers. */
    @SerialName("mathematics") MATHEMATICS,
    /** Programs. */
    @SerialName("code") CODE,
    /** Proof, analysis, planning. */
    @SerialName("reasoning") REASONING,
    /** Work with tools over several turns. */
    @SerialName("agentic") AGENTIC,
}

/** How strong and how dear a model is, among those on sale. */
@Serializable
enum class Tier {
    /** On the user's own machine. */
    @SerialName("local") LOCAL,
    /** Small and cheap. */
    @SerialName("economy") ECONOMY,
    /** In between. */
    @SerialName("standard") STANDARD,
    /** The strongest there are. */
    @SerialName("frontier") FRONTIER,
}

/** Milliseconds since 1970-01-01T00:00:00Z. */
typealias Timestamp = Long

/** How long a request took. */
@Serializable
data class Timing(
    /** The decision alone. */
    val decision: Double,
    /** Everything. */
    val total: Span,
    /** From the attempt that answered being sent to its first piece. */
    @SerialName("first_piece") val firstPiece: Span? = null,
)

/** A drawn token and how likely it was. */
@Serializable
data class TokenLogprob(
    /** The token's text. */
    val token: String,
    /** Natural logarithm of its probability. */
    val logprob: Double,
    /** The likeliest tokens at this place, with theirs. */
    val top: List<JsonElement> = emptyList(),
)

/** A tool that the model may call. */
@Serializable
data class Tool(
    /** Its name: letters, digits, `_`, `-`, `.`, `:`; at most 128. */
    val name: String,
    /** What it does, for the model. */
    val description: String? = null,
    /** JSON Schema of its arguments; absent means no arguments. */
    val parameters: JsonElement? = null,
    /** Whether the vendor must hold the arguments to the schema. */
    val strict: Boolean? = null,
    /** Keeps the prompt up to and including this tool in the vendor's cache. */
    val cache: CacheHint? = null,
    /** Fields of one format only. A tool of the vendor's own (web search, code execution) is whole in here. */
    val vendor: VendorFields = emptyMap(),
)

/** A model's wish to call a tool. */
@Serializable
data class ToolCall(
    /** The call's id, which the result repeats. Formats without ids get one made from the position. */
    val id: String,
    /** The tool's name. */
    val name: String,
    /** The arguments as JSON text, exactly as the vendor sent them; models sometimes write invalid JSON. */
    val arguments: String,
)

/** Whether tools may, must or must not be called. */
@Serializable(with = ToolChoice.Serial::class)
sealed interface ToolChoice {
    /** The model decides. */
    data object Auto : ToolChoice

    /** No tool is called. */
    data object None : ToolChoice

    /** At least one tool is called. */
    data object Required : ToolChoice

    /** This tool is called. */
    data class Named(val named: String) : ToolChoice

    /** As a word, or as an object with one key. */
    object Serial : ChoiceSerializer<ToolChoice>(
        "ToolChoice",
        mapOf("auto" to Auto, "none" to None, "required" to Required),
        Keyed("named", String.serializer(), ::Named) { (it as? Named)?.named },
    )
}

/** What a tool answered. */
@Serializable
data class ToolResult(
    /** The id of the call that is answered. */
    @SerialName("call_id") val callId: String,
    /** The answer. */
    val parts: List<Part>,
    /** The tool's name, where a format wants it said. */
    val name: String? = null,
    /** Whether the tool failed. */
    @SerialName("is_error") val isError: Boolean = false,
)

/** Tokens and units of one call, normalised: parts lie inside their totals whatever the vendor's own convention. */
@Serializable
data class Usage(
    /** Every prompt token: cached reads, cache writes, audio and images included. */
    val input: Long? = null,
    /**
     * What the vendor bills as input, where that is another count than `input` (Cohere counts its own template and
     * bills only the caller's words). All of it costs the input rate, whatever was read from the cache.
     */
    @SerialName("billed_input") val billedInput: Long? = null,
    /** Of `input`: read from the vendor's cache. */
    @SerialName("cached_read") val cachedRead: Long? = null,
    /** Of `input`: written to the cache for five minutes, or for the vendor's only lifetime. */
    @SerialName("cache_write_5m") val cacheWrite5m: Long? = null,
    /** Of `input`: written to the cache for an hour. */
    @SerialName("cache_write_1h") val cacheWrite1h: Long? = null,
    /** Every billed output token: reasoning, audio and images included. */
    val output: Long? = null,
    /** Of `output`: reasoning. */
    val reasoning: Long? = null,
    /** Of `input`: audio. */
    @SerialName("input_audio") val inputAudio: Long? = null,
    /** Of `cached_read`: audio. */
    @SerialName("cached_audio") val cachedAudio: Long? = null,
    /** Of `output`: audio. */
    @SerialName("output_audio") val outputAudio: Long? = null,
    /** Of `input`: images. */
    @SerialName("input_image") val inputImage: Long? = null,
    /** Of `output`: images. */
    @SerialName("output_image") val outputImage: Long? = null,
    /** Searches that the vendor ran and bills by the piece. */
    val searches: Long? = null,
    /** What the vendor says the call cost, where it says so. */
    @SerialName("stated_cost") val statedCost: Usd? = null,
    /** The lane that the vendor says it used. */
    @SerialName("service_tier") val serviceTier: ServiceTier? = null,
)

/**
 * Extra JSON fields by the wire format they belong to. A wire writes the fields of its own format only. This is
 * also where opaque state lives that must be echoed without loss: reasoning signatures, encrypted items, thought
 * signatures. A reply's parts carry them; sending the parts back sends them back.
 */
typealias VendorFields = Map<String, Map<String, JsonElement>>

/** A company, or a server of the user's own, that answers requests: `anthropic`, `bedrock`, `my-vllm`. */
typealias VendorId = String

/** Why a model that may be asked is not. */
@Serializable
enum class Why {
    /** It is not likely enough to be good enough. */
    @SerialName("below_aim") BELOW_AIM,
    /** Others that are good enough cost less. */
    @SerialName("dearer") DEARER,
    /** It is expected to cost more than may be spent. */
    @SerialName("above_spend") ABOVE_SPEND,
    /** Others are worth more, less their cost. */
    @SerialName("worth_less") WORTH_LESS,
    /** Others have a better chance within the cost. */
    @SerialName("less_likely") LESS_LIKELY,
    /** Its endpoints rest after failures or at the vendor's wish. */
    @SerialName("resting") RESTING,
    /** Calls wait at its endpoints, longer than an answer may take. */
    @SerialName("queued") QUEUED,
}
