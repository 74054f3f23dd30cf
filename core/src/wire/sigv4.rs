//! AWS Signature Version 4: the headers that sign a request. Pure: the time and the key are arguments.
//!
//! Source: AWS, "Create a signed AWS API request". The path is encoded twice in the canonical request, as every service
//! but S3 wants it.

use std::fmt::Write;

use crate::sorting::sort_by;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{Header, header};

/// Who signs. It prints nothing of itself.
pub struct Credentials<'a> {
    access: &'a str,
    secret: &'a str,
    token: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    /// Reads `ACCESS_KEY:SECRET_KEY` or `ACCESS_KEY:SECRET_KEY:SESSION_TOKEN`; `None` where a part is missing.
    pub fn parse(key: &'a str) -> Option<Credentials<'a>> {
        let mut parts = key.splitn(3, ':');
        let (access, secret, token) = (parts.next()?, parts.next()?, parts.next());
        let is_whole = !access.is_empty() && !secret.is_empty() && token.is_none_or(|token| !token.is_empty());
        is_whole.then_some(Credentials { access, secret, token })
    }
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// `POST`.
    pub method: &'a str,
    /// The whole address.
    pub url: &'a str,
    /// Headers that go out and are to be signed: names in lower case. The host is added.
    pub headers: &'a [Header],
    /// The body.
    pub body: &'a [u8],
    /// Such as `eu-central-1`.
    pub region: &'a str,
    /// Such as `bedrock`.
    pub service: &'a str,
    /// The time, in seconds since 1970.
    pub unix_seconds: i64,
}

/// The headers to add: the date, the session token if there is one, and the authorization. `None` where the address
/// has no host.
pub fn sign(signing: &Signing<'_>, credentials: &Credentials<'_>) -> Option<Vec<Header>> {
    let (host, path, query) = split(signing.url)?;
    let stamp = stamp(signing.unix_seconds)?;
    let day = &stamp[..8];
    let mut added = vec![header("x-amz-date", stamp.clone())];
    added.extend(credentials.token.map(|token| header("x-amz-security-token", token.to_owned())));
    let mut signed: Vec<(&str, String)> = vec![("host", host.to_owned())];
    signed.extend(signing.headers.iter().chain(&added).map(|(name, value)| (name.as_ref(), squeezed(value))));
    sort_by(&mut signed, Ord::cmp);
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        signing.method,
        canonical_path(path),
        canonical_query(query),
        hex(&Sha256::digest(signing.body)),
    );
    let scope = format!("{day}/{}/{}/aws4_request", signing.region, signing.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let steps = [day, signing.region, signing.service, "aws4_request"];
    let key = steps.iter().fold(format!("AWS4{}", credentials.secret).into_bytes(), |key, step| mac(&key, step));
    let signature = hex(&mac(&key, &to_sign));
    let access = credentials.access;
    added.push(header(
        "authorization",
        format!("AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={signature}"),
    ));
    Some(added)
}

/// The region that an AWS host names: `bedrock-runtime.eu-central-1.amazonaws.com`.
pub fn aws_region(url: &str) -> Option<&str> {
    let (host, _, _) = split(url)?;
    let labels = host.split(':').next()?.split('.');
    let is_region = |label: &&str| {
        let mut parts = label.split('-');
        let letters = |text: &str| text.len() >= 2 && text.bytes().all(|byte| byte.is_ascii_lowercase());
        let number =
            label.rsplit('-').next().is_some_and(|last| last.len() == 1 && last.as_bytes()[0].is_ascii_digit());
        parts.next().is_some_and(|first| first.len() == 2 && letters(first))
            && parts.next().is_some_and(letters)
            && number
    };
    labels.filter(|_| host.contains("amazonaws.") || host.contains(".aws")).find(is_region)
}

/// Host, path and query of an address.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = url.split_once("://")?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    (!host.is_empty()).then_some((host, if path.is_empty() { "/" } else { path }, query))
}

/// The path with every segment encoded once more.
fn canonical_path(path: &str) -> String {
    path.split('/').map(super::turns::percent_encoded).collect::<Vec<_>>().join("/")
}

/// The query's pairs in order, already encoded.
fn canonical_query(query: &str) -> String {
    let pair = |pair: &str| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") };
    let mut pairs: Vec<String> = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
    sort_by(&mut pairs, Ord::cmp);
    pairs.join("&")
}

/// A header's value without spaces around it and with single ones inside.
fn squeezed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `20150830T123600Z`.
fn stamp(unix_seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(unix_seconds).ok()?;
    Some(time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key, region, service and time of AWS's published test suite (2015-08-30T12:36:00Z).
    #[track_caller]
    fn check(method: &str, url: &str, headers: &[(&str, &str)], body: &str, names: &str, signature: &str) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| header(name.to_string(), value.to_string())).collect();
        let signing = Signing {
            method,
            url,
            headers: &headers,
            body: body.as_bytes(),
            region: "us-east-1",
            service: "service",
            unix_seconds: 1_440_938_160,
        };
        let key = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let added = sign(&signing, &Credentials::parse(key).unwrap()).unwrap();
        let want = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={names}, Signature={signature}"
        );
        assert_eq!(added, [header("x-amz-date", "20150830T123600Z"), header("authorization", want)]);
    }

    #[test]
    fn signatures_are_those_of_the_published_suite() {
        let host = "https://example.amazonaws.com/";
        let names = "host;x-amz-date";
        check("GET", host, &[], "", names, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        check("POST", host, &[], "", names, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
        check(
            "GET",
            "https://example.amazonaws.com/?Param2=value2&Param1=value1",
            &[],
            "",
            names,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
        check(
            "POST",
            host,
            &[("content-type", "application/x-www-form-urlencoded")],
            "Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        );
    }

    #[test]
    fn keys_are_whole_or_nothing_and_show_nowhere() {
        for key in ["", "a", "a:", ":b", "a:b:"] {
            assert!(Credentials::parse(key).is_none(), "{key}");
        }
        let key = Credentials::parse("AKID:canary:tok:en").unwrap();
        assert_eq!(key.token, Some("tok:en"));
        assert!(!format!("{key:?}").contains("canary"));
    }

    #[test]
    fn the_region_is_read_from_the_host() {
        for (url, want) in [
            ("https://bedrock-runtime.eu-central-1.amazonaws.com/model/x", Some("eu-central-1")),
            ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("https://bedrock-mantle.us-east-1.api.aws/v1", Some("us-east-1")),
            ("http://127.0.0.1:80/model", None),
            ("https://my-proxy-1.example.org", None),
        ] {
            assert_eq!(aws_region(url), want, "{url}");
        }
    }

    #[test]
    fn a_colon_in_a_path_is_encoded_twice_and_a_token_is_signed() {
        assert_eq!(canonical_path("/model/a%3A0/converse"), "/model/a%253A0/converse");
        let signing = Signing {
            method: "POST",
            url: "https://b.invalid/model/a%3A0/converse",
            headers: &[],
            body: b"{}",
            region: "eu-central-1",
            service: "bedrock",
            unix_seconds: 0,
        };
        let added = sign(&signing, &Credentials::parse("A:b:t").unwrap()).unwrap();
        assert_eq!(added[1], header("x-amz-security-token", "t"));
        assert!(added[2].1.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"), "{}", added[2].1);
    }
}
