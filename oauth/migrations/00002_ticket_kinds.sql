-- +goose Up
-- Tickets of one kind crowd out only each other, the spent ones first. What was
-- kept before counts as codes until it expires.

ALTER TABLE tickets ADD COLUMN kind TEXT NOT NULL DEFAULT 'code';
DROP INDEX tickets_created;
CREATE INDEX tickets_kind ON tickets (kind, taken, created_at DESC);
