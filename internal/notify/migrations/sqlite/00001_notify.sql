-- +goose Up
-- What owners are still to be told, a row for each way to tell it.
CREATE TABLE notice (
    id        TEXT    NOT NULL, -- the same on every node and at every try
    channel   TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    at        INTEGER NOT NULL, -- when it happened, Unix microseconds
    until     INTEGER NOT NULL, -- of a lock, Unix microseconds; 0: until somebody opens it
    backend   TEXT    NOT NULL,
    domain    TEXT    NOT NULL,
    mailbox   TEXT    NOT NULL,
    extension TEXT    NOT NULL,
    door      INTEGER NOT NULL,
    claim     INTEGER NOT NULL,
    peer      TEXT    NOT NULL,
    source    TEXT    NOT NULL,
    actor     TEXT    NOT NULL,
    due       INTEGER NOT NULL, -- of the next try, Unix milliseconds
    give_up   INTEGER NOT NULL, -- after a try that fails from then on it is given up, Unix milliseconds
    tries     INTEGER NOT NULL,
    holder    TEXT    NOT NULL, -- who tries, until due
    PRIMARY KEY (id, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_due ON notice (channel, due);

-- The last record of the audit trail of which notices were made.
CREATE TABLE notice_cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
) STRICT;

-- When the owner of a mailbox was last told of a lock, Unix microseconds.
CREATE TABLE notice_lock (
    owner BLOB    PRIMARY KEY,
    told  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE notice;
DROP TABLE notice_cursor;
DROP TABLE notice_lock;
