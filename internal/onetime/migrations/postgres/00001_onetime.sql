-- +goose Up
-- As for SQLite.
CREATE TABLE one_time (
    owner     BYTEA   PRIMARY KEY,
    salt      BYTEA   NOT NULL,
    hash      BYTEA   NOT NULL,
    memory    INTEGER NOT NULL,
    passes    INTEGER NOT NULL,
    until     BIGINT  NOT NULL,
    tried_own BIGINT  NOT NULL,
    tried_any BIGINT  NOT NULL,
    sent_own  BYTEA   NOT NULL,
    sent_any  BYTEA   NOT NULL,
    voided    BIGINT  NOT NULL,
    forget    BIGINT  NOT NULL
);
CREATE INDEX one_time_forget ON one_time (forget);

-- +goose Down
DROP TABLE one_time;
