-- +goose Up
-- Only types and clauses that SQLite and PostgreSQL both understand. Times are
-- milliseconds since 1970; 0 stands for none.

CREATE TABLE tasks (
    id          TEXT   NOT NULL PRIMARY KEY,
    user_id     TEXT   NOT NULL,
    context     TEXT   NOT NULL, -- user, organization and project
    status      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    runner      TEXT   NOT NULL,
    lease_until BIGINT NOT NULL,
    content     BYTEA  NOT NULL -- sealed
);
CREATE INDEX tasks_user ON tasks (user_id);
CREATE INDEX tasks_expires ON tasks (expires_at);
CREATE INDEX tasks_runner ON tasks (runner);
