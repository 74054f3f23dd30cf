//! Sums by hour: written with each batch, read for reports.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::codec::{Unreadable, field, sum};
use super::failure::Trouble;
use super::link::Link;
use crate::ledger::{CellKey, ClassKey, Measure, Rollup, Sums, TagKey};
use crate::store::Stretch;
use crate::time::Timestamp;

const DOING_WRITE: &str = "writing sums";
const DOING_READ: &str = "reading sums";
const SUMS: &str = "attempts, cost::text, baseline::text, input, cached, output, reasoning, overruns, failed";

/// What is added to a row that is there.
fn add(table: &str) -> String {
    let columns = ["attempts", "cost", "baseline", "input", "cached", "output", "reasoning", "overruns", "failed"];
    let sets = columns.map(|column| format!("{column} = {table}.{column} + excluded.{column}"));
    sets.join(", ")
}

/// The columns of sums, as arrays.
#[derive(Default)]
struct Columns {
    counts: [Vec<i64>; 7],
    cost: Vec<String>,
    baseline: Vec<String>,
}

impl Columns {
    fn push(&mut self, sums: &Sums) {
        let counts = [sums.attempts, sums.input, sums.cached, sums.output, sums.reasoning, sums.overruns, sums.failed];
        for (column, count) in self.counts.iter_mut().zip(counts) {
            column.push(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.cost.push(sums.cost.to_string());
        self.baseline.push(sums.baseline.to_string());
    }
}

/// Adds what a batch settled. Rows are taken in the order of their keys, so that two batches never wait for each other.
pub(super) async fn write(link: &Link, rollup: &Rollup) -> Result<(), Trouble> {
    let (cells, tags, times) = (cells(link, rollup), tags(link, rollup), times(link, rollup));
    let (cells, tags, times) = futures_util::future::join3(cells, tags, times).await;
    cells.and(tags).and(times)
}

async fn cells(link: &Link, rollup: &Rollup) -> Result<(), Trouble> {
    if rollup.cells.is_empty() {
        return Ok(());
    }
    let mut hours = Vec::new();
    let mut keys: [Vec<&str>; 7] = Default::default();
    let mut sums = Columns::default();
    for (key, cell) in &rollup.cells {
        hours.push(key.hour.ms());
        let words = [&key.model, &key.vendor, &key.endpoint, &key.tier, &key.purpose, &key.ending, &key.basis];
        keys.iter_mut().zip(words).for_each(|(column, word)| column.push(word));
        sums.push(cell);
    }
    let sql = format!(
        "INSERT INTO hours (hour_ms, model, vendor, endpoint, tier, purpose, ending, basis, cost, baseline, attempts,
             input, cached, output, reasoning, overruns, failed)
         SELECT h, a, b, c, d, e, f, g, x::numeric, y::numeric, n1, n2, n3, n4, n5, n6, n7
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
             AS t(h, a, b, c, d, e, f, g, x, y, n1, n2, n3, n4, n5, n6, n7)
         ON CONFLICT (hour_ms, model, vendor, endpoint, tier, purpose, ending, basis) DO UPDATE SET {}",
        add("hours")
    );
    let [a, b, c, d, e, f, g] = &keys;
    let mut params: Vec<(&(dyn tokio_postgres::types::ToSql + Sync), Type)> = vec![(&hours, Type::INT8_ARRAY)];
    for column in [a, b, c, d, e, f, g] {
        params.push((column, Type::TEXT_ARRAY));
    }
    push_sums(&mut params, &sums);
    link.execute(DOING_WRITE, &sql, &params).await.map(drop)
}

fn push_sums<'a>(params: &mut Vec<(&'a (dyn tokio_postgres::types::ToSql + Sync), Type)>, sums: &'a Columns) {
    params.push((&sums.cost, Type::TEXT_ARRAY));
    params.push((&sums.baseline, Type::TEXT_ARRAY));
    for column in &sums.counts {
        params.push((column, Type::INT8_ARRAY));
    }
}

async fn tags(link: &Link, rollup: &Rollup) -> Result<(), Trouble> {
    if rollup.tags.is_empty() {
        return Ok(());
    }
    let (mut hours, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut sums = Columns::default();
    for (key, cell) in &rollup.tags {
        hours.push(key.hour.ms());
        names.push(key.name.as_str());
        values.push(key.value.as_str());
        sums.push(cell);
    }
    let sql = format!(
        "INSERT INTO tag_hours (hour_ms, name, value, cost, baseline, attempts, input, cached, output, reasoning,
             overruns, failed)
         SELECT h, a, b, x::numeric, y::numeric, n1, n2, n3, n4, n5, n6, n7
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             AS t(h, a, b, x, y, n1, n2, n3, n4, n5, n6, n7)
         ON CONFLICT (name, hour_ms, value) DO UPDATE SET {}",
        add("tag_hours")
    );
    let mut params: Vec<(&(dyn tokio_postgres::types::ToSql + Sync), Type)> =
        vec![(&hours, Type::INT8_ARRAY), (&names, Type::TEXT_ARRAY), (&values, Type::TEXT_ARRAY)];
    push_sums(&mut params, &sums);
    link.execute(DOING_WRITE, &sql, &params).await.map(drop)
}

async fn times(link: &Link, rollup: &Rollup) -> Result<(), Trouble> {
    if rollup.classes.is_empty() {
        return Ok(());
    }
    let (mut hours, mut classes, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
    let mut keys: [Vec<&str>; 4] = Default::default();
    for (key, count) in &rollup.classes {
        hours.push(key.hour.ms());
        let words = [key.model.as_str(), &key.vendor, &key.tier, key.measure.as_str()];
        keys.iter_mut().zip(words).for_each(|(column, word)| column.push(word));
        classes.push(i32::from(key.class));
        attempts.push(i64::try_from(*count).unwrap_or(i64::MAX));
    }
    let [models, vendors, tiers, measures] = &keys;
    let sql = "INSERT INTO time_hours (hour_ms, model, vendor, tier, measure, class, attempts)
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (hour_ms, model, vendor, tier, measure, class)
         DO UPDATE SET attempts = time_hours.attempts + excluded.attempts";
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 7] = [
        (&hours, Type::INT8_ARRAY),
        (models, Type::TEXT_ARRAY),
        (vendors, Type::TEXT_ARRAY),
        (tiers, Type::TEXT_ARRAY),
        (measures, Type::TEXT_ARRAY),
        (&classes, Type::INT4_ARRAY),
        (&attempts, Type::INT8_ARRAY),
    ];
    link.execute(DOING_WRITE, sql, &params).await.map(drop)
}

fn sums_of(row: &Row, from: usize) -> Result<Sums, Unreadable> {
    let count = |column: usize| field::<i64>(row, from + column).map(|count| count as u64);
    Ok(Sums {
        attempts: count(0)?,
        cost: sum(row, from + 1)?,
        baseline: sum(row, from + 2)?,
        input: count(3)?,
        cached: count(4)?,
        output: count(5)?,
        reasoning: count(6)?,
        overruns: count(7)?,
        failed: count(8)?,
    })
}

/// Reads the sums of a stretch of time.
pub(super) async fn read(link: &Link, stretch: &Stretch) -> Result<Rollup, Trouble> {
    let since = stretch.since.map_or(i64::MIN, Timestamp::ms);
    let until = stretch.until.map_or(i64::MAX, Timestamp::ms);
    let hours = [(&since as _, Type::INT8), (&until as _, Type::INT8)];
    let bounds = "hour_ms >= $1 AND hour_ms < $2";
    let sql = format!(
        "SELECT hour_ms, model, vendor, endpoint, tier, purpose, ending, basis, {SUMS} FROM hours WHERE {bounds}"
    );
    let cells = link.query(DOING_READ, &sql, &hours).await?;
    let sql = format!("SELECT hour_ms, model, vendor, tier, measure, class, attempts FROM time_hours WHERE {bounds}");
    let classes = link.query(DOING_READ, &sql, &hours).await?;
    let sql = format!("SELECT hour_ms, value, name, {SUMS} FROM tag_hours WHERE {bounds} AND name = ANY($3)");
    let names = (&stretch.tags as _, Type::TEXT_ARRAY);
    let tags = link.query(DOING_READ, &sql, &[hours[0].clone(), hours[1].clone(), names]).await?;
    rollup_of(&cells, &tags, &classes).map_err(|reason| link.corrupt(reason))
}

fn rollup_of(cells: &[Row], tags: &[Row], classes: &[Row]) -> Result<Rollup, Unreadable> {
    let mut rollup = Rollup::default();
    for row in cells {
        let key = CellKey {
            hour: Timestamp::from_ms(field(row, 0)?),
            model: field(row, 1)?,
            vendor: field(row, 2)?,
            endpoint: field(row, 3)?,
            tier: field(row, 4)?,
            purpose: field(row, 5)?,
            ending: field(row, 6)?,
            basis: field(row, 7)?,
        };
        rollup.cells.insert(key, sums_of(row, 8)?);
    }
    for row in tags {
        let key = TagKey { hour: Timestamp::from_ms(field(row, 0)?), name: field(row, 2)?, value: field(row, 1)? };
        rollup.tags.insert(key, sums_of(row, 3)?);
    }
    for row in classes {
        let measure = match field(row, 4)? {
            "first_token" => Measure::FirstToken,
            _ => Measure::Latency,
        };
        let key = ClassKey {
            hour: Timestamp::from_ms(field(row, 0)?),
            model: field(row, 1)?,
            vendor: field(row, 2)?,
            tier: field(row, 3)?,
            measure,
            class: u8::try_from(field::<i32>(row, 5)?).map_err(|error| error.to_string())?,
        };
        rollup.classes.insert(key, field::<i64>(row, 6)? as u64);
    }
    Ok(rollup)
}
