-- +goose Up
-- As for SQLite.
ALTER TABLE mailbox ADD COLUMN mail TEXT NOT NULL DEFAULT '';
ALTER TABLE mailbox ADD COLUMN locked BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE history (
    mailbox_id TEXT    COLLATE "C" NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    n          BIGINT  NOT NULL,
    kid        TEXT    NOT NULL,
    salt       BYTEA   NOT NULL,
    hash       BYTEA   NOT NULL,
    memory     INTEGER NOT NULL,
    passes     INTEGER NOT NULL,
    threads    INTEGER NOT NULL,
    set_at     BIGINT  NOT NULL,
    PRIMARY KEY (mailbox_id, n)
);

-- +goose Down
DROP TABLE history;
ALTER TABLE mailbox DROP COLUMN locked;
ALTER TABLE mailbox DROP COLUMN mail;
