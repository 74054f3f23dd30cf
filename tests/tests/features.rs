//! Every feature in every format: where it stands in the body, or that it is refused before anything is sent; and that a
//! written body, read back and written again, is the same.

use serde_json::{Value, json};
use tierway::RequestDraft;
use tierway::model::Api;
use tierway::testing::world;
use tierway::wire::{Ask, Mode, for_api, verbatim};

/// The formats, in the order of the columns below.
const FORMATS: [Api; 7] = [
    Api::ChatCompletions,
    Api::Responses,
    Api::Messages,
    Api::GenerateContent,
    Api::Converse,
    Api::CohereChat,
    Api::OllamaChat,
];

const TOOL: &str = r#"{"name": "look_up", "parameters": {"type": "object", "properties": {"w": {"type": "string"}}}}"#;

/// A feature: its name, what it adds to a draft, and for each format `path=value` in the body, `-` where the format has
/// no place for it and nothing is lost by leaving it out, or `refused`.
const FEATURES: [(&str, &str, [&str; 7]); 13] = [
    (
        "a tool",
        r#"{"tools": [TOOL]}"#,
        [
            "/tools/0/function/name=look_up",
            "/tools/0/name=look_up",
            "/tools/0/name=look_up",
            "/tools/0/functionDeclarations/0/name=look_up",
            "/toolConfig/tools/0/toolSpec/name=look_up",
            "/tools/0/function/name=look_up",
            "/tools/0/function/name=look_up",
        ],
    ),
    (
        "a forced tool",
        r##"{"tools": [TOOL], "tool_choice": {"named": "look_up"}}"##,
        [
            "/tool_choice/function/name=look_up",
            "/tool_choice/name=look_up",
            "/tool_choice/name=look_up",
            "/toolConfig/functionCallingConfig/allowedFunctionNames/0=look_up",
            "/toolConfig/toolChoice/tool/name=look_up",
            "/tool_choice=REQUIRED",
            "refused",
        ],
    ),
    (
        "any tool",
        r##"{"tools": [TOOL], "tool_choice": "required"}"##,
        [
            "/tool_choice=required",
            "/tool_choice=required",
            "/tool_choice/type=any",
            "/toolConfig/functionCallingConfig/mode=ANY",
            "/toolConfig/toolChoice/any={}",
            "/tool_choice=REQUIRED",
            "refused",
        ],
    ),
    (
        "no tool",
        r##"{"tools": [TOOL], "tool_choice": "none"}"##,
        [
            "/tool_choice=none",
            "/tool_choice=none",
            "/tool_choice/type=none",
            "/toolConfig/functionCallingConfig/mode=NONE",
            "/toolConfig=null",
            "/tool_choice=NONE",
            "/tools=null",
        ],
    ),
    (
        "one tool at a time",
        r##"{"tools": [TOOL], "parallel_tools": false}"##,
        [
            "/parallel_tool_calls=false",
            "/parallel_tool_calls=false",
            "/tool_choice/disable_parallel_tool_use=true",
            "-",
            "-",
            "-",
            "-",
        ],
    ),
    (
        "effort",
        r#"{"reasoning": {"effort": "high"}}"#,
        [
            "/reasoning_effort=high",
            "/reasoning/effort=high",
            "/output_config/effort=high",
            "/generationConfig/thinkingConfig/thinkingLevel=high",
            "-",
            "/thinking/type=enabled",
            "/think=high",
        ],
    ),
    (
        "a budget of thought",
        r#"{"reasoning": {"budget_tokens": 2000}}"#,
        [
            "-",
            "-",
            "/thinking/budget_tokens=2000",
            "/generationConfig/thinkingConfig/thinkingBudget=2000",
            "-",
            "/thinking/token_budget=2000",
            "/think=true",
        ],
    ),
    (
        "a cached prompt",
        r#"{"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi", "cache": "5m"}]}]}"#,
        [
            "-",
            "-",
            "/messages/0/content/0/cache_control/type=ephemeral",
            "-",
            "/messages/0/content/1/cachePoint/type=default",
            "-",
            "-",
        ],
    ),
    (
        "log-probabilities",
        r#"{"sampling": {"logprobs": 3}}"#,
        [
            "/top_logprobs=3",
            "/top_logprobs=3",
            "refused",
            "/generationConfig/logprobs=3",
            "refused",
            "/logprobs=true",
            "/top_logprobs=3",
        ],
    ),
    (
        "a seed",
        r#"{"sampling": {"seed": 7}}"#,
        ["/seed=7", "-", "-", "/generationConfig/seed=7", "-", "/seed=7", "/options/seed=7"],
    ),
    (
        "a stop text",
        r#"{"sampling": {"stop": ["END"]}}"#,
        [
            "/stop/0=END",
            "refused",
            "/stop_sequences/0=END",
            "/generationConfig/stopSequences/0=END",
            "/inferenceConfig/stopSequences/0=END",
            "/stop_sequences/0=END",
            "/options/stop/0=END",
        ],
    ),
    (
        "a lane",
        r#"{"service_tier": "flex"}"#,
        ["/service_tier=flex", "/service_tier=flex", "-", "/serviceTier=flex", "/serviceTier/type=flex", "-", "-"],
    ),
    (
        "a schema",
        r#"{"format": {"type": "json_schema", "name": "found", "strict": true, "schema": {"type": "object", "properties": {"w": {"type": "string"}}, "required": ["w"], "additionalProperties": false}}}"#,
        [
            "/response_format/json_schema/name=found",
            "/text/format/name=found",
            "/output_config/format/type=json_schema",
            "/generationConfig/responseMimeType=application/json",
            "-",
            "/response_format/type=json_object",
            "/format/type=object",
        ],
    ),
];

/// Writes a draft in a format; the error's kind where it is refused.
fn written(api: Api, draft: &RequestDraft) -> Result<(Value, Vec<u8>), String> {
    let wire = for_api(api).expect("every format here has a wire");
    let card = world::card("acme/fox").expect("it is an id");
    let endpoint = world::endpoint("acme", api, "http://127.0.0.1:9").expect("it is an id");
    let ask = Ask { draft, card: &card, endpoint: &endpoint, max_tokens: 4_000 };
    let request = wire.write(&ask, Mode::Unary).map_err(|error| {
        assert!(!error.sent, "{error}");
        format!("refused: {error}")
    })?;
    Ok((serde_json::from_slice(&request.body).expect("a body is JSON"), request.body))
}

/// The body read back and written again.
fn again(api: Api, body: &[u8]) -> Value {
    let wire = for_api(api).expect("every format here has a wire");
    let parsed = wire.parse(body).unwrap_or_else(|error| panic!("{api:?}: {error}"));
    let (card, endpoint) = (verbatim::card(&parsed.wire_model), verbatim::endpoint(api));
    let ask = Ask { draft: &parsed.draft, card: &card, endpoint: &endpoint, max_tokens: 4_000 };
    let request = wire.write(&ask, parsed.mode).unwrap_or_else(|error| panic!("{api:?}: {error}"));
    serde_json::from_slice(&request.body).expect("a body is JSON")
}

#[test]
fn every_feature_has_its_place_or_is_refused_and_survives() {
    let mut faults = Vec::new();
    let mut count = 0;
    for (name, more, wanted) in FEATURES {
        let mut draft = json!({"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]});
        let more: Value =
            serde_json::from_str(&more.replace("TOOL", TOOL)).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (field, value) in more.as_object().expect("it is an object") {
            draft[field] = value.clone();
        }
        let draft: RequestDraft = serde_json::from_value(draft).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (api, want) in FORMATS.into_iter().zip(wanted) {
            count += 1;
            let mut fault = |text: String| faults.push(format!("{name} / {api:?}: wanted {want}, {text}"));
            match (written(api, &draft), want) {
                (Err(_), "refused") => {}
                (Err(error), _) => fault(error),
                (Ok((body, _)), "refused") => fault(format!("got {body}")),
                (Ok((body, bytes)), want) => {
                    if let Some((path, value)) = want.split_once('=') {
                        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
                        if body.pointer(path).unwrap_or(&Value::Null) != &value {
                            fault(format!("got {body}"));
                        }
                    }
                    let twice = again(api, &bytes);
                    if twice != body {
                        fault(format!("and again: {body}\n    is {twice}"));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(count, FEATURES.len() * FORMATS.len());
}
