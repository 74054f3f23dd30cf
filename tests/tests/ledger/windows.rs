//! Windows of every IANA zone around changes of clocks and ends of months, against an oracle that only counts.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use tierway::ledger::{Frame, Window};
use tierway::time::Timestamp;

const MINUTE: i64 = 60_000;

fn offset_ms(zone: &TimeZone, ms: i64) -> i64 {
    i64::from(zone.to_offset(jiff::Timestamp::from_millisecond(ms).unwrap()).seconds()) * 1_000
}

/// Days since the epoch of an instant's local date, by arithmetic alone.
fn local_day(zone: &TimeZone, ms: i64) -> i64 {
    (ms + offset_ms(zone, ms)).div_euclid(86_400_000)
}

/// What a window of this frame starts with: a day for days, a Monday's for weeks, a first's for months.
fn anchor(frame: Frame, day: i64) -> i64 {
    match frame {
        Frame::Week => day - (day + 3).rem_euclid(7),
        Frame::Month => {
            let date = Date::new(1970, 1, 1).unwrap().saturating_add(jiff::Span::new().days(day));
            day - i64::from(date.day()) + 1
        }
        _ => day,
    }
}

/// Every instant from one on at which a window may begin: since 1980 zones change by quarters of an hour, at quarters of
/// an hour or a minute after.
fn edges(from: i64) -> impl Iterator<Item = i64> {
    let quarter = 15 * MINUTE;
    let first = from.div_euclid(quarter) * quarter;
    (0..).flat_map(move |n| [first + n * quarter, first + n * quarter + MINUTE]).filter(move |at| *at >= from)
}

/// The first instant at which a window with this anchor or a later one has begun.
fn first_with(zone: &TimeZone, frame: Frame, wanted: i64, from: i64) -> i64 {
    edges(from).find(|ms| anchor(frame, local_day(zone, *ms)) >= wanted).unwrap()
}

#[track_caller]
fn check(name: &str, zone: &TimeZone, frame: Frame, ms: i64) {
    let window = Window::new(frame, name).unwrap();
    let period = window.bucket(Timestamp::from_ms(ms));
    assert!(period.has(Timestamp::from_ms(ms)), "{name} {frame} {ms}: {period:?}");
    // The highest anchor seen so far is the one in force: a clock set back does not reopen a window.
    let back = 50 * 60 * MINUTE;
    let aligned = (ms - back).div_euclid(MINUTE) * MINUTE;
    let in_force = edges(aligned).take_while(|at| *at <= ms);
    let wanted = in_force.map(|at| anchor(frame, local_day(zone, at))).max().unwrap();
    let span = match frame {
        Frame::Day => 3,
        Frame::Week => 9,
        _ => 33,
    };
    if period.start.ms() > aligned {
        let start = first_with(zone, frame, wanted, (aligned - 86_400_000).min(period.start.ms() - 600 * MINUTE));
        assert_eq!(period.start.ms(), start, "{name} {frame} {ms}: start");
    }
    let end = period.end.unwrap().ms();
    assert!(end - period.start.ms() <= span * 86_400_000, "{name} {frame} {ms}: {period:?}");
    assert!(anchor(frame, local_day(zone, end)) > wanted, "{name} {frame} {ms}: end");
    let before = edges(end - 180 * MINUTE).take_while(|at| *at < end);
    let last = before.map(|at| anchor(frame, local_day(zone, at))).max().unwrap();
    assert!(last <= wanted, "{name} {frame} {ms}: it ends late");
    let next = window.bucket(Timestamp::from_ms(end));
    assert_eq!(next.start.ms(), end, "{name} {frame} {ms}: the next follows at once");
}

#[test]
fn windows_of_every_zone_equal_a_count_by_the_minute() {
    let mut cases = 0;
    for name in TimeZoneDatabase::bundled().available() {
        let name = name.as_str();
        let zone = TimeZoneDatabase::bundled().get(name).unwrap();
        let from = jiff::Timestamp::from_second(1_767_225_600).unwrap();
        let mut instants: Vec<i64> = zone
            .preceding(from)
            .take(3)
            .chain(zone.following(from).take(2))
            .map(|change| change.timestamp().as_millisecond())
            .filter(|ms| *ms > 320_000_000_000)
            .flat_map(|ms| [ms - 1, ms, ms + 59 * MINUTE])
            .collect();
        instants.push(1_772_323_199_000);
        for (at, ms) in instants.into_iter().enumerate() {
            check(name, &zone, Frame::Day, ms);
            if at % 5 == 0 {
                check(name, &zone, Frame::Month, ms);
                check(name, &zone, Frame::Week, ms);
            }
            let hour = Window::new(Frame::Hour, name).unwrap().bucket(Timestamp::from_ms(ms));
            assert!(hour.has(Timestamp::from_ms(ms)), "{name} {ms}: {hour:?}");
            let (start, end) = (hour.start.ms(), hour.end.unwrap().ms());
            let clock = |ms: i64| (offset_ms(&zone, ms), (ms + offset_ms(&zone, ms)).div_euclid(60 * MINUTE));
            assert!(clock(start) == clock(ms) && clock(end - 1) == clock(ms), "{name} {ms}: {hour:?} is one hour");
            assert!(clock(start - 1) != clock(ms) && clock(end) != clock(ms), "{name} {ms}: {hour:?} is whole");
            cases += 1;
        }
    }
    println!("{cases} instants of every zone");
    assert!(cases > 5_000);
}
