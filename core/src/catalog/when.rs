//! Dates and times as people write them.

use crate::time::Timestamp;

/// Reads `2026-08-21`, `2026-08-21T16:30Z` or any RFC 3339 time; a date is its first instant in UTC.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_ms(time.as_millisecond()));
    }
    if text.contains(['T', ' ', ':']) {
        return None;
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let start = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_ms(start.timestamp().as_millisecond()))
}

/// Writes the UTC day of an instant: `2026-08-21`; its milliseconds where no calendar reaches it.
pub fn day_of(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.ms()) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
        Err(_) => at.ms().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_in_utc() {
        let day = parse_time("2026-08-21").unwrap();
        assert_eq!(day.ms(), 1_787_270_400_000);
        assert_eq!(day_of(day), "2026-08-21");
        assert_eq!(parse_time("2026-08-21T02:00:00+02:00"), Some(day));
        assert_eq!(parse_time("2026-08-21T00:00Z"), Some(day));
        for text in ["", "2026-13-01", "2026-02-30", "yesterday", "2026-08-21T10:00", "16:30"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
