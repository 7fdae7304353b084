CREATE TABLE monitor(
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project(id), slug TEXT NOT NULL, name TEXT NOT NULL,
  config TEXT NOT NULL, created REAL NOT NULL, UNIQUE(project, slug));
CREATE TABLE checkin(
  id INTEGER PRIMARY KEY, monitor INTEGER NOT NULL REFERENCES monitor(id) ON DELETE CASCADE, guid TEXT NOT NULL,
  env TEXT NOT NULL, status TEXT NOT NULL, duration REAL, started REAL NOT NULL, updated REAL NOT NULL,
  trace_id TEXT NOT NULL DEFAULT '', UNIQUE(monitor, guid));
CREATE INDEX checkin_started ON checkin(monitor, env, started);

ALTER TABLE seeding ADD COLUMN checkin INTEGER NOT NULL DEFAULT 0;
