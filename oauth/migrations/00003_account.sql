-- +goose Up
-- What the account page and the audit record need.

-- Apart from the grants, whose rows are wide and compared before they change.
CREATE TABLE grant_uses (
    grant_id TEXT   NOT NULL PRIMARY KEY REFERENCES grants (id) ON DELETE CASCADE,
    used_at  BIGINT NOT NULL
);
CREATE INDEX grants_created ON grants (created_at, id);

CREATE TABLE sessions (
    hash       BYTEA  NOT NULL PRIMARY KEY,
    user_id    TEXT   NOT NULL,
    user_name  TEXT   NOT NULL,
    admin      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE events (
    id          TEXT   NOT NULL PRIMARY KEY,
    happened_at BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    client_id   TEXT   NOT NULL,
    user_id     TEXT   NOT NULL,
    by_user     TEXT   NOT NULL,
    grant_id    TEXT   NOT NULL,
    source      TEXT   NOT NULL,
    resource    TEXT   NOT NULL,
    detail      TEXT   NOT NULL
);
CREATE INDEX events_happened ON events (happened_at, id);
CREATE INDEX events_user ON events (user_id, happened_at, id);
CREATE INDEX events_kind ON events (kind, happened_at);

-- One row: a value that only the right key opens.
CREATE TABLE canary (
    id     BIGINT NOT NULL PRIMARY KEY,
    sealed BYTEA  NOT NULL
);
