-- +goose Up
-- Times are Unix milliseconds. id never changes: codes are bound to it, so that an
-- extension can be renumbered.
CREATE TABLE mailbox (
    id            TEXT    PRIMARY KEY,
    domain        TEXT    NOT NULL,
    extension     TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    language      TEXT    NOT NULL,
    disabled      INTEGER NOT NULL,
    must_change   INTEGER NOT NULL,
    cannot_change INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (domain, extension)
) STRICT, WITHOUT ROWID;

-- The owner's own numbers; several mailboxes may share one.
CREATE TABLE number (
    mailbox_id TEXT NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    number     TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX number_owner ON number (number);

-- A mailbox without a row here has no code. kid names the pepper key; memory (KiB),
-- passes and threads are the cost with which hash was made.
CREATE TABLE code (
    mailbox_id TEXT    PRIMARY KEY REFERENCES mailbox (id) ON DELETE CASCADE,
    kid        TEXT    NOT NULL,
    salt       BLOB    NOT NULL,
    hash       BLOB    NOT NULL,
    memory     INTEGER NOT NULL,
    passes     INTEGER NOT NULL,
    threads    INTEGER NOT NULL,
    set_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE code;
DROP TABLE number;
DROP TABLE mailbox;
