-- +goose Up
ALTER TABLE mailbox ADD COLUMN slow INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE mailbox DROP COLUMN slow;
