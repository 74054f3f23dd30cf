-- The ledger in PostgreSQL, format 1. Amounts named `_pico` are whole pico-dollars (10^-12 $); sums are NUMERIC and exact.
-- `reservations` and `endings` are the journal: triggers refuse to change or delete a row. Everything else follows from
-- it, but for `owners` and `leases`, which say who is at work. It runs in a transaction whose search_path is the
-- ledger's schema; nothing here names one.

CREATE TABLE ledger_format (
    format     INTEGER PRIMARY KEY,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- One row: tells ledgers apart.
CREATE TABLE ledger_identity (
    ledger UUID PRIMARY KEY DEFAULT gen_random_uuid()
);
INSERT INTO ledger_identity DEFAULT VALUES;

CREATE SEQUENCE ledger_seq;
CREATE SEQUENCE owner_seq;

-- Stores that are open. One that has not written its sign of life in time is taken for dead, which frees no money.
CREATE TABLE owners (
    id          BIGINT PRIMARY KEY,
    name        TEXT NOT NULL,
    oldest_open BIGINT NOT NULL,
    alive_until TIMESTAMPTZ NOT NULL
);

CREATE TABLE reservations (
    seq         BIGINT PRIMARY KEY,
    attempt     TEXT NOT NULL,
    request     TEXT NOT NULL,
    at_ms       BIGINT NOT NULL,
    model       TEXT NOT NULL,
    vendor      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    tier        TEXT NOT NULL,
    purpose     TEXT NOT NULL,
    key         TEXT,
    tags        TEXT NOT NULL,
    amount_pico BIGINT NOT NULL CHECK (amount_pico >= 0),
    tokens_max  BIGINT NOT NULL CHECK (tokens_max >= 0),
    baseline    TEXT,
    owner       BIGINT NOT NULL
);
CREATE UNIQUE INDEX reservations_attempt ON reservations (attempt);
CREATE INDEX reservations_at ON reservations USING brin (at_ms);

CREATE TABLE endings (
    seq                BIGINT PRIMARY KEY,
    reservation        BIGINT NOT NULL,
    kind               TEXT NOT NULL CHECK (kind IN ('settle', 'void', 'unknown')),
    at_ms              BIGINT NOT NULL,
    cost_pico          BIGINT CHECK (cost_pico >= 0),
    baseline_cost_pico BIGINT CHECK (baseline_cost_pico >= 0),
    basis              TEXT,
    ending             TEXT,
    latency_ms         BIGINT,
    first_token_ms     BIGINT,
    usage              TEXT,
    lines              TEXT,
    why                TEXT
);
CREATE UNIQUE INDEX endings_one ON endings (reservation) WHERE kind <> 'unknown';
CREATE UNIQUE INDEX endings_unknown ON endings (reservation) WHERE kind = 'unknown';

CREATE FUNCTION journal_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the journal is never changed'; END $$;
CREATE TRIGGER reservations_stay BEFORE UPDATE OR DELETE ON reservations FOR EACH ROW EXECUTE FUNCTION journal_stays();
CREATE TRIGGER reservations_kept BEFORE TRUNCATE ON reservations FOR EACH STATEMENT EXECUTE FUNCTION journal_stays();
CREATE TRIGGER endings_stay BEFORE UPDATE OR DELETE ON endings FOR EACH ROW EXECUTE FUNCTION journal_stays();
CREATE TRIGGER endings_kept BEFORE TRUNCATE ON endings FOR EACH STATEMENT EXECUTE FUNCTION journal_stays();

CREATE TABLE budgets (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       TEXT NOT NULL,
    definition TEXT NOT NULL,
    UNIQUE (name, definition)
);

-- One row for each balance that a budget keeps: who judges against the budget locks it first.
CREATE TABLE scopes (
    budget BIGINT NOT NULL,
    scope  TEXT NOT NULL,
    PRIMARY KEY (budget, scope)
);

CREATE TABLE balances (
    budget    BIGINT NOT NULL,
    scope     TEXT NOT NULL,
    bucket_ms BIGINT NOT NULL,
    posted    NUMERIC NOT NULL,
    held      NUMERIC NOT NULL,
    base      NUMERIC NOT NULL,
    PRIMARY KEY (budget, scope, bucket_ms)
) WITH (fillfactor = 50);

-- Parts of budgets that stores may spend without asking. They count as used until they are returned.
CREATE TABLE leases (
    budget    BIGINT NOT NULL,
    scope     TEXT NOT NULL,
    bucket_ms BIGINT NOT NULL,
    owner     BIGINT NOT NULL,
    units     NUMERIC NOT NULL CHECK (units >= 0),
    PRIMARY KEY (budget, scope, bucket_ms, owner)
) WITH (fillfactor = 50);
CREATE INDEX leases_owner ON leases (owner);

CREATE TABLE rates (
    name             TEXT NOT NULL,
    scope            TEXT NOT NULL,
    requests_full_ns BIGINT NOT NULL,
    tokens_full_ns   BIGINT NOT NULL,
    PRIMARY KEY (name, scope)
) WITH (fillfactor = 50);

CREATE TABLE hours (
    hour_ms   BIGINT NOT NULL,
    model     TEXT NOT NULL,
    vendor    TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    tier      TEXT NOT NULL,
    purpose   TEXT NOT NULL,
    ending    TEXT NOT NULL,
    basis     TEXT NOT NULL,
    attempts  BIGINT NOT NULL,
    cost      NUMERIC NOT NULL,
    baseline  NUMERIC NOT NULL,
    input     BIGINT NOT NULL,
    cached    BIGINT NOT NULL,
    output    BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    overruns  BIGINT NOT NULL,
    failed    BIGINT NOT NULL,
    PRIMARY KEY (hour_ms, model, vendor, endpoint, tier, purpose, ending, basis)
) WITH (fillfactor = 50);

CREATE TABLE tag_hours (
    name      TEXT NOT NULL,
    hour_ms   BIGINT NOT NULL,
    value     TEXT NOT NULL,
    attempts  BIGINT NOT NULL,
    cost      NUMERIC NOT NULL,
    baseline  NUMERIC NOT NULL,
    input     BIGINT NOT NULL,
    cached    BIGINT NOT NULL,
    output    BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    overruns  BIGINT NOT NULL,
    failed    BIGINT NOT NULL,
    PRIMARY KEY (name, hour_ms, value)
) WITH (fillfactor = 50);

CREATE TABLE time_hours (
    hour_ms  BIGINT NOT NULL,
    model    TEXT NOT NULL,
    vendor   TEXT NOT NULL,
    tier     TEXT NOT NULL,
    measure  TEXT NOT NULL,
    class    INTEGER NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (hour_ms, model, vendor, tier, measure, class)
) WITH (fillfactor = 50);

-- Texts that outlive the process beside the account, without a prompt or an answer.
CREATE TABLE notes (
    name     TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    text     TEXT NOT NULL
);

-- Milliseconds since 1970 as a time; NULL before the year 4712 BC, where PostgreSQL's calendar begins.
CREATE FUNCTION ledger_time(ms BIGINT) RETURNS TIMESTAMPTZ LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN ms > -210000000000000 THEN pg_catalog.to_timestamp(ms / 1000.0) END $$;
CREATE FUNCTION ledger_day(ms BIGINT) RETURNS DATE LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN ms > -210000000000000
   THEN (pg_catalog.to_timestamp(ms / 1000.0) AT TIME ZONE 'UTC')::pg_catalog.date END $$;

-- Every attempt and what became of it.
CREATE VIEW attempts AS
SELECT r.attempt, r.request, ledger_time(r.at_ms) AS at, r.model, r.vendor, r.endpoint, r.tier, r.purpose,
       r.key, r.tags::jsonb AS tags, r.amount_pico, r.tokens_max, r.baseline,
       CASE WHEN e.kind = 'settle' THEN 'settled' WHEN e.kind = 'void' THEN 'voided' WHEN u.seq IS NOT NULL THEN 'unknown'
            ELSE 'open' END AS fate,
       e.cost_pico, e.cost_pico / 1e12::float8 AS cost_usd, e.baseline_cost_pico, e.basis, e.ending, e.latency_ms,
       e.first_token_ms, e.cost_pico > r.amount_pico AS overrun, e.usage, e.lines, e.why
FROM reservations r
LEFT JOIN endings e ON e.reservation = r.seq AND e.kind <> 'unknown'
LEFT JOIN endings u ON u.reservation = r.seq AND u.kind = 'unknown';

-- Attempts whose process died before it wrote how they ended: charged in full until they are reconciled.
CREATE VIEW unknown_attempts AS
SELECT r.attempt, r.request, ledger_time(r.at_ms) AS at, r.model, r.vendor, r.endpoint, r.amount_pico
FROM endings u JOIN reservations r ON r.seq = u.reservation
WHERE u.kind = 'unknown'
  AND NOT EXISTS (SELECT 1 FROM endings e WHERE e.reservation = u.reservation AND e.kind <> 'unknown');

CREATE VIEW spend_by_day AS
SELECT ledger_day(hour_ms) AS day, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       (SUM(cost) / 1e12)::float8 AS cost_usd, (SUM(cost) * 0.000000000001)::text AS cost_exact
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW spend_by_model AS
SELECT model, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       (SUM(cost) / 1e12)::float8 AS cost_usd, (SUM(cost) * 0.000000000001)::text AS cost_exact
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW spend_by_tier AS
SELECT tier, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       (SUM(cost) / 1e12)::float8 AS cost_usd, (SUM(cost) * 0.000000000001)::text AS cost_exact
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW spend_by_vendor AS
SELECT vendor, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       (SUM(cost) / 1e12)::float8 AS cost_usd, (SUM(cost) * 0.000000000001)::text AS cost_exact
FROM hours WHERE ending <> 'voided' GROUP BY 1;

CREATE VIEW spend_by_tag AS
SELECT name AS tag, value, SUM(attempts) AS attempts, SUM(input) AS input_tokens, SUM(output) AS output_tokens,
       (SUM(cost) / 1e12)::float8 AS cost_usd, (SUM(cost) * 0.000000000001)::text AS cost_exact
FROM tag_hours GROUP BY 1, 2;

-- What the answers would have cost on the baseline model, what all attempts did cost, and the difference.
CREATE VIEW savings AS
SELECT ledger_day(hour_ms) AS day, (SUM(baseline) / 1e12)::float8 AS baseline_usd, (SUM(cost) / 1e12)::float8 AS cost_usd,
       ((SUM(baseline) - SUM(cost)) / 1e12)::float8 AS saved_usd
FROM hours WHERE ending <> 'voided' GROUP BY 1;

-- A line's end in a definition says that it was set aside: only stores that started before go by it.
CREATE VIEW budget_balances AS
SELECT b.name AS budget, split_part(b.definition, ' ', 1) AS unit, a.scope, ledger_time(a.bucket_ms) AS window_start,
       (CASE WHEN b.definition LIKE 'money %' THEN a.posted / 1e12 ELSE a.posted END)::float8 AS posted,
       (CASE WHEN b.definition LIKE 'money %' THEN a.held / 1e12 ELSE a.held END)::float8 AS held
FROM balances a JOIN budgets b ON b.id = a.budget
WHERE strpos(b.definition, chr(10)) = 0;

-- Parts of budgets that stores hold; `is_alive` says whether the store gives signs of life.
CREATE VIEW budget_leases AS
SELECT b.name AS budget, split_part(b.definition, ' ', 1) AS unit, l.scope, ledger_time(l.bucket_ms) AS window_start,
       l.owner, (CASE WHEN b.definition LIKE 'money %' THEN l.units / 1e12 ELSE l.units END)::float8 AS units,
       COALESCE(o.alive_until > now(), FALSE) AS is_alive
FROM leases l JOIN budgets b ON b.id = l.budget LEFT JOIN owners o ON o.id = l.owner;
