-- The ledger in SQLite, format 1. Amounts named `_pico` are whole pico-dollars (10^-12 $). A sum is two columns: `_hi`
-- whole units of 10^12 and `_lo` the rest, so that no sum of pico-dollars can overflow; `_exact` in a view is a decimal.
-- `reservations` and `endings` are the journal: triggers refuse to change or delete a row. Everything else follows from it.

CREATE TABLE owners (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    oldest_open INTEGER NOT NULL
) STRICT;

CREATE TABLE reservations (
    seq         INTEGER PRIMARY KEY,
    attempt     TEXT NOT NULL UNIQUE,
    request     TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    model       TEXT NOT NULL,
    vendor      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    tier        TEXT NOT NULL,
    purpose     TEXT NOT NULL,
    key         TEXT,
    tags        TEXT NOT NULL,
    amount_pico INTEGER NOT NULL CHECK (amount_pico >= 0),
    tokens_max  INTEGER NOT NULL CHECK (tokens_max >= 0),
    baseline    TEXT,
    owner       INTEGER NOT NULL
) STRICT;

CREATE TABLE endings (
    seq                INTEGER PRIMARY KEY,
    reservation        INTEGER NOT NULL REFERENCES reservations (seq),
    kind               TEXT NOT NULL CHECK (kind IN ('settle', 'void', 'unknown')),
    at_ms              INTEGER NOT NULL,
    cost_pico          INTEGER CHECK (cost_pico >= 0),
    baseline_cost_pico INTEGER CHECK (baseline_cost_pico >= 0),
    basis              TEXT,
    ending             TEXT,
    latency_ms         INTEGER,
    first_token_ms     INTEGER,
    usage              TEXT,
    lines              TEXT,
    why                TEXT
) STRICT;
CREATE UNIQUE INDEX endings_one ON endings (reservation) WHERE kind <> 'unknown';
CREATE UNIQUE INDEX endings_unknown ON endings (reservation) WHERE kind = 'unknown';

CREATE TRIGGER reservations_stay BEFORE UPDATE ON reservations BEGIN SELECT RAISE(ABORT, 'the journal is never changed'); END;
CREATE TRIGGER reservations_kept BEFORE DELETE ON reservations BEGIN SELECT RAISE(ABORT, 'the journal is never changed'); END;
CREATE TRIGGER endings_stay BEFORE UPDATE ON endings BEGIN SELECT RAISE(ABORT, 'the journal is never changed'); END;
CREATE TRIGGER endings_kept BEFORE DELETE ON endings BEGIN SELECT RAISE(ABORT, 'the journal is never changed'); END;

CREATE TABLE budgets (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    definition TEXT NOT NULL,
    UNIQUE (name, definition)
) STRICT;

CREATE TABLE balances (
    budget    INTEGER NOT NULL REFERENCES budgets (id),
    scope     TEXT NOT NULL,
    bucket_ms INTEGER NOT NULL,
    posted_hi INTEGER NOT NULL,
    posted_lo INTEGER NOT NULL,
    held_hi   INTEGER NOT NULL,
    held_lo   INTEGER NOT NULL,
    base      INTEGER NOT NULL,
    PRIMARY KEY (budget, scope, bucket_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE rates (
    name             TEXT NOT NULL,
    scope            TEXT NOT NULL,
    requests_full_ns INTEGER NOT NULL,
    tokens_full_ns   INTEGER NOT NULL,
    PRIMARY KEY (name, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE hours (
    hour_ms     INTEGER NOT NULL,
    model       TEXT NOT NULL,
    vendor      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    tier        TEXT NOT NULL,
    purpose     TEXT NOT NULL,
    ending      TEXT NOT NULL,
    basis       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    cost_hi     INTEGER NOT NULL,
    cost_lo     INTEGER NOT NULL,
    baseline_hi INTEGER NOT NULL,
    baseline_lo INTEGER NOT NULL,
    input       INTEGER NOT NULL,
    cached      INTEGER NOT NULL,
    output      INTEGER NOT NULL,
    reasoning   INTEGER NOT NULL,
    overruns    INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    PRIMARY KEY (hour_ms, model, vendor, endpoint, tier, purpose, ending, basis)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag_hours (
    name        TEXT NOT NULL,
    hour_ms     INTEGER NOT NULL,
    value       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    cost_hi     INTEGER NOT NULL,
    cost_lo     INTEGER NOT NULL,
    baseline_hi INTEGER NOT NULL,
    baseline_lo INTEGER NOT NULL,
    input       INTEGER NOT NULL,
    cached      INTEGER NOT NULL,
    output      INTEGER NOT NULL,
    reasoning   INTEGER NOT NULL,
    overruns    INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    PRIMARY KEY (name, hour_ms, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE time_hours (
    hour_ms  INTEGER NOT NULL,
    model    TEXT NOT NULL,
    vendor   TEXT NOT NULL,
    tier     TEXT NOT NULL,
    measure  TEXT NOT NULL,
    class    INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (hour_ms, model, vendor, tier, measure, class)
) STRICT, WITHOUT ROWID;

-- Every attempt and what became of it.
CREATE VIEW attempts AS
SELECT r.attempt, r.request, datetime(r.at_ms / 1000, 'unixepoch') AS at, r.model, r.vendor, r.endpoint, r.tier, r.purpose,
       r.key, r.tags, r.amount_pico, r.tokens_max, r.baseline,
       CASE WHEN e.kind = 'settle' THEN 'settled' WHEN e.kind = 'void' THEN 'voided' WHEN u.seq IS NOT NULL THEN 'unknown'
            ELSE 'open' END AS fate,
       e.cost_pico, e.cost_pico / 1e12 AS cost_usd, e.baseline_cost_pico, e.basis, e.ending, e.latency_ms, e.first_token_ms,
       e.cost_pico > r.amount_pico AS overrun, e.usage, e.lines, e.why
FROM reservations r
LEFT JOIN endings e ON e.reservation = r.seq AND e.kind <> 'unknown'
LEFT JOIN endings u ON u.reservation = r.seq AND u.kind = 'unknown';

-- Attempts whose process died before it wrote how they ended: charged in full until they are reconciled.
CREATE VIEW unknown_attempts AS
SELECT r.attempt, r.request, datetime(r.at_ms / 1000, 'unixepoch') AS at, r.model, r.vendor, r.endpoint, r.amount_pico
FROM endings u JOIN reservations r ON r.seq = u.reservation
WHERE u.kind = 'unknown'
  AND NOT EXISTS (SELECT 1 FROM endings e WHERE e.reservation = u.reservation AND e.kind <> 'unknown');

CREATE VIEW spend_by_day AS
SELECT date(hour_ms / 1000, 'unixepoch') AS day, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       SUM(cost_hi) + SUM(cost_lo) / 1e12 AS cost_usd,
       printf('%d.%012d', SUM(cost_hi) + SUM(cost_lo) / 1000000000000, SUM(cost_lo) % 1000000000000) AS cost_exact
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW spend_by_model AS
SELECT model, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       SUM(cost_hi) + SUM(cost_lo) / 1e12 AS cost_usd,
       printf('%d.%012d', SUM(cost_hi) + SUM(cost_lo) / 1000000000000, SUM(cost_lo) % 1000000000000) AS cost_exact
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW spend_by_tier AS
SELECT tier, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       SUM(cost_hi) + SUM(cost_lo) / 1e12 AS cost_usd,
       printf('%d.%012d', SUM(cost_hi) + SUM(cost_lo) / 1000000000000, SUM(cost_lo) % 1000000000000) AS cost_exact
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW spend_by_vendor AS
SELECT vendor, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       SUM(cost_hi) + SUM(cost_lo) / 1e12 AS cost_usd,
       printf('%d.%012d', SUM(cost_hi) + SUM(cost_lo) / 1000000000000, SUM(cost_lo) % 1000000000000) AS cost_exact
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW spend_by_tag AS
SELECT name AS tag, value, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       SUM(cost_hi) + SUM(cost_lo) / 1e12 AS cost_usd,
       printf('%d.%012d', SUM(cost_hi) + SUM(cost_lo) / 1000000000000, SUM(cost_lo) % 1000000000000) AS cost_exact
FROM tag_hours GROUP BY 1, 2;

-- What the answers would have cost on the baseline model, what all attempts did cost, and the difference.
CREATE VIEW savings AS
SELECT date(hour_ms / 1000, 'unixepoch') AS day,
       SUM(baseline_hi) + SUM(baseline_lo) / 1e12 AS baseline_usd,
       SUM(cost_hi) + SUM(cost_lo) / 1e12 AS cost_usd,
       SUM(baseline_hi) - SUM(cost_hi) + (SUM(baseline_lo) - SUM(cost_lo)) / 1e12 AS saved_usd
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW budget_balances AS
SELECT b.name AS budget, substr(b.definition, 1, instr(b.definition, ' ') - 1) AS unit, a.scope,
       datetime(a.bucket_ms / 1000, 'unixepoch') AS window_start,
       CASE WHEN b.definition LIKE 'money %' THEN a.posted_hi + a.posted_lo / 1e12
            ELSE a.posted_hi * 1000000000000 + a.posted_lo END AS posted,
       CASE WHEN b.definition LIKE 'money %' THEN a.held_hi + a.held_lo / 1e12
            ELSE a.held_hi * 1000000000000 + a.held_lo END AS held
FROM balances a JOIN budgets b ON b.id = a.budget;
