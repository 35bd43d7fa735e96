-- +goose Up
-- mail is where notices and one-time codes go, empty for nowhere; locked is an
-- administrator's own lock.
ALTER TABLE mailbox ADD COLUMN mail TEXT NOT NULL DEFAULT '';
ALTER TABLE mailbox ADD COLUMN locked INTEGER NOT NULL DEFAULT 0;

-- Codes that were replaced, as they were stored; the highest n of a mailbox is its
-- latest.
CREATE TABLE history (
    mailbox_id TEXT    NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    n          INTEGER NOT NULL,
    kid        TEXT    NOT NULL,
    salt       BLOB    NOT NULL,
    hash       BLOB    NOT NULL,
    memory     INTEGER NOT NULL,
    passes     INTEGER NOT NULL,
    threads    INTEGER NOT NULL,
    set_at     INTEGER NOT NULL,
    PRIMARY KEY (mailbox_id, n)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE history;
ALTER TABLE mailbox DROP COLUMN locked;
ALTER TABLE mailbox DROP COLUMN mail;
