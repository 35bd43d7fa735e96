-- +goose Up
-- As for SQLite, but key is bytes, in their order: who calls may write anything there.
CREATE TABLE counters (
    key     BYTEA  PRIMARY KEY,
    tries   BIGINT NOT NULL,
    cleared BIGINT NOT NULL,
    last    BIGINT,
    recent  BYTEA  NOT NULL,
    expires BIGINT -- 0: nothing was counted yet, the row is there to be locked
);
CREATE INDEX counters_expires ON counters (expires) WHERE expires IS NOT NULL;

CREATE TABLE audit (
    seq       BIGINT   PRIMARY KEY,
    at        BIGINT   NOT NULL,
    door      SMALLINT NOT NULL,
    action    SMALLINT NOT NULL,
    stage     SMALLINT NOT NULL,
    outcome   SMALLINT NOT NULL,
    result    SMALLINT NOT NULL,
    node      TEXT  NOT NULL,
    peer      TEXT  NOT NULL,
    transport TEXT  NOT NULL,
    source    TEXT  NOT NULL,
    call_id   TEXT  NOT NULL,
    backend   TEXT  NOT NULL,
    domain    TEXT  NOT NULL,
    mailbox   TEXT  NOT NULL,
    extension TEXT  NOT NULL,
    rule      TEXT  NOT NULL,
    actor     TEXT  NOT NULL,
    reason    TEXT  NOT NULL,
    policy    TEXT  NOT NULL,
    intent    TEXT  NOT NULL,
    prev      BYTEA NOT NULL,
    hash      BYTEA NOT NULL
);
CREATE INDEX audit_intent ON audit (intent) WHERE intent <> '';

CREATE TABLE audit_head (
    one  SMALLINT PRIMARY KEY CHECK (one = 1),
    seq  BIGINT   NOT NULL,
    hash BYTEA    NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit records are never altered or removed'; END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
EXECUTE FUNCTION audit_refuse();

-- +goose Down
DROP TABLE counters;
DROP TABLE audit;
DROP TABLE audit_head;
DROP FUNCTION audit_refuse;
