-- +goose Up
-- Only types and clauses that SQLite and PostgreSQL both understand. Times are
-- milliseconds since 1970; 0 stands for none.

CREATE TABLE clients (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL,
    redirect_uris TEXT   NOT NULL, -- JSON
    auth_method   TEXT   NOT NULL,
    secret_hash   BYTEA  NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL
);
CREATE INDEX clients_expires ON clients (expires_at);

CREATE TABLE tickets (
    key        BYTEA  NOT NULL PRIMARY KEY,
    data       BYTEA  NOT NULL, -- sealed
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    taken      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX tickets_created ON tickets (created_at);
CREATE INDEX tickets_expires ON tickets (expires_at);

CREATE TABLE grants (
    id                  TEXT   NOT NULL PRIMARY KEY,
    user_id             TEXT   NOT NULL,
    user_name           TEXT   NOT NULL,
    client_id           TEXT   NOT NULL,
    client_name         TEXT   NOT NULL,
    resource            TEXT   NOT NULL,
    scopes              TEXT   NOT NULL, -- separated by spaces
    created_at          BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL,
    refresh_hash        BYTEA  NOT NULL,
    rotated_at          BIGINT NOT NULL,
    upstream            BYTEA  NOT NULL, -- sealed
    upstream_expires_at BIGINT NOT NULL,
    upstream_lease      BIGINT NOT NULL,
    upstream_generation BIGINT NOT NULL
);
CREATE INDEX grants_client ON grants (client_id);
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_expires ON grants (expires_at);

CREATE TABLE access_tokens (
    hash       BYTEA  NOT NULL PRIMARY KEY,
    grant_id   TEXT   NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    resource   TEXT   NOT NULL,
    scopes     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_grant ON access_tokens (grant_id, created_at);
CREATE INDEX access_tokens_expires ON access_tokens (expires_at);
