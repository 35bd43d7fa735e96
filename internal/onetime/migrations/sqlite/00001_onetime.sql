-- +goose Up
-- A row for each mailbox whose one-time code was sent or tried lately.
CREATE TABLE one_time (
    owner     BLOB    PRIMARY KEY, -- SHA-256 of backend and mailbox
    salt      BLOB    NOT NULL,    -- empty: there is no code, or it was used
    hash      BLOB    NOT NULL,
    memory    INTEGER NOT NULL,    -- cost of the hash: KiB
    passes    INTEGER NOT NULL,
    until     INTEGER NOT NULL,    -- Unix milliseconds; from then on the code is worth nothing
    tried_own INTEGER NOT NULL,    -- how often at the own door, since the code was sent
    tried_any INTEGER NOT NULL,    -- and at the any door
    sent_own  BLOB    NOT NULL,    -- when codes were sent from the own door: Unix milliseconds, eight bytes each, big endian, oldest first
    sent_any  BLOB    NOT NULL,    -- and from the any door
    voided    INTEGER NOT NULL,    -- how often all that was sent and proved was made worth nothing
    forget    INTEGER NOT NULL     -- Unix milliseconds; from then on the row tells nothing
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_forget ON one_time (forget);

-- +goose Down
DROP TABLE one_time;
