CREATE TABLE org(id INTEGER PRIMARY KEY, slug TEXT NOT NULL, name TEXT NOT NULL, created REAL NOT NULL);
CREATE UNIQUE INDEX org_slug ON org(slug COLLATE NOCASE);

CREATE TABLE user(id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL, username TEXT NOT NULL);
CREATE UNIQUE INDEX user_email ON user(email COLLATE NOCASE);
CREATE UNIQUE INDEX user_username ON user(username COLLATE NOCASE);

CREATE TABLE member(
  org INTEGER NOT NULL REFERENCES org(id), user INTEGER NOT NULL REFERENCES user(id), role TEXT NOT NULL,
  PRIMARY KEY (org, user)) WITHOUT ROWID;

CREATE TABLE project(
  id INTEGER PRIMARY KEY, org INTEGER NOT NULL REFERENCES org(id), slug TEXT NOT NULL, name TEXT NOT NULL,
  platform TEXT NOT NULL, created REAL NOT NULL, shorts INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX project_slug ON project(org, slug COLLATE NOCASE);

CREATE TABLE dsn(
  public TEXT PRIMARY KEY, secret TEXT NOT NULL, project INTEGER NOT NULL REFERENCES project(id), name TEXT NOT NULL,
  active INTEGER NOT NULL DEFAULT 1, created REAL NOT NULL, opts TEXT NOT NULL DEFAULT '{}') WITHOUT ROWID;
CREATE INDEX dsn_project ON dsn(project);

CREATE TABLE issue(
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project(id), short TEXT NOT NULL, hash TEXT NOT NULL,
  parts TEXT NOT NULL, title TEXT NOT NULL, culprit TEXT NOT NULL, type TEXT NOT NULL, category TEXT NOT NULL,
  issue_type TEXT NOT NULL, level TEXT NOT NULL, platform TEXT NOT NULL, status TEXT NOT NULL, substatus TEXT,
  details TEXT NOT NULL DEFAULT '{}', meta TEXT NOT NULL DEFAULT '{}', assignee TEXT NOT NULL DEFAULT '',
  first_seen REAL NOT NULL, last_seen REAL NOT NULL, count INTEGER NOT NULL, first_release TEXT NOT NULL DEFAULT '',
  priority TEXT NOT NULL, UNIQUE(project, hash), UNIQUE(project, short));
CREATE INDEX issue_last_seen ON issue(project, last_seen);

CREATE TABLE item(
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, project INTEGER NOT NULL REFERENCES project(id),
  issue INTEGER REFERENCES issue(id), event_id TEXT NOT NULL DEFAULT '', trace_id TEXT NOT NULL DEFAULT '',
  span_id TEXT NOT NULL DEFAULT '', ts REAL NOT NULL, attrs TEXT NOT NULL, body BLOB);
CREATE INDEX item_kind ON item(kind, project, ts);
CREATE INDEX item_issue ON item(issue, ts) WHERE issue IS NOT NULL;
CREATE INDEX item_event ON item(event_id) WHERE event_id <> '';
CREATE INDEX item_trace ON item(trace_id) WHERE trace_id <> '';

CREATE TABLE activity(
  id INTEGER PRIMARY KEY, issue INTEGER NOT NULL REFERENCES issue(id), user INTEGER REFERENCES user(id),
  type TEXT NOT NULL, data TEXT NOT NULL DEFAULT '{}', ts REAL NOT NULL);
CREATE INDEX activity_issue ON activity(issue, ts);

CREATE TABLE release(
  id INTEGER PRIMARY KEY, org INTEGER NOT NULL REFERENCES org(id), version TEXT NOT NULL, created REAL NOT NULL,
  released REAL, UNIQUE(org, version));
CREATE TABLE release_project(
  release INTEGER NOT NULL REFERENCES release(id), project INTEGER NOT NULL REFERENCES project(id),
  first REAL NOT NULL, last REAL NOT NULL, PRIMARY KEY (release, project)) WITHOUT ROWID;
CREATE INDEX release_project_project ON release_project(project, first);

CREATE TABLE oauth_app(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, client_id TEXT NOT NULL UNIQUE, secret_hash BLOB NOT NULL,
  redirects TEXT NOT NULL);
CREATE TABLE oauth_grant(
  code_hash BLOB PRIMARY KEY, app INTEGER NOT NULL REFERENCES oauth_app(id), user INTEGER NOT NULL REFERENCES user(id),
  scopes TEXT NOT NULL, redirect TEXT NOT NULL, challenge TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE token(
  hash BLOB PRIMARY KEY, refresh_hash BLOB UNIQUE, app INTEGER REFERENCES oauth_app(id),
  user INTEGER NOT NULL REFERENCES user(id), scopes TEXT NOT NULL, created REAL NOT NULL, expires REAL) WITHOUT ROWID;
CREATE TABLE web_session(
  hash BLOB PRIMARY KEY, user INTEGER NOT NULL REFERENCES user(id), expires REAL NOT NULL) WITHOUT ROWID;
