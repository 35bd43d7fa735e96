-- +goose Up
CREATE TABLE counters (
    key     TEXT    PRIMARY KEY,
    tries   INTEGER NOT NULL,
    cleared INTEGER NOT NULL,
    last    INTEGER,           -- Unix microseconds; NULL: never tried
    recent  BLOB    NOT NULL,  -- Unix milliseconds, eight bytes each, big endian, oldest first
    expires INTEGER            -- Unix microseconds; NULL: never
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_expires ON counters (expires) WHERE expires IS NOT NULL;

CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL, -- Unix microseconds
    door      INTEGER NOT NULL,
    action    INTEGER NOT NULL,
    stage     INTEGER NOT NULL,
    outcome   INTEGER NOT NULL,
    result    INTEGER NOT NULL,
    node      TEXT NOT NULL,
    peer      TEXT NOT NULL,
    transport TEXT NOT NULL,
    source    TEXT NOT NULL,
    call_id   TEXT NOT NULL,
    backend   TEXT NOT NULL,
    domain    TEXT NOT NULL,
    mailbox   TEXT NOT NULL,
    extension TEXT NOT NULL,
    rule      TEXT NOT NULL,
    actor     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    policy    TEXT NOT NULL,
    intent    TEXT NOT NULL,
    prev      BLOB NOT NULL,
    hash      BLOB NOT NULL
) STRICT;
CREATE INDEX audit_intent ON audit (intent) WHERE intent <> '';

-- The last record a second time: a chain cut off at its end is whole in itself.
CREATE TABLE audit_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  INTEGER NOT NULL,
    hash BLOB    NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit records are never altered'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit records are never removed'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE counters;
DROP TABLE audit;
DROP TABLE audit_head;
