//! The tables of sums by hour: written with each batch, read for reports.

use std::sync::LazyLock;

use rusqlite::{Connection, params};

use super::codec::{join, split};
use crate::ledger::{CellKey, ClassKey, Measure, Rollup, Sums, TagKey};
use crate::store::Stretch;
use crate::time::Timestamp;

/// Adds to the sums of a table: the columns after the key.
const ADD: &str = "attempts = attempts + excluded.attempts,
    cost_hi = cost_hi + excluded.cost_hi + (cost_lo + excluded.cost_lo) / 1000000000000,
    cost_lo = (cost_lo + excluded.cost_lo) % 1000000000000,
    baseline_hi = baseline_hi + excluded.baseline_hi + (baseline_lo + excluded.baseline_lo) / 1000000000000,
    baseline_lo = (baseline_lo + excluded.baseline_lo) % 1000000000000,
    input = input + excluded.input, cached = cached + excluded.cached, output = output + excluded.output,
    reasoning = reasoning + excluded.reasoning, overruns = overruns + excluded.overruns, failed = failed + excluded.failed";
const SUMS: &str =
    "attempts, cost_hi, cost_lo, baseline_hi, baseline_lo, input, cached, output, reasoning, overruns, failed";

static ADD_HOUR: LazyLock<String> = LazyLock::new(|| {
    let values = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19";
    format!("INSERT INTO hours VALUES ({values}) ON CONFLICT DO UPDATE SET {ADD}")
});
static ADD_TAG_HOUR: LazyLock<String> = LazyLock::new(|| {
    let values = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14";
    format!("INSERT INTO tag_hours VALUES ({values}) ON CONFLICT DO UPDATE SET {ADD}")
});

/// Adds what a batch settled.
pub(super) fn write(c: &Connection, rollup: &Rollup) -> rusqlite::Result<()> {
    for (key, sums) in &rollup.cells {
        let (cost, baseline) = (split(sums.cost), split(sums.baseline));
        c.prepare_cached(&ADD_HOUR)?.execute(params![
            key.hour.ms(),
            key.model,
            key.vendor,
            key.endpoint,
            key.tier,
            key.purpose,
            key.ending,
            key.basis,
            sums.attempts as i64,
            cost.0,
            cost.1,
            baseline.0,
            baseline.1,
            sums.input as i64,
            sums.cached as i64,
            sums.output as i64,
            sums.reasoning as i64,
            sums.overruns as i64,
            sums.failed as i64
        ])?;
    }
    for (key, sums) in &rollup.tags {
        let (cost, baseline) = (split(sums.cost), split(sums.baseline));
        c.prepare_cached(&ADD_TAG_HOUR)?.execute(params![
            key.name,
            key.hour.ms(),
            key.value,
            sums.attempts as i64,
            cost.0,
            cost.1,
            baseline.0,
            baseline.1,
            sums.input as i64,
            sums.cached as i64,
            sums.output as i64,
            sums.reasoning as i64,
            sums.overruns as i64,
            sums.failed as i64
        ])?;
    }
    for (key, attempts) in &rollup.classes {
        c.prepare_cached(
            "INSERT INTO time_hours VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts",
        )?
        .execute(params![
            key.hour.ms(),
            key.model,
            key.vendor,
            key.tier,
            key.measure.as_str(),
            key.class,
            *attempts as i64
        ])?;
    }
    Ok(())
}

fn sums_of(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Sums> {
    let count = |column: usize| row.get::<_, i64>(from + column).map(|count| count as u64);
    Ok(Sums {
        attempts: count(0)?,
        cost: join(row.get(from + 1)?, row.get(from + 2)?),
        baseline: join(row.get(from + 3)?, row.get(from + 4)?),
        input: count(5)?,
        cached: count(6)?,
        output: count(7)?,
        reasoning: count(8)?,
        overruns: count(9)?,
        failed: count(10)?,
    })
}

/// Reads the sums of a stretch of time.
pub(super) fn read(c: &Connection, stretch: &Stretch) -> rusqlite::Result<Rollup> {
    let since = stretch.since.map_or(i64::MIN, Timestamp::ms);
    let until = stretch.until.map_or(i64::MAX, Timestamp::ms);
    let mut rollup = Rollup::default();
    let mut select = c.prepare(&format!(
        "SELECT hour_ms, model, vendor, endpoint, tier, purpose, ending, basis, {SUMS} FROM hours
         WHERE hour_ms >= ?1 AND hour_ms < ?2"
    ))?;
    let mut rows = select.query([since, until])?;
    while let Some(row) = rows.next()? {
        let key = CellKey {
            hour: Timestamp::from_ms(row.get(0)?),
            model: row.get(1)?,
            vendor: row.get(2)?,
            endpoint: row.get(3)?,
            tier: row.get(4)?,
            purpose: row.get(5)?,
            ending: row.get(6)?,
            basis: row.get(7)?,
        };
        rollup.cells.insert(key, sums_of(row, 8)?);
    }
    for name in &stretch.tags {
        let mut select = c.prepare(&format!(
            "SELECT hour_ms, value, {SUMS} FROM tag_hours WHERE name = ?1 AND hour_ms >= ?2 AND hour_ms < ?3"
        ))?;
        let mut rows = select.query(params![name, since, until])?;
        while let Some(row) = rows.next()? {
            let key = TagKey { hour: Timestamp::from_ms(row.get(0)?), name: name.clone(), value: row.get(1)? };
            rollup.tags.insert(key, sums_of(row, 2)?);
        }
    }
    let mut select = c.prepare(
        "SELECT hour_ms, model, vendor, tier, measure, class, attempts FROM time_hours
         WHERE hour_ms >= ?1 AND hour_ms < ?2",
    )?;
    let mut rows = select.query([since, until])?;
    while let Some(row) = rows.next()? {
        let measure = match row.get_ref(4)?.as_str()? {
            "first_token" => Measure::FirstToken,
            _ => Measure::Latency,
        };
        let key = ClassKey {
            hour: Timestamp::from_ms(row.get(0)?),
            model: row.get(1)?,
            vendor: row.get(2)?,
            tier: row.get(3)?,
            measure,
            class: row.get(5)?,
        };
        rollup.classes.insert(key, row.get::<_, i64>(6)? as u64);
    }
    Ok(rollup)
}
