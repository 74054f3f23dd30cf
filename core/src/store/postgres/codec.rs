//! Rows of the tables, and the ledger's types.

use std::fmt::Display;
use std::sync::Arc;

use tokio_postgres::Row as PgRow;
use tokio_postgres::types::{FromSql, Type};

use super::failure::Trouble;
use super::link::Link;
use crate::error::Kind;
use crate::id::AttemptId;
use crate::ledger::{Basis, Ending, Entry, Facts, Fate, Reserve, Row, Settle, Void};
use crate::model::Tier;
use crate::money::Usd;
use crate::time::{Span, Timestamp};

const RESERVE: &str =
    "r.seq, r.attempt, r.request, r.at_ms, r.model, r.vendor, r.endpoint, r.tier, r.purpose, r.key, r.tags,
    r.amount_pico, r.tokens_max, r.baseline";
const END: &str =
    "e.kind, e.at_ms, e.cost_pico, e.baseline_cost_pico, e.basis, e.ending, e.latency_ms, e.first_token_ms,
    e.usage, e.lines, e.why";
/// How many columns `RESERVE` has.
const RESERVE_COLUMNS: usize = 14;

/// Why a row cannot be read.
pub(super) type Unreadable = String;

/// `SELECT` of attempts with their endings; a condition follows.
pub(super) fn select_rows() -> String {
    format!(
        "SELECT {RESERVE}, {END}, (SELECT u.at_ms FROM endings u WHERE u.reservation = r.seq AND u.kind = 'unknown')
         FROM reservations r LEFT JOIN endings e ON e.reservation = r.seq AND e.kind <> 'unknown' "
    )
}

fn bad(column: usize, error: impl Display) -> Unreadable {
    format!("column {column} of an attempt: {error}")
}

pub(super) fn field<'a, T: FromSql<'a>>(row: &'a PgRow, column: usize) -> Result<T, Unreadable> {
    row.try_get(column).map_err(|error| bad(column, error))
}

/// A sum that the statement gave as text.
pub(super) fn sum(row: &PgRow, column: usize) -> Result<i128, Unreadable> {
    let text: &str = field(row, column)?;
    text.parse().map_err(|error| bad(column, error))
}

fn parsed<T: std::str::FromStr<Err: Display>>(row: &PgRow, column: usize) -> Result<T, Unreadable> {
    field::<&str>(row, column)?.parse().map_err(|error| bad(column, error))
}

fn json<T: serde::de::DeserializeOwned>(row: &PgRow, column: usize) -> Result<T, Unreadable> {
    serde_json::from_str(field(row, column)?).map_err(|error| bad(column, error))
}

fn quoted<T: serde::de::DeserializeOwned>(text: &str, column: usize) -> Result<T, Unreadable> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| bad(column, error))
}

/// The name of an ending; `failed:` before an error's kind.
pub(super) fn ending_text(ending: Ending) -> String {
    match ending {
        Ending::Failed(kind) => format!("failed:{}", kind.as_str()),
        other => other.as_str().to_owned(),
    }
}

fn ending_of(text: &str, column: usize) -> Result<Ending, Unreadable> {
    match text.split_once(':') {
        Some(("failed", kind)) => Ok(Ending::Failed(quoted::<Kind>(kind, column)?)),
        _ => quoted(text, column),
    }
}

fn reserve_of(row: &PgRow) -> Result<Reserve, Unreadable> {
    let tags: &str = field(row, 10)?;
    let baseline: Option<&str> = field(row, 13)?;
    Ok(Reserve {
        attempt: parsed(row, 1)?,
        request: parsed(row, 2)?,
        at: Timestamp::from_ms(field(row, 3)?),
        facts: Facts {
            model: parsed(row, 4)?,
            vendor: parsed(row, 5)?,
            endpoint: parsed(row, 6)?,
            tier: quoted::<Tier>(field(row, 7)?, 7)?,
            purpose: parsed(row, 8)?,
            key: field(row, 9)?,
            tags: if tags == "{}" { Arc::default() } else { json(row, 10)? },
        },
        amount: Usd::from_pico(field(row, 11)?),
        tokens_max: field::<i64>(row, 12)? as u64,
        baseline: baseline.map(|text| text.parse().map_err(|error| bad(13, error))).transpose()?,
    })
}

fn settle_of(row: &PgRow, from: usize, attempt: &AttemptId) -> Result<Settle, Unreadable> {
    let span = |column: usize| field::<Option<i64>>(row, column).map(|ms| ms.map(|ms| Span::from_ms(ms as u64)));
    Ok(Settle {
        attempt: attempt.clone(),
        at: Timestamp::from_ms(field(row, from + 1)?),
        cost: Usd::from_pico(field(row, from + 2)?),
        baseline_cost: field::<Option<i64>>(row, from + 3)?.map(Usd::from_pico),
        basis: parsed::<Basis>(row, from + 4)?,
        ending: ending_of(field(row, from + 5)?, from + 5)?,
        latency: span(from + 6)?.unwrap_or_default(),
        first_token: span(from + 7)?,
        usage: json(row, from + 8)?,
        lines: json(row, from + 9)?,
    })
}

/// The ending in the columns from here; `None` where there is none.
fn fate_of(row: &PgRow, from: usize, attempt: &AttemptId) -> Result<Option<Fate>, Unreadable> {
    match field::<Option<&str>>(row, from)? {
        None => Ok(None),
        Some("void") => {
            let at = Timestamp::from_ms(field(row, from + 1)?);
            let why = field::<Option<String>>(row, from + 10)?.unwrap_or_default();
            Ok(Some(Fate::Voided(Void { attempt: attempt.clone(), at, why })))
        }
        Some("unknown") => Ok(Some(Fate::Unknown { at: Timestamp::from_ms(field(row, from + 1)?) })),
        Some(_) => Ok(Some(Fate::Settled(Arc::new(settle_of(row, from, attempt)?)))),
    }
}

/// A row of `select_rows`.
pub(super) fn row_of(row: &PgRow) -> Result<Row, Unreadable> {
    let reserve = Arc::new(reserve_of(row)?);
    let unknown: Option<i64> = field(row, RESERVE_COLUMNS + 11)?;
    let fate = match fate_of(row, RESERVE_COLUMNS, &reserve.attempt)? {
        Some(fate) => fate,
        None => unknown.map_or(Fate::Open, |ms| Fate::Unknown { at: Timestamp::from_ms(ms) }),
    };
    Ok(Row { seq: field::<i64>(row, 0)? as u64, reserve, fate })
}

/// Attempts by a condition on `select_rows`.
pub(super) async fn rows(
    link: &Link,
    doing: &'static str,
    condition: &str,
    params: super::link::Params<'_>,
) -> Result<Vec<Row>, Trouble> {
    let got = link.query(doing, &(select_rows() + condition), params).await?;
    got.iter().map(row_of).collect::<Result<_, _>>().map_err(|reason| link.corrupt(reason))
}

/// The attempts of these ids that there are.
pub(super) async fn find(link: &Link, attempts: &[&str]) -> Result<Vec<Row>, Trouble> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    rows(link, "reading attempts", "WHERE r.attempt = ANY($1)", &[(&attempts, Type::TEXT_ARRAY)]).await
}

/// The journal after the first `skip` entries.
pub(super) async fn journal(link: &Link, skip: u64, limit: usize) -> Result<Vec<Entry>, Trouble> {
    let skip = i64::try_from(skip).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let places = "SELECT seq, 0 AS kind FROM reservations UNION ALL SELECT seq, 1 FROM endings";
    let doing = "reading the journal";
    let bounds = [(&skip as _, Type::INT8), (&limit as _, Type::INT8)];
    let sql = format!(
        "WITH places AS ({places} ORDER BY 1 OFFSET $1 LIMIT $2)
         SELECT {RESERVE}, {END}, p.seq, p.kind FROM places p
         LEFT JOIN endings e ON p.kind = 1 AND e.seq = p.seq
         JOIN reservations r ON r.seq = CASE p.kind WHEN 0 THEN p.seq ELSE e.reservation END
         ORDER BY p.seq"
    );
    let got = link.query(doing, &sql, &bounds).await?;
    got.iter().map(entry_of).collect::<Result<_, _>>().map_err(|reason| link.corrupt(reason))
}

fn entry_of(row: &PgRow) -> Result<Entry, Unreadable> {
    if field::<i32>(row, RESERVE_COLUMNS + 12)? == 0 {
        return Ok(Entry::Reserve(Arc::new(reserve_of(row)?)));
    }
    let attempt: AttemptId = parsed(row, 1)?;
    match fate_of(row, RESERVE_COLUMNS, &attempt)? {
        Some(Fate::Settled(entry)) => Ok(Entry::Settle(entry)),
        Some(Fate::Voided(entry)) => Ok(Entry::Void(entry)),
        Some(Fate::Unknown { at }) => Ok(Entry::Unknown { attempt, at }),
        Some(Fate::Open) | None => Err("an ending has no kind".to_owned()),
    }
}
