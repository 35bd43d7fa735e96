-- +goose Up
-- Defaults are those of records from before: no record is ever altered, and their hashes
-- know nothing of these columns.
ALTER TABLE audit ADD COLUMN form   SMALLINT NOT NULL DEFAULT 1;
ALTER TABLE audit ADD COLUMN claim  SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN until  BIGINT NOT NULL DEFAULT 0; -- Unix microseconds; 0: none
ALTER TABLE audit ADD COLUMN target TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_extension ON audit (extension, seq) WHERE extension <> '';
CREATE INDEX audit_mailbox ON audit (mailbox, seq) WHERE mailbox <> '';
-- Deeds that were done to a mailbox: few beside the logins.
CREATE INDEX audit_done ON audit (backend, mailbox, seq) WHERE mailbox <> '' AND stage = 2 AND outcome = 1;

-- How far each follower of the chain has come.
CREATE TABLE cursors (
    name TEXT NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL
);

-- Which node follows, until when (Unix microseconds).
CREATE TABLE leaders (
    name   TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE leaders;
DROP TABLE cursors;
DROP INDEX audit_at;
DROP INDEX audit_extension;
DROP INDEX audit_mailbox;
DROP INDEX audit_done;
ALTER TABLE audit DROP COLUMN form;
ALTER TABLE audit DROP COLUMN claim;
ALTER TABLE audit DROP COLUMN until;
ALTER TABLE audit DROP COLUMN target;
