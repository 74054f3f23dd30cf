//! The generateContent format against fixtures written from the vendor's documents, and against recorded traffic.

use serde_json::{Value, json};

use super::GenerateContent;
use crate::error::Kind;
use crate::message::{Content, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::model::{Api, Dialect, Endpoint, ModelCard, ReasoningDial};
use crate::reply::{Reply, StopReason};
use crate::request::{Effort, ReasoningAsk, RequestDraft, ResponseFormat, ServiceTier, Tool, ToolChoice};
use crate::vendor_fields::VendorFields;
use crate::wire::{Ask, Headers, HttpRequest, HttpResponse, Mode, Wire, tests as recorded, verbatim};

const API: Api = Api::GenerateContent;

fn request(draft: &RequestDraft, card: &ModelCard, base_url: &str, mode: Mode) -> HttpRequest {
    let base_url = base_url.to_owned();
    let endpoint = Endpoint { dialect: Dialect::default(), base_url, ..verbatim::endpoint(API) };
    GenerateContent.write(&Ask { draft, card, endpoint: &endpoint, max_tokens: 300 }, mode).unwrap()
}

fn written(draft: &RequestDraft, card: &ModelCard) -> Value {
    serde_json::from_slice(&request(draft, card, "https://g.invalid/v1beta", Mode::Unary).body).unwrap()
}

fn card() -> ModelCard {
    verbatim::card("gemini-x")
}

fn call(id: &str, name: &str) -> Part {
    Part::new(Content::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: "{\"zone\":\"utc\"}".into() }))
}

fn result(id: &str, parts: Vec<Part>, is_error: bool) -> Part {
    Part::new(Content::ToolResult(ToolResult { call_id: id.into(), name: None, parts, is_error }))
}

fn tool(name: &str, parameters: Value) -> Tool {
    Tool {
        name: name.into(),
        description: None,
        parameters: Some(parameters),
        strict: None,
        cache: None,
        vendor: VendorFields::new(),
    }
}

fn rich() -> RequestDraft {
    let mut signed = call("gemini_call_r1_0", "clock");
    signed.vendor.set(API, "thoughtSignature", "c2ln".into());
    let png = Source::Base64 { media_type: "image/png".into(), data: "aGk=".into() };
    let clip = Source::Url { url: "gs://b/a.mp3".into(), media_type: Some("audio/mpeg".into()) };
    let mut draft = RequestDraft {
        messages: vec![
            Message::system("Be brief."),
            Message::new(
                Role::User,
                vec![
                    Part::text("What time?"),
                    Part::new(Content::Image { source: png.clone() }),
                    Part::new(Content::Audio { source: clip }),
                ],
            ),
            Message::new(
                Role::Assistant,
                vec![Part::new(Content::Reasoning { text: "another's".into() }), signed, call("other-1", "dial")],
            ),
            Message::new(Role::Tool, vec![result("gemini_call_r1_0", vec![Part::text("10:00")], false)]),
            Message::new(
                Role::Tool,
                vec![result("other-1", vec![Part::text("{\"a\":1}"), Part::new(Content::Image { source: png })], true)],
            ),
        ],
        tools: vec![
            tool("clock", json!({"type": "object", "properties": {"zone": {"type": ["string", "null"]}}})),
            tool("dial", json!({"type": "object", "properties": {}})),
        ],
        tool_choice: Some(ToolChoice::Named("clock".into())),
        reasoning: Some(ReasoningAsk { budget_tokens: Some(512), effort: None, show: Some(true) }),
        service_tier: Some(ServiceTier::Flex),
        ..RequestDraft::default()
    };
    draft.sampling.seed = Some(7);
    draft.sampling.logprobs = Some(2);
    draft.sampling.stop = vec!["END".into()];
    draft
}

#[test]
fn a_rich_request_is_written_as_documented() {
    let want = json!({
        "contents": [
            {"role": "user", "parts": [
                {"text": "What time?"},
                {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                {"fileData": {"fileUri": "gs://b/a.mp3", "mimeType": "audio/mpeg"}}
            ]},
            {"role": "model", "parts": [
                {"functionCall": {"name": "clock", "args": {"zone": "utc"}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "other-1", "name": "dial", "args": {"zone": "utc"}}}
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "clock", "response": {"output": "10:00"}}},
                {"functionResponse": {"id": "other-1", "name": "dial", "response": {"error": {"a": 1}},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}}
            ]}
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [
            {"name": "clock", "parameters": {"nullable": true, "type": "object"}},
            {"name": "dial"}
        ]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["clock"]}},
        "generationConfig": {"maxOutputTokens": 300, "seed": 7, "stopSequences": ["END"], "responseLogprobs": true,
            "logprobs": 2, "thinkingConfig": {"thinkingBudget": 512, "includeThoughts": true}},
        "serviceTier": "flex"
    });
    let mut got = written(&rich(), &card());
    let zone = got["tools"][0]["functionDeclarations"][0]["parameters"]["properties"]["zone"].take();
    assert_eq!(zone, json!({"nullable": true, "type": "string"}));
    got["tools"][0]["functionDeclarations"][0]["parameters"] = json!({"nullable": true, "type": "object"});
    assert_eq!(got, want);
}

#[test]
fn the_path_names_the_model_and_the_mode() {
    #[track_caller]
    fn check(base: &str, mode: Mode, want: &str) {
        assert_eq!(request(&rich(), &card(), base, mode).path, want);
    }
    let vertex = "https://v.invalid/v1/projects/p/locations/eu";
    check("https://g.invalid/v1beta", Mode::Unary, "/models/gemini-x:generateContent");
    check("https://g.invalid/v1beta", Mode::Stream, "/models/gemini-x:streamGenerateContent?alt=sse");
    check(vertex, Mode::Stream, "/publishers/google/models/gemini-x:streamGenerateContent?alt=sse");
    check(&format!("{vertex}/publishers/google"), Mode::Unary, "/models/gemini-x:generateContent");
    let lane = request(&rich(), &card(), vertex, Mode::Unary);
    assert!(lane.headers.iter().any(|(name, value)| name.starts_with("x-vertex") && value == "flex"));
}

#[test]
fn models_that_think_in_words_get_a_level_and_signatures() {
    let mut words = card();
    words.accepts.reasoning = ReasoningDial::Effort;
    let mut draft = rich();
    draft.messages[2].parts[1].vendor = VendorFields::new();
    let body = written(&draft, &words);
    assert_eq!(body["generationConfig"]["thinkingConfig"]["thinkingLevel"], "minimal");
    let parts = &body["contents"][1]["parts"];
    assert_eq!(
        (&parts[0]["thoughtSignature"], parts[1].get("thoughtSignature")),
        (&super::write::NO_SIGNATURE.into(), None)
    );
    draft.reasoning = Some(ReasoningAsk { effort: Some(Effort::XHigh), ..ReasoningAsk::default() });
    assert_eq!(written(&draft, &words)["generationConfig"]["thinkingConfig"]["thinkingLevel"], "high");
}

#[test]
fn schemas_are_told_in_the_vendor_s_subset_or_whole() {
    let node =
        json!({"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": {"$ref": "#/$defs/N"}}});
    for (schema, field) in [
        (json!({"type": "object", "properties": {"a": {"const": "k"}}}), "responseSchema"),
        (node, "responseJsonSchema"),
    ] {
        let format = ResponseFormat::JsonSchema { name: "n".into(), description: None, schema, strict: None };
        let draft = RequestDraft { messages: vec![Message::user("x")], format: Some(format), ..Default::default() };
        let config = written(&draft, &card())["generationConfig"].take();
        assert!(config.get(field).is_some() && config["responseMimeType"] == "application/json", "{config}");
    }
}

fn decoded(body: Value) -> Result<Reply, crate::error::ProviderError> {
    let body = body.to_string();
    GenerateContent
        .decode(HttpResponse { status: 200, headers: Headers::NONE, body: body.as_bytes() }, &Dialect::default())
}

#[test]
fn a_whole_answer_goes_back_as_it_came() {
    let parts = json!([
        {"text": "hm", "thought": true},
        {"text": "Ten.", "thoughtSignature": "c2ln"},
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "eA=="},
        {"functionCall": {"name": "clock", "args": {"a": 1}}, "thoughtSignature": "eQ=="},
        {"functionCall": {"id": "own", "name": "clock", "args": {}}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    ]);
    let reply = decoded(json!({
        "candidates": [
            {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "groundingMetadata": {"x": 1}},
            {"index": 1, "content": {"parts": [{"text": "Other"}]}, "finishReason": "MAX_TOKENS"}
        ],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7,
            "toolUsePromptTokenCount": 3, "cachedContentTokenCount": 4, "totalTokenCount": 25,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}, {"modality": "TEXT", "tokenCount": 4}],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 2}], "trafficType": "ON_DEMAND"},
        "modelVersion": "gemini-x", "responseId": "r1"
    }))
    .unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("Ten.", "hm"));
    let ids: Vec<&str> = reply.tool_calls().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["gemini_call_r1_0", "own"]);
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
    assert_eq!((reply.alternatives.len(), reply.alternatives[0].stop.clone()), (1, Some(StopReason::MaxTokens)));
    let usage = &reply.usage;
    assert_eq!((usage.input, usage.output, usage.reasoning, usage.cached_read), (Some(13), Some(12), Some(7), Some(4)));
    assert_eq!((usage.input_audio, usage.output_image), (Some(6), Some(2)));
    assert!(reply.vendor.field(API, "groundingMetadata").is_some());
    let draft = RequestDraft { messages: vec![Message::new(Role::Assistant, reply.parts)], ..Default::default() };
    assert_eq!(written(&draft, &card())["contents"][0]["parts"], parts);
}

#[test]
fn counts_left_out_are_what_the_total_leaves() {
    #[track_caller]
    fn check(body: Value, input: Option<u64>, output: Option<u64>) {
        let usage = super::usage(&body);
        assert_eq!((usage.input, usage.output), (input, output));
    }
    check(json!({"promptTokenCount": 5, "totalTokenCount": 5}), Some(5), Some(0));
    check(json!({"promptTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 9}), Some(5), Some(4));
    check(json!({"promptTokenCount": 5}), Some(5), None);
}

#[test]
fn every_finish_reason_has_a_word() {
    for (word, want) in [
        (json!("STOP"), "end"),
        (json!(2), "max_tokens"),
        (json!("SAFETY"), "content_filter"),
        (json!("MODEL_ARMOR"), "content_filter"),
        (json!("MALFORMED_FUNCTION_CALL"), "bad_tool_call"),
        (json!("LANGUAGE"), "language"),
    ] {
        let reply = decoded(json!({"candidates": [{"finishReason": word}]})).unwrap();
        assert_eq!(reply.stop.unwrap().as_str(), want);
    }
}

#[test]
fn blocked_prompts_and_errors_are_typed() {
    let blocked =
        json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4}});
    let error = decoded(blocked).unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::ContentFiltered, Some("PROHIBITED_CONTENT")));
    assert_eq!(error.usage.unwrap().input, Some(4));
    for (status, word, message, want) in [
        (400, "INVALID_ARGUMENT", "bad", Kind::Invalid),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            Kind::ContextTooLong,
        ),
        (403, "PERMISSION_DENIED", "no", Kind::Permission),
        (404, "NOT_FOUND", "models/x is not found", Kind::NotFound),
        (429, "RESOURCE_EXHAUSTED", "slow down", Kind::RateLimited),
        (503, "UNAVAILABLE", "The model is overloaded.", Kind::Overloaded),
        (500, "INTERNAL", "oops", Kind::Server),
    ] {
        let body = json!({"error": {"code": status, "message": message, "status": word}}).to_string();
        let response = HttpResponse { status, headers: Headers::NONE, body: body.as_bytes() };
        assert_eq!(GenerateContent.decode(response, &Dialect::default()).unwrap_err().kind, want, "{word}");
    }
}

fn stream() -> String {
    let chunk = |parts: Value, more: Value| {
        let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
        candidate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let usage = json!({"promptTokenCount": 4, "candidatesTokenCount": 6, "thoughtsTokenCount": 2});
        format!(
            "data: {}\r\n\r\n",
            json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g", "responseId": "r"})
        )
    };
    [
        chunk(json!([{"text": "h", "thought": true}]), json!({})),
        chunk(json!([{"text": "m", "thought": true}]), json!({})),
        chunk(json!([{"text": "H\u{e9}"}]), json!({})),
        chunk(json!([{"text": "llo"}]), json!({})),
        chunk(json!([{"functionCall": {"name": "clock", "args": {"z": 1}}, "thoughtSignature": "eA=="}]), json!({})),
        chunk(json!([{"text": "", "thoughtSignature": "c2ln"}]), json!({"finishReason": "STOP"})),
    ]
    .concat()
}

#[test]
fn a_stream_is_read_alike_however_it_is_cut() {
    let text = stream();
    recorded::check_cuts(&GenerateContent, text.as_bytes(), usize::MAX);
    let reply = recorded::read(GenerateContent.decoder(&Dialect::default()), [text.as_bytes()]).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("H\u{e9}llo", "hm"));
    assert_eq!(reply.parts.len(), 4);
    assert_eq!(reply.parts[2].vendor.field(API, "thoughtSignature"), Some(&"eA==".into()));
    assert_eq!(reply.parts[3].vendor.field(API, "thoughtSignature"), Some(&"c2ln".into()));
    assert_eq!((reply.stop, reply.usage.output), (Some(StopReason::ToolUse), Some(8)));
}

#[test]
fn an_answer_that_goes_on_after_its_first_end_is_read_to_its_last() {
    let chunk = |parts: Value, reason: Option<&str>| {
        let candidate = json!({"content": {"parts": parts}, "finishReason": reason});
        format!("data: {}\n\n", json!({"candidates": [candidate], "responseId": "r"}))
    };
    let code = json!([{"executableCode": {"language": "PYTHON", "code": "1"}}]);
    let text = [
        chunk(code, Some("STOP")),
        chunk(json!([{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}]), None),
        chunk(json!([{"text": "One."}]), Some("MAX_TOKENS")),
    ]
    .concat();
    let (mut decoder, mut out) = (GenerateContent.decoder(&Dialect::default()), Vec::new());
    decoder.feed(text.as_bytes(), &mut out).unwrap();
    let stops = |out: &[crate::reply::Delta]| {
        out.iter().filter(|delta| matches!(delta, crate::reply::Delta::Stop { .. })).count()
    };
    assert_eq!(stops(&out), 0, "a reader would take it for the end");
    decoder.finish(&mut out).unwrap();
    assert_eq!(stops(&out), 1);
    let reply = recorded::read(GenerateContent.decoder(&Dialect::default()), [text.as_bytes()]).unwrap();
    assert_eq!((reply.text().as_str(), reply.stop), ("One.", Some(StopReason::MaxTokens)));
}

#[test]
fn a_cut_or_failing_stream_is_a_typed_error_with_what_came() {
    let text = stream();
    let cut = &text[..text.rfind("data:").unwrap()];
    let error = recorded::read(GenerateContent.decoder(&Dialect::default()), [cut.as_bytes()]).unwrap_err();
    assert_eq!((error.kind, error.partial.unwrap().text().as_str()), (Kind::Incomplete, "H\u{e9}llo"));
    let failing =
        format!("{cut}data: {}\n\n", json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}));
    let error = recorded::read(GenerateContent.decoder(&Dialect::default()), [failing.as_bytes()]).unwrap_err();
    assert_eq!(error.kind, Kind::Overloaded);
    let listed =
        format!("[{}]", text.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<Vec<_>>().join(","));
    let reply = recorded::read(GenerateContent.decoder(&Dialect::default()), [listed.as_bytes()]).unwrap();
    assert_eq!(reply.text(), "H\u{e9}llo");
}

/// Bodies in camel case without nulls, as both sides of a comparison.
fn normal(value: &Value, keeps_names: bool) -> Value {
    match value {
        Value::Object(object) => {
            let object = if keeps_names { object.clone() } else { super::parse::camel(object.clone()) };
            let each = object.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
                let free = keeps_names
                    || [
                        "args",
                        "response",
                        "parameters",
                        "parametersJsonSchema",
                        "responseSchema",
                        "responseJsonSchema",
                        "labels",
                    ]
                    .contains(&name.as_str());
                let value = normal(&value, free);
                (name, value)
            });
            Value::Object(each.collect())
        }
        Value::Array(list) => list.iter().map(|one| normal(one, keeps_names)).collect(),
        other => other.clone(),
    }
}

/// Differences that say the same: a single tool stands for a list of one, a lone text for an answer.
fn same(path: &str, had: &Value, has: &Value) -> bool {
    path == ".tools" && had.is_object() && has.is_array()
}

#[test]
fn recorded_traffic_decodes_and_requests_survive() {
    let mut faults = Vec::new();
    for exchange in ["gemini", "vertex", "local"].iter().flat_map(|file| recorded::exchanges(file, "generateContent")) {
        match recorded::decode(&GenerateContent, &exchange) {
            Ok(reply) if exchange.status == 200 && reply.usage.input.is_some() => {}
            Err(_) if exchange.status >= 400 => {}
            other => faults.push(format!("{}: {other:?}", exchange.id)),
        }
        if exchange.is_stream {
            recorded::check_cuts(&GenerateContent, &exchange.body, 0);
        }
        let Ok(body) = serde_json::from_slice::<Value>(&exchange.request) else { continue };
        let body = normal(&body, false).to_string();
        if let Err(fault) = recorded::request_fault(&GenerateContent, body.as_bytes(), same) {
            faults.push(format!("{}: {fault}", exchange.id));
        }
    }
    recorded::no_faults(faults);
}
