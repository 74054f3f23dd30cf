//! Vendors' codes and words, and the kind that each stands for.

use super::Complaint;
use crate::error::Kind;

/// Codes, types and exception names in lower case without `_` and `-`, as OpenAI, Azure, Anthropic, Google, AWS, Cohere,
/// Mistral, Groq, xAI, DeepSeek, OpenRouter, vLLM, SGLang and llama.cpp document or send them.
const CODES: &[(Kind, &[&str])] = &[
    (
        Kind::ContextTooLong,
        &["contextlengthexceeded", "exceedcontextsizeerror", "contextwindowexceeded", "prompttoolong", "inputtoolong"],
    ),
    (
        Kind::ContentFiltered,
        &[
            "contentfilter",
            "contentfiltered",
            "contentpolicyviolation",
            "responsibleaipolicyviolation",
            "moderationblocked",
            "invalidprompt",
            "datainspectionfailed",
            "safety",
            "cyberpolicy",
            "biopolicy",
            "imagecontentpolicyviolation",
            "contentmoderation",
        ],
    ),
    (
        Kind::Quota,
        &[
            "insufficientquota",
            "billinghardlimitreached",
            "billingnotactive",
            "billingerror",
            "insufficientbalance",
            "insufficientcredits",
            "quotaexceeded",
            "exceededquota",
            "paymentrequired",
            "spendlimitreached",
            "servicequotaexceededexception",
            "usagelimitreached",
        ],
    ),
    (
        Kind::Auth,
        &[
            "invalidapikey",
            "apikeyinvalid",
            "apikeyexpired",
            "authenticationerror",
            "invalidauthentication",
            "unauthorized",
            "unauthenticated",
            "unrecognizedclientexception",
            "invalidsignatureexception",
            "incompletesignatureexception",
            "missingauthenticationtokenexception",
            "expiredtokenexception",
            "expiredtoken",
            "tokenexpired",
        ],
    ),
    (
        Kind::Permission,
        &[
            "permissionerror",
            "permissiondenied",
            "forbidden",
            "accessdenied",
            "accessdeniedexception",
            "unsupportedcountryregionterritory",
            "modelaccessdenied",
        ],
    ),
    (
        Kind::NotFound,
        &[
            "modelnotfound",
            "notfounderror",
            "notfound",
            "deploymentnotfound",
            "resourcenotfoundexception",
            "modelnotavailable",
            "unknownmodel",
            "modeldecommissioned",
            "invalidmodel",
        ],
    ),
    (Kind::TooLarge, &["requesttoolarge", "payloadtoolarge", "requestentitytoolarge"]),
    (Kind::BadToolCall, &["toolusefailed", "invalidtoolcall", "toolparseerror"]),
    (
        Kind::RateLimited,
        &[
            "ratelimitexceeded",
            "ratelimiterror",
            "ratelimited",
            "ratelimit",
            "toomanyrequests",
            "toomanyrequestsexception",
            "throttlingexception",
            "throttled",
            "resourceexhausted",
            "requests",
            "tokens",
        ],
    ),
    (
        Kind::Overloaded,
        &[
            "overloadederror",
            "overloaded",
            "engineoverloaded",
            "engineoverloadederror",
            "modeloverloaded",
            "unavailable",
            "serviceunavailable",
            "serviceunavailableexception",
            "serviceunavailableerror",
            "modelnotreadyexception",
            "capacityexceeded",
            "serveroverloaded",
            "slowdown",
            "nocapacity",
        ],
    ),
    (
        Kind::Server,
        &[
            "servererror",
            "apierror",
            "internal",
            "internalerror",
            "internalservererror",
            "internalserverexception",
            "internalfailure",
            "modelerrorexception",
            "modelstreamerrorexception",
            "modeltimeoutexception",
            "deadlineexceeded",
            "timeouterror",
            "requesttimeout",
        ],
    ),
    (
        Kind::Unsupported,
        &["notsupportederror", "unsupportedvalue", "unsupportedparameter", "unimplemented", "unsupportedfile"],
    ),
];

/// Words in messages, lower case, for vendors whose code says no more than "bad request".
const WORDS: &[(Kind, &[&str])] = &[
    (
        Kind::ContextTooLong,
        &[
            "prompt is too long",
            "input is too long",
            "maximum context length",
            "context window",
            "context length",
            "context size",
            "maximum prompt length",
            "input token count",
            "too many tokens",
            "exceeds the maximum number of tokens",
            "input length and `max_tokens` exceed",
            "is longer than the model",
            "too large for model with",
            "token limit reached",
        ],
    ),
    (
        Kind::ContentFiltered,
        &[
            "content management policy",
            "content filter",
            "content_filter",
            "content policy",
            "safety system",
            "usage policy",
            "content exists risk",
            "blocked by guardrail",
        ],
    ),
    (
        Kind::Quota,
        &[
            "credit balance is too low",
            "insufficient balance",
            "insufficient credits",
            "spending limit",
            "out of credits",
        ],
    ),
    (
        Kind::Auth,
        &["api key not valid", "invalid api key", "incorrect api key", "api key is invalid", "security token included"],
    ),
    (
        Kind::NotFound,
        &[
            "model not found",
            "is not a valid model id",
            "does not exist",
            "model identifier is invalid",
            "end of its life",
            "unknown model",
            "no endpoints found",
        ],
    ),
    (
        Kind::Unsupported,
        &[
            "not support",
            "not enabled for this model",
            "unknown variant",
            "unsupported",
            "isn't available for this model",
            "doesn't allow",
            "on-demand throughput isn",
            "flag",
        ],
    ),
];

/// What a complaint means.
pub(super) fn kind_of(complaint: &Complaint, status: u16) -> Kind {
    let by_code = [&complaint.code, &complaint.kind].into_iter().flatten().find_map(|word| by_code(word));
    let by_status = by_status(status);
    match (by_code, by_status) {
        // A vendor's "server error" says less than a status of 4xx; "not found" under 401 is still a key problem.
        (Some(Kind::Server), Some(told)) if told != Kind::Server => told_by_words(complaint, told),
        (Some(Kind::Server), _) => told_by_words(complaint, Kind::Server),
        (Some(kind), _) => kind,
        (None, Some(told)) => told_by_words(complaint, told),
        (None, None) => told_by_words(complaint, Kind::Server),
    }
}

/// The kind that a code stands for.
fn by_code(word: &str) -> Option<Kind> {
    let name = word.rsplit(['#', '/']).next().unwrap_or(word);
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    CODES.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(kind, _)| *kind)
}

/// The kind that a status stands for; `None` for a status that is no failure.
fn by_status(status: u16) -> Option<Kind> {
    Some(match status {
        401 => Kind::Auth,
        402 => Kind::Quota,
        403 => Kind::Permission,
        404 | 410 => Kind::NotFound,
        408 | 409 | 425 => Kind::Server,
        413 => Kind::TooLarge,
        424 => Kind::Server,
        429 => Kind::RateLimited,
        451 => Kind::ContentFiltered,
        // Groq's "flex tier capacity exceeded".
        498 => Kind::Overloaded,
        499 => Kind::Cancelled,
        400..=498 => Kind::Invalid,
        501 => Kind::Unsupported,
        503 | 529 => Kind::Overloaded,
        500..=599 => Kind::Server,
        300..=399 => Kind::Protocol,
        _ => return None,
    })
}

/// What the words add where code and status say little.
fn told_by_words(complaint: &Complaint, told: Kind) -> Kind {
    let vague = matches!(told, Kind::Invalid | Kind::Server | Kind::Permission | Kind::TooLarge);
    if !vague {
        return told;
    }
    let words = complaint.message.to_lowercase().replace('\u{2019}', "'");
    let found = WORDS.iter().find(|(_, all)| all.iter().any(|some| words.contains(some))).map(|(kind, _)| *kind);
    match (told, found) {
        (Kind::Permission, Some(Kind::ContentFiltered | Kind::Auth | Kind::Quota)) => found.unwrap_or(told),
        (Kind::TooLarge, Some(Kind::ContextTooLong)) => Kind::ContextTooLong,
        (Kind::Invalid | Kind::Server, Some(kind)) => kind,
        _ => told,
    }
}
