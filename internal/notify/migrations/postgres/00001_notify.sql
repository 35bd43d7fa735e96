-- +goose Up
-- As for SQLite.
CREATE TABLE notice (
    id        TEXT     NOT NULL,
    channel   TEXT     NOT NULL,
    kind      TEXT     NOT NULL,
    at        BIGINT   NOT NULL,
    until     BIGINT   NOT NULL,
    backend   TEXT     NOT NULL,
    domain    TEXT     NOT NULL,
    mailbox   TEXT     NOT NULL,
    extension TEXT     NOT NULL,
    door      SMALLINT NOT NULL,
    claim     SMALLINT NOT NULL,
    peer      TEXT     NOT NULL,
    source    TEXT     NOT NULL,
    actor     TEXT     NOT NULL,
    due       BIGINT   NOT NULL,
    give_up   BIGINT   NOT NULL,
    tries     INTEGER  NOT NULL,
    holder    TEXT     NOT NULL,
    PRIMARY KEY (id, channel)
);
CREATE INDEX notice_due ON notice (channel, due);

CREATE TABLE notice_cursor (
    one SMALLINT PRIMARY KEY CHECK (one = 1),
    seq BIGINT   NOT NULL
);

CREATE TABLE notice_lock (
    owner BYTEA  PRIMARY KEY,
    told  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE notice;
DROP TABLE notice_cursor;
DROP TABLE notice_lock;
