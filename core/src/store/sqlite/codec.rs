//! Rows of the tables, and the ledger's types.

use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row as SqlRow, params};

use crate::error::Kind;
use crate::id::AttemptId;
use crate::ledger::{Basis, Ending, Entry, Facts, Fate, Reserve, Row, Settle, Void};
use crate::model::Tier;
use crate::money::Usd;
use crate::time::{Span, Timestamp};

/// Units in `_hi` columns.
pub(super) const HI: i128 = 1_000_000_000_000;

/// A sum as its two columns.
pub(super) fn split(sum: i128) -> (i64, i64) {
    let hi = i64::try_from(sum.div_euclid(HI)).expect("a sum of fewer than 2^63 amounts fits its columns");
    (hi, sum.rem_euclid(HI) as i64)
}

/// A sum from its two columns.
pub(super) fn join(hi: i64, lo: i64) -> i128 {
    i128::from(hi) * HI + i128::from(lo)
}

const RESERVE: &str =
    "r.seq, r.attempt, r.request, r.at_ms, r.model, r.vendor, r.endpoint, r.tier, r.purpose, r.key, r.tags,
    r.amount_pico, r.tokens_max, r.baseline";
const END: &str =
    "e.kind, e.at_ms, e.cost_pico, e.baseline_cost_pico, e.basis, e.ending, e.latency_ms, e.first_token_ms,
    e.usage, e.lines, e.why";
/// How many columns `RESERVE` has.
const RESERVE_COLUMNS: usize = 14;

/// `SELECT` of attempts with their endings; a condition follows.
pub(super) fn select_rows() -> String {
    format!(
        "SELECT {RESERVE}, {END}, (SELECT u.at_ms FROM endings u WHERE u.reservation = r.seq AND u.kind = 'unknown')
         FROM reservations r LEFT JOIN endings e ON e.reservation = r.seq AND e.kind <> 'unknown' "
    )
}

fn bad(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn parsed<T: std::str::FromStr>(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| bad(column, error))
}

fn json<T: serde::de::DeserializeOwned>(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| bad(column, error))
}

fn quoted<T: serde::de::DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| bad(column, error))
}

/// The name of an ending; `failed:` before an error's kind.
pub(super) fn ending_text(ending: Ending) -> String {
    match ending {
        Ending::Failed(kind) => format!("failed:{}", kind.as_str()),
        other => other.as_str().to_owned(),
    }
}

fn ending_of(text: &str, column: usize) -> rusqlite::Result<Ending> {
    match text.split_once(':') {
        Some(("failed", kind)) => Ok(Ending::Failed(quoted::<Kind>(kind, column)?)),
        _ => quoted(text, column),
    }
}

fn reserve_of(row: &SqlRow<'_>) -> rusqlite::Result<Reserve> {
    Ok(Reserve {
        attempt: parsed(row, 1)?,
        request: parsed(row, 2)?,
        at: Timestamp::from_ms(row.get(3)?),
        facts: Facts {
            model: parsed(row, 4)?,
            vendor: parsed(row, 5)?,
            endpoint: parsed(row, 6)?,
            tier: quoted::<Tier>(row.get_ref(7)?.as_str()?, 7)?,
            purpose: parsed(row, 8)?,
            key: row.get(9)?,
            tags: match row.get_ref(10)?.as_str()? {
                "{}" => Default::default(),
                _ => json(row, 10)?,
            },
        },
        amount: Usd::from_pico(row.get(11)?),
        tokens_max: row.get::<_, i64>(12)? as u64,
        baseline: match row.get_ref(13)?.as_str_or_null()? {
            Some(text) => Some(text.parse().map_err(|error| bad(13, error))?),
            None => None,
        },
    })
}

fn settle_of(row: &SqlRow<'_>, from: usize, attempt: &AttemptId) -> rusqlite::Result<Settle> {
    let span = |column: usize| row.get::<_, Option<i64>>(column).map(|ms| ms.map(|ms| Span::from_ms(ms as u64)));
    Ok(Settle {
        attempt: attempt.clone(),
        at: Timestamp::from_ms(row.get(from + 1)?),
        cost: Usd::from_pico(row.get(from + 2)?),
        baseline_cost: row.get::<_, Option<i64>>(from + 3)?.map(Usd::from_pico),
        basis: parsed::<Basis>(row, from + 4)?,
        ending: ending_of(row.get_ref(from + 5)?.as_str()?, from + 5)?,
        latency: span(from + 6)?.unwrap_or_default(),
        first_token: span(from + 7)?,
        usage: json(row, from + 8)?,
        lines: json(row, from + 9)?,
    })
}

/// The ending in the columns from here; `None` where there is none.
fn fate_of(row: &SqlRow<'_>, from: usize, attempt: &AttemptId) -> rusqlite::Result<Option<Fate>> {
    match row.get_ref(from)?.as_str_or_null()? {
        None => Ok(None),
        Some("void") => {
            let at = Timestamp::from_ms(row.get(from + 1)?);
            let why = row.get::<_, Option<String>>(from + 10)?.unwrap_or_default();
            Ok(Some(Fate::Voided(Void { attempt: attempt.clone(), at, why })))
        }
        Some("unknown") => Ok(Some(Fate::Unknown { at: Timestamp::from_ms(row.get(from + 1)?) })),
        Some(_) => Ok(Some(Fate::Settled(Arc::new(settle_of(row, from, attempt)?)))),
    }
}

/// A row of `select_rows`.
pub(super) fn row_of(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let reserve = Arc::new(reserve_of(row)?);
    let unknown = row.get::<_, Option<i64>>(RESERVE_COLUMNS + 11)?;
    let fate = match fate_of(row, RESERVE_COLUMNS, &reserve.attempt)? {
        Some(fate) => fate,
        None => unknown.map_or(Fate::Open, |ms| Fate::Unknown { at: Timestamp::from_ms(ms) }),
    };
    Ok(Row { seq: row.get::<_, i64>(0)? as u64, reserve, fate })
}

/// The attempt of this id.
pub(super) fn find(connection: &Connection, attempt: &AttemptId) -> rusqlite::Result<Option<Row>> {
    let sql = select_rows() + "WHERE r.attempt = ?1";
    connection.prepare_cached(&sql)?.query_row([attempt.as_str()], row_of).optional()
}

/// The journal after the first `skip` entries.
pub(super) fn journal(connection: &Connection, skip: u64, limit: usize) -> rusqlite::Result<Vec<Entry>> {
    let mut places = connection.prepare_cached(
        "SELECT seq, 0 FROM reservations UNION ALL SELECT seq, 1 FROM endings ORDER BY 1 LIMIT ?2 OFFSET ?1",
    )?;
    let bounds = params![i64::try_from(skip).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX)];
    let places: Vec<(i64, i64)> =
        places.query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut reserves = connection.prepare_cached(&format!("SELECT {RESERVE} FROM reservations r WHERE r.seq = ?1"))?;
    let mut endings = connection.prepare_cached(&format!(
        "SELECT r.attempt, {END} FROM endings e JOIN reservations r ON r.seq = e.reservation WHERE e.seq = ?1"
    ))?;
    let mut entries = Vec::with_capacity(places.len());
    for (seq, kind) in places {
        entries.push(match kind {
            0 => Entry::Reserve(Arc::new(reserves.query_row([seq], reserve_of)?)),
            _ => endings.query_row([seq], |row| {
                let attempt: AttemptId = parsed(row, 0)?;
                Ok(match fate_of(row, 1, &attempt)?.expect("an ending has a kind") {
                    Fate::Settled(entry) => Entry::Settle(entry),
                    Fate::Voided(entry) => Entry::Void(entry),
                    Fate::Unknown { at } => Entry::Unknown { attempt, at },
                    Fate::Open => unreachable!("an ending is not open"),
                })
            })?,
        });
    }
    Ok(entries)
}

/// Writes a reservation; `false` where the id is taken.
pub(super) fn insert_reserve(c: &Connection, seq: i64, owner: i64, entry: &Reserve) -> rusqlite::Result<bool> {
    let facts = &entry.facts;
    let tags = match facts.tags.is_empty() {
        true => "{}".to_owned(),
        false => serde_json::to_string(&*facts.tags).expect("tags are text"),
    };
    let mut insert = c.prepare_cached(
        "INSERT INTO reservations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (attempt) DO NOTHING",
    )?;
    let written = insert.execute(params![
        seq,
        entry.attempt.as_str(),
        entry.request.as_str(),
        entry.at.ms(),
        facts.model.as_str(),
        facts.vendor.as_str(),
        facts.endpoint.as_str(),
        facts.tier.as_str(),
        facts.purpose.as_str(),
        facts.key,
        tags,
        entry.amount.pico(),
        entry.tokens_max as i64,
        entry.baseline.as_ref().map(|model| model.as_str()),
        owner,
    ])?;
    Ok(written == 1)
}

const INSERT_END: &str = "INSERT INTO endings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
    ON CONFLICT (reservation) WHERE kind <> 'unknown' DO NOTHING";

/// Writes a settlement; `false` where the attempt has ended.
pub(super) fn insert_settle(c: &Connection, seq: i64, reservation: i64, entry: &Settle) -> rusqlite::Result<bool> {
    let ms = |span: Span| i64::try_from(span.ms()).unwrap_or(i64::MAX);
    let written = c.prepare_cached(INSERT_END)?.execute(params![
        seq,
        reservation,
        "settle",
        entry.at.ms(),
        entry.cost.pico(),
        entry.baseline_cost.map(Usd::pico),
        entry.basis.as_str(),
        ending_text(entry.ending),
        ms(entry.latency),
        entry.first_token.map(ms),
        serde_json::to_string(&entry.usage).expect("usage is plain data"),
        serde_json::to_string(&entry.lines).expect("charge lines are plain data"),
        None::<&str>,
    ])?;
    Ok(written == 1)
}

/// Writes a void; `false` where the attempt has ended.
pub(super) fn insert_void(c: &Connection, seq: i64, reservation: i64, entry: &Void) -> rusqlite::Result<bool> {
    let none = None::<i64>;
    let text = None::<&str>;
    let written = c.prepare_cached(INSERT_END)?.execute(params![
        seq,
        reservation,
        "void",
        entry.at.ms(),
        none,
        none,
        text,
        text,
        none,
        none,
        text,
        text,
        entry.why
    ])?;
    Ok(written == 1)
}

/// Notes that an attempt's owner died.
pub(super) fn insert_unknown(c: &Connection, seq: i64, reservation: i64, at: Timestamp) -> rusqlite::Result<()> {
    c.prepare_cached("INSERT INTO endings (seq, reservation, kind, at_ms) VALUES (?1, ?2, 'unknown', ?3)")?
        .execute(params![seq, reservation, at.ms()])?;
    Ok(())
}
