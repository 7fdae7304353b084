-- Sessions by the hour in which they began. What goes with an hour goes by itself.
CREATE TABLE session_count(
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project(id), release TEXT NOT NULL, environment TEXT NOT NULL,
  hour REAL NOT NULL, healthy INTEGER NOT NULL DEFAULT 0, errored INTEGER NOT NULL DEFAULT 0, unhandled INTEGER NOT NULL DEFAULT 0,
  abnormal INTEGER NOT NULL DEFAULT 0, crashed INTEGER NOT NULL DEFAULT 0, UNIQUE(project, release, environment, hour));
CREATE INDEX session_count_hour ON session_count(project, hour);

-- Who had sessions in that hour, and how the worst of them went.
CREATE TABLE session_user(
  bucket INTEGER NOT NULL REFERENCES session_count(id) ON DELETE CASCADE, did TEXT NOT NULL, state INTEGER NOT NULL,
  PRIMARY KEY (bucket, did)) WITHOUT ROWID;

-- Single sessions that may be told of again, and how each was counted.
CREATE TABLE session(
  project INTEGER NOT NULL REFERENCES project(id), sid TEXT NOT NULL, bucket INTEGER NOT NULL REFERENCES session_count(id) ON DELETE CASCADE,
  state INTEGER NOT NULL, ts REAL NOT NULL, PRIMARY KEY (project, sid)) WITHOUT ROWID;
CREATE INDEX session_bucket ON session(bucket);
CREATE INDEX session_ts ON session(project, ts);
