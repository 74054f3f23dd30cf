//! Gemini: grounding, code execution, thoughts, pictures, calls whose arguments come value by value.

use super::*;
use crate::message::Content;
use crate::reply::StopReason;

const API: Api = Api::GenerateContent;

fn piece(parts: Value, more: Value) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    candidate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r",
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 6, "thoughtsTokenCount": 2, "totalTokenCount": 12}})
}

#[test]
fn grounding_and_code_are_kept() {
    let grounding = json!({"webSearchQueries": ["fox"], "groundingChunks": [{"web": {"uri": "https://e.org", "title": "e"}}],
        "groundingSupports": [{"segment": {"endIndex": 3, "text": "fox"}, "groundingChunkIndices": [0]}],
        "searchEntryPoint": {"renderedContent": "<div>"}});
    let parts = json!([
        {"executableCode": {"id": "x", "language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"id": "x", "outcome": "OUTCOME_OK", "output": "2"}},
        {"text": "Two."}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["fox"]}, "id": "t"}, "thoughtSignature": "eA=="}]);
    let body = piece(
        parts.clone(),
        json!({"finishReason": "STOP", "groundingMetadata": grounding, "avgLogprobs": -0.1,
        "urlContextMetadata": {"urlMetadata": []}, "citationMetadata": {"citationSources": []},
        "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}]}),
    );
    let reply = decoded(API, &body).unwrap();
    assert_eq!((reply.text().as_str(), reply.stop.clone()), ("Two.", Some(StopReason::End)));
    assert_eq!(reply.vendor.field(API, "groundingMetadata"), Some(&grounding));
    assert!(matches!(reply.parts[3].content, Content::Image { .. }));
    assert_eq!(sent_back(API, &reply)["contents"][1]["parts"], parts);
    let bytes = format!("data: {body}\n\n");
    let streamed = read(API, bytes.as_bytes()).unwrap();
    assert_eq!((streamed.text(), streamed.stop), (reply.text(), reply.stop));
}

#[test]
fn arguments_that_come_value_by_value_are_one_call() {
    let call = |call: Value| piece(json!([{ "functionCall": call }]), json!({}));
    let events = [
        piece(
            json!([{"functionCall": {"name": "book", "id": "c1", "willContinue": true}, "thoughtSignature": "eA=="}]),
            json!({}),
        ),
        call(
            json!({"partialArgs": [{"jsonPath": "$.city", "stringValue": "Abery", "willContinue": true}], "willContinue": true}),
        ),
        call(
            json!({"partialArgs": [{"jsonPath": "$.city", "stringValue": "stwyth"}, {"jsonPath": "$.beds[0]", "numberValue": 2}], "willContinue": true}),
        ),
        call(json!({})),
        call(json!({"name": "clock", "args": {"z": 1}})),
        piece(json!([{"text": ""}]), json!({"finishReason": "STOP"})),
    ];
    let reply = streamed(API, &events).unwrap();
    let want = [("c1", "book", r#"{"city":"Aberystwyth","beds":[2]}"#), ("gemini_call_r_1", "clock", r#"{"z":1}"#)];
    assert_eq!(calls(&reply), want);
    assert_eq!(reply.parts[0].vendor.field(API, "thoughtSignature"), Some(&"eA==".into()));
    assert_eq!(reply.stop, Some(StopReason::ToolUse));
    // One that is never ended is given out as far as it came.
    let cut = [&events[..2], &[piece(json!([]), json!({"finishReason": "MAX_TOKENS"}))]].concat();
    let reply = streamed(API, &cut).unwrap();
    assert_eq!(calls(&reply), [("c1", "book", r#"{"city":"Abery"}"#)]);
}

#[test]
fn answers_that_were_held_back_are_answers() {
    for word in ["SAFETY", "RECITATION", "BLOCKLIST", "SPII", "IMAGE_SAFETY", "PROHIBITED_CONTENT"] {
        let body = json!({"candidates": [{"finishReason": word, "index": 0, "finishMessage": "no"}],
            "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}});
        assert_eq!(decoded(API, &body).unwrap().stop, Some(StopReason::ContentFilter), "{word}");
    }
    let bad = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed function call: f("}]});
    assert_eq!(decoded(API, &bad).unwrap().stop, Some(StopReason::BadToolCall));
}

#[test]
fn requests_with_every_tool_survive() {
    survives(
        API,
        &json!({"contents": [
            {"role": "user", "parts": [{"text": "x"}, {"fileData": {"mimeType": "video/mp4", "fileUri": "https://e.org/a"},
                "videoMetadata": {"startOffset": "1s", "fps": 2}}, {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "eA=="},
                {"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": 1}, "scheduling": "SILENT",
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}}]}],
            "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "behavior": "NON_BLOCKING",
                "parameters": {"type": "OBJECT", "properties": {}}, "response": {"type": "STRING"}}]},
                {"googleSearch": {"timeRangeFilter": {}}}, {"codeExecution": {}}, {"urlContext": {}}, {"googleMaps": {"enableWidget": true}},
                {"fileSearch": {"fileSearchStoreNames": ["s"]}}, {"computerUse": {"environment": "ENVIRONMENT_BROWSER"}}],
            "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, "retrievalConfig": {"languageCode": "cy"}},
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}], "cachedContent": "cachedContents/1",
            "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
                "imageConfig": {"aspectRatio": "1:1"}, "mediaResolution": "MEDIA_RESOLUTION_LOW", "enableEnhancedCivicAnswers": true}}),
    );
}
