//! Hours of the week at which another price holds, in UTC.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

const MINUTES_A_DAY: u32 = 24 * 60;
const MINUTES_A_WEEK: u32 = 7 * MINUTES_A_DAY;
const MS_A_MINUTE: i64 = 60_000;
/// 1970-01-01 was a Thursday: the fourth day of a week that starts on Monday.
const EPOCH_MINUTE: i64 = 3 * MINUTES_A_DAY as i64;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    pub(super) const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
}

/// A set of minutes of the week, as stretches `[from, until)` counted from Monday 00:00 UTC.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hours(Vec<(u32, u32)>);

impl Hours {
    /// From `from` to `until` (minutes of the day) on each of `days`. Where `until` is not after `from`, a stretch
    /// reaches over midnight into the next day; it belongs to the day on which it opens.
    pub(super) fn daily(days: &[Day], from: u32, until: u32) -> Hours {
        let length = if until > from { until - from } else { MINUTES_A_DAY - from + until };
        let mut stretches = Vec::new();
        for day in days {
            let start = *day as u32 * MINUTES_A_DAY + from;
            let end = start + length;
            stretches.push((start, end.min(MINUTES_A_WEEK)));
            if end > MINUTES_A_WEEK {
                stretches.push((0, end - MINUTES_A_WEEK));
            }
        }
        Hours(stretches)
    }

    /// Whether the instant lies inside.
    pub(super) fn holds(&self, at: Timestamp) -> bool {
        let minute = minute_of_week(at);
        self.0.iter().any(|(from, until)| (*from..*until).contains(&minute))
    }

    /// Whether any instant from `at` to `span` later lies inside.
    pub(super) fn meets(&self, at: Timestamp, span: Span) -> bool {
        let start = minute_of_week(at);
        let end = start + (span.ms() / MS_A_MINUTE as u64).min(u64::from(MINUTES_A_WEEK)) as u32 + 1;
        let overlaps = |shift: u32| self.0.iter().any(|(from, until)| from + shift <= end && until + shift > start);
        overlaps(0) || overlaps(MINUTES_A_WEEK)
    }

    /// Whether every instant from `at` to `span` later lies inside one stretch.
    pub(super) fn covers(&self, at: Timestamp, span: Span) -> bool {
        let start = minute_of_week(at);
        let end = u64::from(start) + span.ms() / MS_A_MINUTE as u64 + 1;
        self.0.iter().any(|(from, until)| *from <= start && u64::from(*until) > end)
    }
}

/// Minutes since Monday 00:00 UTC.
fn minute_of_week(at: Timestamp) -> u32 {
    let minutes = at.ms().div_euclid(MS_A_MINUTE) + EPOCH_MINUTE;
    minutes.rem_euclid(i64::from(MINUTES_A_WEEK)) as u32
}

/// Reads `16:30` as a minute of the day; `24:00` is its end.
pub(super) fn minute_of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| if part.len() == 2 { part.parse::<u32>().ok() } else { None };
    let minute = two(hours)? * 60 + two(minutes).filter(|minutes| *minutes < 60)?;
    (minute <= MINUTES_A_DAY).then_some(minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-08-21 is a Friday.
    fn at(hours: i64, minutes: i64) -> Timestamp {
        Timestamp::from_ms(1_787_270_400_000 + (hours * 60 + minutes) * MS_A_MINUTE)
    }

    #[test]
    fn a_window_may_reach_over_midnight() {
        let hours = Hours::daily(&Day::ALL, 16 * 60 + 30, 30);
        for (hour, minute, inside) in [(16, 29, false), (16, 30, true), (23, 59, true), (24, 29, true), (24, 30, false)]
        {
            assert_eq!(hours.holds(at(hour, minute)), inside, "{hour}:{minute}");
        }
    }

    #[test]
    fn a_window_belongs_to_the_day_on_which_it_opens() {
        let friday = Hours::daily(&[Day::Fri], 22 * 60, 2 * 60);
        assert!(friday.holds(at(25, 0)) && !friday.holds(at(1, 0)) && !friday.holds(at(47, 0)));
        let sunday = Hours::daily(&[Day::Sun], 22 * 60, 2 * 60);
        assert!(sunday.holds(at(3 * 24 + 1, 0)), "Monday at one, from Sunday night");
    }

    #[test]
    fn a_call_that_lasts_may_meet_a_window_that_has_not_opened() {
        let hours = Hours::daily(&Day::ALL, 16 * 60 + 30, 30);
        let hour = Span::from_secs(3_600);
        assert!(hours.meets(at(15, 45), hour) && !hours.meets(at(14, 0), hour));
        assert!(hours.covers(at(17, 0), hour) && !hours.covers(at(15, 45), hour));
        let monday = Hours::daily(&[Day::Mon], 0, 60);
        assert!(monday.meets(at(2 * 24 + 23, 30), hour), "Sunday night runs into Monday");
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        assert_eq!(minute_of_day("24:00"), Some(MINUTES_A_DAY));
        for text in ["", "7:00", "24:01", "12:60", "-1:00", "12", "aa:bb", "12:00:00"] {
            assert_eq!(minute_of_day(text), None, "{text}");
        }
    }
}
