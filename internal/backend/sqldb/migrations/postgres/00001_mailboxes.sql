-- +goose Up
-- As for SQLite. The order of texts is that of their bytes, whatever the server's
-- language.
CREATE TABLE mailbox (
    id            TEXT    COLLATE "C" PRIMARY KEY,
    domain        TEXT    COLLATE "C" NOT NULL,
    extension     TEXT    COLLATE "C" NOT NULL,
    name          TEXT    NOT NULL,
    language      TEXT    NOT NULL,
    disabled      BOOLEAN NOT NULL,
    must_change   BOOLEAN NOT NULL,
    cannot_change BOOLEAN NOT NULL,
    slow          BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    UNIQUE (domain, extension)
);

CREATE TABLE number (
    mailbox_id TEXT COLLATE "C" NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
    number     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (mailbox_id, number)
);
CREATE INDEX number_owner ON number (number);

CREATE TABLE code (
    mailbox_id TEXT    COLLATE "C" PRIMARY KEY REFERENCES mailbox (id) ON DELETE CASCADE,
    kid        TEXT    NOT NULL,
    salt       BYTEA   NOT NULL,
    hash       BYTEA   NOT NULL,
    memory     INTEGER NOT NULL,
    passes     INTEGER NOT NULL,
    threads    INTEGER NOT NULL,
    set_at     BIGINT  NOT NULL
);

-- The pepper keys of all nodes, by which a node knows that its file is theirs. proof is
-- an HMAC made with the key; it tells nothing of it.
CREATE TABLE pepper (
    kid   TEXT  PRIMARY KEY,
    proof BYTEA NOT NULL
);

-- +goose Down
DROP TABLE pepper;
DROP TABLE code;
DROP TABLE number;
DROP TABLE mailbox;
