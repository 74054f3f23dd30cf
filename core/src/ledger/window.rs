//! The stretch of time over which a budget counts: calendar windows in a named zone, rolling ones, or for ever.
//!
//! Windows of a calendar are the stretches between the first midnights of days, weeks and months in the zone, so they
//! are 23, 25 or 24.5 hours long where clocks change, skip a day where the zone did, and never overlap. Hours are
//! stretches of one local hour at one offset. A rolling window is counted in sixty parts, each of which leaves as a
//! whole and only when all of it is past: it never counts too little.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// Parts of a rolling window: it counts at most a sixtieth too long.
const ROLLING_PARTS: u64 = 60;
const HOUR_MS: i64 = 3_600_000;

/// What kind of stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Frame {
    /// An hour of the clock.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// For ever.
    #[default]
    Total,
    /// The last so long, at any time.
    Rolling(Span),
}

/// Why a window was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// No frame has this name.
    #[error(
        "'{text}' is no window: use hour, day, week, month, total, or a rolling one such as 'rolling 24h' or '30m'"
    )]
    Frame {
        /// The refused text, cut to 40 characters.
        text: String,
    },
    /// No zone has this name.
    #[error("'{text}' is no time zone: use an IANA name such as Europe/Berlin, or UTC")]
    Zone {
        /// The refused text, cut to 40 characters.
        text: String,
    },
}

impl FromStr for Frame {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Frame, WindowError> {
        let refused = || WindowError::Frame { text: text.chars().take(40).collect() };
        match text {
            "hour" => return Ok(Frame::Hour),
            "day" => return Ok(Frame::Day),
            "week" => return Ok(Frame::Week),
            "month" => return Ok(Frame::Month),
            "total" => return Ok(Frame::Total),
            _ => {}
        }
        let length = text.strip_prefix("rolling").map_or(text, str::trim_start);
        let (count, unit) = length.split_at_checked(length.len().saturating_sub(1)).ok_or_else(refused)?;
        let unit_secs = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(refused()),
        };
        let secs = count.parse::<u32>().map_err(|_| refused())? as u64 * unit_secs;
        let year = 366 * 86_400;
        if secs == 0 || secs > 10 * year { Err(refused()) } else { Ok(Frame::Rolling(Span::from_secs(secs))) }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Hour => f.write_str("hour"),
            Frame::Day => f.write_str("day"),
            Frame::Week => f.write_str("week"),
            Frame::Month => f.write_str("month"),
            Frame::Total => f.write_str("total"),
            Frame::Rolling(span) => match span.ms() / 1_000 {
                secs if secs % 86_400 == 0 => write!(f, "rolling {}d", secs / 86_400),
                secs if secs % 3_600 == 0 => write!(f, "rolling {}h", secs / 3_600),
                secs if secs % 60 == 0 => write!(f, "rolling {}m", secs / 60),
                secs => write!(f, "rolling {secs}s"),
            },
        }
    }
}

impl TryFrom<String> for Frame {
    type Error = WindowError;

    fn try_from(text: String) -> Result<Frame, WindowError> {
        text.parse()
    }
}

impl From<Frame> for String {
    fn from(frame: Frame) -> String {
        frame.to_string()
    }
}

/// A stretch of time: from `start`, up to and without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it; `None` for ever.
    pub end: Option<Timestamp>,
}

impl Period {
    /// Whether an instant lies in it.
    pub fn has(&self, at: Timestamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

/// A frame in a time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    frame: Frame,
    zone: TimeZone,
}

impl Window {
    /// A frame in the zone of this IANA name.
    ///
    /// # Errors
    /// Where no zone has the name.
    pub fn new(frame: Frame, zone: &str) -> Result<Window, WindowError> {
        let zone = match zone {
            "UTC" => TimeZone::UTC,
            name => zones().get(name).map_err(|_| WindowError::Zone { text: name.chars().take(40).collect() })?,
        };
        Ok(Window { frame, zone })
    }

    /// A frame in UTC.
    pub fn utc(frame: Frame) -> Window {
        Window { frame, zone: TimeZone::UTC }
    }

    /// The local date of an instant: `2026-11-30`.
    pub(super) fn date(&self, at: Timestamp) -> String {
        self.zone.to_datetime(instant(at)).date().to_string()
    }

    /// The kind of stretch.
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// The zone's IANA name.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// Whether it is a rolling one.
    pub fn is_rolling(&self) -> bool {
        matches!(self.frame, Frame::Rolling(_))
    }

    /// The stretch that entries of this time are counted in: the window itself, or a part of a rolling one.
    pub fn bucket(&self, at: Timestamp) -> Period {
        match self.frame {
            Frame::Total => Period { start: Timestamp::EPOCH, end: None },
            Frame::Rolling(span) => {
                let width = part_ms(span);
                let start = at.ms().div_euclid(width) * width;
                Period { start: Timestamp::from_ms(start), end: Some(Timestamp::from_ms(start + width)) }
            }
            Frame::Hour => self.hour(at),
            Frame::Day => self.days(at, |date| date, |date| date.tomorrow().ok()),
            Frame::Week => self.days(at, monday, |date| date.checked_add(jiff::Span::new().days(7)).ok()),
            Frame::Month => {
                self.days(at, Date::first_of_month, |date| date.checked_add(jiff::Span::new().months(1)).ok())
            }
        }
    }

    /// The first and the last bucket that count at this time.
    pub fn counted(&self, at: Timestamp) -> (Timestamp, Timestamp) {
        match self.frame {
            Frame::Rolling(span) => {
                let earliest = at.ms() - i64::try_from(span.ms()).unwrap_or(i64::MAX / 4);
                (self.bucket(Timestamp::from_ms(earliest)).start, Timestamp::from_ms(i64::MAX))
            }
            _ => {
                let start = self.bucket(at).start;
                (start, start)
            }
        }
    }

    /// When a bucket no longer counts; `None` for ever.
    pub fn leaves(&self, bucket: Timestamp) -> Option<Timestamp> {
        match self.frame {
            Frame::Rolling(span) => Some(Timestamp::from_ms(bucket.ms() + part_ms(span)).after(span)),
            _ => self.bucket(bucket).end,
        }
    }

    /// When the stretch ends that a time lies in, of those as long as a rolling window, one after the other from 1970.
    /// `None` for another window, which is such a stretch itself.
    pub(super) fn stretch_end(&self, at: Timestamp) -> Option<Timestamp> {
        let Frame::Rolling(span) = self.frame else { return None };
        let length = i64::try_from(span.ms()).unwrap_or(i64::MAX / 4).max(1);
        Some(Timestamp::from_ms((at.ms().div_euclid(length) + 1).saturating_mul(length)))
    }

    /// The local hour, cut where the zone's offset changes inside it.
    fn hour(&self, at: Timestamp) -> Period {
        let instant = instant(at);
        let offset = i64::from(self.zone.to_offset(instant).seconds()) * 1_000;
        let start = (at.ms() + offset).div_euclid(HOUR_MS) * HOUR_MS - offset;
        let next = jiff::Timestamp::from_millisecond(start + HOUR_MS).unwrap_or(jiff::Timestamp::MAX);
        let mut period = Period { start: Timestamp::from_ms(start), end: Some(Timestamp::from_ms(start + HOUR_MS)) };
        for change in self.zone.preceding(next).map(|change| Timestamp::from_ms(change.timestamp().as_millisecond())) {
            if change <= period.start {
                break;
            }
            match change <= at {
                true => {
                    period.start = change;
                    break;
                }
                false => period.end = Some(change),
            }
        }
        period
    }

    /// The stretch between the first midnights of two dates.
    fn days(&self, at: Timestamp, floor: fn(Date) -> Date, next: fn(Date) -> Option<Date>) -> Period {
        let date = floor(self.zone.to_datetime(instant(at)).date());
        let mut start = self.midnight(date);
        let mut upcoming = next(date);
        // A clock set back over midnight repeats the end of a day after the next one has begun.
        loop {
            let end = upcoming.map(|date| self.midnight(date));
            match (end, upcoming) {
                (Some(end), Some(date)) if end <= at => {
                    start = end;
                    upcoming = next(date);
                }
                _ => return Period { start, end },
            }
        }
    }

    fn midnight(&self, date: Date) -> Timestamp {
        let first = date.to_zoned(self.zone.clone()).and_then(|zoned| zoned.start_of_day());
        first.map_or(Timestamp::from_ms(i64::MIN), |first| Timestamp::from_ms(first.timestamp().as_millisecond()))
    }
}

fn part_ms(span: Span) -> i64 {
    i64::try_from(span.ms().div_ceil(ROLLING_PARTS).max(1)).unwrap_or(i64::MAX)
}

/// The zones that are known: those built in, or the platform's own.
fn zones() -> jiff::tz::TimeZoneDatabase {
    match cfg!(feature = "zones") {
        true => jiff::tz::TimeZoneDatabase::bundled(),
        false => jiff::tz::TimeZoneDatabase::from_env(),
    }
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    let edge = if at.ms() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_millisecond(at.ms()).unwrap_or(edge)
}

fn monday(date: Date) -> Date {
    let back = i64::from(date.weekday().since(Weekday::Monday));
    date.checked_sub(jiff::Span::new().days(back)).unwrap_or(date)
}
