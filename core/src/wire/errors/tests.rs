//! Failures as vendors document or send them, and what each means.

use super::*;

#[track_caller]
fn check(status: u16, headers: &[(&str, &str)], body: &str, want: &str) {
    let headers: Headers = headers.iter().copied().collect();
    let error = of_response(&HttpResponse { status, headers: &headers, body: body.as_bytes() });
    let retry = match error.retry {
        Retry::Never => "never".to_owned(),
        Retry::Elsewhere => "elsewhere".to_owned(),
        Retry::Here(None) => "here".to_owned(),
        Retry::Here(Some(wait)) => format!("here {}", wait.ms()),
    };
    assert_eq!(format!("{} {retry}", error.kind.as_str()), want, "{status} {body}");
}

#[test]
fn limits_say_how_long_to_wait() {
    let body =
        r#"{"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
    check(429, &[("retry-after", "2")], body, "rate_limited here 2000");
    check(429, &[("retry-after-ms", "1234")], body, "rate_limited here 1234");
    check(429, &[("retry-after", "3600")], body, "rate_limited elsewhere");
    check(429, &[], body, "rate_limited here");
    check(
        429,
        &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6s")],
        body,
        "rate_limited here 6000",
    );
    check(
        429,
        &[("date", "Tue, 04 Aug 2026 10:00:00 GMT"), ("retry-after", "Tue, 04 Aug 2026 10:00:09 GMT")],
        body,
        "rate_limited here 9000",
    );
    check(
        529,
        &[("retry-after", "5")],
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        "overloaded here 5000",
    );
    check(
        429,
        &[],
        r#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}]}}]"#,
        "rate_limited here 37000",
    );
    check(
        429,
        &[],
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        "quota elsewhere",
    );
    check(
        429,
        &[("x-amzn-errortype", "ThrottlingException:http://x")],
        r#"{"message":"Too many requests"}"#,
        "rate_limited here",
    );
    check(
        498,
        &[],
        r#"{"error":{"message":"flex tier capacity exceeded","type":"capacity_exceeded"}}"#,
        "overloaded here",
    );
}

#[test]
fn prompts_that_do_not_fit_are_told_apart() {
    for (status, body) in [
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
        ),
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","param":null,"code":400}"#,
        ),
        (
            400,
            r#"{"error":{"message":"The input (9000 tokens) is longer than the model's context length (8192 tokens).","type":"BadRequestError","code":400}}"#,
        ),
        (400, r#"{"message":"Input is too long for requested model."}"#),
        (
            400,
            r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}"#,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"request (2009 tokens) exceeds the available context size (512 tokens)","type":"exceed_context_size_error"}}"#,
        ),
        (413, r#"{"message":"prompt is too long"}"#),
    ] {
        check(status, &[], body, "context_too_long elsewhere");
    }
}

#[test]
fn keys_models_filters_and_faults() {
    check(401, &[], r#"{"detail":"Invalid API Key"}"#, "auth elsewhere");
    check(400, &[], r#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#, "auth elsewhere");
    check(
        400,
        &[],
        r#"{"error":{"code":400,"details":[{"reason":"API_KEY_INVALID"}],"message":"no","status":"INVALID_ARGUMENT"}}"#,
        "auth elsewhere",
    );
    check(403, &[("x-amzn-errortype", "AccessDeniedException")], r#"{"Message":"no access"}"#, "permission elsewhere");
    check(400, &[], r#"{"code":"invalid-argument","error":"Model not found: grok-x"}"#, "not_found elsewhere");
    check(
        404,
        &[],
        r#"{"error":{"type":"invalid_request_error","code":"DeploymentNotFound","message":"no"}}"#,
        "not_found elsewhere",
    );
    check(
        400,
        &[],
        r#"{"error":{"code":"content_filter","message":"triggered","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        "content_filtered elsewhere",
    );
    check(402, &[], r#"{"error":{"message":"Insufficient Balance","type":"unknown_error"}}"#, "quota elsewhere");
    check(
        400,
        &[],
        r#"{"error":{"code":"tool_use_failed","message":"no","failed_generation":"x"}}"#,
        "bad_tool_call here",
    );
    check(413, &[], "<html>too large</html>", "too_large elsewhere");
    check(
        400,
        &[],
        r#"{"error":{"message":"temperature: range: 0..1","type":"invalid_request_error"}}"#,
        "invalid never",
    );
    check(422, &[], r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, "invalid never");
    check(
        500,
        &[],
        r#"{"error":{"code":500,"message":"tools param requires --jinja flag","type":"server_error"}}"#,
        "unsupported elsewhere",
    );
    check(500, &[], "", "server here");
    check(503, &[("retry-after", "1")], "<html>busy</html>", "overloaded here 1000");
    check(302, &[], "", "protocol here");
}

#[test]
fn pages_and_keys_are_not_repeated() {
    let page = HttpResponse {
        status: 502,
        headers: Headers::NONE,
        body: b"<html><body>upstream 10.0.0.7 prompt</body></html>",
    };
    assert!(!of_response(&page).message.contains("10.0.0.7"));
    let body =
        br#"{"error":{"message":"Incorrect API key provided: sk-test-canary-000000000001.","code":"invalid_api_key"}}"#;
    let error = of_response(&HttpResponse { status: 401, headers: Headers::NONE, body });
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[test]
fn an_answer_is_no_complaint() {
    for body in [r#"{"choices":[]}"#, r#"{"error":null,"output":[]}"#, r#"{"message":{"role":"assistant"}}"#, "[]", "3"]
    {
        assert_eq!(Complaint::read(&serde_json::from_str(body).unwrap()), None, "{body}");
    }
    let inside = serde_json::from_str(r#"{"error":{"code":502,"message":"Upstream error"}}"#).unwrap();
    let error = of_body(&inside, 200, Headers::NONE).unwrap();
    assert_eq!((error.kind, error.status), (Kind::Server, Some(502)));
}
