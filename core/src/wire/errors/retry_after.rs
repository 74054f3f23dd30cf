//! How long a vendor asks us to wait, in every form that vendors use.
//!
//! Nothing here reads the clock: a date is counted from the answer's own `date` header, so a wrong clock on either side
//! does no harm. The transport adds that header where a vendor leaves it out.

use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};

use crate::time::Span;
use crate::wire::Headers;

/// Headers of what is left in a window and of when the window starts anew.
const WINDOWS: [(&str, &str); 6] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];
/// Headers of one window without a word on what is left.
const RESETS: [&str; 4] = ["x-ratelimit-reset", "ratelimit-reset", "x-ratelimit-reset-after", "ratelimitbysize-reset"];

/// The wait that headers ask for. Those of rate-limit windows count only where a rate limit was hit: other answers carry
/// them too.
pub fn retry_after(headers: &Headers, is_limited: bool) -> Option<Span> {
    let header = |name: &str| headers.get(name).map(str::trim);
    let now = header("date").and_then(instant);
    let direct = ["retry-after-ms", "x-ms-retry-after-ms"]
        .iter()
        .find_map(|name| header(name)?.parse::<f64>().ok())
        .and_then(|ms| span(ms / 1_000.0))
        .or_else(|| wait(header("retry-after")?, now));
    if direct.is_some() || !is_limited {
        return direct;
    }
    let used_up = WINDOWS.iter().filter(|(left, _)| header(left) == Some("0"));
    let longest = used_up.filter_map(|(_, reset)| wait(header(reset)?, now)).max();
    let lone = || RESETS.iter().find_map(|name| wait(header(name)?, now));
    let soonest = || WINDOWS.iter().filter_map(|(_, reset)| wait(header(reset)?, now)).min();
    longest.or_else(lone).or_else(soonest)
}

/// A wait written as seconds, as a duration, as a date, or as seconds or milliseconds since 1970.
fn wait(text: &str, now: Option<Timestamp>) -> Option<Span> {
    if let Ok(number) = text.parse::<f64>() {
        let since_1970 = [(1e12, 1.0), (1e9, 1_000.0)].into_iter().find(|(least, _)| number >= *least);
        return match since_1970 {
            Some((_, scale)) => until(Timestamp::from_millisecond((number * scale) as i64).ok()?, now?),
            None => span(number),
        };
    }
    duration(text).or_else(|| until(instant(text)?, now?))
}

fn until(then: Timestamp, now: Timestamp) -> Option<Span> {
    let ms = then.as_millisecond().saturating_sub(now.as_millisecond());
    Some(Span::from_ms(u64::try_from(ms).unwrap_or(0)))
}

/// A point in time in any of the three forms of HTTP, or as RFC 3339.
fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = rfc2822::parse(text) {
        return Some(moment.timestamp());
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let plain = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let read = |form: &&str| strtime::parse(form, text).ok()?.to_datetime().ok()?.in_tz("UTC").ok();
    plain.iter().find_map(read).map(|moment| moment.timestamp())
}

/// A duration such as `6m0s`, `1.5s`, `20ms` or `1d2h`.
pub(super) fn duration(text: &str) -> Option<Span> {
    let (mut seconds, mut rest) = (0.0, text.trim());
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let scale = match &rest[..unit] {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += number * scale;
        rest = &rest[unit..];
    }
    span(seconds)
}

/// A span of so many seconds, rounded up to a millisecond; none for what is no length of time.
fn span(seconds: f64) -> Option<Span> {
    let ms = (seconds * 1_000.0).ceil();
    (0.0..1e15).contains(&ms).then_some(Span::from_ms(ms as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], want_ms: Option<u64>) {
        let headers: Headers = headers.iter().copied().collect();
        assert_eq!(retry_after(&headers, true).map(Span::ms), want_ms, "{headers:?}");
    }

    const DATE: (&str, &str) = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");

    #[test]
    fn every_form_is_read() {
        check(&[("retry-after", "20")], Some(20_000));
        check(&[("retry-after", "0")], Some(0));
        check(&[("retry-after", "1.5")], Some(1_500));
        check(&[("retry-after", "-3")], None);
        check(&[("retry-after", "soon")], None);
        check(&[("retry-after-ms", "250"), ("retry-after", "1")], Some(250));
        check(&[DATE, ("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], Some(30_000));
        check(&[DATE, ("retry-after", "Wed, 21 Oct 2015 07:27:30 GMT")], Some(0));
        check(&[DATE, ("retry-after", "Wednesday, 21-Oct-15 07:28:05 GMT")], Some(5_000));
        check(&[DATE, ("retry-after", "Wed Oct 21 07:28:07 2015")], Some(7_000));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], None);
    }

    #[test]
    fn windows_of_rate_limits_are_read_where_nothing_better_is_there() {
        check(&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")], Some(360_000));
        check(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "20ms")], Some(20));
        check(&[("x-ratelimit-reset-requests", "1d"), ("x-ratelimit-reset-tokens", "7.66s")], Some(7_660));
        check(&[DATE, ("x-ratelimit-reset", "1445412490000")], Some(10_000));
        check(&[DATE, ("x-ratelimit-reset", "1445412490")], Some(10_000));
        check(
            &[
                DATE,
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", "2015-10-21T07:28:12Z"),
            ],
            Some(12_000),
        );
        let headers = [("x-ratelimit-reset-requests", "1s")].into_iter().collect();
        assert_eq!(retry_after(&headers, false), None);
    }
}
