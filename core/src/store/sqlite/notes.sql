-- Format 2: texts that outlive the process beside the account. `batch/ID` is a batch's state and `batch-items/ID` what
-- was set aside for its items, both JSON without a prompt or an answer.

CREATE TABLE notes (
    name     TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    text     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
